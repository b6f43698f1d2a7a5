"""Words of commands as values: sizes, output files, people, control methods; and what a video was made from."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kinema.app.console import work

if TYPE_CHECKING:
    from kinema.motion.constraints import JointTarget
    from kinema.scene.cast import People
    from kinema.scene.formats.camera_reading import CameraReading, FromCameraFile

MAX_VIDEO_SIDE = 4096
"""Pixels (ours)."""

MAX_NAME_BYTES = 240
"""Of a result: what most file systems take, 255, but for `.json` behind it (ours)."""


def parse_size(text: str, option: str = "--size") -> tuple[int, int]:
    """`WxH` as (width, height).

    Raises:
        ValueError: another form, or a side outside 16 to 4096.
    """
    match = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text.strip().lower())
    if not match:
        raise ValueError(f"{option} {text}: give width x height in pixels, e.g. 512x512")
    width, height = int(match[1]), int(match[2])
    if not (16 <= width <= MAX_VIDEO_SIDE and 16 <= height <= MAX_VIDEO_SIDE):
        raise ValueError(f"{option} {text}: sides must lie between 16 and {MAX_VIDEO_SIDE} pixels")
    return width, height


def parse_scale(text: str | None, option: str) -> float | tuple[float, float] | None:
    """A guidance scale, `4`; or one for each of two experts, `4,3`.

    Raises:
        ValueError: no number, or more than two.
    """
    if text is None:
        return None
    try:
        scales = [float(each) for each in text.split(",")]
    except ValueError:
        scales = []
    if len(scales) not in (1, 2) or not all(map(math.isfinite, scales)):
        raise ValueError(f"{option} {text}: give a number, or two with a comma for two experts, e.g. 4,3")
    return scales[0] if len(scales) == 1 else (scales[0], scales[1])


def is_words(motion: str | os.PathLike[str]) -> bool:
    """Whether a motion is said in words: several, that are no file and do not look like one."""
    text = os.fspath(motion)
    named = Path(text).suffix[1:].isalnum() or bool(set("/%") & set(text))
    return " " in text.strip() and not named and not os.path.lexists(text)


def parse_seconds(text: str | None, option: str) -> float | None:
    """`2`, `2.5s`, `1:30` or `1:02:03` as seconds; None stays None.

    Raises:
        ValueError: another form.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)\s*s?", text.strip().lower())
    if not match:
        raise ValueError(f"{option} {text}: give seconds, e.g. 2.5s, or minutes and seconds, e.g. 1:30")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds


def parse_target(text: str) -> JointTarget:
    """`JOINT@SECONDS:X,Y,Z` as a target.

    Raises:
        ValueError: it is not written so.
    """
    from kinema.motion.constraints import JointTarget

    joint, at, rest = text.partition("@")
    moment, colon, place = rest.partition(":")
    try:
        position = [float(each) for each in place.split(",")]
        seconds = parse_seconds(moment, "--reach")
    except ValueError:
        position, seconds = [], None
    if not (joint and at and colon) or len(position) != 3 or seconds is None:
        raise ValueError(f"--reach {text}: write JOINT@SECONDS:X,Y,Z, e.g. left_wrist@2s:0.4,1.5,0.3")
    return JointTarget(joint, seconds, position)


def parse_strength(text: str) -> tuple[Path, float]:
    """`FILE` or `FILE:STRENGTH` of an adapter.

    Raises:
        ValueError: a strength that is none.
        FileNotFoundError: no such file.
    """
    name, colon, number = text.rpartition(":")
    try:
        strength = float(number) if colon else 1.0
    except ValueError:
        name, strength = text, 1.0
    file = Path(name if colon and name else text)
    if not -2.0 <= strength <= 2.0:
        raise ValueError(f"--lora {text}: a strength lies between -2 and 2, 1 is as trained")
    if not file.is_file():
        raise FileNotFoundError(f"--lora: no file {file}")
    return file, strength


def seconds_between(
    start: str | None, stop: str | None, seconds: str | None
) -> tuple[float | None, float | None]:
    """Where a part begins and ends, of the options --from, --to and --seconds; the earlier end counts.

    Raises:
        ValueError: another form than `parse_seconds` reads.
    """
    begin, end, length = (
        parse_seconds(text, option)
        for text, option in ((start, "--from"), (stop, "--to"), (seconds, "--seconds"))
    )
    if length is None:
        return begin, end
    last = (begin or 0.0) + length
    return begin, last if end is None else min(end, last)


def check_output(path: Path, *suffixes: str, force: bool) -> None:
    """Says before the work what would make writing fail after it; a missing folder is made when the file is.

    Args:
        path: the file.
        suffixes: that it may have; any where none is named.
        force: whether an existing file may be overwritten.

    Raises:
        ValueError: another suffix, or a name that is too long.
        FileExistsError: the file exists, and that is not to be overwritten.
        OSError: a folder, or a file or a folder without access where the file's folder should be.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        stem = path.stem or "out"
        raise ValueError(f"{path}: name the result {' or '.join(f'{stem}{suffix}' for suffix in suffixes)}")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give a file name")
    _check_new(path, force)
    work.promised.append(str(path))


def check_report(folder: Path | None, name: str, *, force: bool) -> None:
    """The same for a file that an evaluation writes into a folder, where there is one.

    Raises:
        FileExistsError: the folder holds an earlier one, and that is not to be overwritten.
        OSError: as `check_output`.
    """
    if folder is not None:
        _check_new(folder / name, force)


def check_video(path: str, *, force: bool, transparent: bool = False) -> Path:
    """The same for a video, which may also be a folder of pictures; and its path.

    Raises:
        ValueError: a name that says no kind of video, that is too long, or of one that cannot be transparent.
        FileExistsError: it exists, and is not to be overwritten; or the folder holds something else.
        OSError: as `check_output`.
    """
    from kinema.media.video_kinds import check_alpha, video_target

    target = video_target(path)
    if transparent:
        check_alpha(target)
    if not target.is_folder:
        check_output(target.path, force=force)
        return target.path
    if target.path.is_file():
        raise NotADirectoryError(f"{target.path} is a file; give the name of a folder")
    _check_place(target.path)
    work.promised.append(str(target.path))
    if target.foreign:
        raise FileExistsError(
            f"{target.path} holds other files ({target.foreign[0]}): give the pictures a folder of their own"
        )
    if not force and target.path.is_dir() and any(target.path.iterdir()):
        raise FileExistsError(
            f"{target.path} holds pictures: add --force to replace them, or choose another name"
        )
    return target.path


def _check_new(path: Path, force: bool) -> None:
    _check_place(path)
    if not force and os.path.lexists(path):
        raise FileExistsError(f"{path} exists: add --force to overwrite it, or choose another name")


def _check_place(path: Path) -> None:
    """Whether a file or folder of that name can be made."""
    length = len(os.fsencode(path.name))
    if length > MAX_NAME_BYTES:
        raise ValueError(
            f"{path.name[:40]}...: the name has {length} bytes; at most {MAX_NAME_BYTES} will do"
        )
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise NotADirectoryError(f"{path}: {above} is a file, not a folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise PermissionError(f"{path}: nothing may be written into {above}")


def check_camera(camera: str | FromCameraFile) -> None:
    """Says before the work what is wrong with a camera in words or a camera file.

    Raises:
        ValueError: words outside the camera language.
        FormatError, FileNotFoundError: no camera file, damaged, or not there.
    """
    from kinema.scene.camera_language import parse_camera
    from kinema.scene.framing import given_camera

    words = given_camera(camera)
    if isinstance(words, str):
        parse_camera(words)


def asked_camera(camera: str | None, reading: CameraReading) -> str | FromCameraFile | None:
    """A camera option: words as they are, a file with what is said about it."""
    from kinema.scene.formats.camera_reading import FromCameraFile
    from kinema.scene.formats.cameras import names_camera_file

    if camera is None or not names_camera_file(camera):
        return camera
    return FromCameraFile.read_as(camera, reading)


def said_camera(camera: Any) -> Any:
    """A camera as settings have it: words as they are, of a file its path, name and SHA-256, of objects the type."""
    if camera is None or isinstance(camera, str):
        return camera
    return fingerprint(getattr(camera, "path", camera))


def people_named(words: Sequence[str] | None) -> People:
    """The people of repeated or comma-separated `--person` options; "all", () for none, None where not said.

    Raises:
        ValueError: neither a number, nor all, nor none, or one of the latter beside others.
    """
    if not words:
        return None
    names = [name.strip().lower() for word in words for name in word.split(",") if name.strip()]
    if names == ["all"]:
        return "all"
    if names == ["none"]:
        return ()
    if not names or not all(name.isdecimal() for name in names):
        raise ValueError(f"--person {','.join(names)}: give numbers from 0, or all, or none")
    return tuple(int(name) for name in names)


def people_in_picture(words: Sequence[str] | None) -> int | tuple[int, ...] | Literal["all"] | None:
    """The people of repeated or comma-separated `--picture-person` options; None where not said.

    Raises:
        ValueError: neither a number nor all, or all beside others.
    """
    if not words:
        return None
    names = [name.strip().lower() for word in words for name in word.split(",") if name.strip()]
    if names == ["all"]:
        return "all"
    if not names or not all(name.isdecimal() for name in names):
        raise ValueError(
            f"--picture-person {','.join(names)}: give numbers from 0, counted from the left, or all"
        )
    return int(names[0]) if len(names) == 1 else tuple(int(name) for name in names)


def control_names(words: Sequence[str] | None) -> tuple[str, ...] | None:
    """The control methods of repeated or comma-separated `--control` options; () for none, None where not said.

    Raises:
        ValueError: `none` beside a method.
    """
    if not words:
        return None
    names = tuple(name.strip() for word in words for name in word.split(",") if name.strip())
    if "none" in names and len(names) > 1:
        raise ValueError(f"--control {','.join(names)}: either none, or methods")
    return () if names == ("none",) else names


def fingerprint(source: Any) -> dict[str, str] | None:
    """Name and SHA-256 of an input file, so that a video says what it was made from.

    Of numbered pictures, or of a folder's .json files, the SHA-256 is that of all, one after the other; of what came
    from memory only the type is said.

    Args:
        source: a path, an object, or None.
    """
    if source is None:
        return None
    if not isinstance(source, (str, os.PathLike)):
        return {"type": type(source).__name__}
    from kinema.media.stills import picture_files

    path = Path(source)
    digest = hashlib.sha256()
    files = picture_files(path) or (sorted(path.glob("*.json")) if path.is_dir() else [path])
    for each in files:
        with each.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return {"name": path.name, "sha256": digest.hexdigest()}
