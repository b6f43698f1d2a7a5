"""One denoising step of a published model at its full size, with random weights in bfloat16 on the CPU.

Says what `kinema plan` is measured against: parameters, memory at its peak, seconds of a step, the control's share of it.
Weights are made where they stay: the model is built without memory (the meta device) and filled once.

    python benchmarks/full_size.py vace-1.3b [--size 256x384] [--frames 9] [-o full_size.json]
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import nn

from kinema.video.planning import denoising_bytes
from kinema.video.shapes import SHAPES, ModelShape

MOST_BYTES = 14e9
"""Above which nothing is begun: what a machine of 16 GB has left (ours)."""

TEXT_TOKENS = 512
FAMILIES = ("WanTransformer3DModel", "WanVACETransformer3DModel")
"""Transformers that are called alike."""
CONTROL = {"WanVACETransformer3DModel": ("vace_blocks",)}
"""Lists of blocks that are there for control alone, by the transformer's class."""


def build(shape: ModelShape) -> nn.Module:
    """A transformer with random weights, of which there is never a second copy.

    Raises:
        ValueError: more than MOST_BYTES.
    """
    with torch.device("meta"):
        model = getattr(diffusers, shape.transformer)(**dict(shape.config)).to(torch.bfloat16)
    count = sum(each.numel() for each in model.parameters())
    if 2 * count > MOST_BYTES:
        raise ValueError(
            f"{count / 1e9:.1f} billion parameters are {2 * count / 1e9:.0f} GB: more than this may take"
        )
    model.to_empty(device="cpu")
    with torch.no_grad():
        for each in model.parameters():
            each.normal_(std=0.02)
    config = model.config  # tables of positions are no parameters: they are made anew
    model.rope = type(model.rope)(config.attention_head_dim, config.patch_size, config.rope_max_seq_len)
    return model.eval().requires_grad_(False)


def measure(name: str, size: tuple[int, int], frames: int, steps: int) -> dict[str, Any]:
    """Builds a model and takes steps; the first one warms up where there are more.

    Args:
        name: of SHAPES.
        size: (width, height) in pixels.
        frames: 4k + 1.
        steps: that are timed.
    """
    shape = SHAPES[name]
    began, before = time.perf_counter(), _peak()
    model = build(shape)
    built, resting = time.perf_counter() - began, _peak()
    config = shape.full_config
    vae = shape.vae
    frame = (1 + (frames - 1) // vae.temporal, size[1] // vae.spatial, size[0] // vae.spatial)
    latents = (1, config["in_channels"], *frame)
    inputs: dict[str, Any] = {
        "hidden_states": torch.randn(latents, dtype=torch.bfloat16),
        "timestep": torch.tensor([500]),
        "encoder_hidden_states": torch.randn(1, TEXT_TOKENS, config["text_dim"], dtype=torch.bfloat16),
    }
    control = CONTROL.get(shape.transformer, ())
    if control:
        told = (1, config["vace_in_channels"], *frame)
        inputs["control_hidden_states"] = torch.randn(told, dtype=torch.bfloat16)
    in_control = _timed([block for part in control for block in getattr(model, part)])
    taken: list[float] = []
    for _ in range(steps):
        in_control.clear()
        began = time.perf_counter()
        with torch.no_grad():
            made = model(**inputs, return_dict=False)[0]
        taken.append(time.perf_counter() - began)
    step = min(taken)
    counts = {part: sum(each.numel() for each in getattr(model, part).parameters()) for part in control}
    total = sum(each.numel() for each in model.parameters())
    # A shape counts a latent frame for the reference picture, which this step has not.
    planned = before + (2 * total + denoising_bytes(replace(shape, extra_tokens=0), size, frames)) / 1e9
    return {
        "model": name,
        "transformer": shape.transformer,
        "size": list(size),
        "frames": frames,
        "tokens": frame[0] * frame[1] * frame[2] // 4,
        "threads": torch.get_num_threads(),
        "parameters": total,
        "control_parameters": sum(counts.values()),
        "weights_gb": round(2 * total / 1e9, 2),
        "built_peak_gb": round(resting, 2),
        "peak_gb": round(_peak(), 2),
        "planned_gb": round(planned, 2),
        "planned_over_peak": round(planned / _peak(), 3),
        "built_s": round(built, 1),
        "step_s": round(step, 2),
        "steps_s": [round(each, 2) for each in taken],
        "control_share": round(sum(in_control) / taken[-1], 3) if control else 0.0,
        "finite": bool(torch.isfinite(made).all()),
    }


def _timed(blocks: list[nn.Module]) -> list[float]:
    """Seconds of each call of the blocks, as they are called."""
    seconds: list[float] = []
    for block in blocks:
        forward = block.forward

        def run(*args: Any, _forward: Any = forward, **kwargs: Any) -> Any:
            began = time.perf_counter()
            made = _forward(*args, **kwargs)
            seconds.append(time.perf_counter() - began)
            return made

        block.forward = run  # type: ignore[method-assign]
    return seconds


def _peak() -> float:
    """GB that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "model", choices=[name for name, each in SHAPES.items() if each.transformer in FAMILIES]
    )
    parser.add_argument("--size", default="384x256", help="WxH of the video, in pixels")
    parser.add_argument("--frames", type=int, default=9)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args()
    width, height = (int(side) for side in asked.size.split("x"))
    facts = measure(asked.model, (width, height), asked.frames, asked.steps)
    text = json.dumps(facts, indent=2)
    print(text)
    if asked.output is not None:
        asked.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
