"""COLMAP models: `images.txt` with `cameras.txt`, or `images.bin` with `cameras.bin`.

    IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME          world-to-camera, OpenCV axes, arbitrary unit and world
    POINTS2D[] as X Y POINT3D_ID                          a second line an image, passed over
    CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]

Images are sorted by name; distortion is left out. Source: COLMAP's documentation, "Output Format".
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.camera import MAX_FRAMES, CameraPath, invert_rigid
from kinema.scene.formats.camera_reading import CameraContents, CameraReading, CameraTrack
from kinema.scene.formats.camera_text import MAX_METRES, quaternions_xyzw
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_bytes
from kinema.scene.formats.nerf import natural
from kinema.scene.formats.reading import Assumption

MAX_BYTES = 1 << 29
PLACES = ("", "sparse/0", "sparse", "0", "colmap/sparse/0", "dense/sparse", "model")
"""Where in a folder a model may lie."""

_LONGEST = 4096  # characters of a line that may be a pose; longer ones hold points
_OWN = "# kinema: metres, in the world of the shot, Y down"
_FOCALS = {  # focal lengths and number of parameters of each model, in the order of COLMAP's numbers
    "SIMPLE_PINHOLE": (1, 3),
    "PINHOLE": (2, 4),
    "SIMPLE_RADIAL": (1, 4),
    "RADIAL": (1, 5),
    "OPENCV": (2, 8),
    "OPENCV_FISHEYE": (2, 8),
    "FULL_OPENCV": (2, 12),
    "FOV": (2, 5),
    "SIMPLE_RADIAL_FISHEYE": (1, 4),
    "RADIAL_FISHEYE": (1, 5),
    "THIN_PRISM_FISHEYE": (2, 12),
    "RAD_TAN_THIN_PRISM_FISHEYE": (2, 16),
}
_MODELS = tuple(_FOCALS)
_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # a world with Y up and one with Y down


@dataclass(frozen=True)
class _Image:
    name: str
    camera: int
    numbers: tuple[float, ...]  # qw qx qy qz tx ty tz
    where: str


@dataclass(frozen=True)
class _Lens:
    intrinsics: tuple[float, float, float, float]
    size: tuple[int, int]
    bent: bool


def model_in(folder: str | os.PathLike[str]) -> Path | None:
    """The images file of a COLMAP model in a folder or where COLMAP puts it below; None where there is none."""
    for place in PLACES:
        for name in ("images.bin", "images.txt"):
            if (Path(folder) / place / name).is_file():
                return Path(folder) / place / name
    return None


def load(path: str | os.PathLike[str], reading: CameraReading) -> CameraContents:
    """Read a COLMAP model: its images file, the cameras file beside it, or a folder with both.

    Raises:
        FormatError: naming the image or line that is wrong.
    """
    given = Path(path)
    found = model_in(given) if given.is_dir() else _images_of(given)
    if found is None:
        raise FormatError(path, "has no images.txt or images.bin of COLMAP beside it")
    binary = found.suffix.lower() == ".bin"
    images, own = (_binary_images(found), False) if binary else _text_images(found)
    images.sort(key=lambda image: natural(image.name))
    quaternions = np.array([image.numbers[:4] for image in images])
    translations = np.array([image.numbers[4:] for image in images])
    with np.errstate(over="ignore", invalid="ignore"):
        length = np.linalg.norm(quaternions, axis=1)
        wrong = np.flatnonzero(
            ~((np.abs(length - 1) < 0.01) & (np.abs(translations) <= MAX_METRES).all(axis=1))
        )
    if wrong.size:
        image = images[wrong[0]]
        raise FormatError(found, f"the pose of {image.name[:80]!r} is none", where=image.where)
    w2c = np.tile(np.eye(4), (len(images), 1, 1))
    w2c[:, :3, :3] = Rotation.from_quat(quaternions[:, [1, 2, 3, 0]]).as_matrix()
    w2c[:, :3, 3] = translations
    beside = found.with_name("cameras.bin" if binary else f"{found.stem.replace('images', 'cameras')}.txt")
    lenses = {}
    assumed = []
    if beside.is_file():
        lenses = _binary_lenses(beside) if binary else _text_lenses(beside)
    intrinsics, size = _intrinsics(found, images, lenses)
    if any(lens.bent for lens in lenses.values()):
        assumed.append(
            Assumption("", "the distortion of the lens is left out", "pictures here are undistorted")
        )
    track = CameraTrack(
        invert_rigid(w2c),
        intrinsics,
        size,
        unit=1.0 if own else None,
        up="-y" if own else None,
        placed=own,
    )
    return CameraContents(
        f"COLMAP model ({'binary' if binary else 'text'})",
        track,
        assumed=tuple(assumed),
        no_lens=f"there is no {beside.name} beside it",
    )


def write(path: str | os.PathLike[str], camera: CameraPath) -> None:
    """Write a camera path as images.txt, with cameras.txt beside it; its world has Y down, as COLMAP's mostly have.

    One PINHOLE camera for all images where the lens does not change, else one each.
    """
    target = Path(path)
    poses = invert_rigid(_FLIP @ camera.c2w)
    turns = quaternions_xyzw(poses)[:, [3, 0, 1, 2]]
    same = bool((camera.intrinsics == camera.intrinsics[0]).all())
    images = ["# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME", _OWN]
    for index, (turn, place) in enumerate(zip(turns, poses[:, :3, 3], strict=True)):
        numbers = " ".join(f"{number:.12g}" for number in (*turn, *place))
        images += [f"{index + 1} {numbers} {1 if same else index + 1} {index:05d}.png", ""]
    cameras = ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"]
    width, height = camera.size
    for index, lens in enumerate(camera.intrinsics[:1] if same else camera.intrinsics):
        cameras.append(
            f"{index + 1} PINHOLE {width} {height} " + " ".join(f"{number:.12g}" for number in lens)
        )
    beside = target.with_name(f"{target.stem.replace('images', 'cameras')}.txt")
    if beside == target:
        beside = target.with_name(f"{target.stem}_cameras.txt")
    for file, lines in ((target, images), (beside, cameras)):
        with atomic_write(file) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def is_image_line(line: str) -> bool:
    """Whether a line of text is the pose of an image: nine numbers, a rotation among them, and a name."""
    words = line.split()
    if len(words) < 10 or (len(words) > 10 and _floats(words[9:]) is not None):
        return False
    numbers = _floats(words[:9])
    if numbers is None or not (words[0].isdecimal() and words[8].isdecimal()):
        return False
    return abs(sum(number * number for number in numbers[1:5]) - 1) < 0.02


def _images_of(path: Path) -> Path | None:
    """The images file that is meant by one file of a model."""
    if path.stem.lower() in ("cameras", "points3d", "frames", "rigs"):
        beside = path.with_name(f"images{path.suffix}")
        return beside if beside.is_file() else None
    return path


def _text_images(path: Path) -> tuple[list[_Image], bool]:
    """The images of a text file, and whether Kinema wrote it."""
    images, own = [], False
    if path.stat().st_size > MAX_BYTES:
        raise FormatError(path, f"more than {MAX_BYTES} bytes", hint="is it the right file?")
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if line.startswith("#"):
                own = own or line.strip() == _OWN
            elif len(line) <= _LONGEST and is_image_line(line):
                words = line.split(maxsplit=9)
                images.append(
                    _Image(words[9].strip(), int(words[8]), tuple(map(float, words[1:8])), f"line {number}")
                )
            _check_count(path, len(images))
    if not images:
        raise FormatError(
            path, "holds no image of COLMAP", hint="a line holds ID QW QX QY QZ TX TY TZ CAMERA NAME"
        )
    return images, own


def _text_lenses(path: Path) -> dict[int, _Lens]:
    text = read_bytes(path, 1 << 26).decode("utf-8", "replace")
    lenses = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        numbers = _floats([words[0], *words[2:]])
        where = f"line {number}"
        if len(words) < 5 or numbers is None:
            raise FormatError(
                path, "is no camera of COLMAP", where=where, hint="ID MODEL WIDTH HEIGHT PARAMS"
            )
        lenses[int(numbers[0])] = _lens(path, words[1], (numbers[1], numbers[2]), numbers[3:], where)
    return lenses


def _binary_images(path: Path) -> list[_Image]:
    data = read_bytes(path, MAX_BYTES)
    (count,), position = _unpack(path, "<Q", data, 0)
    _check_count(path, count)
    images = []
    for each in range(count):
        values, position = _unpack(path, "<I7dI", data, position)
        end = data.find(b"\0", position, position + _LONGEST)
        if end < 0:
            raise FormatError(path, "a name does not end", where=f"image {each}", hint="it may be truncated")
        name = data[position:end].decode("utf-8", "replace")
        (points,), position = _unpack(path, "<Q", data, end + 1)
        position += 24 * points
        if position > len(data):
            raise FormatError(
                path, f"{points} points do not fit", where=f"image {each}", hint="it may be truncated"
            )
        images.append(_Image(name, values[8], values[1:8], f"image {each}"))
    if not images:
        raise FormatError(path, "holds no image")
    return images


def _binary_lenses(path: Path) -> dict[int, _Lens]:
    data = read_bytes(path, 1 << 26)
    (count,), position = _unpack(path, "<Q", data, 0)
    _check_count(path, count)
    lenses = {}
    for each in range(count):
        where = f"camera {each}"
        (number, model, width, height), position = _unpack(path, "<IiQQ", data, position)
        if not 0 <= model < len(_MODELS):
            raise FormatError(path, f"camera model {model} is not known", where=where)
        name = _MODELS[model]
        values, position = _unpack(path, f"<{_FOCALS[name][1]}d", data, position)
        lenses[number] = _lens(path, name, (width, height), list(values), where)
    return lenses


def _lens(path: Path, model: str, size: tuple[float, float], values: list[float], where: str) -> _Lens:
    """The pinhole part of one of COLMAP's camera models."""
    if model not in _FOCALS:
        raise FormatError(
            path, f"camera model {model[:40]!r} is not known", where=where, hint=", ".join(_MODELS)
        )
    focals, count = _FOCALS[model]
    if len(values) != count:
        raise FormatError(path, f"{model} has {count} parameters, not {len(values)}", where=where)
    if not all(side == int(side) and 1 <= side <= 65536 for side in size):
        raise FormatError(path, f"{size[0]:g} x {size[1]:g} is no size of a picture", where=where)
    if not np.isfinite(values).all() or min(values[:focals]) <= 0:
        raise FormatError(path, "the focal length is not positive", where=where)
    fx, fy, cx, cy = values[0], values[focals - 1], values[focals], values[focals + 1]
    bent = bool(np.any(values[focals + 2 :])) or "FISHEYE" in model
    return _Lens((fx, fy, cx, cy), (int(size[0]), int(size[1])), bent)


def _intrinsics(
    path: Path, images: list[_Image], lenses: dict[int, _Lens]
) -> tuple[np.ndarray | None, tuple[int, int] | None]:
    """Intrinsics of every image in the pixels of the first, [N, 4]."""
    if not lenses:
        return None, None
    rows = []
    size = None
    for image in images:
        lens = lenses.get(image.camera)
        if lens is None:
            raise FormatError(path, f"there is no camera {image.camera}", where=image.where)
        size = lens.size if size is None else size
        scale = size[1] / lens.size[1]
        middle = (np.array(lens.intrinsics[2:]) - np.array(lens.size) / 2) * scale + np.array(size) / 2
        rows.append([lens.intrinsics[0] * scale, lens.intrinsics[1] * scale, *middle])
    return np.array(rows), size


def _check_count(path: Path, count: int) -> None:
    if count > MAX_FRAMES:
        raise FormatError(path, f"more than {MAX_FRAMES} images or cameras", hint="it may be damaged")


def _unpack(path: Path, form: str, data: bytes, position: int) -> tuple[tuple[Any, ...], int]:
    size = struct.calcsize(form)
    if position + size > len(data):
        raise FormatError(path, "ends early", where=f"byte {position}", hint="it may be truncated")
    return struct.unpack_from(form, data, position), position + size


def _floats(words: list[str]) -> list[float] | None:
    """The words as finite numbers; None where one is none."""
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None
