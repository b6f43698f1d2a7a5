"""CogVideoX 1.5 through our pipeline gives what diffusers' own pipelines give: tokens of two latent frames."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from tests.video import mosa_tiny, newer_tiny, tiny

from kinema.diffusion.guider import Guidance
from kinema.papers.mosa import MoSAAdapter
from kinema.papers.mtvcraft.adapter import MTVCraftAdapter
from kinema.papers.tokenmotion import TokenMotionAdapter
from kinema.video.adapters.attach import attach
from kinema.video.loading import load_pipeline
from kinema.video.model_loading import load_model
from kinema.video.models.cogvideox import COGVIDEOX15_FORMAT, CogVideoXVideo
from kinema.video.models.spec import spec_of
from kinema.video.pipeline import KinemaPipeline

CPU = torch.device("cpu")
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 32, 3), dtype=np.uint8))


def video_model(loaded, frames: int = 9, width: int = 32) -> CogVideoXVideo:
    form = dataclasses.replace(COGVIDEOX15_FORMAT, width=width, height=48, frames=frames)
    return CogVideoXVideo(**loaded.components, form=form, name="cogvideox1.5")


def kinema_pipeline(loaded, frames: int = 9, adapters=None) -> KinemaPipeline:
    made = KinemaPipeline(video_model(loaded, frames), adapters)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.mark.parametrize("picture", [False, True])
@pytest.mark.parametrize("frames", [9, 17])
def test_a_seed_gives_what_diffusers_own_pipeline_gives(picture, frames):
    loaded = newer_tiny.cogvideox15(picture)
    ours = kinema_pipeline(loaded, frames)
    texts = [ours.video_model.encode_text(words, CPU) for words in ("a person walks", "blurred")]
    given = {"image": PICTURE} if picture else {}
    theirs = loaded(
        prompt_embeds=texts[0],
        negative_prompt_embeds=texts[1],
        height=48,
        width=32,
        num_frames=frames,
        num_inference_steps=3,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(5),
        output_type="np",
        **given,
    ).frames[0]
    made = ours(
        "a person walks",
        **given,
        frames=frames,
        seed=5,
        steps=3,
        guidance=Guidance(text=4.0),
        negative_prompt="blurred",
    )
    assert made.frames.shape == (frames, 48, 32, 3)
    assert np.abs(made.frames / 255 - theirs).max() < 0.51 / 255 + 1e-4


def test_what_it_was_trained_on():
    """The model card's 1360x768, 81 frames (16n + 1 are asked for) at 16 fps; 21 latent frames are 11 tokens of two."""
    form = COGVIDEOX15_FORMAT
    assert (form.width, form.height, form.frames, form.fps, form.text_tokens) == (1360, 768, 81, 16.0, 226)
    model = video_model(newer_tiny.cogvideox15(), 81)
    assert model.draw_noise(81, torch.Generator()).shape == (1, 4, 22, 6, 4)
    assert spec_of(model.transformer).patch == (2, 2, 2)


def test_a_long_video_goes_on_from_its_last_frame():
    pipeline = kinema_pipeline(newer_tiny.cogvideox15(picture=True), 9)
    long = pipeline("a person walks", PICTURE, frames=15, steps=2).frames
    assert long.shape == (15, 48, 32, 3)
    assert np.array_equal(long[:9], pipeline("a person walks", PICTURE, frames=9, steps=2).frames)


def test_latents_of_training_are_padded_for_the_call_alone():
    model = video_model(newer_tiny.cogvideox15(picture=True))
    pixels = torch.rand(2, 3, 9, 48, 32) * 2 - 1
    encoded = model.encode_window(pixels, pixels[:, :, :1])
    window = model.training_window(encoded, torch.zeros(2, dtype=torch.bool), torch.randn)
    with torch.no_grad():
        said = model.predict(
            encoded["latents"], torch.tensor([300, 300]), torch.zeros(2, 226, 16), window, {}
        )
    assert said.shape == encoded["latents"].shape == (2, 4, 3, 6, 4)


def test_sizes_that_it_has_no_positions_for():
    """Its table of positions is cut to the picture, not stretched: no side is longer than `sample_width` * 8 pixels."""
    loaded = newer_tiny.cogvideox15()
    assert video_model(loaded, width=128).form.width == 128
    with pytest.raises(
        ValueError, match=r"cogvideox1\.5 makes pictures of at most 128x128 pixels, not 144x48"
    ):
        video_model(loaded, width=144)
    with pytest.raises(ValueError, match=r"8k \+ 1 frames, not 16"):
        video_model(loaded, frames=16)


def test_adapters_whose_tokens_hold_one_latent_frame_are_refused():
    transformer = newer_tiny.cogvideox15().transformer
    with pytest.raises(ValueError, match="TokenMotion makes one token of 1 x 2 x 2 latents"):
        TokenMotionAdapter.for_transformer(transformer)
    with pytest.raises(ValueError, match="hold 2 latent frames, motion tokens one"):
        MTVCraftAdapter.for_transformer(transformer)


def test_mosa_reads_skeletons_padded_as_the_video_is():
    loaded = newer_tiny.cogvideox15()
    adapter = mosa_tiny.awake(MoSAAdapter.for_transformer(loaded.transformer, control_width=8)).eval()
    attach(loaded.transformer, adapter)
    pipeline = kinema_pipeline(loaded, 9, {"mosa": adapter})

    def run(camera: str) -> np.ndarray:
        return pipeline("a person walks", None, tiny.scene(9, camera), frames=9, steps=1).frames

    assert not np.array_equal(run("static"), run("dolly in 1m"))


def test_folders_are_read_for_what_they_are(tmp_path):
    newer_tiny.cogvideox15(picture=True).save_pretrained(tmp_path)
    sized = {"width": 128, "height": 48}
    model = load_model(tmp_path, changes=sized)
    assert model.form == dataclasses.replace(COGVIDEOX15_FORMAT, **sized)
    assert model.reads_picture
    for weights in tmp_path.rglob("*.safetensors"):
        weights.write_bytes(b"")  # who reads them fails otherwise
    with pytest.raises(ValueError, match="at most 128x128 pixels, not 144x48"):
        load_pipeline(tmp_path, [], size=(144, 48))
    config = tmp_path / "transformer" / "config.json"
    config.write_text(config.read_text().replace('"in_channels": 8', '"in_channels": 9'))
    with pytest.raises(ValueError, match=r"reads 9 channels, not noise alone \(4\) or noise and a picture"):
        load_pipeline(tmp_path, [], size=(128, 48))
