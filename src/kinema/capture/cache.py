"""Captures kept on disk: what was made of a file with the same settings by the same code is not made again.

A capture is a folder of plain files: `scene.npz`, `tracks.npz` and `capture.json`, written beside and renamed as a
whole; nothing is unpickled. What cannot be read counts as not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import kinema
from kinema.capture.observation import CameraSolution, Capture, PersonTrack
from kinema.media.stills import picture_files
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_npz, read_text
from kinema.scene.scene import Scene

CACHE_VARIABLE = "KINEMA_CACHE"
MAX_BYTES = 1 << 29
"""Default limit on all captures of a folder, 512 MiB (ours): hundreds of clips; the least recently used go first."""

_LIBRARIES = ("mediapipe", "onnxruntime", "ai-edge-litert", "torch", "pycolmap")
_TRACK_ARRAYS = ("points", "confidence", "boxes")


def cache_folder() -> Path:
    """The user's cache folder of Kinema: `$KINEMA_CACHE`, or where the platform keeps caches."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "kinema"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "kinema" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "kinema"


class CaptureCache:
    """Captures in a folder.

    Args:
        folder: made when something is first saved; `captures` in the user's cache folder by default.
        max_bytes: limit on all files together.
    """

    def __init__(self, folder: Path | None = None, max_bytes: int = MAX_BYTES) -> None:
        self.folder = cache_folder() / "captures" if folder is None else folder
        self.max_bytes = max_bytes

    def key(self, video: str | os.PathLike[str], settings: Mapping[str, Any]) -> str:
        """What a capture is kept under: hash of the file or pictures, the settings, the model file and the code.

        Raises:
            FileNotFoundError: no such video or model file.
        """
        told = dict(settings)
        if told.get("model") is not None:
            told["model"] = _sha256(told["model"])
        files = [_sha256(file) for file in picture_files(video) or (video,)]
        parts = {"video": files, "settings": told, "code": _code()}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    def load(self, key: str) -> Capture | None:
        """The capture kept under a key, or None."""
        entry = self.folder / key
        if not entry.is_dir():
            return None
        try:
            made = read_capture(entry)
        except (FormatError, OSError):
            return None
        os.utime(entry)
        return made

    def save(self, key: str, made: Capture) -> None:
        """Keeps a capture, and drops the least recently used ones above the limit.

        A cache that cannot be written (a full disk, a folder without permission) leaves no trace and is no error.
        """
        partial = self.folder / f".{key}.{secrets.token_hex(4)}"
        try:
            partial.mkdir(parents=True)
            write_capture(partial, made)
            if (self.folder / key).exists():
                shutil.rmtree(self.folder / key)
            partial.rename(self.folder / key)
            self._shrink(key)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)

    def _shrink(self, keep: str) -> None:
        entries = [
            entry for entry in self.folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")
        ]
        entries.sort(key=lambda entry: entry.stat().st_mtime)
        sizes = {entry: sum(file.stat().st_size for file in entry.iterdir()) for entry in entries}
        total = sum(sizes.values())
        for entry in entries:
            if total <= self.max_bytes:
                return
            if entry.name != keep:
                shutil.rmtree(entry, ignore_errors=True)
                total -= sizes[entry]


def write_capture(folder: Path, made: Capture) -> None:
    """Writes a capture into an existing folder."""
    made.scene.save(folder / "scene.npz")
    arrays: dict[str, np.ndarray] = {
        "camera.c2w": made.camera.c2w,
        "camera.intrinsics": made.camera.intrinsics,
        "camera.points": made.camera.points,
    }
    for number, track in enumerate(made.tracks):
        for name in _TRACK_ARRAYS:
            arrays[f"track{number}.{name}"] = getattr(track, name)
        if track.joints is not None:
            arrays[f"track{number}.joints"] = track.joints
    np.savez_compressed(folder / "tracks.npz", allow_pickle=False, **arrays)  # type: ignore[arg-type]
    facts = {
        "settings": made.settings,
        "notes": made.notes,
        "figures": made.figures,
        "tracks": [
            {"id": track.id, "layout": track.layout, "fps": track.fps, "size": track.size}
            for track in made.tracks
        ],
        "camera": {
            "kind": made.camera.kind,
            "scaled": made.camera.scaled,
            "figures": made.camera.figures,
            "notes": made.camera.notes,
        },
    }
    (folder / "capture.json").write_text(json.dumps(facts, default=float), encoding="utf-8")


def read_capture(folder: Path) -> Capture:
    """Reads what `write_capture` wrote.

    Raises:
        FormatError: a file is damaged or missing a part.
        FileNotFoundError: a file is missing.
    """
    scene = Scene.load(folder / "scene.npz")
    arrays = read_npz(folder / "tracks.npz")
    try:
        facts = json.loads(read_text(folder / "capture.json"))
        tracks = tuple(
            PersonTrack(
                id=told["id"],
                layout=told["layout"],
                fps=told["fps"],
                size=(told["size"][0], told["size"][1]),
                points=arrays[f"track{number}.points"],
                confidence=arrays[f"track{number}.confidence"],
                boxes=arrays[f"track{number}.boxes"],
                joints=arrays.get(f"track{number}.joints"),
            )
            for number, told in enumerate(facts["tracks"])
        )
        camera = CameraSolution(
            c2w=arrays["camera.c2w"],
            intrinsics=arrays["camera.intrinsics"],
            points=arrays["camera.points"],
            **{**facts["camera"], "notes": tuple(facts["camera"]["notes"])},
        )
        return Capture(scene, tracks, camera, facts["settings"], tuple(facts["notes"]), facts["figures"])
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(folder, f"is no capture ({error})") from None


def _sha256(path: str | os.PathLike[str]) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=1)
def _code() -> str:
    """Hash of the capture room's sources, its weights and the libraries it asks."""
    digest = hashlib.sha256(kinema.__version__.encode())
    house = Path(kinema.__file__).parent
    for file in sorted([*(house / "capture").rglob("*.py"), *(house / "weights" / "lifter").glob("*")]):
        digest.update(file.name.encode() + file.read_bytes())
    for library in _LIBRARIES:
        try:
            digest.update(f"{library}{metadata.version(library)}".encode())
        except metadata.PackageNotFoundError:
            continue
    return digest.hexdigest()
