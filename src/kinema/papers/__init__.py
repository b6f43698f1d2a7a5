"""Published methods, one file each (a folder where published weights need one); every file ends with its `PAPER`.

Files are listed without importing them: a `PAPER` is read from the source, so that nothing heavy is loaded before a
method is used. Other packages add papers by an entry point of the group `kinema.papers` that names a module with a
`PAPER`: `[project.entry-points."kinema.papers"]`, `mine = "my_package.my_paper"`.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

ENTRY_POINTS = "kinema.papers"
"""The group in which other packages name modules that have a `PAPER`."""

_FIRST = ("tokenmotion",)
"""Papers that stand first: the first adapter that has trained weights is the default one."""

_ORDER = ("name", "title", "arxiv", "parts", "reads", "ours", "verdict", "command")


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

    def facts(self) -> dict[str, Any]:
        """As JSON types, without the module."""
        return {name: value for name, value in asdict(self).items() if name != "module"}


@cache
def listing() -> tuple[Listing, ...]:
    """Every paper of this folder and of entry points, by name.

    An entry point of another package that cannot be listed is warned of and left out: a module that is not there or has
    no `PAPER`, one that is not made of literals and class names, or that has the name of a paper before it.
    """
    found: dict[str, Listing] = {}
    for module in iter_modules(__path__):
        place = Path(__path__[0]) / module.name
        file = place / "__init__.py" if module.ispkg else place.with_suffix(".py")
        if (paper := _listed(f"{__name__}.{module.name}", file)) is not None:
            found[paper.name] = paper
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        try:
            paper = _entered(entry.module)
            if paper.name in found:
                raise ValueError(
                    f"two papers are named {paper.name!r}: {found[paper.name].module} and {paper.module}"
                )
        except Exception as error:  # other people's code may fail in any way
            warnings.warn(f"entry point {entry.name!r} of {ENTRY_POINTS} is left out: {error}", stacklevel=2)
            continue
        found[paper.name] = paper
    return tuple(sorted(found.values(), key=lambda each: (each.name not in _FIRST, each.name)))


def names(kind: str) -> list[str]:
    """Names of the papers that have a part of a kind."""
    return [each.name for each in listing() if kind in each.parts]


def kinds() -> list[str]:
    """Every kind of part that some paper has, e.g. `adapter`, `objective.mask`."""
    return sorted({kind for each in listing() for kind in each.parts})


def find(kind: str, name: str) -> Any:
    """A part of a paper, imported now.

    Raises:
        ValueError: no such paper, or it has no such part.
    """
    for each in listing():
        if each.name == name and kind in each.parts:
            return import_module(each.module).PAPER.parts[kind]
    raise ValueError(f"no {kind} {name!r}: there are {', '.join(names(kind)) or 'none'}")


def _entered(module: str) -> Listing:
    """The paper of a module that an entry point names.

    Raises:
        ValueError: it has none.
    """
    spec = find_spec(module)
    if spec is None or spec.origin is None or (paper := _listed(module, Path(spec.origin))) is None:
        raise ValueError(f"{module} has no PAPER")
    return paper


def _listed(module: str, file: Path) -> Listing | None:
    """What a module's source file says of its paper; None where it has none.

    Raises:
        ValueError: a `PAPER` that is not made of literals and class names, or lacks what every paper has.
    """
    said = _said(file)
    if said is None:
        return None
    paper = Listing(module, **said)
    if not all(isinstance(each, str) for each in (paper.name, paper.title, paper.arxiv)):
        raise ValueError(f"{file.name}: name, title and arxiv of a PAPER are text")
    return paper


def _said(file: Path) -> dict[str, Any] | None:
    """The arguments of `PAPER = Paper(...)` in a source file; None where there is none."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        if [ast.unparse(target) for target in node.targets] != ["PAPER"]:
            continue
        given = dict(zip(_ORDER, node.value.args, strict=False))
        given |= {each.arg: each.value for each in node.value.keywords if each.arg}
        return {
            name: _parts(value, file) if name == "parts" else _literal(value, file)
            for name, value in given.items()
        }
    return None


def _parts(node: ast.expr, file: Path) -> dict[str, str]:
    if not isinstance(node, ast.Dict) or None in node.keys:
        raise ValueError(f"{file.name}, line {node.lineno}: parts is a dictionary, kind: class")
    pairs = zip(node.keys, node.values, strict=True)
    return {_literal(kind, file): ast.unparse(part) for kind, part in pairs if kind is not None}


def _literal(node: ast.expr, file: Path) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise ValueError(f"{file.name}, line {node.lineno}: PAPER is made of literals ({error})") from None
