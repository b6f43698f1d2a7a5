"""Which format a motion file has: its content decides, and its suffix where the content does not tell.

What is no motion file is told what it is and what can be done with it.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

from kinema.scene.formats import MOTION_SUFFIXES, arrays, pickled
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.foreign import KEYPOINTS, UNKNOWN_JSON, USD, Foreign, foreign, foreign_json

_START = 1 << 12
_MAX_JSON = 1 << 26


def motion_format(path: str | os.PathLike[str], *, named: bool = False) -> str:
    """The name in `MOTION_FORMATS` of the format that a file has.

    Args:
        path: the file.
        named: whether the user says which joint is which, so that an array of unknown joints is one of positions.

    Raises:
        FormatError: no motion file; the message says what it is and what to do.
        FileNotFoundError: there is no such file.
    """
    file = Path(path)
    if file.is_dir():
        raise FormatError(path, "is a folder, not a file", hint="give one file in it")
    if not file.exists():
        raise FileNotFoundError(f"{os.fspath(path)}: no such motion file")
    if not file.is_file():
        raise FormatError(path, "is not a regular file")
    with open(file, "rb") as opened:
        start = opened.read(_START)
    if not start:
        raise FormatError(path, "is empty", hint="was it downloaded or written to its end?")
    if start.startswith(b"glTF"):
        return "glb"
    if start.startswith(b"\x93NUMPY"):
        return arrays.recognise_npy(path, named=named)
    if start.startswith((b"PK\3\4", b"PK\5\6")):
        return _zipped(path, named)
    text = _text(start)
    if re.search(r"^\s*HIERARCHY\b", text, re.IGNORECASE | re.MULTILINE):
        return "bvh"
    if text.lstrip()[:1] in ("{", "["):
        return _json(path)
    what = foreign(file, start, text)
    if what is not None:
        raise _refusal(path, what)
    if pickled.is_pickle(path, start):
        raise pickled.refusal(path)
    return _promised(path)


def _refusal(path: str | os.PathLike[str], what: Foreign) -> FormatError:
    return FormatError(path, f"is {what.what}, not a motion file", hint=what.remedy)


def _promised(path: str | os.PathLike[str]) -> str:
    """The format that the suffix promises."""
    suffix = Path(path).suffix.lower()
    if suffix in MOTION_SUFFIXES:
        return MOTION_SUFFIXES[suffix]
    hint = f"motions are {', '.join(MOTION_SUFFIXES)}; of a video `kinema capture` makes one"
    raise FormatError(path, "is no motion file that is known here", hint=hint)


def _text(start: bytes) -> str:
    """The first bytes as text, whatever their encoding; keywords are ASCII in all of them."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return start.decode("utf-16", errors="replace").removeprefix("\ufeff")
    return start.removeprefix(b"\xef\xbb\xbf").decode("latin-1")


def _zipped(path: str | os.PathLike[str], named: bool) -> str:
    """Which .npz a zip file is."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        names = []  # its reader says what is wrong
    if any(name.endswith("data.pkl") for name in names):
        raise pickled.refusal(path)
    if names and names[0].lower().endswith((".usd", ".usda", ".usdc")):
        raise _refusal(path, USD)
    if names and not any(name.endswith(".npy") for name in names):
        motions = [name for name in names if Path(name).suffix.lower() in MOTION_SUFFIXES]
        shown = f" with {motions[0][-60:]!r} in it" if motions else ""
        raise _refusal(path, Foreign(f"a zip archive{shown}", "unpack it and give the file in it"))
    return arrays.recognise_npz(path, named=named)


def _json(path: str | os.PathLike[str]) -> str:
    """Whether JSON is a .gltf; refused for what it is where not."""
    if MOTION_SUFFIXES.get(Path(path).suffix.lower()) == "glb":
        return "glb"
    content = _parsed(path)
    if isinstance(content, dict) and "asset" in content:
        return "glb"
    raise _refusal(path, foreign_json(content))


def is_other_json(path: str | os.PathLike[str]) -> bool:
    """Whether a file is JSON that is known, and not as keypoints: a camera, a figure."""
    content = _parsed(path)
    return (isinstance(content, dict) and "asset" in content) or foreign_json(content) not in (
        KEYPOINTS,
        UNKNOWN_JSON,
    )


def _parsed(path: str | os.PathLike[str]) -> Any:
    """The content of a JSON file; None of one that is damaged, too large or not there."""
    try:
        return json.loads(Path(path).read_bytes()) if Path(path).stat().st_size <= _MAX_JSON else None
    except (OSError, ValueError, RecursionError):
        return None
