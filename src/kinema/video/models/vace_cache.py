"""Caches that skip blocks, right on VACE: what the control says is added within the blocks, not between them.

diffusers' transformer adds it after each block, also after one that a first-block cache or MagCache has skipped and whose
cached difference holds it already: every skipped step would be told twice. The control branch itself runs in all steps.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.hooks import FirstBlockCacheConfig, MagCacheConfig
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.models.transformers.transformer_wan import WanTransformerBlock
from diffusers.models.transformers.transformer_wan_vace import (
    WanVACETransformer3DModel,
    WanVACETransformerBlock,
)
from torch import nn

from kinema.video.adapters.controlled import known_as

_SKIPPING = (FirstBlockCacheConfig, MagCacheConfig)


class _Call(threading.local):
    """What one call of a transformer has said so far: its control branch, and how much that counts by layer."""

    said: list[torch.Tensor] | None = None
    scales: tuple[torch.Tensor, ...] = ()


_call = _Call()


@known_as(WanVACETransformerBlock)
class SayingBlock(WanVACETransformerBlock):
    """A block of the control branch that leaves what it says to the block it is meant for."""

    def forward(  # arguments by name: context parallelism looks for the tokens among them
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        control_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        rotary_emb: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        said, control = super().forward(
            hidden_states, encoder_hidden_states, control_hidden_states, temb, rotary_emb
        )
        if _call.said is None:
            return said, control
        _call.said.append(said)
        return said.new_zeros(()), control  # the transformer adds this in its place


@known_as(WanTransformerBlock)
class ToldBlock(WanTransformerBlock):
    """A block that adds what the control says to it."""

    told_by: int

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        rotary_emb: torch.Tensor,
    ) -> torch.Tensor:
        made = super().forward(hidden_states, encoder_hidden_states, temb, rotary_emb)
        if _call.said is None:
            return made
        said = _call.said[self.told_by]
        return made + said.to(made.device) * _call.scales[self.told_by].to(made.device)


TransformerBlockRegistry.register(
    ToldBlock, TransformerBlockMetadata(return_hidden_states_index=0, return_encoder_hidden_states_index=None)
)


@known_as(WanVACETransformer3DModel)
class VaceTransformer(WanVACETransformer3DModel):
    """diffusers' own transformer; while a cache skips blocks, they add what the control says, and not it."""

    skips_blocks = False

    def enable_cache(self, config: Any) -> None:
        super().enable_cache(config)
        self.skips_blocks = isinstance(config, _SKIPPING)

    def disable_cache(self) -> None:
        super().disable_cache()
        self.skips_blocks = False

    def forward(self, *args: Any, control_hidden_states_scale: Any = None, **kwargs: Any) -> Any:
        """As diffusers'; the scale by name, one for each layer of the control branch."""
        if not self.skips_blocks:
            return super().forward(*args, control_hidden_states_scale=control_hidden_states_scale, **kwargs)
        if torch.is_grad_enabled() and self.gradient_checkpointing:
            raise ValueError("a cache is for making videos: disable it, or gradient checkpointing")
        scales = control_hidden_states_scale
        if scales is None:
            scales = torch.ones(len(self.config.vace_layers), dtype=self.dtype, device=self.device)
        with _listening(scales):
            return super().forward(*args, control_hidden_states_scale=scales, **kwargs)


def ready_for_caches(transformer: nn.Module) -> None:
    """Makes diffusers' VACE transformer one that caches work on; nothing else of it changes.

    Classes change before any hook holds the old ones, see `adapters/controlled.py`.

    Raises:
        ValueError: a cache is on already, and would go on as it was.
    """
    if type(transformer) is not WanVACETransformer3DModel:
        return
    if transformer.is_cache_enabled:
        raise ValueError("a cache is on: disable it, and enable it when the model is made")
    transformer.__class__ = VaceTransformer
    for block in transformer.vace_blocks:
        block.__class__ = SayingBlock
    for number, layer in enumerate(transformer.config.vace_layers):
        transformer.blocks[layer].__class__ = ToldBlock
        transformer.blocks[layer].told_by = number


@contextmanager
def _listening(scales: torch.Tensor) -> Iterator[None]:
    before = _call.said, _call.scales
    _call.said, _call.scales = [], torch.unbind(scales)
    try:
        yield
    finally:
        _call.said, _call.scales = before
