"""The HIERARCHY part of a BVH file: its joint trees and which column of the numbers moves what."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.kinematics import MAX_JOINTS
from kinema.scene.formats.reading import Assumption

_CHANNEL = re.compile(r"([xyz])(position|rotation)", re.IGNORECASE)
_BRACES = re.compile(r"([{}])")


@dataclass
class Node:
    """A joint or an End Site, in file order.

    Args:
        name: joint name; an End Site is called after its joint with `_end`.
        parent: index of the parent node, -1 for a root.
        line: where it begins in the file.
        offset: bone vector in the file's units; None until it has been read.
        positions: column of each position channel by axis (0 x, 1 y, 2 z).
        rotations: (axis letter, column) of the rotation channels, in file order.
    """

    name: str
    parent: int
    line: int
    is_end: bool = False
    offset: tuple[float, float, float] | None = None
    positions: dict[int, int] = field(default_factory=dict)
    rotations: list[tuple[str, int]] = field(default_factory=list)
    has_channels: bool = False


def parse_hierarchy(
    path: str | os.PathLike[str], text: str
) -> tuple[list[Node], int, tuple[Assumption, ...]]:
    """The nodes of the trees, one tree per ROOT, the count of channels, and what was assumed.

    An End Site of zero length says nothing and is left out. A joint name that appears again gets a number.

    Args:
        path: the file, named in errors.
        text: the file from its first line up to the line MOTION.

    Raises:
        FormatError: anything that is not a BVH tree; the line is named.
    """
    statements = _statements(text)
    line, first = next(statements, (1, ""))
    if first.upper() != "HIERARCHY":
        raise FormatError(
            path, "does not begin with HIERARCHY", where=f"line {line}", hint="is it a BVH file?"
        )
    nodes: list[Node] = []
    open_nodes: list[int] = []
    names: set[str] = set()
    doubled: list[str] = []
    channels = 0
    waiting = False  # a node has been named and its "{" has not come yet
    for line, statement in statements:
        where = f"line {line}"
        words = statement.split()
        keyword = words[0].upper()
        if waiting != (statement == "{"):
            raise FormatError(
                path, f"expected '{{', found {statement[:40]!r}" if waiting else "unexpected '{'", where
            )
        if statement == "{":
            waiting = False
            continue
        if statement == "}":
            if not open_nodes:
                raise FormatError(path, "'}' closes nothing", where)
            done = nodes[open_nodes.pop()]
            if done.offset is None:
                raise FormatError(path, f"joint {done.name!r} has no OFFSET", f"line {done.line}")
            continue
        if keyword in ("ROOT", "JOINT", "END"):
            _check_place(path, where, keyword, nodes, open_nodes)
            parent = open_nodes[-1] if open_nodes else -1
            name = (
                _end_name(nodes[parent].name, names)
                if keyword == "END"
                else statement[len(words[0]) :].strip()
            )
            if not name:
                raise FormatError(path, f"{keyword} without a name", where)
            if keyword == "ROOT":
                names.clear()
            if name in names:
                doubled.append(name)
                name = _another(name, names)
            names.add(name)
            open_nodes.append(len(nodes))
            nodes.append(Node(name, parent, line, is_end=keyword == "END"))
            waiting = True
        elif keyword == "OFFSET" and open_nodes:
            node = nodes[open_nodes[-1]]
            if node.offset is not None:
                raise FormatError(path, f"a second OFFSET for {node.name!r}", where)
            node.offset = _three_numbers(path, where, words[1:])
        elif keyword == "CHANNELS" and open_nodes:
            channels = _add_channels(path, where, nodes[open_nodes[-1]], words[1:], channels)
        elif re.match(r"frames\s*:|frame\s*time\b|[-+]?\.?\d", statement, re.IGNORECASE) and not open_nodes:
            raise FormatError(
                path,
                f"the line MOTION is missing before {statement[:40]!r}",
                where,
                "put it above; below it stand 'Frames: N', 'Frame Time: S' and N lines of numbers",
            )
        else:
            raise FormatError(path, f"expected a BVH keyword, found {statement[:40]!r}", where)
    if waiting or open_nodes:
        node = nodes[open_nodes[-1]]
        raise FormatError(
            path, f"joint {node.name!r} is never closed with '}}'", f"line {node.line}", "it may be truncated"
        )
    if not nodes:
        raise FormatError(path, "has no ROOT", where=f"line {line}")
    if channels == 0:
        raise FormatError(path, "no joint has CHANNELS, so nothing can move", where=f"line {nodes[0].line}")
    assumed = []
    if doubled:
        first = f"joint {doubled[0]!r}" + (f" and {len(doubled) - 1} others" if len(doubled) > 1 else "")
        assumed.append(Assumption("", f"{first} renamed", "the name appears twice", doubtful=True))
    return _without_empty_ends(nodes), channels, tuple(assumed)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(line number, statement); braces are statements of their own."""
    start = 0
    line = 0
    while start < len(text):
        line += 1
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        for part in _BRACES.split(text[start:end]):
            if part := part.strip():
                yield line, part
        start = end + 1


def _check_place(
    path: str | os.PathLike[str], where: str, keyword: str, nodes: list[Node], open_nodes: list[int]
) -> None:
    if (keyword == "ROOT") == bool(open_nodes):
        inside = "inside another joint" if open_nodes else "outside of every joint"
        raise FormatError(path, f"{keyword} {inside}", where)
    if open_nodes and nodes[open_nodes[-1]].is_end:
        raise FormatError(path, f"{keyword} inside an End Site", where)
    if len(nodes) >= MAX_JOINTS:
        raise FormatError(path, f"more than {MAX_JOINTS} joints", where)


def _end_name(parent: str, names: set[str]) -> str:
    candidate = f"{parent}_end"
    return candidate if candidate not in names else _another(candidate, names, "")


def _another(name: str, names: set[str], sign: str = "_") -> str:
    """The name with the first number that nobody has."""
    number = 2
    while f"{name}{sign}{number}" in names:
        number += 1
    return f"{name}{sign}{number}"


def _three_numbers(path: str | os.PathLike[str], where: str, words: list[str]) -> tuple[float, float, float]:
    try:
        x, y, z = (float(word) for word in plain_numbers(" ".join(words), 3).split())
    except ValueError:
        raise FormatError(
            path, f"OFFSET needs three numbers, found {' '.join(words)[:60]!r}", where
        ) from None
    if not all(math.isfinite(value) for value in (x, y, z)):
        raise FormatError(path, "OFFSET is not finite", where)
    return x, y, z


def plain_numbers(text: str, count: int) -> str:
    """Numbers with decimal points and blanks between them, however commas and semicolons are used.

    Args:
        text: lines of `count` numbers.
        count: of numbers a line.
    """
    if ";" in text:
        text = text.replace(";", " ")
    if "," not in text:
        return text
    return text.replace(",", "." if has_decimal_commas(text, count) else " ")


def has_decimal_commas(text: str, count: int) -> bool:
    """Whether commas stand where others have decimal points: `0,5 1,5`, but not `0,5,1` or `0, 5, 1`.

    Args:
        text: lines of `count` numbers; the first with a comma tells.
        count: of numbers a line.
    """
    comma = text.find(",")
    if comma < 0:
        return False
    start, end = text.rfind("\n", 0, comma) + 1, text.find("\n", comma)
    line = text[start:] if end < 0 else text[start:end]
    return len(line.split()) == count and re.search(r"\d,\d", line) is not None


def _add_channels(path: str | os.PathLike[str], where: str, node: Node, words: list[str], column: int) -> int:
    """Give the node its channels from `column` on; the next free column."""
    if node.is_end and words != ["0"]:
        raise FormatError(path, "CHANNELS inside an End Site", where)
    if node.has_channels:
        raise FormatError(path, f"a second CHANNELS for {node.name!r}", where)
    node.has_channels = True
    if not words or words[0] != str(len(words) - 1) or len(words) > 7:
        said = words[0][:20] if words else "nothing"
        raise FormatError(
            path,
            f"CHANNELS says {said} and names {max(len(words) - 1, 0)} channels (0 to 6 are possible)",
            where,
        )
    for word in words[1:]:
        match = _CHANNEL.fullmatch(word)
        if match is None:
            raise FormatError(path, f"unknown channel {word[:40]!r}", where, "Xposition ... Zrotation exist")
        axis, kind = match.group(1).upper(), match.group(2).lower()
        taken = {"XYZ"[a] for a in node.positions} if kind == "position" else {a for a, _ in node.rotations}
        if axis in taken:
            raise FormatError(path, f"channel {word} appears twice", where)
        if kind == "position":
            node.positions["XYZ".index(axis)] = column
        else:
            node.rotations.append((axis, column))
        column += 1
    return column


def _without_empty_ends(nodes: list[Node]) -> list[Node]:
    """End Sites are leaves, so leaving some out only renumbers parents."""
    kept: list[Node] = []
    place: dict[int, int] = {-1: -1}
    for index, node in enumerate(nodes):
        if node.is_end and node.offset == (0.0, 0.0, 0.0):
            continue
        place[index] = len(kept)
        node.parent = place[node.parent]
        kept.append(node)
    return kept
