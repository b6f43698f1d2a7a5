"""Drawing the person: skinning, a z-buffer that lets the picture's own outline through, the picture's colours on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit

from kinema.stage.rasterize import edge_functions, pixel_box, skin, to_camera

_NEAR = 0.05  # metres
_SLACK = 1e-4  # of a sample: how far a triangle's edge may be wrong by rounding, so that no line opens between two (ours)
UNKNOWN_FROM = 60.0
"""Degrees between the picture's view of a surface and now, from which on nothing is known of it (ours)."""

_THRESHOLDS = {
    1: np.array([[0.5]], np.float32),
    2: np.array([[0.125, 0.625], [0.875, 0.375]], np.float32),
    3: (np.array([[2, 7, 4], [9, 5, 1], [6, 3, 8]], np.float32) - 0.5) / 9,
}
"""How much of a pixel the cut-out must hold for each of a pixel's samples to be the person's."""


@dataclass(frozen=True, eq=False)
class Skin:
    """What the person's surface looks like, as `Painter` reads it.

    Args:
        triangles: int32 [F, 3].
        uv: pixels of the atlas, float32 [V, 2].
        atlas: colours and how surely they are the picture's own, uint8 [A, B, 4].
        alpha: how much of each texel is the person, uint8 [A, B].
    """

    triangles: np.ndarray
    uv: np.ndarray
    atlas: np.ndarray
    alpha: np.ndarray

    def halved(self) -> Skin:
        """The same with an atlas of half the side, for small pictures."""
        rows, columns = self.alpha.shape
        size = max(1, columns // 2), max(1, rows // 2)
        scale = np.array([size[0] / columns, size[1] / rows])
        return Skin(
            self.triangles,
            ((self.uv + 0.5) * scale - 0.5).astype(np.float32),
            cv2.resize(self.atlas, size, interpolation=cv2.INTER_AREA),
            cv2.resize(self.alpha, size, interpolation=cv2.INTER_AREA),
        )


class Painter:
    """Draws a person frame by frame; its buffers are kept.

    Args:
        size: (width, height) of the frames.
        surface: of the person.
        samples: along each side of a pixel, 1 to 3.
    """

    def __init__(self, size: tuple[int, int], surface: Skin, samples: int = 2) -> None:
        if samples not in _THRESHOLDS:
            raise ValueError(f"{samples} samples along a pixel's side: 1, 2 or 3")
        self.surface, self.samples = surface, samples
        width, height = size[0] * samples, size[1] * samples
        self._ids = np.full((height, width), -1, np.int32)
        self._inverse = np.zeros((height, width), np.float32)
        self._spans = np.zeros((height, 2), np.int32)
        self._planes = np.zeros((len(surface.triangles), 12), np.float32)
        self._points = np.empty((len(surface.uv), 3))
        self._soft = _soft(surface)
        self.coverage = np.zeros((size[1], size[0]), np.float32)

    def draw(
        self,
        vertices: np.ndarray,
        shown: np.ndarray,
        w2c: np.ndarray,
        lens: np.ndarray,
        colours: np.ndarray,
        known: np.ndarray,
    ) -> None:
        """Draws the person over `colours` [H, W, 3] float32 and `known` [H, W] uint8, in place.

        Args:
            vertices: in the world, float32 [V, 3].
            shown: how far the picture shows each vertex as it is seen now, 0 to 1, float32 [V].
            w2c, lens: the camera.
        """
        surface = self.surface
        self.coverage[:] = 0
        to_camera(vertices, w2c[:3], self._points)
        box = _box(self._points, np.asarray(lens, np.float64), self.coverage.shape)
        if box is None:
            return
        _rasterise(
            self._points,
            surface.triangles,
            surface.uv,
            shown,
            self._soft,
            surface.alpha,
            np.asarray(lens, np.float64) * self.samples,
            np.array(box) * self.samples,
            _THRESHOLDS[self.samples],
            self._ids,
            self._inverse,
            self._spans,
            self._planes,
        )
        _colour(
            self._ids,
            self._spans,
            self._planes,
            surface.atlas,
            self.samples,
            np.array(box),
            colours,
            self.coverage,
            known,
        )


def posed(vertices: np.ndarray, bones: np.ndarray, weights: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Vertices moved by their bones, float32 [V, 3]."""
    out = np.empty_like(vertices)
    skin(vertices, bones, weights, maps.astype(np.float32), out)
    return out


def shown_now(
    rays: np.ndarray,
    bones: np.ndarray,
    weights: np.ndarray,
    maps: np.ndarray,
    vertices: np.ndarray,
    eye: np.ndarray,
) -> np.ndarray:
    """Cosine between how the picture looks at each vertex and how it is looked at now, 0 from 60 degrees on, float32 [V].

    A back, which no picture shows, counts as if seen from behind.

    Args:
        rays: from the picture's camera to each vertex in the picture's pose, unit length, [V, 3]; turned round for backs.
        bones, weights: of skinning, [V, 4].
        maps: of each bone, [24, 3, 4].
        vertices: now, [V, 3].
        eye: the camera now, [3].
    """
    turned = np.zeros_like(vertices)
    still = maps.copy()
    still[:, :, 3] = 0
    skin(rays.astype(np.float32), bones, weights, still.astype(np.float32), turned)
    now = vertices - eye.astype(np.float32)
    long = np.linalg.norm(turned, axis=1) * np.linalg.norm(now, axis=1)
    cosine = (turned * now).sum(axis=1) / np.maximum(long, 1e-9)
    return np.where(cosine > np.cos(np.radians(UNKNOWN_FROM)), cosine, 0).astype(np.float32)


def _soft(surface: Skin) -> np.ndarray:
    """Triangles with texels that are not wholly the person's, bool [F]."""
    low = cv2.erode(surface.alpha, np.ones((3, 3), np.uint8))
    corners = surface.uv[surface.triangles]
    rows, columns = low.shape
    soft = np.zeros(len(surface.triangles), bool)
    mixes: Sequence[tuple[float, float, float]] = (
        (1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 0.5, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (1 / 3, 1 / 3, 1 / 3)
    )  # fmt: skip
    for mix in mixes:
        at = np.round(np.einsum("fkd,k->fd", corners, np.array(mix))).astype(int)
        soft |= low[np.clip(at[:, 1], 0, rows - 1), np.clip(at[:, 0], 0, columns - 1)] < 250
    return soft


def _box(points: np.ndarray, lens: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """Pixels that the person may cover: left, top, and right and bottom, which are no longer in; None for none."""
    height, width = shape
    before = points[:, 2] > _NEAR
    if not np.isfinite(points).all() or not before.any():
        return None
    points = points[before]
    at = lens[2:] + lens[:2] * points[:, :2] / points[:, 2:]
    low, high = np.floor(at.min(axis=0)), np.ceil(at.max(axis=0))
    left, top = (int(value) for value in np.clip(low, 0, [width, height]))
    right, bottom = (int(value) for value in np.clip(high, 0, [width, height]))
    return (left, top, right, bottom) if left < right and top < bottom else None


@njit(cache=True, nogil=True, error_model="numpy")
def _within(a: float, rest: float, low: float, high: float) -> tuple[float, float]:
    """The part of low..high where a x + rest >= 0, as wide as rounding may make it."""
    if a > 0.0:
        return max(low, -rest / a - _SLACK), high
    if a < 0.0:
        return low, min(high, -rest / a + _SLACK)
    return (low, high) if rest >= 0.0 else (low, low - 1.0)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _clear(alpha: np.ndarray, u: float, v: float, least: float) -> bool:
    """Whether the cut-out holds less than `least` at a place of the atlas."""
    u, v = min(max(u, 0.0), alpha.shape[1] - 1.001), min(max(v, 0.0), alpha.shape[0] - 1.001)
    p, q = int(v), int(u)
    e, f = v - p, u - q
    upper = (1 - f) * alpha[p, q] + f * alpha[p, q + 1]
    lower = (1 - f) * alpha[p + 1, q] + f * alpha[p + 1, q + 1]
    return (1 - e) * upper + e * lower < least


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _rasterise(
    points: np.ndarray,
    triangles: np.ndarray,
    uv: np.ndarray,
    shown: np.ndarray,
    soft: np.ndarray,
    alpha: np.ndarray,
    lens: np.ndarray,
    box: np.ndarray,
    thresholds: np.ndarray,
    ids: np.ndarray,
    inverse_depth: np.ndarray,
    spans: np.ndarray,
    planes: np.ndarray,
) -> None:
    """The nearest triangle at every sample within a box, as the stage's rasteriser finds it, but through clear texels.

    Triangles that reach nearer than the near plane are left out. Only what the frame before drew is wiped.

    Args:
        points: [V, 3], camera axes, metres.
        triangles, uv, alpha: of `Skin`.
        shown: how far the picture shows each vertex as it is seen now, [V].
        soft: triangles whose alpha is looked up, bool [F].
        lens: fx, fy, cx, cy in samples.
        box: left, top, right, bottom in samples.
        thresholds: of alpha, for each sample of a pixel, [samples, samples].
        ids, inverse_depth: in and out, as in `kinema.stage.rasterize.rasterize`.
        spans: in and out, first drawn column of each row and the one behind its last, int32 [rows, 2].
        planes: out, of each drawn triangle coefficients over the samples of 1 / depth, and of column and row of the atlas
            and `shown` divided by the depth, float32 [F, 12].
    """
    for i in range(len(spans)):
        ids[i, spans[i, 0] : spans[i, 1]] = -1
        inverse_depth[i, spans[i, 0] : spans[i, 1]] = 0.0
        spans[i, 0], spans[i, 1] = ids.shape[1], 0
    first_column, first_row, last_column, last_row = box[0], box[1], box[2] - 1, box[3] - 1
    plane = np.empty(9)
    samples = thresholds.shape[0]
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if points[a, 2] < _NEAR or points[b, 2] < _NEAR or points[c, 2] < _NEAR:
            continue
        left, top, right, bottom = pixel_box(points, a, b, c, lens)
        left, right = max(first_column, left), min(last_column, right)
        top, bottom = max(first_row, top), min(last_row, bottom)
        if left > right or top > bottom:
            continue
        side = edge_functions(points, a, b, c, lens, plane)
        if side == 0.0:
            continue
        for k in range(3):
            w0, w1, w2 = plane[k], plane[3 + k], plane[6 + k]
            planes[t, k] = w0 + w1 + w2
            planes[t, 3 + k] = w0 * uv[a, 0] + w1 * uv[b, 0] + w2 * uv[c, 0]
            planes[t, 6 + k] = w0 * uv[a, 1] + w1 * uv[b, 1] + w2 * uv[c, 1]
            planes[t, 9 + k] = w0 * shown[a] + w1 * shown[b] + w2 * shown[c]
        # Towards us and from the side there is no outline: what the picture's leaves clear there would be a slit.
        outline = soft[t] and (side > 0.0 or shown[a] + shown[b] + shown[c] > 0.0)
        step = np.float32(plane[0] + plane[3] + plane[6])
        for i in range(top, bottom + 1):
            y = i + 0.5
            low, high = float(left), float(right)
            for k in range(0, 9, 3):
                low, high = _within(plane[k], plane[k + 1] * y + plane[k + 2] + 0.5 * plane[k], low, high)
            if low > high:
                continue
            start, stop = int(np.ceil(low)), int(np.floor(high)) + 1
            if start >= stop:
                continue
            x = start + 0.5
            inverse = np.float32(0.0)
            for k in range(0, 9, 3):
                inverse += np.float32(plane[k] * x + plane[k + 1] * y + plane[k + 2])
            drawn = False
            if outline:
                for j in range(start, stop):
                    if inverse > inverse_depth[i, j]:
                        x = j + 0.5
                        u = planes[t, 3] * x + planes[t, 4] * y + planes[t, 5]
                        v = planes[t, 6] * x + planes[t, 7] * y + planes[t, 8]
                        if not _clear(
                            alpha, u / inverse, v / inverse, 255.0 * thresholds[i % samples, j % samples]
                        ):
                            inverse_depth[i, j], ids[i, j] = inverse, t
                            drawn = True
                    inverse += step
            else:
                drawn = True
                for j in range(start, stop):
                    nearer = inverse > inverse_depth[i, j]
                    inverse_depth[i, j] = inverse if nearer else inverse_depth[i, j]
                    ids[i, j] = t if nearer else ids[i, j]
                    inverse += step
            if drawn:
                spans[i, 0], spans[i, 1] = min(spans[i, 0], start), max(spans[i, 1], stop)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _colour(
    ids: np.ndarray,
    spans: np.ndarray,
    planes: np.ndarray,
    atlas: np.ndarray,
    samples: int,
    box: np.ndarray,
    colours: np.ndarray,
    coverage: np.ndarray,
    known: np.ndarray,
) -> None:
    """The person over what is there already; a pixel within one triangle is looked up once.

    Args:
        ids, spans, planes: of `_rasterise`.
        atlas: of `Skin`.
        samples: along each side of a pixel.
        box: left, top, right, bottom in pixels.
        colours: in and out, float32 [H, W, 3].
        coverage: out, how much of each pixel is the person, float32 [H, W].
        known: in and out, uint8 [H, W].
    """
    rows, columns = atlas.shape[0], atlas.shape[1]
    share = np.float32(1.0 / (samples * samples))
    for i in range(box[1], box[3]):
        start, stop = ids.shape[1], 0
        for a in range(i * samples, (i + 1) * samples):
            start, stop = min(start, spans[a, 0]), max(stop, spans[a, 1])
        for j in range(start // samples, -(-stop // samples)):
            first = ids[i * samples, j * samples]
            same = first >= 0
            hits = 0
            for a in range(samples):
                for b in range(samples):
                    t = ids[i * samples + a, j * samples + b]
                    same = same and t == first
                    hits += t >= 0
            if hits == 0:
                continue
            red = green = blue = sure = np.float32(0.0)
            for n in range(1 if same else samples * samples):
                row, column = i * samples + n // samples, j * samples + n % samples
                t = ids[row, column]
                if t < 0:
                    continue
                x, y = column + 0.5, row + 0.5
                if same:
                    x, y = (j + 0.5) * samples, (i + 0.5) * samples
                depth = 1.0 / (planes[t, 0] * x + planes[t, 1] * y + planes[t, 2])
                u = (planes[t, 3] * x + planes[t, 4] * y + planes[t, 5]) * depth
                v = (planes[t, 6] * x + planes[t, 7] * y + planes[t, 8]) * depth
                look = (planes[t, 9] * x + planes[t, 10] * y + planes[t, 11]) * depth
                u, v = min(max(u, 0.0), columns - 1.001), min(max(v, 0.0), rows - 1.001)
                p, q, r, s = np.uintp(v), np.uintp(u), np.uintp(v + 1.0), np.uintp(u + 1.0)
                e, f = np.float32(v - np.floor(v)), np.float32(u - np.floor(u))
                c00, c01, c10, c11 = (1 - e) * (1 - f), (1 - e) * f, e * (1 - f), e * f
                red += (
                    c00 * atlas[p, q, 0] + c01 * atlas[p, s, 0] + c10 * atlas[r, q, 0] + c11 * atlas[r, s, 0]
                )
                green += (
                    c00 * atlas[p, q, 1] + c01 * atlas[p, s, 1] + c10 * atlas[r, q, 1] + c11 * atlas[r, s, 1]
                )
                blue += (
                    c00 * atlas[p, q, 2] + c01 * atlas[p, s, 2] + c10 * atlas[r, q, 2] + c11 * atlas[r, s, 2]
                )
                sure += np.float32(look) * atlas[p, q, 3]
            cover = hits * share
            weight = np.float32(1.0) if same else share
            coverage[i, j] = cover
            colours[i, j, 0] = (1 - cover) * colours[i, j, 0] + weight * red
            colours[i, j, 1] = (1 - cover) * colours[i, j, 1] + weight * green
            colours[i, j, 2] = (1 - cover) * colours[i, j, 2] + weight * blue
            if cover > 0.5:
                certain = sure if same else sure / hits
                known[i, j] = int(certain) if certain < 255 else 255
