"""HumanML3D .npy: 22 joints [T, 22, 3] at 20 fps, or the 263 features that models learn from (read only).

The features of a frame, in order: yaw velocity of the root, its velocity on x and z in its own frame, its
height (4), the other 21 joints turned to face +Z with the root at x = z = 0 (63), 21 x 6 rotations (126),
22 x 3 joint velocities (66), 4 foot contacts (Guo et al., "Generating diverse and natural 3D human motions
from text", CVPR 2022).
"""

from __future__ import annotations

import os

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_npy
from kinema.scene.formats.kinematics import MAX_JOINT_FRAMES, as_floats
from kinema.scene.formats.reading import Clip, Contents, MotionReading
from kinema.scene.mappings import smpl24_mapping
from kinema.scene.motion import Motion
from kinema.scene.skeleton import HUMANML3D22

FPS = 20.0
JOINTS = 22
FEATURES = 263
_USED = 4 + 3 * (JOINTS - 1)  # the features that tell positions

_MAX_BYTES = 1 << 29
_LARGEST = 1e6


def load(path: str | os.PathLike[str], reading: MotionReading) -> Contents:
    """Read joints or features; positions only.

    Features that were normalised for training must be put back by their mean and deviation first.

    Args:
        path: the file.
        reading: what is said about it.

    Raises:
        FormatError: not such an array.
    """
    array = read_npy(path, _MAX_BYTES)
    if array.dtype.kind not in "iuf":
        raise FormatError(path, f"holds {array.dtype}, not numbers")
    is_features = array.ndim == 2 and array.shape[1] == FEATURES
    if len(array.shape) < 2 or len(array) == 0 or not (is_features or array.shape[1:] == (JOINTS, 3)):
        raise FormatError(
            path, f"has shape {list(array.shape)}; [T, 22, 3] joints or [T, 263] features are known"
        )
    if len(array) * JOINTS > MAX_JOINT_FRAMES:
        raise FormatError(path, f"{len(array)} frames are more than {MAX_JOINT_FRAMES // JOINTS}")
    values = as_floats(array[:, :_USED] if is_features else array)
    if is_features:
        wrong = np.argwhere(~(np.abs(values) < _LARGEST))
        if wrong.size:
            raise FormatError(
                path, "is no finite, sensible number", f"frame {wrong[0, 0]}, feature {wrong[0, 1]}"
            )
        joints = joints_from_features(values)
    else:
        joints = values
        wrong = np.argwhere((np.abs(joints) >= _LARGEST).any(axis=-1))
        if wrong.size:
            raise FormatError(path, "is no sensible position", f"frame {wrong[0, 0]}, joint {wrong[0, 1]}")
    try:
        return Contents("HumanML3D", (Clip.of(Motion(joints, reading.source_fps or FPS, HUMANML3D22)),))
    except ValueError as error:
        raise FormatError(path, str(error)) from error


def write(path: str | os.PathLike[str], motion: Motion) -> None:
    """Write 22 joints, float32, resampled by time to 20 fps. Missing joints stay NaN.

    Args:
        path: the file.
        motion: HumanML3D-22, SMPL-24 (its first 22 joints) or anything that maps to SMPL-24 by names.

    Raises:
        FormatError: the skeleton does not map to SMPL-24.
    """
    if abs(motion.fps - FPS) > 1e-6:
        motion = motion.resample(FPS)
    joints = np.asarray(motion.joints)
    if not motion.skeleton.same_tree(HUMANML3D22):
        try:
            joints, _ = smpl24_mapping(motion.skeleton).apply(joints)
        except ValueError as error:
            raise FormatError(path, str(error), "joint names") from error
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.save(file, joints[:, :JOINTS].astype(np.float32), allow_pickle=False)


def joints_from_features(features: np.ndarray) -> np.ndarray:
    """World joints from HumanML3D features.

    Yaw and x/z velocity of a frame lead to the next one; the first frame stands at x = z = 0, facing +Z. The
    stored yaw velocity is half an angle (arcsine of the quaternion's y), which is why it is doubled here.

    Args:
        features: [T, 263] (of which the first 67 are used), not normalised.

    Returns:
        [T, 22, 3] metres, Y up.
    """
    frames = len(features)
    yaw = np.zeros(frames)
    yaw[1:] = 2.0 * np.cumsum(features[:-1, 0])
    to_world = Rotation.from_rotvec(yaw[:, None] * [0.0, -1.0, 0.0])
    steps = np.zeros((frames, 3))
    steps[1:, [0, 2]] = features[:-1, 1:3]
    root = np.cumsum(to_world.apply(steps), axis=0)
    root[:, 1] = features[:, 3]
    others = features[:, 4:_USED].reshape(-1, 3)
    turned = (to_world.as_matrix()[:, None] @ others.reshape(frames, JOINTS - 1, 3, 1))[..., 0]
    turned[..., [0, 2]] += root[:, None, [0, 2]]
    return np.concatenate([root[:, None], turned], axis=1)
