"""Joint positions in a plain .npy or .npz: [T, J, 3] in any order of axes, flat, batched, or with a confidence.

Which joints they are, the figure tells (`joint_sets`); their unit, axes and floor are left to settling. Text-to-motion
models write [T, 22, 3] (HumanML3D, 20 fps), MDM [B, 22, 3, T], pose lifters [T, 17, 3], body models [T, 24 or 55, 3].
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from kinema.scene.formats.array_checks import (
    MAX_BYTES,
    RATE_KEYS,
    check_length,
    chosen,
    floats,
    rate_of,
    sensible,
)
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import is_npz, npz_shapes, read_npy, read_npz
from kinema.scene.formats.joint_sets import JointSet, counts, joint_set
from kinema.scene.formats.reading import Assumption, Clip, Contents, MotionReading
from kinema.scene.skeleton import Skeleton

NAMES = (
    "joints",
    "motion",
    "posed_joints",
    "joint_positions",
    "pred_joints",
    "pred_xyz",
    "joints3d",
    "joints_3d",
    "keypoints3d",
    "keypoints_3d",
    "kp3d",
    "positions_3d",
    "positions",
    "xyz",
    "jtrs",
    "smpl_joints",
    "smplx_joints",
    "poses_3d",
    "pose3d",
    "S",
)
"""Usual names of joint positions in .npz files, the likeliest first; under any other name a lone array is read."""

RATES = {"HumanML3D": 20.0, "KIT-ML": 12.5}
"""Frames per second of the sets that define one."""

_SIDE_ARRAYS = {"lengths", "text", *RATE_KEYS}
_LISTED = 5  # arrays that an error names (ours)
_LOOKED = 64  # frames that tell which axis is time (ours)
_MOST_JOINTS = 300  # of an array whose joints the user names (ours)


@dataclass(frozen=True, eq=False)
class JointArray:
    """Positions that were recognised.

    Args:
        joints: [B, T, J, 3], NaN where missing.
        confidence: [B, T, J], or None.
        joint_set: what the joints are; None where nothing tells.
        misfit: of the first sample.
    """

    joints: np.ndarray
    confidence: np.ndarray | None
    joint_set: JointSet | None
    misfit: float


def load(path: str | os.PathLike[str], reading: MotionReading) -> Contents:
    """Read joint positions, one of several samples.

    Raises:
        FormatError: no array of positions, or joints that nothing tells; what the file has is listed.
    """
    name, array, beside = positions_of(path)
    where = f"array {name!r}" if name else None
    array = floats(path, array, where, missing=True)
    found = joint_array(array)
    if found is None and reading.joints is not None:
        found = _unnamed(array)
    if found is None:
        raise FormatError(
            path, f"shape {list(array.shape)} holds no joints of a person", where, remedy(array.shape)
        )
    batch, frames, count = found.joints.shape[:3]
    check_length(path, frames, count)
    lengths = _lengths(beside, found.joints)
    rate = rate_of(path, beside)
    known = found.joint_set.name if found.joint_set else ""
    assumed: list[Assumption] = []
    if rate is None and known in RATES:
        rate = RATES[known]
        if reading.source_fps is None:
            assumed.append(Assumption("source_fps", f"{rate:g} fps", f"as {known} and its models have"))
    fps = reading.source_fps or rate or 30.0
    number, animations, note = chosen(path, _names(beside, batch), [n / fps for n in lengths], reading)
    joints = found.joints[number, : lengths[number]]
    skeleton = found.joint_set.skeleton if found.joint_set else _sticks(joints)
    if not np.isfinite(joints).any():
        raise FormatError(path, "every joint is missing", where)
    clip = Clip(
        joints,
        skeleton,
        confidence=None if found.confidence is None else found.confidence[number, : lengths[number]],
        fps=rate,
        upright=found.joint_set is not None,
    )
    kind = f"joint positions ({known}, {count} joints)" if known else f"positions of {count} joints"
    return Contents(kind, (clip,), animations, (*assumed, *note))


def remedy(*shapes: tuple[int, ...]) -> str:
    """What to do with arrays that are no motion that is known.

    Args:
        shapes: of the arrays; whether one of them can be positions of joints decides.
    """
    known = "positions [T, J, 3] of SMPL, SMPL-X, HumanML3D, COCO, OpenPose, Human3.6M, ..."
    if any(len(shape) >= 3 and 3 in shape for shape in shapes):
        return (
            f"read are {known}; of others say which joint is which: "
            '--joints map.json with {"pelvis": "0", "left_hip": "1", ...}'
        )
    return (
        f"read are {known}, features with 263, 251 or 272 numbers a frame, and pose parameters of SMPL; write one of "
        "these, or BVH, with the program that this is from"
    )


def positions_of(path: str | os.PathLike[str]) -> tuple[str, np.ndarray, Mapping[str, np.ndarray]]:
    """The array of a file that holds positions, its name ("" in a .npy), and the small arrays beside it.

    Raises:
        FormatError: damaged, or several arrays of which none is likelier.
    """
    if not is_npz(path):
        return "", read_npy(path, MAX_BYTES), {}
    shapes = npz_shapes(path)
    usable = [name for name, (shape, kind) in shapes.items() if kind in "iuf" and 2 <= len(shape) <= 5]
    usable.sort(key=lambda name: NAMES.index(name) if name in NAMES else len(NAMES))
    for name in usable:
        array = read_npz(path, MAX_BYTES, names={name})[name]
        if joint_array(sensible(array)) is not None:
            return name, array, read_npz(path, MAX_BYTES, names=_SIDE_ARRAYS)
    if len(usable) == 1:
        return (
            usable[0],
            read_npz(path, MAX_BYTES, names=set(usable))[usable[0]],
            read_npz(path, MAX_BYTES, names=_SIDE_ARRAYS),
        )
    raise FormatError(
        path,
        f"none of its arrays holds joints of a person ({listed(shapes)})",
        hint=remedy(*(shape for shape, _ in shapes.values())),
    )


def listed(shapes: Mapping[str, tuple[tuple[int, ...], str]]) -> str:
    """Arrays with their shapes, for people."""
    parts = [f"{name[:24]} {list(shape)}" for name, (shape, _) in list(shapes.items())[:_LISTED]]
    return ", ".join(parts) + (f" and {len(shapes) - _LISTED} more" if len(shapes) > _LISTED else "")


def joint_array(array: np.ndarray) -> JointArray | None:
    """An array as positions of a person; None where no order of its axes and joints gives one."""
    if not array.size:
        return None
    best: JointArray | None = None
    for view in _views(array):
        joints = np.where((view[..., :3] == 0).all(axis=(-1, -2), keepdims=True), np.nan, view[..., :3])
        known, misfit = joint_set(joints[0])
        if known is not None and (best is None or misfit < best.misfit):
            kept = joints[:, :, : len(known.skeleton)]
            confidence = None
            if view.shape[-1] == 4:
                confidence = np.clip(np.nan_to_num(view[:, :, : len(known.skeleton), 3]), 0.0, 1.0)
                kept = np.where(confidence[..., None] > 0, kept, np.nan)
            best = JointArray(kept, confidence, known, misfit)
    return best


def _views(array: np.ndarray) -> Iterator[np.ndarray]:
    """All ways to take an array as [B, T, J, 3], or [B, T, J, 4] with a confidence."""
    known = counts()
    array = array[..., 0] if array.ndim > 3 and array.shape[-1] == 1 else array
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 5:
        array = array.reshape(-1, *array.shape[2:])
    if array.ndim in (2, 3) and array.shape[-1] % 3 == 0 and array.shape[-1] // 3 in known:
        flat = array.reshape(*array.shape[:-1], -1, 3)
        yield flat if flat.ndim == 4 else flat[None]
    if array.ndim == 2 and array.shape[0] in known and array.shape[1] in (3, 4):
        yield array[None, None]
    if array.ndim not in (3, 4):
        return
    for joint, axis in permutations(range(array.ndim), 2):
        if array.shape[joint] in known and array.shape[axis] in (3, 4):
            rest = [other for other in range(array.ndim) if other not in (joint, axis)]
            if array.shape[axis] == 4 and axis != array.ndim - 1:
                continue
            view = array.transpose(*rest, joint, axis)
            yield view[None] if view.ndim == 3 else _time_second(view)


def _time_second(view: np.ndarray) -> np.ndarray:
    """[B, T, J, 3] from two axes of which one is time: along it, poses change least."""
    if 1 in view.shape[:2]:
        return view
    poses = view[..., :3] - view[..., :1, :3]
    first, second = _change(poses[:_LOOKED, :4]), _change(poses[:4, :_LOOKED].swapaxes(0, 1))
    return view.swapaxes(0, 1) if 0 < first < 0.5 * second else view


def _change(poses: np.ndarray) -> float:
    """How much poses [T, ...] change from one to the next in the middle; 0 where none is there."""
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.abs(np.diff(poses, axis=0)).mean(axis=(-1, -2))
    there = steps[np.isfinite(steps) & (steps > 0)]
    return float(np.median(there)) if len(there) else 0.0


def _unnamed(array: np.ndarray) -> JointArray | None:
    """Positions [T, J, 3] of joints that the user names by their numbers."""
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 2 and array.shape[1] % 3 == 0:
        array = array.reshape(len(array), -1, 3)
    if array.ndim != 3 or array.shape[2] != 3 or not 0 < array.shape[1] <= _MOST_JOINTS:
        return None
    return JointArray(array[None], None, None, np.inf)


def _sticks(joints: np.ndarray) -> Skeleton:
    """A tree of joints with numbers for names: each hangs on the one to which its distance changes least.

    Built from joint 0 as a shortest spanning tree over how much distances change, short bones before long ones.
    """
    sample = joints[np.linspace(0, len(joints) - 1, min(len(joints), 32)).astype(int)]
    count = joints.shape[1]
    parents, cost, nearest = [-1] * count, np.full(count, np.inf), np.zeros(count, int)
    left, joint = set(range(1, count)), 0
    while left:
        distance = np.linalg.norm(sample - sample[:, joint : joint + 1], axis=-1)
        change = np.nan_to_num(distance.std(axis=0) + 0.05 * distance.mean(axis=0), nan=1e9)
        closer = change < cost
        cost[closer], nearest[closer] = change[closer], joint
        joint = min(left, key=lambda other: cost[other])
        parents[joint] = int(nearest[joint])
        left.remove(joint)
    rest = np.nan_to_num(joints[0])
    return Skeleton(tuple(str(number) for number in range(count)), tuple(parents), rest)


def _lengths(beside: Mapping[str, np.ndarray], joints: np.ndarray) -> list[int]:
    """Frames of each sample: as an array `lengths` says, else without a tail of frames that are all missing."""
    batch, frames = joints.shape[:2]
    said = beside.get("lengths")
    if said is not None and said.dtype.kind in "iu" and said.size == batch:
        return [int(min(max(length, 1), frames)) for length in said.reshape(-1)]
    there = np.isfinite(joints).any(axis=(-1, -2))
    return [int(np.flatnonzero(row)[-1]) + 1 if row.any() else frames for row in there]


def _names(beside: Mapping[str, np.ndarray], batch: int) -> list[str]:
    """Names of samples: their texts where the file has them and they differ."""
    text = beside.get("text")
    if text is not None and text.dtype.kind == "U" and text.size == batch:
        names = [str(each)[:80] for each in text.reshape(-1)]
        if len(set(names)) == batch:
            return names
    return [str(number) for number in range(batch)]
