"""Newer members of the published families at a size that tests can afford, as in diffusers' tests of these pipelines."""

from __future__ import annotations

import torch
from diffusers import (
    AutoencoderKLWan,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
)
from tests.video import tiny
from tests.video.published_tiny import T5, tokenizer
from transformers import UMT5Config, UMT5EncoderModel

BOUNDARY = 0.875


def wan22_a14b(picture: bool = False) -> WanPipeline | WanImageToVideoPipeline:
    """Two experts with different weights; with `picture` those of I2V, which reads no CLIP states."""
    torch.manual_seed(13)
    vae = AutoencoderKLWan(
        base_dim=3,
        z_dim=4,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[-0.7, 0.1, 0.2, -0.3],
        latents_std=[1.5, 0.9, 2.0, 1.1],
    )
    channels = {"in_channels": 12} if picture else {}
    kind = WanImageToVideoPipeline if picture else WanPipeline
    made = kind(
        transformer=tiny.wan(seed=1, **channels),
        transformer_2=tiny.wan(seed=2, **channels),
        boundary_ratio=BOUNDARY,
        vae=vae.eval(),
        **_text(),
    )
    return _quiet(made)


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
        **_text(),
    )
    return _quiet(made)


def _text() -> dict[str, object]:
    return {
        "tokenizer": tokenizer(),
        "text_encoder": UMT5EncoderModel(UMT5Config(**T5)).eval(),
        "scheduler": UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    }


def _quiet(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
