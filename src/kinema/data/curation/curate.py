"""Videos in, shards out: lists, cuts, looks, packs; goes on where a killed run was."""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from kinema import __version__
from kinema.data.curation.clip_folder import ClipFolder, Record, write_json
from kinema.data.curation.cut import (
    Cut,
    Cutter,
    cut_record,
    read_source,
    video_folder,
    write_source,
)
from kinema.data.curation.engine import Engine, LocalEngine, Pool
from kinema.data.curation.shards import Packer, ShardFormat
from kinema.data.curation.stage import (
    Chain,
    Stage,
    Walked,
    first_key,
    folder_of,
    keys_of,
    resting_on,
    settings_of,
)
from kinema.data.video_sets import read_videos
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write

CUT, SHARDS = "cut", "shards"
"""The first and the last stage."""

SHARD_BYTES = 512 << 20

_FEW_SHARDS = 4  # are packed by this process: workers would take longer to start
_SHOWN = 10  # errors that a report names

Say = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


@dataclass(frozen=True)
class Plan:
    """What is done with videos.

    Args:
        cut: into clips.
        stages: that look at each clip, in their order.
        form: of the shards.
        shard_bytes: of a shard, about.
    """

    cut: Cut
    stages: tuple[Stage, ...]
    form: ShardFormat = "webdataset"
    shard_bytes: int = SHARD_BYTES

    @property
    def names(self) -> tuple[str, ...]:
        """Of all stages, in their order."""
        return (CUT, *(stage.name for stage in self.stages), SHARDS)

    @cached_property
    def cut_key(self) -> str:
        return first_key({"version": self.cut.version, **settings_of(self.cut)})

    def resting_on(self, name: str) -> set[str]:
        """A stage and those that read it, directly or not; of the cut all."""
        return set(self.names) if name == CUT else resting_on(self.stages, name)

    @cached_property
    def keys(self) -> dict[str, str]:
        """Of the stages between."""
        return keys_of(self.stages, self.cut_key)


@dataclass
class Tally:
    """What a stage did in this run, and what stands of it now.

    Args:
        seconds: spent in this run, of all workers together.
        done: in this run.
        kept, left_out, failed: clips (videos, of the cut) that stand so.
        reasons: of those left out, by their first words.
    """

    seconds: float = 0.0
    done: int = 0
    kept: int = 0
    left_out: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class CurationReport:
    """What became of the videos.

    Args:
        out: the folder.
        videos, clips: how many there are.
        kept: clips that passed all stages.
        waiting: clips that some stage has not looked at yet.
        stages: by name.
        failed: what ended in an error, with it; the next run tries again.
        shards: name, clips, bytes and SHA-256 of each.
        unreadable: what is wrong with files that cannot be opened.
    """

    out: Path
    videos: int
    clips: int
    kept: int
    waiting: int
    stages: dict[str, Tally]
    failed: dict[str, str]
    shards: list[dict[str, Any]]
    unreadable: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """For people."""
        lines = [f"{'stage':<10}{'kept':>8}{'left out':>10}{'failed':>8}{'done now':>10}{'s each':>9}"]
        for name, tally in self.stages.items():
            each = f"{tally.seconds / tally.done:.2f}" if tally.done else ""
            lines.append(
                f"{name:<10}{tally.kept:>8}{tally.left_out:>10}{tally.failed:>8}{tally.done:>10}{each:>9}"
            )
            lines += [f"    {count} {reason}" for reason, count in tally.reasons.most_common()]
        lines += [f"failed: {name}: {error}" for name, error in list(self.failed.items())[:_SHOWN]]
        lines += [f"cannot be read: {problem}" for problem in self.unreadable[:_SHOWN]]
        hidden = max(0, len(self.failed) - _SHOWN) + max(0, len(self.unreadable) - _SHOWN)
        lines += [f"and {hidden} more, see clips.jsonl"] if hidden else []
        waiting = f", {self.waiting} wait for stages that were not asked for" if self.waiting else ""
        packed = sum(each["bytes"] for each in self.shards)
        lines.append(
            f"{self.out}: {self.kept} of {self.clips} clips of {self.videos} videos kept{waiting}; "
            f"{len(self.shards)} shards, {packed / 2**20:.1f} MiB"
        )
        return "\n".join(lines)

    def facts(self) -> dict[str, Any]:
        """As JSON types."""
        stages = {
            name: {**vars(tally), "seconds": round(tally.seconds, 3), "reasons": dict(tally.reasons)}
            for name, tally in self.stages.items()
        }
        return {
            "out": str(self.out),
            "videos": self.videos,
            "clips": self.clips,
            "kept": self.kept,
            "waiting": self.waiting,
            "stages": stages,
            "failed": self.failed,
            "shards": self.shards,
            "unreadable": self.unreadable,
        }


def curate(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    plan: Plan,
    *,
    kind: str = "auto",
    only: Collection[str] | None = None,
    again: str | None = None,
    engine: Engine | None = None,
    say: Say = lambda name, done, total: None,
) -> CurationReport:
    """Makes shards of videos.

    Args:
        source: what `read_videos` reads: a folder, a table, shards.
        out: folder of the shards, `manifest.json`, `clips.jsonl` and `work/`, which the next run goes on with.
        plan: the stages and their settings.
        kind: of the source, see `read_videos`.
        only: the stages of this run; all where None.
        again: this stage and those that read it are done anew.
        engine: who runs the stages; this process where None.
        say: told of progress.

    Raises:
        FileNotFoundError: no such source.
        ValueError: no videos, an unknown stage, shards within the folder of the videos, or another run works there.
        ModuleNotFoundError, DetectorUnavailable: what a stage needs is not installed.
    """
    for name in {*(only or ()), *([again] if again else [])} - set(plan.names):
        raise ValueError(f"there is no stage {name!r}; there are {', '.join(plan.names)}")
    out = Path(out)
    if Path(source).is_dir() and out.resolve().is_relative_to(Path(source).resolve()):
        raise ValueError(f"{out} lies in {source}, whose videos are read: write the shards elsewhere")
    with _alone(out):
        return _Curation(out, plan, plan.names if only is None else only, engine or LocalEngine(), say).run(
            source, kind, again
        )


@dataclass
class _Curation:
    """One run."""

    out: Path
    plan: Plan
    active: Collection[str]
    engine: Engine
    say: Say

    def __post_init__(self) -> None:
        self.work = self.out / "work"
        self.tallies = {name: Tally() for name in self.plan.names}
        self.failed: dict[str, str] = {}

    def run(self, source: str | os.PathLike[str], kind: str, again: str | None) -> CurationReport:
        videos, unreadable = self._list(source, kind)
        if again is not None:
            self._forget(videos, again)
        self._cut(videos)
        clips, lines = self._clips_of(videos)
        lines += [{"video": name, "stage": "read", "why": why} for name, why in unreadable]
        self._look(clips)
        kept, waiting, seen = self._judgements(clips)
        shards: list[dict[str, Any]] = []
        if SHARDS in self.active:
            shards = self._pack(kept)
        self._write(lines + seen, len(videos), len(clips), len(kept), waiting, shards)
        counts = (len(videos), len(clips), len(kept), waiting)
        wrong = [why for _, why in unreadable]
        return CurationReport(self.out, *counts, self.tallies, self.failed, shards, wrong)

    def _list(self, source: str | os.PathLike[str], kind: str) -> tuple[list[str], list[tuple[str, str]]]:
        """Names of the videos in order, and (file, why) of those that cannot be opened."""
        unreadable: list[tuple[str, str]] = []

        def report(problem: FormatError) -> None:
            unreadable.append((Path(str(problem.path)).name, str(problem)))

        names = []
        for clip in read_videos(source, kind, report=report):
            names.append(write_source(self.work, clip))
            self.say("listing", len(names), 0)
        if not names and not unreadable:
            raise ValueError(f"{os.fspath(source)}: there are no videos")
        return sorted(set(names)), sorted(unreadable)

    def _cut(self, videos: Sequence[str]) -> None:
        """Cuts what is not cut yet."""
        if CUT not in self.active:
            return
        missing = [name for name in videos if not self._is_cut(name)]
        cutter = Cutter(self.work, self.plan.cut, self.plan.cut_key)
        self._run([Pool(cutter, "processor")], missing, "cutting")

    def _is_cut(self, name: str) -> bool:
        """Whether a video's clips are there, all that are still needed."""
        record = cut_record(self.work, name, self.plan.cut_key)
        return record is not None and all(
            clip.video.is_file() or self._left_out(clip) is not None for clip in self._folders(record)
        )

    def _clips_of(self, videos: Sequence[str]) -> tuple[list[ClipFolder], list[dict[str, Any]]]:
        """The clips, and a line for each video without any; a video that is there twice counts once."""
        tally, seen = self.tallies[CUT], dict[str, str]()
        clips: list[ClipFolder] = []
        lines: list[dict[str, Any]] = []
        for name in videos:
            record = cut_record(self.work, name, self.plan.cut_key)
            if record is None:
                tally.failed += name in self.failed
                continue
            content, video = record.facts.get("sha256", ""), read_source(video_folder(self.work, name)).id
            why = record.why or (f"the same video as {seen[content]}" if content in seen else "")
            if why:
                tally.left_out += 1
                tally.reasons[_short(why)] += 1
                lines.append({"video": video, "stage": CUT, "why": why})
                continue
            seen[content] = video
            tally.kept += 1
            clips += self._folders(record)
        return clips, lines

    def _look(self, clips: Sequence[ClipFolder]) -> None:
        """Sends the clips through the stages that are asked for."""
        active = [stage.name for stage in self.plan.stages if stage.name in self.active]
        if not active:
            return
        pools, group = [], list[Stage]()
        for stage in self.plan.stages:
            if group and group[-1].needs != stage.needs:
                pools.append(self._pool(group))
                group = []
            group.append(stage)
        pools.append(self._pool(group))
        names = [clip.id for clip in clips if not self._is_through(clip, active[-1])]
        self._run(pools, names, "looking")

    def _pool(self, stages: Sequence[Stage]) -> Pool:
        chain = Chain(self.work / "clips", tuple(stages), self.plan.keys, frozenset(self.active))
        return Pool(chain, stages[0].needs)

    def _judgements(self, clips: Sequence[ClipFolder]) -> tuple[list[ClipFolder], int, list[dict[str, Any]]]:
        """Kept clips, how many wait, and a line for each clip; the stages' tallies are filled in."""
        kept: list[ClipFolder] = []
        lines: list[dict[str, Any]] = []
        waiting = 0
        for clip in clips:
            line: dict[str, Any] = {"clip": clip.id, **clip.facts}
            for name, key in self.plan.keys.items():
                record, tally = clip.record(name), self.tallies[name]
                if record is None or record.key != key:
                    line |= {"stage": name, "why": "waits"}
                    waiting += 1
                    break
                line |= {name: record.facts} if record.facts else {}
                if record.failed:
                    tally.failed += 1
                    self.failed.setdefault(clip.id, record.why)
                elif record.why:
                    tally.left_out += 1
                    tally.reasons[_short(record.why)] += 1
                else:
                    tally.kept += 1
                    continue
                line |= {"stage": name, "why": record.why}
                break
            else:
                kept.append(clip)
            lines.append(line)
        return kept, waiting, lines

    def _pack(self, kept: Sequence[ClipFolder]) -> list[dict[str, Any]]:
        stages = tuple(stage.name for stage in self.plan.stages)
        packer = Packer(self.out, self.work, self.plan.form, stages)
        names = packer.plan(kept, self.plan.shard_bytes)
        engine = self.engine if len(names) > _FEW_SHARDS else LocalEngine()
        self._run([Pool(packer, "processor")], names, "packing", engine)
        self.tallies[SHARDS].kept = len(kept)
        return packer.done(names)

    def _run(
        self, pools: Sequence[Pool], names: Sequence[str], what: str, engine: Engine | None = None
    ) -> None:
        """Lets the engine work, and counts."""
        if not names:
            return
        self.say(what, 0, len(names))
        for number, walked in enumerate((engine or self.engine).run(pools, names), start=1):
            self._count(walked)
            self.say(what, number, len(names))

    def _count(self, walked: Walked) -> None:
        for name, seconds in walked.seconds.items():
            self.tallies[name].seconds += seconds
            self.tallies[name].done += 1
        for name, error in walked.crashed.items():
            self.failed[walked.id] = f"{name}: {error}"

    def _is_through(self, clip: ClipFolder, last: str) -> bool:
        """Whether nothing is left to do up to a stage."""
        for name, key in self.plan.keys.items():
            record = clip.done(name, key)
            if record is None:
                return False
            if record.why or name == last:
                return True
        return True

    def _left_out(self, clip: ClipFolder) -> Record | None:
        """The judgement by which a clip is left out, of these settings."""
        for name, key in self.plan.keys.items():
            record = clip.done(name, key)
            if record is None or record.why:
                return record
        return None

    def _folders(self, record: Record) -> Iterator[ClipFolder]:
        return (folder_of(self.work / "clips", name) for name in record.facts.get("clips", ()))

    def _forget(self, videos: Sequence[str], stage: str) -> None:
        """Makes a stage and those that rest on it new again."""
        behind = self.plan.resting_on(stage)
        for name in videos:
            record = cut_record(self.work, name, self.plan.cut_key)
            for clip in () if record is None else self._folders(record):
                for each in behind:
                    clip.forget(each)
            if CUT in behind:
                (video_folder(self.work, name) / "cut.json").unlink(missing_ok=True)

    def _write(
        self,
        lines: list[dict[str, Any]],
        videos: int,
        clips: int,
        kept: int,
        waiting: int,
        shards: list[dict[str, Any]],
    ) -> None:
        """`clips.jsonl`, a line for each clip and each video without any; and `manifest.json`."""
        with atomic_write(self.out / "clips.jsonl") as temporary:
            texts = sorted(json.dumps(line, sort_keys=True, ensure_ascii=False) for line in lines)
            temporary.write_text("".join(f"{text}\n" for text in texts), "utf-8")
        stages: list[dict[str, Any]] = [{"name": CUT, **settings_of(self.plan.cut)}]
        stages += [{"name": stage.name, **settings_of(stage)} for stage in self.plan.stages]
        counts = {
            name: {
                "kept": t.kept,
                "left_out": t.left_out,
                "failed": t.failed,
                "reasons": dict(sorted(t.reasons.items())),
            }
            for name, t in self.tallies.items()
        }
        facts = {"videos": videos, "clips": clips, "kept": kept, "waiting": waiting}
        manifest = {"kinema": __version__, "format": self.plan.form, **facts, "stages": stages}
        write_json(self.out / "manifest.json", {**manifest, "counts": counts, "shards": shards})


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keeps a second run out of the folder; the lock of a killed one is free."""
    (out / "work").mkdir(parents=True, exist_ok=True)
    with (out / "work" / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{out}: another run works in this folder; wait for it, or stop it") from None
        yield


def _short(why: str) -> str:
    """A reason without its figures and names."""
    return why.partition(" (")[0].partition(" as ")[0]
