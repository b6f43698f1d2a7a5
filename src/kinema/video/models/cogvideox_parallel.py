"""Context parallelism for CogVideoX, which diffusers has none for: every rank holds a share of the video and text tokens.

Attention does not mind in which order it is given keys, so that each rank may keep its text before its video.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models._modeling_parallel import ContextParallelInput, ContextParallelOutput, ParallelConfig
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import apply_rotary_emb
from torch import nn

_SHARE_OF_TOKENS = ContextParallelInput(split_dim=1, expected_dims=3)
_SHARE_OF_POSITIONS = ContextParallelInput(split_dim=0, expected_dims=2)


def cogvideox_plan(reads_text: bool = True) -> dict[str, Any]:
    """What of a CogVideoX transformer, 1.0 or 1.5, is shared out and gathered.

    Args:
        reads_text: whether it is called with text tokens at all.
    """
    tokens = {"hidden_states": _SHARE_OF_TOKENS}
    if reads_text:
        tokens["encoder_hidden_states"] = _SHARE_OF_TOKENS
    return {
        "": {"image_rotary_emb": [_SHARE_OF_POSITIONS, _SHARE_OF_POSITIONS]},
        "transformer_blocks.0": tokens,
        "proj_out": ContextParallelOutput(gather_dim=1, expected_dims=3),
    }


CONTEXT_PARALLEL_PLAN = cogvideox_plan()


def make_attention_parallel(transformer: nn.Module) -> None:
    """Gives a CogVideoX transformer an attention that can be parallel.

    Raises:
        ValueError: fused projections, which that attention does not have.
    """
    if any(block.attn1.fused_projections for block in transformer.transformer_blocks):
        raise ValueError(
            "parallelism with fused projections is not supported: call unfuse_qkv_projections first"
        )
    transformer.set_attn_processor(ParallelCogVideoXAttention())


class ParallelCogVideoXAttention:
    """CogVideoX's attention over text and video tokens, through diffusers' dispatcher, which knows about ranks."""

    _attention_backend = None
    _parallel_config: ParallelConfig | None = None

    def __call__(
        self,
        attn: Attention,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Attends over text [B, L, D] and video [B, N, D] of this rank and of all others; returns (video, text)."""
        if attention_mask is not None:
            raise ValueError("an attention mask under context parallelism is not supported for CogVideoX")
        text_length = encoder_hidden_states.shape[1]
        states = torch.cat([encoder_hidden_states, hidden_states], dim=1)
        query, key, value = (
            layer(states).unflatten(2, (attn.heads, -1)) for layer in (attn.to_q, attn.to_k, attn.to_v)
        )
        if attn.norm_q is not None:
            query = attn.norm_q(query)
        if attn.norm_k is not None:
            key = attn.norm_k(key)
        if image_rotary_emb is not None:
            query, key = (
                torch.cat(
                    [
                        x[:, :text_length],
                        apply_rotary_emb(x[:, text_length:], image_rotary_emb, sequence_dim=1),
                    ],
                    dim=1,
                )
                for x in (query, key)
            )
        attended = dispatch_attention_fn(
            query, key, value, backend=self._attention_backend, parallel_config=self._parallel_config
        )
        to_out, dropout = attn.to_out
        attended = dropout(to_out(attended.flatten(2).type_as(query)))
        return attended[:, text_length:], attended[:, :text_length]
