"""The cheapest way down through a grid of costs: along it two pictures are joined without being seen to be.

Dynamic programming as in image quilting (Efros and Freeman 2001, section 2.1).
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def cheapest_way(costs: np.ndarray) -> np.ndarray:
    """The column of the cheapest way in each row, from one row to the next by a column at most, int64 [H].

    Args:
        costs: of each place, float [H, W].
    """
    height, width = costs.shape
    sums = costs.copy()
    for i in range(1, height):
        for j in range(width):
            best = sums[i - 1, j]
            if j > 0:
                best = min(best, sums[i - 1, j - 1])
            if j < width - 1:
                best = min(best, sums[i - 1, j + 1])
            sums[i, j] += best
    way = np.empty(height, np.int64)
    at = int(np.argmin(sums[height - 1]))
    way[height - 1] = at
    for i in range(height - 2, -1, -1):
        before = at
        for j in (before - 1, before + 1):
            if 0 <= j < width and sums[i, j] < sums[i, at]:
                at = j
        way[i] = at
    return way
