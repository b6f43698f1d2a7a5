"""The features that describe a motion frame by frame: their groups and columns, for any joint tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch

from kinema.motion.anatomy import Leg, feet_of, legs_of, limbs_of, shoulders_of
from kinema.motion.body import Kinematics
from kinema.scene.skeleton import SMPL24, Skeleton

PATH, PELVIS = "path", "pelvis"
"""The two groups that every body has."""

HEIGHT = 3
"""Column of the root's height."""

TILT = slice(4, 10)
"""Columns of the root's rotation relative to the heading."""

_CONTACT_MARGIN, _FLOOR_MARGIN = (
    0.03,
    0.035,
)  # metres above and below a foot's height at rest, for a person (ours)
_SIX_MIRRORED = (1.0, -1.0, -1.0, -1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class MotionFeatures:
    """Which features describe the motion of one body, and in which columns they are.

    The groups are `path` (sideways and forward step in metres, turn in radians), `pelvis` (height of the root in
    metres, 6D tilt) and the limbs: 6D local rotations of the joints that move others, then contacts of their feet.

    Args:
        skeleton: the body, any joint tree. Its names tell left from right, and with it the heading (see
            `body_frame.facing`).
        fps: frames per second.
        patch: frames per token.
        limbs: all joints but the root in named groups; found from the tree where empty.
        contact_heights: height under which each of the feet may stand, metres; from the rest pose where empty.
        floor_heights: the least height of each of the feet, metres; from the rest pose where empty.

    Raises:
        ValueError: limbs that do not cover the joints, heights that are not one per foot, or no frame in a second
            or token.
    """

    skeleton: Skeleton
    fps: float
    patch: int = 4
    limbs: Mapping[str, Sequence[int]] = field(default_factory=dict)
    contact_heights: Sequence[float] = ()
    floor_heights: Sequence[float] = ()

    def __post_init__(self) -> None:
        if not self.fps > 0 or self.patch < 1:
            raise ValueError(f"{self.fps} frames per second, {self.patch} per token; give more than none")
        limbs = self.limbs or limbs_of(self.skeleton)
        object.__setattr__(self, "limbs", {name: tuple(joints) for name, joints in limbs.items()})
        inside = [joint for joints in self.limbs.values() for joint in joints]
        if sorted([self.skeleton.root, *inside]) != list(range(len(self.skeleton))):
            raise ValueError("limbs must hold each joint but the root once")
        if {PATH, PELVIS} & set(self.limbs):
            raise ValueError(f"no limb may be called {PATH} or {PELVIS}")
        ground = min(0.0, float(self.skeleton.rest[:, 1].min()))
        rest = [float(self.skeleton.rest[foot, 1]) - ground for foot in self.feet]
        for name, derived in (
            ("contact_heights", [height + _CONTACT_MARGIN * self.scale for height in rest]),
            ("floor_heights", [max(0.0, height - _FLOOR_MARGIN * self.scale) for height in rest]),
        ):
            heights = tuple(map(float, getattr(self, name) or derived))
            if len(heights) != len(self.feet):
                raise ValueError(f"{len(heights)} {name}, but {len(self.feet)} feet; give one for each")
            object.__setattr__(self, name, heights)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MotionFeatures) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.skeleton, self.fps, self.patch))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.skeleton!r}, {self.fps:g} fps, {self.patch} frames a token)"

    # The body

    @cached_property
    def scale(self) -> float:
        """Size of the body at rest relative to SMPL-24; 1 for a single joint."""
        size, person = (float(np.linalg.norm(np.ptp(tree.rest, axis=0))) for tree in (self.skeleton, SMPL24))
        return size / person or 1.0

    @cached_property
    def legs(self) -> tuple[Leg, ...]:
        """Legs of two long bones."""
        return legs_of(self.skeleton, self.limbs)

    @cached_property
    def shoulders(self) -> tuple[int, ...]:
        """Joints from which arms of two long bones reach out."""
        return shoulders_of(self.skeleton, self.limbs)

    @cached_property
    def feet(self) -> tuple[int, ...]:
        """Joints that stand on the floor, C; of SMPL-24 left and right ankle, left and right foot."""
        return feet_of(self.skeleton, self.legs)

    @cached_property
    def turned(self) -> tuple[int, ...]:
        """Joints whose local rotation is represented: all but the root and the ends, whose rotation moves no joint."""
        children, root = self.skeleton.children, self.skeleton.root
        return tuple(joint for joint in range(len(self.skeleton)) if children[joint] and joint != root)

    @cached_property
    def forward_kinematics(self) -> Kinematics:
        """(local rotations [..., J, 3, 3], root [..., 3]) -> joints [..., J, 3]."""
        return Kinematics(self.skeleton)

    # The features

    @cached_property
    def parts(self) -> dict[str, slice]:
        """The columns of each group, in order: `path`, `pelvis`, the limbs that have any."""
        sizes = {PATH: 3, PELVIS: 7 + (self.skeleton.root in self.feet)}
        for name, joints in self.limbs.items():
            sizes[name] = sum(6 * (joint in self.turned) + (joint in self.feet) for joint in joints)
        sizes = {name: size for name, size in sizes.items() if size}
        ends = np.cumsum(list(sizes.values())).tolist()
        return {name: slice(end - size, end) for end, (name, size) in zip(ends, sizes.items(), strict=True)}

    @cached_property
    def body(self) -> tuple[str, ...]:
        """Names of all groups but the path."""
        return tuple(self.parts)[1:]

    @property
    def width(self) -> int:
        """Features of a frame, W."""
        return max(part.stop for part in self.parts.values())

    @cached_property
    def rotation_columns(self) -> torch.Tensor:
        """Columns of the rotations, in the order of `turned`, [R, 6]."""
        where = {}
        for name, joints in self.limbs.items():
            for number, joint in enumerate(joint for joint in joints if joint in self.turned):
                begin = self.parts[name].start + 6 * number
                where[joint] = list(range(begin, begin + 6))
        return torch.tensor([where[joint] for joint in self.turned], dtype=torch.long).reshape(-1, 6)

    @cached_property
    def contact_columns(self) -> torch.Tensor:
        """Columns of the contacts, in the order of `feet`, [C]."""
        where = {}
        for name, joints in ((PELVIS, (self.skeleton.root,)), *self.limbs.items()):
            own = [foot for foot in self.feet if foot in joints]
            for number, foot in enumerate(own):
                where[foot] = self.parts[name].stop - len(own) + number
        return torch.tensor([where[foot] for foot in self.feet], dtype=torch.long)

    @cached_property
    def part_of_column(self) -> torch.Tensor:
        """For each number of a token the index of its group, [patch W]."""
        frame = torch.empty(self.width, dtype=torch.long)
        for index, part in enumerate(self.parts.values()):
            frame[part] = index
        return frame.repeat(self.patch)

    def frames_in(self, seconds: float) -> int:
        """Frames that so many seconds last, to the nearest one."""
        return round(seconds * self.fps)

    @cached_property
    def mirrored_columns(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Where each column of the mirrored features comes from, and its sign, [W] each.

        Reflecting x turns the columns (a, b) of a rotation into (a_x, -a_y, -a_z), (-b_x, b_y, b_z).
        """
        columns, signs = torch.arange(self.width), torch.ones(self.width)
        other = self.skeleton.mirror_index.tolist()
        for joints, where in ((self.turned, self.rotation_columns), (self.feet, self.contact_columns)):
            for joint, own in zip(joints, where, strict=True):
                if other[joint] in joints:
                    columns[own] = where[joints.index(other[joint])]
        signs[[0, 2]] = -1.0
        signs[TILT] = torch.tensor(_SIX_MIRRORED)
        signs[self.rotation_columns] = torch.tensor(_SIX_MIRRORED)
        return columns, signs

    # Files

    def to_json(self) -> dict[str, Any]:
        """As JSON types, from which `from_json` makes the same again."""
        tree = self.skeleton
        return {
            "skeleton": {
                "names": list(tree.names),
                "parents": list(tree.parents),
                "rest": tree.rest.tolist(),
            },
            "fps": self.fps,
            "patch": self.patch,
            "limbs": {name: list(joints) for name, joints in self.limbs.items()},
            "contact_heights": list(self.contact_heights),
            "floor_heights": list(self.floor_heights),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """A representation from what `to_json` made.

        Raises:
            ValueError: something is missing or does not fit.
        """
        try:
            tree = content["skeleton"]
            names = ("fps", "patch", "limbs", "contact_heights", "floor_heights")
            skeleton = Skeleton(tuple(tree["names"]), tuple(tree["parents"]), np.array(tree["rest"], float))
            return cls(skeleton, **{name: content[name] for name in names})
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no motion representation: {error}") from error
