"""What a training step costs: parameters, tokens and floating-point operations of one sample, counted beforehand.

A frozen backbone is gone through backward for its activations' gradients alone, from the output down to the first block
that something trained feeds; gradients of weights are made where weights train. Checkpointing runs the blocks forward
once more. Formulas and sources: `kinema.video.work`. The share of a device's peak that a run reaches is called MFU where
the operations counted are the model's own (PaLM, arXiv 2204.02311, App. B): what checkpointing repeats is no use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from kinema.training.speed import Work
from kinema.video.adapters.adapter import ControlAdapter
from kinema.video.models.spec import spec_of
from kinema.video.work import Tokens, text_tokens, token_grid, transformer_work
from kinema.video.work import Work as ForwardWork

PEAKS: dict[str, float] = {
    "a100": 312e12, "a800": 312e12, "h100": 989e12, "h800": 989e12, "h200": 989e12, "h20": 148e12, "gh200": 989e12,
    "b200": 2250e12, "gb200": 2500e12, "b100": 1750e12, "a10": 125e12, "a40": 150e12, "l4": 121e12, "l40": 181e12,
    "l40s": 362e12, "rtx3090": 71e12, "rtx4090": 165e12, "rtx5090": 209e12, "rtxa6000": 155e12, "mi250x": 383e12,
    "mi300x": 1307e12,
}  # fmt: skip
"""Dense 16-bit matrix operations a second, with sums in 32 bits, from the makers' data sheets (SXM or OAM forms)."""


@dataclass(frozen=True)
class StepCost:
    """One training step of one sample.

    Args:
        parameters: of the backbone's transformer.
        adapter: of the adapters and of a LoRA.
        trained: those that train, of both.
        tokens: video tokens of a sample.
        text_tokens: text tokens of a sample.
        forward: operations forward.
        flops: operations forward and backward: the model's own.
        checkpointed: operations that checkpointing repeats; 0 without.
    """

    parameters: int
    adapter: int
    trained: int
    tokens: int
    text_tokens: int
    forward: float
    flops: float
    checkpointed: float

    @property
    def hardware_flops(self) -> float:
        """Operations that are really done."""
        return self.flops + self.checkpointed

    def mfu(self, samples_per_second: float, peak: float, devices: int = 1) -> float:
        """Model FLOPs utilisation: the share of the peak that the model's own operations are.

        Args:
            samples_per_second: of all devices together.
            peak: operations a second of one device, see `peak_flops`.
            devices: how many.
        """
        return samples_per_second * self.flops / (peak * devices)


def step_cost(
    transformer: nn.Module,
    adapters: Mapping[str, ControlAdapter],
    size: tuple[int, int],
    frames: int,
    *,
    text: int | None = None,
    checkpointing: bool | None = None,
) -> StepCost:
    """The cost of a step of a transformer as it stands: with its adapters attached, what trains requiring gradients.

    Nothing is run, and weights may be sharded or on the meta device.

    Args:
        transformer: CogVideoX's or Wan's class.
        adapters: attached to it, by name.
        size: (width, height) in pixels.
        frames: of the video, 4k + 1.
        text: text tokens; as many as the family's pipeline gives where None.
        checkpointing: whether blocks run again in the backward pass; as the transformer is set where None.

    Raises:
        TypeError, ValueError: a transformer for which there is no formula.
    """
    spec = spec_of(transformer)
    kind, config = spec.transformer_class.__name__, transformer.config
    grid = token_grid(config, size, frames, spec.spatial_compression)
    tokens = Tokens(grid, text_tokens(kind, config) if text is None else text, frames)
    parts = transformer_work(kind, config, tokens)
    counted = _counted(transformer, adapters)
    beside = sum((adapter.work(tokens) for adapter in adapters.values()), ForwardWork())
    joint = tokens.video + (tokens.text if spec.name == "cogvideox" else 0)
    lora = ForwardWork(
        2.0 * (counted.lora - counted.lora_told) * joint, 2.0 * counted.lora_told * tokens.text
    )
    forward = parts.whole.forward + beside.forward + lora.forward
    again = bool(getattr(transformer, "is_gradient_checkpointing", False))
    repeated = parts.block.forward * parts.blocks + lora.forward if _or(checkpointing, again) else 0.0
    backward = _backward(parts, counted, adapters) + beside.trained + lora.trained
    return StepCost(
        parameters=counted.backbone,
        adapter=counted.adapters + counted.lora,
        trained=counted.trained,
        tokens=tokens.video,
        text_tokens=tokens.text,
        forward=forward,
        flops=forward + backward,
        checkpointed=repeated,
    )


def work_of(
    transformer: nn.Module,
    adapters: Mapping[str, ControlAdapter],
    size: tuple[int, int],
    frames: int,
    device: str,
) -> Work:
    """What a sample costs, as a trainer logs it; see `step_cost`, whose arguments these are.

    Args:
        transformer, adapters, size, frames: see `step_cost`.
        device: where it is trained, `cpu` or `cuda`.

    Raises:
        TypeError, ValueError: a transformer for which there is no formula.
    """
    cost = step_cost(transformer, adapters, size, frames)
    named = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    return Work(cost.tokens, cost.flops, peak_flops(named))


def peak_flops(device: str) -> float | None:
    """Dense bf16 operations a second of a device; None where its name is not known, and of a processor.

    Args:
        device: as `torch.cuda.get_device_name` has it, or short: "NVIDIA H100 80GB HBM3", "h100".
    """
    plain = "".join(letter for letter in device.lower() if letter.isalnum())
    names = [name for name in PEAKS if name in plain]
    return PEAKS[max(names, key=len)] if names else None


@dataclass(frozen=True)
class _Counted:
    """Parameters by what they belong to; `lora_told` are those that read the text, and `own` says which of the
    backbone's weights themselves train."""

    backbone: int
    adapters: int
    lora: int
    lora_told: int
    trained: int
    own: str


def _counted(transformer: nn.Module, adapters: Mapping[str, ControlAdapter]) -> _Counted:
    beside = {id(each): each for adapter in adapters.values() for each in adapter.parameters()}
    backbone = lora = told = trained = trained_blocks = trained_outside = 0
    blocks = f"{spec_of(transformer).blocks}."
    for name, each in transformer.named_parameters():
        if id(each) in beside:
            continue
        count = each.numel() * each.requires_grad
        trained += count
        if "lora_" in name:
            lora += each.numel()
            told += each.numel() * (".attn2.to_k." in name or ".attn2.to_v." in name)
            continue
        backbone += each.numel()
        if name.startswith(blocks):
            trained_blocks += count
        else:
            trained_outside += count
    trained += sum(each.numel() for each in beside.values() if each.requires_grad)
    own = "all" if trained_blocks else "entry" if trained_outside else "nothing"
    return _Counted(backbone, sum(each.numel() for each in beside.values()), lora, told, trained, own)


def _backward(parts: Any, counted: _Counted, adapters: Mapping[str, ControlAdapter]) -> float:
    """Operations backward through the backbone, and for its own weights."""
    if counted.own == "all":
        return float(parts.whole.trained)
    if counted.own == "entry":  # the patch embedding trains: everything behind it is gone through
        return float(parts.whole.through + parts.outside.constant)
    if counted.lora:  # of the first block everything but what reads its input
        asked = parts.block.through + parts.block.asking * bool(counted.lora_told)
        return float(parts.outside.through + asked * parts.blocks - parts.block.entry)
    reached = 0.0
    for adapter in adapters.values():
        first, site = min(adapter.sites_by_block().items())
        behind = parts.block.through * (parts.blocks - first - 1)
        inside = parts.feed.through if getattr(site, "place", "after_block") == "after_attention" else 0.0
        reached = max(reached, behind + inside)
    return float(parts.outside.through + reached)


def _or(said: bool | None, otherwise: bool) -> bool:
    return otherwise if said is None else said
