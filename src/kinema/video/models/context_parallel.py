"""Context parallelism (Ulysses, 2309.14509) for transformers that diffusers has no plan for: each rank has a share of
the video tokens.

`enable_context_parallel` stands for `transformer.enable_parallelism`, and knows these classes besides diffusers' own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch.distributed as dist
from diffusers import ContextParallelConfig
from diffusers.hooks.context_parallel import apply_context_parallel
from diffusers.models._modeling_parallel import (
    ContextParallelInput,
    ContextParallelOutput,
    ParallelConfig,
)
from diffusers.models.attention import AttentionModuleMixin
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry
from diffusers.models.attention_processor import Attention
from torch import nn
from torch.distributed.device_mesh import init_device_mesh

from kinema.video.models.cogvideox_parallel import cogvideox_plan, make_attention_parallel

_OWN = (
    "CogVideoXTransformer3DModel",
    "WanVACETransformer3DModel",
    "WanAnimateTransformer3DModel",
    "WanFunTransformer3DModel",
)
"""Classes that the plans here are for."""

_SHARE = ContextParallelInput(split_dim=1, expected_dims=3)
_SHARE_OF_POSITIONS = ContextParallelInput(split_dim=1, expected_dims=4, split_output=True)
_ALL = ContextParallelOutput(gather_dim=1, expected_dims=3)

_POSITIONS = {"rope": {0: _SHARE_OF_POSITIONS, 1: _SHARE_OF_POSITIONS}}

VACE_PLAN: dict[str, Any] = {
    **_POSITIONS,
    # The control branch goes first, on its own tokens and the video's; what it says is of this rank's share.
    "vace_blocks.0": {"hidden_states": _SHARE, "control_hidden_states": _SHARE},
    "blocks.0": {"hidden_states": _SHARE},
    "proj_out": _ALL,
}
"""For WanVACETransformer3DModel; the same split as xDiT's runner for VACE makes."""


WAN_FUN_PLAN: dict[str, Any] = {
    **_POSITIONS,
    "blocks.0": {"hidden_states": _SHARE},
    # Times of single tokens, as of Wan 2.2 5B, get more tokens in front within the transformer: they are shared out where
    # blocks read them, and all tokens come together before the last ones are read.
    "blocks.*": {"temb": ContextParallelInput(split_dim=1, expected_dims=4)},
    "norm_out": _ALL,
}
"""For our WanFunTransformer3DModel."""


def animate_plans(transformer: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    """For WanAnimateTransformer3DModel: what blocks are given, and where their tokens come together.

    The face speaks to whole frames after every fifth block, so there all ranks have all tokens, and share them out again.
    """
    blocks, step = len(transformer.blocks), transformer.config.inject_face_latents_blocks
    told = range(0, blocks, step)
    shares: dict[str, Any] = {**_POSITIONS, "blocks.0": {"hidden_states": _SHARE}}
    shares |= {f"blocks.{block + 1}": {"hidden_states": _SHARE} for block in told if block + 1 < blocks}
    gathered: dict[str, Any] = {f"blocks.{block}": _ALL for block in told}
    if told[-1] != blocks - 1:
        gathered["proj_out"] = _ALL
    return shares, gathered


def cannot_share_tokens(transformer: nn.Module, ranks: int) -> str | None:
    """Why so many processes cannot share the tokens of a transformer; None where they can."""
    name = type(transformer).__name__
    if getattr(transformer, "is_cache_enabled", False):
        return "context parallelism and a cache: each rank would leave out other steps; take one of them"
    if name not in _OWN and not getattr(transformer, "_cp_plan", None):
        return f"there is no plan of context parallelism for {name}"
    heads = transformer.config.num_attention_heads
    if heads % ranks:
        fitting = ", ".join(str(each) for each in range(2, heads + 1) if heads % each == 0)
        hint = f": take {fitting}" if fitting else ""
        return f"the {heads} heads of {name} do not divide by {ranks} processes{hint}"
    asked = {getattr(each, "_attention_backend", None) for each in _processors(transformer)} - {None}
    for backend in map(AttentionBackendName, asked):
        if not _AttentionBackendRegistry._is_context_parallel_available(backend):
            return (
                f"attention back-end {backend.value} knows no context parallelism in diffusers: take another"
            )
    return None


def enable_context_parallel(
    transformer: nn.Module, config: ContextParallelConfig, *, reads_text: bool = True
) -> None:
    """As `transformer.enable_parallelism(config=config)`, also for CogVideoX, VACE and Wan-Animate, and without a card.

    Every rank calls the transformer with all of the video, and gets all of the prediction. Tokens divide by the number of
    ranks, or are of any number with `ulysses_anything`; heads divide.

    Args:
        transformer: of diffusers, with adapters attached or without.
        config: of Ulysses or ring attention; the process group is there. Its mesh is made on the transformer's device
            where it has none.
        reads_text: whether it is called with text at all; MTVCraft's CogVideoX is not, and nothing cannot be shared out.

    Raises:
        ValueError: neither diffusers nor Kinema has a plan for this class, its heads do not divide, or a cache is on.
    """
    if why := cannot_share_tokens(transformer, config.ulysses_degree):
        raise ValueError(why)
    # Wan's times are one, or one for every token; plans name both forms, and each is warned of where it is not there.
    logging.getLogger("diffusers.hooks.context_parallel").setLevel(logging.ERROR)
    for plan in _plans(transformer, reads_text):
        if transformer._parallel_config is None:
            _tell(transformer, config)
        apply_context_parallel(transformer, config, plan)


def _plans(transformer: nn.Module, reads_text: bool) -> Sequence[dict[str, Any]]:
    """What is shared out and gathered; attention is made ready for it."""
    name = type(transformer).__name__
    if name == "CogVideoXTransformer3DModel":
        make_attention_parallel(transformer)
        return (cogvideox_plan(reads_text),)
    if name == "WanVACETransformer3DModel":
        return (VACE_PLAN,)
    if name == "WanFunTransformer3DModel":
        return (WAN_FUN_PLAN,)
    if name == "WanAnimateTransformer3DModel":
        return animate_plans(transformer)
    return (transformer._cp_plan,)


def _tell(transformer: nn.Module, config: ContextParallelConfig) -> None:
    """Records the ranks where diffusers' attention and our adapters look for them.

    diffusers' own `enable_parallelism` asks for an accelerator, and for its number of cards.
    """
    device = transformer.device
    mesh = config.mesh or init_device_mesh(
        device.type, config.mesh_shape, mesh_dim_names=config.mesh_dim_names
    )
    told = ParallelConfig(context_parallel_config=config)
    told.setup(dist.get_rank(), dist.get_world_size(), device, mesh=mesh)
    transformer._parallel_config = told
    faces = {id(face.processor) for face in getattr(transformer, "face_adapter", ())}
    for processor in _processors(transformer):
        # Every rank has all of what Wan-Animate's face reads.
        if hasattr(processor, "_parallel_config") and id(processor) not in faces:
            processor._parallel_config = told


def _processors(transformer: nn.Module) -> list[Any]:
    """The attention processors of a transformer."""
    attentions = (Attention, AttentionModuleMixin)
    return [each.processor for each in transformer.modules() if isinstance(each, attentions)]
