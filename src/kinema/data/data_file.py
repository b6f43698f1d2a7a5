"""`data.toml`: several sets of videos with their weights, what each gives, and the conventions of its files.

    capture = true                  # find people and camera where a set gives them and has none

    [[set]]
    kind = "humanvid"
    videos = "HumanVid/videos"      # seen from this file's folder, as all paths
    cameras = "HumanVid/cameras"
    convention = "c2w"
    weight = 2.0

    [[set]]
    kind = "realestate10k"
    videos = "RealEstate10K/train.json"
    scale = "unit"

Only this file is read here; `data_check.py` holds what it says against the videos.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from kinema.data.video_clips import CONDITIONS, VideoClip
from kinema.data.video_sets import READERS, Report, raised, read_videos
from kinema.scene import CameraPath, Scene
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_text

_MAX_BYTES = 1 << 20
_COMMON = ("kind", "videos", "name", "weight", "gives")
_OWN = {
    "folder": ("scenes",),
    "table": ("root",),
    "humanvid": ("cameras", "convention", "scenes"),
    "realestate10k": ("root", "scale", "metres"),
    "tiktok": ("fps",),
    "webdataset": (),
    "parquet": (),
}
_KINDS: dict[str, Any] = {"weight": (int, float), "metres": (int, float), "fps": (int, float), "gives": list}
CONVENTIONS = ("c2w", "w2c")
SCALES = ("unit", "metric")


@dataclass(frozen=True)
class VideoSet:
    """One set of a data file.

    Args:
        name: unique in the file; part of every clip's id.
        kind: a name of `READERS`.
        videos: folder, table, list or shards.
        weight: share of the samples, against the other sets'.
        gives: what is trained of it: `pose`, `camera` or both. What it does not give is withheld from adapters, also
            where the files have it.
        options: of its kind, see docs/data.md.
        lines: of the set and its fields in the data file, the set's own under "".
    """

    name: str
    kind: str
    videos: str
    weight: float
    gives: frozenset[str]
    options: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)

    def where(self, name: str = "") -> str:
        """The place of a field, or of the set where it is not there."""
        line = self.lines.get(name, self.lines.get("", 1))
        return f"line {line}" + (f", field {name}" if name else "")

    def clips(self, report: Report = raised) -> Iterator[VideoClip]:
        """Its clips, as the file says that they are to be read.

        Args:
            report: told what is wrong with a clip, which is then left out.
        """
        reading = {
            name: self.options[name]
            for name in ("cameras", "convention", "fps", "root")
            if name in self.options
        }
        if "metres" in self.options:
            reading["scale"] = float(self.options["metres"])
        scenes = self.options.get("scenes")
        for clip in read_videos(self.videos, self.kind, report=report, **reading):
            try:
                yield self._told(clip if scenes is None else _with_scene_of(clip, self.videos, scenes))
            except FormatError as problem:
                report(problem)

    def _told(self, clip: VideoClip) -> VideoClip:
        scene, camera = clip.scene, clip.camera
        if "pose" not in self.gives and scene is not None:
            camera, scene = camera or scene.camera, None
        if self.options.get("scale") == "unit" and camera is not None:
            camera = unit_scaled(camera)
        known = replace(clip, id=f"{self.name}/{clip.id}", scene=scene, camera=camera, gives=self.gives)
        return replace(known, source=clip.source or self.name)


@dataclass(frozen=True)
class DataFile:
    """What a data file says.

    Args:
        path: the file.
        sets: in its order.
        capture: whether people and camera are captured where a set gives them and its files have none.
    """

    path: Path
    sets: tuple[VideoSet, ...]
    capture: bool = False


def read_data_file(path: str | os.PathLike[str]) -> DataFile:
    """A data file.

    Raises:
        FormatError: no TOML, or what it says cannot be; naming line and field.
        FileNotFoundError: there is none.
    """
    path = Path(path)
    text = read_text(path, _MAX_BYTES)
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(path, f"no TOML: {error}") from None
    if unknown := set(told) - {"set", "capture"}:
        raise FormatError(path, f"has no place for {', '.join(sorted(unknown))}", hint="capture and [[set]]s")
    if not isinstance(told.get("capture", False), bool):
        raise FormatError(path, "is true or false", where="field capture")
    tables = told.get("set")
    if not isinstance(tables, list) or not tables:
        raise FormatError(
            path, "names no set", hint='begin each with a line [[set]], then kind = "folder", ...'
        )
    sets = tuple(_Table(path, text, number, table).read() for number, table in enumerate(tables))
    for number, each in enumerate(sets):
        if each.name in {other.name for other in sets[:number]}:
            raise FormatError(
                path, f"the name {each.name!r} is there twice", each.where("name"), "say name = ..."
            )
    return DataFile(path, sets, bool(told.get("capture", False)))


def clips_of(data: DataFile) -> Iterator[tuple[str, list[VideoClip]]]:
    """(set, clips) of each set; a mistake ends it, see `Report`."""
    for each in data.sets:
        yield each.name, list(each.clips())


def unit_scaled(camera: CameraPath) -> CameraPath:
    """The camera path with its first frame at the origin and its furthest position at distance 1.

    Structure from motion has no unit, and another one in every clip (RealEstate10K). A camera that only turns stays.
    The whole clip has one scale, so that its windows have, too.
    """
    camera = camera.relative()
    reach = np.linalg.norm(camera.positions, axis=-1).max()
    if reach < 1e-9:
        return camera
    c2w = camera.c2w.copy()
    c2w[:, :3, 3] /= reach
    return replace(camera, c2w=c2w)


def _with_scene_of(clip: VideoClip, videos: str, scenes: str) -> VideoClip:
    assert isinstance(clip.video, Path)
    path = Path(scenes) / clip.video.relative_to(videos).with_suffix(".npz")
    if not path.is_file():
        return clip
    return replace(clip, scene=Scene.load(path))


@dataclass(frozen=True)
class _Table:
    """One [[set]] of a data file.

    Args:
        path, text: of the file.
        number: of the set.
        table: what it says.
    """

    path: Path
    text: str
    number: int
    table: dict[str, Any]

    def read(self) -> VideoSet:
        table = self.table
        kind, known = table.get("kind"), tuple(READERS)
        if not isinstance(kind, str) or kind not in known:
            raise self._wrong("kind", f"is {kind!r}; there are {', '.join(known)}")
        allowed = (*_COMMON, *_OWN[kind])
        for name, value in table.items():
            if name not in allowed:
                near = get_close_matches(name, allowed, 1)
                meant = f"did you mean {near[0]}? " if near else ""
                raise self._wrong(name, f"a {kind} set has no {name}; {meant}it has {', '.join(allowed)}")
            if not isinstance(value, _KINDS.get(name, (str, int, float) if name == "scale" else str)):
                raise self._wrong(name, f"{value!r} is of another kind than expected")
        if not table.get("videos"):
            raise self._wrong("videos", "is missing")
        options = {name: table[name] for name in _OWN[kind] if name in table}
        for name in ("cameras", "scenes", "root"):
            if name in options:
                options[name] = self._place(name, options[name])
        for name in ("weight", "metres", "fps"):
            number = table.get(name, 1.0)
            if isinstance(number, bool) or not (np.isfinite(number) and number > 0):
                raise self._wrong(name, f"is {number}; give a number above 0")
        gives = self._gives(kind)
        if "/" in table.get("name", ""):
            raise self._wrong("name", "holds a /", "it is the first part of the clips' names")
        self._conventions(kind, gives)
        default = f"{Path(table['videos']).stem or kind}" if "name" not in table else table["name"]
        return VideoSet(
            name=default,
            kind=kind,
            videos=self._place("videos", table["videos"]),
            weight=float(table.get("weight", 1.0)),
            gives=gives,
            options=options,
            lines={"": self._line(), **{name: self._line(name) for name in table}},
        )

    def _gives(self, kind: str) -> frozenset[str]:
        told = self.table.get("gives", ["camera"] if kind == "realestate10k" else list(CONDITIONS))
        if not told or not all(isinstance(each, str) and each in CONDITIONS for each in told):
            raise self._wrong("gives", f"is {told}; give pose, camera or both")
        if kind == "realestate10k" and "pose" in told:
            raise self._wrong("gives", "RealEstate10K has no people: it gives the camera alone")
        return frozenset(told)

    def _conventions(self, kind: str, gives: frozenset[str]) -> None:
        told = self.table
        if kind == "humanvid" and told.get("convention") not in CONVENTIONS:
            raise self._wrong(
                "convention",
                f"is {told.get('convention')!r}",
                'say "w2c" for the rendered sub-set or "c2w" for the web one; nothing in a camera file tells',
            )
        if kind == "realestate10k" and told.get("scale") not in SCALES:
            raise self._wrong(
                "scale",
                f"is {told.get('scale')!r}",
                'say "unit" (each clip\'s way divided by its reach) or "metric" (as the files have it, times metres)',
            )
        if told.get("scale") == "unit" and "metres" in told:
            raise self._wrong("metres", "has no say where scale is unit: leave it out")

    def _place(self, name: str, text: str) -> str:
        """A path as seen from the data file's folder, checked to be there."""
        place = os.path.join(self.path.parent, text)
        if "{" not in text and not os.path.exists(place):
            raise self._wrong(name, f"there is no {text}", f"paths are seen from {self.path.parent}")
        return place

    def _wrong(self, name: str, message: str, hint: str | None = None) -> FormatError:
        return FormatError(
            self.path, message, f"line {self._line(name)}, field set[{self.number}].{name}", hint
        )

    def _line(self, name: str | None = None) -> int:
        """The line of the set, or of one of its fields where it is there."""
        begun, found = -1, 1
        for number, line in enumerate(self.text.splitlines(), start=1):
            if re.match(r"\s*\[\[\s*set\s*\]\]", line):
                begun += 1
                found = number if begun == self.number else found
            elif begun == self.number and name and re.match(rf"\s*{re.escape(name)}\s*=", line):
                return number
        return found
