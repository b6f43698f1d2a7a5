"""The lens among the named fields of a camera file, as programs call it, in JSON or arrays."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.json_numbers import flat, number, numbers
from kinema.scene.formats.reading import Assumption

INTRINSICS = (
    "intrinsics",
    "intrinsic",
    "cam_intrinsics",
    "camera_intrinsics",
    "K",
    "Ks",
    "cam_K",
    "camera_matrix",
)
"""Matrices [3, 3], or fx, fy, cx, cy."""

SIZES = (
    ("imW", "imH"),
    ("image_width", "image_height"),
    ("img_width", "img_height"),
    ("width", "height"),
    ("w", "h"),
    ("W", "H"),
)
ANGLES = (("fovx", "fovy"), ("fov_x", "fov_y"), ("FovX", "FovY"), ("camera_angle_x", "camera_angle_y"))
"""Across and upright, in radians, or degrees where they are more than pi."""

_SIZE = (1000, 1000)  # of the pixels of an angle without a picture's size

Path = str | os.PathLike[str]
Lens = tuple[np.ndarray | None, tuple[int, int] | None, tuple[Assumption, ...]]


def lens(path: Path, fields: dict[str, Any], frames: int) -> Lens:
    """Intrinsics [frames, 4], the picture's size and what was assumed; None where there is no lens.

    Raises:
        FormatError: naming the field that is wrong.
    """
    size = _size(path, fields)
    name = next((each for each in INTRINSICS if isinstance(fields.get(each), list)), None)
    if name is None:
        return _of_angles(path, fields, frames, size)
    found = _matrices(path, fields[name], frames, name)
    if size is not None:
        return found, size, ()
    size = (round(2 * float(found[0, 2])), round(2 * float(found[0, 3])))
    if not (min(size) >= 2 and max(size) <= 65536):
        return None, None, (Assumption("camera_fov", "its lens is not read", "no size of a picture to it"),)
    why = "twice the principal point, the file does not say"
    return found, size, (Assumption("camera_fov", f"pictures are {size[0]}x{size[1]}", why),)


def _matrices(path: Path, given: list[Any], frames: int, name: str) -> np.ndarray:
    whole = len(flat(given)) in (4, 9) and not (
        frames > 1 and len(given) == frames and len(flat(given[0])) > 3
    )
    each = [given] * frames if whole else given
    if len(each) != frames:
        raise FormatError(path, f"{len(each)} intrinsics for {frames} cameras", where=name)
    rows = []
    for index, entry in enumerate(each):
        entries = flat(entry)
        if len(entries) == 16:  # 4x4
            entries = [entries[row * 4 + column] for row in range(3) for column in range(3)]
        values = numbers(path, entries, 9 if len(entries) == 9 else 4, f"{name}[{index}]")
        rows.append(values[[0, 4, 2, 5]] if len(values) == 9 else values)
    found = np.array(rows)
    if (found[:, :2] <= 0).any():
        raise FormatError(path, "a focal length is not positive", where=name)
    return found


def _of_angles(path: Path, fields: dict[str, Any], frames: int, size: tuple[int, int] | None) -> Lens:
    """Intrinsics by the angles of view."""
    names = next((pair for pair in ANGLES if any(fields.get(each) is not None for each in pair)), None)
    if names is None:
        return None, None, ()
    width, height = size or _SIZE
    focal: list[np.ndarray | None] = []
    for name, side in zip(names, (width, height), strict=True):
        if fields.get(name) is None:
            focal.append(None)
            continue
        entries = flat(fields[name])
        angles = numbers(path, entries, 1 if len(entries) == 1 else frames, name)
        angles = np.where(angles > np.pi, np.radians(angles), angles)
        if not ((angles > 1e-3) & (angles < np.pi)).all():
            raise FormatError(path, "holds no angle of view", where=name)
        focal.append(np.broadcast_to(side / 2 / np.tan(angles / 2), (frames,)))
    fx, fy = focal
    fx = fy if fx is None else fx
    fy = fx if fy is None else fy
    assert fx is not None
    assert fy is not None
    middle = np.broadcast_to(np.array([width, height]) / 2, (frames, 2))
    return np.concatenate([fx[:, None], fy[:, None], middle], axis=1), (width, height), ()


def _size(path: Path, fields: dict[str, Any]) -> tuple[int, int] | None:
    """The picture's size; of lists with one entry a frame the first."""
    sides = next((pair for pair in SIZES if pair[0] in fields and pair[1] in fields), None)
    if sides is None:
        return None
    values = {side: (flat(fields[side]) or [None])[0] for side in sides}
    width, height = (number(path, values, side, "") or 0 for side in sides)
    if not (1 <= width <= 65536 and 1 <= height <= 65536):
        raise FormatError(path, f"{width:g} x {height:g} is no size of a picture", where=sides[0])
    return round(width), round(height)
