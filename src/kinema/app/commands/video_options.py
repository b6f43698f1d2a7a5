"""Options of the commands that make videos with a backbone: `animate` and `generate`."""

from __future__ import annotations

from pathlib import Path

import typer

NEGATIVE_PROMPT: str = typer.Option("", help="What guidance on the text leads away from.")
BACKBONE: str = typer.Option("mini", help="A name that `kinema models` lists, or a folder.")
CONTROL: list[str] | None = typer.Option(
    None,
    help="How the motion is followed: tokenmotion, mtvcraft, mosa, or none; repeatable. tokenmotion:camera lets "
    "it see the camera alone. Default: the first that has trained weights.",
)
ADAPTER_WEIGHTS: Path | None = typer.Option(
    None, help="Folder of trained control weights. Default: beside the backbone's."
)
LORA: Path | None = typer.Option(None, help="A LoRA for the backbone (.safetensors).")
SIZE: str | None = typer.Option(None, help="WxH in pixels. Default: the backbone's own.")
STEPS: int | None = typer.Option(
    None,
    min=1,
    max=1000,
    help="Denoising steps. Default: the backbone's; few beat many while mini is young.",
)
GUIDANCE_TEXT: float | None = typer.Option(None, help="How much the prompt counts; 0 leaves it out.")
GUIDANCE_POSE: float | None = typer.Option(None, help="How much the motion counts; 0 leaves it out.")
GUIDANCE_CAMERA: float | None = typer.Option(None, help="How much the camera counts; 0 leaves it out.")
SHIFT: float | None = typer.Option(
    None, min=0.01, max=100, help="Above 1 spends more steps near the noise. Default: the backbone's."
)
MEMORY: str = typer.Option(
    "high", help="Of the accelerator: high; medium (one model at a time); low (one block at a time)."
)
FP8: bool = typer.Option(False, "--fp8", help="Keep the backbone's weights in 8 bits.")
ATTENTION: str | None = typer.Option(None, help="An attention back-end of diffusers, e.g. flash or sage.")
SIDE_BY_SIDE: bool = typer.Option(False, "--side-by-side", help="Show skeleton and preview beside the video.")
SCALE: int = typer.Option(1, min=1, max=16, help="Enlarge the picture so many times, for viewing.")
