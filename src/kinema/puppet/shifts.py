"""Filling a hole with two shifted copies of the picture (after Pritch et al. 2009, shift-maps).

What is beside a person goes on behind them in the same rows: one copy comes from one side, one from the other, and
they are cut where they differ least. Walls, fences, shelves and floors stay whole, which patches would stir.
"""

from __future__ import annotations

import cv2
import numpy as np
from numba import njit

from kinema.puppet.seams import cheapest_way

_LEAST_SHIFT = 0.06  # of the width (ours)
_SEARCHED, _SHIFTS = (
    90,
    48,
)  # sides of a square as large as the picture searched, and shifts compared there (ours)
_RING = 3  # pixels round the hole on which a copy is compared with what is there (ours)
_MISSING = 600.0  # what a pixel costs that a copy cannot fill, squared grey levels (ours)
_MOST = 3000.0  # squared grey levels of one pixel, at most (ours)
_FITS = 900.0  # of a whole ring: above, copies do not fit (ours)


def shifted(picture: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Where the hole's pixels come from.

    Args:
        picture: float32 [H, W, 3], 0 to 255.
        known: bool [H, W].

    Returns:
        Columns by which each pixel's source lies to the right, int64 [H, W], and which of the hole's are filled, bool
        [H, W]; None where copies do not fit.
    """
    height, width = known.shape
    if min(height, width) < 32 or known.all():
        return None
    scale = min(1.0, _SEARCHED / np.sqrt(height * width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    sure = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.999
    if not sure.any():
        return None
    least, apart = max(2, round(_LEAST_SHIFT * size[0])), max(1, round(2 * size[0] / _SHIFTS))
    ahead = np.arange(least, size[0] - least, apart)
    steps = np.concatenate([-ahead[::-1], ahead])
    costs = _pairs(*_measured(small, sure, steps), small, steps)
    first, second = np.unravel_index(int(np.argmin(costs)), costs.shape)
    best = [round(steps[first] * width / size[0]), round(steps[second] * width / size[0])]
    reach = max(1, round(0.5 * apart * width / size[0]))
    for far in (reach, 1):
        near = np.arange(-far, far + 1, max(1, far // 2))
        for side in (0, 1):
            tried = np.unique(np.concatenate([best[side] + near, [best[1 - side]]]))
            other = int(np.searchsorted(tried, best[1 - side]))
            each = _pairs(*_measured(picture, known, tried), picture, tried)
            best[side] = int(tried[int(np.argmin(each[:, other] if side == 0 else each[other]))])
    pair = np.array(best)
    cost, void, ring = _measured(picture, known, pair)
    seam = _seam(cost[0], cost[1], picture, int(pair[0]), int(pair[1]))
    right = np.arange(width) >= seam[:, None]
    took = np.where(right, cost[1], cost[0])
    if float(took[ring].mean()) > _FITS:
        return None
    return np.where(right, pair[1], pair[0]), ~known & ~np.where(right, void[1], void[0])


def _measured(
    picture: np.ndarray, known: np.ndarray, steps: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each shift costs at each pixel, float32 [K, H, W], where it has nothing to give, and the hole's ring."""
    height, width = known.shape
    kernel = np.ones((2 * _RING + 1, 2 * _RING + 1), np.uint8)
    ring = known & (cv2.dilate((~known).astype(np.uint8), kernel) > 0)
    cost = np.zeros((len(steps), height, width), np.float32)
    void = np.ones((len(steps), height, width), bool)
    for n, step in enumerate(steps):
        to = slice(max(0, -step), min(width, width - step))
        of = slice(to.start + step, to.stop + step)
        void[n, :, to] = ~known[:, of]
        apart = ((picture[:, of] - picture[:, to]) ** 2).mean(axis=2)
        cost[n, :, to] = np.where(ring[:, to], np.minimum(apart, _MOST), 0)
        cost[n][void[n] & (ring | ~known)] = _MISSING
    return cost, void, ring


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _between(picture: np.ndarray, i: int, j: int, one: int, two: int) -> float:
    """How much two copies differ at a pixel, squared grey levels."""
    width = picture.shape[1]
    if not (0 <= j + one < width and 0 <= j + two < width):
        return 3000.0
    total = 0.0
    for k in range(3):
        apart = picture[i, j + one, k] - picture[i, j + two, k]
        total += apart * apart
    return total / 3


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _pairs(
    cost: np.ndarray, void: np.ndarray, ring: np.ndarray, picture: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """The least cost of each pair of shifts, the first one left of the seam, [K, K]."""
    count, _, width = cost.shape
    result = np.empty((count, count))
    columns = np.flatnonzero(ring.sum(axis=0) > 0)
    rows = np.flatnonzero(ring.sum(axis=1) > 0)
    left, right = columns.min(), columns.max() + 1
    sums, other = np.zeros(width + 1), np.zeros(width + 1)
    for a in range(count):
        for b in range(count):
            sums[:] = 0
            for i in range(rows.min(), rows.max() + 1):
                at = 0.0
                for j in range(left, right):
                    at += cost[b, i, j]
                for j in range(left, right + 1):
                    best = sums[j]
                    if j > left:
                        best = min(best, sums[j - 1])
                    if j < right:
                        best = min(best, sums[j + 1])
                    extra = 0.0
                    if left < j < right and a != b:
                        extra = _between(picture, i, j, steps[a], steps[b])
                    other[j] = best + at + extra
                    if j < right:
                        at += cost[a, i, j] - cost[b, i, j]
                sums, other = other, sums
            result[a, b] = sums[left : right + 1].min()
    return result


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _seam(one: np.ndarray, two: np.ndarray, picture: np.ndarray, first: int, second: int) -> np.ndarray:
    """The first column of the second copy in each row, int64 [H]."""
    height, width = one.shape
    costs = np.empty((height, width + 1))
    for i in range(height):
        at = two[i].sum()
        for j in range(width + 1):
            costs[i, j] = at
            if 0 < j < width and first != second:
                costs[i, j] += _between(picture, i, j, first, second)
            if j < width:
                at += one[i, j] - two[i, j]
    return cheapest_way(costs)
