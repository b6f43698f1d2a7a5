"""What a training step needs of a device's memory, term by term, before anything is loaded.

Weights, gradients, moments and averages are counted (ZeRO, arXiv 1910.02054, Sec. 3, says which of them sharding
divides); activations follow the formulas of `kinema.video.work`, whose numbers were counted on blocks of the real
classes; what the autoencoder takes was measured. `benchmarks/full_size_training.py` holds the sum against real steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from torch import nn

from kinema.training.cost import StepCost
from kinema.video.adapters.adapter import ControlAdapter
from kinema.video.models.spec import spec_of
from kinema.video.work import Activations, Tokens, token_grid, transformer_activations

MOMENTS = {"adamw": 8.0, "adamw8bit": 2.1}
"""Bytes of both moments of a parameter; in 8 bits with a scale for each 256 (bitsandbytes)."""

RESERVED = 2.5e9
"""Bytes that driver, kernels, NCCL and gaps between blocks of memory take of a GPU (ours)."""


@dataclass(frozen=True)
class Layout:
    """How a run lies on its devices.

    Args:
        gpus: processes, one for each device; 0 for a processor alone.
        shard: processes that share one copy of what is trained and of the backbone: all of them with FSDP, those of a
            node with HSDP, 1 where every process has its own.
        samples: that a process goes through at once.
        number: bytes of the backbone's weights and of what is computed in, 2 or 4.
        checkpointing: whether blocks are run again in the backward pass.
        optimiser: see MOMENTS.
        averages_on_host: whether averaged weights wait in main memory.
    """

    gpus: int = 1
    shard: int = 1
    samples: int = 1
    number: float = 2.0
    checkpointing: bool = True
    optimiser: str = "adamw"
    averages_on_host: bool = False


@dataclass(frozen=True)
class Memory:
    """Bytes on one device, each term at its largest.

    Args:
        weights: of the backbone's transformer, this device's share.
        gathered: of sharded weights, what is whole for the time: two blocks, and the adapter until its backward pass.
        adapter: weights of adapters and LoRA in 32 bits, this device's share.
        copies: of 32-bit weights in the type that is computed in (autocast), until the backward pass.
        gradients: of what trains.
        moments: the optimiser's.
        averages: averaged weights (EMA).
        encoders: of text, picture and video, which wait on the device.
        activations: what waits for the backward pass.
        block: the block that is run again.
        encoding: of an adapter that sees signals through the autoencoder; not at the same time as activations.
        decoding: of losses that look at pixels.
        reserved: see RESERVED.
    """

    weights: float
    gathered: float
    adapter: float
    copies: float
    gradients: float
    moments: float
    averages: float
    encoders: float
    activations: float
    block: float
    encoding: float
    decoding: float
    reserved: float

    @property
    def resting(self) -> float:
        """What is there between two steps; moments are from the second one on."""
        return self.weights + self.adapter + self.moments + self.averages + self.encoders + self.reserved

    @property
    def total(self) -> float:
        """At the worst moment: while signals are encoded, in the backward pass, or when the optimiser steps."""
        backward = self.activations + self.block + self.decoding + self.copies
        return self.resting + self.gathered + max(self.gradients + backward, self.encoding)

    def terms(self) -> dict[str, float]:
        """Every term by its name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True)
class Beside:
    """What a run has beside transformer and adapter; see `planned.beside_of`.

    Args:
        encoders: bytes of text, picture and video encoders.
        encoding: bytes at work while an adapter's signals go through the autoencoder.
        decoding: bytes that a loss on pixels keeps.
    """

    encoders: float = 0.0
    encoding: float = 0.0
    decoding: float = 0.0


def predict_memory(
    transformer: nn.Module,
    adapters: Mapping[str, ControlAdapter],
    cost: StepCost,
    size: tuple[int, int],
    frames: int,
    layout: Layout,
    beside: Beside | None = None,
) -> Memory:
    """The memory of a training step on one device.

    Args:
        transformer: with its adapters attached, on any device, also on the meta device.
        adapters: by name.
        cost: of one sample, see `step_cost`.
        size: (width, height) in pixels.
        frames: of the video.
        layout: on which devices, how.
        beside: what else there is; nothing where None.

    Raises:
        TypeError, ValueError: a transformer for which there is no formula.
    """
    beside, share = beside or Beside(), max(1, layout.shard)
    spec = spec_of(transformer)
    kind, config = spec.transformer_class.__name__, transformer.config
    grid = token_grid(config, size, frames, spec.spatial_compression)
    tokens = Tokens(grid, cost.text_tokens, frames)
    own = {id(each) for adapter in adapters.values() for each in adapter.parameters()}
    weights = trained_own = lora = 0.0
    for name, each in transformer.named_parameters():
        if id(each) in own:
            continue
        exact = each.requires_grad and "lora_" not in name
        lora += each.numel() * ("lora_" in name)
        trained_own += each.numel() * exact
        weights += each.numel() * (0.0 if "lora_" in name else 4.0 if exact else layout.number)
    blocks = spec.block_list(transformer)
    block = max(sum(each.numel() for each in one.parameters() if id(each) not in own) for one in blocks)
    beyond = sum(each.numel() for name, each in transformer.named_parameters() if id(each) not in own) - sum(
        each.numel() for one in blocks for each in one.parameters() if id(each) not in own
    )
    beside_weights = float(cost.adapter)
    gathered = 0.0
    if share > 1:
        whole = 4.0 if trained_own else layout.number
        gathered = whole * (2 * block + beyond) + 4.0 * (beside_weights - lora)
    exact = layout.number == 4.0
    kept = transformer_activations(kind, config, tokens, layout.number, layout.checkpointing)
    for adapter in adapters.values():
        kept = kept + _scaled(adapter.activations(tokens, layout.checkpointing), 2.0 if exact else 1.0)
    return Memory(
        weights=weights / share,
        gathered=gathered,
        adapter=4.0 * beside_weights / share,
        copies=0.0 if exact else 2.0 * (beside_weights + trained_own / share),
        gradients=4.0 * (beside_weights + trained_own / share),
        moments=MOMENTS[layout.optimiser] * cost.trained / share,
        averages=0.0 if layout.averages_on_host else 4.0 * cost.trained / share,
        encoders=beside.encoders,
        activations=layout.samples * kept.kept,
        block=layout.samples * kept.block,
        encoding=layout.samples * beside.encoding,
        decoding=beside.decoding,
        reserved=RESERVED if layout.gpus else 0.0,
    )


def _scaled(kept: Activations, times: float) -> Activations:
    return Activations(kept.kept * times, kept.block * times)
