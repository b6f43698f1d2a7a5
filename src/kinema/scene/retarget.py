"""Giving a motion another body: bone directions stay, lengths change, feet keep to the floor."""

from __future__ import annotations

import numpy as np

from kinema.scene import quaternions as quat
from kinema.scene.body_frame import feet, lowest
from kinema.scene.rotations import global_rotations, local_rotations, rotations_from_joints
from kinema.scene.skeleton import Skeleton

_ZERO = 1e-9


def retarget_joints(
    joints: np.ndarray,
    rotations: np.ndarray | None,
    source: Skeleton,
    target: Skeleton,
    lengths: np.ndarray,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Joints and rotations of another body doing the same.

    Every bone keeps its direction in the world and takes the target's length. The root path is scaled by the
    ratio of leg lengths about its start, and each frame is lifted so that its lowest joint is at the scaled
    height of the old lowest joint: what stood on the floor y = 0 stands on it.

    Args:
        joints: metres, [T, J, 3]; NaN where missing.
        rotations: local, wxyz, [T, J, 4], or None.
        source, target: the same tree in two bodies.
        lengths: bone lengths of the moving body, metres, [J].

    Returns:
        Joints [T, J, 3] and, where they were given, local rotations [T, J, 4] from the target's rest pose.
    """
    scale = _leg_length(target, target.bone_lengths) / max(_leg_length(source, lengths), _ZERO)
    if not scale > _ZERO:
        scale = 1.0
    turned = None
    if rotations is not None:
        turned = global_rotations(rotations, source)
    elif (lengths[[j for _, j in source.bones]] < _ZERO).any():
        turned = global_rotations(rotations_from_joints(joints, source)[0], source)
    root = source.root
    seen = np.flatnonzero(~np.isnan(joints[:, root, 0]))
    start = joints[seen[0], root] * [1.0, 0.0, 1.0] if seen.size else np.zeros(3)
    moved = np.empty_like(joints)
    moved[:, root] = start + scale * (joints[:, root] - start)
    anchor = {root: (joints[:, root], moved[:, root])}  # nearest joint upwards that is there: old, new
    for joint in source.order:
        parent = source.parents[joint]
        if parent < 0:
            continue
        old, new = anchor[parent]
        bone = joints[:, joint] - old
        length = np.linalg.norm(bone, axis=-1, keepdims=True)
        direction = bone / np.where(length > _ZERO, length, 1.0)
        if turned is not None and target.bone_lengths[joint] > _ZERO:
            rest = quat.rotate(turned[:, parent], target.offsets[joint] / target.bone_lengths[joint])
            direction = np.where(length > _ZERO, direction, rest)
        placed = new + direction * target.bone_lengths[joint]
        far = np.isnan(joints[:, parent, 0])[:, None]
        moved[:, joint] = np.where(far, new + scale * bone, placed)
        gone = np.isnan(joints[:, joint, 0])[:, None]
        anchor[joint] = (np.where(gone, old, joints[:, joint]), np.where(gone, new, moved[:, joint]))
    lift = scale * lowest(joints) - lowest(moved)
    moved[..., 1] += np.where(np.isnan(lift), 0.0, lift)[:, None]
    if rotations is None or turned is None:
        return moved, None
    return moved, _carry_rotations(turned, source, target)


def _carry_rotations(turned: np.ndarray, source: Skeleton, target: Skeleton) -> np.ndarray:
    """Local rotations for a rest pose with other bone directions (say arms lowered), twist included."""
    adjust = np.tile(quat.IDENTITY, (len(target), 1))
    for joint in target.order:
        parent = target.parents[joint]
        bones = [
            c for c in target.children[joint] if min(target.bone_lengths[c], source.bone_lengths[c]) > _ZERO
        ]
        if bones:
            ours, theirs = target.offsets[bones], source.offsets[bones]
            ours = ours / np.linalg.norm(ours, axis=-1, keepdims=True)
            theirs = theirs / np.linalg.norm(theirs, axis=-1, keepdims=True)
            if np.abs(ours - theirs).max() < 1e-9:
                continue
            adjust[joint] = quat.between(ours[0], theirs[0]) if len(bones) == 1 else quat.align(ours, theirs)
        elif parent >= 0:
            adjust[joint] = adjust[parent]
    return local_rotations(quat.multiply(turned, adjust), target)


def _leg_length(skeleton: Skeleton, lengths: np.ndarray) -> float:
    """Mean length of the way from the root to a foot; of all bones together where there are no feet."""
    ways = []
    for joint in feet(skeleton):
        way = 0.0
        while skeleton.parents[joint] >= 0:
            way += lengths[joint]
            joint = skeleton.parents[joint]
        ways.append(way)
    return float(np.mean(ways)) if ways else float(lengths.sum())
