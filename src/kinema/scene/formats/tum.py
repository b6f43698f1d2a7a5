"""TUM trajectories: `timestamp tx ty tz qx qy qz qw` per line, camera-to-world, seconds and metres.

Lines from "#" on are comments. The format has no intrinsics: the reader is told them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from kinema.scene.camera import CameraPath, intrinsics_from_fov
from kinema.scene.formats.camera_text import (
    check_arguments,
    poses_from_quaternions,
    quaternions_xyzw,
    read_number_lines,
    timed_path,
)
from kinema.scene.formats.files import atomic_write

_LAYOUT = ("timestamp", "tx", "ty", "tz", "qx", "qy", "qz", "qw")


def read(
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int],
    intrinsics: Sequence[float] | None = None,
    fov: float = 40.0,
    fps: float | None = None,
) -> CameraPath:
    """Read a TUM trajectory.

    Args:
        path: the file.
        size: (width, height) of the picture in pixels.
        intrinsics: fx, fy, cx, cy in pixels; by default those of the vertical field of view `fov` (degrees).
        fps: frame rate, where every line is one frame; by default the time stamps tell, and uneven ones are
            resampled by time.

    Raises:
        FormatError: naming the line and field that is wrong.
        ValueError: an argument is out of range.
    """
    check_arguments(size, fps)
    lens = np.array(intrinsics_from_fov(fov, size) if intrinsics is None else intrinsics, dtype=np.float64)
    CameraPath.static(np.eye(4), lens, size, 1.0, 1)  # the caller's numbers, not the file's
    table = read_number_lines(path, _LAYOUT)
    c2w = poses_from_quaternions(table, table.values[:, 1:4], table.values[:, 4:8])
    lenses = np.tile(lens, (len(c2w), 1))
    return timed_path(table, table.values[:, 0], c2w, lenses, size, fps, tick=1e-6)


def write(path: str | os.PathLike[str], camera: CameraPath) -> None:
    """Write the poses of a camera path as a TUM trajectory; the intrinsics are left out."""
    lines = ["# timestamp tx ty tz qx qy qz qw"]
    rows = np.concatenate([camera.positions, quaternions_xyzw(camera.c2w)], axis=1)
    for time, row in zip(camera.times, rows, strict=True):
        lines.append(f"{time:.6f} " + " ".join(f"{number:.12g}" for number in row))
    with atomic_write(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
