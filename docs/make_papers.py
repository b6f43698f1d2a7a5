"""Writes docs/papers.md, the table of published methods, from their files: `python docs/make_papers.py`."""

from __future__ import annotations

import ast
import re
from importlib.util import find_spec
from pathlib import Path

from kinema import papers

PAGE = Path(__file__).resolve().parent / "papers.md"
MODELS = {
    "adapter.motion": "the embedded motion generator",
    "adapter": "CogVideoX, Wan, mini",
    "checkpoint": "CogVideoX, Wan (published weights)",
    "guider.film": "CogVideoX, Wan, mini, without training",
    "guider": "CogVideoX, Wan, mini, without training",
    "objective": "training, any of these",
    "timeline": "the embedded motion generator, without training",
    "guider.motion": "the embedded motion generator, without training",
    "search.motion": "the embedded motion generator, without training",
    "capture.prior": "what `kinema capture` has read, by the embedded motion generator",
    "generator": "a motion generator of its own",
    "repair.motion": "the embedded motion generator, without training",
    "context.motion": "the embedded motion generator, with an adapter",
    "completion": "the embedded motion generator, without training",
    "together": "the embedded motion generator, without training",
}
"""What a part works on, by its kind; of several the first that is there."""

HEAD = """# Published methods

Each method is one file of `src/kinema/papers`; this table is made from them by `python docs/make_papers.py`, and \
`kinema papers NAME` says more: what it reads, and every choice that is ours. A verdict says what was measured here, \
beside which rival; *helps* and *does not* are about this repository's models and data. How to add one: \
[add_your_paper.md](add_your_paper.md).

| method | what it does | works on | command | measured here |
|---|---|---|---|---|
"""


STRIPS = Path(__file__).parent / "papers"
SHOWN = """
## What the methods of motion made

Six moments each, by `python docs/make_motion_strips.py`.

"""


def page() -> str:
    """The whole page."""
    rows = "".join(f"| {' | '.join(row(each))} |\n" for each in papers.listing())
    shown = [each.name for each in papers.listing() if (STRIPS / f"{each.name}.jpg").is_file()]
    return HEAD + rows + SHOWN + "\n".join(f"**{name}**\n\n![{name}](papers/{name}.jpg)\n" for name in shown)


def row(paper: papers.Listing) -> tuple[str, ...]:
    """The cells of one method."""
    kinds = [kind for known in MODELS for kind in paper.parts if known in (kind, kind.split(".")[0])]
    models = next((MODELS.get(kind) or MODELS[kind.split(".")[0]] for kind in kinds), "")
    command = paper.command.replace("|", "\\|")
    verdict = paper.verdict.replace("|", "\\|")
    name = f"**{paper.name}** ([{paper.arxiv}](https://arxiv.org/abs/{paper.arxiv}))"
    return name, does(paper.module), models, f"`{command}`", verdict


def does(module: str) -> str:
    """What the first line of a method's file says that it does."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    doc = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    first = " ".join(doc.split("\n\n")[0].split())
    return re.sub(r"^.*?\): |^.*?\)[^:]*: ", "", first).rstrip(".")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
