"""Nuke's .chan, which Blender writes too: `frame tx ty tz rx ry rz [fov]` a line, degrees, Y up, looking along -Z.

The order of the rotations is not written: Blender has xyz by default, Nuke zxy; the one that keeps the horizon more
level is taken.
"""

from __future__ import annotations

import os

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.camera import intrinsics_from_fov
from kinema.scene.formats.camera_reading import CameraContents, CameraReading, CameraTrack
from kinema.scene.formats.camera_text import OPENGL, check_metres, read_number_lines
from kinema.scene.formats.reading import Assumption

_LAYOUT = ("frame", "tx", "ty", "tz", "rx", "ry", "rz")
_SIZE = (1920, 1080)  # of the pixels that the field of view is turned into


def load(path: str | os.PathLike[str], reading: CameraReading) -> CameraContents:
    """Read a .chan file.

    Raises:
        FormatError: naming the line that is wrong.
    """
    table = read_number_lines(path, _LAYOUT, optional=("fov",), commas=True)
    values = table.values
    turns = {
        order: Rotation.from_euler(order, values[:, 4:7], degrees=True).as_matrix()
        for order in ("xyz", "zxy")
    }
    leaning = {order: float(np.abs(turn[:, 1, 0]).mean()) for order, turn in turns.items()}
    order = "zxy" if leaning["zxy"] < leaning["xyz"] - 1e-6 else "xyz"
    c2w = np.tile(np.eye(4), (len(values), 1, 1))
    c2w[:, :3, :3] = turns[order]
    c2w[:, :3, 3] = check_metres(table, values[:, 1:4])
    intrinsics = None
    if np.isfinite(values[:, 7]).all():
        wrong = np.flatnonzero(~((values[:, 7] > 0.1) & (values[:, 7] < 179)))
        if wrong.size:
            raise table.error(int(wrong[0]), f"a field of view of {values[wrong[0], 7]:g} degrees")
        intrinsics = np.array([intrinsics_from_fov(fov, _SIZE) for fov in values[:, 7]])
    assumed = Assumption("", f"rotations in the order {order}", "it keeps the horizon more level")
    track = CameraTrack(
        c2w @ OPENGL, intrinsics, None if intrinsics is None else _SIZE, unit=1.0, up="y", placed=True
    )
    return CameraContents(".chan of Nuke or Blender", track, assumed=(assumed,))
