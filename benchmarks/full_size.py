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
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import nn

MOST_BYTES = 14e9
"""Above which nothing is begun: what a machine of 16 GB has left (ours)."""

WAN_1_3B = {
    "num_attention_heads": 12,
    "attention_head_dim": 128,
    "ffn_dim": 8960,
    "num_layers": 30,
    "text_dim": 4096,
}
WAN_14B = {
    "num_attention_heads": 40,
    "attention_head_dim": 128,
    "ffn_dim": 13824,
    "num_layers": 40,
    "text_dim": 4096,
}
WAN_5B = {
    "num_attention_heads": 24,
    "attention_head_dim": 128,
    "ffn_dim": 14336,
    "num_layers": 30,
    "text_dim": 4096,
}
TEXT_TOKENS = 512


@dataclass(frozen=True)
class Shape:
    """A transformer as its published config has it.

    Args:
        transformer: its class in diffusers.
        config: what differs from the class's own.
        channels: of the latents.
        spatial: pixels per latent along each side.
        control: lists of blocks that are there for control alone.
        inputs: further arguments of a call, by the latents' shape.
    """

    transformer: str
    config: dict[str, Any]
    channels: int = 16
    spatial: int = 8
    control: tuple[str, ...] = ()
    inputs: Callable[[tuple[int, ...]], dict[str, Any]] = field(default=lambda shape: {})


def _vace(shape: tuple[int, ...]) -> dict[str, Any]:
    batch, _, frames, height, width = shape
    return {"control_hidden_states": torch.randn(batch, 96, frames, height, width, dtype=torch.bfloat16)}


SHAPES = {
    # Wan-AI/Wan2.1-VACE-1.3B: vace_layers 0, 2, ..., 28; -14B: 0, 5, ..., 35 (their config.json)
    "vace-1.3b": Shape(
        "WanVACETransformer3DModel",
        {**WAN_1_3B, "vace_layers": list(range(0, 30, 2))},
        control=("vace_blocks",),
        inputs=_vace,
    ),
    "vace-14b": Shape(
        "WanVACETransformer3DModel",
        {**WAN_14B, "vace_layers": list(range(0, 40, 5))},
        control=("vace_blocks",),
        inputs=_vace,
    ),
    "wan2.1-1.3b": Shape("WanTransformer3DModel", WAN_1_3B),
    "wan2.1-14b-t2v": Shape("WanTransformer3DModel", WAN_14B),
    # Wan-AI/Wan2.2-TI2V-5B: 48 channels of 16 x 16 pixels
    "wan2.2-5b": Shape(
        "WanTransformer3DModel", {**WAN_5B, "in_channels": 48, "out_channels": 48}, channels=48, spatial=16
    ),
}
"""Every shape by the name of `--backbone`; of two experts one is in memory at a time, and counts."""


def build(shape: Shape) -> nn.Module:
    """A transformer with random weights, of which there is never a second copy.

    Raises:
        ValueError: more than MOST_BYTES.
    """
    with torch.device("meta"):
        model = getattr(diffusers, shape.transformer)(**shape.config).to(torch.bfloat16)
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
    began = time.perf_counter()
    model = build(shape)
    built, resting = time.perf_counter() - began, _peak()
    latents = (1, shape.channels, 1 + (frames - 1) // 4, size[1] // shape.spatial, size[0] // shape.spatial)
    inputs = {
        "hidden_states": torch.randn(latents, dtype=torch.bfloat16),
        "timestep": torch.tensor([500]),
        "encoder_hidden_states": torch.randn(1, TEXT_TOKENS, shape.config["text_dim"], dtype=torch.bfloat16),
        **shape.inputs(latents),
    }
    in_control = _timed([block for part in shape.control for block in getattr(model, part)])
    taken: list[float] = []
    for _ in range(steps):
        in_control.clear()
        began = time.perf_counter()
        with torch.no_grad():
            made = model(**inputs, return_dict=False)[0]
        taken.append(time.perf_counter() - began)
    step = min(taken)
    counts = {part: sum(each.numel() for each in getattr(model, part).parameters()) for part in shape.control}
    total = sum(each.numel() for each in model.parameters())
    return {
        "model": name,
        "transformer": shape.transformer,
        "size": list(size),
        "frames": frames,
        "tokens": latents[2] * latents[3] * latents[4] // 4,
        "threads": torch.get_num_threads(),
        "parameters": total,
        "control_parameters": sum(counts.values()),
        "weights_gb": round(2 * total / 1e9, 2),
        "built_peak_gb": round(resting, 2),
        "peak_gb": round(_peak(), 2),
        "built_s": round(built, 1),
        "step_s": round(step, 2),
        "steps_s": [round(each, 2) for each in taken],
        "control_share": round(sum(in_control) / taken[-1], 3) if shape.control else 0.0,
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
    parser.add_argument("model", choices=SHAPES)
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
