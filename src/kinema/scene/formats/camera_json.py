"""Camera JSON: a camera path as plain numbers, what `kinema camera "dolly in 1m" -o cam.json` writes.

{"format": "kinema-camera", "version": 1, "fps": 24.0, "size": [width, height], "text": "..." or null,
 "frames": [{"c2w": [12 numbers], "intrinsics": [fx, fy, cx, cy]}, ...]}
c2w holds the upper three rows of camera-to-world, row-major, OpenCV axes, metres; intrinsics are pixels.
"""

from __future__ import annotations

import json
import os

import numpy as np

from kinema.scene.camera import MAX_FRAMES, CameraPath
from kinema.scene.formats.camera_reading import CameraContents, CameraReading, CameraTrack
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_text
from kinema.scene.formats.json_numbers import numbers, parse

MAX_BYTES = 16 << 20  # about half an hour at 24 fps; what JSON can make of it stays under 500 MB
FORMAT = "kinema-camera"
VERSION = 1
_MAX_METRES = 1e9


def load(path: str | os.PathLike[str], reading: CameraReading) -> CameraContents:
    """Read a camera JSON, which says everything.

    Raises:
        FormatError: as `read`.
    """
    camera = read(path)
    track = CameraTrack(
        camera.c2w, camera.intrinsics, camera.size, fps=camera.fps, unit=1.0, up="y", placed=True
    )
    return CameraContents("Kinema's camera JSON", track)


def read(path: str | os.PathLike[str]) -> CameraPath:
    """Read a camera JSON.

    Raises:
        FormatError: naming the line (where it is not JSON) or the field that is wrong.
    """
    text = read_text(path, MAX_BYTES)
    if f'"{FORMAT}"' not in text:  # most other files, before they are parsed
        raise FormatError(
            path,
            f'not a camera file: it does not name the format "{FORMAT}"',
            hint="write one with kinema camera",
        )
    document = parse(path, text)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise FormatError(
            path,
            f'is JSON, but not a camera: "format" is not "{FORMAT}"',
            hint="write one with kinema camera",
        )
    if document.get("version") != VERSION:
        raise FormatError(
            path, f"version {str(document.get('version'))[:20]} is not known", where="version", hint="it is 1"
        )
    fps = float(numbers(path, [document.get("fps")], 1, "fps")[0])
    size = numbers(path, document.get("size"), 2, "size")
    frames = document.get("frames")
    if not isinstance(frames, list) or not 1 <= len(frames) <= MAX_FRAMES:
        raise FormatError(path, f"must be a list of 1 to {MAX_FRAMES} frames", where="frames")
    c2w = np.tile(np.eye(4), (len(frames), 1, 1))
    intrinsics = np.zeros((len(frames), 4))
    for index, frame in enumerate(frames):
        if not isinstance(frame, dict):
            raise FormatError(path, "must be an object", where=f"frames[{index}]")
        c2w[index, :3] = numbers(path, frame.get("c2w"), 12, f"frames[{index}].c2w").reshape(3, 4)
        intrinsics[index] = numbers(path, frame.get("intrinsics"), 4, f"frames[{index}].intrinsics")
    if np.abs(c2w).max() > _MAX_METRES:
        index = int(np.abs(c2w).max(axis=(1, 2)).argmax())
        raise FormatError(path, f"has a number above {_MAX_METRES:g}", where=f"frames[{index}].c2w")
    try:
        return CameraPath(c2w, intrinsics, (size[0], size[1]), fps)
    except ValueError as error:
        raise FormatError(path, str(error)) from None


def write(path: str | os.PathLike[str], camera: CameraPath, *, text: str | None = None) -> None:
    """Write a camera path; `text` keeps the words it came from.

    Raises:
        FormatError: the path is so long that it could not be read back.
    """
    head = {"format": FORMAT, "version": VERSION, "fps": camera.fps, "size": list(camera.size), "text": text}
    frames = [
        json.dumps({"c2w": pose[:3].ravel().tolist(), "intrinsics": lens.tolist()})
        for pose, lens in zip(camera.c2w, camera.intrinsics, strict=True)
    ]
    body = json.dumps(head)[:-1] + ',\n "frames": [\n' + ",\n".join(frames) + "\n]}\n"
    if len(body) > MAX_BYTES:
        raise FormatError(path, f"{camera.frames} frames are too many for this format", hint="write TUM")
    with atomic_write(path) as temporary:
        temporary.write_text(body, encoding="utf-8")
