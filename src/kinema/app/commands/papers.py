"""`kinema papers`: the published methods that are built in or installed, and what each left to us."""

from __future__ import annotations

import json
from textwrap import fill

import typer

from kinema.app.commands.shared import JSON

_HEAD = ("name", "arXiv", "title", "parts")


def papers(
    name: str | None = typer.Argument(None, help="Only this one, with everything that is ours in it."),
    as_json: bool = JSON,
) -> None:
    """List the published methods: title, parts, and what is ours."""
    from kinema.papers import Listing, listing

    def table(found: list[Listing]) -> str:
        rows = [(each.name, each.arxiv, each.title.split(":")[0], ", ".join(each.parts)) for each in found]
        widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in [_HEAD, *rows]]
        return "\n".join([*lines, "", "kinema papers NAME says what is ours in one, and how it is run."])

    def in_full(paper: Listing) -> str:
        ours = [fill(each, 100, initial_indent="- ", subsequent_indent="  ") for each in paper.ours]
        parts = (
            f"{paper.title}\narXiv {paper.arxiv}",
            fill(paper.verdict, 100),
            paper.command,
            "\n".join(["Ours:", *ours]) if ours else "",
        )
        return "\n\n".join(part for part in parts if part)

    found = [each for each in listing() if name in (None, each.name)]
    if not found:
        raise ValueError(f"no paper {name!r}: there are {', '.join(each.name for each in listing())}")
    if as_json:
        print(json.dumps([each.facts() for each in found]))
    else:
        print(table(found) if name is None else in_full(found[0]))
