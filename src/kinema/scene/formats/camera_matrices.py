"""Lists of matrices in JSON: MotionCtrl's camera poses, and objects that name them w2c or c2w (AC3D and others).

MotionCtrl: [T][12], [T][3][4] or {"RT": ...}, the upper three rows of world-to-camera. Objects hold `w2c`, `c2w`,
`extrinsics` (world-to-camera) or `poses` (camera-to-world), OpenCV axes (`camera_sides` notices others), and may hold
intrinsics or angles of view (`camera_lens`), the picture's size and `fps`. The unit is arbitrary; the first camera mostly
is the world's origin.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np

from kinema.scene.camera import MAX_FRAMES
from kinema.scene.formats.camera_lens import lens
from kinema.scene.formats.camera_reading import CameraContents, CameraReading, CameraTrack
from kinema.scene.formats.camera_sides import SIDES, to_opencv
from kinema.scene.formats.camera_text import rigid
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_text
from kinema.scene.formats.json_numbers import matrix, number, parse
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
    "cam2world": False,
    "camera_poses": False,
    "cam_poses": False,
    "world_view": True,
    "world_to_camera": True,
    "cam_w2c": True,
    "viewmats": True,
}
"""Under which names an object holds its matrices, and whether they are world-to-camera."""


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
    if name:
        return contents(path, rows, fields, f"camera matrices in JSON ({name})", name, reading)
    held = Assumption("camera_format", "matrices are world-to-camera", "as MotionCtrl has them")
    found = contents(path, rows, fields, "camera poses of MotionCtrl", "RT", reading)
    return found if reading.format in SIDES else replace(found, assumed=(held, *found.assumed))


def contents(
    path: str | os.PathLike[str],
    rows: np.ndarray,
    fields: dict[str, Any],
    kind: str,
    name: str,
    reading: CameraReading,
) -> CameraContents:
    """Matrices, and the lens and rate among what stands beside them.

    Args:
        path: for the errors.
        rows: upper three rows of each, [N, 3, 4].
        fields: what stands beside them, by name.
        kind: what the file is.
        name: under which they were; of `NAMES` it says which way they go.
        reading: its `format` says it, too.

    Raises:
        FormatError: naming the entry that is wrong.
    """
    poses = rigid(path, rows, lambda row: f"{name}[{row}]")
    c2w, sides = to_opencv(poses, inverse=NAMES.get(name), asked=reading.format)
    intrinsics, size, assumed = lens(path, fields, len(poses))
    track = CameraTrack(
        c2w,
        intrinsics,
        size,
        fps=number(path, fields, "fps", ""),
        unit=number(path, fields, "metric_scale", "") and 1.0,
        likely_up="-y",
    )
    return CameraContents(kind, track, assumed=(*sides, *assumed))
