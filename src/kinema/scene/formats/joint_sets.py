"""The joint orders of the field's arrays, and which of them an array of positions has.

An array says how many joints it has, seldom which. Bones tell: in the right order they keep their length, left and
right bones are as long as each other, and their proportions are those of a person. All three are measured on the
figure; how far apart they may be is ours.
Orders: SMPL, SMPL-H and SMPL-X (smplx's joint_names), HumanML3D and KIT-ML (Guo et al. 2022), Human3.6M and
MPI-INF-3DHP as pose lifters write them, COCO, OpenPose, MediaPipe, Kinect v2 (NTU RGB+D).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kinema.scene.skeleton import (
    BODY25,
    COCO17,
    COCO_WHOLEBODY133,
    DWPOSE134,
    HUMANML3D22,
    MEDIAPIPE33,
    OPENPOSE18,
    SMPL24,
    Skeleton,
)

WORST = 0.55
"""Misfit above which an array is no person in that joint order (ours; noisy estimates reach 0.4, angles exceed 1)."""

_BETTER = 0.7  # a joint order is told from another if its misfit is so much of the other's (ours)
_SAMPLES = 64  # frames that are looked at (ours)
_SHORT = 1e-9  # of the figure; a shorter bone has no length to compare
_CAPPED = 1.0  # of each of the three measures, so that none drowns the others


@dataclass(frozen=True, eq=False)
class JointSet:
    """A joint order of the field.

    Args:
        name: in words.
        skeleton: of the joints that are read, at rest, metres, Y up.
        counts: numbers of joints an array in this order may have; those beyond the skeleton are left out.
    """

    name: str
    skeleton: Skeleton
    counts: tuple[int, ...]

    def fits(self, joints: np.ndarray) -> bool:
        """Whether joints [T, J, 3] are those of a person in this order."""
        return self.misfit(joints[_spread(len(joints))]) <= WORST

    def misfit(self, joints: np.ndarray) -> float:
        """How far joints [T, J, 3] are from a person in this order: 0 is one like the rest pose, infinite is none."""
        lengths = _lengths(joints, self.skeleton)
        known = np.isfinite(lengths).any(axis=0)
        if known.sum() < max(2, 0.5 * len(known)):
            return np.inf
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # bones that are never there
            middle = np.nanmedian(lengths, axis=0)
            change = np.nanstd(lengths, axis=0) / middle
        size = np.nanmax(middle)
        if not (np.isfinite(size) and size > 0):
            return np.inf
        bones = [joint for _, joint in self.skeleton.bones]
        wanted = self.skeleton.bone_lengths[bones]
        usable = known & (middle > _SHORT * size) & (wanted > 0)
        if usable.sum() < max(2, 0.5 * len(known)):
            return np.inf
        ratio = np.full(len(self.skeleton), np.nan)
        ratio[bones] = np.where(
            usable, np.log(np.where(usable, middle, 1) / np.where(usable, wanted, 1)), np.nan
        )
        mirror = self.skeleton.mirror_index
        pairs = np.abs(ratio - ratio[mirror])[mirror != np.arange(len(mirror))]
        pairs = pairs[np.isfinite(pairs)]
        uneven = float(np.median(pairs)) if len(pairs) else 0.0
        shape = ratio[np.isfinite(ratio)]
        parts = (float(np.median(change[usable])), uneven, float(np.abs(shape - np.median(shape)).mean()))
        return sum(min(part, _CAPPED) for part in parts)


def joint_set(joints: np.ndarray) -> tuple[JointSet | None, float]:
    """The joint order of positions [T, J, 3] and its misfit; None where none fits or two fit as well.

    Where two sets differ only in joints that are not read, the first is taken.
    """
    count = joints.shape[1]
    sample = joints[_spread(len(joints))]
    scores = [
        (each.misfit(sample[:, : len(each.skeleton)]), each) for each in joint_sets() if count in each.counts
    ]
    scores.sort(key=lambda score: score[0])
    if not scores or scores[0][0] > WORST:
        return None, scores[0][0] if scores else np.inf
    if len(scores) > 1 and scores[0][0] > _BETTER * scores[1][0]:
        return None, scores[0][0]
    return scores[0][1], scores[0][0]


def _spread(frames: int) -> np.ndarray:
    """Numbers of some frames, evenly spread."""
    return np.unique(np.linspace(0, frames - 1, min(frames, _SAMPLES)).astype(int))


def counts() -> tuple[int, ...]:
    """All numbers of joints that an array of positions may have."""
    return tuple(sorted({count for each in joint_sets() for count in each.counts}))


def _lengths(joints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Bone lengths over time, [T, B], in the order of `Skeleton.bones`; NaN where a joint is missing."""
    bones = np.array(skeleton.bones)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.linalg.norm(joints[:, bones[:, 1]] - joints[:, bones[:, 0]], axis=-1)


@lru_cache(maxsize=1)
def joint_sets() -> tuple[JointSet, ...]:
    """All joint orders that are known."""
    return (
        JointSet("HumanML3D", HUMANML3D22, (22,)),
        JointSet("SMPL", SMPL24, (24, 45, 54, 71)),
        JointSet("SMPL-H", smplh52(), (52, 73)),
        JointSet("SMPL-X", smplx55(), (55, 117, 118, 127, 137, 144, 145)),
        JointSet("KIT-ML", kit21(), (21,)),
        JointSet("Human3.6M", _tree(_H36M), (17,)),
        JointSet("Human3.6M without nose", _tree(_H36M16), (16,)),
        JointSet("MPI-INF-3DHP", _tree(_MPI17), (17,)),
        JointSet("COCO", COCO17, (17,)),
        JointSet("OpenPose", OPENPOSE18, (18,)),
        JointSet("BODY_25", BODY25, (25, 49)),
        JointSet("Kinect v2", _tree(_KINECT25), (25,)),
        JointSet("MediaPipe", MEDIAPIPE33, (33,)),
        JointSet("COCO-WholeBody", COCO_WHOLEBODY133, (133,)),
    )


@lru_cache(maxsize=1)
def smplh52() -> Skeleton:
    """SMPL-H: 22 joints of the body, then 15 of each hand, fingers as smplx orders them."""
    return _with_hands(dict(_body22()))


@lru_cache(maxsize=1)
def smplx55() -> Skeleton:
    """SMPL-X: the body, jaw and eyes, then the hands."""
    return _with_hands({**dict(_body22()), "jaw": "head", "left_eye": "head", "right_eye": "head"})


@lru_cache(maxsize=1)
def kit21() -> Skeleton:
    """KIT-ML as text-to-motion models have it, where what the data set calls left lies on the right of the body."""
    return _tree(_KIT21)


def _body22() -> list[tuple[str, str]]:
    """The joints of HumanML3D, which SMPL-H and SMPL-X begin with, and their parents."""
    tree = HUMANML3D22
    return [(name, tree.names[p] if p >= 0 else "") for name, p in zip(tree.names, tree.parents, strict=True)]


def _with_hands(tree: dict[str, str]) -> Skeleton:
    for side in ("left", "right"):
        for finger in ("index", "middle", "pinky", "ring", "thumb"):
            for number in (1, 2, 3):
                above = f"{side}_{finger}{number - 1}" if number > 1 else f"{side}_wrist"
                tree[f"{side}_{finger}{number}"] = above
    return _tree(tree)


def _tree(tree: dict[str, str]) -> Skeleton:
    """A skeleton of joints and their parents, at rest as the named ones are."""
    return Skeleton.from_names(tuple(tree), tuple(tree.values()), np.array([_point(name) for name in tree]))


def _point(name: str) -> np.ndarray:
    """Where a joint lies on the body of the named skeletons."""
    if name in SMPL24.names:
        return SMPL24.rest[SMPL24.index(name)]
    if name in _BETWEEN:
        low, high, share = _BETWEEN[name]
        return (1 - share) * _point(low) + share * _point(high)
    if name[-1] in "123":  # a finger; DWPose counts its knuckles alike
        side, finger = name[:-1].split("_")
        point = f"{side}_{finger.replace('pinky', 'little')}_{name[-1]}"
        hand = DWPOSE134.rest[DWPOSE134.index(point)] - DWPOSE134.rest[DWPOSE134.index(f"{side}_wrist")]
        return _point(f"{side}_wrist") + hand
    return COCO17.rest[COCO17.index(name)]


_BETWEEN = {
    "mid_hip": ("left_hip", "right_hip", 0.5),
    "spine": ("pelvis", "neck", 0.5),
    "spine_shoulder": ("left_shoulder", "right_shoulder", 0.5),
    "chest": ("pelvis", "neck", 0.75),
    "jaw": ("head", "nose", 0.4),
    "head_end": ("neck", "head", 2.9),
    **{f"{s}_{tip}": (f"{s}_wrist", f"{s}_hand", 1.8) for s in ("left", "right") for tip in ("tip", "thumb")},
    **{f"{s}_toe": (f"{s}_ankle", f"{s}_foot", 1.3) for s in ("left", "right")},
}
"""Joints that the named skeletons lack, on the line between two that they have (ours)."""


def _limb(side: str, first: str, *joints: str) -> dict[str, str]:
    """A chain of one side's joints that hangs on `first`."""
    names = [f"{side}_{joint}" for joint in joints]
    return dict(zip(names, [first, *names[:-1]], strict=True))


_LEG, _ARM = ("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist")
_H36M = {
    "pelvis": "",
    **_limb("right", "pelvis", *_LEG),
    **_limb("left", "pelvis", *_LEG),
    **{"spine": "pelvis", "neck": "spine", "head": "neck", "head_end": "head"},
    **_limb("left", "neck", *_ARM),
    **_limb("right", "neck", *_ARM),
}
_H36M16 = {name: parent for name, parent in _H36M.items() if name != "head"} | {"head_end": "neck"}
_MPI17 = {
    "head_end": "head",
    "neck": "spine",
    **_limb("right", "neck", *_ARM),
    **_limb("left", "neck", *_ARM),
    **_limb("right", "pelvis", *_LEG),
    **_limb("left", "pelvis", *_LEG),
    **{"pelvis": "", "spine": "pelvis", "head": "neck"},
}
_KINECT25 = {
    **{"pelvis": "", "spine": "pelvis", "neck": "spine_shoulder", "head": "neck"},
    **_limb("left", "spine_shoulder", *_ARM, "hand"),
    **_limb("right", "spine_shoulder", *_ARM, "hand"),
    **_limb("left", "pelvis", *_LEG, "foot"),
    **_limb("right", "pelvis", *_LEG, "foot"),
    "spine_shoulder": "spine",
    **{
        "left_tip": "left_hand",
        "left_thumb": "left_wrist",
        "right_tip": "right_hand",
        "right_thumb": "right_wrist",
    },
}
_KIT21 = {
    **{"pelvis": "", "spine1": "pelvis", "spine3": "spine1", "neck": "spine3", "head": "neck"},
    **_limb("right", "spine3", *_ARM),
    **_limb("left", "spine3", *_ARM),
    **_limb("right", "pelvis", *_LEG, "foot", "toe"),
    **_limb("left", "pelvis", *_LEG, "foot", "toe"),
}
