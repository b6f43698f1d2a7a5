"""The mannequin behind every figure: a smooth-minimum field of capsules, marching cubes, skin weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit
from scipy.sparse import coo_matrix
from skimage.measure import marching_cubes

from kinema.stage.rig import CHART_JOINTS, PARENTS, segment_transforms

VOXEL = {"low": 0.0265, "high": 0.0165}
"""Grid spacing of the two levels of detail, metres: about 3k and 8k vertices."""


@dataclass(frozen=True)
class Template:
    """A skinned mesh in an A-pose.

    Args:
        vertices: metres, [V, 3].
        normals: unit, [V, 3].
        chart: the same points in a T-pose facing +Z, the coordinates clothes are cut in, metres, [V, 3].
        triangles: counter-clockwise from outside, int32 [F, 3].
        bones: the four segments that move each vertex, int32 [V, 4].
        weights: their shares, rows sum to 1, float32 [V, 4].
        unpose: map of each segment from the A-pose to the chart, [24, 4, 4].
    """

    vertices: np.ndarray
    normals: np.ndarray
    chart: np.ndarray
    triangles: np.ndarray
    bones: np.ndarray
    weights: np.ndarray
    unpose: np.ndarray


def _capsules() -> np.ndarray:
    """Tapered capsules in the chart: segment, start, end, both radii, blend radius; [N, 10], metres."""
    one = [
        # segment, x0, y0, z0, x1, y1, z1, r0, r1, blend
        (0, -0.055, 0.94, -0.005, 0.055, 0.94, -0.005, 0.104, 0.104, 0.04),
        (0, -0.05, 0.87, -0.005, 0.05, 0.87, -0.005, 0.082, 0.082, 0.04),
        (3, -0.045, 1.06, 0.0, 0.045, 1.06, 0.0, 0.096, 0.096, 0.05),
        (6, -0.055, 1.16, 0.0, 0.055, 1.16, 0.0, 0.098, 0.098, 0.05),
        (9, -0.075, 1.265, 0.0, 0.075, 1.265, 0.0, 0.102, 0.102, 0.05),
        (9, -0.085, 1.345, -0.012, 0.085, 1.345, -0.012, 0.076, 0.076, 0.05),
        (12, 0.0, 1.38, -0.02, 0.0, 1.53, 0.01, 0.058, 0.05, 0.03),
        (15, 0.0, 1.575, 0.012, 0.0, 1.632, 0.006, 0.082, 0.09, 0.02),
        (15, 0.0, 1.535, 0.05, 0.0, 1.56, 0.045, 0.046, 0.058, 0.03),
        (15, 0.0, 1.598, 0.098, 0.0, 1.572, 0.112, 0.009, 0.0145, 0.012),
    ]
    left = [
        (0, 0.062, 0.885, -0.045, 0.065, 0.90, -0.04, 0.082, 0.082, 0.04),
        (9, 0.066, 1.275, 0.04, 0.07, 1.27, 0.044, 0.054, 0.054, 0.05),
        (13, 0.05, 1.385, -0.015, 0.15, 1.376, -0.012, 0.05, 0.043, 0.04),
        (13, 0.02, 1.452, -0.018, 0.135, 1.40, -0.018, 0.026, 0.034, 0.05),
        (15, 0.083, 1.592, 0.004, 0.085, 1.61, 0.0, 0.014, 0.016, 0.01),
        (1, 0.083, 0.87, 0.0, 0.085, 0.475, 0.0, 0.084, 0.055, 0.03),
        (4, 0.085, 0.475, 0.0, 0.085, 0.08, -0.015, 0.054, 0.036, 0.03),
        (4, 0.085, 0.37, -0.022, 0.085, 0.30, -0.022, 0.042, 0.038, 0.03),
        (7, 0.085, 0.075, -0.02, 0.085, 0.045, -0.03, 0.042, 0.044, 0.03),
        (7, 0.085, 0.042, -0.03, 0.088, 0.038, 0.09, 0.042, 0.042, 0.03),
        (10, 0.088, 0.038, 0.09, 0.09, 0.034, 0.155, 0.042, 0.035, 0.03),
        (16, 0.165, 1.37, -0.01, 0.25, 1.384, -0.012, 0.051, 0.049, 0.03),
        (16, 0.25, 1.384, -0.012, 0.435, 1.39, -0.015, 0.05, 0.04, 0.03),
        (18, 0.435, 1.39, -0.015, 0.52, 1.39, -0.014, 0.041, 0.042, 0.03),
        (18, 0.52, 1.39, -0.014, 0.685, 1.39, -0.01, 0.042, 0.029, 0.03),
        (20, 0.685, 1.39, -0.018, 0.75, 1.388, -0.022, 0.026, 0.026, 0.02),
        (20, 0.69, 1.39, 0.002, 0.75, 1.388, 0.014, 0.025, 0.025, 0.02),
        (22, 0.75, 1.388, -0.02, 0.825, 1.384, -0.018, 0.022, 0.016, 0.02),
        (22, 0.75, 1.388, 0.012, 0.825, 1.384, 0.006, 0.022, 0.016, 0.02),
        (20, 0.705, 1.388, 0.02, 0.755, 1.38, 0.052, 0.018, 0.014, 0.012),
    ]
    mirror = {1: 2, 4: 5, 7: 8, 10: 11, 13: 14, 16: 17, 18: 19, 20: 21, 22: 23}
    right = [(mirror.get(c[0], c[0]), -c[1], c[2], c[3], -c[4], *c[5:]) for c in left]
    return np.array(one + left + right, dtype=np.float64)


def _a_pose() -> np.ndarray:
    """The chart's joints with arms lowered by 58 degrees and legs spread by 7, [24, 3]."""
    joints = CHART_JOINTS.copy()
    for root, members, degrees in (
        (16, (18, 20, 22), -58.0),
        (17, (19, 21, 23), 58.0),
        (1, (4, 7, 10), 7.0),
        (2, (5, 8, 11), -7.0),
    ):
        angle = np.radians(degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        for j in members:
            joints[j] = joints[root] + turn @ (joints[j] - joints[root])
    return joints


@njit(cache=True)
def _distances(point, capsules, out):
    for n in range(capsules.shape[0]):
        ax, ay, az = capsules[n, 1], capsules[n, 2], capsules[n, 3]
        bx, by, bz = capsules[n, 4] - ax, capsules[n, 5] - ay, capsules[n, 6] - az
        px, py, pz = point[0] - ax, point[1] - ay, point[2] - az
        length = bx * bx + by * by + bz * bz
        t = min(1.0, max(0.0, (px * bx + py * by + pz * bz) / max(length, 1e-12)))
        dx, dy, dz = px - t * bx, py - t * by, pz - t * bz
        out[n] = np.sqrt(dx * dx + dy * dy + dz * dz) - (
            capsules[n, 7] + t * (capsules[n, 8] - capsules[n, 7])
        )


@njit(cache=True)
def _field(xs, ys, zs, capsules):
    """Smooth minimum (polynomial, each capsule with its own blend radius) of all capsules on a grid."""
    field = np.empty((xs.size, ys.size, zs.size), np.float32)
    each = np.empty(capsules.shape[0])
    point = np.empty(3)
    for i in range(xs.size):
        point[0] = xs[i]
        for j in range(ys.size):
            point[1] = ys[j]
            for k in range(zs.size):
                point[2] = zs[k]
                _distances(point, capsules, each)
                value = each[0]
                for n in range(1, each.size):
                    blend = capsules[n, 9]
                    h = max(blend - abs(value - each[n]), 0.0) / blend
                    value = min(value, each[n]) - h * h * blend * 0.25
                field[i, j, k] = value
    return field


@njit(cache=True)
def _skin_weights(vertices, capsules, softness):
    """Share of each of the 24 segments by closeness to its capsules, [V, 24]."""
    weights = np.zeros((vertices.shape[0], 24))
    each = np.empty(capsules.shape[0])
    for v in range(vertices.shape[0]):
        _distances(vertices[v], capsules, each)
        closest = each.min()
        for n in range(each.size):
            share = np.exp(-(each[n] - closest) / softness)
            j = int(capsules[n, 0])
            weights[v, j] = max(weights[v, j], share)
    return weights


def _neighbours() -> np.ndarray:
    """Which segments may share a vertex: parents, children, and a few close relatives; bool [24, 24]."""
    near = np.eye(24, dtype=bool)
    for j, parent in enumerate(PARENTS):
        if parent >= 0:
            near[j, parent] = near[parent, j] = True
    for a, b in ((1, 2), (3, 1), (3, 2), (16, 9), (17, 9), (12, 13), (12, 14), (0, 6), (3, 9)):
        near[a, b] = near[b, a] = True
    return near


@lru_cache(maxsize=4)
def template(detail: str = "high") -> Template:
    """The template mesh, built once per process in well under two seconds.

    Args:
        detail: "low" (about 3k vertices, for pictures of 128 pixels) or "high" (about 8k).
    """
    if detail not in VOXEL:
        raise ValueError(f"detail is {detail!r}; choose one of {', '.join(VOXEL)}")
    voxel = VOXEL[detail]
    pose = segment_transforms(_a_pose()[None])[0]
    capsules = _capsules()
    for c in capsules:
        linear, offset = pose[int(c[0]), :, :3], pose[int(c[0]), :, 3]
        c[1:4] = linear @ c[1:4] + offset
        c[4:7] = linear @ c[4:7] + offset
    low = np.minimum(capsules[:, 1:4], capsules[:, 4:7]).min(0) - 0.14
    high = np.maximum(capsules[:, 1:4], capsules[:, 4:7]).max(0) + 0.14
    xs, ys, zs = _axes(low, high, voxel)
    field = _field(xs, ys, zs, capsules)
    vertices, faces, _, _ = marching_cubes(field, 0.0)
    vertices = np.stack(
        [np.interp(vertices[:, a], np.arange(s.size), s) for a, s in enumerate((xs, ys, zs))], axis=-1
    )
    faces = faces.astype(np.int32)
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    if np.einsum("ij,ij->", a, np.cross(b, c)) < 0:
        faces = faces[:, ::-1]
    weights = _skin_weights(vertices, capsules, 0.018)
    weights *= _neighbours()[weights.argmax(1)]
    weights = _smooth(weights, faces, rounds=max(2, round(0.05 / voxel)))
    bones = np.argsort(-weights, axis=1, kind="stable")[:, :4].astype(np.int32)
    shares = np.take_along_axis(weights, bones, axis=1)
    shares /= shares.sum(1, keepdims=True)
    unpose = np.linalg.inv(np.concatenate([pose, np.tile([[[0, 0, 0, 1.0]]], (24, 1, 1))], axis=1))
    blended = np.einsum("vk,vkij->vij", shares, unpose[bones])
    chart = np.einsum("vij,vj->vi", blended[:, :3, :3], vertices) + blended[:, :3, 3]
    return Template(
        vertices,
        _normals(vertices, faces),
        chart,
        np.ascontiguousarray(faces),
        bones,
        shares.astype(np.float32),
        unpose,
    )


def _axes(low: np.ndarray, high: np.ndarray, voxel: float) -> list[np.ndarray]:
    """Grid lines along x, y, z; finer where the face and the feet are."""
    fine = [(0.0, 0.0, 1.0), (1.52, 1.66, 0.6), (0.04, 0.16, 0.75)]
    out = []
    for a in range(3):
        start, stop, factor = fine[a]
        at, points = low[a], []
        while at < high[a] + voxel:
            points.append(at)
            at += voxel * (factor if start < at < stop else 1.0)
        out.append(np.array(points))
    return out


def _smooth(weights: np.ndarray, faces: np.ndarray, rounds: int) -> np.ndarray:
    n = len(weights)
    i = np.concatenate([faces[:, 0], faces[:, 1], faces[:, 2]])
    j = np.concatenate([faces[:, 1], faces[:, 2], faces[:, 0]])
    graph = coo_matrix((np.ones(len(i)), (i, j)), shape=(n, n)).tocsr()
    graph = ((graph + graph.T) > 0).astype(float)
    degree = np.asarray(graph.sum(1)).ravel()[:, None]
    for _ in range(rounds):
        weights = 0.5 * weights + 0.5 * (graph @ weights) / np.maximum(degree, 1)
    return weights


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    out = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(out, faces[:, i], face)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
