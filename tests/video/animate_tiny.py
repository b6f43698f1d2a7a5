"""Wan2.2-Animate at a size that tests can afford: diffusers' own pipeline, random weights; 32x48 pixels."""

from __future__ import annotations

import dataclasses

import torch
from diffusers import WanAnimatePipeline, WanAnimateTransformer3DModel
from tests.video import published_tiny

from kinema.video.models.wan_animate import ANIMATE_FORMAT, WanAnimateVideo
from kinema.video.pipeline import KinemaPipeline

FACE = 16


def pipeline() -> WanAnimatePipeline:
    parts = published_tiny.wan_pipeline(picture=True).components
    kept = {name: part for name, part in parts.items() if part is not None and name != "transformer"}
    torch.manual_seed(31)
    transformer = WanAnimateTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=12,
        latent_channels=4,
        out_channels=4,
        text_dim=published_tiny.TEXT_DIM,
        freq_dim=32,
        ffn_dim=32,
        num_layers=2,
        image_dim=8,
        added_kv_proj_dim=24,
        rope_max_seq_len=32,
        motion_encoder_channel_sizes={"4": 16, "8": 16, "16": 16},
        motion_encoder_size=FACE,
        motion_style_dim=8,
        motion_dim=4,
        motion_encoder_dim=16,
        face_encoder_hidden_dim=16,
        face_encoder_num_heads=2,
        inject_face_latents_blocks=1,
    ).eval()
    made = WanAnimatePipeline(transformer=transformer, **kept)
    made.scheduler.register_to_config(flow_shift=5.0)
    made.set_progress_bar_config(disable=True)
    return made


def video_model(loaded: WanAnimatePipeline, frames: int = 9, **options) -> WanAnimateVideo:
    form = dataclasses.replace(
        ANIMATE_FORMAT, frames=frames, width=published_tiny.WIDTH, height=published_tiny.HEIGHT, fps=8.0
    )
    return WanAnimateVideo(**loaded.components, form=form, **options)


def kinema_pipeline(loaded: WanAnimatePipeline, frames: int = 9, **options) -> KinemaPipeline:
    made = KinemaPipeline(video_model(loaded, frames, **options))
    made.set_progress_bar_config(disable=True)
    return made
