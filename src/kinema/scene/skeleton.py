"""Joint trees. SMPL-24 is canonical; every other skeleton is a named mapping onto it (see mappings.py)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kinema.scene.layouts import LAYOUTS


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A joint tree with a rest pose. Any tree is legal: people, animals, one joint.

    Two skeletons are equal when names, parents and rest are equal.

    Args:
        names: joint names, all different, [J].
        parents: parent index of each joint, -1 for the one root, in any order, [J].
        rest: joint positions in the rest pose (T-pose, facing +Z, left = +X, Y up, floor y = 0),
            metres, [J, 3].

    Raises:
        ValueError: counts differ, a name appears twice, the parents are not one tree, or the rest is not
            finite.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    rest: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))
        object.__setattr__(self, "parents", tuple(int(parent) for parent in self.parents))
        rest = np.array(self.rest, dtype=np.float64) + 0.0  # no negative zeros, which hash differently
        rest.flags.writeable = False
        object.__setattr__(self, "rest", rest)
        count = len(self.names)
        if count == 0:
            raise ValueError("a skeleton needs at least one joint")
        if len(self.parents) != count or rest.shape != (count, 3):
            raise ValueError(
                f"{count} joint names, {len(self.parents)} parents and a rest pose of shape {rest.shape} "
                f"do not agree; give {count} parents and shape ({count}, 3)"
            )
        if len(set(self.names)) != count:
            double = next(name for name in self.names if self.names.count(name) > 1)
            raise ValueError(f"the joint name {double!r} appears twice; make names unique")
        if not np.isfinite(rest).all():
            bad = self.names[int(np.argwhere(~np.isfinite(rest).all(-1))[0, 0])]
            raise ValueError(f"the rest position of joint {bad!r} is not finite")
        self._check_tree()

    def _check_tree(self) -> None:
        roots = [name for name, parent in zip(self.names, self.parents, strict=True) if parent == -1]
        for name, parent in zip(self.names, self.parents, strict=True):
            if not -1 <= parent < len(self.names):
                raise ValueError(f"joint {name!r} has parent {parent}; give -1 or 0 to {len(self.names) - 1}")
        if len(self.order) != len(self.names):
            loose = next(name for j, name in enumerate(self.names) if j not in set(self.order))
            raise ValueError(
                f"joint {loose!r} hangs on a cycle of parents; every joint must lead to the root"
            )
        if len(roots) != 1:
            raise ValueError(
                f"{len(roots)} joints have no parent ({', '.join(roots[:4])}); a tree has one root"
            )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Skeleton)
            and self.same_tree(other)
            and bool(np.array_equal(self.rest, other.rest))
        )

    def __hash__(self) -> int:
        return hash((self.names, self.parents, self.rest.tobytes()))

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Skeleton({len(self)} joints, root {self.names[self.root]!r})"

    def same_tree(self, other: Skeleton) -> bool:
        """Whether names and parents agree; the rest pose (body proportions) may differ."""
        return self.names == other.names and self.parents == other.parents

    def index(self, name: str) -> int:
        """The index of a joint by name.

        Raises:
            ValueError: there is no such joint.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise ValueError(f"no joint {name!r}; there are {', '.join(self.names)}") from None

    @cached_property
    def root(self) -> int:
        """Index of the joint without a parent."""
        return self.parents.index(-1)

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the children of each joint, [J]."""
        children: list[list[int]] = [[] for _ in self.names]
        for joint, parent in enumerate(self.parents):
            if parent >= 0:
                children[parent].append(joint)
        return tuple(tuple(c) for c in children)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """All joints, parents before children."""
        order = [joint for joint, parent in enumerate(self.parents) if parent == -1]
        for joint in order:  # grows while it is walked
            order.extend(self.children[joint])
        return tuple(order)

    @cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(parent, child) of every bone, [J - 1]."""
        return tuple((parent, joint) for joint, parent in enumerate(self.parents) if parent >= 0)

    @cached_property
    def offsets(self) -> np.ndarray:
        """Each joint relative to its parent at rest; the root relative to the origin. Metres, [J, 3]."""
        parents = np.array(self.parents)
        offsets = self.rest - np.where(parents[:, None] >= 0, self.rest[parents], 0.0)
        offsets.flags.writeable = False
        return offsets

    @cached_property
    def bone_lengths(self) -> np.ndarray:
        """Distance of each joint to its parent in the rest pose, 0 for the root. Metres, [J]."""
        lengths = np.linalg.norm(self.offsets, axis=-1)
        lengths[self.root] = 0.0
        lengths.flags.writeable = False
        return lengths

    @cached_property
    def mirror_index(self) -> np.ndarray:
        """The joint on the other side of the body, found by name; a midline joint maps to itself. [J].

        Understands left/right, Left/Right, l_/r_, _L/_R, lfoot/rfoot, LHipJoint/RHipJoint and namespaces.
        """
        where = {name: joint for joint, name in enumerate(self.names)}
        swapped = np.arange(len(self))
        for joint, name in enumerate(self.names):
            partner = next((where[other] for other in _other_side(name) if other in where), joint)
            swapped[joint] = partner
        swapped[swapped[swapped] != np.arange(len(self))] = -1
        swapped = np.where(swapped < 0, np.arange(len(self)), swapped)
        swapped.flags.writeable = False
        return swapped

    def with_offsets(self, offsets: np.ndarray) -> Skeleton:
        """The same tree with other bone vectors; the root stays in place unless its offset moves it.

        Args:
            offsets: as `Skeleton.offsets`, metres, [J, 3].
        """
        offsets = np.asarray(offsets, dtype=np.float64)
        rest = offsets.copy()
        for joint in self.order:
            if self.parents[joint] >= 0:
                rest[joint] += rest[self.parents[joint]]
        return Skeleton(self.names, self.parents, rest)

    def with_bone_lengths(self, lengths: np.ndarray) -> Skeleton:
        """The same tree with other bone lengths, bone directions kept, the lowest joint at the same height.

        Args:
            lengths: length of the bone from each joint to its parent, metres, [J]; the root's is not read,
                and where it is NaN the length stays.

        Raises:
            ValueError: wrong count, a negative or infinite length, or a bone of zero length is to grow.
        """
        lengths = np.asarray(lengths, dtype=np.float64)
        if lengths.shape != (len(self),):
            raise ValueError(f"bone lengths have shape {lengths.shape}; give one a joint, ({len(self)},)")
        lengths = np.where(np.isnan(lengths), self.bone_lengths, lengths)
        lengths[self.root] = 0.0
        if not (np.isfinite(lengths) & (lengths >= 0)).all():
            raise ValueError("bone lengths must be finite and not negative")
        grows = (self.bone_lengths == 0) & (lengths > 0)
        if grows.any():
            name = self.names[int(np.argmax(grows))]
            raise ValueError(
                f"the bone to {name!r} has length 0 in the rest pose, so it has no direction to grow in"
            )
        scale = np.divide(lengths, self.bone_lengths, out=np.zeros(len(self)), where=self.bone_lengths > 0)
        scale[self.root] = 1.0
        resized = self.with_offsets(self.offsets * scale[:, None])
        shift = self.rest[:, 1].min() - resized.rest[:, 1].min()
        return Skeleton(self.names, self.parents, resized.rest + np.array([0.0, shift, 0.0]))

    def scaled(self, factor: float) -> Skeleton:
        """The same body, `factor` times as large.

        Raises:
            ValueError: the factor is not a positive number.
        """
        if not (np.isfinite(factor) and factor > 0):
            raise ValueError(f"scale factor {factor}; give a positive number")
        return Skeleton(self.names, self.parents, self.rest * factor)

    @classmethod
    def from_names(cls, names: Sequence[str], parent_names: Sequence[str], rest: np.ndarray) -> Skeleton:
        """A skeleton whose parents are given by name, "" for the root.

        Raises:
            ValueError: a parent is not among the names, or as for `Skeleton`.
        """
        where = {name: joint for joint, name in enumerate(names)} | {"": -1}
        missing = [name for name in parent_names if name not in where]
        if missing:
            raise ValueError(f"the parent {missing[0]!r} is not a joint")
        return cls(tuple(names), tuple(where[name] for name in parent_names), rest)


_OPPOSITE = {"left": "right", "Left": "Right", "LEFT": "RIGHT", "l": "r", "L": "R"}
_OPPOSITE |= {right: left for left, right in _OPPOSITE.items()}
_SIDES = (
    re.compile("left|right|Left|Right|LEFT|RIGHT"),
    re.compile(r"(?<![A-Za-z0-9])[lLrR](?![A-Za-z0-9])"),  # arm_L, L_Arm
    re.compile(r"(?<![A-Za-z0-9])[lLrR](?=[A-Za-z])"),  # lfemur, LHipJoint
)


def _other_side(name: str) -> list[str]:
    """Candidates for the name of the opposite joint, most explicit first."""
    candidates = [side.sub(lambda match: _OPPOSITE[match.group()], name) for side in _SIDES]
    return [candidate for candidate in candidates if candidate != name]


def _named(name: str) -> Skeleton:
    layout = LAYOUTS[name]
    return Skeleton.from_names(layout.names, layout.parents, np.array(layout.rest))


SMPL24 = _named("smpl24")
HUMANML3D22 = _named("humanml3d22")
OPENPOSE18 = _named("openpose18")
BODY25 = _named("body25")
COCO17 = _named("coco17")
COCO_WHOLEBODY133 = _named("coco_wholebody133")
DWPOSE134 = _named("dwpose134")
MEDIAPIPE33 = _named("mediapipe33")
CMU31 = _named("cmu31")

SKELETONS: dict[str, Skeleton] = {
    "smpl24": SMPL24,
    "humanml3d22": HUMANML3D22,
    "openpose18": OPENPOSE18,
    "body25": BODY25,
    "coco17": COCO17,
    "coco_wholebody133": COCO_WHOLEBODY133,
    "dwpose134": DWPOSE134,
    "mediapipe33": MEDIAPIPE33,
    "cmu31": CMU31,
}


def skeleton(name: str) -> Skeleton:
    """A named skeleton: smpl24, humanml3d22, openpose18, body25, coco17, coco_wholebody133, dwpose134,
    mediapipe33 or cmu31; case, hyphens and underscores do not matter.

    Raises:
        ValueError: there is no such skeleton.
    """
    plain = re.sub(r"[-_ ]", "", name.lower())
    for known, found in SKELETONS.items():
        if known.replace("_", "") == plain:
            return found
    raise ValueError(f"no skeleton {name!r}; there are {', '.join(SKELETONS)}")
