"""MotionStreamer's 272 features of a frame, 22 joints at 30 fps (read only).

In order: velocity of the root on x and z without heading (2), change of heading as 6D rotation (6), joints with the root
at x = z = 0 and without heading (66), their velocities (66), local rotations as 6D (132). 6D is the first two rows of
the matrix; headings add up from the first frame on (Xiao et al., "MotionStreamer", ICCV 2025; the layout is that of
Li-xingXiao/272-dim-Motion-Representation).
"""

from __future__ import annotations

import os

import numpy as np

from kinema.scene.formats.array_checks import check_length, chosen, features_last, floats
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.features import feature_array, raw_features
from kinema.scene.formats.joint_sets import joint_sets
from kinema.scene.formats.reading import Clip, Contents, MotionReading
from kinema.scene.skeleton import HUMANML3D22

FPS = 30.0
FEATURES = 272

_JOINTS = slice(8, 8 + 66)


def load(path: str | os.PathLike[str], reading: MotionReading) -> Contents:
    """Read the positions that the features tell.

    Raises:
        FormatError: not such an array, or normalised features without `stats`.
    """
    name, array = feature_array(path, FEATURES)
    features = features_last(array, FEATURES)
    if features is None:
        raise FormatError(path, f"has shape {list(array.shape)}; [T, {FEATURES}] is known")
    features = floats(path, features, f"array {name!r}" if name else None)
    check_length(path, features.shape[1], 22)
    fps = reading.source_fps or FPS
    names = [str(number) for number in range(len(features))]
    number, animations, note = chosen(path, names, [features.shape[1] / fps] * len(features), reading)
    features, undone = raw_features(path, features[number], _is_raw, reading, "MotionStreamer")
    clip = Clip(
        joints_from_features(features), HUMANML3D22, fps=FPS, unit=1.0, up="y", grounded=True, upright=True
    )
    return Contents("MotionStreamer features", (clip,), animations, (*undone, *note))


def joints_from_features(features: np.ndarray) -> np.ndarray:
    """World joints, metres, Y up, [T, 22, 3], from features [T, 272] that are not normalised."""
    frames = len(features)
    turns = matrices_from_6d(features[:, 2:8])
    heading = np.empty((frames, 3, 3))
    total = np.eye(3)
    for frame, turn in enumerate(turns):
        total = turn @ total
        heading[frame] = total
    to_world = heading.transpose(0, 2, 1)
    steps = np.zeros((frames, 3))
    steps[:, [0, 2]] = features[:, :2]
    steps[1:] = (to_world[:-1] @ steps[1:, :, None])[..., 0]
    joints = features[:, _JOINTS].reshape(frames, 22, 3) @ heading
    joints[..., [0, 2]] += np.cumsum(steps, axis=0)[:, None, [0, 2]]
    return joints


def matrices_from_6d(rows: np.ndarray) -> np.ndarray:
    """Rotation matrices [..., 3, 3] of their first two rows [..., 6], made orthonormal (Zhou et al. 2019)."""
    first = rows[..., :3] / np.maximum(np.linalg.norm(rows[..., :3], axis=-1, keepdims=True), 1e-12)
    second = rows[..., 3:] - (first * rows[..., 3:]).sum(-1, keepdims=True) * first
    second = second / np.maximum(np.linalg.norm(second, axis=-1, keepdims=True), 1e-12)
    return np.stack([first, second, np.cross(first, second)], axis=-2)


def _is_raw(features: np.ndarray) -> bool:
    """Whether positions are a person's and headings rotations, which normalised ones are not."""
    rows = np.linalg.norm(features[:, 2:8].reshape(-1, 2, 3), axis=-1)
    person = next(each for each in joint_sets() if each.name == "HumanML3D")
    joints = features[:, _JOINTS].reshape(-1, 22, 3)
    return bool(np.abs(np.median(rows) - 1) < 0.2) and person.fits(joints)
