"""Drawing the person: skinning, the stage's rasteriser, and the picture's colours on its triangles."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from kinema.stage.rasterize import rasterize, skin, to_camera

_NEAR = 0.05  # metres
_SEEN_FROM = (
    0.5  # cosine between the picture's view and now, below which a surface counts as not shown by it (ours)
)


@njit(cache=True, nogil=True, fastmath=True, parallel=True)
def colour(
    ids: np.ndarray,
    inverse_depth: np.ndarray,
    planes: np.ndarray,
    triangles: np.ndarray,
    uv: np.ndarray,
    shown: np.ndarray,
    atlas: np.ndarray,
    samples: int,
    colours: np.ndarray,
    coverage: np.ndarray,
    known: np.ndarray,
) -> None:
    """The person over what is there already.

    Args:
        ids, inverse_depth, planes: of `rasterize`, with `samples` times as many pixels a side.
        triangles, uv, atlas: of `Mesh`.
        shown: how far the picture shows each triangle as it is seen now, 0 to 1, float32 [F].
        samples: along each side of a pixel.
        colours: in and out, float32 [H, W, 3].
        coverage: out, how much of each pixel is the person, float32 [H, W].
        known: in and out, uint8 [H, W].
    """
    height, width = coverage.shape
    rows, columns = atlas.shape[0], atlas.shape[1]
    share = 1.0 / (samples * samples)
    for i in prange(height):
        for j in range(width):
            sample = np.zeros(3, np.float32)
            sure = hits = 0.0
            for a in range(samples):
                for b in range(samples):
                    row, column = i * samples + a, j * samples + b
                    t = ids[row, column]
                    if t < 0:
                        continue
                    x, y = column + 0.5, row + 0.5
                    depth = 1.0 / inverse_depth[row, column]
                    u = v = 0.0
                    for k in range(3):
                        w = (planes[t, 3 * k] * x + planes[t, 3 * k + 1] * y + planes[t, 3 * k + 2]) * depth
                        u += w * uv[triangles[t, k], 0]
                        v += w * uv[triangles[t, k], 1]
                    u, v = min(max(u, 0.0), columns - 1.001), min(max(v, 0.0), rows - 1.001)
                    p, q = int(v), int(u)
                    e, f = v - p, u - q
                    hits += 1.0
                    c00, c01 = (1 - e) * (1 - f), (1 - e) * f
                    c10, c11 = e * (1 - f), e * f
                    for k in range(3):
                        sample[k] += (
                            c00 * atlas[p, q, k]
                            + c01 * atlas[p, q + 1, k]
                            + c10 * atlas[p + 1, q, k]
                            + c11 * atlas[p + 1, q + 1, k]
                        )
                    sure += shown[t] * atlas[p, q, 3]
            cover = hits * share
            coverage[i, j] = cover
            if hits > 0:
                for k in range(3):
                    colours[i, j, k] = (1 - cover) * colours[i, j, k] + sample[k] * share
                if cover > 0.5:
                    known[i, j] = np.uint8(sure / hits)


class Painter:
    """Draws a mesh frame by frame; its buffers are kept.

    Args:
        size: (width, height) of the frames.
        triangles: int32 [F, 3].
        uv: float32 [V, 2].
        atlas: uint8 [A, B, 4].
        samples: along each side of a pixel.
    """

    def __init__(
        self,
        size: tuple[int, int],
        triangles: np.ndarray,
        uv: np.ndarray,
        atlas: np.ndarray,
        samples: int = 2,
    ) -> None:
        self.triangles, self.uv, self.atlas, self.samples = triangles, uv, atlas, samples
        width, height = size[0] * samples, size[1] * samples
        self._ids = np.empty((height, width), np.int32)
        self._inverse = np.empty((height, width), np.float32)
        self._planes = np.zeros((len(triangles), 9), np.float32)
        self._two_sided = np.ones(len(triangles), bool)
        self._points = np.empty((len(uv), 3))
        self.coverage = np.empty((size[1], size[0]), np.float32)

    def draw(
        self,
        vertices: np.ndarray,
        rest: np.ndarray,
        w2c: np.ndarray,
        lens: np.ndarray,
        colours: np.ndarray,
        known: np.ndarray,
    ) -> None:
        """Draws the person over `colours` [H, W, 3] float32 and `known` [H, W] uint8, in place.

        Args:
            vertices: in the world, float32 [V, 3].
            rest: cosine of each triangle's front to the picture's camera there, [F].
            w2c, lens: the camera.
        """
        to_camera(vertices, w2c[:3], self._points)
        rasterize(
            self._points,
            self.triangles,
            self._two_sided,
            lens * self.samples,
            _NEAR,
            self._ids,
            self._inverse,
            self._planes,
        )
        shown = np.clip((facing(self._points, self.triangles) - _SEEN_FROM) / (1 - _SEEN_FROM), 0, 1)
        shown = np.maximum(shown, 0.0) * (rest > 0)
        colour(
            self._ids,
            self._inverse,
            self._planes,
            self.triangles,
            self.uv,
            shown.astype(np.float32),
            self.atlas,
            self.samples,
            colours,
            self.coverage,
            known,
        )


def facing(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Cosine between each triangle's front and the way to the camera, [F].

    Args:
        points: in the camera's axes, [V, 3].
        triangles: int [F, 3].
    """
    a, b, c = (points[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    centre = (a + b + c) / 3
    length = np.linalg.norm(normal, axis=1) * np.linalg.norm(centre, axis=1)
    return -(normal * centre).sum(1) / np.maximum(length, 1e-12)


def posed(vertices: np.ndarray, bones: np.ndarray, weights: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Vertices moved by their bones, float32 [V, 3]."""
    out = np.empty_like(vertices)
    skin(vertices, bones, weights, maps.astype(np.float32), out)
    return out
