"""Checks of what comes in, shared by the drawing functions."""

from __future__ import annotations

import numpy as np


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
