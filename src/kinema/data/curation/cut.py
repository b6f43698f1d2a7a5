"""Shots: a video is cut where the picture changes at once, and each shot becomes a clip's folder.

Cuts are found by PySceneDetect's adaptive detector (content score against its neighbours, so that a fast pan is no
cut). Shots are encoded anew, once, by H.264 at a quality that can hardly be told from the source.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kinema.data.curation.clip_folder import (
    FACTS,
    Record,
    read_record,
    sha256,
    write_json,
    write_record,
)
from kinema.data.curation.stage import Walked, folder_of
from kinema.data.video_clips import PackedCell, PackedFile, VideoClip, open_clip
from kinema.media.encoders import FilmForm
from kinema.media.video_kinds import video_target
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_text

_LOOKED_AT = 160  # pixels of the longer side on which cuts are looked for (ours)


@dataclass(frozen=True)
class Cut:
    """How videos are cut into clips.

    Args:
        threshold: how many times more the picture changes at a cut than around it (PySceneDetect's default).
        least: seconds of the shortest clip (ours).
        most: seconds of the longest clip; longer shots make several equal ones (ours).
        max_side: pixels; larger frames are made smaller (ours).
        fps: frames per second of the clips; the video's own, at most 60, where None.
        crf: quality of the clips' H.264 (ours).
    """

    name: ClassVar[str] = "cut"
    version: ClassVar[int] = 1

    threshold: float = 3.0
    least: float = 2.0
    most: float = 20.0
    max_side: int = 1280
    fps: float | None = None
    crf: int = 14

    def __post_init__(self) -> None:
        if not 0 < self.least <= self.most:
            raise ValueError(
                f"clips of {self.least:g} to {self.most:g} s: give seconds above 0, the shorter first"
            )

    def shots(self, frames: Any) -> list[tuple[int, int]]:
        """(first frame, end) of each shot of an opened video.

        Raises:
            ModuleNotFoundError: PySceneDetect is not installed.
            FormatError: the video is damaged.
        """
        try:
            from scenedetect import AdaptiveDetector, FrameTimecode
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "shots are found by PySceneDetect: pip install 'kinema[curate]'"
            ) from None
        detector = AdaptiveDetector(self.threshold, min_scene_len=max(1, round(0.3 * frames.fps)))
        cuts, number = [0], 0
        for chunk in frames.chunks(32):
            for picture in chunk:
                found = detector.process_frame(FrameTimecode(number, frames.fps), picture[..., ::-1].copy())
                cuts += [each.frame_num for each in found]
                number += 1
        return list(zip(cuts, [*cuts[1:], number], strict=True))

    def clips(self, shots: list[tuple[int, int]], fps: float) -> list[tuple[int, int]]:
        """(first frame, end) of each clip: shots that are long enough, in equal parts where they are too long."""
        made = []
        for begin, end in shots:
            if end - begin < round(self.least * fps):
                continue
            parts = int(np.ceil((end - begin) / (self.most * fps) - 1e-9))
            bounds = np.linspace(begin, end, parts + 1).round().astype(int).tolist()
            made += list(pairwise(bounds))
        return made


@dataclass(frozen=True)
class Cutter:
    """Cuts the videos of a plan; picklable. A video's folder keeps its place (`source.json`) and its record.

    Args:
        work: the folder of the work.
        cut: how.
        key: of its records.
    """

    work: Path
    cut: Cut
    key: str

    def __call__(self, name: str) -> Walked:
        """Cuts the video of that name."""
        begun = time.perf_counter()
        folder = video_folder(self.work, name)
        old = read_record(folder / "cut.json")
        if old is not None and old.key != self.key:
            forget_cut(self.work, name)
        source = read_source(folder)
        crashed = {}
        try:
            facts = self._cut(name, source)
            record = Record(self.key, "" if facts["clips"] else "no shot is long enough", facts)
        except ModuleNotFoundError:
            raise
        except Exception as error:
            broken = isinstance(error, (FormatError, FileNotFoundError))
            record = Record(self.key, str(error).splitlines()[0][:500], {"clips": []}, failed=not broken)
            if record.failed:
                crashed = {"cut": record.why}
        write_record(folder / "cut.json", record)
        return Walked(name, {"cut": time.perf_counter() - begun}, crashed)

    def _cut(self, name: str, source: VideoClip) -> dict[str, Any]:
        """Writes the clips' folders; what is to be kept of the video."""
        fps = self.cut.fps
        with open_clip(source, fps=fps, max_side=_LOOKED_AT) as frames:
            shots, rate = self.cut.shots(frames), frames.fps
        parts = self.cut.clips(shots, rate)
        content = _content(source)
        with open_clip(source, fps=fps, max_side=self.cut.max_side) as frames:
            for number, pictures in enumerate(_parts(frames, parts)):
                clip = folder_of(self.work / "clips", f"{name}-{number:03d}")
                size, count = self._film(clip.video, pictures, rate)
                begin, end = parts[number]
                facts = {
                    "id": clip.id,
                    "video": source.id,
                    "video_sha256": content,
                    "sha256": sha256(clip.video),
                    "from": round(begin / rate, 6),
                    "to": round(end / rate, 6),
                    "fps": rate,
                    "frames": count,
                    "size": size,
                    "caption": source.caption,
                    "licence": source.licence,
                    "source": source.source,
                }
                write_json(clip.path / FACTS, facts)
        long = sum(end - begin for begin, end in parts)
        return {
            "clips": [f"{name}-{number:03d}" for number in range(len(parts))],
            "shots": len(shots),
            "seconds": round(shots[-1][1] / rate, 3),
            "seconds_of_clips": round(long / rate, 3),
            "sha256": content,
        }

    def _film(self, path: Path, pictures: Iterator[np.ndarray], fps: float) -> tuple[list[int], int]:
        """Writes a clip; its (width, height) and number of frames."""
        with atomic_write(path) as temporary:
            encoder, count, size = None, 0, [0, 0]
            try:
                for picture in pictures:
                    height, width = (side // 2 * 2 for side in picture.shape[:2])
                    if encoder is None:
                        size = [width, height]
                        form = FilmForm(width, height, fps, False, self.cut.crf, "", "", threads=1)
                        encoder = video_target(temporary).kind.open(temporary, form)
                    encoder.add(np.ascontiguousarray(picture[:height, :width]), count)
                    count += 1
                if encoder is not None:
                    encoder.finish()
            finally:
                if encoder is not None:
                    encoder.close()
        return size, count


def _parts(frames: Any, parts: list[tuple[int, int]]) -> Iterator[Iterator[np.ndarray]]:
    """The pictures of each part, in one pass; each is read to its end before the next."""
    pictures = enumerate(picture for chunk in frames.chunks(16) for picture in chunk)

    def part(begin: int, end: int) -> Iterator[np.ndarray]:
        for number, picture in pictures:
            if number >= begin:
                yield picture
            if number + 1 >= end:
                return

    for begin, end in parts:
        yield part(begin, end)


def video_name(clip: VideoClip) -> str:
    """A video's name in the work folder and in the shards: readable, unique, without dots."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(clip.id).stem).strip("_")[:48] or "video"
    return f"{stem}-{hashlib.sha256(clip.id.encode()).hexdigest()[:8]}"


def video_folder(work: Path, name: str) -> Path:
    """Where a video's place and record are kept."""
    return work / "videos" / hashlib.sha256(name.encode()).hexdigest()[:2] / name


def write_source(work: Path, clip: VideoClip) -> str:
    """Keeps where a video is, for workers; its name."""
    video: Any
    if isinstance(clip.video, PackedFile):
        cell = [clip.video.column] if isinstance(clip.video, PackedCell) else []
        place = [clip.video.offset, clip.video.size, clip.video.name, *cell]
        video = {"packed": [str(clip.video.path.resolve()), *place]}
    elif isinstance(clip.video, tuple):
        video = {"pictures": [str(path.resolve()) for path in clip.video]}
    else:
        video = {"file": str(clip.video.resolve())}
    told = {
        **video,
        "id": clip.id,
        "caption": clip.caption,
        "fps": clip.fps,
        "size": list(clip.size),
        "licence": clip.licence,
        "source": clip.source,
        "stamp": _stamp(clip),
    }
    name = video_name(clip)
    path = video_folder(work, name) / "source.json"
    if not path.is_file() or json.loads(read_text(path)) != told:
        forget_cut(work, name)  # the file is another one, or what is said of it
        write_json(path, told)
    return name


def read_source(folder: Path) -> VideoClip:
    """The video of a folder that `write_source` has made."""
    told = json.loads(read_text(folder / "source.json"))
    video: Any
    if "packed" in told:
        path, *place = told["packed"]
        video = (PackedFile if len(place) == 3 else PackedCell)(Path(path), *place)
    elif "pictures" in told:
        video = tuple(Path(path) for path in told["pictures"])
    else:
        video = Path(told["file"])
    clip = VideoClip(told["id"], video, told["caption"], told["fps"], tuple(told["size"]))
    return replace(clip, licence=told["licence"], source=told["source"])


def cut_record(work: Path, name: str, key: str) -> Record | None:
    """The record of a video that need not be cut again, whatever became of its clips."""
    record = read_record(video_folder(work, name) / "cut.json")
    return None if record is None or record.key != key or record.failed else record


def forget_cut(work: Path, name: str) -> None:
    """Takes a video's clips away, with all that was found of them."""
    path = video_folder(work, name) / "cut.json"
    record = read_record(path)
    for clip in () if record is None else record.facts.get("clips", ()):
        folder_of(work / "clips", clip).remove()
    path.unlink(missing_ok=True)


def _content(clip: VideoClip) -> str:
    """SHA-256 of the video's bytes; of pictures, of all of them."""
    if isinstance(clip.video, PackedFile):
        return hashlib.sha256(clip.video.read()).hexdigest()
    if isinstance(clip.video, Path):
        return sha256(clip.video)
    return hashlib.sha256("".join(sha256(path) for path in clip.video).encode()).hexdigest()


def _stamp(clip: VideoClip) -> list[int]:
    """Size and time of the video's files; another stamp is another video."""
    files = clip.video if isinstance(clip.video, tuple) else (clip.video,)
    stamps = []
    for file in files:
        path = file.path if isinstance(file, PackedFile) else file
        with suppress(OSError):
            facts = path.stat()
            stamps += [facts.st_size, facts.st_mtime_ns]
    return stamps
