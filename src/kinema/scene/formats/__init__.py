"""Files in and out of the scene: one module per format, and functions that pick the right one (`cameras` for cameras)."""

from __future__ import annotations

import os
import warnings
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kinema.scene.formats.errors import FormatError

if TYPE_CHECKING:
    from kinema.scene.formats.reading import MotionFile
    from kinema.scene.motion import Motion
    from kinema.scene.scene import Scene

__all__ = [
    "MOTION_FORMATS",
    "MOTION_SUFFIXES",
    "FormatError",
    "read_motion",
    "read_motion_file",
    "read_scene",
    "write_motion",
]

MOTION_FORMATS = {
    "bvh": (".bvh", "bvh"),
    "glb": (".glb", "glb"),
    "kinema": (".npz", "kinema_npz"),
    "amass": (".npz", "amass"),
    "kimodo": (".npz", "kimodo_npz"),
    "humanml3d": (".npy", "humanml3d"),
    "smpl": (".npz", "smpl_params"),
    "joints": (".npy", "joint_arrays"),
    "motionstreamer": (".npy", "motionstreamer"),
}
"""Suffix and module of each motion format by name; the first with a suffix is the one that is written. Modules
without `write` are only read."""

MOTION_SUFFIXES = {
    ".bvh": "bvh",
    ".glb": "glb",
    ".gltf": "glb",
    ".vrm": "glb",
    ".vrma": "glb",
    ".npz": "kinema",
    ".npy": "humanml3d",
}
"""The motion format that each suffix promises to a reader; the content decides."""

_ALSO_WRITTEN = {".gltf": "glb"}


def read_motion_file(path: str | os.PathLike[str], **words: Any) -> MotionFile:
    """Read a motion or scene file of any known format, with what it is and all that had to be assumed.

    The content decides which format it is; where it does not tell, the suffix.

    Args:
        path: the file.
        words: what the file does not say, or says wrong, as `MotionReading` has them: unit, up, ground, source_fps,
            joints, animation, ...

    Raises:
        FormatError: no motion file (the message says what it is and what to do), or damaged.
        FileNotFoundError: there is no such file.
        ValueError: a word that there is not, or a value it cannot have.

    Example:
        >>> kinema.read_motion_file("examples/walk_and_wave.bvh").unit
        'm'
    """
    from kinema.scene.formats.reading import MotionReading
    from kinema.scene.formats.recognise import motion_format
    from kinema.scene.formats.settling import settle

    known = MotionReading.__dataclass_fields__
    for word in words:
        if word not in known:
            raise ValueError(f"no word {word!r} about a motion file; there are {', '.join(known)}")
    reading = MotionReading(**words)
    name = (
        _check_name(reading.format)
        if reading.format
        else motion_format(path, named=reading.joints is not None)
    )
    return settle(path, _module(name).load(path, reading), reading)


def read_motion(
    path: str | os.PathLike[str], *, person: int = 0, as_smpl24: bool = False, **words: Any
) -> Motion:
    """Read the motion of one person from a file of any known format.

    What had to be assumed and may be wrong is said as an `AssumptionWarning`; see `read_motion_file`.

    Args:
        path: a .bvh, .glb, .gltf, .vrm, .vrma, .npz or .npy file; docs/formats.md lists what may be in them.
        person: who of several, counted from 0.
        as_smpl24: map the joints to SMPL-24.
        words: as `read_motion_file` has them, e.g. unit="cm".

    Raises:
        FormatError: no motion file, damaged, or no such person.
        FileNotFoundError: there is no such file.
        ValueError: a word that there is not, or a value it cannot have.

    Example:
        >>> motion = kinema.read_motion("examples/walk_and_wave.bvh", as_smpl24=True)
        >>> motion.fps, motion.joints.shape[1:]
        (30.0, (24, 3))
    """
    from kinema.scene.formats.kinematics import as_smpl24_motion

    file = read_motion_file(path, **words)
    people = file.scene.people
    if not 0 <= person < len(people):
        raise FormatError(path, f"has no person {person}; there are {len(people)}, counted from 0")
    _warn(file)
    return as_smpl24_motion(path, people[person]) if as_smpl24 else people[person]


def read_scene(path: str | os.PathLike[str], **words: Any) -> Scene:
    """Read a scene file, or any motion file as a scene without a camera.

    Args:
        path: the file.
        words: as `read_motion_file` has them, e.g. unit="cm".

    Raises:
        FormatError: not a motion or scene file, or damaged.
        FileNotFoundError: there is no such file.
        ValueError: a word that there is not, or a value it cannot have.

    Example:
        >>> kinema.read_scene("examples/walk_and_wave.bvh").people[0].fps
        30.0
    """
    file = read_motion_file(path, **words)
    _warn(file)
    return file.scene


def _warn(file: MotionFile) -> None:
    """Says what was assumed and may be wrong, to whoever called a function of this module."""
    from kinema.scene.formats.reading import AssumptionWarning

    for doubt in file.doubts:
        warnings.warn(f"{file.path}: {doubt}", AssumptionWarning, stacklevel=3)


def write_motion(
    path: str | os.PathLike[str], motion: Motion, *, format: str | None = None, **options: Any
) -> None:
    """Write a motion in the format that the suffix names: .bvh, .glb, .gltf, .npz (Kinema) or .npy (HumanML3D).

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
    if not hasattr(module, "write"):
        raise ValueError(
            f"{name} is only read; .npy is written as humanml3d, .npz as kinema, amass or kimodo"
        )
    _check_options(module.write, name, options)
    module.write(path, motion, **options)


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
    if suffix in _ALSO_WRITTEN:
        return _ALSO_WRITTEN[suffix]
    written = ", ".join(dict.fromkeys([*(known for known, _ in MOTION_FORMATS.values()), *_ALSO_WRITTEN]))
    raise FormatError(
        path, f"suffix {suffix!r} is no motion format", hint=f"motions are written as {written}"
    )


def _check_options(function: Any, name: str, options: dict[str, Any]) -> None:
    known = [key for key, value in signature(function).parameters.items() if value.kind is value.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise ValueError(f"{name} has no option {option!r}; it has {', '.join(known) or 'none'}")
