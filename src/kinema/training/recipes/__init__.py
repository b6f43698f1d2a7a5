"""What can be trained, by name. A recipe is plain Python that can be read from top to bottom."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from kinema.scene.formats.errors import FormatError
from kinema.training.config import Option, Run, configure, describe, load, read, save

RECIPES = {
    "autoencoder": "fit the patch components of the video autoencoder",
    "mini": "train the video transformer together with TokenMotion",
    "control": "train a control adapter on the frozen video transformer",
    "overfit": "check that an adapter can learn a few takes by heart",
    "motion": "train the text-to-motion generator",
    "tokenizer": "train the motion tokenizer",
    "motion_judge": "train the network that judges motion by text",
    "keypoints": "train the keypoint network that judges renders and generated videos",
    "parts": "train the network whose features the part term compares",
    "lifter": "train the network that guesses depth from keypoints, for capture",
}


PARALLEL = ("mini", "control")
"""Recipes that torchrun may start in several processes."""

GIVEN = ("encode_videos", "write_video")
"""Arguments of recipes that the application brings, because training reads no videos itself."""


SETTINGS = "recipe.json"
"""Name of the file in a run's folder with the settings that it was started with."""


def run_recipe(
    name: str,
    out: Path,
    minutes: float,
    device: str = "auto",
    seed: int = 0,
    options: Mapping[str, str] | None = None,
    given: Mapping[str, Any] | None = None,
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
        given: what the application brings, by the names in GIVEN; a recipe gets what it asks for.
        file: a `recipe.json` whose settings the options change; the recipe's own defaults where None.

    Returns:
        The folder of the result.

    Raises:
        ValueError: unknown recipe or option, a value of the wrong kind, or several processes for a recipe of one.
        FormatError: the file is no settings of this recipe.
    """
    import torch

    from kinema.training.ranks import rank, together, world

    module = _module(name)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    nested = hasattr(module, "Recipe")
    recipe = settings(name, options or {}, file) if nested else None
    arguments = {} if nested else _arguments(module.run, options or {})
    asked = inspect.signature(module.run).parameters
    arguments |= {key: value for key, value in (given or {}).items() if key in asked}
    with together(device) as own_device:
        if world() > 1 and name not in PARALLEL:
            raise ValueError(
                f"recipe {name} runs in one process; torchrun may start {' and '.join(PARALLEL)}"
            )
        if not nested:
            return module.run(out, minutes, own_device, seed, **arguments)
        if rank() == 0:
            out.mkdir(parents=True, exist_ok=True)
            save(recipe, out / SETTINGS, name, seed)
        return module.run(recipe, Run(out, minutes, own_device, seed), **arguments)


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


def options_of(name: str) -> list[Option]:
    """The options of a recipe, with defaults and a line of help each.

    Raises:
        ValueError: unknown recipe.
    """
    module = _module(name)
    if not hasattr(module, "Recipe"):
        raise ValueError(f"recipe {name}: its options are the arguments of {module.__name__}.run")
    return describe(module.Recipe)


def _module(name: str) -> Any:
    if name not in RECIPES:
        raise ValueError(f"no recipe {name!r}; there are {', '.join(RECIPES)}")
    return import_module(f"kinema.training.recipes.{name}")


def _arguments(run: Callable[..., Path], options: Mapping[str, str]) -> dict[str, Any]:
    signature = inspect.signature(run, eval_str=True)
    known = {
        name: p for name, p in signature.parameters.items() if p.kind is p.KEYWORD_ONLY and name not in GIVEN
    }
    arguments: dict[str, Any] = {}
    for key, text in options.items():
        if key not in known:
            raise ValueError(f"the recipe has no option {key!r}; it has {', '.join(known)}")
        kind = known[key].annotation
        try:
            if kind is bool:
                arguments[key] = {"true": True, "false": False}[text.lower()]
            elif kind in (int, float):
                arguments[key] = kind(text)
            else:
                arguments[key] = text
        except (KeyError, ValueError) as error:
            raise ValueError(f"option {key}={text!r}: expected {kind.__name__}") from error
    missing = [name for name, p in known.items() if p.default is p.empty and name not in arguments]
    if missing:
        raise ValueError(f"the recipe needs {', '.join(f'--set {name}=...' for name in missing)}")
    return arguments
