"""Kinema's own file: a motion as a plain .npz of numbers and text, no pickle.

Arrays: `format` ("kinema.motion"), `version` (1), `joints` [T, J, 3] metres, Y up, `fps`, `names` [J],
`parents` [J], `rest` [J, 3] and, where the motion has them, `rotations` [T, J, 4] quaternions wxyz and
`confidence` [T, J].
A scene file (`Scene.save`) holds the same arrays once per person, under a prefix.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_npz
from kinema.scene.formats.kinematics import MAX_JOINT_FRAMES, MAX_JOINTS, as_floats
from kinema.scene.motion import Motion
from kinema.scene.skeleton import Skeleton

if TYPE_CHECKING:
    from kinema.scene.formats.reading import Contents, MotionReading

FORMAT = "kinema.motion"
SCENE_FORMAT = "kinema.scene"
VERSION = 1

_REQUIRED = ("joints", "fps", "names", "parents", "rest")
_OPTIONAL = ("rotations", "confidence")


def load(path: str | os.PathLike[str], reading: MotionReading) -> Contents:
    """Read a motion file, or a scene file.

    Raises:
        FormatError: not such a file, a newer version, or arrays that do not fit together.
    """
    from kinema.scene.formats.reading import Clip, Contents
    from kinema.scene.scene import Scene

    head = read_npz(path, names={"format", "version"})
    tag = _text(head, "format")
    if tag == SCENE_FORMAT:
        return Contents("Kinema scene", (), scene=Scene.load(path))
    if tag != FORMAT:
        problem = f"is {tag[:40]!r}, not {FORMAT!r}" if tag else "is no Kinema motion file"
        raise FormatError(path, problem, "array 'format'")
    version = _number(head, path, "version")
    if version != VERSION:
        raise FormatError(
            path, f"version {version:g}; this reader knows {VERSION}", "array 'version'", "upgrade kinema"
        )
    motion = motion_from_arrays(read_npz(path, names={*_REQUIRED, *_OPTIONAL}), path, "")
    return Contents("Kinema motion", (Clip.of(motion),))


def write(path: str | os.PathLike[str], motion: Motion) -> None:
    """Write one motion; every number is kept as it is."""
    arrays = {"format": np.array(FORMAT), "version": np.array(VERSION), **motion_to_arrays(motion)}
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def motion_to_arrays(motion: Motion, prefix: str = "") -> dict[str, np.ndarray]:
    """The arrays that hold a motion, each name starting with `prefix`."""
    skeleton = motion.skeleton
    arrays = {
        "joints": np.asarray(motion.joints),
        "fps": np.array(float(motion.fps)),
        "names": np.array(skeleton.names, dtype=np.str_),
        "parents": np.array(skeleton.parents, dtype=np.int32),
        "rest": np.asarray(skeleton.rest),
    }
    if motion.rotations is not None:
        arrays["rotations"] = np.asarray(motion.rotations)
    if motion.confidence is not None:
        arrays["confidence"] = np.asarray(motion.confidence)
    return {prefix + name: array for name, array in arrays.items()}


def motion_from_arrays(
    arrays: Mapping[str, np.ndarray], path: str | os.PathLike[str], prefix: str = ""
) -> Motion:
    """The motion held by arrays made with `motion_to_arrays`; `path` is named in errors.

    Raises:
        FormatError: an array is missing, of the wrong kind or shape, or the motion is not a legal one.
    """
    for name in _REQUIRED:
        if prefix + name not in arrays:
            raise FormatError(path, "is missing", where=f"array {prefix + name!r}")
    joints = _floats(arrays, path, prefix + "joints", (None, None, 3))
    frames, count = joints.shape[:2]
    if not 1 <= count <= MAX_JOINTS:
        raise FormatError(
            path, f"{count} joints, expected 1 to {MAX_JOINTS}", where=f"array {prefix + 'joints'!r}"
        )
    names = arrays[prefix + "names"]
    if names.dtype.kind != "U" or names.shape != (count,):
        raise FormatError(path, f"must hold {count} texts", where=f"array {prefix + 'names'!r}")
    parents = arrays[prefix + "parents"]
    if parents.dtype.kind not in "iu" or parents.shape != (count,):
        raise FormatError(path, f"must hold {count} whole numbers", where=f"array {prefix + 'parents'!r}")
    rest = _floats(arrays, path, prefix + "rest", (count, 3))
    rotations = confidence = None
    if prefix + "rotations" in arrays:
        rotations = _floats(arrays, path, prefix + "rotations", (frames, count, 4))
    if prefix + "confidence" in arrays:
        confidence = _floats(arrays, path, prefix + "confidence", (frames, count))
    fps = _number(arrays, path, prefix + "fps")
    try:
        skeleton = Skeleton(tuple(str(name) for name in names), tuple(int(p) for p in parents), rest)
        return Motion(joints, fps, skeleton, rotations=rotations, confidence=confidence)
    except ValueError as error:
        raise FormatError(path, str(error), where=f"motion {prefix!r}" if prefix else None) from error


def _text(arrays: Mapping[str, np.ndarray], name: str) -> str | None:
    array = arrays.get(name)
    return str(array) if array is not None and array.dtype.kind == "U" and array.shape == () else None


def _number(arrays: Mapping[str, np.ndarray], path: str | os.PathLike[str], name: str) -> float:
    array = arrays.get(name)
    if array is None or array.dtype.kind not in "iuf" or array.size != 1:
        raise FormatError(path, "must hold one number", where=f"array {name!r}")
    return float(array.reshape(()))


def _floats(
    arrays: Mapping[str, np.ndarray], path: str | os.PathLike[str], name: str, shape: tuple[int | None, ...]
) -> np.ndarray:
    array = arrays[name]
    fits = array.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if array.dtype.kind not in "iuf" or not fits:
        wanted = "[" + ", ".join("any" if extent is None else str(extent) for extent in shape) + "]"
        raise FormatError(
            path,
            f"must hold numbers of shape {wanted}, has {array.dtype} {list(array.shape)}",
            where=f"array {name!r}",
        )
    if array.size > 4 * MAX_JOINT_FRAMES:
        raise FormatError(path, f"holds more than {MAX_JOINT_FRAMES} joints", where=f"array {name!r}")
    return as_floats(array)
