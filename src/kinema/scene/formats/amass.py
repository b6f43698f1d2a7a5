"""AMASS .npz: SMPL-H, SMPL-X or SMPL pose parameters of one person, Z up.

The body model itself is not read: joints come from forward kinematics through our own SMPL-24 proportions.
So rotations, root path and timing are those of the file; bone lengths and the exact rest directions are ours,
and `betas` and fingers are not used. Fields as in the AMASS releases: poses, trans, betas, mocap_framerate.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_npz
from kinema.scene.formats.kinematics import MAX_JOINT_FRAMES, as_floats
from kinema.scene.formats.reading import Clip, Contents, MotionReading
from kinema.scene.mappings import smpl24_mapping
from kinema.scene.motion import Motion
from kinema.scene.rotations import joints_from_rotations, rotations_from_joints
from kinema.scene.skeleton import SMPL24

HANDS = {72: (22, 23), 156: (25, 40), 165: (28, 43)}
"""By numbers per frame (SMPL, SMPL-H, SMPL-X): the joints that serve as SMPL-24's left and right hand. In
SMPL-H and SMPL-X it is the base of the middle finger, which lies where SMPL-24 has the hand (ours)."""

PELVIS = np.array([-0.002, -0.230, 0.028])
"""Where SMPL's mean template has the pelvis, metres: `trans` moves the template's origin, not the pelvis."""

_Y_UP = Rotation.from_euler("X", -90, degrees=True)  # (x, y, z) of the file is (x, z, -y) in our world
_RATES = ("mocap_framerate", "mocap_frame_rate")
_MAX_BYTES = 1 << 29
_LARGEST = 1e6  # metres and radians; more is no motion of a person


def load(path: str | os.PathLike[str], reading: MotionReading) -> Contents:
    """Read an AMASS file as SMPL-24 with rotations, Y up.

    Raises:
        FormatError: no AMASS file; the array is named.
    """
    arrays = read_npz(path, _MAX_BYTES, names={"poses", "trans", *_RATES})
    poses = _array(path, arrays, "poses")
    if poses.ndim != 2 or poses.shape[1] not in HANDS or len(poses) == 0:
        raise FormatError(
            path, f"has shape {list(poses.shape)}; [T, 72], [T, 156] or [T, 165] is known", "array 'poses'"
        )
    trans = _array(path, arrays, "trans")
    if trans.shape != (len(poses), 3):
        raise FormatError(
            path, f"has shape {list(trans.shape)}; poses ask for [{len(poses)}, 3]", "array 'trans'"
        )
    if len(poses) * len(SMPL24) > MAX_JOINT_FRAMES:
        raise FormatError(path, f"{len(poses)} frames are more than {MAX_JOINT_FRAMES // len(SMPL24)}")
    rate = _frame_rate(path, arrays) if reading.source_fps is None else reading.source_fps
    poses, trans = _floats(path, poses, "poses"), _floats(path, trans, "trans")
    left, right = HANDS[poses.shape[1]]
    vectors = poses.reshape(len(poses), -1, 3)[:, [*range(22), left, right]]
    rotations = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_quat(scalar_first=True)
    rotations = rotations.reshape(len(poses), 24, 4)
    world = _Y_UP * Rotation.from_quat(rotations[:, 0], scalar_first=True)
    rotations[:, 0] = world.as_quat(scalar_first=True)
    root = _Y_UP.apply(trans + PELVIS)
    motion = Motion(joints_from_rotations(rotations, SMPL24, root), rate, SMPL24, rotations=rotations)
    return Contents("AMASS", (Clip.of(motion),))


def write(
    path: str | os.PathLike[str], motion: Motion, *, numbers: int = 156, gender: str = "neutral"
) -> None:
    """Write pose parameters; fingers, face and `betas` are zero.

    Rotations read back within 1e-5 deg. Joints read back exactly only where the body has SMPL-24's own
    proportions, because the file holds no bone lengths.

    Args:
        path: the file.
        motion: SMPL-24, or anything that maps to it by names (rotations are then solved from the joints).
        numbers: per frame, 156 (SMPL-H, what AMASS uses), 165 (SMPL-X) or 72 (SMPL).
        gender: written as it is.

    Raises:
        FormatError: a joint is missing, or the skeleton does not map to SMPL-24.
        ValueError: another count of numbers.
    """
    if numbers not in HANDS:
        raise ValueError(f"numbers={numbers}; give one of {', '.join(map(str, HANDS))}")
    joints, rotations = _as_smpl24(path, motion)
    world = _Y_UP.inv() * Rotation.from_quat(rotations[:, 0], scalar_first=True)
    rotations[:, 0] = world.as_quat(scalar_first=True)
    vectors = Rotation.from_quat(rotations.reshape(-1, 4), scalar_first=True).as_rotvec()
    poses = np.zeros((len(joints), numbers // 3, 3))
    poses[:, [*range(22), *HANDS[numbers]]] = vectors.reshape(len(joints), 24, 3)
    arrays = {
        "poses": poses.reshape(len(joints), numbers),
        "trans": _Y_UP.inv().apply(joints[:, 0]) - PELVIS,
        "betas": np.zeros(16),
        "mocap_framerate": np.array(motion.fps),
        "gender": np.array(gender),
    }
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def _as_smpl24(path: str | os.PathLike[str], motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Joints [T, 24, 3] and rotations [T, 24, 4] relative to the rest pose of SMPL-24."""
    try:
        mapped, _ = smpl24_mapping(motion.skeleton).apply(motion.joints)
    except ValueError as error:
        raise FormatError(path, str(error), "joint names") from error
    missing = np.argwhere(np.isnan(mapped).any(axis=-1))
    if missing.size:
        frame, joint = missing[0]
        raise FormatError(
            path,
            f"joint {SMPL24.names[joint]!r} is missing in frame {frame}",
            hint="fill or crop the motion first",
        )
    if motion.rotations is not None and motion.skeleton.same_tree(SMPL24):
        bones, ours = motion.skeleton.offsets[1:], SMPL24.offsets[1:]
        lengths = np.linalg.norm(bones, axis=1) * np.linalg.norm(ours, axis=1)
        same_rest = (np.einsum("jx,jx->j", bones, ours) > np.cos(np.radians(1)) * lengths - 1e-12).all()
        if same_rest and not np.isnan(motion.rotations).any():
            return mapped, motion.rotations.copy()
    return mapped, np.array(rotations_from_joints(mapped, SMPL24)[0])


def _array(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    array = arrays.get(name)
    if array is None:
        raise FormatError(path, "is missing", f"array {name!r}", "is it an AMASS file?")
    if array.dtype.kind not in "iuf":
        raise FormatError(path, f"holds {array.dtype}, not numbers", f"array {name!r}")
    return array


def _floats(path: str | os.PathLike[str], array: np.ndarray, name: str) -> np.ndarray:
    array = as_floats(array)
    wrong = np.argwhere(~(np.abs(array) < _LARGEST))
    if wrong.size:
        raise FormatError(
            path,
            f"{array[tuple(wrong[0])]} at {wrong[0].tolist()} is no finite, sensible number",
            f"array {name!r}",
        )
    return array


def _frame_rate(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]) -> float:
    for name in _RATES:
        if name in arrays:
            array = _floats(path, _array(path, arrays, name), name)
            if array.size != 1 or not float(array.reshape(())) > 0:
                raise FormatError(path, "must be one positive number", f"array {name!r}")
            return float(array.reshape(()))
    raise FormatError(path, "is missing", f"array {_RATES[0]!r}", "give fps")
