"""Kimodo-style .npz: the joints, rotation matrices and foot contacts that NVIDIA's Kimodo writes for its SMPL-X body.

Keys and shapes are those of Kimodo's documentation ("Output Formats"): `posed_joints` [T, J, 3], `global_rot_mats` and
`local_rot_mats` [T, J, 3, 3], `foot_contacts` [T, 4] (left heel, left toe, right heel, right toe), `root_positions`
[T, 3]; metres, Y up. The documentation does not say the order of the 22 joints (SMPL-X's own is taken) nor a frame
rate (30 is taken); we add `fps`, and leave out `smooth_root_pos` and `global_root_heading`, outputs of Kimodo's model.
"""

from __future__ import annotations

import os

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene import quaternions as quat
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_npz
from kinema.scene.formats.kinematics import MAX_JOINT_FRAMES, as_floats, as_smpl24_motion
from kinema.scene.formats.reading import Clip, Contents, MotionReading
from kinema.scene.motion import Motion
from kinema.scene.rotations import global_rotations
from kinema.scene.skeleton import HUMANML3D22, SMPL24, Skeleton

FPS = 30.0
JOINTS = 22
KEYS = ("posed_joints", "local_rot_mats", "foot_contacts", "root_positions")
"""What tells such a file from others."""

_CONTACTS = [SMPL24.index(name) for name in ("left_ankle", "left_foot", "right_ankle", "right_foot")]
_HEIGHT = np.array(
    [0.10, 0.05, 0.10, 0.05]
)  # metres over the floor; a flat foot has its ankle at 6 cm (ours)
_SPEED = 0.25  # m/s, of a foot that stands (ours)
_LOOSE = 0.02  # metres by which rotations and joints of a file may disagree (ours)
_MAX_BYTES = 1 << 29
_LARGEST = 1e6  # metres; more is no motion of a person


def load(path: str | os.PathLike[str], reading: MotionReading) -> Contents:
    """Read the 22 joints of an SMPL-X body and, where they agree with the joints, its rotations.

    The rest pose follows from joints and rotations together, so it is the file's own.

    Args:
        path: the file.
        reading: what is said about it.

    Raises:
        FormatError: not such a file, or another body (SOMA has 77 joints, G1 has 34).
    """
    arrays = read_npz(path, _MAX_BYTES, names={"posed_joints", "local_rot_mats", "fps"})
    joints = _floats(path, arrays, "posed_joints", 3)
    if joints.ndim == 4 and len(joints) == 1:  # a batch of one sample
        joints = joints[0]
    if joints.ndim != 3 or joints.shape[1:] != (JOINTS, 3) or not len(joints):
        raise FormatError(
            path,
            f"has shape {list(joints.shape)}; [T, {JOINTS}, 3] is known",
            "array 'posed_joints'",
            "export the SMPL-X body",
        )
    if not (np.abs(np.nan_to_num(joints)) < _LARGEST).all():
        raise FormatError(path, "holds no sensible positions", "array 'posed_joints'")
    if len(joints) * JOINTS > MAX_JOINT_FRAMES:
        raise FormatError(path, f"{len(joints)} frames are more than {MAX_JOINT_FRAMES // JOINTS}")
    fps = reading.source_fps
    if fps is None:
        fps = float(_floats(path, arrays, "fps", 0).reshape(-1)[0]) if "fps" in arrays else FPS
    try:
        plain = Motion(joints, fps, HUMANML3D22)
        turned = _turned(plain, _floats(path, arrays, "local_rot_mats", 4).reshape(-1, JOINTS, 3, 3))
        return Contents("Kimodo", (Clip.of(turned or plain),))
    except FormatError:
        raise
    except ValueError as error:
        raise FormatError(path, str(error)) from error


def write(path: str | os.PathLike[str], motion: Motion) -> None:
    """Write 22 joints with their rotations, resampled by time to 30 fps.

    Contacts are measured: an ankle below 10 cm or a toe below 5 cm that is slower than 0.25 m/s (ours).

    Args:
        path: the file.
        motion: SMPL-24, or anything that maps to it by names; rotations are solved from the joints where it has none.

    Raises:
        FormatError: a joint is missing, or the skeleton does not map to SMPL-24.
    """
    motion = motion if motion.skeleton.same_tree(SMPL24) else as_smpl24_motion(path, motion)
    motion = motion if abs(motion.fps - FPS) < 1e-6 else motion.resample(FPS)
    if motion.missing.any():
        frame, joint = np.argwhere(motion.missing)[0]
        raise FormatError(
            path,
            f"joint {SMPL24.names[joint]!r} is missing in frame {frame}",
            hint="fill or crop the motion first",
        )
    motion = motion if motion.rotations is not None else motion.with_rotations()
    assert motion.rotations is not None
    feet = motion.joints[:, _CONTACTS]
    slow = np.linalg.norm(motion.velocities()[:, _CONTACTS], axis=-1) < _SPEED
    arrays = {
        "posed_joints": motion.joints[:, :JOINTS],
        "global_rot_mats": _matrices(global_rotations(motion.rotations, motion.skeleton)[:, :JOINTS]),
        "local_rot_mats": _matrices(motion.rotations[:, :JOINTS]),
        "foot_contacts": (slow & (feet[..., 1] < _HEIGHT)).astype(np.float32),
        "root_positions": motion.joints[:, 0],
        "fps": np.array(FPS),
    }
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **{k: v.astype(np.float32) for k, v in arrays.items()})


def _turned(motion: Motion, local: np.ndarray) -> Motion | None:
    """The motion with rotations and the rest pose they are relative to; None where they do not fit the joints."""
    tree = motion.skeleton
    small = bool((np.abs(local) < 2).all())  # false for what is no number, too
    if len(local) != motion.frames or not small or motion.missing.any():
        return None
    if np.abs(np.linalg.det(local) - 1).max() > 1e-2:
        return None
    turns = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_quat(scalar_first=True).reshape(-1, JOINTS, 4)
    world = global_rotations(turns, tree)
    parents = np.array(tree.parents[1:])
    bones = motion.joints[:, 1:] - motion.joints[:, parents]
    seen = quat.rotate(quat.conjugate(world[:, parents]), bones)  # the bones in the axes of their parents
    offsets = seen.mean(axis=0)
    if not np.abs(seen - offsets).max() < _LOOSE:
        return None
    rest = np.zeros((JOINTS, 3))
    for joint in range(1, JOINTS):
        rest[joint] = rest[tree.parents[joint]] + offsets[joint - 1]
    rest[:, 1] -= rest[:, 1].min()
    return Motion(motion.joints, motion.fps, Skeleton(tree.names, tree.parents, rest), rotations=turns)


def _matrices(quaternions: np.ndarray) -> np.ndarray:
    flat = Rotation.from_quat(quaternions.reshape(-1, 4), scalar_first=True).as_matrix()
    return np.asarray(flat.reshape(*quaternions.shape[:-1], 3, 3))


def _floats(
    path: str | os.PathLike[str], arrays: dict[str, np.ndarray], name: str, least_axes: int
) -> np.ndarray:
    array = arrays.get(name)
    if array is None:
        raise FormatError(path, "is missing", f"array {name!r}", "is it a Kimodo file?")
    if array.dtype.kind not in "iuf" or array.ndim < least_axes or not array.size:
        raise FormatError(path, f"holds {array.dtype} {list(array.shape)}", f"array {name!r}")
    return as_floats(array)
