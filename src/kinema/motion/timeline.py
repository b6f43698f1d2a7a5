"""Timelines: prompts as blocks on tracks, for the whole body or for parts of it, that may overlap.

The idea is STMC's (Petrovich et al. 2024, "Multi-Track Timeline Control for Text-Driven 3D Human Motion Generation");
timeline_motion.py makes the motion.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from kinema.motion.prompt_steps import LEAST_SECONDS, MAX_STEPS, check_seconds, clean_text
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_text

FORMAT = "kinema.timeline"
STANDING = "a person stands still"
"""What people do where no block says it."""

_ARMS, _LEGS = ("left_arm", "right_arm"), ("left_leg", "right_leg")
BODY_PARTS: dict[str, tuple[str, ...]] = {
    "whole_body": ("path", "pelvis", "torso", *_LEGS, *_ARMS),
    "lower_body": ("path", "pelvis", *_LEGS),
    "upper_body": ("torso", *_ARMS),
    "torso": ("torso",),
    "arms": _ARMS,
    "left_arm": ("left_arm",),
    "right_arm": ("right_arm",),
    "legs": _LEGS,
    "left_leg": ("left_leg",),
    "right_leg": ("right_leg",),
}
"""Names for blocks, and the groups of the representation they own; the head belongs to the torso."""

_MAX_FILE = 1 << 20


@dataclass(frozen=True)
class Block:
    """A prompt and when it holds.

    Args:
        text: what happens.
        start, end: seconds.
        parts: names of `BODY_PARTS`.

    Raises:
        ValueError: no text, an impossible time or an unknown part.
    """

    text: str
    start: float
    end: float
    parts: tuple[str, ...] = ("whole_body",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", clean_text(self.text))
        if not self.text:
            raise ValueError("a block of the timeline has no text; say what happens")
        if not 0 <= self.start < self.end or not self.end - self.start >= LEAST_SECONDS - 1e-6:
            raise ValueError(
                f"{self.named} begins at {self.start:g} s and ends at {self.end:g} s; "
                f"give a block of at least {LEAST_SECONDS:g} s, from 0 on"
            )
        check_seconds(self.end, self.named)
        object.__setattr__(self, "parts", tuple(self.parts))
        for part in self.parts:
            if part not in BODY_PARTS:
                near = difflib.get_close_matches(str(part), BODY_PARTS, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ValueError(
                    f"{self.named}: no body part {part!r}, there are {', '.join(BODY_PARTS)}{hint}"
                )
        if not self.parts:
            raise ValueError(f"{self.named} has no body parts; leave `parts` out for the whole body")

    @property
    def named(self) -> str:
        """The block as messages name it."""
        return f"the block {self.text[:40]!r}"

    @property
    def groups(self) -> frozenset[str]:
        """What it owns, groups of `MotionRepresentation.parts`."""
        return frozenset(group for part in self.parts for group in BODY_PARTS[part])

    @property
    def leads(self) -> bool:
        """Whether it says where the person goes."""
        return "path" in self.groups


@dataclass(frozen=True)
class Timeline:
    """Blocks in any order.

    Blocks with "path" among their groups (the whole or the lower body) lead; the other blocks are made within them and
    take their parts over. Two leading blocks, or two others that share a part, may overlap by at most half of the
    shorter one: there one goes over into the other, with the border in the middle (ours).

    Args:
        blocks: at least one.

    Raises:
        ValueError: no blocks or too many, or two that contradict each other.
    """

    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(sorted(self.blocks, key=lambda b: (b.start, b.end))))
        if not 1 <= len(self.blocks) <= MAX_STEPS:
            raise ValueError(f"the timeline has {len(self.blocks)} blocks; give 1 to {MAX_STEPS}")
        for number, first in enumerate(self.blocks):
            for second in self.blocks[number + 1 :]:
                _check_pair(first, second)

    @property
    def seconds(self) -> float:
        """When the last block ends."""
        return max(block.end for block in self.blocks)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Timeline:
        """Reads a timeline file: {"format": "kinema.timeline", "blocks": [{"text", "start", "end", "parts"}, ...]}, or
        STMC's text, a line `text # start # end # part, part` for each block.

        Raises:
            FormatError: not such a file; the block is named.
            FileNotFoundError: there is no such file.
        """
        text = read_text(path, _MAX_FILE)
        if Path(path).suffix.lower() == ".txt":
            return cls._of(path, _lines(path, text))
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise FormatError(path, f"not JSON: {error.msg}", f"line {error.lineno}") from None
        except RecursionError:
            raise FormatError(path, "is nested too deeply") from None
        if not isinstance(content, dict) or not isinstance(content.get("blocks"), list):
            raise FormatError(path, 'is no timeline: an object with a list "blocks" is needed')
        if content.get("format", FORMAT) != FORMAT:
            raise FormatError(path, f"is {content['format']!r}, not {FORMAT!r}", "field 'format'")
        return cls._of(path, [_block(path, number, row) for number, row in enumerate(content["blocks"])])

    @classmethod
    def _of(cls, path: str | os.PathLike[str], blocks: Sequence[Block]) -> Timeline:
        try:
            return cls(tuple(blocks))
        except ValueError as error:
            raise FormatError(path, str(error)) from None

    def document(self) -> dict[str, Any]:
        """The timeline as it is written to a file, JSON types."""
        rows = [{"text": b.text, "start": b.start, "end": b.end, "parts": list(b.parts)} for b in self.blocks]
        return {"format": FORMAT, "blocks": rows}

    def steps(self) -> list[tuple[str, float]]:
        """The blocks that lead, and standing between them, as texts and durations that fill the timeline."""
        leading = _cut([block for block in self.blocks if block.leads])
        steps: list[tuple[str, float]] = []
        now = 0.0
        for text, start, end in leading:
            if start - now >= LEAST_SECONDS:
                steps.append((STANDING, start - now))
            elif (
                start > now
            ):  # too short to stand: the block before lasts until here, or this one begins earlier
                steps, start = (
                    ([*steps[:-1], (steps[-1][0], steps[-1][1] + start - now)], start) if steps else ([], now)
                )
            steps.append((text, end - start))
            now = end
        rest = self.seconds - now
        if rest >= LEAST_SECONDS:
            steps.append((STANDING, rest))
        elif rest > 0:
            steps[-1] = (steps[-1][0], steps[-1][1] + rest)
        return steps

    def parts(self) -> list[tuple[Block, float, float]]:
        """The blocks that do not lead, by start, each with the seconds between the borders to others of its parts."""
        blocks = [block for block in self.blocks if not block.leads]
        placed = []
        for block in blocks:
            sharing = [other for other in blocks if other is not block and other.groups & block.groups]
            start = max([block.start, *((o.end + block.start) / 2 for o in sharing if _before(o, block))])
            end = min([block.end, *((block.end + o.start) / 2 for o in sharing if _before(block, o))])
            placed.append((block, start, end))
        return placed


def _before(first: Block, second: Block) -> bool:
    """Whether `first` goes over into `second`."""
    return first.start < second.start < first.end


def _cut(blocks: Sequence[Block]) -> list[tuple[str, float, float]]:
    """Texts of blocks with times that do not overlap: borders in the middle of overlaps."""
    times = [[block.start, block.end] for block in blocks]
    for before, after in pairwise(times):
        if after[0] < before[1]:
            before[1] = after[0] = (after[0] + before[1]) / 2
    return [(block.text, start, end) for block, (start, end) in zip(blocks, times, strict=True)]


def _check_pair(first: Block, second: Block) -> None:
    shared = first.groups & second.groups
    overlap = min(first.end, second.end) - max(first.start, second.start)
    shorter = min(first.end - first.start, second.end - second.start)
    if first.leads != second.leads:
        return  # parts are made within the motion that leads
    if not shared or overlap <= 0.5 * shorter + 1e-6:
        return
    what = "where the person goes" if "path" in shared else ", ".join(sorted(shared))
    raise ValueError(
        f"{first.named} and {second.named} both decide {what} from {max(first.start, second.start):g} s to "
        f"{min(first.end, second.end):g} s; let them overlap by half of the shorter one at most, or give them "
        "different body parts"
    )


STMC_PARTS = {
    "legs": "lower_body",
    "spine": "torso",
    "head": "torso",
    "left arm": "left_arm",
    "right arm": "right_arm",
}
"""STMC's parts of the body in ours; the pelvis and the way belong to its legs, the head to our torso."""


def _lines(path: str | os.PathLike[str], text: str) -> list[Block]:
    """The blocks of STMC's text: `text # start # end # part, part`; empty lines are left out."""
    blocks = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        where, cells = f"line {number}", [cell.strip() for cell in line.split("#")]
        if len(cells) != 4:
            raise FormatError(path, "is no `text # start # end # part, part`", where)
        parts = [part.strip() for part in cells[3].split(",")]
        unknown = [part for part in parts if part not in STMC_PARTS]
        if unknown:
            raise FormatError(path, f"has no part {unknown[0]!r}: {', '.join(STMC_PARTS)}", where)
        named = tuple(dict.fromkeys(STMC_PARTS[part] for part in parts))
        try:
            start, end = float(cells[1]), float(cells[2])
            blocks.append(Block(cells[0], start, end, named))
        except ValueError as error:
            raise FormatError(path, str(error), where) from None
    return blocks


def _block(path: str | os.PathLike[str], number: int, row: object) -> Block:
    where = f"block {number}"
    if not isinstance(row, dict):
        raise FormatError(path, "is no object", where)
    unknown = set(row) - {"text", "start", "end", "parts"}
    if unknown:
        raise FormatError(
            path, f"has no field {sorted(unknown)[0]!r}; there are text, start, end, parts", where
        )
    for name in ("text", "start", "end"):
        if name not in row:
            raise FormatError(path, f"has no {name!r}", where)
    for name in ("start", "end"):
        if isinstance(row[name], bool) or not isinstance(row[name], (int, float)):
            raise FormatError(path, f"{name!r} is {row[name]!r}; give seconds", where)
    parts = row.get("parts", ["whole_body"])
    if isinstance(parts, str):
        parts = [parts]
    if not isinstance(parts, list):
        raise FormatError(path, f"'parts' is {parts!r}; give a list of names", where)
    try:
        return Block(row["text"], float(row["start"]), float(row["end"]), tuple(parts))
    except (ValueError, OverflowError) as error:
        raise FormatError(path, str(error), where) from None
