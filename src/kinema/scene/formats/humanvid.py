"""HumanVid camera files: `frame tx ty tz qx qy qz qw fx fy [scale]` per line, without a header.

Whether a file holds world-to-camera (the rendered sub-set) or camera-to-world (the web sub-set, whose
translations count `scale`) is not written in it, so the reader is told.
"""

from __future__ import annotations

import os
from typing import Literal

import numpy as np

from kinema.scene.camera import CameraPath
from kinema.scene.formats.camera_reading import CameraContents, CameraReading, CameraTrack
from kinema.scene.formats.camera_text import (
    built,
    check_arguments,
    check_focal,
    check_metres,
    poses_from_quaternions,
    read_number_lines,
    resampled,
    to_c2w,
)
from kinema.scene.formats.reading import Assumption

_LAYOUT = ("frame", "tx", "ty", "tz", "qx", "qy", "qz", "qw", "fx", "fy")
_SIZE = (720, 1280)  # of most of its videos, where the picture is not at hand
_FPS = 24.0


def load(path: str | os.PathLike[str], reading: CameraReading) -> CameraContents:
    """Read a HumanVid camera file: with the eleventh number (scale) as the web sub-set, else as the rendered one.

    Raises:
        FormatError: naming the line and field that is wrong.
    """
    wide = read_number_lines(path, _LAYOUT, optional=("scale",)).values
    web = bool(np.isfinite(wide[:, 10]).all())
    camera = read(path, convention="c2w" if web else "w2c", size=_SIZE, fps=_FPS)
    held = "camera-to-world" if web else "world-to-camera"
    track = CameraTrack(camera.c2w, camera.intrinsics, camera.size)
    return CameraContents(
        "HumanVid camera file",
        track,
        assumed=(Assumption("", f"poses are {held}", "as so many numbers a line have them"),),
    )


def read(
    path: str | os.PathLike[str],
    *,
    convention: Literal["w2c", "c2w"],
    size: tuple[int, int],
    fps: float,
) -> CameraPath:
    """Read a HumanVid camera file.

    The focal lengths are fractions of the sides. As HumanVid does, a landscape (or square) picture uses fx
    and sets fy = fx W/H, a portrait one uses fy and sets fx = fy H/W; the principal point is the middle.

    Args:
        path: the file.
        convention: "w2c" for the rendered sub-set, "c2w" for the web sub-set.
        size: (width, height) of the video in pixels.
        fps: frame rate of the video; where frame numbers are left out the path is resampled by time.

    Raises:
        FormatError: naming the line and field that is wrong.
        ValueError: an argument is out of range.
    """
    check_arguments(size, fps)
    if convention not in ("w2c", "c2w"):
        raise ValueError(f'convention must be "w2c" or "c2w", got {convention!r}')
    table = read_number_lines(path, _LAYOUT, optional=("scale",))
    values = table.values
    scale = np.where(np.isnan(values[:, 10]), 1.0, values[:, 10])
    wrong = np.flatnonzero(scale <= 0)
    if wrong.size:
        raise table.error(wrong[0], f"scale is {scale[wrong[0]]:g}", hint="a scale is positive")
    translations = check_metres(table, values[:, 1:4]) * scale[:, None]
    c2w = to_c2w(poses_from_quaternions(table, translations, values[:, 4:8]), convention)
    width, height = size
    used, side = (8, width) if width >= height else (9, height)
    check_focal(table, used, _LAYOUT[used])
    focal = values[:, used] * side
    middle = np.broadcast_to(np.array(size) / 2, (len(focal), 2))
    intrinsics = np.concatenate([focal[:, None], focal[:, None], middle], axis=1)
    steps = np.diff(values[:, 0])
    wrong = np.flatnonzero(steps <= 0)
    if wrong.size:
        raise table.error(int(wrong[0]) + 1, "the frame number is not greater than the one before")
    if (steps == 1).all():
        return built(path, c2w, intrinsics, size, fps)
    return resampled(table, values[:, 0] / fps, c2w, intrinsics, size, fps)
