"""Passes as a folder: a film, picture, array or text for each, a README.txt that says what goes where, and settings."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from kinema.media.encoders import Codec, Film, FilmForm
from kinema.media.video import open_video, sidecar, write_json
from kinema.media.video_kinds import SETTINGS_NAME
from kinema.passes.profile import Pass
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_folder, read_text

FilmKind = Literal["mp4", "lossless", "png"]
"""What films are written as: H.264 at high quality; FFV1, RGB without loss, in Matroska; or folders of PNGs."""

README, SETTINGS = "README.txt", "passes.json"
_CRF = 10  # of films as MP4 (ours): lines of one pixel keep their colours
_JPEG = 95  # of numbered pictures that have to be JPEGs: what cv2.imwrite takes
_WRITERS = 4
_FFV1 = Codec("ffv1", "bgr0", video=False)
_EXACT = Codec("libx264rgb", "bgr0", lambda form: {"crf": "0"}, video=False)
_MAX_SETTINGS = 1 << 24
_LINE = 100  # characters of a line of README.txt


@dataclass(frozen=True, eq=False)
class PassSet:
    """What one model reads of one scene.

    Args:
        model: name of its profile.
        title: what it is called where it was published.
        source: where its convention is read.
        passes: films, pictures and files.
        size, frames, fps: of the films.
        notes: what a person should know.
        guide: settings that the model was trained with, and traps.
        settings: what the passes were made from, JSON-able.

    Example:
        >>> scene = kinema.read_scene("examples/walk_and_wave.bvh")
        >>> made = kinema.make_passes(scene, "openpose", size=(64, 64), seconds=0.1)
        >>> made.save("passes")
        ['openpose/']
    """

    model: str
    title: str
    source: str
    passes: tuple[Pass, ...]
    size: tuple[int, int]
    frames: int
    fps: float
    notes: tuple[str, ...] = ()
    guide: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """Data of the pass of that name.

        Raises:
            KeyError: there is none; the message says which there are.
        """
        for each in self.passes:
            if each.name == name:
                return each.data
        raise KeyError(f"no pass {name!r}: there are {', '.join(each.name for each in self.passes)}")

    def save(
        self, folder: str | os.PathLike[str], kind: FilmKind = "mp4", *, force: bool = False
    ) -> list[str]:
        """Writes a folder completely or not at all, with README.txt and passes.json; says the names of the passes.

        Args:
            folder: new, empty, or of earlier passes.
            kind: what films are written as: mp4, lossless or png. Masks and exact colours lose nothing in any.
            force: replace earlier passes.

        Raises:
            FileExistsError: the folder holds something that is no earlier passes, or passes that may not be replaced.
            NotADirectoryError: a file has that name.
            ValueError: an unknown kind.
        """
        facts = {
            "model": self.model,
            "source": self.source,
            "size": list(self.size),
            "frames": self.frames,
            "fps": self.fps,
            "as": kind,
            "notes": list(self.notes),
            "settings": dict(self.settings),
        }
        return save_passes(
            folder, self.passes, self.fps, readme=self.readme(kind), settings=facts, kind=kind, force=force
        )

    def readme(self, kind: FilmKind = "mp4") -> str:
        """Text of README.txt: what each file is and where it goes, settings, traps, and the source."""
        width, height = self.size
        heading = f"Passes for {self.title}: {self.frames} frames of {width}x{height} at {self.fps:g} frames per second"
        return readme_of(heading, self.passes, [*self.guide, *self.notes, f"Convention: {self.source}"], kind)


def check_folder(folder: str | os.PathLike[str], *, force: bool) -> Path:
    """Says before the work what would make writing fail after it.

    Raises:
        FileExistsError: the folder holds something that is no earlier passes, or earlier ones that may not be replaced.
        NotADirectoryError: a file has that name.
    """
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise NotADirectoryError(f"{place} is a file; give the name of a folder")
    if not place.is_dir() or not any(place.iterdir()):
        return place
    if foreign := _foreign(place):
        raise FileExistsError(
            f"{place} holds other files ({foreign[0]}): give the passes a folder of their own"
        )
    if not force:
        raise FileExistsError(f"{place} holds passes: add --force to replace them, or choose another name")
    return place


def check_kind(kind: str) -> None:
    """Whether films can be written so.

    Raises:
        ValueError: they cannot.
    """
    if kind not in get_args(FilmKind):
        raise ValueError(f"films are written as {', '.join(get_args(FilmKind))}, not {kind!r}")


def save_passes(
    folder: str | os.PathLike[str],
    passes: Sequence[Pass],
    fps: float,
    *,
    readme: str,
    settings: Mapping[str, Any],
    kind: FilmKind = "mp4",
    force: bool = False,
) -> list[str]:
    """Writes a folder completely or not at all, and says the names in it.

    Args:
        folder: new, empty, or of earlier passes.
        passes: what a profile made.
        fps: of films that say none.
        readme: text of README.txt, see `readme_of`.
        settings: JSON-able, kept in passes.json.
        kind: what films and masks are written as.
        force: replace earlier passes.

    Raises:
        FileExistsError, NotADirectoryError: as `check_folder`.
        ValueError: an unknown kind.
    """
    check_kind(kind)
    place = check_folder(folder, force=force)
    names = [file_name(each, kind) for each in passes]
    with atomic_folder(place) as temporary:
        places = [temporary / name.rstrip("/") for name in names]
        first: dict[int, Path] = {}
        for each, place in zip(passes, places, strict=True):
            first.setdefault(id(each.data), place)
        with ThreadPoolExecutor(_WRITERS) as writers:  # encoders let go of the interpreter
            jobs = [
                writers.submit(_write, place, each, fps if each.fps is None else each.fps, kind)
                for each, place in zip(passes, places, strict=True)
                if first[id(each.data)] == place
            ]
            for job in jobs:
                job.result()
        for each, place in zip(passes, places, strict=True):
            if first[id(each.data)] != place:  # the same film under another name
                _copy(first[id(each.data)], place)
        (temporary / README).write_text(readme, encoding="utf-8")
        write_json(temporary / SETTINGS, {"files": [*names, README, SETTINGS], **settings})
    return names


def file_name(each: Pass, kind: FilmKind = "mp4") -> str:
    """Name of the file of a pass in its folder; of a folder in it with a slash."""
    if each.kind == "jpegs":
        return f"{each.name}/"
    if each.kind in ("film", "mask"):
        return f"{each.name}/" if kind == "png" else f"{each.name}.{'mkv' if kind == 'lossless' else 'mp4'}"
    if each.kind == "json" and isinstance(each.data, list):
        return f"{each.name}/"
    return (
        each.name
        + {"depth16": "/", "picture": ".png", "array": ".npy", "text": ".txt", "json": ".json"}[each.kind]
    )


def readme_of(heading: str, passes: Sequence[Pass], lines: Sequence[str], kind: FilmKind = "mp4") -> str:
    """Text of README.txt: a heading, what each file is and where it goes, and further lines.

    Args:
        heading: one line.
        passes: what is in the folder.
        lines: a paragraph each.
        kind: what films are written as.
    """
    from textwrap import fill

    parts = [heading, ""]
    for each in passes:
        about = f"{_described(each)}: {each.goes}"
        parts += [file_name(each, kind), fill(about, _LINE, initial_indent="    ", subsequent_indent="    ")]
    parts += [""]
    parts += [fill(line, _LINE, initial_indent="- ", subsequent_indent="  ") for line in lines]
    parts += ["", "Workflows for ComfyUI and diffusers: docs/passes_workflows.md of Kinema."]
    return "\n".join(parts) + "\n"


def _described(each: Pass) -> str:
    data = each.data
    if each.kind in ("film", "mask", "depth16", "jpegs"):
        names = {
            "film": "film",
            "mask": "mask, 0 or 255",
            "depth16": "16-bit pictures",
            "jpegs": "JPEG pictures",
        }
        what = names[each.kind]
        rate = "" if each.fps is None else f", {each.fps:g} fps"
        return f"{what}, {len(data)} frames of {data.shape[2]}x{data.shape[1]}{rate}"
    if each.kind == "picture":
        return f"picture, {data.shape[1]}x{data.shape[0]}"
    if each.kind == "array":
        return f"array {data.dtype} {list(data.shape)}"
    return f"{len(data)} JSON files" if isinstance(data, list) else each.kind


def _write(path: Path, each: Pass, fps: float, kind: FilmKind) -> None:
    if each.kind in ("film", "mask"):
        _write_film(path, each, fps, kind)
    elif each.kind == "depth16":
        path.mkdir()
        for number, frame in enumerate(each.data):
            Image.fromarray(np.ascontiguousarray(frame, np.uint16)).save(path / f"{number:05d}.png")
    elif each.kind == "jpegs":
        path.mkdir()
        for number, frame in enumerate(each.data):
            Image.fromarray(frame).save(path / f"{number:04d}.jpg", quality=_JPEG)
    elif each.kind == "picture":
        Image.fromarray(each.data).save(path, format="PNG")
    elif each.kind == "array":
        np.save(path, each.data, allow_pickle=False)
    elif each.kind == "text":
        path.write_text(each.data, encoding="utf-8")
    elif isinstance(each.data, list):
        path.mkdir()
        for number, frame in enumerate(each.data):
            name = f"{each.name}_{number:012d}_keypoints.json"
            (path / name).write_text(json.dumps(frame), encoding="utf-8")
    else:
        path.write_text(json.dumps(each.data), encoding="utf-8")


def _write_film(path: Path, each: Pass, fps: float, kind: FilmKind) -> None:
    """A film or mask; masks and exact colours without loss, whatever the kind."""
    mask = each.kind == "mask"
    if kind == "lossless" or (kind == "mp4" and each.exact):
        height, width = each.data.shape[1:3]
        written = ("matroska", _FFV1) if kind == "lossless" else ("mp4", _EXACT)
        film = Film(path, FilmForm(width, height, fps, False, 0, "", ""), *written, {})
        try:
            for number, frame in enumerate(each.data):
                film.add(_rgb(frame), number)
            film.finish()
        finally:
            film.close()
        return
    target: str | Path = f"{path}/" if kind == "png" else path
    with open_video(target, fps, crf=0 if mask else _CRF) as video:
        for frame in each.data:
            video.write(_rgb(frame))
    # What open_video keeps of settings stands in passes.json for all of them.
    (path / SETTINGS_NAME if kind == "png" else sidecar(path)).unlink()


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def _rgb(frame: np.ndarray) -> np.ndarray:
    """A frame of a film or mask with three channels."""
    return frame if frame.ndim == 3 else np.repeat(frame[..., None], 3, axis=-1)


def _foreign(place: Path) -> list[str]:
    """Names in a folder that were not written by `save_passes`: all where it has no settings of passes."""
    there = {each.name for each in place.iterdir()}
    try:
        ours = json.loads(read_text(place / SETTINGS, _MAX_SETTINGS))["files"]
        known = {str(name).rstrip("/") for name in ours}
    except (FormatError, FileNotFoundError, ValueError, KeyError, TypeError):
        known = set()
    return sorted(there - known)
