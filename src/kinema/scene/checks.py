"""What makes a motion legal, and errors that say where it is not."""

from __future__ import annotations

import numpy as np

from kinema.scene.skeleton import Skeleton


def floats(values: object, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """A float64 copy of the expected shape (None: any size of at least one)."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not an array of numbers ({error})") from None
    wanted = "[" + ", ".join("T" if size is None else str(size) for size in shape) + "]"
    if array.ndim != len(shape) or any(
        size is not None and size != n for size, n in zip(shape, array.shape, strict=True)
    ):
        raise ValueError(f"{name} has shape {list(array.shape)}; the skeleton and frames ask for {wanted}")
    if len(array) == 0:
        raise ValueError(f"{name} has no frames; give at least one")
    return array


def check_missing(values: np.ndarray, name: str, skeleton: Skeleton) -> None:
    """Infinite numbers and half-missing joints are mistakes, not missing data."""
    infinite = np.isinf(values).any(-1)
    if infinite.any():
        raise ValueError(f"{name} at {place(infinite, skeleton)} is infinite; mark missing joints by NaN")
    nan = np.isnan(values)
    partly = nan.any(-1) & ~nan.all(-1)
    if partly.any():
        raise ValueError(
            f"{name} at {place(partly, skeleton)} is NaN in some numbers only; a missing joint is NaN in all"
        )


def check_confidence(confidence: np.ndarray, skeleton: Skeleton) -> None:
    """Confidence is a number from 0 to 1."""
    wrong = ~((confidence >= 0) & (confidence <= 1))
    if wrong.any():
        spot = place(wrong, skeleton)
        raise ValueError(f"confidence at {spot} is {confidence[wrong][0]}; give numbers from 0 to 1")


def check_fps(fps: object) -> float:
    """The frame rate as a float."""
    if isinstance(fps, bool) or not isinstance(fps, (int, float, np.integer, np.floating)):
        raise ValueError(f"fps is {fps!r}; give a positive number of frames per second")
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps is {fps!r}; give a positive number of frames per second")
    return float(fps)


def unit(rotations: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Quaternions scaled to unit length; lengths off by more than 1 % are mistakes."""
    with np.errstate(over="ignore"):
        norm = np.linalg.norm(rotations, axis=-1)
    wrong = np.abs(norm - 1) > 1e-2
    if wrong.any():
        raise ValueError(
            f"the quaternion at {place(wrong, skeleton)} has length {norm[wrong][0]:.4g}; give unit "
            "quaternions wxyz"
        )
    off = np.abs(norm - 1) > 1e-9  # leaves exact ones as they are, so that files round-trip bit for bit
    return np.where(off[..., None], rotations / norm[..., None], rotations)


def place(where: np.ndarray, skeleton: Skeleton) -> str:
    """The first frame and joint where [T, J] holds, in words."""
    frame, joint = np.argwhere(where)[0]
    return f"frame {frame}, joint {skeleton.names[joint]!r}"


def read_only(array: np.ndarray) -> np.ndarray:
    """The array, closed for writing."""
    array.flags.writeable = False
    return array


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) as positive whole numbers.

    Raises:
        ValueError: anything else.
    """
    if len(size) != 2 or any(int(side) != side or side < 1 for side in size):
        raise ValueError(f"size must be (width, height) in whole pixels, got {size!r}")
    return int(size[0]), int(size[1])


def check_shape(name: str, value: np.ndarray, shape: tuple[int | None, ...]) -> np.ndarray:
    """The value as float64 of the given shape; None in `shape` is any length.

    Raises:
        ValueError: another shape.
    """
    array = np.asarray(value, np.float64)
    if array.ndim != len(shape) or any(
        want not in (None, have) for want, have in zip(shape, array.shape, strict=True)
    ):
        wanted = ", ".join("any" if side is None else str(side) for side in shape)
        raise ValueError(f"{name} must have the shape [{wanted}], got {list(array.shape)}")
    return array
