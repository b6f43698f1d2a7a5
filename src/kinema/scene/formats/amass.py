"""AMASS .npz: SMPL-H, SMPL-X or SMPL pose parameters of one person, Z up.

The body model itself is not read: joints come from forward kinematics through our own SMPL-24 proportions.
So rotations, root path and timing are those of the file; bone lengths and the exact rest directions are ours,
and `betas` and fingers are not used (`smpl_params`). Fields as in the AMASS releases: poses, trans, betas,
mocap_framerate.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.formats import smpl_params
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write
from kinema.scene.formats.reading import Contents, MotionReading
from kinema.scene.formats.smpl_params import HANDS, PELVIS, PELVIS_X
from kinema.scene.mappings import smpl24_mapping
from kinema.scene.motion import Motion
from kinema.scene.rotations import rotations_from_joints
from kinema.scene.skeleton import SMPL24

_Y_UP = Rotation.from_euler("X", -90, degrees=True)  # (x, y, z) of the file is (x, z, -y) in our world


def load(path: str | os.PathLike[str], reading: MotionReading) -> Contents:
    """Read an AMASS file, whole (`poses`) or in parts (`root_orient`, `pose_body`), as SMPL-24 with rotations.

    AMASS has Z up. Other programs write its names with other axes: a figure that never stands along Z tells.

    Raises:
        FormatError: no AMASS file; the array is named.
    """
    contents = smpl_params.load(path, reading)
    clips = tuple(replace(clip, usual_up="z") for clip in contents.clips)
    return replace(contents, kind="AMASS", clips=clips)


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
        "trans": _Y_UP.inv().apply(joints[:, 0]) - (PELVIS_X if numbers == 165 else PELVIS),
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
