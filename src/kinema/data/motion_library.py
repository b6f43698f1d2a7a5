"""The motion library: captured clips with captions, splits and licences.

Reads the compact set described in docs/data.md: `clips.jsonl` beside npz shards that hold joint positions as
int16 differences over time. Joints are SMPL-24, metres, Y up; frame 0 faces +Z with the pelvis at x = z = 0.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_npz
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24, Skeleton

ENVIRONMENT_VARIABLE = "KINEMA_MOTION_DATA"
SPLITS = ("train", "val", "test", "test_combo")
_MAX_SHARD_BYTES = 1 << 29
_REQUIRED = ("id", "shard", "start", "length", "fps", "split", "captions", "licence")


@dataclass(frozen=True)
class MotionClip:
    """One captured clip and what is known of it.

    Args:
        id: unique name, `source/file`.
        split: one of `SPLITS`.
        captions: descriptions of the motion; every one fits the whole clip.
        licence: the licence of the source, as text.
        fps: frames per second of the stored joints.
        length: number of frames.
        labels: the source's own labels (content, style).
        kinematics: measured path length, displacement, turn, speed.
        timeline: optional list of {start, end, text} for clips with several prompts.
    """

    id: str
    split: str
    captions: tuple[str, ...]
    licence: str
    fps: float
    length: int
    labels: Mapping[str, str]
    kinematics: Mapping[str, float]
    timeline: tuple[Mapping[str, Any], ...] = ()
    _read: Callable[[], np.ndarray] = field(repr=False, compare=False, default=lambda: np.empty((0, 24, 3)))

    @property
    def seconds(self) -> float:
        """Duration in seconds, first to last frame."""
        return (self.length - 1) / self.fps

    def joints(self) -> np.ndarray:
        """Joint positions, metres, float32 [T, 24, 3]."""
        return self._read()

    def motion(self) -> Motion:
        """The clip as a Motion on an SMPL-24 tree with the performer's own (median) bone lengths."""
        joints = self.joints()
        return Motion(joints=joints, fps=self.fps, skeleton=_performer(joints))


class MotionLibrary(Sequence[MotionClip]):
    """An ordered collection of clips; filters return smaller libraries."""

    def __init__(self, clips: Sequence[MotionClip]) -> None:
        self._clips = tuple(clips)

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None) -> MotionLibrary:
        """Opens a library folder.

        Args:
            path: the folder; by default `$KINEMA_MOTION_DATA`, or `../shared/motion_data` seen from the
                current folder.

        Raises:
            FileNotFoundError: no library there.
            FormatError: a file is not what it says.
        """
        folder = library_folder(path)
        if folder is None:
            raise FileNotFoundError(
                f"no motion library found{f' in {path}' if path else ''}: pass the folder that holds "
                f"clips.jsonl, or set {ENVIRONMENT_VARIABLE}"
            )
        return cls(_read_index(folder))

    def __len__(self) -> int:
        return len(self._clips)

    def __iter__(self) -> Iterator[MotionClip]:
        return iter(self._clips)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return MotionLibrary(self._clips[index])
        return self._clips[index]

    def split(self, *names: str) -> MotionLibrary:
        """The clips of the named splits."""
        unknown = set(names) - set(SPLITS)
        if unknown:
            raise ValueError(f"unknown split {sorted(unknown)}; the splits are {', '.join(SPLITS)}")
        return MotionLibrary([clip for clip in self if clip.split in names])

    def licensed(self, use: str) -> MotionLibrary:
        """The clips that may be used: `"any"` keeps all, `"commercial"` drops non-commercial licences."""
        if use not in ("any", "commercial"):
            raise ValueError(f"licence filter must be 'any' or 'commercial', not {use!r}")
        if use == "any":
            return self
        return MotionLibrary([clip for clip in self if "NC" not in clip.licence])

    def where(self, keep: Callable[[MotionClip], bool]) -> MotionLibrary:
        """The clips for which `keep(clip)` holds."""
        return MotionLibrary([clip for clip in self if keep(clip)])

    def find(self, clip_id: str) -> MotionClip:
        """The clip with that id.

        Raises:
            KeyError: no such clip.
        """
        for clip in self:
            if clip.id == clip_id:
                return clip
        raise KeyError(f"no clip {clip_id!r} in this library of {len(self)} clips")


def library_folder(path: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder of the motion library, or None where there is none."""
    candidates = [path] if path else [os.environ.get(ENVIRONMENT_VARIABLE), "../shared/motion_data"]
    for candidate in candidates:
        if candidate and (Path(candidate) / "clips.jsonl").is_file():
            return Path(candidate)
    return None


def _read_index(folder: Path) -> list[MotionClip]:
    index = folder / "clips.jsonl"
    shards: dict[str, _Shard] = {}
    clips = []
    with index.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            where = f"line {number}"
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise FormatError(index, f"not JSON: {error.msg}", where=where) from error
            missing = [key for key in _REQUIRED if key not in row]
            if missing:
                raise FormatError(index, f"missing {', '.join(missing)}", where=where)
            name = row["shard"]
            if Path(name).name != name:
                raise FormatError(index, f"shard {name!r} is not a plain file name", where=where)
            shard = shards.setdefault(name, _Shard(folder / name))
            clips.append(
                MotionClip(
                    id=row["id"],
                    split=row["split"],
                    captions=tuple(row["captions"]),
                    licence=row["licence"],
                    fps=float(row["fps"]),
                    length=int(row["length"]),
                    labels=row.get("labels", {}),
                    kinematics=row.get("kinematics", {}),
                    timeline=tuple(row.get("timeline", ())),
                    _read=_Reader(shard, int(row["start"]), int(row["length"])),
                )
            )
    return clips


class _Shard:
    """A shard file, read when first needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._arrays: dict[str, np.ndarray] | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        if self._arrays is None:
            arrays = dict(read_npz(self.path, max_bytes=_MAX_SHARD_BYTES))
            delta = arrays.get("delta")
            if delta is None or delta.ndim != 2 or delta.shape[0] != 72:
                raise FormatError(self.path, "expected int16 array [72, N]", where="delta")
            self._arrays = arrays
        return self._arrays


@dataclass(frozen=True)
class _Reader:
    shard: _Shard
    start: int
    length: int

    def __call__(self) -> np.ndarray:
        arrays = self.shard.arrays()
        delta = arrays["delta"][:, self.start : self.start + self.length]
        if delta.shape[1] != self.length:
            raise FormatError(self.shard.path, f"clip at {self.start} runs past the end", where="delta")
        steps = np.cumsum(delta.T.astype(np.int32), axis=0)
        return (steps * float(arrays["quant"])).astype(np.float32).reshape(-1, 24, 3)


def _performer(joints: np.ndarray) -> Skeleton:
    """The SMPL-24 tree with the median bone lengths of these joints [T, 24, 3] and canonical directions."""
    parents = np.array(SMPL24.parents)
    bones = np.median(np.linalg.norm(joints[:, 1:] - joints[:, parents[1:]], axis=-1), axis=0)
    canonical = SMPL24.rest[1:] - SMPL24.rest[parents[1:]]
    offsets = canonical / np.linalg.norm(canonical, axis=-1, keepdims=True) * bones[:, None]
    rest = np.zeros((24, 3), np.float64)
    for joint in range(1, 24):
        rest[joint] = rest[parents[joint]] + offsets[joint - 1]
    rest[:, 1] -= rest[:, 1].min()
    return Skeleton(SMPL24.names, SMPL24.parents, rest)
