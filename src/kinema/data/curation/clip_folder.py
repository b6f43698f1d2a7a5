"""A clip's folder while it is curated: the video, what each stage said of it, and what it made.

    work/clips/3f/dance-3f9a01c2-000/clip.json      where the clip is from
                                     clip.mp4       its frames
                                     people.json    what a stage said
                                     scene.npz      what a stage made

Everything appears whole, and the same settings write the same bytes: a stage that is done twice does no harm.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write, read_text

VIDEO, FACTS = "clip.mp4", "clip.json"


@dataclass(frozen=True)
class Judged:
    """What a stage says of a clip.

    Args:
        why: in words, why the clip is left out; empty where it stays.
        facts: what was measured, JSON types.
        files: what the stage has written into the folder.
    """

    why: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """What is kept of a stage's judgement.

    Args:
        key: of the stage's settings and of what it reads; with another key the stage is done again.
        why, facts: as in `Judged`.
        files: SHA-256 of what it has written.
        failed: whether `why` is an error instead of a judgement; the stage is then tried again by the next run.
    """

    key: str
    why: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    failed: bool = False


@dataclass(frozen=True)
class ClipFolder:
    """The folder of one clip.

    Args:
        path: the folder; its name is the clip's id.
    """

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def video(self) -> Path:
        return self.path / VIDEO

    @property
    def facts(self) -> dict[str, Any]:
        """Where the clip is from: video, frames, fps, size, caption, licence, source."""
        return dict(json.loads(read_text(self.path / FACTS)))

    def record(self, stage: str) -> Record | None:
        """What a stage said; None where it has not, or its record cannot be read."""
        return read_record(self.path / f"{stage}.json")

    def write(self, stage: str, key: str, judged: Judged, *, failed: bool = False) -> Record:
        """Keeps what a stage said."""
        files = {name: sha256(self.path / name) for name in judged.files}
        record = Record(key, judged.why, dict(judged.facts), files, failed)
        write_record(self.path / f"{stage}.json", record)
        return record

    def done(self, stage: str, key: str) -> Record | None:
        """The record of a stage that need not be done again."""
        record = self.record(stage)
        if record is None or record.key != key or record.failed:
            return None
        return record if all((self.path / name).is_file() for name in record.files) else None

    def forget(self, stage: str) -> None:
        """Makes a stage new again."""
        (self.path / f"{stage}.json").unlink(missing_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def read_record(path: Path) -> Record | None:
    """A record; None where there is none that can be read."""
    try:
        return Record(**json.loads(read_text(path)))
    except (OSError, FormatError, ValueError, TypeError):
        return None


def write_record(path: Path, record: Record) -> None:
    """Writes a record, whole or not at all."""
    write_json(path, asdict(record))


def write_json(path: Path, told: Any) -> None:
    """The same bytes for the same content, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(told, sort_keys=True, ensure_ascii=False, indent=1) + "\n", "utf-8")


def sha256(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
