"""A user's own motions as a MotionLibrary: a folder of motion files with captions.

Motion files are read as everywhere; what had to be assumed and may be wrong is said as an `AssumptionWarning`. The
bones that cgspeed's conversion of CMU's library lost are put back.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from kinema.data.motion_library import SPLITS, MotionClip, MotionLibrary
from kinema.scene.formats import MOTION_SUFFIXES, FormatError, read_motion
from kinema.scene.formats.files import read_text
from kinema.scene.motion import Motion

LICENCE = "the user's own"
_CAPTION_FILES = ("captions.jsonl", "captions.csv", "captions.txt")
_KEPT = 256  # motions held in memory
_MAX_CAPTIONS = 1 << 26  # bytes


def open_motion_folder(folder: str | os.PathLike[str], unit: float | str = "auto") -> MotionLibrary:
    """Opens a folder of motion files with captions.

    Captions stand in `captions.jsonl` ({"file", "caption" or "captions", "split", "licence"} a line), `captions.csv`
    (columns file, caption, split, licence), `captions.txt` (file, a tab, `|` or `:`, caption), or in `NAME.txt` beside
    `NAME.bvh`, a caption a line. Files may have several captions. Motions are mapped to SMPL-24 and aligned as in the
    library.

    Args:
        folder: searched with its sub-folders; names in caption files are relative to it.
        unit: of lengths, as `read_motion` takes it; by default what makes a person of each figure.

    Raises:
        FileNotFoundError: no such folder, or a captioned file is not there.
        FormatError: a caption file or a motion file is not what it says; the line is named.
    """
    place = Path(folder)
    if not place.is_dir():
        raise FileNotFoundError(f"{place}: no such folder of motions")
    index = next((place / name for name in _CAPTION_FILES if (place / name).is_file()), None)
    rows = _texts_beside(place) if index is None else _READERS[index.suffix](index)
    entries: dict[str, _Entry] = {}
    for where, row in rows:
        _add(entries, index or place, where, row)
    if not entries:
        raise FileNotFoundError(
            f"{place}: no captions; write {', '.join(_CAPTION_FILES)} or a NAME.txt beside each motion file"
        )
    clips = []
    for name, entry in entries.items():
        read = _File(place / name, unit)
        motion = read.motion()
        clips.append(
            MotionClip(
                id=f"{place.name}/{name}",
                split=entry.split,
                captions=tuple(entry.captions),
                licence=entry.licence,
                fps=motion.fps,
                length=motion.frames,
                labels={},
                kinematics={},
                _read=read,
            )
        )
    return MotionLibrary(clips)


def read_user_motion(path: Path, unit: float | str = "auto") -> Motion:
    """One motion file as the library has motions: SMPL-24, complete, facing +Z at the start, the floor at y = 0.

    Raises:
        FormatError: not a motion file, or not of a person.
    """
    motion = read_motion(path, unit=unit)
    try:
        return motion.to_smpl24().fill_missing().align()
    except ValueError as error:
        raise FormatError(path, str(error)) from error


@dataclass
class _Entry:
    captions: list[str]
    split: str = "train"
    licence: str = LICENCE


@dataclass(frozen=True)
class _File:
    path: Path
    unit: float | str

    def motion(self) -> Motion:
        return _read_once(self.path, self.unit)

    def __call__(self) -> np.ndarray:
        return np.asarray(self.motion().joints, dtype=np.float32)


@lru_cache(maxsize=_KEPT)
def _read_once(path: Path, unit: float | str) -> Motion:
    return read_user_motion(path, unit)


_Row = Mapping[str, object]


def _add(entries: dict[str, _Entry], index: Path, where: str, row: _Row) -> None:
    name, captions = row.get("file"), row.get("captions", row.get("caption"))
    captions = [captions] if isinstance(captions, str) else captions
    if not isinstance(name, str) or not name.strip():
        raise FormatError(index, "names no file", where)
    if not isinstance(captions, list) or not all(isinstance(text, str) for text in captions):
        raise FormatError(index, "has no caption", where, "a caption is a text, captions a list of texts")
    top = index if index.is_dir() else index.parent
    path = (top / name).resolve()
    if not path.is_relative_to(top.resolve()):
        raise FormatError(index, f"{name!r} lies outside the folder", where)
    if path.suffix.lower() not in MOTION_SUFFIXES:
        raise FormatError(
            index, f"{name!r} is no motion file; motions are {', '.join(sorted(MOTION_SUFFIXES))}", where
        )
    if not path.is_file():
        raise FileNotFoundError(f"{index}: {where}: there is no file {name!r}")
    split = str(row.get("split") or "train")
    if split not in SPLITS:
        raise FormatError(index, f"unknown split {split!r}; there are {', '.join(SPLITS)}", where)
    entry = entries.setdefault(name, _Entry([]))
    entry.captions += [text.strip() for text in captions if text.strip()]
    entry.split, entry.licence = split, str(row.get("licence") or LICENCE)


def _jsonl(path: Path) -> Iterable[tuple[str, _Row]]:
    for number, line in enumerate(read_text(path, _MAX_CAPTIONS).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise FormatError(path, "is no JSON object", f"line {number}")
        yield f"line {number}", row


def _csv(path: Path) -> Iterable[tuple[str, _Row]]:
    reader = csv.DictReader(io.StringIO(read_text(path, _MAX_CAPTIONS)))
    if not {"file", "caption"} <= set(reader.fieldnames or ()):
        raise FormatError(path, "needs the columns file and caption", "line 1")
    for row in reader:
        yield f"line {reader.line_num}", row


def _lines(path: Path) -> Iterable[tuple[str, _Row]]:
    for number, line in enumerate(read_text(path, _MAX_CAPTIONS).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        sign = next((sign for sign in ("\t", "|", ":") if sign in line), None)
        if sign is None:
            raise FormatError(path, "no tab, | or : between file and caption", f"line {number}")
        name, _, caption = line.partition(sign)
        yield f"line {number}", {"file": name.strip(), "caption": caption}


def _texts_beside(folder: Path) -> Iterable[tuple[str, _Row]]:
    for path in sorted(folder.rglob("*.txt")):
        motion = next(
            (path.with_suffix(s) for s in sorted(MOTION_SUFFIXES) if path.with_suffix(s).is_file()), None
        )
        if motion is not None:
            name = motion.relative_to(folder).as_posix()
            yield path.name, {"file": name, "captions": read_text(path, _MAX_CAPTIONS).splitlines()}


_READERS: dict[str, Callable[[Path], Iterable[tuple[str, _Row]]]] = {
    ".jsonl": _jsonl, ".csv": _csv, ".txt": _lines,
}  # fmt: skip
