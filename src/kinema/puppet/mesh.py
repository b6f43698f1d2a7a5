"""Sheets become closed bodies: an outline of no thickness, a front and a back inflated to a human body's depth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.sparse import csr_matrix, diags
from scipy.spatial import Delaunay

from kinema.puppet.body import PictureBody
from kinema.puppet.depth import depth_of
from kinema.puppet.layers import Layer
from kinema.scene.skeleton import SMPL24

_STEP = 0.009  # of the height: distance of the mesh's vertices (ours)
_SOFT = 0.028  # of the height: how softly the trunk follows several bones (ours)
_ROUNDS = 6  # of smoothing the weights


@dataclass(frozen=True, eq=False)
class Mesh:
    """The whole person.

    Args:
        pixels: where each vertex is in the picture, float64 [V, 2].
        depth: metres behind the pelvis, [V].
        uv: pixels of the atlas, float32 [V, 2].
        triangles: int32 [F, 3].
        bones, weights: of skinning, int32 and float32 [V, 4].
        is_front: of each triangle, bool [F].
        atlas: colours and how surely they are the picture's own, uint8 [A, B, 4].
        alpha: how much of each texel is the person, uint8 [A, B].
    """

    pixels: np.ndarray
    depth: np.ndarray
    uv: np.ndarray
    triangles: np.ndarray
    bones: np.ndarray
    weights: np.ndarray
    is_front: np.ndarray
    atlas: np.ndarray
    alpha: np.ndarray


def mesh_of(layers: list[Layer], body: PictureBody, back_known: int, thickness: float = 1.0) -> Mesh:
    """All layers as one mesh with one atlas: each layer's front above its back.

    Args:
        layers: of the person.
        body: joints.
        back_known: how surely what is on the backs is the picture's own.
        thickness: 1 a human body's, 0 a sheet of paper's.
    """
    pieces = [_piece(layer, body) for layer in layers]
    width = max(layer.mask.shape[1] for layer in layers)
    height = sum(2 * layer.mask.shape[0] for layer in layers)
    atlas = np.zeros((height, width, 4), np.uint8)
    alpha = np.zeros((height, width), np.uint8)
    row = count = 0
    parts: list[tuple[np.ndarray, ...]] = []
    for layer, (points, depth, bones, weights, triangles) in zip(layers, pieces, strict=True):
        rows, columns = layer.mask.shape
        atlas[row : row + rows, :columns, :3] = layer.front
        atlas[row : row + rows, :columns, 3] = layer.known
        atlas[row + rows : row + 2 * rows, :columns, :3] = layer.back
        atlas[row + rows : row + 2 * rows, :columns, 3] = back_known
        alpha[row : row + 2 * rows, :columns] = np.tile(layer.alpha, (2, 1))
        inner = points - layer.corner
        uv = np.concatenate([inner, inner])
        uv[:, 1] += np.repeat([row, row + rows], len(inner))
        middle, half = depth[0], thickness * depth[1]
        number = len(points)
        pixels = np.concatenate([points, points]) + 0.5  # a pixel's middle lies half a pixel from its corner
        depths = np.concatenate([middle - half, middle + half])
        faces = np.concatenate([triangles, triangles[:, ::-1] + number]) + count
        sides = np.repeat([True, False], len(triangles))
        parts.append((pixels, depths, uv, faces, np.tile(bones, (2, 1)), np.tile(weights, (2, 1)), sides))
        count += 2 * number
        row += 2 * rows
    pixels, depths, uv, faces, bones, weights, sides = (
        np.concatenate(each) for each in zip(*parts, strict=True)
    )
    return Mesh(
        pixels,
        depths,
        uv.astype(np.float32),
        faces.astype(np.int32),
        bones.astype(np.int32),
        weights.astype(np.float32),
        sides,
        atlas,
        alpha,
    )


def _piece(
    layer: Layer, body: PictureBody
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Vertices of one side [V, 2], their middle and half depth, skinning and triangles."""
    points, rim = _points(layer, max(2.0, _STEP * body.height))
    triangles = _triangles(points, layer)
    bones, weights = _weights(points, triangles, layer, body)
    middle, half = depth_of(layer, points, body)
    half[rim] = 0.0
    return points, (middle, half), bones, weights, triangles


def _points(layer: Layer, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices on the outline and on a staggered grid within it, [V, 2], and which are on the outline."""
    contours, _ = cv2.findContours(layer.mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rims = []
    for contour in contours:
        line = contour[:, 0].astype(np.float64)
        if len(line) < 8:
            continue
        kernel = np.array([1, 2, 3, 2, 1]) / 9
        wrapped = np.concatenate([line[-2:], line, line[:2]])
        smooth = np.stack([np.convolve(wrapped[:, axis], kernel, "valid") for axis in range(2)], axis=1)
        count = max(6, round(len(line) / (0.8 * step)))
        rims.append(smooth[np.linspace(0, len(line), count, endpoint=False).astype(int)])
    rim = np.concatenate(rims) if rims else np.zeros((0, 2))
    rows, columns = layer.mask.shape
    ys = np.arange(0, rows, step * 0.87)
    grid = []
    for number, y in enumerate(ys):
        xs = np.arange(step / 2 * (number % 2), columns, step)
        grid.append(np.stack([xs, np.full(len(xs), y)], axis=1))
    inner = np.concatenate(grid)
    distance = cv2.distanceTransform(layer.mask.astype(np.uint8), cv2.DIST_L2, 3)
    at = np.clip(np.round(inner).astype(int), 0, [columns - 1, rows - 1])
    inner = inner[distance[at[:, 1], at[:, 0]] > 0.55 * step]
    points = np.concatenate([rim, inner]) + layer.corner
    is_rim = np.arange(len(points)) < len(rim)
    return points, is_rim


def _triangles(points: np.ndarray, layer: Layer) -> np.ndarray:
    """Triangles within the mask, seen from the front, int [F, 3]."""
    simplices = Delaunay(points).simplices
    corners = points[simplices] - layer.corner
    rows, columns = layer.mask.shape
    inside = np.ones(len(simplices), bool)
    for mix in ((1 / 3, 1 / 3, 1 / 3), (0.6, 0.2, 0.2), (0.2, 0.6, 0.2), (0.2, 0.2, 0.6)):
        at = np.round(np.einsum("fkd,k->fd", corners, mix)).astype(int)
        inside &= layer.mask[np.clip(at[:, 1], 0, rows - 1), np.clip(at[:, 0], 0, columns - 1)]
    simplices, corners = simplices[inside], corners[inside]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    flip = area > 0  # with y down, so that the front faces the camera
    simplices[flip] = simplices[flip][:, ::-1]
    return simplices[np.abs(area) > 1e-6]


def _weights(
    points: np.ndarray, triangles: np.ndarray, layer: Layer, body: PictureBody
) -> tuple[np.ndarray, np.ndarray]:
    """The four bones that move each vertex, and how much: int [V, 4] and float [V, 4]."""
    pairs = [
        (joint, child) for joint in layer.bones for child in SMPL24.children[joint] if child in layer.bones
    ]
    soft = max(1.5, 0.5 * _limb_radius(layer, body)) if layer.part else max(2.0, _SOFT * body.height)
    full = np.zeros((len(points), 24))
    for joint, child in pairs:
        a, b = body.pixels[joint], body.pixels[child]
        along = b - a
        share = np.clip(((points - a) @ along) / max(float(along @ along), 1e-9), 0, 1)
        apart = np.linalg.norm(points - a - share[:, None] * along, axis=1)
        full[:, joint] = np.maximum(full[:, joint], np.exp(-apart / soft))
    leaves = [joint for joint in layer.bones if not any(parent == joint for parent, _ in pairs)]
    for joint in leaves:
        apart = np.linalg.norm(points - body.pixels[joint], axis=1)
        full[:, joint] = np.maximum(full[:, joint], np.exp(-apart / soft))
    if layer.part == 0:
        full = _trunk_rules(full, points, body)
    full += 1e-9 * (np.isin(np.arange(24), layer.bones))
    full /= full.sum(1, keepdims=True)
    full = _smoothed(full, triangles)
    order = np.argsort(-full, axis=1)[:, :4]
    weights = np.take_along_axis(full, order, axis=1)
    return order, weights / weights.sum(1, keepdims=True)


def _trunk_rules(full: np.ndarray, points: np.ndarray, body: PictureBody) -> np.ndarray:
    """The head is stiff above the neck; below the hips both thighs share a skirt."""
    full = full.copy()
    head = points[:, 1] < body.pixels[15, 1]
    full[head] = 0.0
    full[head, 15] = 1.0
    hips = float(body.pixels[[1, 2], 1].mean())
    legs = max(float(body.pixels[[4, 5], 1].mean()) - hips, 1.0)
    below = np.clip((points[:, 1] - hips) / legs, 0, 1.5)
    low = below > 0
    across = body.pixels[1, 0] - body.pixels[2, 0]
    side = np.clip((points[:, 0] - body.pixels[2, 0]) / (across if abs(across) > 1 else 1.0), 0, 1)
    share = np.clip(below, 0, 1)[low, None]
    full[low] /= full[low].sum(1, keepdims=True)
    skirt = np.zeros((int(low.sum()), 24))
    own = (side * side * (3 - 2 * side))[low]
    skirt[:, 1], skirt[:, 2] = own, 1 - own
    full[low] = (1 - 0.85 * share) * full[low] + 0.85 * share * skirt
    return full


def _smoothed(full: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Weights mixed with those of their neighbours."""
    count = len(full)
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    both = np.concatenate([edges, edges[:, ::-1]])
    matrix = csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(count, count))
    degree = np.asarray(matrix.sum(1)).ravel()
    average = diags(1 / np.maximum(degree, 1)) @ matrix
    for _ in range(_ROUNDS):
        mixed = average @ full
        full = np.where(degree[:, None] > 0, 0.5 * full + 0.5 * mixed, full)
    return np.asarray(full / full.sum(1, keepdims=True))


def _limb_radius(layer: Layer, body: PictureBody) -> float:
    inner = cv2.distanceTransform(layer.mask.astype(np.uint8), cv2.DIST_L2, 3)
    at = np.round(body.pixels[list(layer.bones)] - layer.corner).astype(int)
    at = np.clip(at, 0, np.array(layer.mask.shape[::-1]) - 1)
    values = inner[at[:, 1], at[:, 0]]
    return float(np.median(values[values > 0])) if (values > 0).any() else 0.02 * body.height
