"""Batched drawing of small convex shapes into uint8 pictures, the one hot loop under skeleton maps and masks.

Every shape here is convex, so a scanline meets it in one interval, found in closed form, and only the pixels
that it covers are touched.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

ELLIPSE = 0
"""Ellipse with one axis from (x0, y0) to (x1, y1), the radius as the other semi-axis."""
CAPSULE = 1
"""All points within the radius of the segment (x0, y0) to (x1, y1); a disc where both ends are the same."""
TRIANGLE = 2
"""Triangle (x0, y0), (x1, y1), (x2, y2); the radius is not used."""


def paint(
    canvas: np.ndarray,
    kind: np.ndarray,
    shape: np.ndarray,
    radius: np.ndarray,
    colour: np.ndarray,
    supersample: int = 1,
) -> np.ndarray:
    """Paint N shapes per picture, the first below, the last on top; changes `canvas` and returns it.

    Args:
        canvas: pictures, uint8 [T, H, W, C], C contiguous.
        kind: ELLIPSE, CAPSULE or TRIANGLE, broadcast to [T, N].
        shape: x0, y0, x1, y1, x2, y2 in pixels (pixel centres at +0.5), [T, N, 6]. A shape whose used numbers
            are not finite is not drawn.
        radius: pixels, broadcast to [T, N]; a shape whose radius is not finite is not drawn.
        colour: 0 to 255, broadcast to [T, N, C].
        supersample: 1 paints each pixel whose centre is covered; n > 1 blends by the covered area, exact
            along x and with n scanlines per pixel along y.
    """
    if int(supersample) != supersample or supersample < 1:
        raise ValueError(f"supersample must be a whole number of at least 1, got {supersample}")
    frames, shapes = shape.shape[:2]
    _paint(
        canvas,
        np.ascontiguousarray(np.broadcast_to(kind, (frames, shapes)), np.int64),
        np.ascontiguousarray(shape, np.float64),
        np.ascontiguousarray(np.broadcast_to(radius, (frames, shapes)), np.float64),
        np.ascontiguousarray(np.broadcast_to(colour, (frames, shapes, canvas.shape[3])), np.uint8),
        int(supersample),
    )
    return canvas


@njit(cache=True, nogil=True)
def _paint(canvas, kind, shape, radius, colour, supersample):
    frames, height, width, channels = canvas.shape
    cover = np.zeros(width, np.float64)
    for t in range(frames):
        for n in range(kind.shape[1]):
            corners, r, mode = shape[t, n], radius[t, n], kind[t, n]
            x0, y0, x1, y1, x2, y2 = corners
            if not math.isfinite(x0 + y0 + x1 + y1 + r):
                continue
            # c0 to c4: what _interval needs to know about a shape of this kind.
            dx, dy = x1 - x0, y1 - y0
            length = math.sqrt(dx * dx + dy * dy)
            cosine, sine = (dx / length, dy / length) if length > 0.0 else (1.0, 0.0)
            if mode == CAPSULE and length > 0.0:
                c0, c1, c2, c3, c4 = x0, y0, cosine, sine, length
                low, high = min(y0, y1) - r, max(y0, y1) + r
            elif mode == TRIANGLE:
                if not math.isfinite(x2 + y2):
                    continue
                c0 = c1 = c2 = c3 = c4 = 0.0
                low, high = min(y0, y1, y2), max(y0, y1, y2)
            else:
                # A capsule of no length is a disc: an ellipse of equal axes.
                if mode == ELLIPSE and length == 0.0:
                    continue
                inverse_b = 1.0 / (r * r)
                inverse_a = 4.0 / (length * length) if mode == ELLIPSE else inverse_b
                mode = ELLIPSE
                # From the centre, p x² + 2 q x y + s y² <= 1, where p s - q² = inverse_a inverse_b.
                p = cosine * cosine * inverse_a + sine * sine * inverse_b
                q = cosine * sine * (inverse_a - inverse_b)
                c0, c1, c2 = 0.5 * (x0 + x1), 0.5 * (y0 + y1), -q / p
                c3, c4 = 1.0 / p, inverse_a * inverse_b / (p * p)
                reach = math.sqrt(sine * sine / inverse_a + cosine * cosine / inverse_b)
                low, high = c1 - reach, c1 + reach
            first = int(min(max(math.floor(low), 0.0), float(height)))
            last = int(min(max(math.ceil(high), 0.0), float(height)))
            for i in range(first, last):
                if supersample == 1:
                    begin, end = _interval(mode, corners, r, c0, c1, c2, c3, c4, i + 0.5)
                    j0 = int(min(max(math.ceil(begin - 0.5), 0.0), float(width)))
                    j1 = int(min(max(math.floor(end - 0.5) + 1.0, 0.0), float(width)))
                    if channels == 3:  # unrolled: three times as fast
                        red, green, blue = colour[t, n, 0], colour[t, n, 1], colour[t, n, 2]
                        for j in range(j0, j1):
                            canvas[t, i, j, 0] = red
                            canvas[t, i, j, 1] = green
                            canvas[t, i, j, 2] = blue
                    else:
                        for j in range(j0, j1):
                            for c in range(channels):
                                canvas[t, i, j, c] = colour[t, n, c]
                    continue
                left, right = width, 0
                for k in range(supersample):
                    y = i + (k + 0.5) / supersample
                    begin, end = _interval(mode, corners, r, c0, c1, c2, c3, c4, y)
                    begin, end = max(begin, 0.0), min(end, float(width))
                    if begin >= end:
                        continue
                    j0, j1 = int(begin), math.ceil(end)
                    left, right = min(left, j0), max(right, j1)
                    for j in range(j0, j1):
                        cover[j] += min(end, j + 1.0) - max(begin, float(j))
                for j in range(left, right):
                    share = cover[j] / supersample
                    cover[j] = 0.0
                    for c in range(channels):
                        old = float(canvas[t, i, j, c])
                        canvas[t, i, j, c] = np.uint8(old + (colour[t, n, c] - old) * share + 0.5)


@njit(cache=True, nogil=True, inline="always")
def _interval(kind, shape, r, c0, c1, c2, c3, c4, y):
    """Where the scanline at height y enters and leaves the shape; (inf, -inf) where it misses."""
    begin, end = math.inf, -math.inf
    if kind == ELLIPSE:
        # Centre (c0, c1); c2 shears the middle of the scanlines, c3 and c4 give half their length, squared.
        dy = y - c1
        square = c3 - c4 * dy * dy
        if square >= 0.0:
            middle, half = c0 + c2 * dy, math.sqrt(square)
            begin, end = middle - half, middle + half
    elif kind == CAPSULE:
        # From (c0, c1) along (c2, c3) for the length c4: the hull of two discs, so the outermost of both
        # discs' intervals and that of the band between.
        for x_end, y_end in ((shape[0], shape[1]), (shape[2], shape[3])):
            square = r * r - (y - y_end) * (y - y_end)
            if square >= 0.0:
                half = math.sqrt(square)
                begin, end = min(begin, x_end - half), max(end, x_end + half)
        along_low, along_high = _between(c2, (y - c1) * c3, 0.0, c4)
        across_low, across_high = _between(-c3, (y - c1) * c2, -r, r)
        band_low, band_high = max(along_low, across_low), min(along_high, across_high)
        if band_low <= band_high:
            begin, end = min(begin, c0 + band_low), max(end, c0 + band_high)
    else:
        for edge in range(3):
            xa, ya = shape[2 * edge], shape[2 * edge + 1]
            xb, yb = shape[(2 * edge + 2) % 6], shape[(2 * edge + 3) % 6]
            if ya != yb and min(ya, yb) <= y <= max(ya, yb):
                x = xa + (y - ya) * (xb - xa) / (yb - ya)
                begin, end = min(begin, x), max(end, x)
    return begin, end


@njit(cache=True, nogil=True, inline="always")
def _between(slope, offset, low, high):
    """The interval of x with low <= slope x + offset <= high."""
    if slope == 0.0:
        if low <= offset <= high:
            return -math.inf, math.inf
        return math.inf, -math.inf
    first, second = (low - offset) / slope, (high - offset) / slope
    return min(first, second), max(first, second)
