"""Published methods, one file each (a folder where published weights need one); every file ends with its `PAPER`.

Files are listed without importing them: a `PAPER` is read from the source, so that nothing heavy is loaded before a
method is used.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any


@dataclass(frozen=True)
class Listing:
    """A paper as its file says, without importing it.

    Args:
        module: that has `PAPER`.
        name, title, arxiv, reads, ours, verdict, command: see Paper.
        parts: class name by kind.
    """

    module: str
    name: str
    title: str
    arxiv: str
    parts: dict[str, str]
    reads: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    verdict: str = ""
    command: str = ""


@cache
def listing() -> tuple[Listing, ...]:
    """Every paper in this folder, by name.

    Raises:
        ValueError: a `PAPER` that is not made of literals and class names.
    """
    found = []
    for module in iter_modules(__path__):
        place = Path(__path__[0]) / module.name
        file = place / "__init__.py" if module.ispkg else place.with_suffix(".py")
        said = _said(file)
        if said is not None:
            found.append(Listing(f"{__name__}.{module.name}", **said))
    return tuple(sorted(found, key=lambda each: (each.name not in _FIRST, each.name)))


_FIRST = ("tokenmotion",)
"""Papers that stand first: the first adapter that has trained weights is the default one."""


def names(kind: str) -> list[str]:
    """Names of the papers that have a part of a kind."""
    return [each.name for each in listing() if kind in each.parts]


def find(kind: str, name: str) -> Any:
    """A part of a paper, imported now.

    Raises:
        ValueError: no such paper, or it has no such part.
    """
    for each in listing():
        if each.name == name and kind in each.parts:
            return import_module(each.module).PAPER.parts[kind]
    raise ValueError(f"no {kind} {name!r}: there are {', '.join(names(kind)) or 'none'}")


def _said(file: Path) -> dict[str, Any] | None:
    """The arguments of `PAPER = Paper(...)` in a source file; None where there is none."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        if [ast.unparse(target) for target in node.targets] != ["PAPER"]:
            continue
        order = ("name", "title", "arxiv", "parts", "reads", "ours", "verdict", "command")
        given = dict(zip(order, node.value.args, strict=False))
        given |= {each.arg: each.value for each in node.value.keywords if each.arg}
        return {
            name: _parts(value) if name == "parts" else _literal(value, file) for name, value in given.items()
        }
    return None


def _parts(node: ast.expr) -> dict[str, str]:
    assert isinstance(node, ast.Dict)
    pairs = zip(node.keys, node.values, strict=True)
    return {str(ast.literal_eval(key)): ast.unparse(value) for key, value in pairs if key is not None}


def _literal(node: ast.expr, file: Path) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise ValueError(f"{file.name}, line {node.lineno}: PAPER is made of literals ({error})") from None
