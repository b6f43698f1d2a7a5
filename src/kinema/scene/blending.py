"""Cross-fading two motions of one body: rotations turn the shortest way, bones keep their length."""

from __future__ import annotations

import numpy as np

from kinema.scene import quaternions as quat
from kinema.scene.rotations import joints_from_bones, local_bones, rotations_from_joints
from kinema.scene.skeleton import Skeleton


def smoothstep(frames: int) -> np.ndarray:
    """Weights rising from 0 to 1 with zero slope at both ends, [frames]; a single frame weighs 0."""
    share = np.linspace(0.0, 1.0, frames)
    return share * share * (3 - 2 * share)


def blend_joints(
    joints_a: np.ndarray,
    joints_b: np.ndarray,
    rotations_a: np.ndarray | None,
    rotations_b: np.ndarray | None,
    skeleton: Skeleton,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Joints and rotations between two motions, frame by frame.

    Local rotations are slerped (solved from the joints where not given), bone vectors in their parent's frame
    and the root position are mixed; so both ends are exact and bones keep their length in between.

    Args:
        joints_a, joints_b: metres, [T, J, 3]; NaN where missing in either is NaN in the result.
        rotations_a, rotations_b: local, wxyz, [T, J, 4], or None.
        skeleton: the tree of both.
        weights: share of b, [T].

    Returns:
        Joints [T, J, 3] and local rotations [T, J, 4].
    """
    if rotations_a is None or rotations_b is None:
        rotations_a = rotations_from_joints(joints_a, skeleton)[0]
        rotations_b = rotations_from_joints(joints_b, skeleton)[0]
    rotations = quat.slerp(rotations_a, rotations_b, weights[:, None])
    bones = _mix(
        local_bones(joints_a, rotations_a, skeleton), local_bones(joints_b, rotations_b, skeleton), weights
    )
    straight = _mix(joints_a, joints_b, weights)
    joints = joints_from_bones(bones, rotations, skeleton, straight)
    joints = np.where(
        (weights <= 0)[:, None, None], joints_a, np.where((weights >= 1)[:, None, None], joints_b, joints)
    )
    return np.where(np.isnan(straight), np.nan, joints), rotations


def _mix(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return a + weights[:, None, None] * (b - a)
