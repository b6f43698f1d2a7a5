"""VideoX-Fun's Wan transformer: diffusers' own, with rays of the camera beside its patches and a picture before them.

Facts of the public code: wan_transformer3d.py (where both enter), wan_camera_adapter.py. The published key names are
Wan's own; `load_wan_fun` gives every one of them a place, or says which has none.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import WanTransformer3DModel
from diffusers.configuration_utils import register_to_config
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.utils import apply_lora_scale
from torch import nn

from kinema.motion.checkpoints import CheckpointError, load_exactly, read_state_dict
from kinema.video.models.published import read_json

WEIGHTS = "diffusion_pytorch_model"
"""How the files of published weights begin."""


class ResidualBlock(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv2(torch.relu(self.conv1(x)))


class SimpleAdapter(nn.Module):
    """Rays of every pixel to one vector per token.

    Args:
        channels: of the rays, 24: six components of four frames.
        width: of the tokens.
        patch: latents along each side of a token.
        pixels: along each side of a latent.
    """

    def __init__(self, channels: int, width: int, patch: tuple[int, int], pixels: int) -> None:
        super().__init__()
        self.pixel_unshuffle = nn.PixelUnshuffle(pixels)
        self.conv = nn.Conv2d(channels * pixels**2, width, kernel_size=patch, stride=patch)
        self.residual_blocks = nn.Sequential(ResidualBlock(width))

    def forward(self, rays: torch.Tensor) -> torch.Tensor:
        """[B, 24, F, H, W] -> [B, width, F, H / (pixels * patch), W / (pixels * patch)]."""
        batch, _, frames, _, _ = rays.shape
        flat = rays.transpose(1, 2).flatten(0, 1)
        tokens = self.residual_blocks(self.conv(self.pixel_unshuffle(flat)))
        return tokens.unflatten(0, (batch, frames)).transpose(1, 2)


class WanFunTransformer3DModel(WanTransformer3DModel):
    """Wan's transformer with what VideoX-Fun's control and camera models have more.

    Args:
        add_control_adapter: rays are read.
        in_dim_control_adapter: their channels.
        downscale_factor_control_adapter: pixels along each side of a latent.
        add_ref_conv: a reference picture is read.
        in_dim_ref_conv: channels of its latents.
        others: see WanTransformer3DModel.
    """

    @register_to_config
    def __init__(
        self,
        patch_size: tuple[int, ...] = (1, 2, 2),
        num_attention_heads: int = 40,
        attention_head_dim: int = 128,
        in_channels: int = 16,
        out_channels: int = 16,
        text_dim: int = 4096,
        freq_dim: int = 256,
        ffn_dim: int = 13824,
        num_layers: int = 40,
        cross_attn_norm: bool = True,
        qk_norm: str | None = "rms_norm_across_heads",
        eps: float = 1e-6,
        image_dim: int | None = None,
        added_kv_proj_dim: int | None = None,
        rope_max_seq_len: int = 1024,
        pos_embed_seq_len: int | None = None,
        add_control_adapter: bool = False,
        in_dim_control_adapter: int = 24,
        downscale_factor_control_adapter: int = 8,
        add_ref_conv: bool = False,
        in_dim_ref_conv: int = 16,
    ) -> None:
        super().__init__(
            patch_size=patch_size,
            num_attention_heads=num_attention_heads,
            attention_head_dim=attention_head_dim,
            in_channels=in_channels,
            out_channels=out_channels,
            text_dim=text_dim,
            freq_dim=freq_dim,
            ffn_dim=ffn_dim,
            num_layers=num_layers,
            cross_attn_norm=cross_attn_norm,
            qk_norm=qk_norm,
            eps=eps,
            image_dim=image_dim,
            added_kv_proj_dim=added_kv_proj_dim,
            rope_max_seq_len=rope_max_seq_len,
            pos_embed_seq_len=pos_embed_seq_len,
        )
        width = num_attention_heads * attention_head_dim
        patch = (patch_size[1], patch_size[2])
        self.control_adapter = (
            SimpleAdapter(in_dim_control_adapter, width, patch, downscale_factor_control_adapter)
            if add_control_adapter
            else None
        )
        self.ref_conv = (
            nn.Conv2d(in_dim_ref_conv, width, kernel_size=patch, stride=patch) if add_ref_conv else None
        )

    @apply_lora_scale("attention_kwargs")
    def forward(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        encoder_hidden_states_image: torch.Tensor | None = None,
        return_dict: bool = True,
        attention_kwargs: dict[str, Any] | None = None,
        rays: torch.Tensor | None = None,
        reference: torch.Tensor | None = None,
    ) -> Transformer2DModelOutput | tuple[torch.Tensor]:
        """diffusers' own forward with two lines more; a test holds both equal where nothing is given.

        Args:
            hidden_states, timestep, encoder_hidden_states, encoder_hidden_states_image: as in WanTransformer3DModel.
            rays: [B, 24, F, H, W], added to the patches.
            reference: latents of a picture, [B, C, h, w]: tokens of a frame in front of the first, left out at the end.
        """
        frames, height, width = hidden_states.shape[2:]
        patch_frames, patch_height, patch_width = self.config.patch_size
        grid = frames // patch_frames, height // patch_height, width // patch_width

        tokens = self.patch_embedding(hidden_states)
        if rays is not None:
            assert self.control_adapter is not None
            tokens = tokens + self.control_adapter(rays)
        if reference is not None:
            assert self.ref_conv is not None
            tokens = torch.cat([self.ref_conv(reference).unsqueeze(2), tokens], dim=2)
        front = tokens.shape[2] - grid[0]
        whole = hidden_states[:1, :1, :1].expand(-1, -1, tokens.shape[2] * patch_frames, -1, -1)
        rotary_emb = self.rope(whole)  # which looks at the shape alone
        tokens = tokens.flatten(2).transpose(1, 2).contiguous()

        many = timestep.shape[1] if timestep.ndim == 2 else None
        if (
            many is not None and front
        ):  # tokens in front are told the time of the last one, as in the public code
            timestep = torch.cat([timestep[:, -1:].expand(-1, front * grid[1] * grid[2]), timestep], dim=1)
            many = timestep.shape[1]
        temb, modulation, text, picture = self.condition_embedder(
            timestep.flatten(), encoder_hidden_states, encoder_hidden_states_image, timestep_seq_len=many
        )
        modulation = modulation.unflatten(-1, (6, -1))
        if picture is not None:
            text = torch.cat([picture, text], dim=1)

        for block in self.blocks:
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                tokens = self._gradient_checkpointing_func(block, tokens, text, modulation, rotary_emb)
            else:
                tokens = block(tokens, text, modulation, rotary_emb)

        shift, scale = (self.scale_shift_table.to(temb.device) + temb.unsqueeze(-2)).chunk(2, dim=-2)
        if many is not None:
            shift, scale = shift.squeeze(-2), scale.squeeze(-2)
        shift, scale = shift.to(tokens.device), scale.to(tokens.device)
        tokens = (self.norm_out(tokens.float()) * (1 + scale) + shift).type_as(tokens)
        tokens = self.proj_out(tokens)[:, front * grid[1] * grid[2] :]

        patches = tokens.unflatten(1, grid).unflatten(-1, (patch_frames, patch_height, patch_width, -1))
        video = patches.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)
        return Transformer2DModelOutput(sample=video) if return_dict else (video,)


def load_wan_fun(folder: str | Path, dtype: torch.dtype | None = None) -> WanFunTransformer3DModel:
    """One transformer as published: config.json and diffusion_pytorch_model*.safetensors.

    Args:
        folder: of both.
        dtype: of the weights; by default that of the file. What diffusers keeps in float32 becomes float32.

    Raises:
        FileNotFoundError: one of them is missing.
        CheckpointError: keys or shapes are not those of such a model; nothing is loaded then.
    """
    folder = Path(folder)
    config = read_config(folder)
    state = convert_wan_transformer_to_diffusers(_read(folder))
    with init_empty_weights():
        transformer = WanFunTransformer3DModel(**_settings(config, state, folder))
    kept = set(WanTransformer3DModel._keep_in_fp32_modules)
    if dtype is not None:
        for key in state:
            state[key] = state[key].to(torch.float32 if kept & set(key.split(".")) else dtype)
    homeless = next((key for key in state if key not in transformer.state_dict()), None)
    if homeless is not None:
        raise CheckpointError(
            f"{folder}: {homeless} has no place in the transformer that its config.json describes; is it a "
            "Wan-Fun control or camera model, and is config.json its own?"
        )
    load_exactly(transformer, state, folder, assign=True)
    return transformer.eval().requires_grad_(False)


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a published transformer; DiffSynth's names for two fields are understood as well.

    Raises:
        FileNotFoundError: it is not there.
        CheckpointError: it is no such config.
    """
    file = folder / "config.json"
    if not file.is_file():
        raise FileNotFoundError(f"{folder} holds no config.json: give the folder of a Wan-Fun transformer")
    config = read_json(file)
    if not isinstance(config, dict) or not {"in_dim", "dim", "num_heads"} <= set(config):
        raise CheckpointError(f"{file} describes no Wan-Fun transformer: it has no in_dim, dim and num_heads")
    return {**config, "add_ref_conv": config.get("add_ref_conv", config.get("has_ref_conv", False))}


def _settings(config: dict[str, Any], state: dict[str, torch.Tensor], folder: Path) -> dict[str, Any]:
    """What the transformer is built with: flags and heads of the config, everything else off the weights."""
    patches, image_norm = (
        state.get(key) for key in ("patch_embedding.weight", "condition_embedder.image_embedder.norm1.weight")
    )
    if patches is None or patches.ndim != 5:
        raise CheckpointError(f"{folder} is no Wan transformer: it has no patch_embedding of video")
    width, channels, *patch = patches.shape
    if (width, channels) != (config["dim"], config["in_dim"]):
        raise CheckpointError(
            f"{folder}: config.json says dim {config['dim']} and in_dim {config['in_dim']}, the weights have {width} and "
            f"{channels}; it is not the config of these weights"
        )
    return {
        "patch_size": tuple(patch),
        "num_attention_heads": config["num_heads"],
        "attention_head_dim": width // config["num_heads"],
        "in_channels": channels,
        "out_channels": _rows(state, "proj_out.weight", folder)[0] // math.prod(patch),
        "text_dim": _rows(state, "condition_embedder.text_embedder.linear_1.weight", folder)[1],
        "freq_dim": _rows(state, "condition_embedder.time_embedder.linear_1.weight", folder)[1],
        "ffn_dim": _rows(state, "blocks.0.ffn.net.0.proj.weight", folder)[0],
        "num_layers": len({key.split(".")[1] for key in state if key.startswith("blocks.")}),
        "eps": config.get("eps", 1e-6),
        "image_dim": None if image_norm is None else len(image_norm),
        "added_kv_proj_dim": width if "blocks.0.attn2.add_k_proj.weight" in state else None,
        "add_control_adapter": bool(config.get("add_control_adapter", False)),
        "in_dim_control_adapter": config.get("in_dim_control_adapter", 24),
        "downscale_factor_control_adapter": config.get("downscale_factor_control_adapter", 8),
        "add_ref_conv": bool(config["add_ref_conv"]),
        "in_dim_ref_conv": config.get("in_dim_ref_conv", 16),
    }


def _rows(state: dict[str, torch.Tensor], key: str, folder: Path) -> torch.Size:
    if key not in state or state[key].ndim != 2:
        raise CheckpointError(f"{folder} is not a complete Wan transformer: {key} is missing")
    return state[key].shape


def _read(folder: Path) -> dict[str, torch.Tensor]:
    """All published weights of a folder; its other files are not touched: autoencoder and encoders lie there as pickles.

    Raises:
        FileNotFoundError: there are none.
    """
    if list(folder.glob(f"{WEIGHTS}*.index.json")):
        return read_state_dict(folder)
    files = sorted(folder.glob(f"{WEIGHTS}*.safetensors"))
    if not files:
        raise FileNotFoundError(
            f"{folder} holds no {WEIGHTS}*.safetensors; other kinds of files could run code when they are read"
        )
    return {key: value for file in files for key, value in read_state_dict(file).items()}
