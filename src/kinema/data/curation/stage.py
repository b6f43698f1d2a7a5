"""What a stage is, and a chain of stages as a worker runs it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from kinema.capture.detectors.detector import DetectorUnavailable
from kinema.data.curation.clip_folder import ClipFolder, Judged

Needs = Literal["processor", "network", "accelerator"]
"""What a stage keeps busy: a core, somebody else's machine, or a GPU where there is one."""


class Stage(Protocol):
    """One step of curation; a frozen dataclass whose fields are its settings.

    Attributes:
        name: unique; its record is `NAME.json` in the clip's folder.
        needs: stages that need the same share a worker.
        reads: stages whose results it looks at; if they change, it is done again.
        version: raised when the same settings give something else.
    """

    name: ClassVar[str]
    reads: ClassVar[tuple[str, ...]]
    version: ClassVar[int]

    @property
    def needs(self) -> Needs:
        """See above."""

    def __call__(self, clip: ClipFolder) -> Judged:
        """Looks at a clip. Encoders are opened at the first call and held; detectors follow one video each.

        Raises:
            FormatError, ValueError: this clip cannot be looked at; the others go on.
        """


def settings_of(stage: Any) -> dict[str, Any]:
    """A stage's settings, JSON types."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(stage).items()}


def keys_of(stages: Sequence[Stage], first: str) -> dict[str, str]:
    """The key of each stage's records: a hash of its settings and of what it reads.

    So new thresholds of one filter leave the work of all others as it is.

    Args:
        stages: in their order.
        first: key of what comes before them all.
    """
    keys: dict[str, str] = {}
    for stage in stages:
        read = [keys.get(name) for name in stage.reads]
        told = [first, read, stage.name, stage.version, settings_of(stage)]
        keys[stage.name] = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    return keys


def resting_on(stages: Sequence[Stage], name: str) -> set[str]:
    """The stages that read a stage, directly or not, and itself."""
    found = {name}
    for stage in stages:
        if found & set(stage.reads):
            found.add(stage.name)
    return found


@dataclass(frozen=True)
class Walked:
    """How far a worker came with a clip.

    Args:
        id: the clip's.
        seconds: spent, by stage that was done now.
        crashed: an error that is no judgement of the clip, by stage; such a run ends with code 1.
    """

    id: str
    seconds: dict[str, float] = field(default_factory=dict)
    crashed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Chain:
    """Stages that one worker runs for a clip, one after the other; picklable.

    Args:
        place: folder of the clips.
        stages: in their order.
        keys: of all stages of the plan.
        active: the stages that are done in this run; a clip that lacks an earlier one waits.
    """

    place: Path
    stages: tuple[Stage, ...]
    keys: dict[str, str]
    active: Collection[str]

    def __call__(self, name: str) -> Walked:
        """Does what is not done yet; a clip that was left out, or failed, is not looked at any more."""
        clip, walked = folder_of(self.place, name), Walked(name)
        for stage, key in self._path():
            if (record := clip.done(stage, key)) is not None:
                if record.why:
                    return walked
                continue
            work = next((each for each in self.stages if each.name == stage), None)
            if work is None or stage not in self.active:
                return walked
            begun = time.perf_counter()
            judged, failed = _judged(work, clip)
            walked.seconds[stage] = time.perf_counter() - begun
            clip.write(stage, key, judged, failed=failed)
            if failed:
                walked.crashed[stage] = judged.why
            if judged.why:
                if not failed:
                    clip.video.unlink(missing_ok=True)  # nothing will read it again
                return walked
        return walked

    def _path(self) -> Iterator[tuple[str, str]]:
        """Stages from the first one of the plan to the last one of this chain."""
        last = self.stages[-1].name
        for stage, key in self.keys.items():
            yield stage, key
            if stage == last:
                return


def _judged(stage: Stage, clip: ClipFolder) -> tuple[Judged, bool]:
    """(what a stage says, whether it is an error): no clip's mistake ends the run."""
    try:
        return stage(clip), False
    except (DetectorUnavailable, ModuleNotFoundError):
        raise
    except Exception as error:
        return Judged(f"{type(error).__name__}: {error}".splitlines()[0][:500]), True


def folder_of(place: Path, name: str) -> ClipFolder:
    """A clip's folder; at most 256 folders lie side by side."""
    return ClipFolder(place / hashlib.sha256(name.encode()).hexdigest()[:2] / name)


def first_key(settings: dict[str, Any]) -> str:
    """The key of what comes before the stages: the cut."""
    told = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
