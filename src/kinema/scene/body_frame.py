"""Which way a body faces and what it stands on, for any tree with a left and a right side."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from kinema.scene import quaternions as quat
from kinema.scene.rotations import global_rotations, rotations_from_joints
from kinema.scene.skeleton import Skeleton

_UP = np.array([0.0, 1.0, 0.0])


@lru_cache(maxsize=64)
def side_pairs(skeleton: Skeleton) -> tuple[tuple[int, int], ...]:
    """(left, right) joints where the limbs leave the trunk, e.g. hips and collars; none for a snake.

    The wide pairs nearest to the midline; pairs under half the widest, such as eyes, do not count.
    """
    mirror = skeleton.mirror_index
    pairs: list[tuple[int, int]] = []
    open_pairs = [j for j in skeleton.order if mirror[j] == j]
    for joint in open_pairs:  # grows by the children of pairs that have no width yet
        for child in skeleton.children[joint]:
            other = int(mirror[child])
            if other == child or skeleton.rest[child, 0] < skeleton.rest[other, 0]:
                continue
            if skeleton.rest[child, 0] - skeleton.rest[other, 0] > 1e-3:
                pairs.append((child, other))
            else:
                open_pairs.append(child)
    width = {pair: skeleton.rest[pair[0], 0] - skeleton.rest[pair[1], 0] for pair in pairs}
    return tuple(pair for pair in pairs if width[pair] > max(width.values()) / 2)


@lru_cache(maxsize=64)
def feet(skeleton: Skeleton) -> tuple[int, ...]:
    """The joints a body stands on: ends of the tree, on both sides, near the lowest one in the rest pose.

    Near is 8 % of the height (ours): the toes of a person, the four paws of a dog. Without such pairs, all
    ends that low.
    """
    height = np.ptp(skeleton.rest[:, 1])
    low = skeleton.rest[:, 1] <= skeleton.rest[:, 1].min() + 0.08 * height
    ends = [j for j in range(len(skeleton)) if not skeleton.children[j] and low[j]]
    paired = [j for j in ends if skeleton.mirror_index[j] != j]
    return tuple(paired or ends)


def facing(joints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """The horizontal direction the trunk faces: across the trunk from right to left, turned by 90 degrees.

    Args:
        joints: metres, [T, J, 3].
        skeleton: its names tell left from right; without sides, the rotation of the root tells.

    Returns:
        Unit vectors [T, 3] with y = 0; NaN where the joints are missing. Where the trunk faces straight up or
        down sideways, the direction of the nearest frame that has one.
    """
    pairs = side_pairs(skeleton)
    if pairs:
        left, right = np.array(pairs).T
        across = joints[:, left] - joints[:, right]
        missing = np.isnan(across).any(-1)
        across = np.where(missing[..., None], 0.0, across).sum(1)
        forward = np.cross(across, _UP)
        missing = missing.all(-1)
        reach = np.linalg.norm(across, axis=-1)
    else:
        rotations, _ = rotations_from_joints(joints, skeleton)
        turned = global_rotations(rotations, skeleton)[:, skeleton.root]
        forward = quat.rotate(turned, np.array([0.0, 0.0, 1.0])) * np.array([1.0, 0.0, 1.0])
        missing = np.isnan(forward).any(-1)
        reach = np.ones(len(joints))
    length = np.linalg.norm(forward, axis=-1)
    with np.errstate(invalid="ignore"):
        clear = ~missing & (length > 0.05 * reach) & (length > 0)
    forward[clear] /= length[clear, None]
    if clear.any():
        forward = forward[_nearest(clear)]
    else:
        forward[:] = [0.0, 0.0, 1.0]
    forward[missing] = np.nan
    return forward


def yaw(direction: np.ndarray) -> np.ndarray:
    """Angle of horizontal directions [..., 3] about +Y, radians: 0 is +Z, a quarter turn is +X."""
    return np.arctan2(direction[..., 0], direction[..., 2])


def lowest(joints: np.ndarray) -> np.ndarray:
    """Height of the lowest joint in each frame, [T, J, 3] -> [T]; NaN where all are missing."""
    height = np.where(np.isnan(joints[..., 1]), np.inf, joints[..., 1]).min(-1)
    return np.where(np.isinf(height), np.nan, height)


def _nearest(clear: np.ndarray) -> np.ndarray:
    """For each frame the nearest one where `clear` holds, [T]."""
    known = np.flatnonzero(clear)
    right = np.searchsorted(known, np.arange(len(clear))).clip(0, len(known) - 1)
    left = (right - 1).clip(0)
    frames = np.arange(len(clear))
    return np.where(np.abs(known[left] - frames) <= np.abs(known[right] - frames), known[left], known[right])
