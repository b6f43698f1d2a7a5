"""Animation curves of glTF: keys over time and what lies between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinema.scene import quaternions

DEFAULT_FPS = 30.0
"""For curves with uneven or few keys (ours)."""

SLOWEST_BAKE = 10.0
"""Keys less frequent than this were set by hand, not sampled (ours)."""


@dataclass(frozen=True)
class Curve:
    """One animated property of a node.

    Args:
        node: which node.
        path: "translation", "rotation" (quaternion xyzw) or "scale".
        times: of the keys, seconds, rising, [K].
        values: [K, 3 or 4]; for CUBICSPLINE in-tangent, value and out-tangent, [K, 3, 3 or 4].
        interpolation: "LINEAR", "STEP" or "CUBICSPLINE".
    """

    node: int
    path: str
    times: np.ndarray
    values: np.ndarray
    interpolation: str


def baked_rate(curves: Sequence[Curve]) -> float | None:
    """Frames per second of the keys, by the curve with the most of them; None where they are uneven."""
    times = max((curve.times for curve in curves), key=len)
    if len(times) < 2:
        return None
    steps = np.diff(times)
    mean = float(times[-1] - times[0]) / len(steps)
    if not (np.abs(steps - mean) < 0.1 * mean).all():
        return None
    baked = 1.0 / mean
    return float(round(baked)) if abs(baked - round(baked)) < 1e-4 * baked else baked


def sample(curve: Curve, times: np.ndarray) -> np.ndarray:
    """The values of a curve at the given times, held before its first and after its last key.

    Keys that were sampled at these very times come back as they are, though the file's float32 times are a
    little off.

    Args:
        curve: the curve.
        times: evenly spaced, seconds, [T].

    Returns:
        [T, 3 or 4], or [1, 3 or 4] where nothing changes; rotations are normalised.
    """
    keys = curve.times
    cubic = curve.interpolation == "CUBICSPLINE"
    points = curve.values[:, 1] if cubic else curve.values
    turns = curve.path == "rotation"
    near = 0.01 * (times[1] - times[0]) if len(times) > 1 else 0.01
    if len(keys) == 1 or (len(keys) == len(times) and np.abs(keys - times).max() < near):
        return _normalised(points) if turns else points
    moments = times + near if curve.interpolation == "STEP" else times  # a key's own moment belongs to it
    later = np.clip(np.searchsorted(keys, moments, side="right"), 1, len(keys) - 1)
    earlier = later - 1
    span = keys[later] - keys[earlier]
    share = np.clip((moments - keys[earlier]) / span, 0.0, 1.0)
    first, second = points[earlier], points[later]
    if curve.interpolation == "STEP":
        mixed = np.where(share[:, None] >= 1.0, second, first)
    elif cubic:
        leaving, arriving = curve.values[earlier, 2], curve.values[later, 0]
        mixed = _hermite(first, leaving * span[:, None], second, arriving * span[:, None], share[:, None])
    elif turns:
        return quaternions.slerp(_normalised(first), _normalised(second), share)
    else:
        mixed = first + share[:, None] * (second - first)
    return _normalised(mixed) if turns else mixed


def _hermite(
    first: np.ndarray, leaving: np.ndarray, second: np.ndarray, arriving: np.ndarray, s: np.ndarray
) -> np.ndarray:
    """Cubic between two points with given tangents (glTF 2.0, appendix C.5)."""
    return (
        (2 * s**3 - 3 * s**2 + 1) * first
        + (s**3 - 2 * s**2 + s) * leaving
        + (3 * s**2 - 2 * s**3) * second
        + (s**3 - s**2) * arriving
    )


def _normalised(rotations: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rotations, axis=-1, keepdims=True)
    return np.where(length > 1e-9, rotations / np.maximum(length, 1e-9), [0.0, 0.0, 0.0, 1.0])
