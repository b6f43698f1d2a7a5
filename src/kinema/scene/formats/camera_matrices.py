"""Lists of matrices in JSON: MotionCtrl's camera poses, and objects that name them w2c or c2w (AC3D and others).

MotionCtrl: [T][12], [T][3][4] or {"RT": ...}, the upper three rows of world-to-camera. Objects hold `w2c`, `c2w`,
`extrinsics` (world-to-camera) or `poses` (camera-to-world), OpenCV axes, and may hold `intrinsics`, the picture's size
and `fps`. The unit is arbitrary; the first camera mostly is the world's origin.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from kinema.scene.camera import MAX_FRAMES, invert_rigid
from kinema.scene.formats.camera_reading import CameraContents, CameraReading, CameraTrack
from kinema.scene.formats.camera_text import rigid
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_text
from kinema.scene.formats.json_numbers import flat, matrix, number, numbers, parse
from kinema.scene.formats.reading import Assumption

NAMES = {
    "w2c": True,
    "w2cs": True,
    "extrinsics": True,
    "extrinsic": True,
    "RT": True,
    "c2w": False,
    "c2ws": False,
    "poses": False,
    "cam_c2w": False,
    "camera_to_world": False,
}
"""Under which names an object holds its matrices, and whether they are world-to-camera."""

_SIZES = (("imW", "imH"), ("width", "height"), ("w", "h"), ("W", "H"))


def load(path: str | os.PathLike[str], reading: CameraReading) -> CameraContents:
    """Read such a list.

    Raises:
        FormatError: naming the entry that is wrong.
    """
    document = parse(path, read_text(path, 1 << 27))
    fields: dict[str, Any] = document if isinstance(document, dict) else {}
    name = next((each for each in NAMES if each in fields), "")
    entries = fields[name] if name else document
    if isinstance(entries, dict):  # by number or name of the frame
        entries = list(entries.values())
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_FRAMES:
        raise FormatError(path, "is no list of camera matrices")
    rows = np.array([matrix(path, entry, f"{name}[{each}]") for each, entry in enumerate(entries)])
    poses = rigid(path, rows, lambda row: f"{name}[{row}]")
    inverse = NAMES.get(name, True)
    intrinsics, size = _lens(path, fields, len(poses))
    track = CameraTrack(
        invert_rigid(poses) if inverse else poses,
        intrinsics,
        size,
        fps=number(path, fields, "fps", ""),
        unit=number(path, fields, "metric_scale", "") and 1.0,
        likely_up="-y",
    )
    if name:
        return CameraContents(f"camera matrices in JSON ({name})", track)
    held = Assumption("", "matrices are world-to-camera", "as MotionCtrl has them")
    return CameraContents("camera poses of MotionCtrl", track, assumed=(held,))


def _lens(
    path: str | os.PathLike[str], fields: dict[str, Any], frames: int
) -> tuple[np.ndarray | None, tuple[int, int] | None]:
    """Intrinsics [frames, 4] and size, where the object has both."""
    given = next(
        (fields[name] for name in ("intrinsics", "intrinsic", "K") if fields.get(name) is not None), None
    )
    sides = next((pair for pair in _SIZES if pair[0] in fields and pair[1] in fields), None)
    if given is None or sides is None or not isinstance(given, list):
        return None, None
    width, height = (number(path, fields, side, "") or 0 for side in sides)
    if not (1 <= width <= 65536 and 1 <= height <= 65536):
        raise FormatError(path, f"{width:g} x {height:g} is no size of a picture", where=sides[0])
    whole = len(flat(given)) in (4, 9)
    each = [given] * frames if whole else given
    if len(each) != frames:
        raise FormatError(path, f"{len(each)} intrinsics for {frames} cameras", where="intrinsics")
    rows = []
    for index, entry in enumerate(each):
        where = f"intrinsics[{index}]"
        entries = flat(entry)
        values = numbers(path, entries, 9 if len(entries) == 9 else 4, where)
        rows.append(values[[0, 4, 2, 5]] if len(values) == 9 else values)
    found = np.array(rows)
    if (found[:, :2] <= 0).any():
        raise FormatError(path, "a focal length is not positive", where="intrinsics")
    return found, (round(width), round(height))
