"""TUM trajectories: `timestamp tx ty tz qx qy qz qw` per line, camera-to-world, seconds and metres.

Lines from "#" on are comments. The format has no intrinsics: the reader is told them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from kinema.scene.camera import CameraPath, intrinsics_from_fov
from kinema.scene.formats.camera_reading import CameraContents, CameraReading, CameraTrack
from kinema.scene.formats.camera_text import (
    check_arguments,
    poses_from_quaternions,
    quaternions_xyzw,
    read_number_lines,
    timed_path,
)
from kinema.scene.formats.files import atomic_write, read_bytes
from kinema.scene.formats.reading import Assumption

_LAYOUT = ("timestamp", "tx", "ty", "tz", "qx", "qy", "qz", "qw")
_OWN = "# kinema: metres, Y up, in the world of the shot"
"""Stands in Kinema's own files; nothing else says which way is up."""

_FROM_ROBOT = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
"""Takes x ahead, y left, z up to camera axes."""


def load(path: str | os.PathLike[str], reading: CameraReading) -> CameraContents:
    """Read a TUM trajectory, whatever its name.

    Raises:
        FormatError: naming the line and field that is wrong.
    """
    table = read_number_lines(path, _LAYOUT, commas=True)
    c2w = poses_from_quaternions(table, table.values[:, 1:4], table.values[:, 4:8])
    own = _OWN.encode() in read_bytes(path)[:1000]
    assumed = [] if own else [Assumption("camera_scale", "lengths are metres", "as TUM has them")]
    if _is_robot(c2w):
        c2w = c2w @ _FROM_ROBOT
        assumed.append(
            Assumption("", "x looks ahead and z up", "poses of a robot, of which none tilts", doubtful=True)
        )
    from_origin = np.trace(c2w[0, :3, :3]) > 2.98  # a camera's own world, as SLAM has it, and no room's
    track = CameraTrack(
        c2w,
        times=table.values[:, 0],
        unit=1.0,
        up="y" if own else None,
        axis_up=not from_origin,
        placed=own,
    )
    return CameraContents("TUM trajectory", track, assumed=tuple(assumed))


def _is_robot(c2w: np.ndarray) -> bool:
    """Whether poses turn about z alone, as robots on the ground do; a camera would spin about its optical axis."""
    return bool((c2w[:, 2, 2] > 0.95).mean() > 0.95 and (c2w[:, 1, 1] < 0.9).any())


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
    lines = ["# timestamp tx ty tz qx qy qz qw", _OWN]
    rows = np.concatenate([camera.positions, quaternions_xyzw(camera.c2w)], axis=1)
    for time, row in zip(camera.times, rows, strict=True):
        lines.append(f"{time:.6f} " + " ".join(f"{number:.12g}" for number in row))
    with atomic_write(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
