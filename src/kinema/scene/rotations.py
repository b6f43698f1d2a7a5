"""Joint positions <-> joint rotations: forward kinematics, and the rotations that positions can tell.

A joint's rotation, relative to its parent's, turns everything below it; all identity is the rest pose. Joints
with several children off one line are solved by Procrustes; one with a single child swings by the shortest
way, and its twist about the bone is not observed.
"""

from __future__ import annotations

import numpy as np

from kinema.scene import quaternions as quat
from kinema.scene.skeleton import Skeleton

_ZERO = 1e-9  # metres; a shorter rest bone has no direction


def joints_from_rotations(rotations: np.ndarray, skeleton: Skeleton, root_position: np.ndarray) -> np.ndarray:
    """Forward kinematics: where the joints are.

    Args:
        rotations: local, quaternions wxyz, [..., J, 4].
        skeleton: bone vectors come from its rest pose.
        root_position: of the root joint in the world, metres, [..., 3].

    Returns:
        Joint positions, metres, [..., J, 3]; NaN below a joint whose rotation is NaN.

    Raises:
        ValueError: shapes do not fit the skeleton or each other.
    """
    rotations = _checked(rotations, "rotations", len(skeleton), 4)
    root_position = np.asarray(root_position, dtype=np.float64)
    if root_position.shape != (*rotations.shape[:-2], 3):
        raise ValueError(
            f"root_position has shape {list(root_position.shape)}; rotations ask for "
            f"{[*rotations.shape[:-2], 3]}"
        )
    turned = global_rotations(rotations, skeleton)
    joints = np.empty((*rotations.shape[:-1], 3))
    for joint in skeleton.order:
        parent = skeleton.parents[joint]
        if parent < 0:
            joints[..., joint, :] = root_position
        else:
            bone = quat.rotate(turned[..., parent, :], skeleton.offsets[joint])
            joints[..., joint, :] = joints[..., parent, :] + bone
    return joints


def global_rotations(rotations: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Rotation of each joint in the world from local ones, quaternions wxyz, [..., J, 4]."""
    rotations = _checked(rotations, "rotations", len(skeleton), 4)
    turned = rotations.copy()
    for joint in skeleton.order:
        parent = skeleton.parents[joint]
        if parent >= 0:
            turned[..., joint, :] = quat.multiply(turned[..., parent, :], rotations[..., joint, :])
    return turned


def local_rotations(turned: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Rotation of each joint relative to its parent from those in the world, wxyz, [..., J, 4]."""
    turned = _checked(turned, "rotations", len(skeleton), 4)
    parents = np.array(skeleton.parents)
    above = np.where(parents[:, None] >= 0, turned[..., parents, :], quat.IDENTITY)
    return quat.multiply(quat.conjugate(above), turned)


def local_bones(joints: np.ndarray, rotations: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Each joint from its parent, in the parent's frame; constant for a rigid body. Metres, [..., J, 3].

    Args:
        joints: metres, [..., J, 3].
        rotations: local, quaternions wxyz, [..., J, 4].
        skeleton: the tree; the root's vector is zero.
    """
    turned = global_rotations(rotations, skeleton)
    bones = np.zeros(np.shape(joints))
    for parent, joint in skeleton.bones:
        bone = joints[..., joint, :] - joints[..., parent, :]
        bones[..., joint, :] = quat.rotate(quat.conjugate(turned[..., parent, :]), bone)
    return bones


def joints_from_bones(
    bones: np.ndarray, rotations: np.ndarray, skeleton: Skeleton, otherwise: np.ndarray
) -> np.ndarray:
    """Forward kinematics of bone vectors as `local_bones` gives them.

    Args:
        bones: metres, [..., J, 3].
        rotations: local, quaternions wxyz, [..., J, 4].
        skeleton: the tree.
        otherwise: where the root is, and each joint that the rest does not tell, metres, [..., J, 3].

    Returns:
        Joint positions, metres, [..., J, 3].
    """
    turned = global_rotations(rotations, skeleton)
    joints = np.array(otherwise)
    for joint in skeleton.order[1:]:
        parent = skeleton.parents[joint]
        placed = joints[..., parent, :] + quat.rotate(turned[..., parent, :], bones[..., joint, :])
        joints[..., joint, :] = np.where(np.isnan(placed), joints[..., joint, :], placed)
    return joints


def rotations_from_joints(joints: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """The local rotations that turn the rest pose into the given positions.

    Forward kinematics of the result gives the positions back where bone lengths and the shape of branching
    joints agree with the rest pose (`fit_skeleton` makes them agree). Twist that is known only between two
    branching joints, as along the spine, is spread evenly over the joints between them (ours: it keeps a
    skinned torso smooth).

    Args:
        joints: metres, [..., J, 3]; NaN where missing.
        skeleton: the joint tree and its rest pose.

    Returns:
        Quaternions wxyz [..., J, 4] with w >= 0, NaN where a missing joint leaves the rotation unknown;
        twist_observed [J]: whether positions tell the full rotation (elsewhere the twist is a choice: none).

    Raises:
        ValueError: shapes do not fit the skeleton.
    """
    joints = _checked(joints, "joints", len(skeleton), 3)
    turned = np.broadcast_to(quat.IDENTITY, (*joints.shape[:-1], 4)).copy()
    observed = np.zeros(len(skeleton), dtype=bool)
    for joint in skeleton.order:
        parent = skeleton.parents[joint]
        base = turned[..., parent, :] if parent >= 0 else quat.IDENTITY
        bones = _bones(skeleton, joint)
        if not bones:
            turned[..., joint, :] = base
            continue
        offsets = skeleton.offsets[bones]
        vectors = quat.rotate(
            quat.conjugate(base)[..., None, :], joints[..., bones, :] - joints[..., [joint], :]
        )
        observed[joint] = _spans_plane(offsets)
        local = _solve(offsets, vectors) if observed[joint] else _swing(offsets, vectors)
        turned[..., joint, :] = quat.multiply(base, local)
        if observed[joint]:
            _spread_twist(turned, observed, skeleton, joint)
    return quat.upright(local_rotations(turned, skeleton)), observed


def fit_skeleton(joints: np.ndarray, skeleton: Skeleton, iterations: int = 2) -> Skeleton:
    """The skeleton with the proportions of a body in motion.

    Bone vectors become the mean, over time and in the parent's own frame, of what the joints say. Single
    bones keep their rest direction; branching joints take their shape from the data.

    Args:
        joints: metres, [..., J, 3]; NaN where missing. A bone that is never seen keeps its rest vector.
        skeleton: the joint tree; its rest pose gives directions.
        iterations: rounds of solving rotations, then bone vectors (ours: two settle to well under 1 mm).
    """
    joints = _checked(joints, "joints", len(skeleton), 3).reshape(-1, len(skeleton), 3)
    fitted = skeleton
    for _ in range(iterations):
        rotations, observed = rotations_from_joints(joints, fitted)
        turned = global_rotations(rotations, fitted)
        offsets = fitted.offsets.copy()
        for parent, joint in skeleton.bones:
            bone = joints[:, joint] - joints[:, parent]
            seen = ~np.isnan(bone[:, 0] + turned[:, parent, 0])
            if not seen.any():
                continue
            if observed[parent]:
                offsets[joint] = quat.rotate(quat.conjugate(turned[seen, parent]), bone[seen]).mean(0)
            elif np.linalg.norm(offsets[joint]) > _ZERO:
                length = np.linalg.norm(bone[seen], axis=-1).mean()
                offsets[joint] *= length / np.linalg.norm(offsets[joint])
        fitted = fitted.with_offsets(offsets)
    drop = fitted.rest[:, 1].min() - skeleton.rest[:, 1].min()
    return Skeleton(fitted.names, fitted.parents, fitted.rest - np.array([0.0, drop, 0.0]))


def _bones(skeleton: Skeleton, joint: int) -> list[int]:
    """The children whose rest bone has a direction."""
    return [child for child in skeleton.children[joint] if skeleton.bone_lengths[child] > _ZERO]


def _spans_plane(offsets: np.ndarray) -> bool:
    singular = np.linalg.svd(offsets, compute_uv=False)
    return len(singular) > 1 and bool(singular[1] > 1e-4 * singular[0])


def _swing(offsets: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Shortest rotations of collinear rest bones [K, 3] onto vectors [..., K, 3]; NaN where none is seen."""
    main = offsets[np.argmax(np.linalg.norm(offsets, axis=-1))]
    missing = np.isnan(vectors).any(-1)
    along = offsets @ main
    pulled = (np.where(missing[..., None], 0.0, vectors) * along[:, None]).sum(-2)
    return np.where(missing.all(-1)[..., None], np.nan, quat.between(main, pulled))


def _solve(offsets: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Procrustes rotations of rest bones [K, 3] onto vectors [..., K, 3]; a swing where too few are seen."""
    missing = np.isnan(vectors).any(-1)
    solved = quat.align(offsets, np.where(missing[..., None], 0.0, vectors))
    if missing.any():
        for pattern in np.unique(missing.reshape(-1, len(offsets)), axis=0):
            seen = np.flatnonzero(~pattern)
            here = (missing == pattern).all(-1)
            if seen.size == 0:
                solved[here] = np.nan
            elif not _spans_plane(offsets[seen]):
                solved[here] = _swing(offsets[seen], vectors[here][..., seen, :])
    return solved


def _spread_twist(turned: np.ndarray, observed: np.ndarray, skeleton: Skeleton, joint: int) -> None:
    """Turn the joints between `joint` and the branching joint above it, each its share, in place."""
    chain = []
    above, below = skeleton.parents[joint], joint
    while above >= 0 and not observed[above] and _bones(skeleton, above) == [below]:
        chain.append((above, below))
        above, below = skeleton.parents[above], above
    if not chain or above < 0 or not observed[above]:
        return
    axes = {j: skeleton.offsets[j] / skeleton.bone_lengths[j] for _, j in chain}
    parent = skeleton.parents[joint]
    local = quat.multiply(quat.conjugate(turned[..., parent, :]), turned[..., joint, :])
    angle = np.nan_to_num(quat.twist_angle(local, axes[joint]))  # unknown: no twist
    for step, (twisted, bone) in enumerate(reversed(chain), start=1):
        share = quat.about_axis(axes[bone], angle * step / (len(chain) + 1))
        turned[..., twisted, :] = quat.multiply(turned[..., twisted, :], share)


def _checked(values: np.ndarray, name: str, joints: int, size: int) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim < 2 or values.shape[-2:] != (joints, size):
        raise ValueError(
            f"{name} has shape {list(values.shape)}; the skeleton asks for {['...', joints, size]}"
        )
    return values
