import json

import numpy as np
import pytest
import torch
from PIL import Image
from tests.appearance import tiny

from kinema.appearance.adapters.attach import attach
from kinema.appearance.backbones.mini_video import MiniVideo
from kinema.appearance.guidance import Guidance
from kinema.appearance.loading import load_pipeline
from kinema.appearance.pipeline import KinemaPipeline
from kinema.appearance.pixels import picture_tensor


class Words:
    """Stands for the sentence encoder, which is a download apart: counts, does not understand."""

    def __call__(self, prompts, tokens):
        return torch.stack([torch.full((tokens, 384), float(len(prompt))) for prompt in prompts])


@pytest.fixture
def pipeline() -> KinemaPipeline:
    transformer, adapter = tiny.transformer(), tiny.awake(tiny.adapter())
    attach(transformer, adapter)
    model = MiniVideo(transformer, tiny.autoencoder(), tiny.FORM, text_encoder=Words())
    made = KinemaPipeline(model, {"tokenmotion": adapter})
    made.set_progress_bar_config(disable=True)
    return made


PICTURE = np.random.default_rng(0).integers(0, 255, (48, 32, 3), dtype=np.uint8)


def test_one_window(pipeline):
    made = pipeline("a person walks", PICTURE, tiny.scene(5), steps=2)
    assert made.frames.shape == (5, 48, 32, 3)
    assert made.frames.dtype == np.uint8
    assert made.fps == 8.0
    json.dumps(made.settings)


def test_same_seed_same_video_other_seed_other_video(pipeline):
    first, again, other = (
        pipeline("", PICTURE, tiny.scene(5), steps=2, seed=seed).frames for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_length_follows_the_scene_and_windows_join(pipeline):
    made = pipeline("", PICTURE, tiny.scene(12), steps=1)
    assert len(made.frames) == 12


def test_controls_are_encoded_once_per_window_not_per_step(pipeline, monkeypatch):
    calls = []
    encode = pipeline.adapter.encode
    monkeypatch.setattr(pipeline.adapter, "encode", lambda *a, **k: calls.append(1) or encode(*a, **k))
    pipeline("", PICTURE, tiny.scene(5), steps=2)
    few = len(calls)
    pipeline("", PICTURE, tiny.scene(5), steps=6)
    assert len(calls) == 2 * few


def test_motion_camera_and_text_each_change_the_video(pipeline):
    plain = pipeline("walk", PICTURE, tiny.scene(5), steps=1).frames
    assert not np.array_equal(plain, pipeline("walk", PICTURE, None, frames=5, steps=1).frames)
    assert not np.array_equal(plain, pipeline("walk", PICTURE, tiny.scene(5, "dolly in 1m"), steps=1).frames)
    assert not np.array_equal(plain, pipeline("run away", PICTURE, tiny.scene(5), steps=1).frames)


def test_guidance_changes_the_video(pipeline):
    plain = pipeline("walk", PICTURE, tiny.scene(5), steps=1).frames
    guided = pipeline("walk", PICTURE, tiny.scene(5), steps=1, guidance=Guidance(pose=3.0)).frames
    assert not np.array_equal(plain, guided)


def test_a_picture_is_needed(pipeline):
    with pytest.raises(ValueError, match="reference picture"):
        pipeline("walk", None, tiny.scene(5))
    with pytest.raises(ValueError, match="at least one frame"):
        pipeline("walk", PICTURE, tiny.scene(5), frames=0)


def test_pictures_of_any_size_are_cropped_to_fill():
    wide = Image.new("RGB", (400, 100), (255, 0, 0))
    tensor = picture_tensor(wide, (32, 48))
    assert tensor.shape == (1, 3, 1, 48, 32)
    assert torch.allclose(tensor[0, :, 0, 0, 0], torch.tensor([1.0, -1.0, -1.0]))


def test_pipeline_folder_round_trip(pipeline, tmp_path):
    pipeline.autoencoder.save_pretrained(tmp_path / "autoencoder")
    pipeline.adapter.save_pretrained(tmp_path / "tokenmotion")
    from kinema.appearance.adapters.attach import detach

    before = pipeline("", PICTURE, tiny.scene(5), steps=1).frames
    detach(pipeline.transformer)
    pipeline.transformer.save_pretrained(tmp_path / "transformer")
    form = {"width": 32, "height": 48, "frames": 5, "fps": 8.0, "text_tokens": 4}
    (tmp_path / "pipeline.json").write_text(json.dumps({"backbone": "mini", "format": form}))
    loaded = load_pipeline(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    assert np.array_equal(loaded("", PICTURE, tiny.scene(5), steps=1).frames, before)
    assert load_pipeline(tmp_path, adapters=()).adapter is None


def test_unknown_weights_and_adapters_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"pipeline\.json"):
        load_pipeline(tmp_path)
    (tmp_path / "pipeline.json").write_text("{}")
    form = {"width": 32, "height": 48, "frames": 5, "fps": 8.0, "text_tokens": 4}
    (tmp_path / "pipeline.json").write_text(json.dumps({"format": form}))
    tiny.transformer().save_pretrained(tmp_path / "transformer")
    tiny.autoencoder().save_pretrained(tmp_path / "autoencoder")
    with pytest.raises(ValueError, match="no control method 'puppet'"):
        load_pipeline(tmp_path, adapters=("puppet",))
    with pytest.raises(FileNotFoundError, match="no trained weights for tokenmotion"):
        load_pipeline(tmp_path, adapters=("tokenmotion",))
    with pytest.raises(FileNotFoundError, match="no trained adapter"):
        load_pipeline(tmp_path)
    with pytest.raises(ValueError, match="neither a folder nor one of mini, cogvideox-2b"):
        load_pipeline("no-such-model")
