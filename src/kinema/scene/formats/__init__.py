"""Files in and out of the scene: one module per format, and functions that pick the right one."""

from __future__ import annotations

import os
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kinema.scene.formats.errors import FormatError

if TYPE_CHECKING:
    from kinema.scene.camera import CameraPath
    from kinema.scene.motion import Motion
    from kinema.scene.scene import Scene

__all__ = ["MOTION_FORMATS", "FormatError", "read_camera", "read_motion", "read_scene", "write_motion"]

MOTION_FORMATS = {
    "bvh": (".bvh", "bvh"),
    "glb": (".glb", "glb"),
    "kinema": (".npz", "kinema_npz"),
    "amass": (".npz", "amass"),
    "kimodo": (".npz", "kimodo_npz"),
    "humanml3d": (".npy", "humanml3d"),
}
"""Suffix and module of each motion format by name; the first with a suffix is the one that is written."""

_SIGNATURES = {b"glTF": "glb", b"PK\x03\x04": "npz", b"\x93NUMPY": "humanml3d"}


def read_motion(
    path: str | os.PathLike[str], *, format: str | None = None, as_smpl24: bool = False, **options: Any
) -> Motion:
    """Read the motion of one person from a file of any known format.

    The suffix says what may be read; the content decides which format it is.

    Args:
        path: a .bvh, .glb, .npz (Kinema, AMASS or Kimodo) or .npy (HumanML3D) file.
        format: a name of `MOTION_FORMATS`, to leave nothing to the content.
        as_smpl24: map the joints to SMPL-24 by name.
        options: as the format's own `read` takes them, e.g. scale="cgspeed" for BVH.

    Raises:
        FormatError: an unknown suffix, or the file is not what it says.
        FileNotFoundError: there is no such file.
        ValueError: an option that the format does not have.

    Example:
        >>> motion = kinema.read_motion("examples/walk_and_wave.bvh", as_smpl24=True)
        >>> motion.fps, motion.joints.shape[1:]
        (30.0, (24, 3))
    """
    from kinema.scene.formats.kinematics import as_smpl24_motion

    name = _check_name(format) if format else _by_suffix(path)
    if format is None:
        name = _by_content(path, name)
    module = _module(name)
    _check_options(module.read, name, options)
    motion: Motion = module.read(path, **options)
    return as_smpl24_motion(path, motion) if as_smpl24 else motion


def read_scene(path: str | os.PathLike[str], unit: str = "auto") -> Scene:
    """Read a scene file, or any motion file as a scene of one person without a camera.

    Args:
        path: the file.
        unit: of lengths in BVH files: a name such as cm, metres per unit as a number, or auto: what makes an
            adult of the figure.

    Raises:
        FormatError: not a motion or scene file, or damaged.
        FileNotFoundError: there is no such file.
        ValueError: no such unit.

    Example:
        >>> kinema.read_scene("examples/walk_and_wave.bvh").people[0].fps
        30.0
    """
    from kinema.scene.formats.files import read_npz
    from kinema.scene.scene import FORMAT, Scene

    suffix = Path(path).suffix.lower()
    if not Path(path).is_file():
        raise FileNotFoundError(f"{os.fspath(path)}: no such motion file")
    if suffix == ".npz" and str(read_npz(path, names={"format"}).get("format")) == FORMAT:
        return Scene.load(path)
    motion = read_motion(path, scale=_unit(unit)) if suffix == ".bvh" else read_motion(path)
    return Scene((motion,), None, motion.fps)


def read_camera(text: str, size: tuple[int, int]) -> CameraPath | None:
    """The camera file that `text` names, or None where it names no file and is to be read as words.

    Args:
        text: a .json (Kinema), .txt (RealEstate10K) or .tum file, or words.
        size: (width, height) of pictures, for files that do not say.

    Raises:
        FormatError: a damaged file.
    """
    from kinema.scene.formats import camera_json, realestate10k, tum

    readers = {
        ".json": camera_json.read,
        ".txt": lambda path: realestate10k.read(path, size=size),
        ".tum": lambda path: tum.read(path, size=size),
    }
    reader = readers.get(Path(text).suffix.lower())
    return None if reader is None else reader(text)


def write_motion(
    path: str | os.PathLike[str], motion: Motion, *, format: str | None = None, **options: Any
) -> None:
    """Write a motion in the format that the suffix names: .bvh, .glb, .npz (Kinema) or .npy (HumanML3D).

    Args:
        path: the file; an old one is replaced only once the new one is complete.
        motion: the motion.
        format: a name of `MOTION_FORMATS`; "amass" and "kimodo" write such an .npz.
        options: as the format's own `write` takes them.

    Raises:
        FormatError: an unknown suffix, or a motion that the format cannot hold.
        ValueError: an option that the format does not have.

    Example:
        >>> kinema.write_motion("walk.glb", kinema.read_motion("examples/walk_and_wave.bvh"))
    """
    name = _check_name(format) if format else _by_suffix(path)
    module = _module(name)
    _check_options(module.write, name, options)
    module.write(path, motion, **options)


def _unit(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _module(name: str) -> ModuleType:
    return import_module(f"{__name__}.{MOTION_FORMATS[name][1]}")


def _check_name(name: str) -> str:
    if name not in MOTION_FORMATS:
        raise ValueError(f"no motion format {name!r}; there are {', '.join(MOTION_FORMATS)}")
    return name


def _by_suffix(path: str | os.PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    for name, (known, _) in MOTION_FORMATS.items():
        if suffix == known:
            return name
    supported = ", ".join(dict.fromkeys(known for known, _ in MOTION_FORMATS.values()))
    hint = f"motions are {supported}; of a video `kinema capture` makes one"
    if suffix == ".json":
        hint += "; 2D keypoints are read by kinema.scene.formats.openpose and have no depth"
    raise FormatError(path, f"suffix {suffix!r} is no motion format", hint=hint)


def _by_content(path: str | os.PathLike[str], name: str) -> str:
    """The format that the first bytes show, else the one that the suffix promised."""
    from kinema.scene.formats.files import read_npz

    if not Path(path).is_file():
        return name  # the reader says what is wrong
    with open(path, "rb") as file:
        start = file.read(256)
    found = next((kind for mark, kind in _SIGNATURES.items() if start.startswith(mark)), None)
    if found == "npz":
        marks = read_npz(path, names={"format", "root_positions"})
        return "kinema" if "format" in marks else "kimodo" if "root_positions" in marks else "amass"
    if found is None and start.removeprefix(b"\xef\xbb\xbf").lstrip()[:9].upper() == b"HIERARCHY":
        return "bvh"
    return found or name


def _check_options(function: Any, name: str, options: dict[str, Any]) -> None:
    known = [key for key, value in signature(function).parameters.items() if value.kind is value.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise ValueError(f"{name} has no option {option!r}; it has {', '.join(known) or 'none'}")
