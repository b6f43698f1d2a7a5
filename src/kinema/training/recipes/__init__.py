"""What can be trained, by name. A recipe is plain Python that can be read from top to bottom."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from kinema.scene.formats.errors import FormatError
from kinema.training.config import Option, Run, configure, describe, load, read, save

RECIPES = {
    "autoencoder": "fit the patch components of the video autoencoder",
    "mini": "train the video transformer together with TokenMotion",
    "control": "train a control adapter on the frozen video transformer",
    "tokenmotion": "train TokenMotion with its paper's settings (CogVideoX-2B)",
    "mtvcraft": "train MTVCraft with its paper's settings (CogVideoX-5B or Wan)",
    "mosa": "train MoSA with its paper's settings (CogVideoX-5B or Wan)",
    "mtvcraft-tokenizer": "train MTVCraft's motion tokenizer at its published size",
    "lora": "train a LoRA of a video backbone",
    "overfit": "check that an adapter can learn a few takes by heart",
    "motion": "train the text-to-motion generator",
    "edit": "train the motion generator to edit a motion as it is told",
    "motion-lora": "teach the motion generator a movement from a handful of clips",
    "single": "train SinMDM on one clip of any skeleton",
    "tokenizer": "train the motion tokenizer",
    "motion_judge": "train the network that judges motion by text",
    "keypoints": "train the keypoint network that judges renders and generated videos",
    "parts": "train the network whose features the part term compares",
    "lifter": "train the network that guesses depth from keypoints, for capture",
}


PARALLEL = ("mini", "control", "tokenmotion", "mtvcraft", "mosa", "lora")
"""Recipes that torchrun may start in several processes."""

SETTINGS = "recipe.json"
"""Name of the file in a run's folder with the settings that it was started with."""


def run_recipe(
    name: str,
    out: Path,
    minutes: float,
    device: str = "auto",
    seed: int = 0,
    options: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Path:
    """Runs a recipe, alone or as one of several processes that torchrun has started.

    What it is set to stands in `out/recipe.json` before it begins.

    Args:
        name: one of RECIPES.
        out: folder for checkpoints and the result; a run found there is resumed.
        minutes: stops on time, with a checkpoint.
        device: `auto`, `cpu` or `cuda`.
        seed: of everything random.
        options: text by dotted key, see config.configure.
        file: a `recipe.json` whose settings the options change; the recipe's own defaults where None.

    Returns:
        The folder of the result.

    Raises:
        ValueError: unknown recipe or option, a value of the wrong kind, a seed out of range, or several processes for a
            recipe of one.
        FormatError: the file is no settings of this recipe.
    """
    import torch

    from kinema.training.ranks import rank, together, world

    module = _module(name)
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed {seed}: give a whole number from 0 to 2**32 - 1")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    recipe = settings(name, options or {}, file)
    with together(device) as own_device:
        if world() > 1 and name not in PARALLEL:
            raise ValueError(f"recipe {name} runs in one process; torchrun may start {', '.join(PARALLEL)}")
        if rank() == 0:
            out.mkdir(parents=True, exist_ok=True)
            save(recipe, out / SETTINGS, name, seed)
        made: Path = module.run(recipe, Run(out, minutes, own_device, seed))
        return made


def settings(name: str, options: Mapping[str, str], file: Path | None = None) -> Any:
    """What a recipe is set to: its defaults or a file's settings, changed by options.

    Raises:
        ValueError: unknown recipe or option, or a value of the wrong kind.
        FormatError: the file is no settings of this recipe.
    """
    kind = _module(name).Recipe
    if file is None:
        return configure(kind, options)
    if (of := read(file).recipe) != name:
        raise FormatError(file, f"has the settings of recipe {of!r}, not of {name!r}")
    return configure(load(kind, file), options)


def preset_options(
    preset: str, name: str, options: Mapping[str, str], file: Path | None = None
) -> dict[str, str]:
    """Options of a recipe with those of a machine's preset; what is said goes before it.

    Raises:
        ValueError: no such preset or recipe, or a recipe that has none of its options.
    """
    from kinema.training import presets

    made = presets.preset(preset, settings(name, options, file))
    return {**made, **options}


def options_of(name: str) -> list[Option]:
    """The options of a recipe, with defaults and a line of help each.

    Raises:
        ValueError: unknown recipe.
    """
    return describe(_module(name).Recipe)


def _module(name: str) -> Any:
    if name not in RECIPES:
        raise ValueError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    return import_module(f"kinema.training.recipes.{name.replace('-', '_')}")
