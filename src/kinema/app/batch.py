"""Many videos of one list: models stay loaded, what is there already is kept, and a row that fails stops no other.

Several processes, torchrun's or any started with `part`, each make every n-th row and never wait for one another.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from kinema.app.console import USER_ERRORS, describe
from kinema.app.fulfil import fulfil
from kinema.app.list_rows import Row
from kinema.app.model_cache import ModelCache
from kinema.app.progress import Progress
from kinema.app.request import ModelChoice, VideoRequest
from kinema.media.video import read_settings, write_json
from kinema.media.video_kinds import KINDS, VideoTarget, video_target
from kinema.scene.formats.files import read_text

WRITTEN_AS = ("png", *(suffix[1:] for suffix in KINDS))
"""What videos of a list are written as: folders of PNGs, or a kind of file."""

_PLACES = ("device", "memory", "parallel", "compile_blocks")  # fields of ModelChoice: where, not what
_KEY = "list_row"
_MAX_SETTINGS = 1 << 24


@dataclass(frozen=True)
class Failure:
    """A row whose video could not be made.

    Args:
        name, line: of the row.
        why: in words.
        mendable: whether a user can mend it; else it is a bug, or the machine.
    """

    name: str
    line: int
    why: str
    mendable: bool


@dataclass
class BatchReport:
    """What became of a list, or of one process's part of it.

    Args:
        folder: where the videos are.
        part: (number, of how many).
        made, kept: names of the videos that were made now, or were there.
        failed: rows whose videos could not be made.
    """

    folder: Path
    part: tuple[int, int] = (0, 1)
    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "output": str(self.folder),
            "part": list(self.part),
            "made": len(self.made),
            "kept": len(self.kept),
            "failed": [vars(each) for each in self.failed],
        }

    @property
    def text(self) -> str:
        """What is said at the end."""
        rows = len(self.made) + len(self.kept) + len(self.failed)
        share = "" if self.part[1] == 1 else f" (part {self.part[0]} of {self.part[1]})"
        lines = [
            f"{self.folder}{share}: {rows} rows: {len(self.made)} made, {len(self.kept)} were there, "
            f"{len(self.failed)} failed"
        ]
        return "\n".join([*lines, *(f"  line {each.line}, {each.name}: {each.why}" for each in self.failed)])


def make_videos(
    rows: Sequence[Row],
    folder: str | os.PathLike[str],
    *,
    written_as: str = "mp4",
    part: tuple[int, int] | None = None,
    crf: int = 18,
    force: bool = False,
    models: ModelCache | None = None,
    progress: Progress | None = None,
) -> BatchReport:
    """Makes the videos of a list that are not there yet.

    A video whose settings say that it was made of the same request and the same files is kept; any other row is made
    again. A video appears whole or not at all.

    Args:
        rows: of `read_list`.
        folder: for the videos, each by its row's name.
        written_as: one of `WRITTEN_AS`. H.264 halves the resolution of colours: figures are taken of png.
        part: (number from 0, of how many): every so many-th row is made. Those of torchrun where None.
        crf: quality of files, see `write_video`.
        force: replace videos that were not made of a list, too.
        models: where models are loaded and kept.
        progress: told how far it is.

    Raises:
        ValueError: no such kind, or no such part.
        OSError: the folder cannot be written.
        FileNotFoundError: a model is not on this machine.

    Example:
        >>> rows = kinema.read_list("examples/videos.csv")
        >>> kinema.make_videos(rows[:1], "videos").made
        ['orbit']
        >>> kinema.make_videos(rows[:1], "videos").kept
        ['orbit']
    """
    if written_as not in WRITTEN_AS:
        raise ValueError(f"videos of a list are written as {', '.join(WRITTEN_AS)}, not {written_as!r}")
    number, count = part or _of_torchrun()
    if not 0 <= number < count:
        raise ValueError(f"part {number} of {count}: parts are counted from 0")
    progress, models = progress or Progress(), models or ModelCache()
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mine = _by_model([row for place, row in enumerate(rows) if place % count == number])
    for choice in {row.request.model: None for row in mine if not row.request.is_rough}:
        _find(choice)
    report = BatchReport(folder, (number, count))
    for done, row in enumerate(mine):
        progress.step("videos", done, len(mine))
        target = _target(folder, row.name, written_as)
        try:
            key = request_key(row.request)
            if made_with(target) == key:
                report.kept.append(row.name)
                continue
            _make_room(target, force)
            made = fulfil(_here(row.request), _Quiet(), models=models)
            asked = {"command": "generate", _KEY: key, "row": row.name}
            place = f"{target.path}/" if target.is_folder else target.path
            replace(made, settings={**made.settings, **asked}).save(place, crf=crf)
            report.made.append(row.name)
        except Exception as error:  # a row's own mistake, or the machine's: the others go on
            failure = Failure(row.name, row.line, describe(error), isinstance(error, USER_ERRORS))
            report.failed.append(failure)
            progress.note(f"line {row.line}, {row.name}: {failure.why}")
    progress.step("videos", len(mine), len(mine))
    write_json(folder / f".list-{number}-of-{count}.json", report.facts())
    return report


def request_key(request: VideoRequest) -> str:
    """SHA-256 of what decides a video: the request, the content of its files, and its backbone's files.

    Raises:
        OSError: a file is not there.
    """
    facts: dict[str, Any] = {each.name: _facts(getattr(request, each.name)) for each in fields(request)}
    model = request.model
    if isinstance(model, ModelChoice):
        own = {
            each.name: _facts(getattr(model, each.name)) for each in fields(model) if each.name not in _PLACES
        }
        for name in ("backbone", "base"):
            given = getattr(model, name)
            if given is not None and Path(given).is_dir():
                own[name] = _files(Path(given), whole=False)
        facts["model"] = own
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def made_with(target: VideoTarget) -> str | None:
    """The key of the request that a video was made of; None where it is not there, or not of a list."""
    if target.is_folder:
        if not target.sidecar.is_file():
            return None
        try:
            said = json.loads(read_text(target.sidecar, _MAX_SETTINGS)).get("settings", {})
        except (ValueError, AttributeError):
            return None
    elif target.path.is_file():
        try:
            said = read_settings(target.path)
        except ValueError:
            return None
    else:
        return None
    return said.get(_KEY)


def _of_torchrun() -> tuple[int, int]:
    """This process's number, and how many there are."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def _by_model(rows: Sequence[Row]) -> list[Row]:
    """Rows of one model one after the other, so that each is loaded once; else in their order."""
    first: dict[Any, int] = {}
    for row in rows:
        first.setdefault(_hashable(row.request), len(first))
    return sorted(rows, key=lambda row: first[_hashable(row.request)])


def _hashable(request: VideoRequest) -> Any:
    return "rough" if request.is_rough else request.model


def _find(choice: Any) -> None:
    """Says before the work that a model's files are not here."""
    from kinema.video.models.published import DENOISERS, find_backbone

    if isinstance(choice, ModelChoice) and choice.backbone is not None:
        find_backbone(choice.backbone, DENOISERS if choice.checkpoint else ())


def _here(request: VideoRequest) -> VideoRequest:
    """The request on this process's own accelerator, where torchrun started several."""
    if request.is_rough or not isinstance(request.model, ModelChoice) or request.model.device is not None:
        return request
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return request
    import torch

    if not torch.cuda.is_available():
        return request
    own = f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % torch.cuda.device_count()}"
    return replace(request, model=replace(request.model, device=own))


def _target(folder: Path, name: str, written_as: str) -> VideoTarget:
    return video_target(f"{folder / name}/" if written_as == "png" else folder / f"{name}.{written_as}")


def _make_room(target: VideoTarget, force: bool) -> None:
    """Takes away what a killed process left half-written, and says what may not be replaced."""
    left = re.compile(re.escape(f".{Path(target.path.name).stem[:60]}.") + r"[0-9a-f]{16}.*")
    for each in target.path.parent.iterdir() if target.path.parent.is_dir() else ():
        if left.fullmatch(each.name):
            _remove(each)
    there = target.path.exists() and (not target.is_folder or any(target.path.iterdir()))
    if there and made_with(target) is None and not force:
        raise FileExistsError(
            f"{target.path} was not made of a list: --force replaces it, or name the row otherwise"
        )
    if target.foreign:
        raise FileExistsError(f"{target.path} holds other files ({target.foreign[0]})")


def _remove(path: Path) -> None:
    import shutil

    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _facts(value: Any) -> Any:
    """A value as JSON that tells it from others; paths by what they hold."""
    if is_dataclass(value) and not isinstance(value, type):
        named = {each.name: _facts(getattr(value, each.name)) for each in fields(value)}
        return {"is": type(value).__name__, **named}
    if isinstance(value, os.PathLike):
        return _files(Path(value), whole=True)
    if isinstance(value, Mapping):
        return {str(key): _facts(each) for key, each in sorted(value.items()) if each is not None}
    if isinstance(value, (list, tuple)):
        return [_facts(each) for each in value]
    if isinstance(value, np.ndarray):
        return hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if hasattr(value, "tobytes"):
        return hashlib.sha256(value.tobytes()).hexdigest()
    return repr(value)


@cache
def _files(path: Path, whole: bool) -> Any:
    """Of a file or of everything in a folder the content, or size and time alone where weights are large."""
    if path.is_file():
        return _content(path) if whole else _stamp(path)
    if not path.exists():
        return str(path)  # a pattern, or a name: whoever reads it says what is wrong
    found = sorted(each for each in path.rglob("*") if each.is_file())
    return {str(each.relative_to(path)): _content(each) if whole else _stamp(each) for each in found}


def _stamp(path: Path) -> list[int]:
    return [path.stat().st_size, path.stat().st_mtime_ns]


def _content(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Quiet(Progress):
    """Says nothing of a row's own steps and notes: the list's bar goes on, and a row's notes are among its settings."""
