"""Unit quaternions wxyz over any batch axes: [..., 4]. NaN in, NaN out."""

from __future__ import annotations

import numpy as np

IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The rotation that does b first, then a. [..., 4]."""
    a, b = np.asarray(a), np.asarray(b)
    aw, ax, ay, az = a[..., 0], a[..., 1], a[..., 2], a[..., 3]
    bw, bx, by, bz = b[..., 0], b[..., 1], b[..., 2], b[..., 3]
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def conjugate(q: np.ndarray) -> np.ndarray:
    """The inverse rotation, [..., 4]."""
    return np.asarray(q) * np.array([1.0, -1.0, -1.0, -1.0])


def rotate(q: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Vectors [..., 3] turned by rotations [..., 4]."""
    q, vectors = np.asarray(q), np.asarray(vectors)
    w, x, y, z = q[..., 0], q[..., 1], q[..., 2], q[..., 3]
    a, b, c = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    u, v, t = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)  # twice the cross product
    return np.stack(
        [a + w * u + y * t - z * v, b + w * v + z * u - x * t, c + w * t + x * v - y * u], axis=-1
    )


def about_axis(axis: np.ndarray, angle: np.ndarray | float) -> np.ndarray:
    """Rotations by `angle` radians [...] about the unit `axis` [..., 3]."""
    half = np.asarray(angle, dtype=np.float64)[..., None] / 2
    xyz = np.sin(half) * np.asarray(axis)
    return np.concatenate([np.broadcast_to(np.cos(half), (*xyz.shape[:-1], 1)), xyz], axis=-1)


def twist_angle(q: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """How far rotations [..., 4] turn about the unit `axis` [..., 3], radians in (-pi, pi]."""
    along = (np.asarray(q)[..., 1:] * axis).sum(-1)
    w = np.asarray(q)[..., 0]
    return 2 * np.arctan2(np.where(w < 0, -along, along), np.abs(w))


def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The shortest rotations of directions a onto b, [..., 3] -> [..., 4]; identity for a zero vector."""
    a, b = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    scale = np.linalg.norm(a, axis=-1, keepdims=True) * np.linalg.norm(b, axis=-1, keepdims=True)
    w = scale + (a * b).sum(-1, keepdims=True)
    opposite = (w <= 1e-12 * scale) & (scale > 0)
    thinnest = np.eye(3)[np.argmin(np.abs(a), axis=-1)]  # any axis at a right angle to a will do
    xyz = np.where(opposite, np.cross(a, thinnest), np.cross(a, b))
    q = np.concatenate([np.where(opposite, 0.0, np.where(scale == 0, 1.0, w)), xyz], axis=-1)
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def align(a: np.ndarray, b: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """The rotations that bring vectors a nearest to b in the least-squares sense.

    Horn, "Closed-form solution of absolute orientation using unit quaternions" (1987): the eigenvector of the
    largest eigenvalue of a symmetric 4x4 matrix.

    Args:
        a, b: vectors, finite, [..., K, 3].
        weights: [..., K], 1 by default.

    Returns:
        [..., 4]; unique where a and b each span at least a plane.
    """
    weighted = b if weights is None else b * np.asarray(weights)[..., None]
    s = np.swapaxes(np.broadcast_to(a, np.broadcast_shapes(a.shape, b.shape)), -1, -2) @ weighted
    matrix = np.empty((*s.shape[:-2], 4, 4))
    xx, xy, xz = s[..., 0, 0], s[..., 0, 1], s[..., 0, 2]
    yx, yy, yz = s[..., 1, 0], s[..., 1, 1], s[..., 1, 2]
    zx, zy, zz = s[..., 2, 0], s[..., 2, 1], s[..., 2, 2]
    matrix[..., 0, 0], matrix[..., 1, 1] = xx + yy + zz, xx - yy - zz
    matrix[..., 2, 2], matrix[..., 3, 3] = yy - xx - zz, zz - xx - yy
    matrix[..., 0, 1] = matrix[..., 1, 0] = yz - zy
    matrix[..., 0, 2] = matrix[..., 2, 0] = zx - xz
    matrix[..., 0, 3] = matrix[..., 3, 0] = xy - yx
    matrix[..., 1, 2] = matrix[..., 2, 1] = xy + yx
    matrix[..., 1, 3] = matrix[..., 3, 1] = zx + xz
    matrix[..., 2, 3] = matrix[..., 3, 2] = yz + zy
    return np.linalg.eigh(matrix)[1][..., -1]


def slerp(a: np.ndarray, b: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """Rotations on the shortest way from a (share 0) to b (share 1), exact at both ends.

    Args:
        a, b: [..., 4].
        share: [...].
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    share = np.asarray(share, dtype=np.float64)[..., None]
    b = np.where((a * b).sum(-1, keepdims=True) < 0, -b, b)
    # half the angle from chord lengths: exact near 0, where the arc cosine is not
    half = np.arctan2(
        np.linalg.norm(b - a, axis=-1, keepdims=True), np.linalg.norm(b + a, axis=-1, keepdims=True)
    )
    angle = 2 * half
    small = angle < 1e-7
    sine = np.where(small, 1.0, np.sin(angle))
    first = np.where(small, 1 - share, np.sin((1 - share) * angle) / sine)
    second = np.where(small, share, np.sin(share * angle) / sine)
    mixed = first * a + second * b
    mixed = mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)
    return np.where(share <= 0, a, np.where(share >= 1, b, mixed))


def upright(q: np.ndarray) -> np.ndarray:
    """The same rotations, written with w >= 0. [..., 4]."""
    return np.where(np.asarray(q)[..., :1] < 0, -np.asarray(q), q)
