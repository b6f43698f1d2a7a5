"""Options that choose a video model and how it is sampled; `animate`, `generate` and `replace` have them in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kinema.app.commands.shared import with_options

if TYPE_CHECKING:
    from kinema.app.request import ModelChoice, Sampling

MODEL: Any = None
"""Stands in a command where the options of a model go; see `chooses_model`."""

SAMPLING: Any = None
"""Stands in a command where the options of sampling go; see `samples`."""

Command = Callable[..., None]

_MODEL: dict[str, tuple[Any, Any]] = {
    "backbone": (
        str | None,
        typer.Option(
            None,
            help="A video model: a name that `kinema models` lists, or a folder; or rough, which moves the picture's "
            "own person without a model. Default: rough where a picture is given, else the embedded model. What "
            "only models have, such as --steps, asks for one to be named.",
        ),
    ),
    "control": (
        list[str] | None,
        typer.Option(
            None,
            help="How the motion is followed: tokenmotion, mtvcraft, mosa, time-to-move, or none; repeatable. "
            "tokenmotion:camera lets it see the camera alone; time-to-move films a rough take first and needs "
            "no trained weights (time-to-move:0.98+0.95 sets its clocks). Default: the first that has trained "
            "weights.",
        ),
    ),
    "adapter_weights": (
        Path | None,
        typer.Option(None, help="Folder of trained control weights. Default: beside the backbone's."),
    ),
    "recipe": (
        str | None,
        typer.Option(
            None,
            help="How VACE is told of the scene: pose, first-frame, background, pose-and-depth or extend; with "
            "options of its passes, e.g. first-frame,control=both. Default: pose.",
        ),
    ),
    "control_strength": (
        float | None,
        typer.Option(None, min=0, max=10, help="How much VACE's control counts; 1 as it was trained."),
    ),
    "lora": (
        list[str] | None,
        typer.Option(
            None,
            help="A LoRA for the backbone (.safetensors); repeatable. FILE:0.8 adds so much of it, FILE:0.8:high to "
            "one of Wan 2.2's two experts.",
        ),
    ),
    "size": (
        str | None,
        typer.Option(
            None,
            help="WxH in pixels. Default: the model's own; of a rough take the picture's, at most 1280 a side.",
        ),
    ),
    "fps": (
        float | None,
        typer.Option(
            None,
            help="Frames per second of the result, for models that have a choice. Default: the model's own; of a "
            "rough take the motion's, at most 30.",
        ),
    ),
    "window": (
        int | None,
        typer.Option(
            None,
            min=1,
            help="Frames that are made at once, 4k + 1; longer videos are continued. Default: the backbone's.",
        ),
    ),
    "memory": (
        str,
        typer.Option(
            "high", help="Of the accelerator: high; medium (one model at a time); low (one block at a time)."
        ),
    ),
    "fp8": (bool, typer.Option(False, "--fp8", help="Keep the backbone's weights in 8 bits.")),
    "attention": (
        str | None,
        typer.Option(None, help="An attention back-end of diffusers, e.g. flash or sage."),
    ),
    "base": (
        str | None,
        typer.Option(
            None,
            help="Of a method's published files: the backbone, by name or folder, whose other parts they use.",
        ),
    ),
    "checkpoint": (
        list[Path] | None,
        typer.Option(
            None,
            help="The backbone's transformer as one file (.safetensors, .gguf); its folder then needs none; "
            "repeatable for Wan 2.2's two experts both.",
        ),
    ),
    "fast": (
        list[str] | None,
        typer.Option(
            None,
            help="Few steps, sampled as the distilled model was trained: lightx2v, causvid, fastwan, or the file of "
            "a LoRA of theirs; repeatable.",
        ),
    ),
    "quantise": (
        str | None,
        typer.Option(
            None,
            help="Keep the backbone's weights in fewer bits: int8, fp8, int4, bnb-int8, nf4, quanto-int8, "
            "quanto-int4.",
        ),
    ),
    "cache": (
        str | None,
        typer.Option(
            None,
            help="Leave out what changes little from step to step: first-block, taylorseer, pab or mag:FILE; "
            "first-block:0.05 leaves out less.",
        ),
    ),
    "compile_blocks": (
        bool,
        typer.Option(
            False,
            "--compile",
            help="Compile the network's blocks: a slow first step, and faster ones after it.",
        ),
    ),
    "parallel": (
        str | None,
        typer.Option(
            None,
            help="How processes of torchrun share a video out: context (tokens), guidance (passes), both, or auto. "
            "Default: alone, or auto under torchrun.",
        ),
    ),
}
"""Type and option of each field of `ModelChoice`, which says more."""

_SAMPLING: dict[str, tuple[Any, Any]] = {
    "seed": (
        int,
        typer.Option(0, help="Of everything random; the same seed gives the same video."),
    ),
    "steps": (
        int | None,
        typer.Option(
            None,
            min=1,
            max=1000,
            help="Denoising steps. Default: the backbone's; few beat many while the embedded one is young.",
        ),
    ),
    "guidance_text": (
        str | None,
        typer.Option(
            None,
            metavar="<float[,float]>",
            help="How much the prompt counts; 0 leaves it out. Two for two experts (Wan 2.2 A14B): noisy steps, the "
            "rest.",
        ),
    ),
    "guidance_pose": (
        str | None,
        typer.Option(None, metavar="<float[,float]>", help="How much the motion counts; 0 leaves it out."),
    ),
    "guidance_camera": (
        str | None,
        typer.Option(None, metavar="<float[,float]>", help="How much the camera counts; 0 leaves it out."),
    ),
    "shift": (
        float | None,
        typer.Option(
            None, min=0.01, max=100, help="Above 1 spends more steps near the noise. Default: the backbone's."
        ),
    ),
    "negative_prompt": (str, typer.Option("", help="What guidance on the text leads away from.")),
    "takes": (
        int,
        typer.Option(
            1, min=1, max=64, help="Make so many videos, from --seed on, and keep the one that follows best."
        ),
    ),
    "score": (
        bool,
        typer.Option(
            False, "--score", help="Look at the finished video and say how far pose and camera were followed."
        ),
    ),
}


def chooses_model(
    without: Collection[str] = (), instead: Mapping[str, Any] | None = None
) -> Callable[[Command], Command]:
    """A command that loads a video model: the options about it become its one argument `model`.

    The command has a parameter `model: ModelChoice`, in whose place the options stand.

    Args:
        without: options that the command does not have.
        instead: options that are explained otherwise, by name.
    """
    words = {
        name: (kind, (instead or {}).get(name, option))
        for name, (kind, option) in _MODEL.items()
        if name not in without
    }

    def choice(**said: Any) -> ModelChoice:
        from kinema.app.inputs import control_names, parse_size
        from kinema.app.request import ModelChoice

        said = {name: tuple(given) if isinstance(given, list) else given for name, given in said.items()}
        control = said.pop("control", None)
        size = said.pop("size")
        return ModelChoice(
            controls=control_names(control and list(control)),
            size=None if size is None else parse_size(size),
            lora=said.pop("lora") or None,
            **said,
        )

    return lambda command: with_options(command, "model", words, choice)


def samples(without: Collection[str] = ()) -> Callable[[Command], Command]:
    """A command that samples a video: the options about it become its one argument `sampling`.

    The command has a parameter `sampling: Sampling`, in whose place the options stand.

    Args:
        without: options that the command does not have.
    """
    words = {name: each for name, each in _SAMPLING.items() if name not in without}

    def sampling(**said: Any) -> Sampling:
        from kinema.app.inputs import parse_scale
        from kinema.app.request import Sampling

        scales = {
            name: parse_scale(said.pop(f"guidance_{name}", None), f"--guidance-{name}")
            for name in ("text", "pose", "camera")
        }
        return Sampling(guidance=scales, **said)

    return lambda command: with_options(command, "sampling", words, sampling)
