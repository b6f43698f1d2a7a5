"""What control costs per denoising step: the same CogVideoX transformer without and with each adapter.

Tokens are encoded once per video, outside of the timed step. Sites stand as the papers have them, with their sizes in
proportion to the backbone: TokenMotion behind every second block, MTVCraft in every block, MoSA in 10 of 42. A new
adapter adds exactly zero, at full cost, which shows that both sides compute the same. Beside the time stand FLOPs, of
this size and of the papers' sizes (counted on the meta device; nothing of them is allocated). Run:
    python benchmarks/control_overhead.py
The last line is JSON: processor time with the adapter over that without, median over pairs of runs in turns. Aims: at
most 1.25 for TokenMotion, 1.10 for MTVCraft and MoSA.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from diffusers import CogVideoXTransformer3DModel
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kinema.signals.control_signals import ControlSignals
from kinema.video.adapters.adapter import ControlAdapter, ControlTokens
from kinema.video.adapters.attach import attach, detach
from kinema.video.adapters.context import ATTENTION_KEY
from kinema.video.registry import adapter_class

AIMS = {"tokenmotion": 1.25, "mtvcraft": 1.10, "mosa": 1.10}
LATENT_CHANNELS, TEXT_TOKENS = 16, 226


@dataclass(frozen=True)
class Setting:
    """A CogVideoX transformer and a video; heads are 64 wide, sides in pixels."""

    blocks: int
    heads: int
    frames: int
    height: int
    width: int

    @property
    def hidden_size(self) -> int:
        return 64 * self.heads

    @property
    def grid(self) -> tuple[int, int, int]:
        return 1 + (self.frames - 1) // 4, self.height // 16, self.width // 16

    def __str__(self) -> str:
        frames, rows, columns = self.grid
        return (
            f"{self.blocks} blocks of width {self.hidden_size}, {self.frames} frames of {self.height} x {self.width} "
            f"({frames * rows * columns} tokens)"
        )


PAPERS = {
    "tokenmotion": Setting(30, 30, 49, 256, 384),  # CogVideoX-2B
    "mtvcraft": Setting(42, 48, 49, 512, 512),  # CogVideoX-5B
    "mosa": Setting(42, 48, 49, 480, 720),
}


def make_transformer(setting: Setting) -> CogVideoXTransformer3DModel:
    _, rows, columns = setting.grid
    return CogVideoXTransformer3DModel(
        num_attention_heads=setting.heads,
        num_layers=setting.blocks,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        sample_frames=setting.frames,
        sample_height=2 * rows,
        sample_width=2 * columns,
        max_text_seq_length=TEXT_TOKENS,
        use_rotary_positional_embeddings=True,  # none are given: what they cost would only make the ratios smaller
    ).eval()


def make_adapter(name: str, transformer: nn.Module, setting: Setting) -> ControlAdapter:
    """The adapter at the paper's proportions, which are its defaults at the paper's size."""
    width = setting.hidden_size
    options: dict[str, dict[str, Any]] = {
        "tokenmotion": {
            "motion_width": 64 * round(width / 240),  # 512 of 1920, heads of 64, rank 64
            "heads": round(width / 240),
            "rank": width // 30,
        },
        "mtvcraft": {},
        "mosa": {"depth": round(setting.blocks * 10 / 42), "control_width": width // 12},  # 256 of 3072
    }
    return adapter_class(name).for_transformer(transformer, **options[name]).eval()


def encode(adapter: ControlAdapter, setting: Setting) -> ControlTokens:
    """Tokens of a video of the setting's size; what they say does not change what a step costs."""
    frames, height, width = setting.frames, setting.height, setting.width
    grid = setting.grid
    if adapter.adapter_name == "mtvcraft":
        return adapter.encode_tokens(torch.randn(1, 1, grid[0] * 24, adapter.config.code_dim), grid)
    signals = ControlSignals(
        rays=torch.randn(1, frames, 6, height, width),
        skeletons=torch.rand(1, frames, 3, height, width),
        person_mask=torch.zeros(1, frames, height, width, dtype=torch.bool),
    )
    latents = torch.randn(1, LATENT_CHANNELS, grid[0], 2 * grid[1], 2 * grid[2])
    text = torch.randn(1, TEXT_TOKENS, 4096)
    return adapter.encode(signals, text=text, to_latents=lambda video: latents)


class Step:
    """One call of the transformer, without or with an adapter."""

    def __init__(self, setting: Setting) -> None:
        self.transformer = make_transformer(setting)
        frames, rows, columns = setting.grid
        self.inputs = {
            "hidden_states": torch.randn(1, frames, LATENT_CHANNELS, 2 * rows, 2 * columns),
            "encoder_hidden_states": torch.randn(1, TEXT_TOKENS, 4096),
            "timestep": torch.full((1,), 500),
        }

    @torch.no_grad()
    def __call__(
        self,
        adapter: ControlAdapter | None,
        tokens: ControlTokens | None,
        measure: Callable[[Callable[[], torch.Tensor]], float],
    ) -> float:
        """What `measure` says of the call; attaching and detaching stay outside."""
        kwargs: dict[str, Any] = {}
        if adapter is not None:
            attach(self.transformer, adapter)
            kwargs["attention_kwargs"] = {ATTENTION_KEY: {adapter.adapter_name: tokens}}
        measured = measure(lambda: self.transformer(**self.inputs, **kwargs, return_dict=False)[0])
        if adapter is not None:
            detach(self.transformer)
        return measured


def flops(call: Callable[[], torch.Tensor]) -> float:
    with FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())


def count_flops(name: str, setting: Setting) -> tuple[float, float]:
    """FLOPs of a step without and with the adapter."""
    with torch.device("meta"), torch.no_grad():
        step = Step(setting)
        adapter = make_adapter(name, step.transformer, setting)
        return step(None, None, flops), step(adapter, encode(adapter, setting), flops)


def time_steps(names: list[str], setting: Setting, repeats: int) -> dict[str, list[float]]:
    """Processor seconds of each variant ("plain" and every adapter), taken in turns."""
    torch.manual_seed(0)
    step = Step(setting)
    variants: dict[str, tuple[ControlAdapter | None, ControlTokens | None]] = {"plain": (None, None)}
    with torch.no_grad():
        for name in names:
            adapter = make_adapter(name, step.transformer, setting)
            variants[name] = (adapter, encode(adapter, setting))
    outputs: dict[str, torch.Tensor] = {}
    times: dict[str, list[float]] = {name: [] for name in variants}
    for repeat in range(repeats):
        order = list(variants)
        for name in order if repeat % 2 == 0 else reversed(order):

            def seconds(call: Callable[[], torch.Tensor], name: str = name) -> float:
                begin = time.process_time()
                outputs[name] = call()
                return time.process_time() - begin

            times[name].append(step(*variants[name], seconds))
            assert torch.equal(outputs[name], outputs.get("plain", outputs[name])), (
                f"{name} is no new adapter"
            )
    return times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--adapters", nargs="+", default=list(AIMS), choices=list(AIMS))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    names = arguments.adapters
    # A quarter of CogVideoX-5B's width, of MTVCraft's video tokens and about of its motion tokens, so that attention,
    # linear layers and sites weigh what they weigh there; the other two papers' tokens per width lie on both sides.
    setting = Setting(blocks=12, heads=12, frames=13, height=416, width=512)

    rows = {}
    for name in names:
        here, paper = count_flops(name, setting), count_flops(name, PAPERS[name])
        rows[name] = (here[1] / here[0], paper[1] / paper[0])
        print(f"{name:12} at the paper's size, {PAPERS[name]}: {paper[0]:.3e} -> {paper[1]:.3e} FLOPs")
    times = time_steps(names, setting, arguments.repeats)
    print(f"timed: {setting}, {arguments.threads} thread(s), {arguments.repeats} runs of each in turns")
    print(f"plain step: {median(times['plain']):.2f} s of processor time, fastest {min(times['plain']):.2f}")
    print(f"{'adapter':12}{'time':>8}{'lowest':>8}{'highest':>9}{'FLOPs':>8}{'at paper size':>15}  aim")
    result = {}
    for name in names:
        ratios = [with_it / plain for with_it, plain in zip(times[name], times["plain"], strict=True)]
        result[name] = round(median(ratios), 3)
        here, paper = rows[name]
        verdict = "met" if result[name] <= AIMS[name] else "MISSED"
        print(
            f"{name:12}{median(ratios):8.3f}{min(ratios):8.3f}{max(ratios):9.3f}{here:8.3f}{paper:15.3f}"
            f"  {AIMS[name]:.2f} {verdict}"
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
