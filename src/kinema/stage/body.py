"""Bodies: the template with a girth of its own. Lengths are not chosen here: they come from the motion."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from kinema.stage.template import template


@dataclass(frozen=True)
class BodyShape:
    """How a body differs from the template beyond its bone lengths; 1 (0 for belly and bust) is the template.

    Args:
        trunk, shoulders, hips, arms, legs, head: relative thickness, 0.5 to 1.8.
        belly, bust: how far the belly and the chest stand out, metres, -0.05 to 0.15.
    """

    trunk: float = 1.0
    shoulders: float = 1.0
    hips: float = 1.0
    arms: float = 1.0
    legs: float = 1.0
    head: float = 1.0
    belly: float = 0.0
    bust: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, offset = getattr(self, field.name), field.name in ("belly", "bust")
            low, high = (-0.05, 0.15) if offset else (0.5, 1.8)
            if not low <= value <= high:
                raise ValueError(f"BodyShape.{field.name} is {value}; it must lie between {low} and {high}")


@dataclass(frozen=True)
class Body:
    """A skinned body, ready to be dressed.

    Args:
        shape: what it was made from.
        vertices: in the A-pose, metres, float32 [V, 3].
        normals: unit, [V, 3].
        chart: T-pose coordinates in which clothes are cut, float32 [V, 3].
        triangles: int32 [F, 3].
        parts: SMPL joint whose segment each triangle mostly follows, uint8 [F].
        bones, weights: skinning, [V, 4].
        girth: thickness of each segment, [24].
        unpose: map of each segment from the A-pose to the chart, [24, 4, 4].
    """

    shape: BodyShape
    vertices: np.ndarray
    normals: np.ndarray
    chart: np.ndarray
    triangles: np.ndarray
    parts: np.ndarray
    bones: np.ndarray
    weights: np.ndarray
    girth: np.ndarray
    unpose: np.ndarray


@lru_cache(maxsize=64)
def make_body(shape: BodyShape | None = None, detail: str = "high") -> Body:
    """Build a body; the template behind it is built once per process, the rest takes a few milliseconds.

    Args:
        shape: girth; the template's own where None.
        detail: "low" (about 3.7k vertices) or "high" (about 9.5k).
    """
    shape = shape or BodyShape()
    base = template(detail)
    x, y = base.chart[:, 0], base.chart[:, 1]
    trunk = np.clip(1.0 - (np.abs(x) / 0.2) ** 4, 0.0, 1.0)
    front = np.clip(base.normals[:, 2], 0.0, 1.0)
    belly = shape.belly * np.exp(-(((y - 1.06) / 0.11) ** 2)) * (0.35 + 0.65 * front) * trunk
    bust = (
        shape.bust * np.exp(-(((y - 1.275) / 0.06) ** 2) - ((np.abs(x) - 0.07) / 0.05) ** 2) * front * trunk
    )
    vertices = base.vertices + (belly + bust)[:, None] * base.normals
    girth = np.ones(24)
    girth[[0]] = shape.hips
    girth[[3, 6]] = shape.trunk
    girth[[9]] = (shape.trunk + shape.shoulders) / 2
    girth[[13, 14]] = shape.shoulders
    girth[[1, 2, 4, 5]] = shape.legs
    girth[[7, 8, 10, 11]] = (1 + shape.legs) / 2
    girth[[16, 17, 18, 19]] = shape.arms
    girth[[20, 21, 22, 23]] = (1 + shape.arms) / 2
    girth[12] = (1 + shape.shoulders) / 2
    girth[15] = shape.head
    return Body(
        shape,
        vertices.astype(np.float32),
        base.normals.astype(np.float32),
        base.chart.astype(np.float32),
        base.triangles,
        triangle_parts(base.triangles, base.bones, base.weights),
        base.bones,
        base.weights,
        girth,
        base.unpose,
    )


def triangle_parts(triangles: np.ndarray, bones: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The segment that moves each triangle most, uint8 [F]."""
    share = np.zeros((len(triangles), 24), np.float32)
    rows = np.arange(len(triangles))[:, None]
    for corner in range(3):
        v = triangles[:, corner]
        np.add.at(share, (rows, bones[v]), weights[v])
    return share.argmax(1).astype(np.uint8)
