"""CogVideoX: one attention over text and video tokens, feed-forward over both; a block returns (video, text)."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXBlock, CogVideoXTransformer3DModel

from kinema.appearance.adapters.context import SITES, has_sites, inject, published
from kinema.appearance.adapters.controlled import ControlledTransformer, known_as
from kinema.appearance.backbones.cogvideox_parallel import CONTEXT_PARALLEL_PLAN, ParallelCogVideoXAttention
from kinema.appearance.backbones.spec import BackboneSpec, register_backbone


@known_as(CogVideoXBlock)
class ControlledCogVideoXBlock(CogVideoXBlock):
    """A CogVideoX block with the sites of the attached adapters; they read and change video tokens only."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
        attention_kwargs: dict[str, Any] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = (hidden_states, encoder_hidden_states, temb, image_rotary_emb, attention_kwargs)
        if has_sites(self, "after_attention"):
            hidden_states, encoder_hidden_states = self._forward_through_attention_sites(*inputs)
        else:
            hidden_states, encoder_hidden_states = super().forward(*inputs)
        return inject(self, hidden_states, "after_block"), encoder_hidden_states

    def _forward_through_attention_sites(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None,
        attention_kwargs: dict[str, Any] | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """diffusers' own forward with the sites between attention and feed-forward; a test holds them equal."""
        text_length = encoder_hidden_states.shape[1]

        normed, normed_text, gate, text_gate = self.norm1(hidden_states, encoder_hidden_states, temb)
        attended, attended_text = self.attn1(
            hidden_states=normed,
            encoder_hidden_states=normed_text,
            image_rotary_emb=image_rotary_emb,
            **(attention_kwargs or {}),
        )
        hidden_states = hidden_states + gate * attended
        encoder_hidden_states = encoder_hidden_states + text_gate * attended_text

        hidden_states = inject(self, hidden_states, "after_attention")

        normed, normed_text, gate, text_gate = self.norm2(hidden_states, encoder_hidden_states, temb)
        fed = self.ff(torch.cat([normed_text, normed], dim=1))
        hidden_states = hidden_states + gate * fed[:, text_length:]
        encoder_hidden_states = encoder_hidden_states + text_gate * fed[:, :text_length]
        return hidden_states, encoder_hidden_states


@known_as(CogVideoXTransformer3DModel)
class ControlledCogVideoXTransformer3DModel(ControlledTransformer, CogVideoXTransformer3DModel):
    """A CogVideoX transformer with adapters attached."""

    blocks_name = "transformer_blocks"
    _repeated_blocks = ("CogVideoXBlock",)
    _skip_layerwise_casting_patterns = (*CogVideoXTransformer3DModel._skip_layerwise_casting_patterns, SITES)
    _cp_plan = CONTEXT_PARALLEL_PLAN

    def enable_parallelism(self, **kwargs: Any) -> None:
        """As in diffusers; the attention processor is one that can be parallel.

        Raises:
            ValueError: fused projections, which that processor does not have.
        """
        if any(block.attn1.fused_projections for block in self.transformer_blocks):
            raise ValueError(
                "parallelism with fused projections is not supported: call unfuse_qkv_projections first"
            )
        self.set_attn_processor(ParallelCogVideoXAttention())
        super().enable_parallelism(**kwargs)

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        timestep: int | float | torch.LongTensor,
        timestep_cond: torch.Tensor | None = None,
        ofs: int | float | torch.LongTensor | None = None,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
        attention_kwargs: dict[str, Any] | None = None,
        return_dict: bool = True,
    ) -> Transformer2DModelOutput | tuple[torch.Tensor]:
        tokens, attention_kwargs = self.take_tokens(len(hidden_states), attention_kwargs)
        with published(tokens):
            return super().forward(
                hidden_states,
                encoder_hidden_states,
                timestep,
                timestep_cond,
                ofs,
                image_rotary_emb,
                attention_kwargs=attention_kwargs,
                return_dict=return_dict,
            )


# Caches look blocks up by class; an unregistered subclass would make them fail.
TransformerBlockRegistry.register(
    ControlledCogVideoXBlock,
    TransformerBlockMetadata(return_hidden_states_index=0, return_encoder_hidden_states_index=1),
)


@register_backbone("CogVideoXTransformer3DModel")
def describe_cogvideox(transformer: CogVideoXTransformer3DModel) -> BackboneSpec:
    config = transformer.config
    patch = config.patch_size
    return BackboneSpec(
        name="cogvideox",
        blocks="transformer_blocks",
        width=config.num_attention_heads * config.attention_head_dim,
        heads=config.num_attention_heads,
        patch=(config.patch_size_t or 1, patch, patch),
        block_class=ControlledCogVideoXBlock,
        transformer_class=ControlledCogVideoXTransformer3DModel,
    )
