"""TUM trajectories: `timestamp tx ty tz qx qy qz qw` per line, camera-to-world, seconds and metres.

Lines from "#" on are comments. The format has no intrinsics: the reader is told them. Without the timestamp it is what
TartanAir has (north, east, down: x ahead, y right, z down) and programs of SLAM write; then every line is a frame.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kinema.scene.camera import CameraPath, intrinsics_from_fov
from kinema.scene.formats.camera_reading import CameraContents, CameraReading, CameraTrack
from kinema.scene.formats.camera_text import (
    NumberLines,
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


_FROM_NED = np.array([[0.0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
"""Takes x ahead, y right, z down to camera axes."""


def load(path: str | os.PathLike[str], reading: CameraReading, *, timed: bool = True) -> CameraContents:
    """Read a TUM trajectory, whatever its name; lines of a lost camera are left out.

    Args:
        path: the file.
        reading: its `up` may say that poses are no drone's.
        timed: whether lines begin with a time stamp.

    Raises:
        FormatError: naming the line and field that is wrong.
    """
    if not timed:
        return _load_untimed(path, reading)
    table = read_number_lines(path, _LAYOUT, commas=True, lost=True)
    c2w = poses_from_quaternions(table, table.values[:, 1:4], table.values[:, 4:8])
    own = _OWN.encode() in read_bytes(path)[:1000]
    assumed = _left_out(table)
    if not own:
        assumed.append(Assumption("camera_scale", "lengths are metres", "as TUM has them"))
    if _is_robot(c2w):
        c2w = c2w @ _FROM_ROBOT
        assumed.append(
            Assumption("", "x looks ahead and z up", "poses of a robot, of which none tilts", doubtful=True)
        )
    track = CameraTrack(
        c2w,
        times=table.values[:, 0],
        unit=1.0,
        up="y" if own else None,
        axis_up=not _from_origin(c2w),
        placed=own,
    )
    return CameraContents("TUM trajectory", track, assumed=tuple(assumed))


def _load_untimed(path: str | os.PathLike[str], reading: CameraReading) -> CameraContents:
    table = read_number_lines(path, _LAYOUT[1:], commas=True, lost=True)
    c2w = poses_from_quaternions(table, table.values[:, :3], table.values[:, 3:7])
    assumed = _left_out(table)
    drone = c2w @ _FROM_NED
    if reading.up not in ("auto", "-z") or not (reading.up == "-z" or _is_drone(path, c2w)):
        track = CameraTrack(c2w, likely_up="-y", axis_up=not _from_origin(c2w))
        return CameraContents("TUM trajectory without time stamps", track, assumed=tuple(assumed))
    why = "as TartanAir has them, for the camera stands so; --camera-up -y: x right, y down, z ahead"
    assumed.append(Assumption("camera_up", "x looks ahead, y right and z down", why, doubtful=True))
    assumed.append(Assumption("camera_scale", "lengths are metres", "as TartanAir has them"))
    track = CameraTrack(drone, unit=1.0, up="-z")
    return CameraContents("TartanAir poses (north, east, down)", track, assumed=tuple(assumed))


def _left_out(table: NumberLines) -> list[Assumption]:
    """What is to be said of lines that were left out."""
    if not table.lost:
        return []
    why = "the camera was lost there; what lies between is interpolated where there are times"
    return [Assumption("", f"{table.lost} lines are left out", why, doubtful=True)]


def _from_origin(c2w: np.ndarray) -> bool:
    """Whether the world is the first camera's own, as SLAM has it, and no room's."""
    return bool(np.trace(c2w[0, :3, :3]) > 2.98)


def _is_drone(path: str | os.PathLike[str], c2w: np.ndarray) -> bool:
    """Whether poses have z down and turn about it, by name or as they stand; a camera would look down, rolling."""
    name = Path(path).name.lower()
    if name.startswith(("pose_left", "pose_right", "pose_lcam", "pose_rcam")) or "tartan" in name:
        return True
    return bool(
        not _from_origin(c2w)
        and c2w[:, 2, 2].mean() > 0.7
        and c2w[:, 1, 1].mean() < c2w[:, 2, 2].mean() - 0.2
    )


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
