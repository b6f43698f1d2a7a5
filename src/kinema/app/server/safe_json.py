"""JSON of requests: what cannot be written down again is refused before anything is done with it."""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 64
"""Lists in lists (ours): less than any writer of JSON manages."""
_LONGEST_NUMBER = 64  # digits (ours)


def loads(content: str | bytes) -> Any:
    """A JSON text.

    Raises:
        ValueError: not JSON, not UTF-8, too deep, or with half a character (a lone surrogate) or a number that is none.
    """
    try:
        value = json.loads(content, parse_constant=_no_constant, parse_int=_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    check(value)
    return value


def check(value: Any) -> None:
    """Whether something can be written as JSON and UTF-8.

    Raises:
        ValueError: it cannot.
    """
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [part for whole in level if isinstance(whole, (dict, list)) for part in _parts(whole)]
        if not level:
            break
    else:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("a text in it holds half a character (a lone surrogate)") from None


def _parts(whole: Any) -> Any:
    return whole.values() if isinstance(whole, dict) else whole


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _number(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError("a number in it is too long")
    return int(digits)
