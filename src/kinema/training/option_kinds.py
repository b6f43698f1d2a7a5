"""Values of settings by the annotation of their field: read from text, held against it, and said in words.

Known are bool, int, float, str, Literal, tuples of these, `dict[str, Any]` (JSON) and unions, `X | None` above all.
"""

from __future__ import annotations

import json
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    dict: 'JSON like {"name": 1}',
    types.NoneType: "none",
}


def parse(annotation: Any, text: str) -> Any:
    """The value that a text stands for: `none`, `true`, `0.5`, `0.9,0.95`, `{"depth": 3}`.

    Raises:
        ValueError: it stands for none of that kind.
    """
    if members := _union(annotation):
        return _first(parse, members, text)
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return _chosen({str(choice): choice for choice in typing.get_args(annotation)}, text)
    if origin is tuple:
        inside = text.strip("()[] ").removesuffix(",")
        parts = [part.strip() for part in inside.split(",")] if inside else []
        return tuple(map(parse, _elements(annotation, len(parts)), parts))
    if origin is dict:
        return check(annotation, _json(text))
    if annotation is types.NoneType:
        return _chosen({"none": None}, text.lower())
    if annotation is bool:
        return _chosen({"true": True, "false": False}, text.lower())
    return check(annotation, annotation(text))


def check(annotation: Any, value: Any) -> Any:
    """A value out of JSON as the annotation has it: lists become tuples, and whole numbers may be floats.

    Raises:
        ValueError: it is of another kind, or no finite number.
    """
    if members := _union(annotation):
        return _first(check, members, value)
    origin = typing.get_origin(annotation)
    if origin is Literal:
        return _chosen(
            {(type(choice), choice): choice for choice in typing.get_args(annotation)}, (type(value), value)
        )
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(map(check, _elements(annotation, len(value)), value))
    if annotation is float and type(value) in (int, float):
        if not abs(value) <= sys.float_info.max:
            raise ValueError("not finite")
        return float(value)
    if annotation is float or type(value) is not (origin or annotation):
        raise ValueError(f"not {words(annotation)}")
    if origin is dict:
        json.dumps(value, allow_nan=False)
    return value


def typed(value: Any) -> str:
    """The text that `parse` reads as a value."""
    if isinstance(value, tuple):
        return ",".join(map(typed, value))
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def words(annotation: Any) -> str:
    """What a value must be, for people."""
    if members := _union(annotation):
        return " or ".join(words(member) for member in members[1:] + members[:1])
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return " or ".join(map(str, inside))
    if origin is tuple:
        count = "values" if inside[-1] is Ellipsis else f"{len(inside)} values"
        return f"{count} with commas, each {words(inside[0])}"
    return _WORDS[origin or annotation]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _union(annotation: Any) -> list[Any]:
    """The members of a union, None first and text last, because text may be anything; otherwise none."""
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return []
    order = {types.NoneType: 0, str: 2}
    return sorted(typing.get_args(annotation), key=lambda member: order.get(member, 1))


def _first(read: Callable[[Any, Any], Any], members: Sequence[Any], value: Any) -> Any:
    """What the first member that can makes of a value."""
    for member in members[:-1]:
        try:
            return read(member, value)
        except ValueError:
            continue
    return read(members[-1], value)


def _elements(annotation: Any, count: int) -> Sequence[Any]:
    """The annotations of so many values in a tuple."""
    inside = typing.get_args(annotation)
    if inside[-1] is Ellipsis:
        return inside[:1] * count
    if len(inside) != count:
        raise ValueError(f"{count} values")
    return inside


def _chosen(choices: Mapping[Any, Any], value: Any) -> Any:
    try:
        return choices[value]
    except (KeyError, TypeError):  # a list in JSON is no key of a dict
        raise ValueError("not one of the choices") from None
