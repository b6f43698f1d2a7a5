"""JSON whose numbers are checked before they are believed: what the camera formats in JSON share."""

from __future__ import annotations

import json
import os
from typing import Any, NoReturn

import numpy as np

from kinema.scene.formats.errors import FormatError

Path = str | os.PathLike[str]


def parse(path: Path, text: str) -> Any:
    """The document in a JSON text.

    Raises:
        FormatError: naming the line where it is not JSON.
    """

    def refuse(word: str) -> NoReturn:
        raise FormatError(path, f"holds {word}, which is not a number in JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise FormatError(
            path, f"not JSON: {error.msg}", where=f"line {error.lineno}", hint="it may be truncated"
        ) from None
    except RecursionError:
        raise FormatError(path, "is nested too deeply for a camera") from None
    except FormatError:
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise FormatError(path, f"holds a number that cannot be read ({error})") from None


def numbers(path: Path, values: object, count: int, where: str) -> np.ndarray:
    """A list of so many finite numbers, [count].

    Raises:
        FormatError: it is something else.
    """
    if not isinstance(values, list) or len(values) != count:
        found = f"{len(values)}" if isinstance(values, list) else "nothing of the kind"
        raise FormatError(path, f"must be a list of {count} numbers, found {found}", where=where)
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        raise FormatError(path, "must be numbers", where=where)
    try:
        array = np.array([float(value) for value in values])
    except OverflowError:
        array = np.array([np.inf])
    if not np.isfinite(array).all():
        raise FormatError(path, "holds a number that is not finite", where=where)
    return array


def number(path: Path, owner: dict[str, Any], name: str, where: str) -> float | None:
    """A finite number of an object; None where it is not there.

    Raises:
        FormatError: it is no number.
    """
    if owner.get(name) is None:
        return None
    place = f"{where}.{name}" if where else name
    return float(numbers(path, [owner[name]], 1, place)[0])


def flat(values: object) -> list[object]:
    """The entries of nested lists, at most three deep, one after the other."""
    entries: list[object] = [values]
    for _ in range(3):
        entries = [inner for each in entries for inner in (each if isinstance(each, list) else [each])]
    return entries


def matrix(path: Path, values: object, where: str) -> np.ndarray:
    """The upper three rows [3, 4] of a matrix written as 12 or 16 numbers, in rows or one after the other.

    Raises:
        FormatError: it is something else.
    """
    entries = flat(values)
    if len(entries) not in (12, 16):
        raise FormatError(path, f"must be a 3x4 or 4x4 matrix, found {len(entries)} entries", where=where)
    return numbers(path, entries, len(entries), where).reshape(-1, 4)[:3]
