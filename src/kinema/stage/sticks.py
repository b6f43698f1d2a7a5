"""Who is no person, on the stage: any joint tree as a capsule along each of its bones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.scene.joint_names import labels
from kinema.scene.motion import Motion
from kinema.scene.skeleton import Skeleton
from kinema.stage.wardrobe import Figure, linear

_COLOURS = {"": (0.93, 0.80, 0.33), "left": (0.27, 0.52, 0.86), "right": (0.87, 0.38, 0.25)}  # sRGB
_SHARE = 0.1  # radius by bone length (ours)
_THINNEST, _THICKEST = 0.005, 0.016  # its limits by the figure's size (ours)
_SIDES = 10


@dataclass(frozen=True, eq=False)
class Sticks:
    """A joint tree as the stage films it; middle, left and right have colours of their own.

    Args:
        bones: parent and child of each stick, [B, 2].
        radii: metres, [B].
        colours: row of the palette for each, [B].
        size: metres from one end of the figure to the other.
    """

    bones: np.ndarray
    radii: np.ndarray
    colours: np.ndarray
    size: float

    @classmethod
    def of(cls, motion: Motion) -> Sticks:
        """Sticks for a motion. What leads from the root to the first fork of the tree has none: it shows the way
        from the file's origin, which is no part of the figure.
        """
        bones = np.array(_figure(motion.skeleton), dtype=int).reshape(-1, 2)
        lengths = np.nan_to_num(motion.bone_lengths()[bones[:, 1]])
        there = motion.joints[:, np.unique(bones)] if len(bones) else motion.joints
        known = there[np.isfinite(there).all(axis=(1, 2))]
        size = float(np.median(np.linalg.norm(np.ptp(known, axis=1), axis=-1))) if len(known) else 1.0
        seen = lengths > 1e-4 * size
        sides = [label.side for label in labels(motion.skeleton.names)]
        rows = np.array([list(_COLOURS).index(sides[child]) for _, child in bones], dtype=int)
        radii = np.clip(_SHARE * lengths, _THINNEST * size, _THICKEST * size)
        return cls(bones[seen], radii[seen], rows[seen], size)

    def figure(self) -> Figure:
        """The mesh without places, see `pose`."""
        count, vertices = len(self.bones), len(_ANGLE)
        triangles = (_TRIANGLES[None] + vertices * np.arange(count)[:, None, None]).reshape(-1, 3)
        nothing = np.zeros((count * vertices, 3), np.float32)
        return Figure(
            vertices=nothing,
            chart=nothing,
            triangles=triangles.astype(np.int32),
            material=np.repeat(self.colours, len(_TRIANGLES)).astype(np.int16),
            two_sided=np.ones(len(triangles), bool),
            parts=np.zeros(len(triangles), np.uint8),
            bones=np.zeros((0, 4), np.int32),
            weights=np.zeros((0, 4), np.float32),
        )

    def palette(self) -> np.ndarray:
        """Linear light, [3, 3]."""
        return linear(np.array(list(_COLOURS.values())))

    def pose(self, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the mesh is.

        Args:
            joints: metres, [T, J, 3].

        Returns:
            Vertices and unit normals, [T, V, 3]; NaN where a bone's end is missing.
        """
        start, end = joints[:, self.bones[:, 0]], joints[:, self.bones[:, 1]]
        along = end - start
        length = np.linalg.norm(along, axis=-1, keepdims=True)
        along = np.where(length > 1e-9, along / np.maximum(length, 1e-9), (0.0, 1.0, 0.0))
        other = np.where(np.abs(along[..., 1:2]) < 0.8, (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
        across = np.cross(along, other)
        across /= np.linalg.norm(across, axis=-1, keepdims=True)
        third = np.cross(along, across)
        normals = (
            (_RADIAL * np.cos(_ANGLE))[:, None] * across[..., None, :]
            + (_RADIAL * np.sin(_ANGLE))[:, None] * third[..., None, :]
            + _AXIAL[:, None] * along[..., None, :]
        )
        places = start[..., None, :] + _FAR[:, None] * (end - start)[..., None, :]
        vertices = places + self.radii[:, None, None] * normals
        shape = len(joints), len(self.bones) * len(_ANGLE), 3
        return vertices.reshape(shape), normals.reshape(shape)


def _figure(skeleton: Skeleton) -> list[tuple[int, int]]:
    """(parent, child) of the bones that are part of the figure."""
    top = skeleton.root
    while len(skeleton.children[top]) == 1:
        top = skeleton.children[top][0]
    if not skeleton.children[top]:  # a chain: all of it is the figure
        return list(skeleton.bones)
    below = [top]
    for joint in below:  # grows while it is walked
        below.extend(skeleton.children[joint])
    return [(skeleton.parents[joint], joint) for joint in below[1:]]


# A capsule: rings along it, the first half at its start and the others at its end (`_FAR`).
_RINGS = np.radians([-90, -45, 0, 0, 45, 90])
_AXIAL, _RADIAL = (np.repeat(shape(_RINGS), _SIDES) for shape in (np.sin, np.cos))
_ANGLE = np.tile(2 * np.pi * np.arange(_SIDES) / _SIDES, len(_RINGS))
_FAR = np.repeat([0.0, 0.0, 0.0, 1.0, 1.0, 1.0], _SIDES)
_TRIANGLES = np.array(
    [
        corner
        for ring in range(len(_RINGS) - 1)
        for side in range(_SIDES)
        for a, b in [(ring * _SIDES + side, ring * _SIDES + (side + 1) % _SIDES)]
        for corner in ((a, b, a + _SIDES), (b, b + _SIDES, a + _SIDES))
    ]
)
