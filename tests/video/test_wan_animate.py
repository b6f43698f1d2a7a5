"""Wan-Animate through our pipeline gives what diffusers' WanAnimatePipeline gives when it is called with the passes by
hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tests.video import animate_tiny, published_tiny, tiny

from kinema.diffusion.guider import Guidance
from kinema.passes.profile import PassOptions, profile_of
from kinema.passes.shot import Footage, Shot
from kinema.video.loading import load_pipeline
from kinema.video.loras import load_loras, loras_of
from kinema.video.model_loading import check_form
from kinema.video.models.wan_animate import AnimatePasses, back_and_forth

PROMPT, NEGATIVE = "a person walks", "blurred"
HALF_A_LEVEL = 0.51 / 255 + 1e-4
RNG = np.random.default_rng(4)
PICTURE = Image.fromarray(RNG.integers(0, 255, (48, 32, 3), dtype=np.uint8))


def passes(frames: int, replace: bool) -> AnimatePasses:
    rng = np.random.default_rng(frames)
    pose, background = (rng.integers(0, 255, (frames, 48, 32, 3), dtype=np.uint8) for _ in range(2))
    face = rng.integers(0, 255, (frames, animate_tiny.FACE, animate_tiny.FACE, 3), dtype=np.uint8)
    hole = np.zeros((frames, 48, 32), bool)
    hole[:, 10:40, 5:20] = True
    return AnimatePasses(pose, face, background, hole) if replace else AnimatePasses(pose, face)


def by_hand(loaded, given: AnimatePasses, overlap=1, guidance=1.0, window=9) -> np.ndarray:
    """What diffusers makes of passes, 0 to 1."""
    model = animate_tiny.video_model(loaded)
    texts = [model.encode_text(words, torch.device("cpu")) for words in (PROMPT, NEGATIVE)]
    room = {}
    if given.background is not None:
        room = {"background_video": films(given.background), "mask_video": films(given.mask * np.uint8(255))}
    return loaded(
        image=PICTURE,
        pose_video=films(given.pose),
        face_video=films(given.face),
        prompt_embeds=texts[0],
        negative_prompt_embeds=texts[1],
        height=48,
        width=32,
        segment_frame_length=window,
        prev_segment_conditioning_frames=overlap,
        num_inference_steps=3,
        guidance_scale=guidance,
        mode="replace" if room else "animate",
        generator=torch.Generator().manual_seed(5),
        output_type="np",
        **room,
    ).frames[0]


def films(frames: np.ndarray) -> list[Image.Image]:
    return [Image.fromarray(each) for each in frames]


def ours(pipeline, given: AnimatePasses | None = None, guidance=1.0, frames=9, **more) -> np.ndarray:
    if given is not None:
        pipeline.video_model.read_shot = lambda shot: given
    return pipeline(
        PROMPT,
        PICTURE,
        tiny.scene(frames),
        frames=frames,
        seed=5,
        steps=3,
        negative_prompt=NEGATIVE,
        guidance=Guidance(text=guidance),
        **more,
    ).frames


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize(("frames", "window", "overlap"), [(9, 9, 1), (14, 9, 1), (24, 17, 5)])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_passes_by_hand_give_the_same_in_diffusers_own_pipeline(replace, frames, window, overlap, guidance):
    """One segment, two of which the second is filled up, and two that share five frames."""
    loaded = animate_tiny.pipeline()
    given = passes(frames, replace)
    theirs = by_hand(loaded, given, overlap, guidance, window)
    made = ours(animate_tiny.kinema_pipeline(loaded, window, overlap=overlap), given, guidance, frames)
    assert made.shape == theirs.shape == (frames, 48, 32, 3)
    # u + s (c - u) and (1 - s) u + s c round differently, and random weights carry that far into a second segment.
    share = 0.99 if guidance > 1 and frames > window else 1.0
    assert np.quantile(np.abs(made / 255 - theirs), share) < HALF_A_LEVEL


@pytest.mark.parametrize("change", ["pose", "face", "background", "mask"])
def test_every_pass_counts(change):
    loaded = animate_tiny.pipeline()
    given = passes(9, True)
    other = AnimatePasses(
        **{**given.__dict__, change: ~given.mask if change == "mask" else 255 - getattr(given, change)}
    )
    pipeline = animate_tiny.kinema_pipeline(loaded)
    assert not np.array_equal(ours(pipeline, given), ours(pipeline, other))


@pytest.mark.parametrize(("frames", "total"), [(5, 10), (2, 7), (9, 9), (4, 30)])
def test_films_run_back_and_forth_as_the_pipeline_pads_them(frames, total):
    padded = animate_tiny.pipeline().pad_video_frames(list(range(frames)), total)
    assert back_and_forth(frames, total).tolist() == padded


def test_one_frame_is_held():
    assert back_and_forth(1, 4).tolist() == [0, 0, 0, 0]


def test_a_scene_becomes_the_passes_of_its_profile():
    loaded = animate_tiny.pipeline()
    scene = tiny.scene(9)
    shot = Shot(scene, (32, 48), 9, 8.0, picture=np.asarray(PICTURE))
    profile = profile_of("wan-animate")
    made = ours(animate_tiny.kinema_pipeline(loaded))
    named = {each.name: each.data for each in profile.passes(shot, PassOptions())}
    small = [each.resize((animate_tiny.FACE,) * 2, Image.Resampling.LANCZOS) for each in films(named["face"])]
    theirs = by_hand(loaded, AnimatePasses(named["pose"], np.stack([np.asarray(each) for each in small])))
    assert np.abs(made / 255 - theirs).max() < HALF_A_LEVEL


def test_footage_is_replaced_in():
    """With a film given the person is put into it: its room and the hole reach the transformer."""
    pipeline = animate_tiny.kinema_pipeline(animate_tiny.pipeline())
    frames = RNG.integers(0, 255, (9, 48, 32, 3), dtype=np.uint8)
    people = np.zeros((1, 9, 48, 32), bool)
    people[0, :, 20:30, 10:20] = True
    put = ours(pipeline, footage=Footage(frames, people))
    assert not np.array_equal(put, ours(pipeline))


def test_a_picture_stands_on_black_as_a_whole():
    wide = Image.fromarray(np.full((16, 32, 3), 200, np.uint8))
    framed = np.asarray(animate_tiny.video_model(animate_tiny.pipeline()).framed(wide))
    assert framed.shape == (48, 32, 3)
    assert (framed[:16] == 0).all()
    assert (framed[16:32] == 200).all()


def test_nobody_in_particular_acts_where_no_prompt_is_given():
    pipeline = animate_tiny.kinema_pipeline(animate_tiny.pipeline())
    made = pipeline("", PICTURE, tiny.scene(9), frames=9, steps=1)
    assert made.settings["prompt"] == "视频中的人在做动作"
    assert made.settings["overlap"] == 1
    assert made.settings["shift"] == 5.0


def test_what_it_cannot_do_is_said(tmp_path):
    loaded = animate_tiny.pipeline()
    with pytest.raises(ValueError, match="share 1 or 5 frames, not 4"):
        animate_tiny.video_model(loaded, overlap=4)
    other = published_tiny.wan_pipeline(picture=True)
    with pytest.raises(ValueError, match="no Wan-Animate"):
        animate_tiny.video_model(other)
    pipeline = animate_tiny.kinema_pipeline(loaded)
    with pytest.raises(ValueError, match="follows a scene: give a motion"):
        pipeline(PROMPT, PICTURE)
    with pytest.raises(ValueError, match="needs a reference picture"):
        pipeline(PROMPT, None, tiny.scene(9))
    folder = tmp_path / "wan-animate"
    loaded.save_pretrained(folder)
    with pytest.raises(ValueError, match="multiples of 16 pixels"):
        check_form(folder, (40, 48))
    with pytest.raises(ValueError, match="has no recipe"):
        check_form(folder, settings={"recipe": "pose"})
    with pytest.raises(ValueError, match="leave out --control"):
        load_pipeline(folder, ("tokenmotion",), device="cpu")
    with pytest.raises(ValueError, match="leave out --control none"):
        load_pipeline(folder, (), device="cpu")


def test_a_folder_is_loaded_and_takes_a_lora(tmp_path):
    from safetensors.torch import save_file

    folder = tmp_path / "wan-animate"
    animate_tiny.pipeline().save_pretrained(folder)
    pipeline = load_pipeline(folder, size=(32, 48), frames=9, fps=8.0, settings={"overlap": 5}, device="cpu")
    assert pipeline.follows == frozenset({"pose"})
    assert pipeline.video_model.overlap == 5
    pipeline.set_progress_bar_config(disable=True)
    plain = ours(pipeline, frames=12)
    assert len(plain) == 12
    torch.manual_seed(3)
    state = {
        f"diffusion_model.blocks.{block}.self_attn.q.lora_{part}.weight": torch.randn(shape)
        for block in range(2)
        for part, shape in (("down", (2, 24)), ("up", (24, 2)))
    }
    save_file(state, tmp_path / "lora.safetensors")
    load_loras(pipeline.video_model, loras_of(tmp_path / "lora.safetensors"))
    assert not np.array_equal(plain, ours(pipeline, frames=12))
