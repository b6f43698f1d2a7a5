"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any

import typer

JSON: bool = typer.Option(False, "--json", help="Print the result as one line of JSON.")
CRF: int = typer.Option(18, min=0, max=51, help="Video quality: 0 lossless, 18 visually clean, 51 worst.")
TRACKING: str = typer.Option(
    "auto", help="none, pan or follow: how a camera in words keeps the person in view; auto follows a walker."
)
ENDPOINT: str | None = typer.Option(
    None,
    envvar="KINEMA_LLM_URL",
    help="OpenAI-compatible address, e.g. http://localhost:8000/v1, that splits the prompt into motion and camera. "
    "Default: rules on this machine; a key is read from KINEMA_LLM_KEY.",
)
ENDPOINT_MODEL: str = typer.Option(
    "default", envvar="KINEMA_LLM_MODEL", help="The language model's name at --endpoint."
)

READING: Any = None
"""Stands in a command where the options about motion files go; see `reads_motion`."""

_WORDS: dict[str, tuple[Any, Any]] = {
    "unit": (
        str,
        typer.Option(
            "auto",
            help="Of lengths: m, dm, cm, mm, inch, cgspeed, metres as a number, or auto.",
        ),
    ),
    "up": (
        str,
        typer.Option("auto", help="The axis of a motion file that points up: y, z, -y, -z, x, -x, or auto."),
    ),
    "ground": (
        str,
        typer.Option(
            "auto",
            help="keep a file's heights, put the lowest foot on the floor (lowest), or auto.",
        ),
    ),
    "source_fps": (
        float | None,
        typer.Option(None, help="Frames per second of a motion file that says none, or says it wrong."),
    ),
    "joints": (
        Path | None,
        typer.Option(
            None, help="Which joint is which: a .json file from SMPL-24's names to the motion file's."
        ),
    ),
    "animation": (
        str | None,
        typer.Option(None, help="Of a motion file with several animations: its name or number, from 0."),
    ),
    "stats": (
        Path | None,
        typer.Option(None, help="Folder with Mean.npy and Std.npy, by which features were normalised."),
    ),
}
"""Type and option of each word about motion files; `MotionReading` says more."""


def reads_motion(command: Callable[..., None]) -> Callable[..., None]:
    """A command that reads motion files: the options about them become its one argument `reading`.

    The command has a parameter `reading: MotionReading`, in whose place the options stand.
    """
    parameters = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=option, annotation=kind)
        for name, (kind, option) in _WORDS.items()
    ]
    own = list(signature(command).parameters.values())
    place = [each.name for each in own].index("reading")
    kept = [
        each.replace(kind=Parameter.KEYWORD_ONLY, annotation=eval(each.annotation, command.__globals__))
        for each in own
        if each.name != "reading"
    ]

    @wraps(command)
    def run(**options: Any) -> None:
        from kinema.scene.formats.reading import MotionReading

        words = {name: options.pop(name) for name in _WORDS}
        number = words["animation"]
        if isinstance(number, str) and number.isdecimal():
            words["animation"] = int(number)
        command(**options, reading=MotionReading(**words))

    shown = [*kept[:place], *parameters, *kept[place:]]
    run.__signature__ = Signature(shown)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in shown}
    del run.__wrapped__  # type: ignore[attr-defined]  # typer would look through it
    return run
