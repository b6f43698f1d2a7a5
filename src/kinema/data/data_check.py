"""What is wrong with the sets of a data file, all of it in one report, before anything is encoded or trained.

Every clip is opened and its first frames are decoded; of a few clips of each set that have a camera file, all frames
are read and the camera is held against what the background does in the picture (`camera_agreement.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kinema.data.camera_agreement import Agreement, camera_agreement
from kinema.data.data_file import DataFile, VideoSet
from kinema.data.video_clips import PackedFile, VideoClip, open_clip
from kinema.scene.formats.errors import FormatError

MOTION_CLIPS = 4
"""Clips of a set whose camera is held against the picture (ours)."""

_LOST = 0.5  # share of a person's joints that may be missing (ours)
_SHORT = 0.5  # seconds that a camera or scene may end before its video (ours)
_SHOWN = 50  # problems of a set that are printed


@dataclass(frozen=True)
class SetReport:
    """What was found in a set.

    Args:
        name: of the set.
        clips: that can be used.
        seconds: of them, about.
        gives: how many give pose and camera from files, by condition.
        problems: each with file, place and remedy.
        notes: what was seen and is no mistake.
    """

    name: str
    clips: int
    seconds: float
    gives: dict[str, int]
    problems: tuple[FormatError, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataReport:
    """What was found in all sets."""

    path: Path
    sets: tuple[SetReport, ...]

    @property
    def problems(self) -> list[FormatError]:
        return [problem for each in self.sets for problem in each.problems]

    @property
    def text(self) -> str:
        """For people."""
        lines = []
        for each in self.sets:
            known = (
                ", ".join(f"{name} {number}" for name, number in each.gives.items())
                or "neither pose nor camera"
            )
            lines.append(f"{each.name}: {each.clips} clips, {each.seconds / 60:.1f} minutes; known: {known}")
            lines += [f"  {note}" for note in each.notes]
            lines += [f"  {problem}" for problem in each.problems[:_SHOWN]]
            if len(each.problems) > _SHOWN:
                lines.append(f"  and {len(each.problems) - _SHOWN} more")
        count = len(self.problems)
        verdict = "nothing is wrong" if not count else f"{count} problem{'s' * (count > 1)}"
        return "\n".join([*lines, f"{self.path}: {verdict}"])

    def facts(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "data": str(self.path),
            "problems": [str(problem) for problem in self.problems],
            "sets": [
                {
                    "name": each.name,
                    "clips": each.clips,
                    "seconds": round(each.seconds, 1),
                    "known": each.gives,
                }
                for each in self.sets
            ],
        }


class DataError(ValueError):
    """Sets with mistakes; the text is the whole report."""

    def __init__(self, report: DataReport) -> None:
        self.report = report
        super().__init__(report.text)


def check_data(
    data: DataFile,
    *,
    motion_clips: int = MOTION_CLIPS,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> DataReport:
    """Reads all sets and reports what is wrong with them.

    Args:
        data: the file.
        motion_clips: of each set with cameras, how many are compared with the picture; 0 for none.
        progress: wraps the list of sets.
    """
    seen: dict[str, str] = {}
    return DataReport(
        data.path, tuple(_Check(data, each, seen).report(motion_clips) for each in progress(data.sets))
    )


class _Check:
    """The check of one set.

    Args:
        data: the file.
        told: the set.
        seen: clips of all sets by what their video is, with their ids.
    """

    def __init__(self, data: DataFile, told: VideoSet, seen: dict[str, str]) -> None:
        self.data, self.told, self.seen = data, told, seen
        self.problems: list[FormatError] = []
        self.notes: list[str] = []

    def report(self, motion_clips: int) -> SetReport:
        clips, ids, seconds = [], set(), 0.0
        try:
            for clip in self.told.clips(self.problems.append):
                if clip.id in ids:
                    self._wrong(clip, f"the id {clip.id} is there twice", "give each clip a name of its own")
                    continue
                ids.add(clip.id)
                length = self._opened(clip)
                if length is None or not self._is_new(clip):
                    continue
                seconds += length
                self._people(clip, length)
                self._camera(clip, length)
                clips.append(clip)
        except FormatError as problem:  # the list itself
            self.problems.append(problem)
        except FileNotFoundError as missing:  # a folder of it
            self.problems.append(FormatError(self.told.videos, str(missing)))
        if not clips and not self.problems:
            self.problems.append(FormatError(self.told.videos, "holds no clips"))
        self._unknown(clips)
        if motion_clips:
            self._convention(clips, motion_clips)
        gives = {
            "pose": sum(clip.scene is not None and bool(clip.scene.people) for clip in clips),
            "camera": sum(_camera_of(clip) is not None for clip in clips if "camera" in clip.gives),
        }
        known = {name: number for name, number in gives.items() if number}
        return SetReport(self.told.name, len(clips), seconds, known, tuple(self.problems), tuple(self.notes))

    def _opened(self, clip: VideoClip) -> float | None:
        """Seconds of a clip whose first frames can be decoded."""
        try:
            with open_clip(clip, max_side=64) as frames:
                first = next(frames.chunks(4), None)
                if first is None or not len(first):
                    self._wrong(clip, "holds no frames", "make the file anew")
                    return None
                return float(frames.frames / frames.fps)
        except FormatError as problem:
            self.problems.append(problem)
            return None

    def _is_new(self, clip: VideoClip) -> bool:
        video = clip.video[0] if isinstance(clip.video, tuple) else clip.video
        place = f"{video.path}+{video.offset}" if isinstance(video, PackedFile) else os.path.realpath(video)
        if place in self.seen:
            self._wrong(clip, f"the same video is {self.seen[place]}, too", "list each video once")
            return False
        self.seen[place] = clip.id
        return True

    def _people(self, clip: VideoClip, seconds: float) -> None:
        if clip.scene is None:
            return
        for number, person in enumerate(clip.scene.people):
            lost = 1 - np.isfinite(person.joints).all(-1).mean()
            if lost > _LOST:
                self._wrong(
                    clip,
                    f"{lost:.0%} of the joints are NaN",
                    "capture the clip anew, or leave it out",
                    where=f"scene, person {number}, field joints",
                )
        if clip.scene.frames / clip.scene.fps < seconds - _SHORT:
            self._wrong(
                clip,
                f"the scene is {clip.scene.frames / clip.scene.fps:.1f} s long, the video {seconds:.1f} s",
                "capture the whole video, or cut it",
                where="scene",
            )

    def _camera(self, clip: VideoClip, seconds: float) -> None:
        if clip.camera is None:
            return
        length = clip.camera.frames / clip.camera.fps
        if length < seconds - _SHORT:
            self._wrong(
                clip,
                f"the camera path is {length:.1f} s long, the video {seconds:.1f} s",
                "cut the video to its camera, or leave it out",
                where="camera",
            )

    def _unknown(self, clips: list[VideoClip]) -> None:
        """Says what a set promises and its files do not hold."""
        if self.data.capture or not clips:
            return
        lacking = {
            "pose": [clip for clip in clips if clip.scene is None or not clip.scene.people],
            "camera": [clip for clip in clips if _camera_of(clip) is None],
        }
        for name in sorted(self.told.gives):
            if missing := lacking[name]:
                self.problems.append(
                    FormatError(
                        self.data.path,
                        f"{self.told.name} gives the {name}, but {len(missing)} of {len(clips)} clips have none "
                        f"(the first is {missing[0].id})",
                        self.told.where("gives"),
                        f"capture = true finds it; or leave {name} out of gives",
                    )
                )

    def _convention(self, clips: list[VideoClip], count: int) -> None:
        """Holds the cameras that move most against the picture."""
        moving = sorted((clip for clip in clips if clip.camera is not None), key=_movement)[-count:]
        found = [(clip, camera_agreement(clip)) for clip in moving]
        told = [(clip, agreement) for clip, agreement in found if agreement.verdict != "unknown"]
        wrong = [(clip, agreement) for clip, agreement in told if agreement.verdict == "inverse"]
        if len(wrong) * 2 > len(told):
            self.problems.append(_inverted(self.data.path, self.told, wrong, len(told)))
            return
        for clip, agreement in told:
            if agreement.verdict == "neither":
                self.notes.append(f"{clip.id}: the camera agrees badly with the picture ({agreement.text})")
        if moving:
            agreeing = sum(agreement.verdict == "agrees" for _, agreement in told)
            self.notes.append(
                f"cameras against the picture: {agreeing} of {len(moving)} agree, "
                f"{len(moving) - len(told)} cannot be told"
            )

    def _wrong(self, clip: VideoClip, message: str, hint: str, where: str | None = None) -> None:
        self.problems.append(FormatError(_file_of(clip), message, where, hint))


def _inverted(
    path: Path, told: VideoSet, wrong: list[tuple[VideoClip, Agreement]], tried: int
) -> FormatError:
    clip, agreement = wrong[0]
    convention = told.options.get("convention")
    other = {"c2w": "w2c", "w2c": "c2w"}.get(str(convention))
    hint = (
        f'say convention = "{other}"'
        if other
        else "its poses are camera-to-world: turn them into world-to-camera"
    )
    field = "convention" if convention else "kind"
    return FormatError(
        path,
        f"{told.name}: the cameras are the wrong way round in {len(wrong)} of {tried} clips compared with the picture "
        f"({_file_of(clip)}: {agreement.text})",
        told.where(field),
        hint,
    )


def _camera_of(clip: VideoClip) -> Any:
    return clip.camera or (None if clip.scene is None else clip.scene.camera)


def _movement(clip: VideoClip) -> float:
    """How much a camera path turns, in radians."""
    assert clip.camera is not None
    turned = clip.camera.relative().c2w[:, :3, :3]
    angles = np.arccos(np.clip((np.trace(turned, axis1=1, axis2=2) - 1) / 2, -1, 1))
    return float(angles.max())


def _file_of(clip: VideoClip) -> str:
    if isinstance(clip.video, PackedFile):
        return f"{clip.video.path}: member {clip.video.name}"
    return str(clip.video[0].parent if isinstance(clip.video, tuple) else clip.video)
