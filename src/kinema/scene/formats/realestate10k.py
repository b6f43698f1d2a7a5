"""RealEstate10K camera files, as CameraCtrl and others use them.

The first line is the address of the video; then a line per frame: `timestamp fx fy cx cy 0 0` and twelve
numbers, the upper three rows of world-to-camera. fx, cx are fractions of the width, fy, cy of the height;
time stamps are microseconds. The unit of length is the structure-from-motion's own, not the metre. VideoX-Fun and
Wan-Fun have the same layout with an empty first line and time stamps that are all 0.
"""

from __future__ import annotations

import os

import numpy as np

from kinema.scene.camera import CameraPath, invert_rigid
from kinema.scene.formats.camera_reading import CameraContents, CameraReading, CameraTrack
from kinema.scene.formats.camera_text import (
    MAX_FRACTION,
    NumberLines,
    check_arguments,
    check_focal,
    poses_from_rows,
    read_number_lines,
    timed_path,
)
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write
from kinema.scene.formats.reading import Assumption

_LAYOUT = (
    *("timestamp", "fx", "fy", "cx", "cy", "k1", "k2"),
    *(f"m{row}{column}" for row in range(3) for column in range(4)),
)
_HEIGHT = 720  # of the pixels that fractions are turned into; CameraCtrl's
_URL = "kinema"
"""Stands in Kinema's own files where others have the video's address: they are in metres, in the world of the shot."""


def load(path: str | os.PathLike[str], reading: CameraReading) -> CameraContents:
    """Read a RealEstate10K camera file, with or without the line in front.

    Pixels are taken to be square, which tells the shape of the picture; distortion is left out.

    Raises:
        FormatError: naming the line and field that is wrong.
    """
    first: list[str] = []
    table = read_number_lines(path, _LAYOUT, header=lambda _, line: first.append(line))
    if first and len(first[0].split()) == len(_LAYOUT):
        table = read_number_lines(path, _LAYOUT)
    values = table.values
    _check_lens(table)
    with np.errstate(over="ignore"):  # a width that is next to nothing
        aspect = float(np.clip(np.median(values[:, 2] / values[:, 1]), 0.1, 10))
    size = (max(round(_HEIGHT * aspect), 1), _HEIGHT)
    own = first == [_URL]
    track = CameraTrack(
        invert_rigid(poses_from_rows(table, values[:, 7:].reshape(-1, 3, 4))),
        values[:, 1:5] * np.array([*size, *size]),
        size,
        times=values[:, 0] * 1e-6,
        unit=1.0 if own else None,
        up="y" if own else None,
        likely_up="-y",
        placed=own,
    )
    assumed = []
    if values[:, 5:7].any():
        assumed.append(
            Assumption("", "the distortion of the lens is left out", "pictures here are undistorted")
        )
    wan = first == [""] and not values[:, 0].any()
    kind = "camera file of VideoX-Fun / Wan-Fun" if wan else "RealEstate10K camera file (CameraCtrl)"
    return CameraContents(kind, track, assumed=tuple(assumed))


def read(
    path: str | os.PathLike[str], *, size: tuple[int, int], fps: float | None = None, scale: float = 1.0
) -> CameraPath:
    """Read a RealEstate10K camera file.

    Args:
        path: the file.
        size: (width, height) of the video in pixels; the file holds only fractions of it.
        fps: frame rate, where every line is one frame; by default the time stamps tell, and uneven ones are
            resampled by time.
        scale: metres per unit of the file.

    Raises:
        FormatError: naming the line and field that is wrong.
        ValueError: an argument is out of range.
    """
    check_arguments(size, fps)
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be positive, got {scale}")
    table = read_number_lines(path, _LAYOUT, header=_check_header)
    values = table.values
    _check_lens(table)
    wrong = np.flatnonzero(values[:, 5:7].any(axis=1))
    if wrong.size:
        raise table.error(
            wrong[0], "k1 k2 are not 0: the lens distorts", hint="undistort the video and its cameras first"
        )
    w2c = poses_from_rows(table, values[:, 7:].reshape(-1, 3, 4))
    w2c[:, :3, 3] *= scale
    intrinsics = values[:, 1:5] * np.array([*size, *size])
    return timed_path(table, values[:, 0] * 1e-6, invert_rigid(w2c), intrinsics, size, fps, tick=1e-6)


def write(path: str | os.PathLike[str], camera: CameraPath, *, url: str = _URL) -> None:
    """Write a camera path as a RealEstate10K file; `url` becomes its first line.

    Raises:
        FormatError: the url is not one line.
    """
    if len(url.splitlines()) > 1 or len(url) > 2000:
        raise FormatError(path, "the url must be one line of at most 2000 characters", where="line 1")
    lines = [url]
    fractions = camera.intrinsics / np.array([*camera.size, *camera.size])
    for time, intrinsics, pose in zip(camera.times, fractions, camera.w2c, strict=True):
        numbers = [*intrinsics, 0, 0, *pose[:3].ravel()]
        lines.append(f"{round(time * 1e6)} " + " ".join(f"{number:.12g}" for number in numbers))
    with atomic_write(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _check_lens(table: NumberLines) -> None:
    """Refuses focal lengths and middles that no camera has."""
    values = table.values
    for column in (1, 2):
        check_focal(table, column, _LAYOUT[column])
    wrong = np.flatnonzero((np.abs(values[:, 3:5]) > MAX_FRACTION).any(axis=1))
    if wrong.size:
        raise table.error(
            wrong[0], "cx cy lie far outside the picture", hint="they are fractions of its sides"
        )


def _check_header(path: str | os.PathLike[str], line: str) -> None:
    if not line.isprintable():
        raise FormatError(
            path, "the first line is not text", where="line 1", hint="it is the video's address"
        )
    if len(line.split()) == len(_LAYOUT):
        raise FormatError(
            path, "the first line is a frame", where="line 1", hint="put the video's address before it"
        )
