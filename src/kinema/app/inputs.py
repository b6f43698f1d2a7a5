"""Words of commands as values: sizes, output files, people, control methods; and what a video was made from."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinema.scene.framing import People

MAX_VIDEO_SIDE = 4096
"""Pixels (ours)."""


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


def check_output(path: Path, *suffixes: str) -> None:
    """Says before the work what would make writing fail after it.

    Raises:
        ValueError: a suffix other than those.
        FileNotFoundError: the folder does not exist.
    """
    if path.suffix.lower() not in suffixes:
        raise ValueError(
            f"{path}: name the result {' or '.join(f'{path.stem}{suffix}' for suffix in suffixes)}"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {path.parent} does not exist; create it first")


def check_camera(camera: str) -> None:
    """Says before the work what is wrong with a camera in words or a camera file.

    Raises:
        ValueError: words outside the camera language.
        FormatError: a damaged file.
    """
    from kinema.scene.camera_language import parse_camera
    from kinema.scene.formats import read_camera

    if read_camera(camera, (16, 16)) is None:
        parse_camera(camera)


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

    Of a folder the SHA-256 is that of its .json files, one after the other; of what came from memory only the type
    is said.

    Args:
        source: a path, an object, or None.
    """
    if source is None:
        return None
    if not isinstance(source, (str, os.PathLike)):
        return {"type": type(source).__name__}
    path = Path(source)
    digest = hashlib.sha256()
    for each in sorted(path.glob("*.json")) if path.is_dir() else [path]:
        with each.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    return {"name": path.name, "sha256": digest.hexdigest()}
