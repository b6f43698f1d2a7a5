"""The table of the newer members: every adapter that fits, and every cache, on whole videos (docs/compatibility.md)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from diffusers import (
    FirstBlockCacheConfig,
    MagCacheConfig,
    PyramidAttentionBroadcastConfig,
    TaylorSeerCacheConfig,
)
from PIL import Image
from tests.video import mosa_tiny, mtvcraft_tiny, newer_tiny, tiny

from kinema.papers.mosa import MoSAAdapter
from kinema.papers.tokenmotion import TokenMotionAdapter
from kinema.video.adapters.adapter import ControlAdapter
from kinema.video.adapters.attach import attach, detach
from kinema.video.models.cogvideox import COGVIDEOX15_FORMAT, CogVideoXVideo
from kinema.video.models.video_model import VideoModel
from kinema.video.models.wan import WAN_FORMAT, WanVideo
from kinema.video.models.wan_first_frame import FIRST_FRAME_FORMAT, WanFirstFrameVideo
from kinema.video.pipeline import KinemaPipeline

WIDTH, HEIGHT, FRAMES = 32, 64, 9
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8))
MEMBERS = {
    "wan2.2-t2v-a14b": (newer_tiny.wan22_a14b, False, WanVideo, WAN_FORMAT),
    "wan2.2-i2v-a14b": (newer_tiny.wan22_a14b, True, WanVideo, WAN_FORMAT),
    "wan2.2-5b": (newer_tiny.wan22_5b, True, WanFirstFrameVideo, FIRST_FRAME_FORMAT),
    "cogvideox1.5-5b": (newer_tiny.cogvideox15, False, CogVideoXVideo, COGVIDEOX15_FORMAT),
    "cogvideox1.5-5b-i2v": (newer_tiny.cogvideox15, True, CogVideoXVideo, COGVIDEOX15_FORMAT),
}
ADAPTERS: dict[str, Callable[[torch.nn.Module], ControlAdapter]] = {
    "tokenmotion": lambda transformer: tiny.awake(
        TokenMotionAdapter.for_transformer(transformer, motion_width=32, heads=2, first_width=8, rank=4)
    ),
    "mtvcraft": lambda transformer: mtvcraft_tiny.awake(mtvcraft_tiny.adapter(transformer)),
    "mosa": lambda transformer: mosa_tiny.awake(MoSAAdapter.for_transformer(transformer, control_width=8)),
}
REFUSED = {
    ("tokenmotion", "cogvideox1.5"): "TokenMotion makes one token of 1 x 2 x 2 latents",
    ("mtvcraft", "cogvideox1.5"): "hold 2 latent frames, motion tokens one",
}
CACHES = {
    "first block": lambda on: FirstBlockCacheConfig(threshold=1e6 if on else 0.0),
    "mag": lambda on: MagCacheConfig(
        mag_ratios=[1.0] * 6, num_inference_steps=6, retention_ratio=0.0 if on else 1.0
    ),
    "taylorseer": lambda on: TaylorSeerCacheConfig(
        cache_interval=3 if on else 1, disable_cache_before_step=1, max_order=1
    ),
    "pyramid": lambda on: PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=2,
        spatial_attention_timestep_skip_range=(100, 990) if on else (-2, -1),
        spatial_attention_block_identifiers=("blocks", "transformer_blocks"),
        current_timestep_callback=lambda: 500,
    ),
}
"""A cache that skips something, or (off) one that is switched on and skips nothing."""


def made(member: str) -> VideoModel:
    make, picture, kind, form = MEMBERS[member]
    loaded = make(picture)
    parts = {name: part for name, part in loaded.components.items() if part is not None}
    if kind is WanVideo:
        parts["boundary_ratio"] = loaded.config.boundary_ratio
    form = dataclasses.replace(form, width=WIDTH, height=HEIGHT, frames=FRAMES)
    return kind(**parts, form=form, name=member)


def video(model: VideoModel, adapters=None, frames: int = FRAMES, steps: int = 3, scene=None) -> np.ndarray:
    pipeline = KinemaPipeline(model, adapters)
    pipeline.set_progress_bar_config(disable=True)
    picture = PICTURE if model.reads_picture else None
    return pipeline("a person walks", picture, scene, frames=frames, steps=steps).frames


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("adapter_name", ADAPTERS)
def test_an_adapter_steers_or_is_refused_and_leaves_no_trace(adapter_name, member):
    model = made(member)
    refused = REFUSED.get((adapter_name, member[:12]))
    torch.manual_seed(1)
    if refused is not None:
        with pytest.raises(ValueError, match=refused):
            ADAPTERS[adapter_name](model.transformer)
        return
    before = video(model)
    adapter = ADAPTERS[adapter_name](model.transformer).eval()
    for denoiser in model.denoisers:
        attach(denoiser, adapter, adapter_name)
    assert np.array_equal(video(model), before)
    steered = video(model, {adapter_name: adapter}, scene=tiny.scene(FRAMES))
    assert not np.array_equal(steered, before)
    for denoiser in model.denoisers:
        detach(denoiser)
    assert np.array_equal(video(model), before)


@pytest.mark.parametrize("member", MEMBERS)
@pytest.mark.parametrize("cache", CACHES)
def test_a_cache_that_skips_nothing_changes_nothing_and_another_forgets_between_videos(cache, member):
    model = made(member)
    before = video(model, steps=6)
    for denoiser in model.denoisers:
        denoiser.enable_cache(CACHES[cache](False))
    assert np.array_equal(video(model, steps=6), before)
    for denoiser in model.denoisers:
        denoiser.disable_cache()
        denoiser.enable_cache(CACHES[cache](True))
    skipped = video(model, steps=6)
    assert np.array_equal(video(model, steps=6), skipped)
