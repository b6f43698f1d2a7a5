"""Wan: self-attention, text cross-attention, feed-forward; a block returns the video tokens alone."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel, WanTransformerBlock

from kinema.appearance.adapters.context import SITES, has_sites, inject, published
from kinema.appearance.adapters.controlled import ControlledTransformer, known_as
from kinema.appearance.backbones.spec import BackboneSpec, register_backbone


@known_as(WanTransformerBlock)
class ControlledWanTransformerBlock(WanTransformerBlock):
    """A Wan block with the sites of the attached adapters, before its feed-forward layer and after all of it."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        rotary_emb: torch.Tensor,
    ) -> torch.Tensor:
        inputs = (hidden_states, encoder_hidden_states, temb, rotary_emb)
        if has_sites(self, "after_attention"):
            hidden_states = self._forward_through_attention_sites(*inputs)
        else:
            hidden_states = super().forward(*inputs)
        return inject(self, hidden_states, "after_block")

    def _forward_through_attention_sites(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        rotary_emb: torch.Tensor,
    ) -> torch.Tensor:
        """diffusers' own forward with the sites between text attention and feed-forward; a test holds them equal."""
        table = self.scale_shift_table if temb.ndim == 3 else self.scale_shift_table.unsqueeze(0)
        modulation = (table + temb.float()).unbind(
            dim=-2
        )  # [B, D], or [B, N, D] where each token has its own time
        modulation = tuple(each.unsqueeze(1) if temb.ndim == 3 else each for each in modulation)
        shift_msa, scale_msa, gate_msa, c_shift_msa, c_scale_msa, c_gate_msa = modulation

        normed = (self.norm1(hidden_states.float()) * (1 + scale_msa) + shift_msa).type_as(hidden_states)
        attended = self.attn1(normed, None, None, rotary_emb)
        hidden_states = (hidden_states.float() + attended * gate_msa).type_as(hidden_states)

        normed = self.norm2(hidden_states.float()).type_as(hidden_states)
        hidden_states = hidden_states + self.attn2(normed, encoder_hidden_states, None, None)

        hidden_states = inject(self, hidden_states, "after_attention")

        normed = (self.norm3(hidden_states.float()) * (1 + c_scale_msa) + c_shift_msa).type_as(hidden_states)
        fed = self.ffn(normed)
        return (hidden_states.float() + fed.float() * c_gate_msa).type_as(hidden_states)


@known_as(WanTransformer3DModel)
class ControlledWanTransformer3DModel(ControlledTransformer, WanTransformer3DModel):
    """A Wan transformer with adapters attached."""

    blocks_name = "blocks"
    _skip_layerwise_casting_patterns = (*WanTransformer3DModel._skip_layerwise_casting_patterns, SITES)

    def forward(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.LongTensor,
        encoder_hidden_states: torch.Tensor,
        encoder_hidden_states_image: torch.Tensor | None = None,
        return_dict: bool = True,
        attention_kwargs: dict[str, Any] | None = None,
    ) -> Transformer2DModelOutput | tuple[torch.Tensor]:
        tokens, attention_kwargs = self.take_tokens(len(hidden_states), attention_kwargs)
        with published(tokens):
            return super().forward(
                hidden_states,
                timestep,
                encoder_hidden_states,
                encoder_hidden_states_image,
                return_dict,
                attention_kwargs=attention_kwargs,
            )


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
        transformer_class=ControlledWanTransformer3DModel,
    )
