"""Readers of data sets of videos: a folder or table of one's own, HumanVid, RealEstate10K, TikTok-style folders.

Each gives `VideoClip`s in a fixed order, reading headers alone; `read_videos` picks the reader by what is there.
What is wrong with one clip goes to `report`: raised by default, so that nothing is left out in silence; a check of a
whole data set (`data_check.py`) collects it, and the reader goes on with the next clip. WebDataset shards are read by
`video_shards.py`.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from kinema.data.video_clips import TABLE_FIELDS, VIDEO_SUFFIXES, VideoClip, picture_size, probe
from kinema.scene import Scene
from kinema.scene.formats import humanvid, realestate10k
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_text

Report = Callable[[FormatError], None]
"""Told what is wrong with a clip, which is then left out."""

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_MAX_TABLE_BYTES = 256 << 20


def raised(problem: FormatError) -> None:
    """The `Report` that ends the reading."""
    raise problem


def read_videos(source: str | os.PathLike[str], kind: str = "auto", **options: Any) -> Iterator[VideoClip]:
    """The clips of a data set.

    Args:
        source: a folder, a table (.csv), a clip list (.json) or shards (.tar, .parquet).
        kind: a name of `READERS`; by default what the files look like.
        options: of the reader.

    Raises:
        FileNotFoundError: there is no such folder or file.
        FormatError: a file is not what it says.
        ValueError: an unknown kind.
    """
    if kind != "auto" and kind not in READERS:
        raise ValueError(f"no kind of video set {kind!r}; there are auto, {', '.join(READERS)}")
    return READERS[_kind_of(source) if kind == "auto" else kind](source, **options)


def _kind_of(source: str | os.PathLike[str]) -> str:
    path = Path(source)
    suffix = path.suffix.lower()
    if suffix in (".tar", ".parquet"):
        return {".tar": "webdataset", ".parquet": "parquet"}[suffix]
    if suffix in (".csv", ".json") and not path.is_dir():
        return {".csv": "table", ".json": "realestate10k"}[suffix]
    if not path.is_dir():
        raise FileNotFoundError(
            f"{path}: give a folder of videos, a .csv, a .json list of clips, or .tar or .parquet shards"
        )
    if next(path.glob("*.tar"), None):
        return "webdataset"
    if next(path.glob("*.parquet"), None):
        return "parquet"
    if _videos(path):
        return "folder"
    return "tiktok"


def read_folder(folder: str | os.PathLike[str], *, report: Report = raised) -> Iterator[VideoClip]:
    """Videos in a folder and its sub-folders; beside `dance.mp4` may lie `dance.txt` (caption) and `dance.npz` (scene).

    Raises:
        FormatError: no videos, or a file that is not what it says.
    """
    folder = _folder(folder)
    paths = _videos(folder)
    if not paths:
        raise FormatError(folder, "holds no videos", hint=f"videos end in {', '.join(VIDEO_SUFFIXES)}")
    for path in paths:
        with _reported(report) as made:
            caption, scene = path.with_suffix(".txt"), path.with_suffix(".npz")
            clip = _clip(
                path,
                path.relative_to(folder).as_posix(),
                read_text(caption, 1 << 20).strip() if caption.is_file() else "",
                scene=Scene.load(scene) if scene.is_file() else None,
                source=folder.name,
            )
            made.append(clip)
        yield from made


def read_table(
    table: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    report: Report = raised,
) -> Iterator[VideoClip]:
    """A .csv with a header: `video` (or path, file, file_name), and where known `caption` (text, prompt), `scene`
    (a Kinema .npz), `licence`, `source`. Other columns are left alone. OpenVid's and Koala-36M's tables are read so.

    Args:
        table: the .csv.
        root: the folder that paths are seen from; the table's where None.
        report: see `Report`.

    Raises:
        FormatError: naming line and field.
    """
    table = Path(table)
    rows = csv.DictReader(io.StringIO(read_text(table, _MAX_TABLE_BYTES)))
    names = {name.strip().lower(): name for name in rows.fieldnames or ()}
    columns = {
        field: next((names[alias] for alias in aliases if alias in names), None)
        for field, aliases in TABLE_FIELDS.items()
    }
    if columns["video"] is None:
        raise FormatError(
            table, f"has no column of videos; it has {', '.join(names) or 'none'}", "line 1", "name one video"
        )
    place = table.parent if root is None else _folder(root)
    seen: set[str] = set()
    for row in rows:
        where = f"line {rows.line_num}"

        def value(field: str, row: dict[str, Any] = row) -> str:
            column = columns[field]
            return "" if column is None else (row[column] or "").strip()

        name, field = value("video"), f"{where}, field {columns['video']}"
        with _reported(report) as made:
            if not name:
                raise FormatError(table, "is empty", where=field)
            if name in seen:
                raise FormatError(table, f"{name} is there twice", where=field)
            seen.add(name)
            if not (place / name).is_file():
                raise FormatError(table, f"there is no {name}", where=field)
            scene = place / value("scene") if value("scene") else None
            if scene is not None and not scene.is_file():
                raise FormatError(table, f"there is no {value('scene')}", f"{where}, field scene")
            known = None if scene is None else Scene.load(scene)
            clip = _clip(place / name, name, value("caption"), scene=known)
            made.append(replace(clip, licence=value("licence"), source=value("source") or table.stem))
        yield from made


def read_humanvid(
    videos: str | os.PathLike[str],
    *,
    cameras: str | os.PathLike[str] | None = None,
    convention: Literal["w2c", "c2w"],
    report: Report = raised,
) -> Iterator[VideoClip]:
    """HumanVid: videos, and for each a camera file of the same name (`scene.formats.humanvid`).

    Args:
        videos: folder; captions may lie beside the videos as .txt.
        cameras: folder of the camera files; those beside the videos where None, under the ending .camera.txt.
        convention: "w2c" for the rendered sub-set, "c2w" for the web one; nothing in a file tells.
        report: see `Report`.

    Raises:
        FormatError: a video without camera, or a file that is not what it says.
    """
    folder = _folder(videos)
    for clip in read_folder(folder, report=report):
        assert isinstance(clip.video, Path)
        if cameras is None:
            path = clip.video.with_suffix(".camera.txt")
        else:
            path = _folder(cameras) / clip.video.relative_to(folder).with_suffix(".txt")
        with _reported(report) as made:
            if not path.is_file():
                raise FormatError(
                    clip.video, f"has no camera file {path}", hint="leave the video out, or add it"
                )
            camera = humanvid.read(path, convention=convention, size=clip.size, fps=clip.fps)
            made.append(replace(clip, camera=camera, source="HumanVid"))
        yield from made


def read_realestate10k(
    source: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    scale: float = 1.0,
    report: Report = raised,
) -> Iterator[VideoClip]:
    """RealEstate10K as CameraCtrl lays it out: a JSON list of {clip_name, clip_path, pose_file, caption}; or a folder in
    which clips and pose files share their names.

    Args:
        source: the list or the folder.
        root: the folder that a list's paths are seen from; the list's own where None.
        scale: metres per unit of the pose files.
        report: see `Report`.

    Raises:
        FormatError: naming the entry and field, or the line of a pose file.
    """
    path = Path(source)
    if path.is_dir():
        for video in _videos(path):
            pose = video.with_suffix(".txt")
            with _reported(report) as made:
                if not pose.is_file():
                    raise FormatError(video, f"has no pose file {pose.name} beside it")
                made.append(_posed(_clip(video, video.relative_to(path).as_posix(), ""), pose, scale))
            yield from made
        return
    try:
        entries = json.loads(read_text(path, _MAX_TABLE_BYTES))
    except json.JSONDecodeError as error:
        raise FormatError(path, f"not JSON ({error.msg})", where=f"line {error.lineno}") from None
    if not isinstance(entries, list):
        raise FormatError(
            path, "is not a list of clips", hint="[{clip_name, clip_path, pose_file, caption}, ...]"
        )
    place = path.parent if root is None else _folder(root)
    for number, entry in enumerate(entries):
        with _reported(report) as made:
            files = [_named(path, place, number, entry, each) for each in ("clip_path", "pose_file")]
            name = str(entry.get("clip_name") or entry["clip_path"])
            clip = _clip(files[0], name, str(entry.get("caption") or ""))
            made.append(_posed(clip, files[1], scale))
        yield from made


def _named(path: Path, place: Path, number: int, entry: Any, field: str) -> Path:
    """The file that a field of a list's entry names."""
    name = entry.get(field) if isinstance(entry, dict) else None
    if not isinstance(name, str) or not (place / name).is_file():
        wrong = "is missing" if name is None else f"names no file: {name!r}"
        raise FormatError(path, wrong, where=f"entry {number}, field {field}")
    return place / name


def read_tiktok(
    folder: str | os.PathLike[str], *, fps: float = 30.0, report: Report = raised
) -> Iterator[VideoClip]:
    """Folders of pictures, one per person or dance, as the TikTok set has them: `00001/images/0001.png, ...`.

    The pictures may lie in `images` or `frames` or in the folder itself; masks and other sub-folders are left alone.
    `caption.txt` may lie beside them.

    Args:
        folder: of the folders.
        fps: at which the pictures were taken.
        report: see `Report`.

    Raises:
        FormatError: no folder with pictures.
    """
    folder = _folder(folder)
    found = False
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        pictures: tuple[Path, ...] = ()
        for place in (person / "images", person / "frames", person):
            if place.is_dir() and not pictures:
                pictures = tuple(sorted(p for p in place.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES))
        if not pictures:
            continue
        found = True
        text = person / "caption.txt"
        with _reported(report) as made:
            caption = read_text(text, 1 << 20).strip() if text.is_file() else ""
            size = picture_size(pictures[0])
            made.append(VideoClip(person.name, pictures, caption, fps, size, source=folder.name))
        yield from made
    if not found:
        raise FormatError(
            folder,
            "holds neither videos nor folders of pictures",
            hint="expected PERSON/images/0001.png, ...",
        )


def _read_webdataset(source: str | os.PathLike[str], *, report: Report = raised) -> Iterator[VideoClip]:
    from kinema.data.video_shards import read_shards

    return read_shards(source, report=report)


def _read_parquet(source: str | os.PathLike[str], *, report: Report = raised) -> Iterator[VideoClip]:
    from kinema.data.video_tables import read_tables

    return read_tables(source, report=report)


READERS: dict[str, Callable[..., Iterator[VideoClip]]] = {
    "folder": read_folder,
    "table": read_table,
    "humanvid": read_humanvid,
    "realestate10k": read_realestate10k,
    "tiktok": read_tiktok,
    "webdataset": _read_webdataset,
    "parquet": _read_parquet,
}


@contextmanager
def _reported(report: Report) -> Iterator[list[VideoClip]]:
    """A list for the clip that is read in the block; what is wrong with it goes to `report`."""
    made: list[VideoClip] = []
    try:
        yield made
    except FormatError as problem:
        report(problem)


def _clip(path: Path, name: str, caption: str, scene: Scene | None = None, source: str = "") -> VideoClip:
    fps, size = probe(path)
    return VideoClip(name, path, caption, fps, size, scene=scene, source=source)


def _posed(clip: VideoClip, pose: Path, scale: float) -> VideoClip:
    camera = realestate10k.read(pose, size=clip.size, scale=scale)
    return replace(clip, camera=camera, source=_address(pose) or "RealEstate10K")


def _address(pose: Path) -> str:
    return read_text(pose).splitlines()[0].strip()


def _videos(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)


def _folder(path: str | os.PathLike[str]) -> Path:
    if not Path(path).is_dir():
        raise FileNotFoundError(f"{os.fspath(path)}: there is no such folder")
    return Path(path)
