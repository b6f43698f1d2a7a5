"""Named mappings between joint sets: a target joint is a weighted sum of source joints, with a confidence.

1 is a joint that was measured, 0.5 one interpolated between measured joints, 0.25 one extrapolated beyond
them; a joint that nothing tells is NaN with confidence 0. Weights of interpolated joints are ours: they put
the rest pose of the source set onto that of SMPL-24.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from kinema.scene import quaternions as quat
from kinema.scene.body_frame import facing
from kinema.scene.joint_names import cmu_names
from kinema.scene.joint_rules import EXTRAPOLATED, INTERPOLATED, MEASURED, Rule, beyond, tree_rules
from kinema.scene.skeleton import OPENPOSE18, SMPL24, Skeleton, skeleton

_FACE = [OPENPOSE18.index(n) for n in ("nose", "right_eye", "left_eye", "right_ear", "left_ear")]

OPENPOSE18_CONFIDENCE = np.full(18, MEASURED)
OPENPOSE18_CONFIDENCE[[OPENPOSE18.index("neck"), *_FACE]] = INTERPOLATED
"""Confidence of what `smpl24_to_openpose18` returns, [18]: 1 for the joints, 0.5 for neck and face points."""


@dataclass(frozen=True, eq=False)
class JointMapping:
    """How the joints of one set follow from those of another.

    Args:
        source: where the joints come from, S joints.
        target: what they become, J joints.
        stages: (weights [J, S], confidence [J]); a later stage serves where an earlier one misses a joint.
        feet: whether SMPL-24's feet, where no stage has them, are put ahead of the ankles, as a person faces.
    """

    source: Skeleton
    target: Skeleton
    stages: tuple[tuple[np.ndarray, np.ndarray], ...]
    feet: bool = False

    @property
    def confidence(self) -> np.ndarray:
        """Confidence of each target joint when every source joint is there, [J]."""
        best = self.stages[0][1]
        for _, own in self.stages[1:]:
            best = np.where(best > 0, best, own)
        return best

    def apply(
        self, joints: np.ndarray, confidence: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Map joints and their confidence.

        Args:
            joints: [..., S, D], NaN where missing; D = 3, or 2 for keypoints in a picture.
            confidence: [..., S], 1 by default; 0 counts as missing.

        Returns:
            joints [..., J, D] and confidence [..., J]: the mapping's own times the lowest of the joints used.

        Raises:
            ValueError: the number of joints is not that of the source.
        """
        joints = np.asarray(joints, dtype=np.float64)
        if joints.ndim < 2 or joints.shape[-2] != len(self.source):
            raise ValueError(f"joints have shape {list(joints.shape)}; give [..., {len(self.source)}, 3]")
        given = np.ones(joints.shape[:-1]) if confidence is None else np.asarray(confidence, dtype=np.float64)
        if given.shape != joints.shape[:-1]:
            raise ValueError(f"confidence has shape {list(given.shape)}; give {list(joints.shape[:-1])}")
        given = np.where(np.isnan(joints).any(-1), 0.0, given)
        known = np.where(given[..., None] > 0, joints, 0.0)
        shape = (*joints.shape[:-2], len(self.target))
        mapped, certainty = np.full((*shape, joints.shape[-1]), np.nan), np.zeros(shape)
        for weights, own in self.stages:
            for joint in np.flatnonzero(own):
                used = np.flatnonzero(weights[joint])
                lowest = given[..., used].min(-1) * own[joint]
                fills = (certainty[..., joint] == 0) & (lowest > 0)
                value = np.tensordot(known[..., used, :], weights[joint, used], axes=([-2], [0]))
                mapped[..., joint, :] = np.where(fills[..., None], value, mapped[..., joint, :])
                certainty[..., joint] = np.where(fills, lowest, certainty[..., joint])
        if self.feet:
            _add_feet(mapped.reshape(-1, *mapped.shape[-2:]), certainty.reshape(-1, certainty.shape[-1]))
        return mapped, certainty


def to_smpl24(joints: np.ndarray, source: str | Skeleton) -> np.ndarray:
    """Joints of any known set in SMPL-24 order.

    Args:
        joints: metres, [..., S, 3], NaN where missing.
        source: the name of a joint set (see `skeleton`), or a skeleton with the joint names of motion files.

    Returns:
        [..., 24, 3]; NaN where the source does not tell.

    Raises:
        ValueError: unknown source, or not a human skeleton.
    """
    return smpl24_mapping(source).apply(joints)[0]


def smpl24_mapping(source: str | Skeleton) -> JointMapping:
    """The mapping from a joint set, or from a BVH tree by its joint names, to SMPL-24.

    Raises:
        ValueError: unknown source, or not a human skeleton (the message names what was not found).
    """
    return _smpl24_mapping(skeleton(source) if isinstance(source, str) else source)


def joint_mapping(source: str | Skeleton, target: str | Skeleton) -> JointMapping:
    """The mapping between two joint sets: joints of the same name, then what follows from them.

    For example COCO-WholeBody-133 to DWPose-134, where the neck is the middle of the shoulders. Face points
    follow from SMPL-24 only through `smpl24_to_openpose18`.

    Raises:
        ValueError: unknown set.
    """
    source = skeleton(source) if isinstance(source, str) else source
    target = skeleton(target) if isinstance(target, str) else target
    if target.same_tree(SMPL24):
        return _smpl24_mapping(source)
    return _mapping(source, target, [{**_same(source, target)}, _DERIVED])


def smpl24_to_openpose18(joints: np.ndarray, head_rotation: np.ndarray | None = None) -> np.ndarray:
    """OpenPose-18 keypoints of SMPL-24 joints; nose, eyes and ears are placed on the head.

    The head stands along neck to head and faces where the shoulders do, unless its rotation is given; the
    face is that of the rest pose, scaled by the length of the spine (ours). `OPENPOSE18_CONFIDENCE` says
    which points are made up.

    Args:
        joints: metres, [..., 24, 3].
        head_rotation: rotation of the head in the world from its rest, quaternions wxyz, [..., 4].

    Returns:
        [..., 18, 3] in metres; NaN where the joints needed are missing.

    Raises:
        ValueError: not 24 joints.
    """
    joints = np.asarray(joints, dtype=np.float64)
    points, _ = joint_mapping(SMPL24, OPENPOSE18).apply(joints)
    head, neck = joints[..., 15, :], joints[..., 12, :]
    if head_rotation is None:
        frame = _frame(head - neck, joints[..., 16, :] - joints[..., 17, :])
    else:
        frame = quat.rotate(np.asarray(head_rotation)[..., None, :], np.eye(3))
    spine = np.linalg.norm(np.diff(joints[..., [0, 3, 6, 9, 12], :], axis=-2), axis=-1).sum(-1)
    size = (spine / _SPINE)[..., None, None]
    points[..., _FACE, :] = head[..., None, :] + size * (_FACE_OFFSETS @ frame)
    return points


def restore_cmu_branches(source: Skeleton) -> Skeleton:
    """A CMU tree with the bones that its BVH conversion by cgspeed lost; any other tree as it is.

    There the neck and the shoulders start where the thorax does, and the fingers where the wrist bone does.
    Put back (ours, the usual proportions of CMU's ASF skeletons): a thorax as long as the bone below it, a
    wrist bone half as long as the radius.
    """
    names = cmu_names(source)
    offsets = source.offsets.copy()
    thorax = [names[n] for n in ("Neck", "LeftShoulder", "RightShoulder") if n in names]
    if thorax and "Spine1" in names:
        for name in thorax:
            if source.bone_lengths[source.index(name)] < 1e-6:
                offsets[source.index(name)] = source.offsets[source.index(names["Spine1"])]
    for side in ("Left", "Right"):
        for finger in (f"{side}FingerBase", f"{side[0]}Thumb"):
            if finger in names and source.bone_lengths[source.index(names[finger])] < 1e-6:
                offsets[source.index(names[finger])] = (
                    0.5 * source.offsets[source.index(names[f"{side}Hand"])]
                )
    return source if np.array_equal(offsets, source.offsets) else source.with_offsets(offsets)


def _both(part: str, weight: float) -> dict[str, float]:
    return {f"left_{part}": weight / 2, f"right_{part}": weight / 2}


def _trunk(share: float) -> dict[str, float]:
    """A point on the line from the middle of the hips (0) to that of the shoulders (1)."""
    return {**_both("hip", 1 - share), **_both("shoulder", share)}


def _height(name: str) -> float:
    """Where an SMPL-24 joint lies on that line in the rest pose."""
    hip, shoulder, y = (SMPL24.rest[SMPL24.index(n), 1] for n in ("left_hip", "left_shoulder", name))
    return float((y - hip) / (shoulder - hip))


def _mixed(*parts: tuple[dict[str, float], float]) -> dict[str, float]:
    total: dict[str, float] = {}
    for weights, share in parts:
        for name, weight in weights.items():
            total[name] = total.get(name, 0.0) + share * weight
    return total


_NECK = _trunk(_height("neck"))
_TRUNK: dict[str, Rule] = {
    **{
        name: (_trunk(_height(name)), INTERPOLATED)
        for name in ("pelvis", "spine1", "spine2", "spine3", "neck")
    },
    "head": (_mixed((_NECK, 0.487), (_both("ear", 1.0), 0.513)), INTERPOLATED),
    "left_collar": (
        _mixed(({"left_shoulder": 0.714, "right_shoulder": 0.286}, 1), (_trunk(-0.03), 1), (_trunk(0), -1)),
        INTERPOLATED,
    ),
    "right_collar": (
        _mixed(({"right_shoulder": 0.714, "left_shoulder": 0.286}, 1), (_trunk(-0.03), 1), (_trunk(0), -1)),
        INTERPOLATED,
    ),
}
_FALLBACKS: dict[str, Rule] = {
    # an ear is hidden in profile
    "head": (_mixed((_NECK, 0.4), ({"nose": 1.0}, 0.6)), EXTRAPOLATED),
    **{f"{s}_hand": beyond(f"{s}_elbow", f"{s}_wrist") for s in ("left", "right")},
}


def _ends(names: set[str]) -> dict[str, Rule]:
    """Hands and feet from the finger and toe points a set has."""
    rules: dict[str, Rule] = {}
    for side in ("left", "right"):
        toes = {f"{side}_big_toe": 0.375, f"{side}_small_toe": 0.375, f"{side}_ankle": 0.25}
        index = {f"{side}_foot_index": 0.75, f"{side}_heel": 0.25}
        rules[f"{side}_foot"] = (toes if f"{side}_big_toe" in names else index, INTERPOLATED)
        knuckles = {f"{side}_{finger}_1": 0.25 for finger in ("index", "middle", "ring", "little")}
        fingers = {f"{side}_index": 0.45, f"{side}_pinky": 0.45, f"{side}_wrist": 0.1}
        rules[f"{side}_hand"] = (knuckles if f"{side}_index_1" in names else fingers, INTERPOLATED)
    return rules


_DERIVED: dict[str, Rule] = {
    "neck": (_both("shoulder", 1.0), INTERPOLATED),
    "mid_hip": (_both("hip", 1.0), INTERPOLATED),
    **{f"{side}_hand_root": ({f"{side}_wrist": 1.0}, MEASURED) for side in ("left", "right")},
    **{f"{side}_foot_index": ({f"{side}_big_toe": 1.0}, MEASURED) for side in ("left", "right")},
    **{f"{side}_big_toe": ({f"{side}_foot_index": 1.0}, MEASURED) for side in ("left", "right")},
}


@lru_cache(maxsize=64)
def _smpl24_mapping(source: Skeleton) -> JointMapping:
    names = set(source.names)
    if set(SMPL24.names[:22]) <= names:
        return _mapping(source, SMPL24, [_same(source, SMPL24), _FALLBACKS])
    if {"left_shoulder", "left_hip", "left_ankle", "nose"} <= names:
        limbs = {name: rule for name, rule in _same(source, SMPL24).items() if name not in _TRUNK}
        return _mapping(source, SMPL24, [{**_TRUNK, **_ends(names), **limbs}, _FALLBACKS])
    rules = tree_rules(source)
    return replace(_mapping(source, SMPL24, [rules]), feet="left_foot" not in rules)


def _same(source: Skeleton, target: Skeleton) -> dict[str, Rule]:
    """Joints that have the same name; OpenPose's neck is between the shoulders, which SMPL's is not."""
    there = set(source.names) - (
        {"neck"} if "pelvis" in source.names and "pelvis" not in target.names else set()
    )
    return {name: ({name: 1.0}, MEASURED) for name in target.names if name in there}


def _add_feet(joints: np.ndarray, confidence: np.ndarray) -> None:
    """Puts missing feet at SMPL-24's length ahead of the ankles, square to the shins, in place.

    Args:
        joints: SMPL-24, [T, 24, 3].
        confidence: [T, 24].
    """
    forward = facing(joints, SMPL24)
    for side in ("left", "right"):
        knee, ankle, foot = (SMPL24.index(f"{side}_{joint}") for joint in ("knee", "ankle", "foot"))
        shin = joints[:, ankle] - joints[:, knee]
        length = np.linalg.norm(shin, axis=-1, keepdims=True)
        shin = shin / np.maximum(length, 1e-9)
        ahead = forward - (forward * shin).sum(-1, keepdims=True) * shin
        ahead = ahead / np.maximum(np.linalg.norm(ahead, axis=-1, keepdims=True), 1e-9)
        share = SMPL24.bone_lengths[foot] / SMPL24.bone_lengths[ankle]
        joints[:, foot] = joints[:, ankle] + share * length * ahead
        known = np.isfinite(joints[:, foot]).all(-1)
        confidence[:, foot] = np.where(known, EXTRAPOLATED * confidence[:, ankle], 0.0)


def _mapping(source: Skeleton, target: Skeleton, stages: list[dict[str, Rule]]) -> JointMapping:
    where = {name: joint for joint, name in enumerate(source.names)}
    arrays = []
    for rules in stages:
        weights, confidence = np.zeros((len(target), len(source))), np.zeros(len(target))
        for joint, name in enumerate(target.names):
            recipe, own = rules.get(name, ({}, 0.0))
            if recipe and all(part in where for part in recipe):
                confidence[joint] = own
                for part, weight in recipe.items():
                    weights[joint, where[part]] += weight
        arrays.append((weights, confidence))
    return JointMapping(source, target, tuple(arrays))


_FACE_OFFSETS = OPENPOSE18.rest[_FACE] - SMPL24.rest[SMPL24.index("head")]
_SPINE = float(SMPL24.bone_lengths[[3, 6, 9, 12]].sum())


def _frame(up: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Axes of a head as rows (left, up, forward), [..., 3] -> [..., 3, 3]; NaN where they are not defined."""
    with np.errstate(invalid="ignore", divide="ignore"):
        up = up / np.linalg.norm(up, axis=-1, keepdims=True)
        left = across - (across * up).sum(-1, keepdims=True) * up
        left = left / np.linalg.norm(left, axis=-1, keepdims=True)
    return np.stack([left, up, np.cross(left, up)], axis=-2)
