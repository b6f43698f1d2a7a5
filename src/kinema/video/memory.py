"""Where a pipeline's parts live while they work, and how: all of it diffusers' own features.

Order matters: LoRA, then adapters (attach), then what is here: cache, attention, 8 bits, offloading, compilation.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from diffusers.hooks import apply_group_offloading
from torch import nn

from kinema.video.adapters.context import SITES
from kinema.video.caching import CacheChoice, Caching, blocks_of
from kinema.video.pipeline import KinemaPipeline
from kinema.video.quantisation import is_quantised
from kinema.video.whole import AnyPipeline

Memory = Literal["low", "medium", "high"]
"""high: everything on the device. medium: one model at a time, the autoencoder in tiles. low: one block at a time."""

_SPARE = 1.3
"""Main memory that must be free for each byte of weights before they are all kept there ready to be copied (ours)."""

logger = logging.getLogger(__name__)


def best_device() -> torch.device:
    """The accelerator of this machine, or the CPU."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or torch.device("cpu")


def place(
    pipeline: AnyPipeline,
    memory: Memory = "high",
    *,
    device: torch.device | None = None,
    fp8: bool = False,
    attention: str | None = None,
    cache: CacheChoice | None = None,
    compile_blocks: bool = False,
) -> None:
    """Puts a pipeline where it works.

    Without an accelerator there is nothing to move: medium and low then only tile the autoencoder, and say so.

    Args:
        pipeline: with its adapters attached.
        memory: how much of the accelerator's memory may be used.
        device: where to work; the accelerator, or the CPU where there is none.
        fp8: keep the denoisers' weights in 8 bits and compute in their own type (diffusers' layerwise casting);
            adapters, norms and embeddings stay as they are.
        attention: an attention back-end of diffusers, e.g. `flash`, `sage`, `flex`; PyTorch's where None.
        cache: what leaves out work that changes little from step to step.
        compile_blocks: compile the denoisers' repeated blocks, when they first run.

    Raises:
        ValueError: no such level or back-end, or one that this model or machine cannot use.
    """
    if memory not in get_args(Memory):
        raise ValueError(f"memory {memory!r}: give {', '.join(get_args(Memory))}")
    device = device or best_device()
    denoisers = pipeline.video_model.denoisers
    if cache is not None:
        assert isinstance(pipeline, KinemaPipeline)
        pipeline.caching = Caching(cache, denoisers)
    for transformer in denoisers:
        if attention is not None:
            use_attention(transformer, attention)
        if fp8:
            store_in_fp8(transformer)
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
    if compile_blocks:
        for transformer in denoisers:
            compile_repeated(transformer)


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
    """Keeps a transformer's weights in 8 bits; sites of adapters keep their type, for they are read outside too.

    Raises:
        ValueError: weights that are kept in fewer bits already.
    """
    if is_quantised(transformer):
        raise ValueError("--fp8: these weights are kept in fewer bits already; leave it out")
    transformer.enable_layerwise_casting(
        storage_dtype=torch.float8_e4m3fn,
        compute_dtype=transformer.dtype,
        skip_modules_pattern=(*(transformer._skip_layerwise_casting_patterns or ()), SITES),
    )


def compile_repeated(transformer: nn.Module) -> None:
    """Compiles the blocks that a transformer repeats; the first step of each shape takes minutes, the others less.

    Raises:
        ValueError: it has none.
    """
    if getattr(transformer, "_repeated_blocks", None):
        transformer.compile_repeated_blocks()
        return
    blocks = blocks_of(transformer)  # diffusers does not say which those are, of CogVideoX for one
    if not blocks:
        raise ValueError(f"--compile: {type(transformer).__name__} has no blocks to compile")
    for block in blocks:
        block.compile()


def tile(pipeline: AnyPipeline) -> None:
    """Lets the autoencoder work on tiles of the picture, one video after the other."""
    for part in pipeline.components.values():
        if hasattr(part, "enable_tiling"):
            part.enable_tiling()
            part.enable_slicing()


def offload_blocks(pipeline: AnyPipeline, device: torch.device) -> None:
    """Keeps the parts in main memory and brings them to the device block by block, as they are needed.

    Where main memory does not hold all of them at once, they stay in their files, which are mapped into it. Adapters stay
    on the device. Their sites travel with the blocks, which is why blocks and not single layers are moved in the
    denoisers: an adapter uses layers of its sites outside the blocks.
    """
    modules = {name: part for name, part in pipeline.components.items() if isinstance(part, nn.Module)}
    options: dict[str, Any] = {"onload_device": device}
    if device.type == "cuda":
        # Locked memory is copied faster, and cannot be left in files.
        locked = _SPARE * sum(map(_bytes, modules.values())) < free_main_memory()
        options |= {"use_stream": True, "record_stream": True, "low_cpu_mem_usage": not locked}
    for name, part in modules.items():
        if name in pipeline.adapters:
            part.to(device)
        elif any(part is each for each in pipeline.video_model.denoisers):
            part.enable_group_offload(offload_type="block_level", num_blocks_per_group=1, **options)
        else:
            apply_group_offloading(part, offload_type="leaf_level", **options)


def free_main_memory() -> float:
    """Bytes of main memory that a program can still have; unlimited where the system does not say."""
    said = Path("/proc/meminfo")
    if said.is_file():
        for line in said.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * float(line.split()[1])
    return float("inf")


def _bytes(part: nn.Module) -> int:
    return sum(each.numel() * each.element_size() for each in part.parameters())
