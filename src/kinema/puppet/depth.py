"""How deep a person is: a human body's depth as prior for what a picture shows only the outline of."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import spsolve

from kinema.puppet.body import PictureBody
from kinema.puppet.layers import Layer
from kinema.scene.skeleton import SMPL24

_SIDE = 220  # cells of the longer side of a layer at which it is inflated (ours)

# Slices of the stage's body (1.72 m): joint, how far on towards the next joint, half width, half depth, how far the
# middle lies before the bones (metres), and how many times wider a picture's person may be than this body there and
# become deeper (ours: skirts, hair, hats and big heads do, arms that hang on a chest do not).
_SLICES = (
    (0, -1.0, 0.170, 0.115, -0.015, 3.0),
    (0, 0.0, 0.160, 0.107, -0.008, 1.6),
    (3, 0.0, 0.143, 0.097, 0.0, 1.4),
    (6, 0.0, 0.160, 0.099, 0.0, 1.3),
    (9, 0.0, 0.185, 0.105, 0.004, 1.25),
    (12, 0.0, 0.140, 0.070, -0.012, 1.25),
    (12, 0.7, 0.073, 0.068, 0.003, 1.8),
    (15, 0.5, 0.085, 0.092, 0.020, 2.5),
    (15, 1.0, 0.100, 0.097, 0.014, 2.5),
)
_TEMPLATE = 1.72
_HAIR = 0.04  # metres of a head's thickness beyond a bare one's that lie behind it (ours)
_THINNEST = 0.75  # of the body's depth where a person is narrow (ours)
_TOE, _HEEL = (
    1.1,
    -0.5,
)  # of the bone from ankle to toes: where a sole leaves the floor before, and behind (the stage's)
_LOOKS_DOWN = (
    0.25  # how steeply a camera at the height of the hips, three metres away, sees the floor at the feet
)


_ROW = 1 << 14  # points that are looked up at a time: OpenCV's rows end at 2^15


def depth_of(layer: Layer, points: np.ndarray, body: PictureBody) -> tuple[np.ndarray, np.ndarray]:
    """Where a sheet's middle is and half its thickness, metres, both [V]; the thickness is still to be 0 on the outline.

    Args:
        layer: a part of the body.
        points: pixels of the picture, [V, 2].
        body: joints.
    """
    height, scale = inflated(layer.mask)
    at = ((points - layer.corner + 0.5) * scale - 0.5).astype(np.float32)
    rows = [at[None, start : start + _ROW] for start in range(0, len(at), _ROW)]
    half = (
        np.concatenate([cv2.remap(height, row[..., 0], row[..., 1], cv2.INTER_LINEAR)[0] for row in rows])
        / body.metre
    )
    if layer.part == 0:
        return _trunk(layer, points, height / body.metre, half, scale, body)
    middle = along_bones(layer.bones, points, body)
    return _feet(layer, points, body, middle, half) if layer.part > 2 else (middle, half)


def inflated(mask: np.ndarray) -> tuple[np.ndarray, float]:
    """A mask blown up: half thickness in pixels at a coarser grid, float32 [h, w], and the grid's scale.

    The square root of a screened Poisson equation's solution with right side -2: a strip becomes a cylinder.
    """
    scale = min(1.0, _SIDE / max(mask.shape))
    size = tuple(max(3, round(side * scale)) for side in mask.shape[::-1])
    small = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    return (np.sqrt(np.maximum(_poisson(small), 0.0)) / scale).astype(np.float32), scale


def along_bones(bones: tuple[int, ...], points: np.ndarray, body: PictureBody) -> np.ndarray:
    """Depth of the nearest place on a limb's bones, metres, [V]; softly where two are as near."""
    total = np.full(len(points), 1e-12)
    mixed = np.zeros(len(points))
    soft = max(1.5, 0.012 * body.height)
    for parent in bones:
        for child in SMPL24.children[parent]:
            if child not in bones:
                continue
            start, along = body.pixels[parent], body.pixels[child] - body.pixels[parent]
            share = np.clip(((points - start) @ along) / max(float(along @ along), 1e-9), 0, 1)
            apart = np.linalg.norm(points - start - share[:, None] * along, axis=1)
            weight = np.exp(-apart / soft) + 1e-9 / (1 + apart)
            mixed += weight * (body.depth[parent] + share * (body.depth[child] - body.depth[parent]))
            total += weight
    return mixed / total


def _trunk(
    layer: Layer,
    points: np.ndarray,
    height: np.ndarray,
    half: np.ndarray,
    scale: float,
    body: PictureBody,
) -> tuple[np.ndarray, np.ndarray]:
    """Trunk, head and skirt: at each height an ellipse as wide as the outline, as deep as a body, and turned."""
    rows = np.array([_slice_place(joint, share, body) for joint, share, *_ in _SLICES])
    order = np.argsort(rows[:, 1])
    at = np.arange(len(height)) / scale + layer.corner[1]
    size = body.height / body.metre / _TEMPLATE
    wide, deep, before, most = (
        np.interp(at, rows[order, 1], np.array([each[k] for each in _SLICES])[order]) for k in range(2, 6)
    )
    wide, deep, before = wide * size, deep * size, before * size
    cosine, sine = np.cos(body.yaw), np.sin(body.yaw)
    seen = np.hypot(wide * cosine, deep * sine)
    away = np.hypot(deep * cosine, wide * sine)
    across = np.maximum(height.max(axis=1), 1e-6)
    thick = away * np.clip(across / seen, _THINNEST, most)
    above = at < body.pixels[12, 1]
    before = before - np.where(
        above, np.clip(thick - away, 0, _HAIR), 0
    )  # hair hangs behind a head, not before it
    factor = np.clip(thick / across, 0.3, 3.0)
    smooth = max(1.0, 0.015 * body.height * scale)
    factor = cv2.GaussianBlur(factor.astype(np.float32)[:, None], (0, 0), smooth)[:, 0]
    slope = -(wide**2 - deep**2) * sine * cosine / seen**2
    spine = np.interp(points[:, 1], rows[order, 1], rows[order, 0])
    tilt = np.interp(points[:, 1], at, slope) * (points[:, 0] - spine) / body.metre
    level = np.interp(points[:, 1], at, before) * cosine
    return body.depth[0] + tilt - level, half * np.interp(points[:, 1], at, factor)


def _slice_place(joint: int, share: float, body: PictureBody) -> np.ndarray:
    """The pixel of a slice on the spine, [2]."""
    here = body.pixels[joint]
    step = {0: body.pixels[3] - body.pixels[0], 12: body.pixels[15] - body.pixels[12]}.get(
        joint, body.pixels[15] - body.pixels[12]
    )
    return np.asarray(here + share * step)


def _feet(
    layer: Layer, points: np.ndarray, body: PictureBody, middle: np.ndarray, half: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A foot that stands goes forward along its toe bone and back to its heel, on a flat sole.

    The lowest row of the outline is the nearer end; the rows above it, seen from above, go back along the floor.
    """
    ankle, toe = layer.bones[-2:]
    forward = float(np.clip(body.depth[toe] - body.depth[ankle], -0.2, 0.2))
    ends = sorted((_TOE * forward, _HEEL * forward))
    top = float(body.pixels[ankle, 1])
    rows = np.flatnonzero(layer.mask.any(axis=1))
    sole = float(layer.corner[1] + rows[-1]) if rows.size else top
    if sole - top < 0.02 * body.height or body.pixels[toe, 1] <= top:
        return middle, half
    share = np.clip((points[:, 1] - top) / (sole - top), 0, 1)
    inner = np.clip(half / 0.02, 0, 1)
    near = body.depth[ankle] + ends[0] * share
    floor = ends[0] + np.maximum(sole - points[:, 1], 0) / body.metre / _LOOKS_DOWN
    far = body.depth[ankle] + np.minimum(ends[1] * np.minimum(2 * share, 1), floor)
    far = np.maximum(far, near)
    foot = np.clip(share / 0.3, 0, 1)
    first = (1 - foot) * (middle - half) + foot * (near - np.minimum(half, 0.05))
    last = (1 - foot) * (middle + half) + foot * (near + inner * np.maximum(far - near, half))
    return (first + last) / 2, (last - first) / 2


def _poisson(mask: np.ndarray) -> np.ndarray:
    """Solution of the screened Poisson equation with right side -2 and 0 outside, [h, w]."""
    padded = np.pad(mask, 1)
    number = np.full(padded.shape, -1)
    cells = np.flatnonzero(padded.ravel())
    number.ravel()[cells] = np.arange(len(cells))
    width = padded.shape[1]
    rows, columns = [], []
    for step in (1, -1, width, -width):
        other = number.ravel()[cells + step]
        known = other >= 0
        rows.append(np.flatnonzero(known))
        columns.append(other[known])
    row, column = np.concatenate(rows), np.concatenate(columns)
    screen = (0.5 / max(1.0, 0.25 * max(mask.shape))) ** 2
    matrix = diags(np.full(len(cells), 4.0 + screen)) - csr_matrix(
        (np.ones(len(row)), (row, column)), shape=(len(cells), len(cells))
    )
    solution = np.zeros(padded.size)
    if len(cells):
        solution[cells] = spsolve(matrix.tocsc(), np.full(len(cells), 2.0))
    return solution.reshape(padded.shape)[1:-1, 1:-1]
