"""`kinema train`: runs a training recipe."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from kinema.app.commands.shared import JSON
from kinema.app.console import result

_DATA = {"single": "data.motion", "motion-lora": "data.motions"}
"""What --data is short for, where it is not the videos."""


def train(
    recipe: str | None = typer.Argument(None, help="The recipe; without one, the recipes are listed."),
    output: Path | None = typer.Option(None, "--out", "-o", help="Folder for checkpoints and weights."),
    minutes: float = typer.Option(10.0, help="Stop, with a checkpoint, after so many minutes."),
    device: str = typer.Option("auto", help="auto, cpu or cuda."),
    seed: int | None = typer.Option(None, help="Of everything random; 0, or that of the file or run."),
    resume: bool = typer.Option(
        False, "--resume", help="Continue the run found in the folder, with its own options."
    ),
    backbone: str | None = typer.Option(
        None, help="Name or folder of the backbone; short for --set model.weights=..."
    ),
    data: Path | None = typer.Option(
        None,
        help="data.toml, or a folder, table or shards of videos; short for --set data.videos=... Of `single`, the clip; "
        "of `motion-lora`, the folder of clips.",
    ),
    preset: str | None = typer.Option(None, help="Options for a machine: 24gb, 8x80gb or nodes."),
    check_data: bool = typer.Option(
        False,
        "--check-data",
        help="Hold data.toml against its videos, say what is wrong, and stop (exit code 2).",
    ),
    estimate: bool = typer.Option(
        False, "--estimate", help="Say what memory and time it takes on --gpus, load nothing, and stop."
    ),
    gpus: int = typer.Option(1, min=1, max=65536, help="With --estimate: on so many GPUs."),
    gpu: str = typer.Option("h100", help="With --estimate: of this kind, e.g. h100, a100 or rtx4090."),
    options: list[str] = typer.Option(
        [], "--set", metavar="NAME=VALUE", help="An option of the recipe, like trainer.steps=500; repeatable."
    ),
    recipe_file: Path | None = typer.Option(
        None, help="Options and seed of another run: the recipe.json in its folder. --set changes them."
    ),
    list_options: bool = typer.Option(False, "--options", help="List the options of the recipe."),
    as_json: bool = JSON,
) -> None:
    """Train a model of this repository."""
    from kinema.training.config import pairs, read
    from kinema.training.recipes import RECIPES, SETTINGS, preset_options, run_recipe

    if check_data:
        _check(data, pairs(options).get("data.videos"), as_json)
        return
    if resume and output is not None and not recipe_file and (output / SETTINGS).is_file():
        recipe_file = output / SETTINGS
    saved = read(recipe_file) if recipe_file else None
    recipe = recipe or (saved.recipe if saved else None)
    if recipe is None and resume:
        raise ValueError("--resume: say which recipe, or the folder of its run (--out)")
    if recipe is None:
        result(
            {"recipes": RECIPES}, "\n".join(f"{name:<16}{what}" for name, what in RECIPES.items()), as_json
        )
        return
    if recipe not in RECIPES:
        raise ValueError(f"no recipe {recipe!r}; there are {', '.join(RECIPES)}")
    if list_options:
        _list_options(recipe, as_json)
        return
    chosen = {} if backbone is None else {"model.weights": backbone}
    chosen |= {} if data is None else {_DATA.get(recipe, "data.videos"): str(data)}
    chosen |= pairs(options)
    if preset is not None:
        chosen = preset_options(preset, recipe, chosen, recipe_file)
    if estimate:
        _estimate(recipe, chosen, recipe_file, (gpus, gpu), as_json)
        return
    if not 0 < minutes <= 60 * 24 * 30:
        raise ValueError(f"--minutes {minutes:g}: give a time above 0 and at most 30 days")
    output = output or Path("runs") / recipe
    first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun starts, one speaks
    if first and not resume and output.is_dir() and any(path.name != SETTINGS for path in output.iterdir()):
        raise ValueError(f"{output} holds a run already: continue it with --resume, or choose another --out")
    if first and resume and not output.is_dir():
        raise ValueError(f"--resume: there is no run in {output}")
    if resume and not recipe_file and (output / SETTINGS).is_file():
        recipe_file = output / SETTINGS
        saved = read(recipe_file)
    if seed is None:
        seed = saved.seed if saved else 0
    where = run_recipe(recipe, output, minutes, device, seed, chosen, recipe_file)
    if first:
        result({"recipe": recipe, "output": str(where)}, f"{where}: result of {recipe}", as_json)


def _check(data: Path | None, videos: str | None, as_json: bool) -> None:
    """Prints what is wrong with a data file's videos.

    Raises:
        DataError: anything is.
        ValueError: no data file.
    """
    from kinema.data.data_check import DataError, check_data
    from kinema.data.data_file import read_data_file

    path = data or (Path(videos) if videos else None)
    if path is None or path.suffix != ".toml":
        raise ValueError("--check-data: give a data.toml (--data data.toml)")
    report = check_data(read_data_file(path))
    if report.problems:
        raise DataError(report)
    result(report.facts(), report.text, as_json)


def _estimate(
    recipe: str, options: dict[str, str], file: Path | None, where: tuple[int, str], as_json: bool
) -> None:
    """Prints what a recipe takes on so many GPUs of a kind.

    Raises:
        ValueError: an unknown GPU, or a recipe or backbone whose size nothing is known of.
    """
    from kinema.training.estimate import MACHINES, best_of, estimates, table
    from kinema.training.planned import planned
    from kinema.training.recipes import settings

    gpus, name = where
    if name not in MACHINES:
        raise ValueError(f"--gpu {name}: nothing is known of it; there are {', '.join(MACHINES)}")
    chosen = settings(recipe, options, file)
    made = estimates(chosen, gpus, MACHINES[name])
    model = planned(chosen)
    cost = model.cost(chosen.model.checkpointing)
    width, height = model.size
    lines = [
        f"{recipe} on {chosen.model.weights}, {gpus} x {name}: {cost.parameters / 1e9:.2f} billion parameters, "
        f"{cost.trained / 1e6:.0f} million trained; a sample of {model.frames} frames of {width}x{height} has "
        f"{cost.tokens:,} tokens and takes {cost.hardware_flops / 1e12:.0f} TFLOP; batch {model.batch}",
        *table(made),
        "memory is counted, and what works beside it a formula; times are rough, by a factor of 1.5",
    ]
    if not chosen.model.checkpointing or chosen.model.dtype == "float32":
        lines.append(
            "--preset 8x80gb computes in bfloat16 and runs blocks again in the backward pass, for memory"
        )
    facts = {
        "recipe": recipe,
        "backbone": chosen.model.weights,
        "gpus": gpus,
        "gpu": name,
        "cost": vars(cost),
        "estimates": [each.as_json() for each in made],
        "best": best_of(made).way,
    }
    result(facts, "\n".join(lines), as_json)


def _list_options(recipe: str, as_json: bool) -> None:
    from dataclasses import MISSING

    from kinema.training.recipes import options_of

    options = options_of(recipe)
    facts = {
        option.key: {
            "kind": option.kind,
            "required": option.default is MISSING,
            "default": None if option.default is MISSING else option.default,
            "help": option.help,
        }
        for option in options
    }
    width = max(len(option.key) + len(option.text) for option in options) + 3
    lines = [
        f"{option.key + '=' + option.text:<{width}}{option.help}"
        + (" (required)" if option.default is MISSING else "")
        for option in options
    ]
    result({"recipe": recipe, "options": facts}, "\n".join(lines), as_json)
