"""Wan: self-attention, text cross-attention, feed-forward; a block returns the video tokens alone."""

from __future__ import annotations

import torch
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel, WanTransformerBlock

from kinema.appearance.adapters.context import inject
from kinema.appearance.backbones.spec import BackboneSpec, register_backbone


class ControlledWanTransformerBlock(WanTransformerBlock):
    """A Wan block followed by the sites of the attached adapters."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        rotary_emb: torch.Tensor,
    ) -> torch.Tensor:
        hidden_states = super().forward(hidden_states, encoder_hidden_states, temb, rotary_emb)
        return inject(self, hidden_states)


# Caches look blocks up by class; an unregistered subclass would make them fail.
TransformerBlockRegistry.register(
    ControlledWanTransformerBlock,
    TransformerBlockMetadata(return_hidden_states_index=0, return_encoder_hidden_states_index=None),
)


@register_backbone("WanTransformer3DModel")
def describe_wan(transformer: WanTransformer3DModel) -> BackboneSpec:
    config = transformer.config
    return BackboneSpec(
        name="wan",
        blocks="blocks",
        width=config.num_attention_heads * config.attention_head_dim,
        heads=config.num_attention_heads,
        patch=tuple(config.patch_size),
        block_class=ControlledWanTransformerBlock,
    )
