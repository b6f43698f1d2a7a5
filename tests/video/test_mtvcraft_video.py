"""The two published models from files to video, at a tiny size and with random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.video import mtvcraft_tiny, published_tiny, tiny

from kinema.diffusion.guider import Guidance
from kinema.papers.mtvcraft.adapter import MTVCraftAdapter
from kinema.papers.mtvcraft.loading import load_mtvcraft
from kinema.papers.mtvcraft.models import BUCKETS, MTVCraftCogVideoX, bucket_of
from kinema.video.models.video_model import VideoFormat

SIZE = (published_tiny.WIDTH, published_tiny.HEIGHT)


def published_cogvideox() -> dict[str, torch.Tensor]:
    transformer = tiny.cogvideox(in_channels=8)
    state = dict(transformer.state_dict())
    adapter = mtvcraft_tiny.awake(mtvcraft_tiny.adapter(transformer))
    for key, value in adapter.sites.state_dict().items():
        index, name = key.split(".", 1)
        state[f"transformer_blocks.{index}.attn0.{name.replace('to_out.', 'to_out.0.')}"] = value
    state["unconditional_motion_token"] = adapter.null_motion.detach()
    return state


def published_wan() -> dict[str, torch.Tensor]:
    transformer = tiny.wan(
        num_attention_heads=1, attention_head_dim=128, in_channels=12, image_dim=8, added_kv_proj_dim=128
    )
    state = dict(transformer.state_dict())
    padded = MTVCraftAdapter.for_transformer(transformer, blocks=(0,), code_dim=128)
    adapter = mtvcraft_tiny.awake(padded)
    for key, value in adapter.sites[0].state_dict().items():
        module, name = key.split(".")
        theirs = {"norm": "norm4", "to_out": "motion_attn.o"}.get(
            module, f"motion_attn.{module.removeprefix('to_')}"
        )
        state[f"blocks.0.{theirs}.{name}"] = value
    return state


@pytest.fixture(params=["cogvideox", "wan"])
def pipeline(request, tmp_path):
    cogvideox = request.param == "cogvideox"
    base = (
        published_tiny.cogvideox_pipeline(dpm=True)
        if cogvideox
        else published_tiny.wan_pipeline(picture=True)
    )
    base.save_pretrained(tmp_path / "base")
    state = published_cogvideox() if cogvideox else published_wan()
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "mtvcraft.safetensors")
    return load_mtvcraft(
        tmp_path / "mtvcraft.safetensors",
        mtvcraft_tiny.tokenizer(),
        tmp_path / "base",
        size=SIZE,
        fps=8.0,
        device="cpu",
    )


def film(pipeline, scene, frames):
    image = np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    return pipeline(image=image, scene=scene, frames=frames, steps=2, seed=3).frames


def test_a_picture_and_a_motion_become_video(pipeline):
    made = film(pipeline, tiny.scene(), 9)
    assert made.shape == (9, SIZE[1], SIZE[0], 3)
    assert not np.array_equal(made, film(pipeline, tiny.scene(camera="dolly out 1m"), 9))


def test_long_videos_are_made_in_whole_windows_that_share_nine_frames(pipeline):
    model = pipeline.video_model
    assert (model.overlap, model.window_frames(5), model.window_frames(60)) == (9, 49, 49)
    made = film(pipeline, tiny.scene(), 60)
    assert made.shape[0] == 60


def test_cogvideox_takes_two_passes_and_no_text():
    passes = MTVCraftCogVideoX.defaults.guidance.passes_at(0.0, frozenset({"text", "pose"}))
    assert [(each.weight, set(each.conditions)) for each in passes] == [(-2.0, set()), (3.0, {"pose"})]
    parts = published_tiny.cogvideox_pipeline(dpm=True)
    model = MTVCraftCogVideoX(
        transformer=tiny.cogvideox(in_channels=8), vae=parts.vae, scheduler=parts.scheduler
    )
    assert model.defaults.guidance == Guidance(text=0.0, pose=3.0)
    assert model.encode_text("", torch.device("cpu")).shape == (1, 0, 16)
    with pytest.raises(ValueError, match="reads no text"):
        model.encode_text("a person walks", torch.device("cpu"))


def test_known_frames_end_up_in_the_next_window():
    parts = published_tiny.cogvideox_pipeline(dpm=True)
    form = VideoFormat(width=32, height=48, frames=17, fps=8.0, text_tokens=0)
    model = MTVCraftCogVideoX(
        transformer=tiny.cogvideox(in_channels=8), vae=parts.vae, scheduler=parts.scheduler, form=form
    )
    picture, known = torch.rand(1, 3, 1, 48, 32), torch.rand(1, 3, 9, 48, 32)
    generator, device = torch.Generator().manual_seed(0), torch.device("cpu")
    with torch.no_grad():
        window = model.begin_window(picture, known, 17, generator, device)
        made = tiny.denoised(
            model, lambda x, t: torch.zeros_like(x), window, 17, steps=3, generator=generator
        )
        assert torch.equal(made[:, :, :3], model.encode_video(known))
    assert window.picture.shape == made.shape == (1, 4, 5, 6, 4)


@pytest.mark.parametrize(
    ("picture", "video"),
    [
        ((512, 512), (512, 512)),
        ((1000, 1000), (512, 512)),
        ((1080, 1920), (384, 672)),
        ((1920, 1080), (672, 384)),
        ((600, 800), (448, 576)),
        ((10, 900), (256, 1024)),
    ],
)
def test_the_wan_model_takes_the_bucket_of_the_picture(picture, video):
    assert bucket_of(*picture) == video


def test_every_bucket_can_be_made_and_names_its_ratio():
    for ratio, (width, height) in BUCKETS.items():
        assert width % 32 == height % 32 == 0
        assert height / width == pytest.approx(ratio, abs=0.01)


def test_the_wan_model_is_sampled_and_sized_as_the_public_code_does(tmp_path):
    published_tiny.wan_pipeline(picture=True).save_pretrained(tmp_path / "base")
    state = {key: value.contiguous() for key, value in published_wan().items()}
    save_file(state, tmp_path / "mtvcraft.safetensors")
    given = (tmp_path / "mtvcraft.safetensors", mtvcraft_tiny.tokenizer(), tmp_path / "base")
    pipeline = load_mtvcraft(*given, device="cpu")
    scheduler = pipeline.video_model.scheduler
    assert (type(scheduler).__name__, scheduler.config.shift) == ("FlowMatchEulerDiscreteScheduler", 5.0)
    assert pipeline.size == (512, 512)
    assert pipeline.fit(np.zeros((1920, 1080, 3), np.uint8)) == pipeline.size == (384, 672)
    fixed = load_mtvcraft(*given, size=SIZE, device="cpu")
    assert fixed.fit(np.zeros((1920, 1080, 3), np.uint8)) == fixed.size == SIZE


def test_another_backbone_is_refused(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "WanPipeline"}')
    with pytest.raises(ValueError, match="is a WanPipeline; MTVCraft was published for"):
        load_mtvcraft(tmp_path / "w", mtvcraft_tiny.tokenizer(), tmp_path)
