"""VACE at a size that tests can afford: diffusers' own pipeline with every part, random weights; 32x48 pixels."""

from __future__ import annotations

import dataclasses

import torch
from diffusers import WanVACEPipeline, WanVACETransformer3DModel
from tests.video import published_tiny

from kinema.video.models.vace import VaceVideo
from kinema.video.models.wan import WAN_FORMAT
from kinema.video.pipeline import KinemaPipeline


def transformer(seed: int) -> WanVACETransformer3DModel:
    torch.manual_seed(seed)
    made = WanVACETransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=4,
        out_channels=4,
        text_dim=published_tiny.TEXT_DIM,
        freq_dim=32,
        ffn_dim=32,
        num_layers=3,
        rope_max_seq_len=32,
        vace_layers=[0, 2],
        vace_in_channels=2 * 4 + 64,
    ).eval()
    for block in made.vace_blocks:  # published ones do say something
        torch.nn.init.normal_(block.proj_out.weight, std=0.3)
    return made


def pipeline(experts: int = 1) -> WanVACEPipeline:
    """As VACE on Wan 2.1; with two experts as on Wan 2.2."""
    parts = published_tiny.wan_pipeline().components
    kept = {name: parts[name] for name in ("tokenizer", "text_encoder", "vae", "scheduler")}
    second = {} if experts == 1 else {"transformer_2": transformer(22), "boundary_ratio": 0.7}
    made = WanVACEPipeline(transformer=transformer(21), **kept, **second)
    made.set_progress_bar_config(disable=True)
    return made


def video_model(loaded: WanVACEPipeline, frames: int = 9, **options) -> VaceVideo:
    parts = {name: part for name, part in loaded.components.items() if part is not None}
    form = dataclasses.replace(
        WAN_FORMAT, frames=frames, width=published_tiny.WIDTH, height=published_tiny.HEIGHT, fps=8.0
    )
    return VaceVideo(**parts, boundary_ratio=loaded.config.boundary_ratio, form=form, **options)


def kinema_pipeline(loaded: WanVACEPipeline, frames: int = 9, **options) -> KinemaPipeline:
    made = KinemaPipeline(video_model(loaded, frames, **options))
    made.set_progress_bar_config(disable=True)
    return made
