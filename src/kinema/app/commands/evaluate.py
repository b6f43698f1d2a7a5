"""`kinema evaluate`: figures, beside their floors and zeros."""

from __future__ import annotations

import typer

app = typer.Typer(help="Measure the models; every figure beside its floors and zeros.", no_args_is_help=True)


@app.callback()
def protocols() -> None:
    """Keeps `control` a named protocol, so that others can stand beside it."""
