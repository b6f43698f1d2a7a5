"""CogVideoX and Wan through our pipeline give what diffusers' own pipelines give, to the last bit that floats allow."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from tests.video import published_tiny, tiny

from kinema.diffusion.guider import Guidance
from kinema.papers.mosa import MoSAAdapter
from kinema.video.adapters.attach import attach
from kinema.video.models.cogvideox import COGVIDEOX_FORMAT, CogVideoXVideo
from kinema.video.models.video_model import VideoModel
from kinema.video.models.wan import WAN_FORMAT, WanVideo
from kinema.video.pipeline import KinemaPipeline

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 32, 3), dtype=np.uint8))
SIZE = {"width": published_tiny.WIDTH, "height": published_tiny.HEIGHT}
FAMILIES = {
    "cogvideox": (published_tiny.cogvideox_pipeline, {}),
    "cogvideox-2b": (published_tiny.cogvideox_pipeline, {"rotary": False}),
    "cogvideox-dpm": (published_tiny.cogvideox_pipeline, {"dpm": True}),
    "cogvideox-i2v": (published_tiny.cogvideox_pipeline, {"picture": True}),
    "wan": (published_tiny.wan_pipeline, {}),
    "wan-i2v": (published_tiny.wan_pipeline, {"picture": True}),
}


def video_model(loaded, frames: int = 9) -> VideoModel:
    family, form = (
        (CogVideoXVideo, COGVIDEOX_FORMAT)
        if type(loaded).__name__.startswith("Cog")
        else (WanVideo, WAN_FORMAT)
    )
    parts = {name: part for name, part in loaded.components.items() if part is not None}
    parts.pop("transformer_2", None)
    return family(**parts, form=dataclasses.replace(form, frames=frames, **SIZE))


def kinema_pipeline(loaded, frames: int = 9, adapters=None) -> KinemaPipeline:
    made = KinemaPipeline(video_model(loaded, frames), adapters)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.mark.parametrize("family", FAMILIES)
def test_a_seed_gives_what_diffusers_own_pipeline_gives(family):
    make, options = FAMILIES[family]
    loaded = make(**options)
    ours = kinema_pipeline(loaded)
    picture = {"image": PICTURE} if options.get("picture") else {}
    # diffusers' Wan image-to-video cleans prompts with a package that Kinema does not need.
    texts = [
        ours.video_model.encode_text(words, torch.device("cpu")) for words in ("a person walks", "blurred")
    ]
    theirs = loaded(
        prompt_embeds=texts[0],
        negative_prompt_embeds=texts[1],
        height=48,
        width=32,
        num_frames=9,
        num_inference_steps=3,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(5),
        output_type="np",
        **picture,
    ).frames[0]
    made = ours(
        "a person walks",
        **picture,
        frames=9,
        seed=5,
        steps=3,
        guidance=Guidance(text=4.0),
        negative_prompt="blurred",
    )
    assert made.frames.shape == (9, 48, 32, 3)
    assert np.abs(made.frames / 255 - theirs).max() < 0.51 / 255 + 1e-4


@pytest.mark.parametrize("family", ["cogvideox", "wan"])
def test_prompts_are_encoded_as_diffusers_does(family):
    make, options = FAMILIES[family]
    loaded = make(**options)
    tokens = video_model(loaded).form.text_tokens
    theirs, nothing = loaded.encode_prompt("a  person walks", max_sequence_length=tokens)
    ours = video_model(loaded)
    assert torch.equal(ours.encode_text("a  person walks", torch.device("cpu")), theirs)
    assert torch.equal(ours.encode_text("", torch.device("cpu")), nothing)


@pytest.mark.parametrize("family", ["cogvideox", "wan"])
def test_latents_come_back_as_they_were_scaled(family):
    make, options = FAMILIES[family]
    model = video_model(make(**options))
    pixels = torch.rand(1, 3, 9, 48, 32) * 2 - 1
    latents = model.encode_video(pixels)
    assert latents.shape == (1, 4, 3, 6, 4)
    plain = model.vae.encode(pixels).latent_dist.mode()
    assert torch.allclose(model.decode(latents), model.vae.decode(plain).sample, atol=1e-5)


@pytest.mark.parametrize("family", ["cogvideox-dpm", "cogvideox-i2v", "wan", "wan-i2v"])
def test_an_adapter_steers_every_family(family):
    make, options = FAMILIES[family]
    loaded = make(**options)
    adapter = tiny.awake(tiny.adapter())
    attach(loaded.transformer, adapter)
    pipeline = kinema_pipeline(loaded, 9, {"tokenmotion": adapter})
    picture = PICTURE if options.get("picture") else None

    def run(scene, **more) -> np.ndarray:
        return pipeline("a person", picture, scene, frames=5, steps=2, **more).frames

    steered = run(tiny.scene(5))
    assert not np.array_equal(steered, run(None))
    assert not np.array_equal(steered, run(tiny.scene(5, "dolly in 1m")))
    assert not np.array_equal(steered, run(tiny.scene(5), guidance=Guidance(text=5.0, pose=3.0)))
    assert np.array_equal(steered, run(tiny.scene(5)))


@pytest.mark.parametrize("family", ["cogvideox-i2v", "wan"])
def test_an_adapter_that_reads_text_and_latents_works_beside_another(family):
    make, options = FAMILIES[family]
    loaded = make(**options)
    adapters = {"tokenmotion": tiny.awake(tiny.adapter())}
    torch.manual_seed(2)
    adapters["mosa"] = MoSAAdapter.for_transformer(loaded.transformer).eval()
    for parameter in adapters["mosa"].parameters():
        if not parameter.any():  # what starts at zero says nothing yet
            torch.nn.init.normal_(parameter, std=0.2)
    for adapter in adapters.values():
        attach(loaded.transformer, adapter)
    picture = PICTURE if options.get("picture") else None

    def run(names: list[str]) -> np.ndarray:
        pipeline = kinema_pipeline(loaded, 9, {name: adapters[name] for name in names})
        return pipeline("a person walks", picture, tiny.scene(9), frames=9, steps=1).frames

    both = run(["tokenmotion", "mosa"])
    assert not np.array_equal(both, run(["tokenmotion"]))
    assert not np.array_equal(both, run(["mosa"]))


@pytest.mark.parametrize(("family", "overlap"), [("cogvideox-i2v", 1), ("wan-i2v", 9)])
def test_long_videos_continue_the_frames_that_windows_share(family, overlap):
    make, options = FAMILIES[family]
    pipeline = kinema_pipeline(make(**options), 17)
    assert pipeline.video_model.overlap == overlap
    long = pipeline("a person walks", PICTURE, frames=19, steps=2)
    assert long.frames.shape == (19, 48, 32, 3)
    assert np.array_equal(long.frames[:17], pipeline("a person walks", PICTURE, frames=17, steps=2).frames)


def test_cogvideox_makes_an_odd_number_of_latent_frames():
    """Its autoencoder would return 8 frames for the 2 latent frames that 5 were encoded to."""
    pipeline = kinema_pipeline(published_tiny.cogvideox_pipeline(), 17)
    assert pipeline.video_model.window_frames(5) == 9
    short, long = (pipeline("", frames=frames, steps=1).frames for frames in (5, 9))
    assert np.array_equal(short, long[:5])


def test_wan_keeps_known_frames_at_the_noise_level_of_each_step():
    """Known latents are put back after every step: at the end they are what the window before made."""
    model = video_model(published_tiny.wan_pipeline(picture=True), 13)
    known = torch.rand(1, 3, 9, 48, 32) * 2 - 1
    generator = torch.Generator().manual_seed(0)
    cpu = torch.device("cpu")
    window = model.begin_window(known[:, :, :1], known, 13, generator, cpu)
    assert window.known == 9
    latents = window.condition[:, 4:, :3]
    assert window.condition[:, :4, :3].min() == 1
    assert window.condition[:, :4, 3:].max() == 0
    seen = []

    def predict(x, t):
        seen.append(x)
        return torch.zeros_like(x)

    made = tiny.denoised(model, predict, window, 13, steps=3, generator=generator)
    assert torch.equal(made[:, :, :3], latents)
    spread = [(x[:, :, :3] - latents).std() for x in seen]
    assert spread[0] > spread[1] > spread[2]


def test_text_to_video_makes_one_window_and_says_so():
    pipeline = kinema_pipeline(published_tiny.wan_pipeline(), 5)
    assert len(pipeline("", frames=2, steps=1).frames) == 2
    with pytest.raises(ValueError, match=r"at most 5 frames \(0\.3 s\), not 6"):
        pipeline("", frames=6, steps=1)


def test_pictures_are_needed_or_not_read():
    with pytest.raises(ValueError, match="needs a reference picture"):
        kinema_pipeline(published_tiny.wan_pipeline(picture=True))("")
    with pytest.raises(ValueError, match="reads no picture"):
        kinema_pipeline(published_tiny.wan_pipeline())("", PICTURE)


def test_a_shift_changes_flow_schedules_and_is_refused_where_there_is_none():
    wan = kinema_pipeline(published_tiny.wan_pipeline(), 5)
    assert not np.array_equal(wan("", steps=3).frames, wan("", steps=3, shift=9.0).frames)
    with pytest.raises(ValueError, match="has no shift"):
        kinema_pipeline(published_tiny.cogvideox_pipeline(), 9)("", steps=1, shift=3.0)


def test_formats_that_a_model_cannot_make():
    loaded = published_tiny.cogvideox_pipeline(picture=True)
    parts = loaded.components
    form = dataclasses.replace(COGVIDEOX_FORMAT, **SIZE)
    with pytest.raises(ValueError, match="multiples of 16"):
        CogVideoXVideo(**parts, form=dataclasses.replace(form, width=40))
    with pytest.raises(ValueError, match="8k \\+ 1"):
        CogVideoXVideo(**parts, form=dataclasses.replace(form, frames=48))
    with pytest.raises(ValueError, match="32x48 only"):
        CogVideoXVideo(**parts, form=dataclasses.replace(form, width=64))


def test_a_nan_stops_with_a_message():
    loaded = published_tiny.wan_pipeline()
    torch.nn.init.constant_(loaded.transformer.proj_out.bias, torch.nan)
    with pytest.raises(FloatingPointError, match="step 1 of 2"):
        kinema_pipeline(loaded, 5)("", steps=2)
