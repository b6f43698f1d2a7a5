"""The person of a motion standing relaxed, with the motion's own bones: what a reference picture shows of them."""

from __future__ import annotations

import numpy as np

from kinema.scene import Motion
from kinema.scene import quaternions as quat
from kinema.scene.rotations import fit_skeleton, global_rotations, rotations_from_joints
from kinema.scene.skeleton import SMPL24, Skeleton
from kinema.stage.footing import footing_of

_LEFT_ARM, _RIGHT_ARM = (18, 20, 22), (19, 21, 23)  # elbow, wrist, hand
_COLLARS = ((13, 16), (14, 17))
_CHEST = 9
_MOST = 240
"""Frames that bones are measured in (ours): spread evenly over longer motions."""


def standing(motion: Motion, facing: np.ndarray, turn: float = 0.0) -> Motion:
    """The motion's person standing relaxed where the motion starts, one frame.

    Bones, hips and shoulders are as long and as wide as the motion has them, and feet stand as they do in it.

    Args:
        motion: SMPL-24; its joints give the proportions, its first root the place.
        facing: the point [3] that the person looks at (its height does not matter).
        turn: degrees to the person's left from there.
    """
    skeleton = own_skeleton(motion)
    joints = np.array(skeleton.rest, np.float64)
    for side, arm in ((1.0, _LEFT_ARM), (-1.0, _RIGHT_ARM)):
        shoulder = joints[arm[0] - 2].copy()
        angle = np.radians(-72.0) * side
        lower = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        for joint in arm:
            joints[joint] = shoulder + lower @ (joints[joint] - shoulder)
    toes = 0.0
    if (footing := footing_of(motion.joints)) is not None:
        toes = footing.toe
        slope = np.array([0.0, -np.sin(footing.pitch), np.cos(footing.pitch)])
        for ankle, toe in ((7, 10), (8, 11)):
            joints[toe] = joints[ankle] + skeleton.bone_lengths[toe] * slope
    joints[:, [0, 2]] -= joints[0, [0, 2]]
    joints[:, 1] += toes - joints[:, 1].min()
    root = motion.joints[0, 0]
    direction = np.asarray(facing) - root
    angle = np.arctan2(direction[0], direction[2]) + np.radians(turn)
    rotate = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    joints = joints @ rotate.T + [root[0], 0.0, root[2]]
    return Motion(joints=joints[None], fps=motion.fps, skeleton=skeleton)


def own_skeleton(motion: Motion) -> Skeleton:
    """SMPL-24 with the bones of a motion: their lengths, and the shape of pelvis, chest and shoulders.

    A motion's skeleton need not have them: mappings from other skeletons keep SMPL-24's own rest pose.

    Args:
        motion: SMPL-24; a bone that is never seen keeps the length of its skeleton.
    """
    lengths = motion.bone_lengths()
    lengths = np.where(np.isnan(lengths), motion.skeleton.bone_lengths, lengths)
    rows = np.linspace(0, motion.frames - 1, min(motion.frames, _MOST)).astype(int)
    joints = np.where(motion.missing[rows, :, None], np.nan, motion.joints[rows])
    fitted = fit_skeleton(joints, SMPL24.with_bone_lengths(lengths))
    turned = global_rotations(rotations_from_joints(joints, fitted)[0], fitted)[:, _CHEST]
    offsets = fitted.offsets.copy()
    for collar, shoulder in _COLLARS:
        bone = quat.rotate(quat.conjugate(turned), joints[:, shoulder] - joints[:, collar])
        bone = bone[np.isfinite(bone).all(-1)]
        if len(bone) and (length := np.linalg.norm(bone.mean(0))) > 1e-6:
            offsets[shoulder] = bone.mean(0) * (lengths[shoulder] / length)
    return fitted.with_offsets(offsets)
