"""Kimodo-style .npz: the joints, rotation matrices and foot contacts that NVIDIA's Kimodo writes for its bodies.

Keys and shapes are those of Kimodo's documentation ("Output Formats"): `posed_joints` [T, J, 3], `global_rot_mats` and
`local_rot_mats` [T, J, 3, 3], `foot_contacts` [T, 4] (left heel, left toe, right heel, right toe), `root_positions`
[T, 3]; metres, Y up. There is no frame rate: 30, its models', is taken. SMPL-X's 22 joints are in its own order, SOMA
and G1 have the trees of `soma`. We write the SMPL-X body, add `fps`, and leave out `smooth_root_pos` and
`global_root_heading`, outputs of Kimodo's model.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene import quaternions as quat
from kinema.scene.formats.array_checks import MAX_BYTES, RATE_KEYS, check_length, chosen, floats, rate_of
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_npz
from kinema.scene.formats.kinematics import as_floats, as_smpl24_motion
from kinema.scene.formats.reading import Clip, Contents, MotionReading
from kinema.scene.formats.soma import G1, SOMA30, SOMA77
from kinema.scene.motion import Motion
from kinema.scene.rotations import global_rotations, local_rotations
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

BODIES = {JOINTS: ("SMPL-X", HUMANML3D22), 30: ("SOMA", SOMA30), 77: ("SOMA", SOMA77), 34: ("G1", G1)}
"""Kimodo's bodies by their number of joints."""


def load(path: str | os.PathLike[str], reading: MotionReading) -> Contents:
    """Read the joints of any of Kimodo's bodies and, where they agree with the joints, their rotations.

    The rest pose follows from joints and rotations together, so it is the file's own.

    Args:
        path: the file.
        reading: what is said about it.

    Raises:
        FormatError: not such a file, or a body with another number of joints.
    """
    arrays = read_npz(
        path, MAX_BYTES, names={"posed_joints", "local_rot_mats", "global_rot_mats", *RATE_KEYS}
    )
    joints = _floats(path, arrays, "posed_joints", 3)
    joints = joints[None] if joints.ndim == 3 else joints
    if joints.ndim != 4 or joints.shape[2] not in BODIES or joints.shape[3] != 3 or not joints.size:
        known = ", ".join(f"{count} ({kind})" for count, (kind, _) in BODIES.items())
        raise FormatError(
            path,
            f"has shape {list(arrays['posed_joints'].shape)}; [T, J, 3] is known, J = {known}",
            "array 'posed_joints'",
        )
    samples, frames, count = joints.shape[:3]
    floats(path, joints, "array 'posed_joints'", missing=True)
    check_length(path, frames, count)
    rate = rate_of(path, arrays) or FPS
    names = [str(number) for number in range(samples)]
    number, animations, note = chosen(path, names, [frames / rate] * samples, reading)
    kind, tree = BODIES[count]
    joints = joints[number]
    if np.isnan(joints).any(axis=(1, 2)).all():
        raise FormatError(path, "has no frame without missing joints", "array 'posed_joints'")
    rotations = _rotations(path, arrays, tree, (samples, frames))
    fitted = None if rotations is None else _rest(joints, rotations[number], tree)
    whole = joints[~np.isnan(joints).any(axis=(1, 2))][0]
    clip = Clip(
        joints,
        Skeleton(tree.names, tree.parents, whole) if count != JOINTS else tree,
        fps=rate,
        unit=1.0,
        up="y",
        grounded=True,
        upright=count == JOINTS,
    )
    if fitted is not None:
        assert rotations is not None
        clip = replace(clip, skeleton=fitted, rotations=rotations[number], upright=True)
    return Contents(f"Kimodo ({kind})", (clip,), animations, note)


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


def _rotations(
    path: str | os.PathLike[str], arrays: dict[str, np.ndarray], tree: Skeleton, shape: tuple[int, int]
) -> np.ndarray | None:
    """Local rotations [B, T, J, 4] from local or global matrices; None where there are none."""
    name = next((name for name in ("local_rot_mats", "global_rot_mats") if name in arrays), None)
    if name is None:
        return None
    matrices = _floats(path, arrays, name, 4)
    small = bool((np.abs(matrices) < 2).all())  # false for what is no number, too
    if matrices.size != shape[0] * shape[1] * len(tree) * 9 or matrices.shape[-2:] != (3, 3) or not small:
        return None
    matrices = matrices.reshape(-1, 3, 3)
    if np.abs(np.linalg.det(matrices) - 1).max() > 1e-2:
        return None
    turns = Rotation.from_matrix(matrices).as_quat(scalar_first=True).reshape(*shape, len(tree), 4)
    return turns if name == "local_rot_mats" else local_rotations(turns, tree)


def _rest(joints: np.ndarray, rotations: np.ndarray, tree: Skeleton) -> Skeleton | None:
    """The rest pose that rotations are relative to; None where they do not fit the joints."""
    if np.isnan(joints).any():
        return None
    world = global_rotations(rotations, tree)
    own = np.array([joint for _, joint in tree.bones])
    parents = np.array(tree.parents)[own]
    bones = joints[:, own] - joints[:, parents]
    seen = quat.rotate(quat.conjugate(world[:, parents]), bones)  # the bones in the axes of their parents
    if not np.abs(seen - seen.mean(axis=0)).max() < _LOOSE:
        return None
    offsets = np.zeros((len(tree), 3))
    offsets[own] = seen.mean(axis=0)
    fitted = tree.with_offsets(offsets)
    return Skeleton(tree.names, tree.parents, fitted.rest - [0.0, fitted.rest[:, 1].min(), 0.0])


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
