"""MoSA's structure branch: encoded skeletons through copies of the backbone's first blocks (arXiv 2508.17404).

A structure block has two streams, structure and text: AdaLN, full attention, AdaLN, feed-forward, residual. One class
per backbone family, because a copied block wants its text, its time and its positions as its family gives them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from inspect import signature
from typing import Any, Self

import torch
from diffusers.models.embeddings import (
    CogVideoXPatchEmbed,
    PixArtAlphaTextProjection,
    get_3d_rotary_pos_embed,
)
from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXBlock
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed, WanTransformerBlock
from torch import nn

_OFFSET = 2.0  # the one value that CogVideoX 1.5's `ofs` input ever takes in diffusers' pipelines


class StructureBranch(nn.Module, ABC):
    """The patch embedding, the text projection and the structure blocks, all copied and all trained.

    Skeletons are a clean signal at every denoising step. So the blocks are given the time of a clean sample, t = 0,
    as a learned constant that starts from the backbone's own embedding of it (ours): nothing here depends on the
    step, and the branch runs once per video.
    """

    blocks: nn.ModuleList
    gradient_checkpointing = False

    @classmethod
    def settings_of(cls, config: Any, latent_channels: int, depth: int) -> dict[str, Any]:
        """Arguments of this class for a backbone's config."""
        named = {name: config[name] for name in signature(cls).parameters if name in config}
        return {**named, "latent_channels": latent_channels, "depth": depth}

    @abstractmethod
    def copy_from(self, transformer: nn.Module) -> Self:
        """Starts from a backbone's weights, which must be free of LoRA layers."""

    @abstractmethod
    def forward(self, latents: torch.Tensor, text: torch.Tensor | None) -> list[torch.Tensor]:
        """Runs the branch.

        Args:
            latents: of the skeletons, [B, C, F, h, w], zero where nothing is drawn.
            text: token states of the prompt [B, L, text width]; None for the empty prompt.

        Returns:
            s^k after the feed-forward layer of each block, [B, N, D].
        """

    def _run(self, block: nn.Module, *inputs: Any) -> Any:
        if torch.is_grad_enabled() and self.gradient_checkpointing:
            return self._gradient_checkpointing_func(block, *inputs)
        return block(*inputs)


class WanStructureBranch(StructureBranch):
    """For Wan and mini. Their blocks read text by cross-attention, so here the text stream only speaks (ours).

    Args:
        latent_channels: channels C of the video latents; what else an image-to-video backbone reads is left out.
        depth: structure blocks.
        others: as in `WanTransformer3DModel`.
    """

    def __init__(
        self,
        latent_channels: int,
        depth: int,
        patch_size: tuple[int, int, int],
        num_attention_heads: int,
        attention_head_dim: int,
        text_dim: int,
        ffn_dim: int,
        cross_attn_norm: bool,
        qk_norm: str | None,
        eps: float,
        rope_max_seq_len: int,
    ) -> None:
        super().__init__()
        width = num_attention_heads * attention_head_dim
        self.text_dim = text_dim
        self.rope = WanRotaryPosEmbed(attention_head_dim, patch_size, rope_max_seq_len)
        self.patch_embedding = nn.Conv3d(latent_channels, width, patch_size, stride=patch_size)
        self.text_embedder = PixArtAlphaTextProjection(text_dim, width, act_fn="gelu_tanh")
        self.clean_time = nn.Parameter(torch.zeros(1, 6, width))
        self.blocks = nn.ModuleList(
            [
                WanTransformerBlock(width, ffn_dim, num_attention_heads, qk_norm, cross_attn_norm, eps)
                for _ in range(depth)
            ]
        )

    @torch.no_grad()
    def copy_from(self, transformer: nn.Module) -> Self:
        source = transformer.patch_embedding
        self.patch_embedding.weight.copy_(source.weight[:, : self.patch_embedding.in_channels])
        self.patch_embedding.bias.copy_(source.bias)
        embedder = transformer.condition_embedder
        _copy(self.text_embedder, embedder.text_embedder)
        zero = self.clean_time.new_zeros(1, device=source.weight.device)
        time = embedder.time_embedder(embedder.timesteps_proj(zero).to(source.weight.dtype))
        self.clean_time.copy_(embedder.time_proj(embedder.act_fn(time)).unflatten(1, (6, -1)))
        for block, original in zip(self.blocks, transformer.blocks, strict=False):
            _copy(block, original)
        return self

    def forward(self, latents: torch.Tensor, text: torch.Tensor | None) -> list[torch.Tensor]:
        if text is None:  # equal keys and values: one token of zeros attends like any number of them
            text = latents.new_zeros(len(latents), 1, self.text_dim)
        text = self.text_embedder(text)
        time = self.clean_time.expand(len(latents), -1, -1)
        positions = self.rope(latents)
        structure = self.patch_embedding(latents).flatten(2).transpose(1, 2).contiguous()
        taps = []
        for block in self.blocks:
            structure = self._run(block, structure, text, time, positions)
            taps.append(structure)
        return taps


class CogVideoXStructureBranch(StructureBranch):
    """For CogVideoX, whose blocks hold both streams as the paper draws them.

    Args:
        latent_channels: channels C of the video latents; what else an image-to-video backbone reads is left out.
        depth: structure blocks.
        others: as in `CogVideoXTransformer3DModel`.
    """

    def __init__(
        self,
        latent_channels: int,
        depth: int,
        num_attention_heads: int,
        attention_head_dim: int,
        time_embed_dim: int,
        text_embed_dim: int,
        attention_bias: bool,
        sample_width: int,
        sample_height: int,
        sample_frames: int,
        patch_size: int,
        patch_size_t: int | None,
        temporal_compression_ratio: int,
        max_text_seq_length: int,
        activation_fn: str,
        norm_elementwise_affine: bool,
        norm_eps: float,
        spatial_interpolation_scale: float,
        temporal_interpolation_scale: float,
        use_rotary_positional_embeddings: bool,
        use_learned_positional_embeddings: bool,
        patch_bias: bool,
    ) -> None:
        super().__init__()
        width = num_attention_heads * attention_head_dim
        self.head_dim = attention_head_dim
        self.empty_prompt = (max_text_seq_length, text_embed_dim)
        self.rotary = use_rotary_positional_embeddings
        self.patch_embed = CogVideoXPatchEmbed(
            patch_size=patch_size,
            patch_size_t=patch_size_t,
            in_channels=latent_channels,
            embed_dim=width,
            text_embed_dim=text_embed_dim,
            bias=patch_bias,
            sample_width=sample_width,
            sample_height=sample_height,
            sample_frames=sample_frames,
            temporal_compression_ratio=temporal_compression_ratio,
            max_text_seq_length=max_text_seq_length,
            spatial_interpolation_scale=spatial_interpolation_scale,
            temporal_interpolation_scale=temporal_interpolation_scale,
            use_positional_embeddings=not use_rotary_positional_embeddings,
            use_learned_positional_embeddings=use_learned_positional_embeddings,
        )
        self.clean_time = nn.Parameter(torch.zeros(1, time_embed_dim))
        self.blocks = nn.ModuleList(
            [
                CogVideoXBlock(
                    dim=width,
                    num_attention_heads=num_attention_heads,
                    attention_head_dim=attention_head_dim,
                    time_embed_dim=time_embed_dim,
                    activation_fn=activation_fn,
                    attention_bias=attention_bias,
                    norm_elementwise_affine=norm_elementwise_affine,
                    norm_eps=norm_eps,
                )
                for _ in range(depth)
            ]
        )

    @torch.no_grad()
    def copy_from(self, transformer: nn.Module) -> Self:
        # Video channels come first in either layout: convolution [D, C, p, p], or 1.5's linear [D, C * p_t * p * p].
        state = transformer.patch_embed.state_dict()
        columns = self.patch_embed.proj.weight.shape[1]
        self.patch_embed.load_state_dict({**state, "proj.weight": state["proj.weight"][:, :columns]})
        weight = transformer.patch_embed.proj.weight
        zero = torch.zeros(1, device=weight.device)
        time = transformer.time_embedding(transformer.time_proj(zero).to(weight.dtype))
        if transformer.ofs_embedding is not None:
            time = time + transformer.ofs_embedding(transformer.ofs_proj(zero + _OFFSET).to(weight.dtype))
        self.clean_time.copy_(time)
        for block, original in zip(self.blocks, transformer.transformer_blocks, strict=False):
            _copy(block, original)
        return self

    def forward(self, latents: torch.Tensor, text: torch.Tensor | None) -> list[torch.Tensor]:
        if text is None:
            text = latents.new_zeros(len(latents), *self.empty_prompt)
        length = text.shape[1]
        tokens = self.patch_embed(text, latents.transpose(1, 2))
        text, structure = tokens[:, :length], tokens[:, length:]
        time = self.clean_time.expand(len(latents), -1)
        positions = self._rotary_table(latents) if self.rotary else None
        taps = []
        for block in self.blocks:
            structure, text = self._run(block, structure, text, time, positions)
            taps.append(structure)
        return taps

    def _rotary_table(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Angles of the token grid as CogVideoX was trained: 1.0 fits the grid into its sample size, 1.5 counts."""
        embed = self.patch_embed
        frames, height, width = latents.shape[2:]
        grid = (height // embed.patch_size, width // embed.patch_size)
        sample = (embed.sample_height // embed.patch_size, embed.sample_width // embed.patch_size)
        if embed.patch_size_t is not None:
            return get_3d_rotary_pos_embed(
                self.head_dim,
                None,
                grid,
                frames // embed.patch_size_t,
                grid_type="slice",
                max_size=sample,
                device=latents.device,
            )
        scale = min(sample[0] / grid[0], sample[1] / grid[1])
        fitted = tuple(round(scale * side) for side in grid)
        start = tuple(round((whole - part) / 2) for whole, part in zip(sample, fitted, strict=True))
        stop = tuple(first + part for first, part in zip(start, fitted, strict=True))
        return get_3d_rotary_pos_embed(self.head_dim, (start, stop), grid, frames, device=latents.device)


STRUCTURE_BRANCHES: dict[str, type[StructureBranch]] = {
    "cogvideox": CogVideoXStructureBranch,
    "wan": WanStructureBranch,
}
"""By the family that a BackboneSpec names."""


def _copy(into: nn.Module, source: nn.Module) -> None:
    """Copies what `into` has; the source may have more (image attention, sites of attached adapters)."""
    state = source.state_dict()
    into.load_state_dict({name: state[name] for name in into.state_dict()})
