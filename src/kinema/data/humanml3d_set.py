"""AMASS motions with HumanML3D's texts as a MotionLibrary, for who has both.

HumanML3D (Guo et al., CVPR 2022): `index.csv` (source_path, start_frame, end_frame, new_name) cuts AMASS files into
clips; its frames are counted at 20 fps, the end is not included. `texts/NAME.txt` holds lines `caption#POS#from#to` in
seconds, 0.0#0.0 for the whole clip; names that begin with M are mirrored. Splits are lists of names in `train.txt`,
`val.txt` and `test.txt`.
"""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from kinema.data.motion_captions import mirror_caption
from kinema.data.motion_library import MotionClip, MotionLibrary
from kinema.scene.formats import FormatError, read_motion
from kinema.scene.formats.files import read_text
from kinema.scene.motion import Motion

FPS = 20.0
LICENCE = "AMASS (non-commercial: NC)"
_SKIPPED = {"Eyes_Japan_Dataset": 3.0, "MPI_HDM05": 3.0, "TotalCapture": 1.0, "MPI_Limits": 1.0,
            "Transitions_mocap": 0.5}  # fmt: skip
"""Seconds that HumanML3D's own preparation drops at the start of a source's files, before it counts frames."""

_MAX_TEXT = 1 << 26
_LEAST = 8  # frames


def open_humanml3d(
    texts: str | os.PathLike[str], motions: str | os.PathLike[str], mirrored: bool = True
) -> MotionLibrary:
    """Opens HumanML3D's texts on AMASS files.

    Entries whose AMASS file is not there (HumanAct12's among them) are left out. A caption of a part is a clip of its
    own. Clips are aligned as in the library: facing +Z at the start, the floor at y = 0.

    Args:
        texts: HumanML3D's folder, with index.csv and texts/.
        motions: AMASS' folder, with sub-folders named as in index.csv.
        mirrored: also the mirrored entries M...

    Raises:
        FileNotFoundError: no index.csv, or none of its motions is there.
        FormatError: a line that cannot be read.
    """
    folder, amass_folder = Path(texts), Path(motions)
    index = folder / "index.csv"
    if not index.is_file():
        raise FileNotFoundError(f"{index}: not there; give HumanML3D's folder with index.csv and texts/")
    splits = _splits(folder)
    clips: list[MotionClip] = []
    reader = csv.DictReader(io.StringIO(read_text(index, _MAX_TEXT)))
    for row in reader:
        where = f"line {reader.line_num}"
        try:
            source, name = row["source_path"], Path(row["new_name"]).stem
            first, last = int(row["start_frame"]), int(row["end_frame"])
        except (KeyError, TypeError, ValueError):
            raise FormatError(
                index, "source_path, start_frame, end_frame, new_name are needed", where
            ) from None
        path = _amass_file(amass_folder, source)
        if path is None:
            continue
        for prefix in ("", "M") if mirrored else ("",):
            said = folder / "texts" / f"{prefix}{name}.txt"
            plain = folder / "texts" / f"{name}.txt"
            if not (said.is_file() or (prefix and plain.is_file())):
                continue
            swap = bool(prefix) and not said.is_file()
            lines = _captions(said if said.is_file() else plain)
            split = splits.get(f"{prefix}{name}", "train")
            clips += _clips(path, source, f"{prefix}{name}", first, last, lines, split, bool(prefix), swap)
    if not clips:
        raise FileNotFoundError(f"{amass_folder}: none of the motions that {index} names is there")
    return MotionLibrary(clips)


def _clips(
    path: Path,
    source: str,
    name: str,
    first: int,
    last: int,
    lines: list[tuple[str, float, float]],
    split: str,
    mirror: bool,
    swap: bool,
) -> list[MotionClip]:
    """The clip of an entry, and one more for every part that has captions of its own."""
    offset = next((seconds for part, seconds in _SKIPPED.items() if part in Path(source).parts), 0.0)
    parts: dict[tuple[float, float], list[str]] = {}
    for caption, begin, end in lines:
        parts.setdefault((begin, end), []).append(mirror_caption(caption) if swap else caption)
    clips = []
    for (begin, end), captions in parts.items():
        whole = begin == end == 0.0
        start = first + (0 if whole else round(begin * FPS))
        stop = last if whole else min(last, first + round(end * FPS))
        if stop - start < _LEAST:
            continue
        clips.append(
            MotionClip(
                id=f"humanml3d/{name}" + ("" if whole else f"@{begin:g}-{end:g}"),
                split=split,
                captions=tuple(captions),
                licence=LICENCE,
                fps=FPS,
                length=stop - start,
                labels={},
                kinematics={},
                _read=_Part(path, offset + start / FPS, stop - start, mirror),
            )
        )
    return clips


@dataclass(frozen=True)
class _Part:
    """Frames of an AMASS file at 20 fps."""

    path: Path
    start: float
    frames: int
    mirror: bool

    def __call__(self) -> np.ndarray:
        motion = _read_once(self.path)
        times = self.start + np.arange(self.frames) / FPS
        if times[-1] > motion.duration + 1 / FPS:
            raise FormatError(
                self.path, f"lasts {motion.duration:.2f} s; HumanML3D's index asks for {times[-1]:.2f} s"
            )
        part = motion.resample(FPS, times=np.minimum(times, motion.duration)).align()
        return np.asarray((part.mirror() if self.mirror else part).joints, dtype=np.float32)


@lru_cache(maxsize=16)
def _read_once(path: Path) -> Motion:
    return read_motion(path, format="amass")


def _amass_file(folder: Path, source: str) -> Path | None:
    """The file that `./pose_data/KIT/3/kick_poses.npy` names, in AMASS' own layout."""
    parts = [part for part in Path(source.replace("\\", "/")).parts if part not in (".", "pose_data")]
    if not parts or ".." in parts or Path(source).is_absolute():
        return None
    path = folder.joinpath(*parts).with_suffix(".npz")
    return path if path.is_file() else None


def _captions(path: Path) -> list[tuple[str, float, float]]:
    """Lines `caption#POS#from#to` as (caption, from, to); what is no number is 0, as HumanML3D reads it."""
    found = []
    for number, line in enumerate(read_text(path, _MAX_TEXT).splitlines(), start=1):
        if not line.strip():
            continue
        fields = line.split("#")
        if len(fields) != 4:
            raise FormatError(path, "is not caption#POS#from#to", f"line {number}")
        try:
            begin, end = (0.0 if field.strip() == "nan" else float(field) for field in fields[2:])
        except ValueError:
            raise FormatError(path, f"{fields[2:]} are no seconds", f"line {number}") from None
        if not 0 <= begin <= end:
            raise FormatError(path, f"a part from {begin:g} s to {end:g} s", f"line {number}")
        found.append((fields[0].strip(), begin, end))
    return found


def _splits(folder: Path) -> dict[str, str]:
    splits: dict[str, str] = {}
    for split in ("train", "val", "test"):
        names = folder / f"{split}.txt"
        if names.is_file():
            splits |= dict.fromkeys(read_text(names, _MAX_TEXT).split(), split)
    return splits
