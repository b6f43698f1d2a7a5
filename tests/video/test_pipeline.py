import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers import FirstBlockCacheConfig
from PIL import Image
from tests.video import tiny

from kinema.diffusion.guider import Guidance
from kinema.diffusion.path import flow_times
from kinema.signals.control_signals import control_signals
from kinema.video.adapters.attach import attach
from kinema.video.loading import load_pipeline
from kinema.video.models.mini.model import MiniVideo
from kinema.video.models.mini.network import Plate, before_plate, mini_input, mini_output
from kinema.video.models.mini.plates import MiniConditioning
from kinema.video.pipeline import KinemaPipeline
from kinema.video.pixels import picture_tensor, to_uint8


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


@torch.no_grad()
def test_minis_video_is_the_plain_loop_to_the_last_bit(pipeline):
    """What sampling does, written out: the room may be rebuilt, mini's videos may not change."""
    model, scene, steps = pipeline.video_model, tiny.scene(9), 3
    guidance = Guidance(text=2.0, pose=1.5, camera=0.5)
    made = pipeline("walk", PICTURE, scene, steps=steps, seed=4, guidance=guidance).frames

    reference = model.autoencoder.encode(picture_tensor(PICTURE, (32, 48))).latent_dist.mode()
    text = Words()(["walk"], 4)
    picture = to_uint8(picture_tensor(PICTURE, (32, 48))[0])[0]
    signals = control_signals(scene, size=(32, 48), frames=9, fps=8.0)
    plates = MiniConditioning.of(scene, picture, tiny.FORM, 9, posed=True)
    generator = torch.Generator().manual_seed(4)
    frames: list[np.ndarray] = []
    for start in (0, 4):
        known = None
        if frames:
            last = torch.from_numpy(frames[-1][-1:].astype(np.float32)).permute(3, 0, 1, 2)[None] / 127.5 - 1
            known = model.autoencoder.encode(last).latent_dist.mode()

        def put(latents, known=known):
            return latents if known is None else torch.cat([known, latents[:, :, 1:]], dim=2)

        window = signals.window(start, 5)
        backdrop = plates.window(start, 5).backdrop

        still = Plate.still(reference, 2)
        plate = Plate.seen_by(backdrop, model.encode_video)

        def tokens(pose, camera, window=window):
            present = {"pose": torch.tensor([pose]), "camera": torch.tensor([camera])}
            return {"tokenmotion": pipeline.adapter.encode(window, present)}

        x = torch.randn(1, 12, 2, 6, 4, generator=generator)
        times = flow_times(steps, 10.0).tolist()
        for now, after in pairwise(times):
            clean = torch.zeros_like(x)
            for each in guidance.passes_at(1 - now, frozenset({"text", "pose", "camera"})):
                condition = each.conditions
                behind = plate if "camera" in condition else still
                raw = model.transformer(
                    mini_input(
                        put(x), torch.tensor([now]), reference, torch.tensor([known is not None]), behind
                    ),
                    torch.tensor([1000 * now]),
                    text if "text" in condition else torch.zeros_like(text),
                    attention_kwargs={"kinema": tokens("pose" in condition, "camera" in condition)},
                ).sample
                clean = clean + each.weight * mini_output(raw, behind)
            clean = put(clean)
            x = clean + (after / now) * (x - clean)
        video = before_plate(model.autoencoder.decode(put(x)).sample, backdrop, window.person_mask)[0]
        video = ((video.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 3, 0).numpy()
        frames.append(video if not frames else video[1:])
    assert np.array_equal(np.concatenate(frames), made)


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


@pytest.mark.parametrize(("reads_text", "encoded"), [(False, 1), (True, 2)])
def test_tokens_are_shared_between_texts_that_an_adapter_does_not_read(
    pipeline, monkeypatch, reads_text, encoded
):
    texts = []
    encode = pipeline.adapter.encode
    monkeypatch.setattr(type(pipeline.adapter), "reads_text", reads_text)
    monkeypatch.setattr(
        pipeline.adapter, "encode", lambda *a, **k: texts.append(k["text"].abs().sum()) or encode(*a, **k)
    )
    pipeline("walk", PICTURE, tiny.scene(5), steps=3, guidance=Guidance(text=2.0))
    assert len(texts) == encoded
    assert not reads_text or min(texts) == 0 < max(texts)


def test_a_cache_of_diffusers_sees_each_pass_and_each_window_apart(pipeline):
    options = {"steps": 3, "guidance": Guidance(text=2.0, pose=3.0)}
    plain = pipeline("walk", PICTURE, tiny.scene(9), **options).frames
    pipeline.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.0))
    cached = pipeline("walk", PICTURE, tiny.scene(9), **options).frames
    assert np.abs(cached.astype(int) - plain).max() <= 1


def test_motion_camera_and_text_each_change_the_video(pipeline):
    plain = pipeline("walk", PICTURE, tiny.scene(5), steps=1).frames
    assert not np.array_equal(plain, pipeline("walk", PICTURE, None, frames=5, steps=1).frames)
    assert not np.array_equal(plain, pipeline("walk", PICTURE, tiny.scene(5, "dolly in 1m"), steps=1).frames)
    assert not np.array_equal(plain, pipeline("run away", PICTURE, tiny.scene(5), steps=1).frames)


def test_guidance_changes_the_video(pipeline):
    guided = pipeline("walk", PICTURE, tiny.scene(5), steps=1).frames
    plain = pipeline("walk", PICTURE, tiny.scene(5), steps=1, guidance=Guidance(pose=1.0)).frames
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
    from kinema.video.adapters.attach import detach

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
    (tmp_path / "pipeline.json").write_text(json.dumps({"backbone": "mini", "format": form}))
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


def test_progress_counts_the_steps_of_all_windows_and_may_end_the_call(pipeline):
    seen = []
    pipeline("walk", PICTURE, frames=9, steps=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]

    def stop(done, total):
        raise InterruptedError("enough")

    with pytest.raises(InterruptedError, match="enough"):
        pipeline("walk", PICTURE, frames=9, steps=2, progress=stop)
