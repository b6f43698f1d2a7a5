"""Wan 2.2 through our pipeline gives what diffusers' own pipelines give: two experts, and a time for every token."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.video import newer_tiny, tiny

from kinema.data.sample import Sample
from kinema.diffusion.guider import Guidance
from kinema.training.frozen import AdapterModel, load_frozen
from kinema.training.video_task import VideoTask
from kinema.video.adapters.attach import attach
from kinema.video.loading import load_pipeline
from kinema.video.model_loading import load_model
from kinema.video.models.cogvideox import COGVIDEOX15_FORMAT, COGVIDEOX_FORMAT
from kinema.video.models.experts import ExpertGuidance, rescaled
from kinema.video.models.published import PUBLISHED
from kinema.video.models.spec import spec_of
from kinema.video.models.video_model import VideoModel
from kinema.video.models.wan import WAN_FORMAT, WanVideo
from kinema.video.models.wan_first_frame import FIRST_FRAME_FORMAT, WanFirstFrameVideo
from kinema.video.pipeline import KinemaPipeline
from kinema.video.shapes import SHAPES

CPU = torch.device("cpu")
WIDTH, HEIGHT = 32, 64
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8))


def video_model(loaded, frames: int = 9) -> VideoModel:
    parts = {name: part for name, part in loaded.components.items() if part is not None}
    fine = loaded.config.expand_timesteps
    kind, form = (WanFirstFrameVideo, FIRST_FRAME_FORMAT) if fine else (WanVideo, WAN_FORMAT)
    form = dataclasses.replace(form, width=WIDTH, height=HEIGHT, frames=frames)
    return kind(**parts, boundary_ratio=loaded.config.boundary_ratio, form=form)


def kinema_pipeline(loaded, frames: int = 9, adapters=None) -> KinemaPipeline:
    made = KinemaPipeline(video_model(loaded, frames), adapters)
    made.set_progress_bar_config(disable=True)
    return made


MEMBERS = {
    "a14b-t2v": (newer_tiny.wan22_a14b, False),
    "a14b-i2v": (newer_tiny.wan22_a14b, True),
    "5b-t2v": (newer_tiny.wan22_5b, False),
    "5b-i2v": (newer_tiny.wan22_5b, True),
}


def theirs(loaded, steps: int, picture: bool, scales: tuple[float, float]) -> np.ndarray:
    """diffusers' own video, in 0 to 1."""
    model = video_model(loaded)
    texts = [model.encode_text(words, CPU) for words in ("a person walks", "blurred")]
    second = {} if loaded.config.boundary_ratio is None else {"guidance_scale_2": scales[1]}
    return loaded(
        prompt_embeds=texts[0],
        negative_prompt_embeds=texts[1],
        height=HEIGHT,
        width=WIDTH,
        num_frames=9,
        num_inference_steps=steps,
        guidance_scale=scales[0],
        generator=torch.Generator().manual_seed(5),
        output_type="np",
        **second,
        **({"image": PICTURE} if picture else {}),
    ).frames[0]


def ours(pipeline: KinemaPipeline, steps: int, picture: bool, guidance: Guidance) -> np.ndarray:
    made = pipeline(
        "a person walks",
        PICTURE if picture else None,
        frames=9,
        seed=5,
        steps=steps,
        guidance=guidance,
        negative_prompt="blurred",
    )
    assert made.frames.shape == (9, HEIGHT, WIDTH, 3)
    return made.frames / 255


@pytest.mark.parametrize("member", MEMBERS)
def test_a_seed_gives_what_diffusers_own_pipeline_gives(member):
    make, picture = MEMBERS[member]
    loaded = make(picture=picture)
    both = (4.0, 3.0) if "a14b" in member else (4.0, 4.0)
    guidance = Guidance(text=4.0)
    if "a14b" in member:
        guidance = ExpertGuidance(Guidance(text=4.0), Guidance(text=3.0), newer_tiny.BOUNDARY)
    made = ours(kinema_pipeline(loaded), 6, picture, guidance)
    assert np.abs(made - theirs(loaded, 6, picture, both)).max() < 0.51 / 255 + 1e-4


@pytest.mark.parametrize("ratio", [0.2, 0.999])
def test_either_expert_may_make_almost_all_steps(ratio):
    """The boundary both ways: with shift 3 two steps lie at 999 and 749."""
    loaded = newer_tiny.wan22_a14b()
    loaded.register_to_config(boundary_ratio=ratio)
    pipeline = kinema_pipeline(loaded)
    made = ours(pipeline, 2, False, Guidance(text=4.0))
    assert np.abs(made - theirs(loaded, 2, False, (4.0, 4.0))).max() < 0.51 / 255 + 1e-4
    used = {
        pipeline.video_model.denoiser(t) for t in pipeline.video_model.solver(2, None, None, CPU).timesteps
    }
    assert used == ({loaded.transformer} if ratio == 0.2 else {loaded.transformer, loaded.transformer_2})


def test_the_boundary_itself_is_the_first_experts():
    model = video_model(newer_tiny.wan22_a14b())
    assert model.denoisers == (model.transformer, model.transformer_2)
    assert model.denoiser(torch.tensor(875)) is model.transformer
    assert model.denoiser(torch.tensor(874)) is model.transformer_2


@pytest.mark.parametrize(("picture", "scales"), [(False, (4.0, 3.0)), (True, (3.5, 3.5))])
def test_experts_are_guided_as_they_were_published(picture, scales):
    """sample_guide_scale (low, high) and sample_steps of wan/configs/wan_{t2v,i2v}_A14B.py in Wan-Video/Wan2.2."""
    defaults = video_model(newer_tiny.wan22_a14b(picture)).defaults
    assert defaults.steps == 40
    assert defaults.guidance["text"].scale == scales[0]
    assert defaults.guidance.second["text"].scale == scales[1]


def test_a_person_may_set_the_scale_of_each_expert():
    """guidance_scale and guidance_scale_2 of diffusers' pipelines; one number is both, as there."""
    model = video_model(newer_tiny.wan22_a14b())
    asked = rescaled(model.defaults.guidance, {"text": (5.0, 2.0)})
    assert (asked["text"].scale, asked.second["text"].scale) == (5.0, 2.0)
    assert asked.settings() == {"text": 5.0, "second_expert": {"text": 2.0}}
    both = rescaled(model.defaults.guidance, {"text": 6.0})
    assert (both["text"].scale, both.second["text"].scale) == (6.0, 6.0)
    with pytest.raises(ValueError, match="two scales of text are for a model of two experts"):
        rescaled(Guidance(text=5.0), {"text": (5.0, 2.0)})


def test_what_the_5b_was_trained_on():
    """wan/configs/wan_ti2v_5B.py: vae_stride (4, 16, 16), sample_fps 24, frame_num 121, 50 steps, guidance 5."""
    form = FIRST_FRAME_FORMAT
    assert (form.width, form.height, form.frames, form.fps) == (1280, 704, 121, 24.0)
    assert form.latent_shape(48, 121, WanFirstFrameVideo.spatial_compression) == (1, 48, 31, 44, 80)
    assert WanFirstFrameVideo.defaults.steps == 50
    assert spec_of(newer_tiny.wan22_5b().transformer).token_grid(121, 704, 1280) == (31, 22, 40)


def test_tokens_of_a_known_first_frame_are_told_that_they_are_clean():
    model = video_model(newer_tiny.wan22_5b())
    seen = []
    model.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append((kwargs["timestep"], kwargs["hidden_states"])),
        with_kwargs=True,
    )
    picture = torch.rand(1, 3, 1, HEIGHT, WIDTH) * 2 - 1
    window = model.begin_window(picture, None, 9, torch.Generator(), CPU)
    noise = torch.randn(1, 48, 3, 4, 2)
    model.predict(noise, torch.tensor(700), torch.zeros(1, 4, 16), window, {})
    times, shown = seen[0]
    assert times.tolist() == [[0.0] * 2 + [700.0] * 4]  # two tokens in a latent frame of 4 x 2
    assert torch.equal(shown[:, :, :1], model.encode_video(picture))
    assert torch.equal(shown[:, :, 1:], noise[:, :, 1:])


@pytest.mark.parametrize("picture", [True, False])
def test_the_5b_goes_on_from_its_last_frame(picture):
    pipeline = kinema_pipeline(newer_tiny.wan22_5b(), 9)
    assert pipeline.video_model.overlap == 1
    shown = PICTURE if picture else None
    long = pipeline("a person walks", shown, frames=15, steps=2).frames
    assert long.shape == (15, HEIGHT, WIDTH, 3)
    assert np.array_equal(long[:9], pipeline("a person walks", shown, frames=9, steps=2).frames)


def test_i2v_goes_on_from_nine_frames_with_both_experts():
    pipeline = kinema_pipeline(newer_tiny.wan22_a14b(picture=True), 13)
    long = pipeline("a person walks", PICTURE, frames=17, steps=6).frames
    assert long.shape == (17, HEIGHT, WIDTH, 3)
    assert np.array_equal(long[:13], pipeline("a person walks", PICTURE, frames=13, steps=6).frames)


def test_an_adapter_on_one_expert_alone_is_refused():
    loaded = newer_tiny.wan22_a14b()
    adapter = tiny.adapter()
    attach(loaded.transformer, adapter)
    with pytest.raises(ValueError, match=r"tokenmotion is not attached to every expert of wan2\.1"):
        kinema_pipeline(loaded, 9, {"tokenmotion": adapter})


def test_the_5b_learns_with_and_without_its_first_frame():
    model = video_model(newer_tiny.wan22_5b())
    encoded = model.encode_window(
        torch.rand(2, 3, 9, HEIGHT, WIDTH) * 2 - 1, torch.zeros(2, 3, 1, HEIGHT, WIDTH)
    )
    window = model.training_window(encoded, torch.tensor([True, False]), torch.randn)
    x = torch.randn(2, 48, 3, 4, 2)
    shown = window.shown(x)
    assert torch.equal(shown[0, :, :1], encoded["latents"][0, :, :1])
    assert torch.equal(shown[1], x[1])
    assert window.times(torch.tensor([300.0, 400.0]), 3).tolist() == [[0, 300, 300], [400, 400, 400]]
    with torch.no_grad():
        said = model.predict(x, torch.tensor([300.0, 400.0]), torch.zeros(2, 4, 16), window, {})
    assert said.shape == x.shape


def test_an_adapter_learns_on_the_5b():
    """Half of its windows know their first frame, which then counts nothing; the adapter gets gradients either way."""
    model = video_model(newer_tiny.wan22_5b())
    for part in model.components.values():
        if isinstance(part, torch.nn.Module):
            part.requires_grad_(False)
    adapter = tiny.awake(tiny.adapter(pixel_unshuffle=16)).train()
    attach(model.transformer, adapter)
    film = np.full((9, HEIGHT, WIDTH, 3), 90, np.uint8)
    samples = [Sample("a person walks", tiny.scene(9), 0, 9, (WIDTH, HEIGHT), 8.0, film[0], film)] * 4
    task = VideoTask(model, {"tokenmotion": adapter})
    assert task.given == 0.5
    loss = sum(task(samples, torch.Generator().manual_seed(0)).values())
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(each.grad).all() for each in adapter.parameters() if each.grad is not None)
    assert adapter.sites[0].lora_up.weight.grad.abs().sum() > 0


def test_an_adapter_is_not_trained_on_two_experts(tmp_path):
    """Training knows one transformer, and would teach the adapter the noisy steps alone."""
    newer_tiny.wan22_a14b().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="has two experts, and training knows one transformer"):
        load_frozen(AdapterModel(adapter="tokenmotion", weights=str(tmp_path)))


@pytest.mark.parametrize(
    ("name", "form", "steps"),
    [
        ("wan2.2-5b", FIRST_FRAME_FORMAT, 50),
        ("wan2.2-t2v-a14b", WAN_FORMAT, 40),
        ("wan2.2-i2v-a14b", WAN_FORMAT, 40),
        ("cogvideox1.5-5b", COGVIDEOX15_FORMAT, 50),
        ("cogvideox1.5-5b-i2v", COGVIDEOX15_FORMAT, 50),
        ("cogvideox-fun-pose", COGVIDEOX_FORMAT, 50),
    ],
)
def test_what_is_planned_is_what_is_made(name, form, steps):
    shape = SHAPES[name]
    assert (shape.size, shape.frames, shape.fps, shape.steps) == (form.size, form.frames, form.fps, steps)
    assert name in PUBLISHED


def test_what_does_not_belong_together_is_said():
    loaded = newer_tiny.wan22_a14b()
    parts = {name: part for name, part in loaded.components.items() if part is not None}
    with pytest.raises(ValueError, match="no boundary_ratio"):
        WanVideo(**parts)
    parts.pop("transformer_2")
    with pytest.raises(ValueError, match="no transformer_2"):
        WanVideo(**parts, boundary_ratio=0.875)
    form = dataclasses.replace(FIRST_FRAME_FORMAT, width=1280, height=720)
    fine = {name: part for name, part in newer_tiny.wan22_5b().components.items() if part is not None}
    with pytest.raises(ValueError, match="multiples of 32 pixels, not 1280x720; take 1280x704"):
        WanFirstFrameVideo(**fine, form=form)


def test_a_picture_is_read_by_the_5b_and_not_by_a_t2v():
    pipeline = kinema_pipeline(newer_tiny.wan22_5b())
    with_picture = pipeline("a", PICTURE, frames=5, steps=1).frames
    assert not np.array_equal(with_picture, pipeline("a", frames=5, steps=1).frames)
    with pytest.raises(ValueError, match="reads no picture"):
        kinema_pipeline(newer_tiny.wan22_a14b())("a", PICTURE)


@pytest.fixture
def folder(tmp_path) -> Path:
    newer_tiny.wan22_5b().save_pretrained(tmp_path / "5b")
    return tmp_path / "5b"


def changed(file: Path, **facts) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | facts))


def test_folders_are_read_for_what_they_are(folder, tmp_path):
    model = load_model(folder, changes={"width": WIDTH, "height": HEIGHT})
    assert isinstance(model, WanFirstFrameVideo)
    assert model.form == dataclasses.replace(FIRST_FRAME_FORMAT, width=WIDTH, height=HEIGHT)
    newer_tiny.wan22_a14b(picture=True).save_pretrained(tmp_path / "a14b")
    model = load_model(tmp_path / "a14b")
    assert (type(model), model.boundary_ratio, model.form) == (WanVideo, newer_tiny.BOUNDARY, WAN_FORMAT)
    assert model.reads_picture
    assert len(model.denoisers) == 2


def test_folders_that_are_not_what_they_say_are_refused_before_their_weights_are_read(folder):
    for weights in folder.rglob("*.safetensors"):
        weights.write_bytes(b"")  # who reads them fails otherwise
    with pytest.raises(ValueError, match="multiples of 32 pixels, not 1280x720; take 1280x704"):
        load_pipeline(folder, [], size=(1280, 720))
    changed(folder / "model_index.json", expand_timesteps=False)
    with pytest.raises(
        ValueError, match="an autoencoder of 16 pixels per latent; its kind of Wan has one of 8"
    ):
        load_pipeline(folder, [])
    changed(folder / "vae" / "config.json", scale_factor_spatial=8)
    changed(folder / "transformer" / "config.json", in_channels=96)
    with pytest.raises(
        ValueError, match=r"reads 96 channels, not noise alone \(48\) or noise and a picture \(100\)"
    ):
        load_pipeline(folder, [])
