"""Wan: self-attention, text cross-attention, feed-forward; a block returns the video tokens alone."""

from __future__ import annotations

import torch
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel, WanTransformerBlock

from kinema.appearance.adapters.context import has_sites, inject
from kinema.appearance.backbones.spec import BackboneSpec, register_backbone


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
