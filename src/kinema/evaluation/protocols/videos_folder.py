"""Folders of clips, and the manifest they are checked against before anything is scored.

A clip is a video file or a folder of PNG frames; its name is the file's without the suffix, or the folder's.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kinema.media.video import read_video
from kinema.scene.formats.errors import FormatError

VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif", ".m4v")
PICTURES = (".png",)
CACHE_BYTES = 1 << 30
MAX_PICTURE = 1 << 26


@dataclass(frozen=True)
class ClipForm:
    """What must agree between two videos of one clip.

    Args:
        frames: how many.
        size: (width, height) in pixels.
        fps: frames per second; None for PNG frames without a manifest, which state none.
    """

    frames: int
    size: tuple[int, int]
    fps: float | None

    def differs(self, other: ClipForm) -> str:
        """What differs, in words; empty where nothing does. Frame rates within 1e-3 are the same."""
        words = []
        if self.frames != other.frames:
            words.append(f"{self.frames} frames, not {other.frames}")
        if self.size != other.size:
            words.append(f"{self.size[0]}x{self.size[1]} pixels, not {other.size[0]}x{other.size[1]}")
        if self.fps and other.fps and abs(self.fps - other.fps) > 1e-3:
            words.append(f"{self.fps:g} fps, not {other.fps:g}")
        return ", ".join(words)


class ClipFolder:
    """The clips of a folder, decoded when asked for and kept while there is room.

    Args:
        folder: its entries are clips; hidden files, sidecars (.json) and other files are left aside.
        fps: of PNG frames.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no clips in it, or two clips of one name.
    """

    def __init__(self, folder: str | Path, fps: float | None = None) -> None:
        self.folder = Path(folder)
        self._fps = fps
        if not self.folder.is_dir():
            raise FileNotFoundError(
                f"{self.folder} is not a folder; give a folder of videos or of PNG folders"
            )
        self.paths: dict[str, Path] = {}
        for path in sorted(self.folder.iterdir()):
            sequence = path.is_dir() and any(path.glob("*.png"))
            if path.name.startswith(".") or not (sequence or path.suffix.lower() in VIDEOS):
                continue
            name = path.name if sequence else path.stem
            if name in self.paths:
                raise ValueError(
                    f"{self.folder} holds two clips named {name!r}: {self.paths[name].name}, {path.name}"
                )
            self.paths[name] = path
        if not self.paths:
            raise ValueError(
                f"{self.folder} holds no clips: neither videos ({', '.join(VIDEOS)}) nor PNG folders"
            )
        self._cache: OrderedDict[str, tuple[np.ndarray, float | None]] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def load(self, name: str) -> tuple[np.ndarray, float | None]:
        """Frames, uint8 [T, H, W, 3], and frames per second of a clip.

        Raises:
            FileNotFoundError: there is no such clip.
            FormatError: it cannot be read.
        """
        with self._lock:
            if name in self._cache:
                self._cache.move_to_end(name)
                return self._cache[name]
        path = self.paths.get(name)
        if path is None:
            raise FileNotFoundError(f"{self.folder} has no clip {name!r}")
        clip: tuple[np.ndarray, float | None]
        clip = (read_pictures(path), self._fps) if path.is_dir() else _read_video(path)
        with self._lock:
            if name not in self._cache:
                self._cache[name] = clip
                self._held += clip[0].nbytes
            while self._held > CACHE_BYTES and len(self._cache) > 1:
                _, (frames, _) = self._cache.popitem(last=False)
                self._held -= frames.nbytes
        return clip

    def form(self, name: str) -> ClipForm:
        """Frame count, size and rate of a clip; raises as `load`."""
        frames, fps = self.load(name)
        return ClipForm(len(frames), (frames.shape[2], frames.shape[1]), fps)

    def sha256(self, name: str) -> str:
        """Of the file; of PNG frames, over their names and sha256s in order."""
        path = self.paths[name]
        if path.is_file():
            return _hash(path)
        lines = [f"{file.name}\0{_hash(file)}\n" for file in sorted(path.glob("*.png"))]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def _read_video(path: Path) -> tuple[np.ndarray, float]:
    video = read_video(path)
    return video.frames, video.fps


def read_pictures(folder: Path) -> np.ndarray:
    """The PNG frames of a folder in order of their names, uint8 [T, H, W, 3].

    Raises:
        FormatError: a picture cannot be read, has transparency or 16 bits, or another size than the first.
    """
    frames: list[np.ndarray] = []
    for file in sorted(folder.glob("*.png")):
        try:
            with Image.open(file) as picture:
                if picture.width * picture.height > MAX_PICTURE:
                    raise FormatError(file, f"has more than {MAX_PICTURE} pixels")
                if picture.mode not in ("RGB", "L", "P"):
                    raise FormatError(file, f"has the mode {picture.mode}", hint="save it as 8-bit RGB")
                frame = np.asarray(picture.convert("RGB"))
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise FormatError(file, f"cannot be read ({error})") from None
        if frames and frame.shape != frames[0].shape:
            raise FormatError(file, "has another size than the first frame")
        frames.append(frame)
    return np.stack(frames)


def expected_forms(
    references: ClipFolder | None, listed: Mapping[str, ClipForm] | None
) -> dict[str, ClipForm] | None:
    """What every clip must be like, by the manifest or else by the reference; None without either.

    Raises:
        FormatError: a reference cannot be read.
        ValueError: manifest and reference disagree; all clips that do are named.
    """
    if listed is None:
        return None if references is None else {name: references.form(name) for name in references.paths}
    if references is not None:
        problems = name_problems(references, listed, "reference")
        forms = {name: references.form(name) for name in listed if name in references.paths}
        problems += [f"{n}: {words}" for n, f in forms.items() if (words := f.differs(listed[n]))]
        _refuse("the reference is not what the manifest says", problems)
    return dict(listed)


def name_problems(clips: ClipFolder, expected: Mapping[str, object], which: str) -> list[str]:
    """Clips that are missing from a folder or too many in it."""
    return [f"{name}: not in the {which} folder" for name in expected if name not in clips.paths] + [
        f"{name}: in the {which} folder, but not expected" for name in clips.paths if name not in expected
    ]


def check_made(made: ClipFolder, expected: Mapping[str, ClipForm]) -> dict[str, str]:
    """Checks generated clips before scoring; returns the failures: clip -> why.

    A clip that is missing or unreadable is a failure of the model: counted, listed, not replaced. A clip of
    another length, size or rate, or one that nobody asked for, is a mistake of the measurement.

    Raises:
        ValueError: clips of another form, or clips too many; all of them are named.
    """
    failures: dict[str, str] = {}
    problems = [f"{name}: not expected" for name in made.paths if name not in expected]
    for name, form in expected.items():
        if name not in made.paths:
            failures[name] = "missing"
            continue
        try:
            words = made.form(name).differs(form)
        except (ValueError, OSError) as error:
            failures[name] = f"unreadable: {error}"
            continue
        if words:
            problems.append(f"{name}: {words}")
    _refuse(f"the clips in {made.folder} do not fit what they are held against", problems)
    if len(failures) == len(expected):
        name, why = next(iter(failures.items()))
        raise ValueError(f"{made.folder}: no clip can be scored; the first one, {name}: {why}")
    return failures


def check_hashes(clips: ClipFolder, wanted: Mapping[str, str], which: str) -> None:
    """Compares sha256s.

    Raises:
        ValueError: clips are not the ones that the manifest lists; all of them are named.
    """
    wrong = [
        f"{name}: another sha256"
        for name, digest in wanted.items()
        if name in clips.paths and clips.sha256(name) != digest
    ]
    _refuse(f"the {which} clips are not those of the manifest", wrong)


def _refuse(what: str, problems: list[str]) -> None:
    if problems:
        rest = f"; and {len(problems) - 8} more" if len(problems) > 8 else ""
        raise ValueError(f"{what}: {'; '.join(problems[:8])}{rest}")


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
