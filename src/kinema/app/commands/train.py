"""`kinema train`: runs a training recipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer

from kinema.app.commands.shared import JSON
from kinema.app.console import result


def train(
    recipe: str | None = typer.Argument(None, help="The recipe; without one, the recipes are listed."),
    output: Path | None = typer.Option(None, "--out", "-o", help="Folder for checkpoints and weights."),
    minutes: float = typer.Option(10.0, help="Stop, with a checkpoint, after so many minutes."),
    device: str = typer.Option("auto", help="auto, cpu or cuda."),
    seed: int = typer.Option(0, help="Of everything random."),
    resume: bool = typer.Option(False, "--resume", help="Continue the run found in the folder."),
    options: list[str] = typer.Option(
        [], "--set", metavar="NAME=VALUE", help="An option of the recipe; repeatable."
    ),
    as_json: bool = JSON,
) -> None:
    """Train a model of this repository."""
    from kinema.media.video import write_video
    from kinema.training.recipes import RECIPES, run_recipe

    if recipe is None:
        result(
            {"recipes": RECIPES}, "\n".join(f"{name:<16}{what}" for name, what in RECIPES.items()), as_json
        )
        return
    if recipe not in RECIPES:
        raise ValueError(f"no recipe {recipe!r}; there are {', '.join(RECIPES)}")
    if not 0 < minutes <= 60 * 24 * 30:
        raise ValueError(f"--minutes {minutes:g}: give a time above 0 and at most 30 days")
    output = output or Path("runs") / recipe
    first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun starts, one speaks
    if first and not resume and output.is_dir() and any(output.iterdir()):
        raise ValueError(f"{output} holds a run already: continue it with --resume, or choose another --out")
    if first and resume and not output.is_dir():
        raise ValueError(f"--resume: there is no run in {output}")
    given = {"encode_videos": _encode_videos, "write_video": write_video}
    chosen = dict(_pair(option) for option in options)
    where = run_recipe(recipe, output, minutes, device, seed, chosen, given)
    if first:
        result({"recipe": recipe, "output": str(where)}, f"{where}: result of {recipe}", as_json)


def _encode_videos(videos: str, folder: Path, autoencoder: Any, form: Any, capture: bool) -> Any:
    """What recipes read videos with: a bar over the clips, and the capture of this package where it is asked for."""
    from functools import partial

    from tqdm import tqdm

    from kinema.data.video_latents import WindowFormat, encode_videos

    windows = WindowFormat(form.size, form.frames, form.fps)
    finder: Any = None
    if capture:
        from kinema.capture import capture as capturing

        finder = capturing.capture
    bar = partial(tqdm, unit="clip", desc="encoding")
    return encode_videos(videos, folder, autoencoder, windows, capture=finder, progress=bar)


def _pair(option: str) -> tuple[str, str]:
    name, equals, value = option.partition("=")
    if not (name and equals):
        raise ValueError(f"--set {option}: give NAME=VALUE")
    return name.strip(), value.strip()
