"""What BVH and glTF share: joint trees whose bones may change length from frame to frame.

A joint's world rotation is its parent's times its own; its world position is its parent's plus the parent's
world rotation applied to the joint's local position. Motion's own functions take bones of fixed length.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene import quaternions
from kinema.scene.formats.errors import FormatError
from kinema.scene.mappings import smpl24_mapping
from kinema.scene.motion import Motion
from kinema.scene.rotations import fit_skeleton, rotations_from_joints
from kinema.scene.skeleton import SKELETONS, SMPL24, Skeleton

MAX_JOINTS = 4096
"""Largest joint tree that a reader takes in (ours; a person with fingers and face has about 150)."""

MAX_JOINT_FRAMES = 1 << 24
"""Largest frames x joints that a reader takes in (ours): an hour of 37 joints at 120 fps."""

TOLERANCE = 5e-4
"""Metres a joint may be off before the file gives it position channels of its own (ours: half of the promised
millimetre)."""


def forward(
    local_positions: np.ndarray, rotations: np.ndarray, skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray]:
    """World positions and world rotations of every joint.

    Args:
        local_positions: position in the parent's frame, metres, [T, J, 3]; the root's is its world position.
        rotations: local rotations, quaternions wxyz, [T, J, 4].
        skeleton: the tree.

    Returns:
        Positions [T, J, 3] and quaternions wxyz [T, J, 4].
    """
    positions = np.empty(local_positions.shape)
    world: dict[int, Rotation] = {}
    for joint in skeleton.order:
        parent = skeleton.parents[joint]
        own = Rotation.from_quat(rotations[:, joint], scalar_first=True)
        if parent < 0:
            positions[:, joint], world[joint] = local_positions[:, joint], own
        else:
            positions[:, joint] = positions[:, parent] + world[parent].apply(local_positions[:, joint])
            world[joint] = world[parent] * own
    turned = np.empty((*positions.shape[:2], 4))
    for joint, rotation in world.items():
        turned[:, joint] = rotation.as_quat(scalar_first=True)
    return positions, turned


def fit_bones(
    motion: Motion, tolerance: float = TOLERANCE, stretch: bool = True
) -> tuple[np.ndarray, np.ndarray, dict[int, np.ndarray], float]:
    """A motion as bone vectors and rotations, with local positions only for the joints that need them.

    Rotations are the motion's own with its skeleton's bone vectors, or both are solved from its joints. Where
    a bone vector does not place the joint within `tolerance`, the median over time of what the joints say is
    tried.

    Args:
        motion: without missing joints.
        tolerance: metres a joint may be off.
        stretch: give joints that are further off a local position per frame, which places them exactly.

    Returns:
        Bone vectors [J, 3] metres (the root's is zero), local rotations [T, J, 4] wxyz, local positions
        [T, 3] by joint (the root's always), and the largest distance in metres between the motion and what
        these numbers say.
    """
    skeleton = motion.skeleton
    joints = np.asarray(motion.joints, dtype=np.float64)
    rotations = motion.rotations
    if rotations is None:
        skeleton = fit_skeleton(joints, skeleton)
        rotations, _ = rotations_from_joints(joints, skeleton)
    rotations = np.where(np.isnan(rotations), quaternions.IDENTITY, rotations)  # unknown: as in the rest pose
    bones = np.array(skeleton.offsets)
    bones[skeleton.root] = 0.0
    moving = {skeleton.root: joints[:, skeleton.root]}
    placed = joints.copy()
    world: dict[int, Rotation] = {}
    worst = 0.0
    for joint in skeleton.order:
        parent = skeleton.parents[joint]
        own = Rotation.from_quat(rotations[:, joint], scalar_first=True)
        if parent < 0:
            world[joint] = own
            continue
        world[joint] = world[parent] * own
        local = world[parent].inv().apply(joints[:, joint] - placed[:, parent])
        if _largest(local - bones[joint]) > tolerance:
            bones[joint] = np.median(local, axis=0)
        error = _largest(local - bones[joint])
        if error > tolerance and stretch:
            moving[joint] = local
        else:
            placed[:, joint] = placed[:, parent] + world[parent].apply(bones[joint])
            worst = max(worst, error)
    return bones, rotations, moving, worst


def known_order(names: Sequence[str], parents: Sequence[int]) -> np.ndarray | None:
    """The order of a named skeleton that has exactly these joints and bones; None where there is none.

    File formats store trees depth first, SMPL-24 does not: joints are put back in their canonical order.

    Returns:
        Index into the given joints for each joint of the named skeleton, [J].
    """
    bones = {name: names[parent] if parent >= 0 else "" for name, parent in zip(names, parents, strict=True)}
    for known in SKELETONS.values():
        tree = zip(known.names, known.parents, strict=True)
        if bones == {name: known.names[parent] if parent >= 0 else "" for name, parent in tree}:
            where = {name: joint for joint, name in enumerate(names)}
            return np.array([where[name] for name in known.names])
    return None


def reorder(motion: Motion) -> Motion:
    """The motion with its joints in the order of the named skeleton it has the joints of, if any."""
    skeleton = motion.skeleton
    order = known_order(skeleton.names, skeleton.parents)
    if order is None:
        return motion
    place = np.argsort(order)
    parents = tuple(-1 if skeleton.parents[j] < 0 else int(place[skeleton.parents[j]]) for j in order)
    return Motion(
        motion.joints[:, order],
        motion.fps,
        Skeleton(tuple(skeleton.names[j] for j in order), parents, skeleton.rest[order]),
        rotations=None if motion.rotations is None else motion.rotations[:, order],
        confidence=None if motion.confidence is None else motion.confidence[:, order],
    )


def as_floats(array: np.ndarray) -> np.ndarray:
    """Numbers as float64, without a warning where a file holds signalling NaNs."""
    with np.errstate(invalid="ignore", over="ignore"):
        return array.astype(np.float64)


def as_smpl24_motion(path: str | os.PathLike[str], motion: Motion) -> Motion:
    """The motion mapped to SMPL-24 by joint names; confidence says which joints were there.

    Raises:
        FormatError: the joints are not those of a person.
    """
    if motion.skeleton.same_tree(SMPL24):
        return motion
    try:
        joints, confidence = smpl24_mapping(motion.skeleton).apply(motion.joints)
    except ValueError as error:
        raise FormatError(path, str(error), "joint names") from error
    return Motion(joints, motion.fps, SMPL24, confidence=confidence)


def check_complete(path: str | os.PathLike[str], motion: Motion, kind: str) -> None:
    """Raise FormatError where a joint is missing, which files of this kind cannot say."""
    missing = np.argwhere(np.isnan(motion.joints).any(axis=-1))
    if missing.size:
        frame, joint = missing[0]
        raise FormatError(
            path,
            f"joint {motion.skeleton.names[joint]!r} is missing in frame {frame}, which {kind} cannot say",
            hint="fill or crop the motion first",
        )


def _largest(vectors: np.ndarray) -> float:
    return float(np.sqrt((vectors**2).sum(axis=-1).max()))
