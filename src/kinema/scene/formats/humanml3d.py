"""HumanML3D .npy: 22 joints [T, 22, 3] at 20 fps, or the 263 features that models learn from (read only).

KIT-ML has the same features of 21 joints, 251, in millimetres at 12.5 fps.

The features of a frame, in order: yaw velocity of the root, its velocity on x and z in its own frame, its
height (4), the other 21 joints turned to face +Z with the root at x = z = 0 (63), 21 x 6 rotations (126),
22 x 3 joint velocities (66), 4 foot contacts (Guo et al., "Generating diverse and natural 3D human motions
from text", CVPR 2022).
"""

from __future__ import annotations

import os

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.formats import joint_arrays
from kinema.scene.formats.array_checks import check_length, chosen, features_last, floats
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.features import feature_array, raw_features
from kinema.scene.formats.files import atomic_write
from kinema.scene.formats.joint_sets import joint_sets, kit21
from kinema.scene.formats.reading import Clip, Contents, MotionReading
from kinema.scene.mappings import smpl24_mapping
from kinema.scene.motion import Motion
from kinema.scene.skeleton import HUMANML3D22

FPS = 20.0
JOINTS = 22
FEATURES = 263
KIT_FPS = 12.5
KIT_JOINTS = 21
KIT_FEATURES = 251


def load(path: str | os.PathLike[str], reading: MotionReading) -> Contents:
    """Read features, or joints, of HumanML3D or KIT-ML; positions only.

    Normalised features are recognised and undone by the means in the folder `reading.stats`.

    Raises:
        FormatError: not such an array, or normalised features without means.
    """
    name, array = feature_array(path, FEATURES, KIT_FEATURES)
    size = next((size for size in (FEATURES, KIT_FEATURES) if features_last(array, size) is not None), None)
    if size is None:
        return joint_arrays.load(path, reading)
    features = features_last(array, size)
    assert features is not None
    features = floats(path, features, f"array {name!r}" if name else None)
    kit = size == KIT_FEATURES
    kind, fps, skeleton = ("KIT-ML", KIT_FPS, kit21()) if kit else ("HumanML3D", FPS, HUMANML3D22)
    check_length(path, features.shape[1], len(skeleton))
    rate = reading.source_fps or fps
    names = [str(number) for number in range(len(features))]
    number, animations, note = chosen(path, names, [features.shape[1] / rate] * len(features), reading)
    known = next(each for each in joint_sets() if each.name == kind)

    def is_raw(rows: np.ndarray) -> bool:
        height = np.median(rows[:, 3]) * (0.001 if kit else 1.0)
        return bool(0 < height < 3) and known.fits(joints_from_features(rows, len(skeleton)))

    features, undone = raw_features(path, features[number], is_raw, reading, kind)
    clip = Clip(
        joints_from_features(features, len(skeleton)),
        skeleton,
        fps=fps,
        unit=0.001 if kit else 1.0,
        up="y",
        grounded=True,
        upright=True,
    )
    return Contents(f"{kind} features", (clip,), animations, (*undone, *note))


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


def joints_from_features(features: np.ndarray, joints: int = JOINTS) -> np.ndarray:
    """World joints from HumanML3D features.

    Yaw and x/z velocity of a frame lead to the next one; the first frame stands at x = z = 0, facing +Z. The
    stored yaw velocity is half an angle (arcsine of the quaternion's y), which is why it is doubled here.

    Args:
        features: [T, 263] (of which the first 67 are used) or KIT-ML's [T, 251], not normalised.
        joints: how many there are.

    Returns:
        [T, J, 3] metres (KIT-ML: millimetres), Y up.
    """
    frames = len(features)
    yaw = np.zeros(frames)
    yaw[1:] = 2.0 * np.cumsum(features[:-1, 0])
    to_world = Rotation.from_rotvec(yaw[:, None] * [0.0, -1.0, 0.0])
    steps = np.zeros((frames, 3))
    steps[1:, [0, 2]] = features[:-1, 1:3]
    root = np.cumsum(to_world.apply(steps), axis=0)
    root[:, 1] = features[:, 3]
    others = features[:, 4 : 4 + 3 * (joints - 1)].reshape(-1, 3)
    turned = (to_world.as_matrix()[:, None] @ others.reshape(frames, joints - 1, 3, 1))[..., 0]
    turned[..., [0, 2]] += root[:, None, [0, 2]]
    return np.concatenate([root[:, None], turned], axis=1)
