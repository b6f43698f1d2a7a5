"""Camera files of every known kind: which one a file is, reading it, and writing a path as one."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kinema.scene.formats.camera_reading import CameraContents, CameraFile, CameraReading, CameraTrack
from kinema.scene.formats.camera_recognising import recognised
from kinema.scene.formats.errors import FormatError

if TYPE_CHECKING:
    from kinema.scene.camera import CameraPath

CAMERA_FORMATS = {
    "kinema": "camera_json",
    "realestate10k": "realestate10k",
    "tum": "tum",
    "kitti": "kitti",
    "nerf": "nerf",
    "colmap": "colmap",
    "matrices": "camera_matrices",
    "recammaster": "recammaster",
    "gltf": "gltf_camera",
    "chan": "chan",
    "humanvid": "humanvid",
    "photogrammetry": "photogrammetry",
    "metashape": "metashape",
    "arrays": "camera_arrays",
    "c2w": "camera_arrays",
    "w2c": "camera_arrays",
    "c2w_gl": "camera_arrays",
    "w2c_gl": "camera_arrays",
    "scene": "",
}
"""Module of each camera format by name; `scene` is the camera of a Kinema scene, and c2w, w2c, ... say of matrices in
.npy, .npz or JSON which way they go and whether their axes are OpenGL's."""

WRITTEN = {
    "kinema": ".json",
    "realestate10k": ".txt",
    "tum": ".tum",
    "kitti": ".kitti",
    "nerf": "transforms.json",
    "colmap": "images.txt",
    "json": ".json",
}
"""Formats that can be written, and the suffix or name of a file that means them; `json` is `kinema` by another name."""

SUFFIXES = (
    ".json",
    ".txt",
    ".tum",
    ".kitti",
    ".csv",
    ".chan",
    ".glb",
    ".gltf",
    ".vrm",
    ".npz",
    ".bin",
    ".npy",
    ".sfm",
    ".xml",
)
"""Of files that are cameras rather than words, whether they exist or not."""


def read_camera_file(path: str | os.PathLike[str], **words: Any) -> CameraFile:
    """Read a camera file of any known kind, with what it is and all that had to be assumed.

    The content decides what it is, whatever the suffix. The path is as the file has it, with Y up; what films a person
    lays it on the shot.

    Args:
        path: a file, or the folder of a COLMAP model, of a transforms.json, or of Nerfies.
        words: what the file does not say, or says wrong, as `CameraReading` has them: scale, up, fps, fov, ...

    Raises:
        FormatError: it is no camera file, or a damaged one.
        FileNotFoundError: there is no such file.
        ValueError: a word that there is not, or a value it cannot have.

    Example:
        >>> kinema.write_camera("arc.tum", kinema.camera("arc left 40deg", frames=9))
        'tum'
        >>> file = kinema.read_camera_file("arc.tum")
        >>> file.kind, file.camera.frames, file.metric
        ('TUM trajectory', 9, True)
    """
    known = CameraReading.__dataclass_fields__
    for word in words:
        if word not in known:
            raise ValueError(f"no word {word!r} about a camera file; there are {', '.join(known)}")
    return read_as(path, CameraReading(**words))


def read_as(path: str | os.PathLike[str], reading: CameraReading) -> CameraFile:
    """As `read_camera_file`, with the words already put together."""
    from kinema.scene.formats.camera_settling import settle

    given = _exists(path)
    if reading.format is not None and reading.format not in CAMERA_FORMATS:
        raise ValueError(f"no camera format {reading.format!r}; there are {', '.join(CAMERA_FORMATS)}")
    if given.is_dir():
        given = _in_folder(given)
    name, options = (reading.format, {}) if reading.format else recognised(given)
    if reading.format == "kitti":
        options = recognised(given)[1]
    contents = _of_scene(given) if name == "scene" else _module(name).load(given, reading, **options)
    return settle(given, contents, reading)


def names_camera_file(text: str | os.PathLike[str]) -> bool:
    """Whether a camera is a file rather than words: it exists, or looks like a path.

    A folder whose name could be words is a file only where it holds cameras.
    """
    words = os.fspath(text)
    if not isinstance(text, str):
        return True
    path = Path(words)
    try:
        if path.is_file():
            return True
        if path.is_dir():
            return any(mark in words for mark in "/\\.") or _holds_cameras(path)
    except (OSError, ValueError):  # longer than a path can be, or a null character
        return False
    return path.suffix.lower() in SUFFIXES or "/" in words or "\\" in words


def write_camera(
    path: str | os.PathLike[str], camera: CameraPath, *, format: str | None = None, **options: Any
) -> str:
    """Write a camera path in the format that the name of the file means: .json (Kinema), .txt (RealEstate10K), .tum,
    .kitti, transforms.json (nerfstudio), images.txt (COLMAP, with cameras.txt beside it).

    Args:
        path: the file; an old one is replaced only once the new one is complete.
        camera: the path.
        format: a name of `WRITTEN`, whatever the file is called.
        options: as the format's own `write` takes them.

    Returns:
        The format.

    Raises:
        ValueError: no such format, or a name that means none.

    Example:
        >>> kinema.write_camera("transforms.json", kinema.camera("dolly in 1m", frames=9))
        'nerf'
    """
    name = written_format(path, format)
    _module("kinema" if name == "json" else name).write(path, camera, **options)
    return name


def written_format(path: str | os.PathLike[str], format: str | None) -> str:
    """The format in which a camera is written there.

    Raises:
        ValueError: as `write_camera`.
    """
    file = Path(path)
    if format is None:
        by_name = {end: name for name, end in WRITTEN.items() if name != "json"}
        format = by_name.get(file.name.lower()) or by_name.get(file.suffix.lower())
    if format not in WRITTEN:
        raise ValueError(
            f"{file}: name it .json, .txt, .tum, .kitti, transforms.json or images.txt, or choose --format "
            + ", ".join(WRITTEN)
        )
    return "kinema" if format == "json" else format


def _of_scene(path: Path) -> CameraContents:
    """The camera of a Kinema scene."""
    from kinema.scene.scene import Scene

    camera = Scene.load(path).camera
    if camera is None:
        raise FormatError(path, "is a scene without a camera")
    track = CameraTrack(
        camera.c2w, camera.intrinsics, camera.size, fps=camera.fps, unit=1.0, up="y", placed=True
    )
    return CameraContents("camera of a Kinema scene", track)


def _exists(path: str | os.PathLike[str]) -> Path:
    given = Path(path)
    if not given.exists():
        raise FileNotFoundError(f"{given}: no such camera file")
    return given


def _in_folder(folder: Path) -> Path:
    """The camera file that a folder stands for; of Nerfies, which has a file a camera, the folder of these.

    Raises:
        FormatError: there is none.
    """
    from kinema.scene.formats.colmap import model_in
    from kinema.scene.formats.photogrammetry import is_nerfies

    for name in ("transforms.json", "transforms_train.json", "cameras/camera_extrinsics.json"):
        if (folder / name).is_file():
            return folder / name
    for inner in (folder / "camera", folder):
        if is_nerfies(inner):
            return inner
    found = model_in(folder)
    if found is None:
        raise FormatError(
            folder,
            "is a folder without cameras",
            hint="name a file, or a folder with transforms.json, images.txt/.bin or camera/*.json",
        )
    return found


def _holds_cameras(folder: Path) -> bool:
    try:
        return _in_folder(folder) is not None
    except FormatError:
        return False


def _module(name: str) -> ModuleType:
    return import_module(f"kinema.scene.formats.{CAMERA_FORMATS[name]}")
