"""camera_extrinsics.json of ReCamMaster and SynCamMaster: several cameras over the frames of one video.

{"frame0": {"cam01": "[4 numbers] [4] [4] [4]", ...}, "frame1": ...}; the four groups are the columns of
camera-to-world in Unreal's axes: centimetres, x forward, y right, z up, left-handed.
"""

from __future__ import annotations

import os
import re

import numpy as np

from kinema.scene.formats.camera_reading import CameraContents, CameraReading, CameraTrack
from kinema.scene.formats.camera_text import rigid
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_text
from kinema.scene.formats.json_numbers import parse
from kinema.scene.formats.nerf import natural
from kinema.scene.formats.reading import Assumption

_CENTIMETRE = 0.01
_TO_OPENCV = np.array([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]])  # columns: right, down, forward in Unreal's axes
_MIRROR = np.array([1.0, -1.0, 1.0])  # left-handed to right-handed: y to the left


def load(path: str | os.PathLike[str], reading: CameraReading) -> CameraContents:
    """Read one of the cameras.

    Args:
        path: the file.
        reading: of it `name` is used here: the camera's name or number from 0.

    Raises:
        FormatError: naming the frame and camera that is wrong, or no such camera.
    """
    document = parse(path, read_text(path, 1 << 27))
    frames = sorted(document, key=natural)
    if not all(isinstance(document[frame], dict) and document[frame] for frame in frames):
        raise FormatError(path, "a frame holds no cameras")
    names = sorted(document[frames[0]], key=natural)
    name = chosen_camera(path, names, reading)
    rows = []
    for frame in frames:
        text = document[frame].get(name)
        where = f"{frame}.{name}"
        found = re.findall(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?", text) if isinstance(text, str) else []
        try:
            values = np.array([float(number) for number in found])
        except ValueError:
            values = np.zeros(0)
        if values.shape != (16,) or not np.isfinite(values).all():
            raise FormatError(path, "must be four groups of four numbers", where=where)
        rows.append(values.reshape(4, 4).T[:3])
    own = np.array(rows)
    poses = np.empty((len(own), 3, 4))
    poses[:, :, :3] = _MIRROR[:, None] * own[:, :, :3] @ _TO_OPENCV
    poses[:, :, 3] = _MIRROR * own[:, :, 3]
    c2w = rigid(path, poses, lambda row: f"{frames[row]}.{name}")
    track = CameraTrack(c2w, unit=_CENTIMETRE, up="z")
    assumed = []
    if len(names) > 1 and reading.name is None:
        assumed.append(one_of(names, name))
    return CameraContents(
        "camera_extrinsics.json (ReCamMaster, SynCamMaster)", track, tuple(names), tuple(assumed)
    )


def chosen_camera(path: str | os.PathLike[str], names: list[str], reading: CameraReading) -> str:
    """The camera of a file that is asked for: the first where none is.

    Raises:
        FormatError: there is none of that name or number.
    """
    asked = reading.name
    if asked is None:
        return names[0]
    if isinstance(asked, int) and 0 <= asked < len(names):
        return names[asked]
    if asked in names:
        return str(asked)
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    raise FormatError(path, f"has no camera {asked!r}", hint=f"there are {shown}: --camera-name")


def one_of(names: list[str], name: str) -> Assumption:
    """Says that one of several cameras was taken."""
    return Assumption("camera_name", f"the camera {name}", f"the first of {len(names)}", doubtful=True)
