"""Context parallelism for Wan's relatives that diffusers has no plan for: every rank holds a share of the video tokens.

`enable_context_parallel` stands for `transformer.enable_parallelism`, and knows these classes besides diffusers' own.
"""

from __future__ import annotations

from typing import Any

from diffusers import ContextParallelConfig
from diffusers.hooks.context_parallel import apply_context_parallel
from diffusers.models._modeling_parallel import ContextParallelInput, ContextParallelOutput
from torch import nn

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


def enable_context_parallel(transformer: nn.Module, config: ContextParallelConfig) -> None:
    """As `transformer.enable_parallelism(config=config)`, also for VACE and Wan-Animate.

    Every rank calls the transformer with all of the video, and gets all of the prediction. Tokens and heads divide by the
    number of ranks, or tokens alone with `ulysses_anything`.

    Args:
        transformer: of diffusers, with adapters attached or without.
        config: of Ulysses or ring attention; the process group is there.

    Raises:
        ValueError: neither diffusers nor Kinema has a plan for this class, or a cache is on.
    """
    if getattr(transformer, "is_cache_enabled", False):
        raise ValueError(
            "context parallelism and a cache: each rank would leave out other steps; take one of them"
        )
    name = type(transformer).__name__
    if getattr(transformer, "_cp_plan", None):
        transformer.enable_parallelism(config=config)
    elif name == "WanVACETransformer3DModel":
        transformer.enable_parallelism(config=config, cp_plan=VACE_PLAN)
    elif name == "WanAnimateTransformer3DModel":
        shares, gathered = animate_plans(transformer)
        transformer.enable_parallelism(config=config, cp_plan=shares)
        apply_context_parallel(transformer, transformer._parallel_config.context_parallel_config, gathered)
        for face in transformer.face_adapter:  # every rank has all of what it reads
            face.processor._parallel_config = None
    else:
        raise ValueError(f"there is no plan of context parallelism for {name}")
