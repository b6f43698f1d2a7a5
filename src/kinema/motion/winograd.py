"""Convolutions with a third of the multiplications and less: Winograd's minimal filtering, on the CPU.

Lavin and Gray 2016, with tiles of four joints, and along frames what suits so few of them: see `Rows`. Maps lie channels
last, [M, H, J, C]: M maps of H frames and J joints. The sums are the same up to the rounding of float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numba import njit
from numpy.typing import ArrayLike

_TILE = 4  # joints of a tile, from six around it
_POINTS = 6  # products of a tile along joints
_BLOCK = 128  # channels at a time in the transforms, which then stay in the nearest cache
_OUTPUTS_AT_ONCE = 1024  # channels whose products are held at a time

# F(4, 3): four outputs = OUTPUT [(FILTER g) * (INPUT d)] for six inputs d.
_INPUT = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
_FILTER: list[list[float]] = [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
]
_OUTPUT = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]


@dataclass(frozen=True)
class Rows:
    """How the frames of a map, zero beyond its ends, are filtered by three taps g: output [(filter g) * (input x)].

    Args:
        filter: [P, 3].
        point: of each product, which row of `filter` it takes, ascending, [n].
        input: [n, H].
        output: [H, n].
    """

    filter: np.ndarray
    point: np.ndarray
    input: np.ndarray
    output: np.ndarray


def _rows(filter_: ArrayLike, point: Iterable[int], input_: ArrayLike, output: ArrayLike) -> Rows:
    point = np.array(list(point))
    order = np.argsort(point, kind="stable")
    single = (
        np.ascontiguousarray(each, np.float32)
        for each in (np.array(input_)[order], np.array(output)[:, order])
    )
    return Rows(np.array(filter_, np.float64), point[order], *single)


# Frames that do not see each other: the middle tap of each.
EACH_ALONE = {
    height: _rows([[0, 1, 0]], [0] * height, np.eye(height), np.eye(height)) for height in (2, 3, 4, 5)
}

# Two or three frames with 3 and 7 products (ours): the zeros beyond the ends save what F(2, 3) would spend there. With
# g = (a, b, c) and p = b, q = c - b, r = a - b two frames x, y become p (x + y) + q y and p (x + y) + r x.
_FEW = [[0, 1, 0], [0, -1, 1], [1, -1, 0]]
FEW_FRAMES = {
    2: _rows(_FEW, [0, 1, 2], [[1, 1], [0, 1], [1, 0]], [[1, 1, 0], [1, 0, 1]]),
    3: _rows(
        _FEW,
        [0, 0, 0, 1, 1, 2, 2],
        [[1, 1, 0], [0, 0, 1], [0, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]],
        [[1, 0, 0, 1, 0, 0, 0], [1, 1, 0, 0, 1, 1, 0], [0, 1, 1, 0, 0, 0, 1]],
    ),
}

# Four or five frames with 6 and 9 products: F(4, 3), and for the fifth only the two taps (a, b) that meet frames, as
# a = 4 (a / 4) and b = -3 (-a - b - c) / 6 + 3 (-a + b - c) / 6.
_FOUR_FRAMES = np.array(_INPUT)[:, 1:5], np.array(_OUTPUT)
_FIFTH = [[0, 0, 0, 4, 0], [0, 0, 0, 0, -3], [0, 0, 0, 0, 3]]
BY_FOURS = {
    4: _rows(_FILTER, range(6), *_FOUR_FRAMES),
    5: _rows(
        _FILTER,
        [*range(6), 0, 1, 2],
        np.vstack([np.array(_INPUT)[:, 1:6], _FIFTH]),
        np.block([[np.array(_OUTPUT), np.zeros((4, 3))], [np.zeros((1, 6)), np.ones((1, 3))]]),
    ),
}


class Convolution:
    """A convolution prepared for float32 maps on the CPU, zero-padded by one; carries no gradients.

    Args:
        weight: [O, C, 3, 3], or [O, C, 3] for joints alone.
        bias: [O].
        rows: by height, how frames are filtered; all with the same filter.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, rows: Mapping[int, Rows]) -> None:
        if weight.ndim == 3:
            weight = torch.nn.functional.pad(weight[:, :, None], (0, 0, 1, 1))
        self.rows = rows
        self.bias = bias.detach().numpy()
        down, across = (
            torch.tensor(each, dtype=torch.float32) for each in (next(iter(rows.values())).filter, _FILTER)
        )
        filters = torch.einsum("ir,ocrs,js->ijco", down, weight.detach(), across).flatten(0, 1)
        self.filters = [[f.contiguous() for f in part] for part in filters.split(_OUTPUTS_AT_ONCE, 2)]

    def __call__(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        """Convolves maps of several heights at once, each [M, H, J, C], into [M, H, J, O]."""
        rows = [self.rows[x.shape[1]] for x in maps]
        tiles = [len(x) * -(-x.shape[2] // _TILE) for x in maps]
        places, steps = _layout(rows, tiles)
        sizes = np.repeat(steps, _POINTS).tolist()
        points = torch.empty(sum(sizes), maps[0].shape[3])
        for x, each, place in zip(maps, rows, places, strict=True):
            _spread(x.numpy(), each.input, place, steps[each.point], points.numpy())
        outputs = [x.new_empty(*x.shape[:3], len(self.bias)) for x in maps]
        done = 0
        for filters in self.filters:
            products = torch.empty(len(points), filters[0].shape[1])
            for one, filter_, product in zip(
                points.split(sizes), filters, products.split(sizes), strict=True
            ):
                torch.mm(one, filter_, out=product)
            part = slice(done, done + products.shape[1])
            for y, each, place in zip(outputs, rows, places, strict=True):
                step = steps[each.point]
                _collect(products.numpy(), each.output, place, step, self.bias[part], y.numpy()[..., part])
            done = part.stop
        return outputs


def _layout(rows: list[Rows], tiles: list[int]) -> tuple[list[np.ndarray], np.ndarray]:
    """Where products lie: all of one point along frames and one along joints together, so that they meet their filter
    in one matrix product.

    Returns:
        Of each kind of maps, the row at which its tiles begin, [n], at the first point along joints; and of each point
        along frames, how many rows it has at each point along joints.
    """
    counts = np.zeros(len(rows[0].filter), int)
    starts = [np.empty(len(each.point), int) for each in rows]
    for each, start, number in zip(rows, starts, tiles, strict=True):
        for product, point in enumerate(each.point):
            start[product] = counts[point]
            counts[point] += number
    first = (np.cumsum(counts) - counts) * _POINTS
    return [first[each.point] + start for each, start in zip(rows, starts, strict=True)], counts


@njit(fastmath=True, error_model="numpy", cache=True, nogil=True)
def _spread(x, rows, place, step, points):  # type: ignore[no-untyped-def]
    maps, height, joints, channels = x.shape
    across = (joints + 3) // 4
    d = np.zeros((6, _BLOCK), np.float32)
    t = np.zeros((height + 1, 6, _BLOCK), np.float32)  # the last stays 0
    used, weights = _terms(rows)
    for m in range(maps):
        for tile in range(across):
            for begin in range(0, channels, _BLOCK):
                size = min(_BLOCK, channels - begin)
                for h in range(height):
                    for k in range(6):
                        j = 4 * tile - 1 + k
                        if 0 <= j < joints:
                            for c in range(size):
                                d[k, c] = x[m, h, j, begin + c]
                        else:
                            for c in range(size):
                                d[k, c] = 0
                    for c in range(size):
                        odd, even = d[3, c] - 4 * d[1, c], d[4, c] - 4 * d[2, c]
                        wide, near = 2 * (d[3, c] - d[1, c]), d[4, c] - d[2, c]
                        t[h, 0, c] = 4 * d[0, c] - 5 * d[2, c] + d[4, c]
                        t[h, 1, c] = even + odd
                        t[h, 2, c] = even - odd
                        t[h, 3, c] = near + wide
                        t[h, 4, c] = near - wide
                        t[h, 5, c] = 4 * d[1, c] - 5 * d[3, c] + d[5, c]
                for n in range(len(place)):
                    h0, h1, h2, h3 = used[n]
                    w0, w1, w2, w3 = weights[n]
                    for k in range(6):
                        at = place[n] + k * step[n] + m * across + tile
                        if w1 == 0:
                            for c in range(size):
                                points[at, begin + c] = w0 * t[h0, k, c]
                        else:
                            for c in range(size):
                                points[at, begin + c] = (w0 * t[h0, k, c] + w1 * t[h1, k, c]) + (
                                    w2 * t[h2, k, c] + w3 * t[h3, k, c]
                                )


@njit(fastmath=True, error_model="numpy", cache=True, nogil=True)
def _terms(rows):  # type: ignore[no-untyped-def]
    """The terms of each row, at most four, and terms of weight 0 on a row that is 0."""
    used = np.full((len(rows), 4), rows.shape[1])
    weights = np.zeros((len(rows), 4), np.float32)
    for n in range(len(rows)):
        count = 0
        for h in range(rows.shape[1]):
            if rows[n, h] != 0:
                used[n, count] = h
                weights[n, count] = rows[n, h]
                count += 1
    return used, weights


@njit(fastmath=True, error_model="numpy", cache=True, nogil=True)
def _collect(products, rows, place, step, bias, y):  # type: ignore[no-untyped-def]
    maps, height, joints, channels = y.shape
    across = (joints + 3) // 4
    s = np.empty((4, _BLOCK), np.float32)
    t = np.empty((height, 4, _BLOCK), np.float32)
    for m in range(maps):
        for tile in range(across):
            for begin in range(0, channels, _BLOCK):
                size = min(_BLOCK, channels - begin)
                for h in range(height):
                    for k in range(4):
                        for c in range(size):
                            t[h, k, c] = bias[begin + c]
                for n in range(len(place)):
                    at = place[n] + m * across + tile
                    a0, a1, a2 = at, at + step[n], at + 2 * step[n]
                    a3, a4, a5 = at + 3 * step[n], at + 4 * step[n], at + 5 * step[n]
                    for c in range(size):
                        p1, p2 = products[a1, begin + c], products[a2, begin + c]
                        p3, p4 = products[a3, begin + c], products[a4, begin + c]
                        s[0, c] = products[a0, begin + c] + (p1 + p2) + (p3 + p4)
                        s[1, c] = (p1 - p2) + 2 * (p3 - p4)
                        s[2, c] = (p1 + p2) + 4 * (p3 + p4)
                        s[3, c] = (p1 - p2) + 8 * (p3 - p4) + products[a5, begin + c]
                    for h in range(height):
                        weight = rows[h, n]
                        if weight != 0:
                            for k in range(4):
                                for c in range(size):
                                    t[h, k, c] += weight * s[k, c]
                for h in range(height):
                    for k in range(min(4, joints - 4 * tile)):
                        for c in range(size):
                            y[m, h, 4 * tile + k, begin + c] = t[h, k, c]
