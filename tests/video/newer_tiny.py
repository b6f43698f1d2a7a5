"""Newer members of the published families at a size that tests can afford, as in diffusers' tests of these pipelines."""

from __future__ import annotations

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXDPMScheduler,
    CogVideoXFunControlPipeline,
    CogVideoXImageToVideoPipeline,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    WanImageToVideoPipeline,
    WanPipeline,
)
from tests.video import tiny
from tests.video.published_tiny import T5, quiet, tokenizer, wan_text, wan_vae
from transformers import T5Config, T5EncoderModel

BOUNDARY = 0.875


def wan22_a14b(picture: bool = False) -> WanPipeline | WanImageToVideoPipeline:
    """Two experts with different weights; with `picture` those of I2V, which reads no CLIP states."""
    torch.manual_seed(13)
    vae = wan_vae()
    channels = {"in_channels": 12} if picture else {}
    kind = WanImageToVideoPipeline if picture else WanPipeline
    made = kind(
        transformer=tiny.wan(seed=1, **channels),
        transformer_2=tiny.wan(seed=2, **channels),
        boundary_ratio=BOUNDARY,
        vae=vae.eval(),
        **wan_text(),
    )
    return quiet(made)


def wan22_5b(picture: bool = False) -> WanPipeline | WanImageToVideoPipeline:
    """TI2V-5B's form: 48 latent channels of 16 pixels, one time per token; 32 pixels are one token."""
    torch.manual_seed(14)
    vae = AutoencoderKLWan(
        base_dim=3,
        z_dim=48,
        in_channels=12,
        out_channels=12,
        is_residual=True,
        patch_size=2,
        latents_mean=[0.1] * 48,
        latents_std=[1.2] * 48,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        scale_factor_spatial=16,
        scale_factor_temporal=4,
        temperal_downsample=[False, True, True],
    )
    made = (WanImageToVideoPipeline if picture else WanPipeline)(
        transformer=tiny.wan(seed=1, in_channels=48, out_channels=48),
        transformer_2=None,
        expand_timesteps=True,
        vae=vae.eval(),
        **wan_text(),
    )
    return quiet(made)


def cogvideox15(picture: bool = False) -> CogVideoXPipeline | CogVideoXImageToVideoPipeline:
    """CogVideoX 1.5-5B's form: tokens of two latent frames; with `picture` that of 1.5-5B-I2V, which reads `ofs`."""
    transformer = tiny.cogvideox(
        in_channels=8 if picture else 4,
        patch_size_t=2,
        patch_bias=False,
        ofs_embed_dim=24 if picture else None,
        sample_width=16,
        sample_height=16,
        sample_frames=9,
        max_text_seq_length=226,
    )
    kind = CogVideoXImageToVideoPipeline if picture else CogVideoXPipeline
    return quiet(
        kind(**_cogvideox_parts(transformer, invert=True), scheduler=_schedule(CogVideoXDPMScheduler))
    )


def cogvideox_fun() -> CogVideoXFunControlPipeline:
    """CogVideoX-Fun V1.1 Pose's form: rotary positions, twice the channels."""
    transformer = tiny.cogvideox(in_channels=8, max_text_seq_length=226)
    parts = _cogvideox_parts(transformer, invert=False)
    return quiet(CogVideoXFunControlPipeline(**parts, scheduler=_schedule(CogVideoXDDIMScheduler)))


def _cogvideox_parts(transformer: CogVideoXTransformer3DModel, *, invert: bool) -> dict[str, object]:
    torch.manual_seed(15)
    vae = AutoencoderKLCogVideoX(
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
        scaling_factor=0.7,
        invert_scale_latents=invert,
    )
    encoder = T5EncoderModel(T5Config(**T5)).eval()
    return {"tokenizer": tokenizer(), "text_encoder": encoder, "vae": vae.eval(), "transformer": transformer}


def _schedule(kind):
    return kind(
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        set_alpha_to_one=True,
        snr_shift_scale=1.0,
    )
