"""MoSA (arXiv 2508.17404, ICLR 2026), the appearance branch: skeleton video -> structure blocks -> HADC in the backbone.

The structure branch (text -> 3D motion -> skeletons) is the rest of Kinema: p' of a prompt is `motion.prompt`, the 3D
motion comes from `motion`, skeletons from `signals`. Backbone frozen; structure blocks and HADC train. Paper to code:

    E, structure blocks: AdaLN, full attention, AdaLN, FFN; tap s^k after the FFN   `StructureBranch` and its families
    w = P(s, a_in)                                                                   `ControlSite`
    a_out = a_in + w * s, after appearance block k, video tokens only                `ControlSite`
    U(w), the mask that the weights hold                                             `MaskHead`
    L_m = L2(U(w), human mask)                                                       `mask_loss`, `MaskLoss`
    L_track = sum exp(|t - t'| / 2) L1(tracks)              `gap_weights`, `tracking_loss`, `track_term`, `TrackLoss`
    L_cont, contact with ground and objects                                          `contact_loss`, `ContactLoss`
    L = L_d + lambda_m L_m + lambda_track L_track + lambda_cont L_cont               `LAMBDAS`, weights of a recipe
    ablation without HADC                                                            `AdditionSite`

No public code or weights exist. What is ours stands in `PAPER` at the end, with the reasons.
Shapes: B batch, T frames, F latent frames of h x w, N tokens on the grid, D backbone width.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from diffusers.models.embeddings import (
    CogVideoXPatchEmbed,
    PixArtAlphaTextProjection,
    get_3d_rotary_pos_embed,
)
from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXBlock
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed, WanTransformerBlock
from torch import nn

from kinema.diffusion.objective import Objective, TrainingStep
from kinema.diffusion.path import DiffusionPath
from kinema.papers.paper import Paper
from kinema.video.adapters.adapter import ControlAdapter, ControlTokens
from kinema.video.models.spec import spec_of
from kinema.video.work import (
    Activations,
    Tokens,
    Work,
    linear_work,
    transformer_activations,
    transformer_work,
)

if TYPE_CHECKING:
    from kinema.signals.control_signals import ControlSignals

LAMBDAS = {"mask": 0.1, "track": 0.01, "contact": 0.01}
"""lambda_m, lambda_track and lambda_cont. The paper gives no numbers: these are ours, small enough that no term's
gradient is a tenth of the main one's in what was measured here."""

_OFFSET = 2.0  # the one value that CogVideoX 1.5's `ofs` input ever takes in diffusers' pipelines


# The structure branch.


class StructureBranch(nn.Module, ABC):
    """The patch embedding, the text projection and the structure blocks, all copied and all trained.

    Skeletons are a clean signal at every denoising step. So the blocks are given the time of a clean sample, t = 0,
    as a learned constant that starts from the backbone's own embedding of it (ours): nothing here depends on the
    step, and the branch runs once per video.
    """

    blocks: nn.ModuleList
    gradient_checkpointing = False
    transformer: ClassVar[str]
    """Class of the backbone's transformer in diffusers."""

    @classmethod
    def work(cls, settings: Mapping[str, Any], tokens: Tokens) -> Work:
        """Operations of a branch with these arguments for one sample, forward: the backbone's for as many blocks."""
        channels = {"in_channels": settings["latent_channels"], "out_channels": 0, "freq_dim": 0}
        layout = {**settings, **channels, "num_layers": settings["depth"]}
        return transformer_work(cls.transformer, layout, tokens).whole

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
    """For Wan's class of transformers, whose blocks read text by cross-attention: the text stream only speaks (ours).

    Args:
        latent_channels: channels C of the video latents; what else an image-to-video backbone reads is left out.
        depth: structure blocks.
        others: as in `WanTransformer3DModel`.
    """

    transformer = "WanTransformer3DModel"

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
        exact = embedder.time_embedder.linear_1.weight.dtype  # float32 where the rest is in 16 bits
        time = embedder.act_fn(embedder.time_embedder(embedder.timesteps_proj(zero).to(exact)))
        time = embedder.time_proj(time.to(embedder.time_proj.weight.dtype))
        self.clean_time.copy_(time.unflatten(1, (6, -1)))
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

    transformer = "CogVideoXTransformer3DModel"

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


# Human-Aware Dynamic Control.


@dataclass(frozen=True, eq=False)
class StructureTokens(ControlTokens):
    """What the sites read.

    Args:
        structure: s^k of each site, [B, N, D] each.
        prepared: of each site, what depends on s^k alone, so that no step computes it again.
        present: whether a sample has a structure, bool [B].
        grid: tokens along time, rows and columns.
    """

    shared = ("grid",)

    structure: tuple[torch.Tensor, ...]
    prepared: tuple[torch.Tensor, ...]
    present: torch.Tensor
    grid: tuple[int, int, int]

    @cached_property
    def weights(self) -> dict[int, torch.Tensor]:
        """w of each site, [B, N, 1], from the last run of the transformer with these very tokens."""
        return {}


class ControlSite(nn.Module):
    """HADC: P predicts one weight per token, with no activation, so that structure may also be subtracted.

    P is a 1x1x1 layer (2D -> width), SiLU, a depthwise 3x3x3 convolution, SiLU, and a 1x1x1 layer to one channel,
    which is zero at first: step 0 is the untouched backbone. Its first layer is split in two; the structure's half is
    computed once per video. Both halves are normalised: some channels of a large backbone's residual stream are
    hundreds of times larger than the others.
    """

    def __init__(self, index: int, hidden_size: int, width: int) -> None:
        super().__init__()
        self.index = index
        self.norm = nn.LayerNorm(hidden_size, elementwise_affine=False)
        self.from_structure = nn.Linear(hidden_size, width)
        self.from_video = nn.Linear(hidden_size, width, bias=False)
        self.mix = nn.Conv3d(width, width, 3, padding=1, groups=width)
        self.to_weight = nn.Linear(width, 1)
        nn.init.zeros_(self.to_weight.weight)
        nn.init.zeros_(self.to_weight.bias)

    def prepare(self, structure: torch.Tensor) -> torch.Tensor:
        """The structure's half of P's first layer, [B, N, width]."""
        return self.from_structure(self.norm(structure))

    def forward(self, hidden_states: torch.Tensor, tokens: StructureTokens) -> torch.Tensor:
        """What is added to the video tokens [B, N, D]; exactly nothing for samples without structure."""
        x = F.silu(tokens.prepared[self.index] + self.from_video(self.norm(hidden_states)))
        x = self.mix(x.transpose(1, 2).unflatten(2, tokens.grid))
        weight = self.to_weight(F.silu(x).flatten(2).transpose(1, 2))
        weight = weight * tokens.present.to(weight)[:, None, None]
        tokens.weights[self.index] = weight
        return weight * tokens.structure[self.index]


class AdditionSite(nn.Module):
    """The paper's ablation without HADC: a_out = a_in + Z s, where the linear layer Z is zero at first (ours)."""

    def __init__(self, index: int, hidden_size: int) -> None:
        super().__init__()
        self.index = index
        self.project = nn.Linear(hidden_size, hidden_size)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def prepare(self, structure: torch.Tensor) -> torch.Tensor:
        return self.project(structure)

    def forward(self, hidden_states: torch.Tensor, tokens: StructureTokens) -> torch.Tensor:
        """What is added to the video tokens [B, N, D]; exactly nothing for samples without structure."""
        added = tokens.prepared[self.index]
        return added * tokens.present.to(added)[:, None, None]


class MaskHead(nn.Module):
    """U: from weights on the token grid to where people are on the latent grid, three 3x3x3 convolutions.

    Args:
        patch: latents per token along time, rows and columns; the head enlarges by it.
        width: channels in between.
    """

    def __init__(self, patch: Sequence[int], width: int = 32) -> None:
        super().__init__()
        self.patch = tuple(float(side) for side in patch)
        self.conv_in = nn.Conv3d(1, width, 3, padding=1)
        self.conv_mid = nn.Conv3d(width, width, 3, padding=1)
        self.conv_out = nn.Conv3d(width, 1, 3, padding=1)

    def forward(self, weight: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
        """Maps w [B, N, 1] to a mask [B, 1, F, h, w]: values for a squared loss, not logits."""
        weight = weight.to(self.conv_in.weight.dtype)  # of a backbone in 16 bits; the loss is in 32
        x = F.silu(self.conv_in(weight.transpose(1, 2).unflatten(2, grid)))
        x = F.interpolate(x, scale_factor=self.patch, mode="nearest")
        return self.conv_out(F.silu(self.conv_mid(x)))


# The adapter.


class MoSAAdapter(ControlAdapter):
    """MoSA for any backbone whose family has a structure branch.

    Made by `for_transformer`, which copies the backbone's weights; a saved adapter holds all that it copied and loads
    without the backbone.

    Args:
        family: of the backbone.
        hidden_size: width D of the backbone's video tokens.
        patch: latents per token along time, rows and columns.
        branch: arguments of the family's structure branch.
        depth: structure blocks; the k-th feeds the site after the backbone's block k.
        control_width: channels of P.
        hadc: False adds the structure through a zero-initialised linear layer instead (the paper's ablation).
        mask_head: whether `masks` can be asked for.
        gain: of the skeletons' latents.
        skeleton_parts: what it was trained to see in skeleton maps, see `ControlAdapter.skeleton_parts`.
    """

    adapter_name = "mosa"
    signals = ("skeletons",)
    works_on_shares = False  # convolutions over neighbouring tokens
    uses_autoencoder = True
    _supports_gradient_checkpointing = True
    _keep_in_fp32_modules: ClassVar[list[str]] = ["scale_shift_table"]  # as Wan's own

    @register_to_config
    def __init__(
        self,
        family: str,
        hidden_size: int,
        patch: tuple[int, int, int],
        branch: dict[str, Any],
        depth: int,
        control_width: int = 256,
        hadc: bool = True,
        mask_head: bool = True,
        gain: float = 1.0,
        skeleton_parts: tuple[str, ...] = ("body",),
    ) -> None:
        super().__init__()
        self.structure = STRUCTURE_BRANCHES[family](**branch)
        self.sites = nn.ModuleList(
            [
                ControlSite(index, hidden_size, control_width) if hadc else AdditionSite(index, hidden_size)
                for index in range(depth)
            ]
        )
        self.mask_heads = nn.ModuleList([MaskHead(patch) for _ in range(depth if hadc and mask_head else 0)])

    @classmethod
    def for_transformer(
        cls,
        transformer: nn.Module,
        *,
        depth: int | None = None,
        latent_channels: int | None = None,
        **options: Any,
    ) -> Self:
        """A new adapter that starts from copies of the backbone's first blocks.

        Args:
            transformer: without LoRA layers; its attached adapters are not copied.
            depth: structure blocks; a quarter of the backbone's blocks, at least 3 (ours), where None.
            latent_channels: channels C of the video latents, where the transformer reads more than those.
            options: arguments of the adapter that shall differ.
        """
        spec = spec_of(transformer)
        blocks = len(spec.block_list(transformer))
        depth = depth or min(blocks, max(3, blocks // 4))
        channels = latent_channels or _latent_channels(transformer.config)
        branch = STRUCTURE_BRANCHES[spec.name].settings_of(transformer.config, channels, depth)
        adapter = cls(spec.name, spec.width, spec.patch, branch, depth, **options)
        adapter.structure.copy_from(transformer)
        return adapter

    def sites_by_block(self) -> dict[int, nn.Module]:
        return dict(enumerate(self.sites))

    def work(self, tokens: Tokens) -> Work:
        """See ControlAdapter.work: the structure blocks, the sites and the mask heads."""
        made = self.config
        branch = type(self.structure).work(made.branch, tokens)
        width, control, count = float(made.hidden_size), float(made.control_width), float(tokens.video)
        if not made.hadc:
            return branch + linear_work(count, [(width, width)]) * made.depth
        site = linear_work(count, [(width, 2 * control), (27, control), (control, 1)])
        cells = count * math.prod(made.patch)
        head = linear_work(count, [(27, 32)]) + linear_work(cells, [(27 * 32, 32), (27 * 32, 1)])
        return branch + (site + head * bool(made.mask_head)) * made.depth

    def activations(self, tokens: Tokens, checkpointing: bool) -> Activations:
        """See ControlAdapter.activations: the structure branch, whose weights and norms are in 32 bits, its taps, the
        sites' convolutions and the mask heads."""
        made, kind = self.config, type(self.structure).transformer
        layout = {**made.branch, "num_layers": made.depth}
        branch = transformer_activations(kind, layout, tokens, 4.0, checkpointing)
        if checkpointing:  # what a block is given is in 16 bits
            half = transformer_activations(kind, layout, tokens, 2.0, True)
            branch = Activations(half.kept, branch.block)
        rows = float(tokens.video)
        taps = 2.0 * rows * (made.hidden_size + made.control_width)
        heads = 12.0 * 32 * rows * math.prod(made.patch) * bool(made.mask_head)
        site = rows * (6.0 * made.hidden_size + 16.0 * made.control_width)
        sites = Activations(0.0, site) if checkpointing else Activations(site * made.depth)
        return branch + Activations((taps + heads) * made.depth) + sites

    def encode(
        self,
        signals: ControlSignals,
        present: dict[str, torch.Tensor] | None = None,
        *,
        text: torch.Tensor | None = None,
        to_latents: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> StructureTokens:
        """Runs the structure branch; see ControlAdapter.encode.

        Args:
            signals: skeletons [B, T, 3, H, W] in [0, 1].
            present: `{"pose": bool [B]}`; where False, the backbone is left untouched.
            text: the prompt's token states; None is the empty prompt, zeros.
            to_latents: the backbone's autoencoder, frozen.

        Raises:
            ValueError: no skeletons, no autoencoder, or a size that does not divide into the backbone's tokens.
        """
        if signals.skeletons is None:
            raise ValueError("MoSA needs skeletons: the scene has nobody in it")
        if to_latents is None:
            raise ValueError("MoSA reads skeletons through the backbone's autoencoder: pass `to_latents`")
        latents = self._latents(signals.skeletons, to_latents)
        size, patch = tuple(latents.shape[2:]), tuple(self.config.patch)
        if any(side % step for side, step in zip(size, patch, strict=True)):
            raise ValueError(
                f"skeletons {list(signals.skeletons.shape)} make latents of {size} (frames, rows, columns), "
                f"which do not divide into tokens of {patch}: crop or pad the video"
            )
        grid = tuple(side // step for side, step in zip(size, patch, strict=True))
        taps = self.structure(latents, None if text is None else text.to(latents))
        has_pose = torch.ones(len(latents), dtype=torch.bool, device=latents.device)
        if present is not None and "pose" in present:
            has_pose = present["pose"].to(latents.device)
        prepared = [site.prepare(each) for site, each in zip(self.sites, taps, strict=True)]
        return StructureTokens(tuple(taps) if self.config.hadc else (), tuple(prepared), has_pose, grid)

    def masks(self, tokens: ControlTokens) -> tuple[torch.Tensor, ...]:
        """U(w) of each site, values for the squared mask loss, [B, 1, F, h, w].

        Wanted by `mask_loss`. Samples without structure have nothing to read a mask from.
        """
        assert isinstance(tokens, StructureTokens)
        return tuple(head(tokens.weights[index], tokens.grid) for index, head in enumerate(self.mask_heads))

    @torch.no_grad()
    def _latents(
        self, skeletons: torch.Tensor, to_latents: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """E up to its patch embedding: latents of the skeletons less those of a black video, [B, C, F, h, w].

        Black is zero (ours): most of a skeleton map is background, and in latents of any autoencoder black is not.
        """
        video = skeletons.transpose(1, 2) * 2 - 1
        black = torch.full_like(video[:1], -1)
        latents = to_latents(video) - to_latents(black)
        return (latents * self.config.gain).to(next(self.structure.parameters()))


def _latent_channels(config: Any) -> int:
    """Channels of the video latents, which every known backbone reads first."""
    # A transformer that composes: three videos' latents and two masks in, one video's and a mask out.
    if config.in_channels == 3 * config.out_channels - 1:
        return config.out_channels - 1
    return min(config.in_channels, config.out_channels)


# L_m, L_track, L_cont. Terms are plain functions; the objectives fetch what they need of a training step.


def mask_loss(
    predictions: Sequence[torch.Tensor],
    people: torch.Tensor,
    present: torch.Tensor | None = None,
    mean_over_ranks: Callable[[torch.Tensor], torch.Tensor] = lambda value: value,
) -> dict[str, torch.Tensor]:
    """L_m = L2(U(w), human mask), averaged over the sites.

    Args:
        predictions: of each site (`ControlAdapter.masks`), [B, 1, F, h, w]; none gives no term.
        people: exact mask of the people in the video, [B, T, H, W].
        present: samples that count, bool [B]: without a structure there is nothing to read a mask from.
        mean_over_ranks: mean of a number over all processes.

    Raises:
        ValueError: the predictions' frames or sides do not divide those of the mask.
    """
    if not predictions:
        return {}
    target = pool_to_latents(people, tuple(predictions[0].shape[2:]))
    counts = torch.ones(len(target), device=target.device) if present is None else present.to(target)
    errors = [(each.float() - target).square().flatten(1).mean(1) for each in predictions]
    counted = mean_over_ranks(counts.sum()).clamp(min=1e-6)
    return {"mask": (torch.stack(errors).mean(0) * counts).sum() / counted}


def pool_to_latents(mask: torch.Tensor, grid: tuple[int, ...]) -> torch.Tensor:
    """The share of each latent cell that is covered, [B, 1, F, h, w], over the frame groups [0], [1-4], [5-8], ...

    Args:
        mask: bool or in [0, 1], [B, T, H, W].
        grid: (F, h, w).

    Raises:
        ValueError: the groups or cells are not of equal size.
    """
    frames, rows, columns = grid
    length, height, width = mask.shape[1:]
    whole = (length == 1) if frames == 1 else (length - 1) % (frames - 1) == 0 and length > 1
    if not whole or height % rows or width % columns:
        raise ValueError(f"a mask of {length} x {height} x {width} cannot be pooled to {list(grid)}")
    cells = F.avg_pool2d(mask.float(), (height // rows, width // columns))
    if frames > 1:
        cells = torch.cat([cells[:, :1], cells[:, 1:].unflatten(1, (frames - 1, -1)).mean(2)], dim=1)
    return cells.unsqueeze(1)


# L_track.


class MaskLoss(Objective):
    """L_m of every adapter that says where people are (`ControlAdapter.masks`); see mask_loss.

    Reads `extra["masks"]`: the exact mask of the people in the video, bool [B, T, H, W].
    """

    needs = frozenset({"masks"})

    def __call__(self, step: TrainingStep) -> dict[str, torch.Tensor]:
        predictions = [
            mask
            for name, adapter in step.adapters.items()
            if name in step.tokens
            for mask in adapter.masks(step.tokens[name])
        ]
        people = step.extra["masks"].to(step.clean.device)
        return mask_loss(predictions, people, step.present.get("pose"), step.mean_over_ranks)


class Tracker(Protocol):
    """Follows points through a video; differentiable in the video where its loss shall train something."""

    def __call__(self, video: torch.Tensor, queries: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tracks points.

        Args:
            video: pixels in [-1, 1], [B, 3, T, H, W].
            queries: (frame, x, y) of each point, pixel centres at +0.5, [B, N, 3].

        Returns:
            Pixels [B, T, N, 2], and whether each point is seen, bool [B, T, N].
        """
        ...


def tracking_loss(
    generated: torch.Tensor,
    real: torch.Tensor,
    visible: torch.Tensor,
    query_frames: torch.Tensor,
    *,
    size: tuple[int, int],
    tau: float = 2.0,
    static: bool = False,
    pairs: Literal["query", "all"] = "query",
) -> dict[str, torch.Tensor]:
    """L_track = sum of exp(|t - t'| / tau) L1(tracks): over t, with t' the frame in which a point is chosen, or over all
    pairs (t, t') as the paper writes it.

    Ours: displacements instead of places, so that a tracker's own offset does not count; coordinates over the
    picture's diagonal; points count only where they are seen; weights as `gap_weights` has them.

    Args:
        generated, real: tracks of the same queries, pixels, [B, T, N, 2].
        visible: seen in both videos, bool [B, T, N].
        query_frames: t' of each point, [B, N].
        size: (width, height) in pixels.
        tau, static: see gap_weights.
        pairs: which t'.
    """
    frames = real.shape[1]
    if pairs == "all":
        return {"track": _all_pairs(generated - real, visible, size, tau=tau, static=static)}
    weights = gap_weights(frames, query_frames, tau=tau, static=static) * visible
    difference = _displacement(generated, query_frames) - _displacement(real, query_frames)
    diagonal = (size[0] ** 2 + size[1] ** 2) ** 0.5
    # Where a point is not seen its track may be NaN, which no weight of 0 would silence.
    error = torch.where(visible.unsqueeze(-1), difference, 0.0).abs().sum(-1) / diagonal
    return {"track": (error * weights).sum() / weights.sum().clamp(min=1e-6)}


def _all_pairs(
    error: torch.Tensor, visible: torch.Tensor, size: tuple[int, int], *, tau: float, static: bool
) -> torch.Tensor:
    """Of errors of places [B, T, N, 2], those of the ways between every two frames in which a point is seen."""
    frames = error.shape[1]
    every = torch.arange(frames, device=error.device)
    weights = gap_weights(frames, every, tau=tau, static=static)  # [T, T'], 1 over t for each t'
    seen = (visible[:, :, None] & visible[:, None]) * weights[None, :, :, None]  # [B, T, T', N]
    error = torch.where(visible.unsqueeze(-1), error, 0.0)
    ways = (error[:, :, None] - error[:, None]).abs().sum(-1) / (size[0] ** 2 + size[1] ** 2) ** 0.5
    return (ways * seen).sum() / seen.sum().clamp(min=1e-6)


def gap_weights(
    frames: int, query_frames: torch.Tensor, *, tau: float = 2.0, static: bool = False, compression: int = 4
) -> torch.Tensor:
    """exp(|t - t'| / tau) of every frame, normalised to the sum 1 for each point, [..., T, N].

    Ours: gaps count latent frames. Over 49 frames the paper's exponential would reach 2.6e10 and the few longest gaps
    would be all that counts; over 13 latent frames it reaches 403.

    Args:
        frames: T.
        query_frames: t' of each point, [..., N].
        tau: latent frames in which the weight grows by e; the paper's 2.
        static: the same weight for every frame (the paper's ablation).
        compression: frames per latent frame, the first standing alone.
    """
    frame = torch.arange(frames, device=query_frames.device)
    latent = torch.div(frame + compression - 1, compression, rounding_mode="floor")
    at_query = torch.div(query_frames + compression - 1, compression, rounding_mode="floor")
    gaps = (latent.unsqueeze(-1) - at_query.unsqueeze(-2)).abs().float()
    return torch.softmax(torch.zeros_like(gaps) if static else gaps / tau, dim=-2)


class CorrelationTracker:
    """Follows points by matching small patches of colour and edges from frame to frame (ours; no learned weights).

    A point's patch in its query frame is compared with every place within `radius` pixels of where the point was in
    the frame before; a softmax over the squared differences says where it is now. It follows textures and edges of
    moderate motion, loses points that turn away, and is no match for a learned tracker: docs/training.md has figures.

    Args:
        radius: largest motion per frame, pixels.
        patch: side of the compared patch, pixels, odd.
        temperature: of the softmax, in mean squared feature differences; smaller is sharper.
        lost: mean squared feature difference at the best place above which a point is not seen.
    """

    def __init__(
        self, radius: int = 6, patch: int = 7, temperature: float = 0.002, lost: float = 0.02
    ) -> None:
        if patch % 2 == 0 or radius < 1:
            raise ValueError(
                f"the patch has an odd side and the radius is at least 1, not {patch} and {radius}"
            )
        self.radius = radius
        self.patch = patch
        self.temperature = temperature
        self.lost = lost

    def __call__(self, video: torch.Tensor, queries: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        frames, height, width = video.shape[2:]
        features = low_level_features(video)
        index = queries[..., 0].long()  # [B, N]
        start = queries[..., 1:]
        patch = self._grid(self.patch // 2, video)  # [K, 2]
        window = self._grid(self.radius, video)  # [R, 2]
        at_query = [
            _sample(features[:, :, t], start[:, :, None] + patch) for t in range(frames)
        ]  # each [B, N, K, C]
        chosen = F.one_hot(index, frames).to(video)  # [B, N, T]
        template = torch.einsum("tbnkc,bnt->bnkc", torch.stack(at_query), chosen)

        def follow(place: torch.Tensor, t: int) -> tuple[torch.Tensor, torch.Tensor]:
            """The point's place in frame t, [B, N, 2], and how badly it fits there, [B, N]."""
            around = place.detach()
            places = around[:, :, None, None] + window[:, None] + patch  # [B, N, R, K, 2]
            found = _sample(features[:, :, t], places.flatten(2, 3)).unflatten(2, (len(window), len(patch)))
            costs = (found - template[:, :, None]).square().mean((-1, -2))
            share = torch.softmax(-costs / self.temperature, dim=-1)
            return around + (share.unsqueeze(-1) * window).sum(2), costs.amin(-1)

        tracks = [start] * frames
        misfits = [torch.zeros_like(start[..., 0])] * frames
        for onwards in (True, False):  # from the query frame to the end, and from it to the beginning
            place = start
            for t in range(frames) if onwards else reversed(range(frames)):
                reached = index < t if onwards else index > t
                if reached.any():
                    moved, misfit = follow(place, t)
                    place = torch.where(reached.unsqueeze(-1), moved, start)
                    tracks[t] = torch.where(reached.unsqueeze(-1), moved, tracks[t])
                    misfits[t] = torch.where(reached, misfit, misfits[t])
        track = torch.stack(tracks, dim=1)
        inside = ((track >= 0) & (track < track.new_tensor([width, height]))).all(-1)
        return track, inside & (torch.stack(misfits, dim=1) < self.lost)

    @staticmethod
    def _grid(radius: int, like: torch.Tensor) -> torch.Tensor:
        """Offsets (x, y) of a square of pixels, [(2 radius + 1)^2, 2]."""
        side = torch.arange(-radius, radius + 1, device=like.device, dtype=like.dtype)
        return torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1).reshape(-1, 2)


def low_level_features(video: torch.Tensor) -> torch.Tensor:
    """Colours and their slopes, slightly smoothed, [B, 9, T, H, W], of pixels [B, 3, T, H, W] in [-1, 1]."""
    smooth = F.avg_pool3d(video, (1, 3, 3), stride=1, padding=(0, 1, 1), count_include_pad=False)
    padded = F.pad(smooth, (1, 1, 1, 1, 0, 0), mode="replicate")
    slope_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    slope_y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return torch.cat([smooth, slope_x, slope_y], dim=1)


def _sample(picture: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Bilinear samples [B, N, K, C] of [B, C, H, W] at pixels [B, N, K, 2], edges continued."""
    height, width = picture.shape[-2:]
    grid = 2 * places / places.new_tensor([width, height]) - 1
    sampled = F.grid_sample(picture, grid, padding_mode="border", align_corners=False)
    return sampled.permute(0, 2, 3, 1)


def _displacement(tracks: torch.Tensor, query_frames: torch.Tensor) -> torch.Tensor:
    """How far each point is from where it was in its query frame, [B, T, N, 2]."""
    where = query_frames[:, None, :, None].expand(-1, 1, -1, 2)
    return tracks - tracks.gather(1, where)


@dataclass(frozen=True)
class TrackOptions:
    """When and how L_track is computed; all of it ours, the paper says nothing of its cost.

    The paper's tracker is CoTracker3, which can be plugged in as `tracker`; its weights are licensed for non-commercial
    use only, so a correlation tracker of our own is the default. Real tracks come from the stage and are exact.

    Args:
        every: steps between computations, on average; which steps is drawn, so that a resumed run repeats them.
        takes: of the batch, how many are tracked.
        below: times are drawn from (0, below) x T: a sample predicted from much noise is too blurred to be tracked.
        crop: side of the decoded square round the person, in latent cells; 0 decodes the whole picture.
        trust: pixels. A point counts in the frames in which the tracker, shown the real video, comes this close to the
            exact track: elsewhere the loss would teach the tracker's mistakes.
        tau, static: see gap_weights.
        pairs: see tracking_loss.
        tracker: follows the points in the decoded video.
    """

    every: int = 4
    takes: int = 1
    below: float = 0.4
    crop: int = 8
    trust: float = 2.0
    tau: float = 2.0
    static: bool = False
    pairs: Literal["query", "all"] = "query"
    tracker: Tracker = field(default_factory=CorrelationTracker)


def track_term(
    latents: torch.Tensor,
    takes: Sequence[Mapping[str, np.ndarray]],
    decode: Callable[[torch.Tensor], torch.Tensor],
    options: TrackOptions,
    compression: int = 8,
) -> dict[str, torch.Tensor]:
    """L_track of predicted clean latents against the exact tracks of their takes.

    Args:
        latents: [B, C, F, h, w].
        takes: of each sample queries [N, 3], tracks [T, N, 2] and tracked [T, N], as `Take.point_tracks` gives them, and
            video, uint8 [T, H, W, 3]. Tracks that a tracker found come with `size`, (width, height), in the video's
            place: they are trusted where it saw the points.
        decode: latents to pixels in [-1, 1], [1, 3, T, H, W].
        options: how.
        compression: pixels per latent cell.
    """
    terms = []
    for latent, take in zip(latents, takes, strict=True):
        queries, tracks, tracked = (
            torch.from_numpy(take[name])[None].to(latents.device) for name in ("queries", "tracks", "tracked")
        )
        shown = take.get("video")
        picture = (
            (int(take["size"][0]), int(take["size"][1]))
            if shown is None
            else (shown.shape[2], shown.shape[1])
        )
        (top, left), (rows, columns) = _window(tracks[tracked], latent.shape[-2:], options.crop, compression)
        y, x = top * compression, left * compression
        height, width = rows * compression, columns * compression
        shift, size = tracks.new_tensor([x, y]), tracks.new_tensor([width, height])
        queries = torch.cat([queries[..., :1], queries[..., 1:] - shift], dim=-1)
        tracks = tracks - shift
        trusted = tracked
        if shown is not None:
            part = torch.from_numpy(shown[None, :, y : y + height, x : x + width]).to(latents.device)
            with torch.no_grad():
                seen_again, seen_real = options.tracker(part.permute(0, 4, 1, 2, 3) / 127.5 - 1, queries)
            trusted = seen_real & ((seen_again - tracks).norm(dim=-1) <= options.trust)
        followed, seen = options.tracker(
            decode(latent[None, :, :, top : top + rows, left : left + columns]), queries
        )
        starts_inside = ((queries[..., 1:] >= 0) & (queries[..., 1:] < size)).all(-1)
        terms.append(
            tracking_loss(
                followed,
                tracks,
                tracked & trusted & seen & starts_inside[:, None],
                queries[..., 0].long(),
                size=picture,
                tau=options.tau,
                static=options.static,
                pairs=options.pairs,
            )["track"]
        )
    return {"track": torch.stack(terms).mean()}


def _window(
    points: torch.Tensor, grid: Sequence[int], side: int, compression: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(top, left) and (rows, columns), in cells, of a square round the middle of the points [N, 2], in the picture."""
    rows, columns = (min(side, cells) if side else cells for cells in grid)
    if not len(points):
        return (0, 0), (rows, columns)
    x, y = (points.mean(0) / compression).tolist()
    top = min(max(round(y - rows / 2), 0), grid[0] - rows)
    left = min(max(round(x - columns / 2), 0), grid[1] - columns)
    return (top, left), (rows, columns)


class TrackLoss(Objective):
    """L_track of the clean latents that a step predicts; see track_term and TrackOptions.

    Reads `extra["tracks"]`: of each sample what `track_term` calls a take, or None. Steps and samples are few: one step
    in `every`, and of its samples the first `takes` that have tracks: once more with little noise where the task can do
    that (`again`), else those that happen to have little.
    """

    needs = frozenset({"tracks", "decoded"})

    def __init__(self, options: TrackOptions | None = None) -> None:
        self.options = options or TrackOptions()

    def __call__(self, step: TrainingStep) -> dict[str, torch.Tensor]:
        if torch.rand(1, generator=step.generator) * self.options.every >= 1:
            return {}
        scale = len(step.path.alphas_cumprod) if isinstance(step.path, DiffusionPath) else 1
        if step.again is not None:
            few = step.clean[: self.options.takes]
            time = self.options.below * scale * torch.rand(len(few), generator=step.generator)
            noise = torch.randn(few.shape, generator=step.generator)
            step = step.again(len(few), time if scale == 1 else time.long(), noise)
        clear = (step.time.float() < self.options.below * scale).tolist()
        takes = step.extra["tracks"]
        chosen = [row for row, take in enumerate(takes) if clear[row] and take is not None]
        chosen = chosen[: self.options.takes]
        if not chosen:
            return {}
        return track_term(step.predicted[chosen], [takes[row] for row in chosen], step.decode, self.options)


FEET = (10, 11)
"""SMPL-24's feet (the balls); ankles stand several centimetres above the floor."""

HEIGHT = 0.05
"""Metres below which a slow joint is in contact (ours)."""

SPEED = 0.15
"""Metres per second below which a low joint is in contact (ours)."""

Distance = Callable[[torch.Tensor], torch.Tensor]
"""Points [..., 3] in metres -> signed distances [...] to an object's surface, negative inside."""


def contact_loss(
    joints: torch.Tensor,
    fps: float,
    *,
    reference: torch.Tensor | None = None,
    floor: float = 0.0,
    feet: Sequence[int] = FEET,
    object_distance: Distance | None = None,
    object_joints: Sequence[int] = (20, 21, 22, 23),
) -> dict[str, torch.Tensor]:
    """L_cont = sum over feet of c [relu(-h)^2 + h^2 + |v_horizontal|^2], averaged over batch and frames.

    The paper names the constraint and not its form, which is ours. c = 1 where a foot is lower than HEIGHT and slower
    than SPEED, and has no gradient: otherwise feet would learn to stay away from the floor. For an object, the same
    with its signed distance in the place of h and the whole velocity: what touches it stays where it is.

    Args:
        joints: metres, Y up, [B, T, J, 3], T at least 2.
        fps: frames per second.
        reference: joints that tell when there is contact, where these are to be like them; `joints` where None.
        floor: its height, metres.
        feet: the joints that touch the floor.
        object_distance: signed distance to an object that stands still.
        object_joints: the joints that touch it; SMPL-24's wrists and hands by default.

    Raises:
        ValueError: fewer than two frames, or another shape.
    """
    if joints.ndim != 4 or joints.shape[-1] != 3 or joints.shape[1] < 2:
        raise ValueError(f"expected joints [B, T, J, 3] with at least 2 frames, got {list(joints.shape)}")
    reference = joints if reference is None else reference

    def height(points: torch.Tensor) -> torch.Tensor:
        return points[..., 1] - floor

    loss = _touch(joints[:, :, list(feet)], reference[:, :, list(feet)], fps, height, sliding=(0, 2))
    if object_distance is not None:
        hands = list(object_joints)
        loss = loss + _touch(
            joints[:, :, hands], reference[:, :, hands], fps, object_distance, sliding=(0, 1, 2)
        )
    return {"contact": loss}


def in_contact(points: torch.Tensor, fps: float, distance: Distance) -> torch.Tensor:
    """Where points [B, T, K, 3] are near or below a surface and slow, bool [B, T, K]."""
    return (distance(points) < HEIGHT) & (velocity(points, fps).norm(dim=-1) < SPEED)


def velocity(points: torch.Tensor, fps: float) -> torch.Tensor:
    """Metres per second by central differences, one-sided at the ends, [B, T, K, 3]."""
    (change,) = torch.gradient(points, spacing=1.0 / fps, dim=1)
    return change


def _touch(
    points: torch.Tensor, reference: torch.Tensor, fps: float, distance: Distance, sliding: tuple[int, ...]
) -> torch.Tensor:
    contact = in_contact(reference.detach(), fps, distance).to(points)
    gap = distance(points)
    slip = velocity(points, fps)[..., list(sliding)].square().sum(-1)
    each = contact * (torch.relu(-gap).square() + gap.square() + slip)
    return each.sum(-1).mean()


class ContactLoss(Objective):
    """L_cont of predicted motion; see contact_loss.

    Reads `extra["joints"]`: predicted, metres, Y up, [B, T, J, 3]; `extra["true_joints"]`: of the same motion as it is,
    which say when there is contact; `extra["fps"]`.
    """

    needs = frozenset({"joints"})

    def __call__(self, step: TrainingStep) -> dict[str, torch.Tensor]:
        reference = step.extra.get("true_joints")
        return contact_loss(step.extra["joints"], step.extra["fps"], reference=reference)


PAPER = Paper(
    name="mosa",
    title="MoSA: Motion-Coherent Human Video Generation via Structure-Appearance Decoupling",
    arxiv="2508.17404",
    parts={
        "adapter": MoSAAdapter,
        "objective.mask": MaskLoss,
        "objective.track": TrackLoss,
        "objective.contact": ContactLoss,
    },
    reads=("skeletons",),
    ours=(
        "backbone frozen, structure blocks and HADC trained: the paper does not say what trains",
        "E is the frozen autoencoder and a copy of the patch embedding; the latents of black are subtracted, as most of "
        "a skeleton map is black and black is no zero in latents",
        "structure blocks are copies of the backbone's first quarter (at least 3): the paper says only that they are "
        "fewer",
        "structure blocks see the time of a clean sample, as a learned constant: skeletons are clean at every step, and "
        "the branch runs once per video",
        "in Wan's blocks the text stream is read by cross-attention and does not change: they have no second stream",
        "P is 1x1x1, SiLU, depthwise 3x3x3, SiLU, 1x1x1 to one weight per token, zero at first and without activation; "
        "U three 3x3x3 convolutions: the paper leaves both open",
        "hadc=False adds a zero-initialised linear layer of the structure: the paper's ablation does not say how it "
        "enters",
        "the mask loss compares with the mask pooled by area to the latent grid",
        "track weights count latent frames and sum to 1: over 49 frames the paper's exponential reaches 2.6e10",
        "L_track compares displacements, on a decoded crop of a sample with little noise, one step in four; from the "
        "query frame or over all pairs (pairs='all', recipe mosa); without the user's CoTracker3 by a correlation "
        "tracker (43 % of points within 2 pixels)",
        "the form of L_cont is ours, and it trains the motion generator, whose joints are in 3D",
        "the 3D motion comes from a rectified flow of 2.9 M parameters, where the paper's structure transformer is "
        "autoregressive and trained on a million motions",
        "lambdas 0.1, 0.01, 0.01: the paper gives none",
        "no weights here were trained with L_track; the released ones with part, segment and colour terms of our own",
    ),
    verdict="Architecture only: trained on the small embedded model, never on CogVideoX-5B or Wan; no figure of the "
    "paper is reproduced.",
    command="kinema generate 'a person walks forward, then waves' --control mosa -o OUT.mp4",
)
