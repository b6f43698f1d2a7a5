"""Where a pipeline's parts live while they work: three levels, all of them diffusers' own features.

Order matters: LoRA, then adapters (attach), then what is here.
"""

from __future__ import annotations

import logging
from typing import Literal, get_args

import torch
from diffusers.hooks import apply_group_offloading
from torch import nn

from kinema.video.adapters.context import SITES
from kinema.video.pipeline import KinemaPipeline

Memory = Literal["low", "medium", "high"]
"""high: everything on the device. medium: one model at a time, the autoencoder in tiles. low: one block at a time."""

logger = logging.getLogger(__name__)


def best_device() -> torch.device:
    """The accelerator of this machine, or the CPU."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or torch.device("cpu")


def place(
    pipeline: KinemaPipeline,
    memory: Memory = "high",
    *,
    device: torch.device | None = None,
    fp8: bool = False,
    attention: str | None = None,
) -> None:
    """Puts a pipeline where it works.

    Without an accelerator there is nothing to move: medium and low then only tile the autoencoder, and say so.

    Args:
        pipeline: with its adapters attached.
        memory: how much of the accelerator's memory may be used.
        device: where to work; the accelerator, or the CPU where there is none.
        fp8: keep the transformer's weights in 8 bits and compute in its own type (diffusers' layerwise casting);
            adapters, norms and embeddings stay as they are.
        attention: an attention back-end of diffusers, e.g. `flash`, `sage`, `flex`; PyTorch's where None.

    Raises:
        ValueError: no such level or back-end, or one that this model or machine cannot use.
    """
    if memory not in get_args(Memory):
        raise ValueError(f"memory {memory!r}: give {', '.join(get_args(Memory))}")
    device = device or best_device()
    if attention is not None:
        use_attention(pipeline.transformer, attention)
    if fp8:
        store_in_fp8(pipeline.transformer)
    if memory != "high":
        tile(pipeline)
    if device.type == "cpu" and memory != "high":
        logger.warning("there is no accelerator: memory %r only tiles the autoencoder, where it can", memory)
    if device.type == "cpu" or memory == "high":
        pipeline.to(device)
    elif memory == "medium":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        offload_blocks(pipeline, device)


def use_attention(transformer: nn.Module, backend: str) -> None:
    """Makes the transformer's attention run on one of diffusers' back-ends.

    Raises:
        ValueError: there is no such back-end here, or this transformer's attention is PyTorch's alone.
    """
    processors = transformer.attn_processors.values() if hasattr(transformer, "attn_processors") else ()
    if not any(hasattr(processor, "_attention_backend") for processor in processors):
        raise ValueError(
            f"attention {backend!r}: the attention of {type(transformer).__name__} in diffusers is PyTorch's alone"
        )
    try:
        transformer.set_attention_backend(backend)
    except (ValueError, RuntimeError, ImportError) as error:
        raise ValueError(f"attention {backend!r} cannot be used here: {error}") from None


def store_in_fp8(transformer: nn.Module) -> None:
    """Keeps the transformer's weights in 8 bits; sites of adapters keep their type, for they are read outside too."""
    transformer.enable_layerwise_casting(
        storage_dtype=torch.float8_e4m3fn,
        compute_dtype=transformer.dtype,
        skip_modules_pattern=(*(transformer._skip_layerwise_casting_patterns or ()), SITES),
    )


def tile(pipeline: KinemaPipeline) -> None:
    """Lets the autoencoder work on tiles of the picture, one video after the other."""
    for part in pipeline.components.values():
        if hasattr(part, "enable_tiling"):
            part.enable_tiling()
            part.enable_slicing()


def offload_blocks(pipeline: KinemaPipeline, device: torch.device) -> None:
    """Keeps the parts in main memory and brings them to the device block by block, as they are needed.

    Adapters stay on the device. Their sites travel with the blocks, which is why blocks and not single layers are
    moved in the transformer: an adapter uses layers of its sites outside the blocks.
    """
    options = {"onload_device": device, "use_stream": device.type == "cuda"}
    for name, part in pipeline.components.items():
        if not isinstance(part, nn.Module):
            continue
        if name in pipeline.adapters:
            part.to(device)
        elif name == "transformer":
            part.enable_group_offload(offload_type="block_level", num_blocks_per_group=1, **options)
        else:
            apply_group_offloading(part, offload_type="leaf_level", **options)
