"""Matrices line by line: KITTI poses (12 numbers, the upper three rows of camera-to-world) and their relatives.

16 numbers are a whole 4x4 matrix, as Replica and NICE-SLAM have them; one more number in front is a frame's number, as
in KITTI-360. Axes are OpenCV's, and the first camera mostly is the world's origin, so that its Y points down. KITTI
counts metres and runs at 10 frames per second; of 4x4 matrices nothing is known.
"""

from __future__ import annotations

import os

import numpy as np

from kinema.scene.camera import CameraPath
from kinema.scene.formats.camera_reading import CameraContents, CameraReading, CameraTrack
from kinema.scene.formats.camera_text import poses_from_rows, read_number_lines
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write
from kinema.scene.formats.reading import Assumption

COLUMNS = (12, 13, 16, 17)
"""Numbers a line may hold."""

_FPS = 10.0  # of KITTI's cars


def load(path: str | os.PathLike[str], reading: CameraReading, *, columns: int = 12) -> CameraContents:
    """Read poses line by line.

    Args:
        path: the file.
        reading: not used here.
        columns: numbers a line, of `COLUMNS`.

    Raises:
        FormatError: naming the line that is wrong.
    """
    names = [f"m{row}{column}" for row in range(4) for column in range(4)][: 12 if columns < 16 else 16]
    layout = (["frame"] if columns % 2 else []) + names
    table = read_number_lines(path, layout, commas=True)
    rows = table.values[:, len(layout) - len(names) :].reshape(len(table.values), -1, 4)
    c2w = poses_from_rows(table, rows[:, :3])
    if columns >= 16 and np.abs(rows[:, 3] - [0, 0, 0, 1]).max() > 1e-3:
        raise FormatError(path, "the last row of a 4x4 matrix must be 0 0 0 1", hint="row-major matrices")
    if columns % 2:
        times = table.values[:, 0]
        c2w = c2w[np.argsort(times, kind="stable")]
    if columns >= 16:
        return CameraContents("4x4 camera matrices, one a line", CameraTrack(c2w, likely_up="-y"))
    track = CameraTrack(c2w, fps=_FPS, unit=1.0, likely_up="-y")
    assumed = (
        Assumption("camera_fps", f"{_FPS:g} frames per second", "KITTI's own; the file does not say"),
        Assumption("camera_scale", "lengths are metres", "as KITTI has them"),
    )
    return CameraContents("KITTI poses", track, assumed=assumed)


def write(path: str | os.PathLike[str], camera: CameraPath) -> None:
    """Write the poses of a camera path as KITTI does; rate and intrinsics are left out."""
    lines = [" ".join(f"{number:.9e}" for number in pose[:3].ravel()) for pose in camera.c2w]
    with atomic_write(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
