"""What readers of plain arrays share: numbers that are sensible, features in the last axis, one sample of several."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_npz
from kinema.scene.formats.kinematics import MAX_JOINT_FRAMES, as_floats
from kinema.scene.formats.reading import Animation, Assumption, MotionReading

MAX_BYTES = 1 << 29
"""Largest array file that a reader takes in."""

LARGEST = 1e6
"""Metres, millimetres and radians beyond which a number is no motion of a person (ours)."""

RATE_KEYS = (
    "fps",
    "mocap_framerate",
    "mocap_frame_rate",
    "frame_rate",
    "framerate",
    "mocap_fps",
    "motion_fps",
    "capture_fps",
)
"""Names under which .npz files of the field hold their frame rate."""


def floats(
    path: str | os.PathLike[str], array: np.ndarray, where: str | None = None, *, missing: bool = False
) -> np.ndarray:
    """Numbers of a file as float64.

    Args:
        path: named in errors.
        array: of any shape.
        where: the array's place in the file, named in errors.
        missing: whether NaN may stand for what is missing.

    Raises:
        FormatError: not numbers, or a number that is none or far too large; its place is named.
    """
    if array.dtype.kind not in "iuf":
        raise FormatError(path, f"holds {array.dtype}, not numbers", where)
    array = as_floats(array)
    with np.errstate(invalid="ignore"):
        fits = np.abs(array) < LARGEST
    wrong = ~(fits | np.isnan(array)) if missing else ~fits
    if wrong.any():
        at = np.unravel_index(int(np.argmax(wrong)), array.shape)
        raise FormatError(path, f"{array[at]} at {[int(i) for i in at]} is no finite, sensible number", where)
    return array


def sensible(array: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
    """Numbers as float64, with `otherwise` for those that are far too large."""
    array = as_floats(array)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(array) < LARGEST, array, otherwise)


def check_length(path: str | os.PathLike[str], frames: int, joints: int) -> None:
    """Refuses more joints times frames than a reader takes in.

    Raises:
        FormatError: too many, or no frames.
    """
    if not frames:
        raise FormatError(path, "has no frames")
    if frames * joints > MAX_JOINT_FRAMES:
        raise FormatError(path, f"{frames} frames are more than {MAX_JOINT_FRAMES // joints}")


def features_last(array: np.ndarray, size: int) -> np.ndarray | None:
    """An array of features as [B, T, size], whichever axis they are in; None where none or two fit.

    Models write [T, size], [B, T, size] and [B, size, 1, T].
    """
    if array.ndim < 2 or array.ndim > 5 or list(array.shape).count(size) != 1:
        return None
    moved = np.moveaxis(array, array.shape.index(size), -1)
    shape = [extent for extent in moved.shape[:-1] if extent != 1] or [1]
    if len(shape) > 2:
        return None
    return moved.reshape(*((1, *shape) if len(shape) == 1 else shape), size)


def chosen(
    path: str | os.PathLike[str],
    names: Sequence[str],
    seconds: Sequence[float],
    reading: MotionReading,
) -> tuple[int, tuple[Animation, ...], tuple[Assumption, ...]]:
    """Which of several samples is read, what there is, and a note where nobody chose.

    Args:
        path: named in errors.
        names: of the samples; "" where there is but one without a name.
        seconds: their lengths.
        reading: its `animation` is a name or a number.

    Raises:
        FormatError: no such sample.
    """
    if len(names) == 1:
        return 0, (), ()
    animations = tuple(Animation(name, length) for name, length in zip(names, seconds, strict=True))
    wanted = reading.animation
    if wanted is None:
        why = f"the file holds {len(names)} samples"
        return 0, animations, (Assumption("animation", f"{names[0]!r} (0)", why, doubtful=True),)
    if wanted in names:
        return names.index(str(wanted)), animations, ()
    number = int(wanted) if str(wanted).isdecimal() else -1
    if not 0 <= number < len(names):
        raise FormatError(
            path, f"has no sample {wanted!r}; there are {len(names)}", hint="count from 0 (--animation 1)"
        )
    return number, animations, ()


def frame_rate(path: str | os.PathLike[str]) -> float | None:
    """The frame rate that an .npz file says; None where it says none.

    Raises:
        FormatError: it is not one positive number.
    """
    return rate_of(path, read_npz(path, MAX_BYTES, names=set(RATE_KEYS)))


def rate_of(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]) -> float | None:
    """The frame rate among arrays; None where there is none.

    Raises:
        FormatError: it is not one positive number.
    """
    for name in RATE_KEYS:
        if name in arrays:
            array = floats(path, arrays[name], f"array {name!r}")
            if array.size != 1 or not 0 < float(array.reshape(())) <= 1e5:
                raise FormatError(path, "must be one positive number", f"array {name!r}")
            return float(array.reshape(()))
    return None
