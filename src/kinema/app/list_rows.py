"""A list of videos to make, .csv or .jsonl: one request a row, in the words of the command's options.

    name,picture,motion,camera,prompt,seed
    ann,ann.png,dance.bvh,arc left 40deg,a woman dances,7
    room,room.png,none,way.txt,an empty room,8

Without `motion` a row's motion is made from its prompt, as `kinema generate` does; `none` is nobody. An empty cell, or
one that JSON leaves out, is as the command line says it. Paths are seen from the list's folder.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kinema.app.inputs import MAX_NAME_BYTES, asked_camera, is_words
from kinema.app.keypoints import is_keypoints
from kinema.app.list_words import ALIASES, WORDS
from kinema.app.request import FromFile, FromKeypoints, FromPrompt, VideoRequest
from kinema.scene.formats.camera_reading import CameraReading
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_text
from kinema.scene.formats.reading import MotionReading

MAX_ROWS = 1_000_000
_MAX_BYTES = 256 << 20


@dataclass(frozen=True, eq=False)
class Row:
    """One video of a list.

    Args:
        name: of the video, unique in the list.
        line: of the list's file, from 1.
        request: what is asked for.
    """

    name: str
    line: int
    request: VideoRequest


def read_list(
    path: str | os.PathLike[str],
    defaults: VideoRequest | None = None,
    camera_reading: CameraReading | None = None,
) -> list[Row]:
    """The rows of a list.

    Args:
        path: .csv with a line of column names, or .jsonl with an object a line.
        defaults: what is asked for where a row says nothing.
        camera_reading: what is said about camera files where a row says nothing.

    Raises:
        FormatError: an unknown column, or a cell that cannot be; naming line and column.
        FileNotFoundError: there is no such list.

    Example:
        >>> rows = kinema.read_list("examples/videos.csv")
        >>> rows[0].name, rows[0].request.camera
        ('orbit', 'arc left 40deg')
    """
    path = Path(path)
    reader = _Reader(path, defaults or VideoRequest(motion=FromPrompt()), camera_reading or CameraReading())
    rows: list[Row] = []
    names: dict[str, int] = {}
    for line, cells in _cells(path):
        row = reader.row(line, cells, len(rows))
        if row.name in names:
            raise FormatError(
                path,
                f"the name {row.name!r} is in line {names[row.name]} already",
                f"line {line}, column name",
            )
        names[row.name] = line
        rows.append(row)
        if len(rows) > MAX_ROWS:
            raise FormatError(path, f"has more than {MAX_ROWS} rows", hint="divide it")
    if not rows:
        raise FormatError(path, "has no rows")
    return rows


def _cells(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line and what it says, by column; empty cells are left out."""
    text = read_text(path, _MAX_BYTES)
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        for line, content in enumerate(text.splitlines(), start=1):
            if not content.strip():
                continue
            try:
                said = json.loads(content)
            except json.JSONDecodeError as error:
                raise FormatError(path, f"no JSON: {error.msg}", f"line {line}") from None
            if not isinstance(said, dict):
                raise FormatError(path, "is no object", f"line {line}", '{"name": "ann", "prompt": ...}')
            yield line, _named(path, line, said)
        return
    if path.suffix.lower() != ".csv":
        raise FormatError(path, "is neither .csv nor .jsonl")
    rows = csv.reader(io.StringIO(text), strict=True)
    try:
        head = [name.strip() for name in next(rows, [])]
        if twice := sorted({name for name in head if head.count(name) > 1}):
            raise FormatError(path, f"the column {twice[0]!r} is there twice", "line 1")
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(head):
                raise FormatError(path, f"{len(cells)} cells under {len(head)} columns", f"line {rows.line_num}",
                                  'put cells that hold commas between "')  # fmt: skip
            yield rows.line_num, _named(path, rows.line_num, dict(zip(head, cells, strict=False)))
    except csv.Error as error:
        raise FormatError(path, f"no CSV: {error}", f"line {rows.line_num}") from None


def _named(path: Path, line: int, said: Mapping[str, Any]) -> dict[str, Any]:
    """Cells under the names of `WORDS`; unknown ones are refused, also where they are empty."""
    found: dict[str, Any] = {}
    for column, value in said.items():
        word = column.strip().lower().replace("_", "-")
        word = ALIASES.get(word, word)
        if word not in WORDS:
            near = get_close_matches(word, WORDS, n=1)
            raise FormatError(
                path,
                f"no column {column!r}" + (f"; is it {near[0]!r}?" if near else ""),
                f"line {line}",
                "columns are the words of the options, e.g. name, prompt, picture, motion, camera, seed, size",
            )
        if word in found:
            raise FormatError(path, f"says {word} twice", f"line {line}")
        if value is not None and not (isinstance(value, str) and not value.strip()):
            found[word] = value
    return found


@dataclass(frozen=True, eq=False)
class _Reader:
    """Makes requests of rows.

    Args:
        path: of the list.
        defaults: what is asked for where a row says nothing.
        camera_reading: the same of camera files.
    """

    path: Path
    defaults: VideoRequest
    camera_reading: CameraReading

    def row(self, line: int, cells: Mapping[str, Any], number: int) -> Row:
        parts: dict[str, dict[str, Any]] = {}
        for column, value in cells.items():
            word = WORDS[column]
            try:
                given = word.parse(value)
                parts.setdefault(word.part, {})[word.field] = self._seen(given) if word.path else given
            except ValueError as error:
                raise FormatError(self.path, f"{value!r}: {error}", f"line {line}, column {column}") from None
        name = parts.get("request", {}).pop("name", f"{number:06d}")
        self._check_name(name, line)
        try:
            return Row(name, line, self._request(parts))
        except FormatError:
            raise
        except (ValueError, TypeError) as error:
            raise FormatError(self.path, str(error), f"line {line}") from None

    def _request(self, parts: dict[str, dict[str, Any]]) -> VideoRequest:
        """The defaults with what the row says."""
        base = self.defaults
        own = parts.get("request", {})
        sampling = replace(base.sampling, **parts.get("sampling", {}))
        sampling = replace(sampling, guidance={**sampling.guidance, **parts.get("guidance", {})})
        model = parts.get("model", {})
        chosen: Any = base.model
        if model and not hasattr(chosen, "backbone"):
            raise ValueError(f"{sorted(model)[0]}: a pipeline is loaded already, which rows cannot change")
        request = replace(
            base,
            prompt=own.get("prompt", base.prompt),
            picture=_paths(own["picture"]) if "picture" in own else base.picture,
            actor=own.get("actor", base.actor),
            direction=replace(base.direction, **parts.get("direction", {})),
            model=replace(chosen, **_typed(model)) if model else chosen,
            sampling=sampling,
            rough=replace(base.rough, **parts.get("rough", {})),
        )
        request.direction.part  # noqa: B018  # says what cannot be
        if "camera" in own:
            reading = replace(self.camera_reading, **parts.get("camera_reading", {}))
            request = replace(request, camera=asked_camera(own["camera"], reading))
        elif "camera_reading" in parts:
            raise ValueError("words about a camera file, and no camera")
        return self._moved(request, own.get("motion"), parts)

    def _moved(
        self, request: VideoRequest, motion: str | None, parts: dict[str, dict[str, Any]]
    ) -> VideoRequest:
        """With the row's motion: a file, words, none, or what its prompt says."""
        words = motion is not None and is_words(motion)
        if motion is None or words:
            base = request.motion if isinstance(request.motion, FromPrompt) else FromPrompt()
            if motion is None and not isinstance(self.defaults.motion, (FromPrompt, type(None))):
                return request
            if words and request.prompt:
                raise ValueError(
                    "motion says in words what happens: leave out prompt, or the other way round"
                )
            said = parts.get("direction", {})
            if {"start", "stop"} & set(said):
                raise ValueError("from and to are seconds of a motion that is there: say seconds instead")
            told = {**parts.get("prompt", {}), **({"seconds": said["seconds"]} if "seconds" in said else {})}
            if "model" in told:
                told["model"] = Path(told["model"])
            timed = replace(request.direction, seconds=None)
            prompt = motion if motion is not None else request.prompt
            return replace(request, motion=replace(base, **told), direction=timed, prompt=prompt)
        if parts.get("prompt"):
            raise ValueError(
                "style and motion-model are of a motion that is made from the prompt: leave out motion"
            )
        if motion == "none":
            return replace(request, motion=None)
        keypoints = dict(parts.get("keypoints", {}))
        if keypoints.pop("said", False) or is_keypoints(motion):
            return replace(request, motion=FromKeypoints(Path(motion), **keypoints))
        reading = MotionReading(**parts.get("reading", {}))
        return replace(request, motion=FromFile.read_as(Path(motion), reading))

    def _seen(self, given: Any) -> Any:
        """A path as seen from the list's folder, where that is there; words and names stay as they are."""
        if isinstance(given, tuple):
            return tuple(self._seen(each) for each in given)
        place = self.path.parent / given
        bare = self.path.parent / given.split(":")[0] if ":" in given else place  # a LoRA with its weight
        return str(place) if os.path.lexists(place) or (given and os.path.lexists(bare)) else given

    def _check_name(self, name: str, line: int) -> None:
        where = f"line {line}, column name"
        if (
            not name
            or name.startswith(".")
            or set(name) & set("/\\\0")
            or len(os.fsencode(name)) > MAX_NAME_BYTES
        ):
            raise FormatError(
                self.path,
                f"{name[:40]!r} cannot be the name of a file",
                where,
                f"no /, no leading dot, at most {MAX_NAME_BYTES} bytes",
            )


def _paths(given: str | tuple[str, ...]) -> Any:
    return tuple(Path(each) for each in given) if isinstance(given, tuple) else Path(given)


def _typed(model: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `ModelChoice` as its command gives them."""
    typed = dict(model)
    if "adapter_weights" in typed:
        typed["adapter_weights"] = Path(typed["adapter_weights"])
    if "checkpoint" in typed:
        typed["checkpoint"] = _paths(typed["checkpoint"])
    return typed
