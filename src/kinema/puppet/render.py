"""Drawing the person: skinning, a z-buffer that lets the picture's own outline through, the picture's colours on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit

from kinema.stage.rasterize import edge_functions, pixel_box, skin, to_camera

_NEAR = 0.05  # metres
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
        self._planes = np.zeros((len(surface.triangles), 9), np.float32)
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
            self._soft,
            surface.alpha,
            np.asarray(lens, np.float64) * self.samples,
            np.array(box) * self.samples,
            _THRESHOLDS[self.samples],
            self._ids,
            self._inverse,
            self._planes,
        )
        _colour(
            self._ids,
            self._inverse,
            self._planes,
            surface.triangles,
            surface.uv,
            shown,
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


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _rasterise(
    points: np.ndarray,
    triangles: np.ndarray,
    uv: np.ndarray,
    soft: np.ndarray,
    alpha: np.ndarray,
    lens: np.ndarray,
    box: np.ndarray,
    thresholds: np.ndarray,
    ids: np.ndarray,
    inverse_depth: np.ndarray,
    planes: np.ndarray,
) -> None:
    """The nearest triangle at every sample within a box, as the stage's rasteriser finds it, but through clear texels.

    Triangles that reach nearer than the near plane are left out.

    Args:
        points: [V, 3], camera axes, metres.
        triangles, uv, alpha: of `Skin`.
        soft: triangles whose alpha is looked up, bool [F].
        lens: fx, fy, cx, cy in samples.
        box: left, top, right, bottom in samples.
        thresholds: of alpha, for each sample of a pixel, [samples, samples].
        ids, inverse_depth, planes: out, as in `kinema.stage.rasterize.rasterize`.
    """
    first_column, first_row, last_column, last_row = box[0], box[1], box[2] - 1, box[3] - 1
    ids[first_row : last_row + 1, first_column : last_column + 1] = -1
    inverse_depth[first_row : last_row + 1, first_column : last_column + 1] = 0.0
    plane = np.empty(9)
    samples = thresholds.shape[0]
    rows, columns = alpha.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if points[a, 2] < _NEAR or points[b, 2] < _NEAR or points[c, 2] < _NEAR:
            continue
        left, top, right, bottom = pixel_box(points, a, b, c, lens)
        left, right = max(first_column, left), min(last_column, right)
        top, bottom = max(first_row, top), min(last_row, bottom)
        if left > right or top > bottom or edge_functions(points, a, b, c, lens, plane) == 0.0:
            continue
        a0, b0, c0, a1, b1, c1, a2, b2, c2 = plane
        drawn = False
        for i in range(top, bottom + 1):
            y, x = i + 0.5, left + 0.5
            w0, w1, w2 = a0 * x + b0 * y + c0, a1 * x + b1 * y + c1, a2 * x + b2 * y + c2
            for j in range(left, right + 1):
                if w0 >= 0.0 and w1 >= 0.0 and w2 >= 0.0:
                    inverse = w0 + w1 + w2
                    if inverse > inverse_depth[i, j]:
                        through = False
                        if soft[t]:
                            u = (w0 * uv[a, 0] + w1 * uv[b, 0] + w2 * uv[c, 0]) / inverse
                            v = (w0 * uv[a, 1] + w1 * uv[b, 1] + w2 * uv[c, 1]) / inverse
                            u, v = min(max(u, 0.0), columns - 1.001), min(max(v, 0.0), rows - 1.001)
                            p, q = int(v), int(u)
                            e, f = v - p, u - q
                            held = (1 - e) * ((1 - f) * alpha[p, q] + f * alpha[p, q + 1]) + e * (
                                (1 - f) * alpha[p + 1, q] + f * alpha[p + 1, q + 1]
                            )
                            through = held < 255.0 * thresholds[i % samples, j % samples]
                        if not through:
                            inverse_depth[i, j] = inverse
                            ids[i, j] = t
                            drawn = True
                w0 += a0
                w1 += a1
                w2 += a2
        if drawn:
            planes[t] = plane


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _colour(
    ids: np.ndarray,
    inverse_depth: np.ndarray,
    planes: np.ndarray,
    triangles: np.ndarray,
    uv: np.ndarray,
    shown: np.ndarray,
    atlas: np.ndarray,
    samples: int,
    box: np.ndarray,
    colours: np.ndarray,
    coverage: np.ndarray,
    known: np.ndarray,
) -> None:
    """The person over what is there already; a pixel within one triangle is looked up once.

    Args:
        ids, inverse_depth, planes: of `_rasterise`.
        triangles, uv, atlas: of `Skin`.
        shown: how far the picture shows each vertex as it is seen now, [V].
        samples: along each side of a pixel.
        box: left, top, right, bottom in pixels.
        colours: in and out, float32 [H, W, 3].
        coverage: out, how much of each pixel is the person, float32 [H, W].
        known: in and out, uint8 [H, W].
    """
    rows, columns = atlas.shape[0], atlas.shape[1]
    share = np.float32(1.0 / (samples * samples))
    for i in range(box[1], box[3]):
        for j in range(box[0], box[2]):
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
                u = v = total = look = 0.0
                for k in range(3):
                    m = triangles[t, k]
                    w = planes[t, 3 * k] * x + planes[t, 3 * k + 1] * y + planes[t, 3 * k + 2]
                    u += w * uv[m, 0]
                    v += w * uv[m, 1]
                    look += w * shown[m]
                    total += w
                u, v, look = u / total, v / total, look / total
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
