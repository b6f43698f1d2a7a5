"""Wan-Animate-2 through our call gives bit for bit what diffusers' modular pipeline gives when called by hand.

Its attention runs uncompiled on the CPU, at this size.
"""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from tests.video import tiny, whole_tiny

from kinema.diffusion.guider import Guidance
from kinema.passes.shot import Footage, Shot
from kinema.video.loading import load_pipeline
from kinema.video.model_loading import check_form, load_model
from kinema.video.models.wan_animate_2 import ANIMATE_2_FORMAT, WanAnimate2, zigzag
from kinema.video.whole import WholePipeline

PROMPT = "a person walks"
RNG = np.random.default_rng(6)
PICTURE = Image.fromarray(RNG.integers(0, 255, (48, 32, 3), dtype=np.uint8))


def model(loaded, **changes) -> WanAnimate2:
    form = {"width": 32, "height": 48, "frames": 9, "fps": 8.0, "text_tokens": 16, **changes}
    return WanAnimate2(loaded, dataclasses.replace(ANIMATE_2_FORMAT, **form))


def ours(loaded, frames: int, **more):
    pipeline = WholePipeline(model(loaded))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(PROMPT, PICTURE, tiny.scene(frames), frames=frames, seed=5, steps=2, **more)


def by_hand(loaded, film: np.ndarray) -> np.ndarray:
    made = loaded(
        prompt=PROMPT,
        image=PICTURE,
        driving_video=[Image.fromarray(each) for each in film],
        height=49,  # 48 x 32 is an area whose root falls a hair short of 48
        width=32,
        segment_frame_length=9,
        num_inference_steps=2,
        max_sequence_length=16,
        generator=torch.Generator().manual_seed(5),
        output="videos",
    )
    return (made[0] * 255).round().astype(np.uint8)


@pytest.mark.parametrize(("distilled", "frames"), [(False, 9), (False, 14), (True, 14)])
def test_the_same_as_by_hand(distilled, frames):
    """One segment, and two of which the pipeline fills up the second itself."""
    loaded = whole_tiny.wan_animate_2(distilled)
    film = Shot(tiny.scene(frames), (32, 48), frames, 8.0).film
    theirs = by_hand(loaded, film)
    made = ours(loaded, frames).frames
    assert made.shape == (frames, 48, 32, 3)
    assert np.array_equal(made, theirs)


def test_guidance_on_the_text_is_the_guiders_scale():
    loaded = whole_tiny.wan_animate_2()
    plain = ours(loaded, 9).frames
    assert np.array_equal(plain, ours(loaded, 9, guidance=Guidance(text=3.0)).frames)
    assert not np.array_equal(plain, ours(loaded, 9, guidance=Guidance(text=6.0)).frames)


def test_defaults_are_those_of_the_presets():
    """modular_pipelines/wan_animate_2/denoise.py: 40 steps and guidance 3; distilled 10 steps and none."""
    for distilled, steps, scale in ((False, 40, 3.0), (True, 10, 1.0)):
        defaults = model(whole_tiny.wan_animate_2(distilled)).defaults
        assert (defaults.steps, defaults.guidance["text"].scale) == (steps, scale)


def test_footage_drives_it_instead_of_the_stage():
    loaded = whole_tiny.wan_animate_2()
    film = RNG.integers(0, 255, (9, 48, 32, 3), dtype=np.uint8)
    footage = Footage(film, np.zeros((1, 9, 48, 32), bool))
    assert np.array_equal(ours(loaded, 9, footage=footage).frames, by_hand(loaded, film))


def test_short_films_are_filled_up_too():
    """The pipeline itself cannot where fewer frames are there than missing."""
    assert zigzag(5, 13).tolist() == [0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 0, 1, 2]
    assert len(ours(whole_tiny.wan_animate_2(), 3).frames) == 3


@pytest.mark.parametrize("size", [(640, 800), (800, 640), (688, 752), (1280, 720), (64, 80)])
def test_the_pipeline_makes_exactly_the_size_that_was_asked_for(size):
    from diffusers.modular_pipelines.modular_pipeline import PipelineState

    loaded = whole_tiny.wan_animate_2()
    asked = model(loaded, width=size[0], height=size[1])
    asked.fixed = True
    picture = asked.framed(Image.new("RGB", (500, 333)))
    state = PipelineState()
    for name, value in {"image": picture, "height": size[1] + 1, "width": size[0]}.items():
        state.set(name, value)
    loaded.blocks.sub_blocks["image_encoder"].sub_blocks["preprocess"](loaded, state)
    assert tuple(state.get("image_pixels").shape[-2:]) == size[::-1]
    assert state.get("crop_region") == (0, 0, size[1], size[0])


def test_the_picture_gives_the_shape_where_no_size_was_asked_for():
    made = model(whole_tiny.wan_animate_2(), width=640, height=800)
    assert made.size_for(500, 625) == (640, 800)
    wide = made.size_for(1600, 900)
    assert wide[0] > wide[1]
    assert abs(wide[0] * wide[1] / (640 * 800) - 1) < 0.05


def test_a_folder_is_loaded_from_itself_alone(tmp_path):
    folder = tmp_path / "wan-animate-2"
    whole_tiny.wan_animate_2(distilled=True).save_pretrained(str(folder), overwrite_modular_index=True)
    pipeline = load_pipeline(folder, size=(32, 48), frames=9, fps=8.0, device="cpu")
    assert isinstance(pipeline, WholePipeline)
    assert pipeline.follows == frozenset({"pose", "camera"})
    assert pipeline.video_model.fixed
    assert pipeline.video_model.defaults.steps == 10
    with pytest.raises(ValueError, match="by a pipeline of its own"):
        load_model(folder)
    with pytest.raises(ValueError, match="multiples of 16 pixels"):
        check_form(folder, (40, 48))
    with pytest.raises(ValueError, match="has no recipe"):
        check_form(folder, settings={"recipe": "pose"})
    for asked in ({"adapters": ("tokenmotion",)}, {"fast": "lightx2v"}, {"cache": "first-block"}):
        with pytest.raises(ValueError, match="is sampled by a pipeline of its own, which knows no --"):
            load_pipeline(folder, **asked, device="cpu")
    with pytest.raises(ValueError, match="leave out --control none"):
        load_pipeline(folder, (), device="cpu")
    shutil.rmtree(folder / "vae")
    with pytest.raises(FileNotFoundError, match="not complete: there is no vae"):
        load_pipeline(folder, device="cpu")
