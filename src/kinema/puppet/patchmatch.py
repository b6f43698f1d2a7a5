"""Filling a hole in a small picture from its own patches: PatchMatch (Barnes et al. 2009), coarse to fine, with the
votes of Wexler et al. 2007.

The search is done for all pixels at once from the field of the round before, so that its result does not depend on
the number of threads; chance comes from a hash of pixel and round.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit

from kinema.puppet.inpaint import membrane, shrunk

HALF = 3
"""Pixels on each side of a patch's middle: patches are 7 x 7."""

_LEVELS = 4
_LEAST_SIDE = 40  # pixels of the shorter side below which no coarser level is made (ours)
_LEAST_SOURCES = 40  # whole patches below which there is nothing to copy from (ours)
_SAME_ROW = 6000.0  # what a source costs that lies a whole height above or below, squared grey levels (ours)
_ROUNDS = (6, 4, 3, 2)  # of search and vote, from the coarsest level on (ours)
_JUMPS = (4, 2, 1, 1)  # how far away neighbours are asked in each sweep of a search (ours)
_LEAST_WEIGHT = 1e-4  # of a patch that fits badly: where all do, they still have a colour (ours)
_PEELED = 600_000_000  # comparisons of pixels up to which the coarsest level is peeled, not searched (ours)


@dataclass(frozen=True, eq=False)
class Patched:
    """A picture without holes, and where everything came from.

    Args:
        colours: float32 [H, W, 3].
        source: row and column that each pixel of the hole was copied from, itself elsewhere, int32 [H, W, 2].
    """

    colours: np.ndarray
    source: np.ndarray


def patched(picture: np.ndarray, known: np.ndarray, threads: int = 2) -> Patched | None:
    """A picture whose hole is filled with what is seen elsewhere in it, in the same rows rather than others.

    Args:
        picture: float32 [H, W, 3], 0 to 255.
        known: bool [H, W].
        threads: that search.

    Returns:
        None where too little is known to copy from.
    """
    levels = [(picture, known)]
    while len(levels) < _LEVELS and min(levels[-1][1].shape) >= 2 * _LEAST_SIDE:
        colours, sure = levels[-1]
        half = (sure.shape[1] + 1) // 2, (sure.shape[0] + 1) // 2
        small = shrunk(colours, sure, half)
        if np.count_nonzero(_whole_patches(small[1])) < _LEAST_SOURCES:
            break
        levels.append(small)
    if np.count_nonzero(_whole_patches(levels[-1][1])) < _LEAST_SOURCES:
        return None
    before: Patched | None = None
    with ThreadPoolExecutor(threads) as pool:

        def spread(kernel: Callable[..., None], count: int, *given: object) -> None:
            bounds = np.linspace(0, count, threads + 1).astype(int)
            tasks = [pool.submit(kernel, *given, int(a), int(b)) for a, b in itertools.pairwise(bounds)]
            for task in tasks:
                task.result()

        for number, (colours, sure) in enumerate(reversed(levels)):
            before = _level(colours, sure, before, _ROUNDS[min(number, len(_ROUNDS) - 1)], number, spread)
    return before


def _level(
    picture: np.ndarray,
    known: np.ndarray,
    coarse: Patched | None,
    rounds: int,
    number: int,
    spread: Callable[..., None],
) -> Patched:
    """One level: sources from the coarser one, then search and vote in turns."""
    height, width = known.shape
    whole = _whole_patches(known)
    hole = np.argwhere(~known).astype(np.int32)
    kernel = np.ones((2 * HALF + 1, 2 * HALF + 1), np.uint8)
    targets = np.argwhere(cv2.dilate((~known).astype(np.uint8), kernel) > 0).astype(np.int32)
    index = np.full(known.shape, -1, np.int32)
    index[targets[:, 0], targets[:, 1]] = np.arange(len(targets), dtype=np.int32)
    nearest = _nearest_true(whole)
    if coarse is None:
        colours = np.where(known[..., None], picture, membrane(picture, known)).astype(np.float32)
        source = np.moveaxis(np.indices(known.shape), 0, -1).astype(np.int32)
        sources = np.argwhere(whole).astype(np.int32)
        if len(hole) * len(sources) * (2 * HALF + 1) ** 2 <= _PEELED:
            depth = cv2.distanceTransform((~known).astype(np.uint8), cv2.DIST_L2, 5)[hole[:, 0], hole[:, 1]]
            _peel(colours, known.copy(), hole[np.argsort(depth, kind="stable")], sources, _SAME_ROW, source)
    else:
        wide = cv2.resize(coarse.colours, (width, height), interpolation=cv2.INTER_LINEAR)
        colours = np.where(known[..., None], picture, wide).astype(np.float32)
        source = _finer(coarse.source, known.shape)
    at = source[targets[:, 0], targets[:, 1]]
    at = np.clip(at, 0, [height - 1, width - 1])
    field = nearest[at[:, 0], at[:, 1]].astype(np.int32)
    cost = np.empty(len(targets), np.float32)
    for turn in range(rounds):
        spread(_costs, len(targets), colours, targets, field, _SAME_ROW, cost)
        for sweep, jump in enumerate(_JUMPS):
            new_field, new_cost = np.empty_like(field), np.empty_like(cost)
            seed = 1 + sweep + 16 * turn + 256 * number
            reach = max(height, width) if turn == 0 else max(8, max(height, width) // 8)
            given = (colours, targets, index, whole, field, cost, new_field, new_cost)
            spread(_search, len(targets), *given, _SAME_ROW, jump, reach, seed)
            field, cost = new_field, new_cost
        typical = float(np.quantile(cost, 0.75)) + 1.0
        weight = np.maximum(np.exp(-cost / (0.5 * typical)), _LEAST_WEIGHT).astype(np.float32)
        voted = np.empty((len(hole), 3), np.float32)
        spread(_vote, len(hole), colours, hole, index, field, weight, voted)
        colours[hole[:, 0], hole[:, 1]] = voted
    source[targets[:, 0], targets[:, 1]] = field
    return Patched(colours, source)


def _whole_patches(known: np.ndarray) -> np.ndarray:
    """Middles of patches that are known all over and lie within the picture, bool [H, W]."""
    kernel = np.ones((2 * HALF + 1, 2 * HALF + 1), np.uint8)
    return cv2.erode(known.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0


def _nearest_true(mask: np.ndarray) -> np.ndarray:
    """Row and column of the nearest true pixel, int32 [H, W, 2]."""
    away = (~mask).astype(np.uint8)
    _, label = cv2.distanceTransformWithLabels(away, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    places = np.zeros((int(label.max()) + 1, 2), np.int32)
    places[label[mask]] = np.argwhere(mask)
    return np.asarray(places[label])


def _finer(source: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Sources of a level about twice as large, int32 [H, W, 2]: steps are kept."""
    rows, columns = np.indices(shape)
    scale = np.array([shape[0] / source.shape[0], shape[1] / source.shape[1]])
    y = np.minimum((rows / scale[0]).astype(int), source.shape[0] - 1)
    x = np.minimum((columns / scale[1]).astype(int), source.shape[1] - 1)
    step = source[y, x] - np.stack([y, x], axis=-1)
    return np.asarray(np.stack([rows, columns], axis=-1) + np.round(step * scale), np.int32)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _apart(colours: np.ndarray, y: int, x: int, sy: int, sx: int, same_row: float, most: float) -> float:
    """Mean squared difference of two patches and what lies between their rows; more than `most` ends the sum."""
    height, width = colours.shape[0], colours.shape[1]
    away = (sy - y) / height
    extra = same_row * away * away
    top, bottom = max(-HALF, -y), min(HALF, height - 1 - y)
    left, right = max(-HALF, -x), min(HALF, width - 1 - x)
    count = (bottom - top + 1) * (right - left + 1)
    limit = (most - extra) * count
    total = np.float32(0.0)
    for a in range(top, bottom + 1):
        if total >= limit:
            return np.inf
        for b in range(left, right + 1):
            for k in range(3):
                apart = colours[y + a, x + b, k] - colours[sy + a, sx + b, k]
                total += apart * apart
    return total / count + extra


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _costs(
    colours: np.ndarray,
    targets: np.ndarray,
    field: np.ndarray,
    same_row: float,
    cost: np.ndarray,
    start: int,
    stop: int,
) -> None:
    for n in range(start, stop):
        cost[n] = _apart(colours, targets[n, 0], targets[n, 1], field[n, 0], field[n, 1], same_row, 1e30)


@njit(cache=True, nogil=True)
def _chance(state: np.uint64) -> np.uint64:
    """The next number of a stream (splitmix64, Steele et al. 2014)."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _search(
    colours: np.ndarray,
    targets: np.ndarray,
    index: np.ndarray,
    whole: np.ndarray,
    field: np.ndarray,
    cost: np.ndarray,
    new_field: np.ndarray,
    new_cost: np.ndarray,
    same_row: float,
    jump: int,
    reach: int,
    seed: int,
    start: int,
    stop: int,
) -> None:
    """Better sources: the neighbours' ones, some by chance round the best, and some of the same row."""
    height, width = colours.shape[0], colours.shape[1]
    for n in range(start, stop):
        y, x = targets[n, 0], targets[n, 1]
        best_y, best_x, best = field[n, 0], field[n, 1], cost[n]
        for side in range(4):
            dy = jump if side == 0 else (-jump if side == 1 else 0)
            dx = jump if side == 2 else (-jump if side == 3 else 0)
            if not (0 <= y + dy < height and 0 <= x + dx < width):
                continue
            other = index[y + dy, x + dx]
            if other < 0:
                continue
            sy, sx = field[other, 0] - dy, field[other, 1] - dx
            if 0 <= sy < height and 0 <= sx < width and whole[sy, sx] and (sy != best_y or sx != best_x):
                now = _apart(colours, y, x, sy, sx, same_row, best)
                if now < best:
                    best_y, best_x, best = sy, sx, now
        state = np.uint64(n + 1) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed) * np.uint64(
            0xD1B54A32D192ED03
        )
        radius = reach
        while radius >= 1:
            state = _chance(state + np.uint64(0x9E3779B97F4A7C15))
            low, high = np.int64(state & np.uint64(0x7FFFFFFF)), np.int64(state >> np.uint64(33))
            if radius == reach:
                sy, sx = y + low % 5 - 2, high % width
            else:
                sy = best_y + low % (2 * radius + 1) - radius
                sx = best_x + high % (2 * radius + 1) - radius
            if 0 <= sy < height and 0 <= sx < width and whole[sy, sx]:
                now = _apart(colours, y, x, sy, sx, same_row, best)
                if now < best:
                    best_y, best_x, best = sy, sx, now
            radius //= 2
        new_field[n, 0], new_field[n, 1], new_cost[n] = best_y, best_x, best


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _vote(
    colours: np.ndarray,
    hole: np.ndarray,
    index: np.ndarray,
    field: np.ndarray,
    weight: np.ndarray,
    voted: np.ndarray,
    start: int,
    stop: int,
) -> None:
    """Each pixel of the hole as the sources of all patches over it say."""
    height, width = colours.shape[0], colours.shape[1]
    for n in range(start, stop):
        y, x = hole[n, 0], hole[n, 1]
        red = green = blue = np.float32(0.0)
        total = np.float32(1e-12)
        for a in range(max(-HALF, -y), min(HALF, height - 1 - y) + 1):
            for b in range(max(-HALF, -x), min(HALF, width - 1 - x) + 1):
                m = index[y + a, x + b]
                if m < 0:
                    continue
                sy, sx = field[m, 0] - a, field[m, 1] - b
                w = weight[m]
                red += w * colours[sy, sx, 0]
                green += w * colours[sy, sx, 1]
                blue += w * colours[sy, sx, 2]
                total += w
        voted[n, 0], voted[n, 1], voted[n, 2] = red / total, green / total, blue / total


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _peel(
    colours: np.ndarray,
    done: np.ndarray,
    order: np.ndarray,
    sources: np.ndarray,
    same_row: float,
    source: np.ndarray,
) -> None:
    """Fills the hole from outside inwards, each pixel from the best patch (Criminisi et al. 2004, in plain order)."""
    height, width = done.shape
    for n in range(order.shape[0]):
        y, x = order[n, 0], order[n, 1]
        top, bottom = max(-HALF, -y), min(HALF, height - 1 - y)
        left, right = max(-HALF, -x), min(HALF, width - 1 - x)
        count = 0
        for a in range(top, bottom + 1):
            for b in range(left, right + 1):
                if done[y + a, x + b]:
                    count += 1
        best, best_m = np.float32(1e30), 0
        for m in range(sources.shape[0]):
            sy, sx = sources[m, 0], sources[m, 1]
            away = (sy - y) / height
            total = np.float32(same_row * away * away * max(count, 1))
            for a in range(top, bottom + 1):
                if total >= best:
                    break
                for b in range(left, right + 1):
                    if done[y + a, x + b]:
                        for k in range(3):
                            apart = colours[y + a, x + b, k] - colours[sy + a, sx + b, k]
                            total += apart * apart
            if total < best:
                best, best_m = total, m
        for k in range(3):
            colours[y, x, k] = colours[sources[best_m, 0], sources[best_m, 1], k]
        source[y, x, 0], source[y, x, 1] = sources[best_m, 0], sources[best_m, 1]
        done[y, x] = True
