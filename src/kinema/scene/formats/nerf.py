"""Cameras of radiance fields and splats: transforms.json (instant-ngp, nerfstudio, Blender scenes), nerfstudio's
camera_path.json and exported poses, and 3D Gaussian Splatting's cameras.json.

All but the last have OpenGL axes and Z up; lengths are arbitrary. `transforms.json` is

    {"fl_x": .., "fl_y": .., "cx": .., "cy": .., "w": .., "h": .. or "camera_angle_x": radians,
     "frames": [{"file_path": "images/0001.jpg", "transform_matrix": [4 rows]}, ...]}

with intrinsics beside or inside the frames, which are not in order: they are sorted by file name. Kinema adds `fps` and
`"kinema": true`, which says that lengths are metres in the world of the shot.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

import numpy as np

from kinema.scene.camera import MAX_FRAMES, CameraPath, intrinsics_from_fov
from kinema.scene.formats.camera_reading import CameraContents, CameraReading, CameraTrack
from kinema.scene.formats.camera_text import OPENGL, rigid
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_text
from kinema.scene.formats.json_numbers import matrix, number, numbers, parse
from kinema.scene.formats.reading import Assumption

MAX_BYTES = 128 << 20
_SIZE = (1000, 1000)  # of the pixels of a field of view without a picture's size
_TO_Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])  # from Y up

Path = str | os.PathLike[str]
_Lens = tuple[np.ndarray, tuple[int, int]]


def load(path: Path, reading: CameraReading) -> CameraContents:
    """Read any of these.

    Raises:
        FormatError: naming the frame and field that is wrong.
    """
    document = parse(path, read_text(path, MAX_BYTES))
    if isinstance(document, list):
        return _listed(path, document)
    if not isinstance(document, dict):
        raise FormatError(path, "is JSON, but no camera file")
    if "camera_path" in document:
        return _rendered(path, document)
    frames = _dicts(path, document.get("frames"), "frames")
    names = [str(frame.get("file_path", "")) for frame in frames]
    assumed = []
    order = sorted(range(len(frames)), key=lambda each: natural(names[each]))
    if order != list(range(len(frames))) and len(set(names)) == len(names):
        assumed.append(Assumption("", "frames are sorted by file name", "they are not in order"))
        frames = [frames[each] for each in order]
    else:
        order = list(range(len(frames)))
    rows = [
        matrix(path, frame.get("transform_matrix"), f"frames[{each}].transform_matrix")
        for frame, each in zip(frames, order, strict=True)
    ]
    c2w = rigid(path, np.array(rows), lambda row: f"frames[{order[row]}].transform_matrix", scaled=True)
    lenses = [
        _lens(path, {**document, **frame}, f"frames[{each}]")
        for frame, each in zip(frames, order, strict=True)
    ]
    if any(document.get(name) or frames[0].get(name) for name in ("k1", "k2", "p1", "p2")):
        assumed.append(
            Assumption("", "the distortion of the lens is left out", "pictures here are undistorted")
        )
    own = document.get("kinema") is True
    intrinsics, size = common(lenses)
    track = CameraTrack(
        c2w @ OPENGL,
        intrinsics,
        size,
        fps=_rate(path, document),
        unit=1.0 if own else None,
        up="z",
        placed=own,
    )
    return CameraContents("transforms.json (instant-ngp, nerfstudio)", track, assumed=tuple(assumed))


def write(path: Path, camera: CameraPath) -> None:
    """Write a camera path as transforms.json: OpenGL axes, Z up."""
    c2w = _TO_Z_UP @ camera.c2w @ OPENGL
    frames = []
    for index, (pose, lens) in enumerate(zip(c2w, camera.intrinsics.tolist(), strict=True)):
        lens_of = dict(zip(("fl_x", "fl_y", "cx", "cy"), lens, strict=True))
        frames.append({"file_path": f"images/{index:05d}.png", **lens_of, "transform_matrix": pose.tolist()})
    head = {"kinema": True, "fps": camera.fps, "w": camera.size[0], "h": camera.size[1], "frames": frames}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")


def natural(name: str) -> list[tuple[int, int | str]]:
    """A key that sorts names by the numbers in them: frame9 before frame10."""
    parts = re.split(r"(\d{1,18})", name)
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]


def _rendered(path: Path, document: dict[str, Any]) -> CameraContents:
    """nerfstudio's camera_path.json: what its viewer renders."""
    frames = _dicts(path, document["camera_path"], "camera_path")
    rows = [
        matrix(path, frame.get("camera_to_world"), f"camera_path[{each}].camera_to_world")
        for each, frame in enumerate(frames)
    ]
    c2w = rigid(path, np.array(rows), lambda row: f"camera_path[{row}].camera_to_world", scaled=True)
    width, height = (number(path, document, f"render_{side}", "") for side in ("width", "height"))
    size = _size(width, height) or _SIZE
    fovs = [number(path, frame, "fov", f"camera_path[{each}]") for each, frame in enumerate(frames)]
    known = [fov for fov in fovs if fov is not None and 0.1 < fov < 179]
    lenses = np.array([intrinsics_from_fov(fov, size) for fov in known]) if len(known) == len(fovs) else None
    seconds = number(path, document, "seconds", "")
    fps = _rate(path, document)
    if fps is None and seconds and seconds > 0 and len(frames) > 1:
        fps = len(frames) / seconds
        if fps < 5:  # its viewer counts some seconds as frames
            fps = None
    track = CameraTrack(c2w @ OPENGL, lenses, None if lenses is None else size, fps=fps, up="z")
    return CameraContents("nerfstudio's camera_path.json", track)


def _listed(path: Path, entries: list[Any]) -> CameraContents:
    """A list with an object a camera: exported poses of nerfstudio, or cameras.json of 3D Gaussian Splatting."""
    entries = _dicts(path, entries, "the list")
    splat = "rotation" in entries[0]
    name = "img_name" if splat else "file_path"
    order = sorted(range(len(entries)), key=lambda each: natural(str(entries[each].get(name, ""))))
    rows, lenses = [], []
    for each in order:
        entry, where = entries[each], f"[{each}]"
        if splat:
            turn = np.array(
                [
                    numbers(path, row, 3, f"{where}.rotation")
                    for row in _three(path, entry.get("rotation"), where)
                ]
            )
            place = numbers(path, entry.get("position"), 3, f"{where}.position")
            rows.append(np.concatenate([turn, place[:, None]], axis=1))
            lenses.append(_splat_lens(path, entry, where))
        else:
            rows.append(
                matrix(path, entry.get("transform", entry.get("transform_matrix")), f"{where}.transform")
            )
    c2w = rigid(path, np.array(rows), lambda row: f"[{order[row]}]", scaled=True)
    if not splat:
        return CameraContents("camera poses of nerfstudio", CameraTrack(c2w @ OPENGL, up="z"))
    intrinsics, size = common(lenses)
    return CameraContents("cameras.json of 3D Gaussian Splatting", CameraTrack(c2w, intrinsics, size))


def _lens(path: Path, fields: dict[str, Any], where: str) -> _Lens | None:
    """Intrinsics and the picture's size of one frame; None where neither focal length nor angle is said."""

    def said(name: str) -> float | None:
        return number(path, fields, name, where)

    size = _size(said("w"), said("h"))
    fx, fy, angle, upright = said("fl_x"), said("fl_y"), said("camera_angle_x"), said("camera_angle_y")
    if fx is None and angle is None and fy is None and upright is None:
        return None
    width, height = size or _SIZE
    for name, value in (("camera_angle_x", angle), ("camera_angle_y", upright)):
        if value is not None and not 0 < value < np.pi:
            raise FormatError(path, f"{value:g} is no angle of view in radians", where=f"{where}.{name}")
    if fx is None and angle is not None:
        fx = width / 2 / np.tan(angle / 2)
    if fy is None and upright is not None:
        fy = height / 2 / np.tan(upright / 2)
    fx = fy if fx is None else fx
    fy = fx if fy is None else fy
    assert fx is not None
    assert fy is not None
    if not (fx > 0 and fy > 0):
        raise FormatError(path, "the focal length is not positive", where=where)
    cx, cy = said("cx"), said("cy")
    return np.array([fx, fy, width / 2 if cx is None else cx, height / 2 if cy is None else cy]), (
        width,
        height,
    )


def _splat_lens(path: Path, entry: dict[str, Any], where: str) -> _Lens | None:
    fx, fy = number(path, entry, "fx", where), number(path, entry, "fy", where)
    size = _size(number(path, entry, "width", where), number(path, entry, "height", where))
    if not fx or not fy or size is None or fx < 0 or fy < 0:
        return None
    return np.array([fx, fy, size[0] / 2, size[1] / 2]), size


def common(lenses: list[_Lens | None]) -> tuple[np.ndarray | None, tuple[int, int] | None]:
    """Lenses in the pixels of the first picture; those of another size are scaled to its height."""
    if any(lens is None for lens in lenses):
        return None, None
    size = lenses[0][1]  # type: ignore[index]  # none is missing
    rows = []
    for lens in lenses:
        assert lens is not None
        values, own = lens
        scale = size[1] / own[1]
        middle = (values[2:] - np.array(own) / 2) * scale + np.array(size) / 2
        rows.append([*(values[:2] * scale), *middle])
    return np.array(rows), size


def _rate(path: Path, document: dict[str, Any]) -> float | None:
    fps = number(path, document, "fps", "")
    return fps if fps is not None and 0.01 <= fps <= 1e4 else None


def _size(width: float | None, height: float | None) -> tuple[int, int] | None:
    if width is None or height is None or not (1 <= width <= 65536 and 1 <= height <= 65536):
        return None
    return round(width), round(height)


def _three(path: Path, values: object, where: str) -> list[object]:
    if not isinstance(values, list) or len(values) != 3:
        raise FormatError(path, "must be three rows", where=f"{where}.rotation")
    return values


def _dicts(path: Path, values: object, where: str) -> list[dict[str, Any]]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise FormatError(path, "must be a list of objects", where=where)
    if not 1 <= len(values) <= MAX_FRAMES:
        raise FormatError(path, f"must hold 1 to {MAX_FRAMES} cameras, not {len(values)}", where=where)
    return values
