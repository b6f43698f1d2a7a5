"""How a picture goes on to its sides, all the way round: pieces of itself, joined where they fit best.

After image quilting (Efros and Freeman 2001): a piece is as high as the picture, so that sky stays above and ground
below, and is cut along the path on which it differs least from what is there already.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit

from kinema.puppet.seams import cheapest_way

_PIECE, _LAP = 0.5, 0.12  # of the picture's width: a piece, and how far it overlaps what is before it (ours)
_MADE_UP = 900.0  # what a piece costs that is made up all over, squared grey levels (ours)
_AGAIN = 500.0  # and one that was taken already (ours)
_LEVEL, _FADE = (
    0.02,
    0.2,
)  # of the height and width: over how much a difference at a seam is evened out (ours)
_LEAST = 8  # columns below which a picture's edge goes on as it is (ours)
_MOST = 40.0  # grey levels of it, at most (ours)


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of the picture in its continuation to the right.

    Args:
        start: column of the continuation at which it begins.
        source: of the picture, column of its first.
        step: from one column to the next in the picture: -1 where it is turned round.
        share: how much of each pixel it is, the rest being what was there before, float32 [H, N].
    """

    start: int
    source: int
    step: int
    share: np.ndarray


def continuation(picture: np.ndarray, made_up: np.ndarray, length: int) -> tuple[np.ndarray, list[Piece]]:
    """A picture continued to the right.

    It begins with a narrow band turned round, into which the first piece is cut: the picture itself stays.

    Args:
        picture: float32 [H, W, 3].
        made_up: how far it was not seen there, float32 [H, W].
        length: columns, at least.

    Returns:
        Colours, float32 [H, length or a little more, 3], and the pieces in their order.
    """
    height, width = made_up.shape
    if width < _LEAST:
        return np.repeat(picture[:, -1:], length, axis=1), []
    long = max(2, round(_PIECE * width))
    lap = min(max(1, round(_LAP * width)), long - 1)
    done = np.ascontiguousarray(picture[:, : -lap - 1 : -1])
    pieces = [Piece(0, width - 1, -1, np.ones((height, lap), np.float32))]
    empty, taken = made_up.mean(axis=0), np.zeros(width)
    starts = np.arange(0, width - long + 1)
    while done.shape[1] < length:
        edge = np.ascontiguousarray(done[:, -lap:])
        costs = np.empty(len(starts))
        for n, start in enumerate(starts):
            here = slice(start + lap // 2, start + long)
            costs[n] = _seam_cost(edge, picture, start)
            costs[n] += _MADE_UP * empty[here].mean() + _AGAIN * taken[here].mean()
        start = int(starts[int(np.argmin(costs))])
        done, share = _joined(done, picture[:, start : start + long], lap, _FADE * width)
        pieces.append(Piece(done.shape[1] - long, start, 1, share))
        taken[start : start + long] += 1
    return done, pieces


def closed(right: np.ndarray, left: np.ndarray, lap: int) -> np.ndarray:
    """Both continuations of a picture, joined where they meet behind the camera, float32 [H, N, 3]."""
    return _joined(right, left, lap, 3.0 * lap)[0]


def _joined(done: np.ndarray, new: np.ndarray, lap: int, fade: float) -> tuple[np.ndarray, np.ndarray]:
    """What is there with a new piece over its last columns, and how much of each of the piece's pixels is new."""
    height, long = new.shape[:2]
    seam = _seam(np.ascontiguousarray(done[:, -lap:]), np.ascontiguousarray(new[:, :lap]))
    columns = np.arange(long)
    share = np.clip(columns - seam[:, None] + 0.5, 0, 1).astype(np.float32)
    share = cv2.GaussianBlur(share, (0, 0), 0.8)
    share[:, 0], share[:, lap:] = 0, 1
    near = np.exp(-(((columns[:lap] - seam[:, None]) / max(lap / 4, 1.0)) ** 2))[..., None]
    apart = (near * (done[:, -lap:] - new[:, :lap])).sum(axis=1) / near.sum(axis=1)
    apart = cv2.GaussianBlur(apart[:, None], (0, 0), sigmaX=0.1, sigmaY=max(0.5, _LEVEL * height))
    apart = np.clip(apart.reshape(height, 1, 3), -_MOST, _MOST)
    faded = np.exp(-np.maximum(columns - seam[:, None], 0) / fade)[..., None]
    levelled = np.clip(new + apart * faded, 0, 255)
    before = np.concatenate([done[:, -lap:], levelled[:, lap:]], axis=1)
    over = share[..., None] * levelled + (1 - share[..., None]) * before
    return np.concatenate([done[:, :-lap], over], axis=1).astype(np.float32), share


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _apart(edge: np.ndarray, new: np.ndarray, start: int, i: int, j: int) -> float:
    total = np.float32(0.0)
    for k in range(3):
        apart = edge[i, j, k] - new[i, start + j, k]
        total += apart * apart
    return float(total) / 3


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _seam_cost(edge: np.ndarray, new: np.ndarray, start: int) -> float:
    """Mean squared difference along the best path from top to bottom."""
    height, lap = edge.shape[0], edge.shape[1]
    sums, next_sums = np.zeros(lap, np.float32), np.zeros(lap, np.float32)
    for i in range(height):
        for j in range(lap):
            best = sums[j]
            if j > 0:
                best = min(best, sums[j - 1])
            if j < lap - 1:
                best = min(best, sums[j + 1])
            next_sums[j] = best + _apart(edge, new, start, i, j)
        sums, next_sums = next_sums, sums
    return float(sums.min()) / height


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _seam(edge: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Column of the best path in each row, int64 [H]."""
    height, lap = edge.shape[0], edge.shape[1]
    costs = np.empty((height, lap), np.float32)
    for i in range(height):
        for j in range(lap):
            costs[i, j] = _apart(edge, new, 0, i, j)
    return cheapest_way(costs)
