"""CogVideoX-Fun follows poses by itself: as its pipeline in diffusers does, called by hand with the same skeletons."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from tests.video import newer_tiny, tiny

from kinema.diffusion.guider import Guidance
from kinema.passes.profile import PassOptions, profile_of
from kinema.passes.shot import Shot
from kinema.video.loading import load_pipeline
from kinema.video.model_loading import load_model
from kinema.video.models.cogvideox import COGVIDEOX_FORMAT, CogVideoXVideo
from kinema.video.models.cogvideox_fun import CogVideoXFunVideo
from kinema.video.pipeline import KinemaPipeline

CPU = torch.device("cpu")
WIDTH, HEIGHT = 96, 128
NAME = "cogvideox-fun-pose"


def kinema_pipeline(loaded, frames: int = 9) -> KinemaPipeline:
    form = dataclasses.replace(COGVIDEOX_FORMAT, width=WIDTH, height=HEIGHT, frames=frames)
    made = KinemaPipeline(CogVideoXFunVideo(**loaded.components, form=form, name=NAME))
    made.set_progress_bar_config(disable=True)
    return made


def test_it_makes_what_its_own_pipeline_makes_of_the_same_skeletons():
    loaded = newer_tiny.cogvideox_fun()
    ours = kinema_pipeline(loaded)
    assert ours.follows == {"pose"}
    shot = Shot(tiny.scene(9), (WIDTH, HEIGHT), 9, 8.0)
    (film,) = [
        each for each in profile_of("cogvideox-fun").passes(shot, PassOptions()) if each.name == "pose"
    ]
    assert film.data.shape == (9, HEIGHT, WIDTH, 3)
    assert film.data.any()
    texts = [ours.video_model.encode_text(words, CPU) for words in ("a person walks", "blurred")]
    theirs = loaded(
        prompt_embeds=texts[0],
        negative_prompt_embeds=texts[1],
        control_video=[Image.fromarray(frame) for frame in film.data],
        height=HEIGHT,
        width=WIDTH,
        num_inference_steps=3,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(5),
        output_type="np",
    ).frames[0]
    made = ours(
        "a person walks",
        None,
        tiny.scene(9),
        frames=9,
        seed=5,
        steps=3,
        guidance=Guidance(text=4.0),
        negative_prompt="blurred",
    )
    assert np.abs(made.frames / 255 - theirs).max() < 0.51 / 255 + 1e-4


def test_another_motion_gives_another_video():
    pipeline = kinema_pipeline(newer_tiny.cogvideox_fun())
    still = pipeline("a person", None, tiny.scene(9, "static"), frames=9, steps=1).frames
    assert not np.array_equal(
        still, pipeline("a person", None, tiny.scene(9, "dolly in 1m"), frames=9, steps=1).frames
    )


def test_what_it_cannot_do_is_said():
    loaded = newer_tiny.cogvideox_fun()
    pipeline = kinema_pipeline(loaded)
    with pytest.raises(ValueError, match="follows a scene: give a motion or a camera"):
        pipeline("a person", frames=9, steps=1)
    with pytest.raises(ValueError, match="reads no picture"):
        pipeline("a person", Image.new("RGB", (32, 48)), tiny.scene(9), frames=9, steps=1)
    with pytest.raises(ValueError, match="at most 9 frames"):
        pipeline("a person", None, tiny.scene(17), frames=17, steps=1)
    parts = newer_tiny.cogvideox_fun().components | {"transformer": tiny.cogvideox(max_text_seq_length=226)}
    form = dataclasses.replace(COGVIDEOX_FORMAT, width=WIDTH, height=HEIGHT)
    with pytest.raises(ValueError, match="follows no poses"):
        CogVideoXFunVideo(**parts, form=form, name=NAME)
    assert CogVideoXVideo(**parts, form=form).follows == frozenset()


@pytest.mark.parametrize("kind", ["CogVideoXFunControlPipeline", "CogVideoXPipeline"])
def test_a_folder_is_known_by_its_channels(kind, tmp_path):
    newer_tiny.cogvideox_fun().save_pretrained(tmp_path)
    index = tmp_path / "model_index.json"
    index.write_text(index.read_text().replace("CogVideoXFunControlPipeline", kind))
    model = load_model(tmp_path, changes={"width": WIDTH, "height": HEIGHT})
    assert isinstance(model, CogVideoXFunVideo)
    assert (model.form.frames, model.form.fps) == (49, 8.0)
    assert model.follows == {"pose"}
    with pytest.raises(ValueError, match="follows scenes by itself and has no tokenmotion"):
        load_pipeline(tmp_path, ["tokenmotion"])
    with pytest.raises(ValueError, match="makes no video without a scene"):
        load_pipeline(tmp_path, [])
