"""What pipelines compute and hand to adapters: what each declares, of scenes and of people detected in pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tests.signals.fingers import body_with_fingers
from tests.video import mtvcraft_tiny, published_tiny, tiny
from tests.video.test_pipeline import PICTURE, Words
from tests.video.test_video_models import kinema_pipeline

from kinema.papers.mosa import MoSAAdapter
from kinema.papers.tokenmotion import TokenMotionAdapter
from kinema.scene import DetectedPeople, Keypoints, Motion, Scene
from kinema.scene.formats import openpose
from kinema.scene.mappings import smpl24_to_openpose18
from kinema.signals.signal import SIGNALS
from kinema.video.adapters.attach import attach
from kinema.video.adapters.reading import read_signals
from kinema.video.models.mini.model import MiniVideo
from kinema.video.pipeline import KinemaPipeline

SIZE = (32, 48)


def mini(adapters) -> KinemaPipeline:
    transformer = tiny.transformer()
    for name, adapter in adapters.items():
        attach(transformer, adapter, name)
    model = MiniVideo(transformer, tiny.autoencoder(), tiny.FORM, text_encoder=Words())
    made = KinemaPipeline(model, adapters)
    made.set_progress_bar_config(disable=True)
    return made


def detected(scene: Scene, size: tuple[int, int] = SIZE) -> DetectedPeople:
    pixels, _ = scene.camera.resize(*size).project(smpl24_to_openpose18(scene.people[0].joints))
    return DetectedPeople((Keypoints(pixels, np.ones(pixels.shape[:2]), "openpose18", scene.fps, size),))


def test_nothing_is_computed_that_no_adapter_declares(monkeypatch):
    tokenmotion, mtvcraft = tiny.adapter(), mtvcraft_tiny.adapter()
    made: list[str] = []
    for name in list(SIGNALS):
        of = type(SIGNALS[name]).of
        monkeypatch.setattr(
            type(SIGNALS[name]), "of", lambda self, frames, of=of: made.append(self.name) or of(self, frames)
        )
    read = read_signals({"mtvcraft": mtvcraft}, tiny.scene(9), size=SIZE, frames=9, fps=8.0)
    assert sorted(made) == sorted(mtvcraft.signals)
    assert read["mtvcraft"].present == set(mtvcraft.signals)
    assert read["mtvcraft"].size == SIZE
    made.clear()
    both = read_signals(
        {"tokenmotion": tokenmotion, "mtvcraft": mtvcraft}, tiny.scene(9), size=SIZE, frames=9, fps=8.0
    )
    assert sorted(made) == sorted({*tokenmotion.signals, *mtvcraft.signals})  # each once
    assert both["tokenmotion"].present == set(tokenmotion.signals)


def test_weights_say_which_parts_of_people_they_are_shown(tmp_path):
    body = body_with_fingers()
    walker = tiny.scene(5)
    fingers = Motion(np.repeat(body.rest[None], 5, axis=0), 8.0, body)
    scene = Scene((fingers,), walker.camera, 8.0)
    whole = ("body", "hands", "face")
    adapters = {"old": tiny.adapter(), "new": tiny.adapter(skeleton_parts=whole)}
    read = read_signals(adapters, scene, size=(96, 144), frames=5, fps=8.0)
    assert not torch.equal(read["old"].skeletons, read["new"].skeletons)
    assert torch.equal(read["old"].rays, read["new"].rays)
    adapters["new"].save_pretrained(tmp_path)
    assert TokenMotionAdapter.from_pretrained(tmp_path).skeleton_parts == whole
    assert adapters["old"].skeleton_parts == ("body",)


def test_detected_people_drive_a_model_without_a_camera():
    adapter = tiny.awake(tiny.adapter())
    pipeline, scene = mini({"tokenmotion": adapter}), tiny.scene(9)
    flat = detected(scene)
    made = pipeline("walk", PICTURE, flat, steps=2)
    assert made.frames.shape == (9, 48, 32, 3)  # as long as the pictures, in two windows
    assert made.scene is flat
    moved = DetectedPeople(
        tuple(Keypoints(p.points + 9.0, p.confidence, p.layout, p.fps, p.size) for p in flat.people)
    )
    assert not np.array_equal(made.frames, pipeline("walk", PICTURE, moved, steps=2).frames)
    assert not np.array_equal(made.frames, pipeline("walk", PICTURE, None, frames=9, steps=2).frames)
    both = pipeline("walk", PICTURE, scene, steps=2)
    assert not np.array_equal(made.frames, both.frames)  # there the camera is followed as well


@pytest.mark.parametrize("make", [published_tiny.cogvideox_pipeline, published_tiny.wan_pipeline])
@pytest.mark.parametrize("method", ["tokenmotion", "mosa"])
@torch.no_grad()
def test_openpose_files_drive_published_models(make, method, tmp_path):
    loaded = make()
    adapter = (
        tiny.awake(tiny.adapter())
        if method == "tokenmotion"
        else MoSAAdapter.for_transformer(loaded.transformer)
    )
    if method == "mosa":
        torch.manual_seed(3)
        for parameter in adapter.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    attach(loaded.transformer, adapter.eval())
    pipeline = kinema_pipeline(loaded, 9, {method: adapter})
    points = detected(tiny.scene(9)).people[0]
    body = np.concatenate([points.points, points.confidence[..., None]], axis=-1)[:, None]
    openpose.write(tmp_path / "dance", openpose.KeypointSequence(body, "openpose18", 8.0, SIZE))
    people = openpose.read_people(tmp_path / "dance", fps=8.0)
    made = pipeline("walk", scene=people, frames=9, steps=1, seed=2)
    assert made.frames.shape == (9, 48, 32, 3)
    assert not np.array_equal(made.frames, pipeline("walk", frames=9, steps=1, seed=2).frames)


def test_a_method_that_reads_joints_says_that_it_needs_3d():
    pipeline = mini({"mtvcraft": mtvcraft_tiny.adapter()})
    with pytest.raises(ValueError, match="mtvcraft needs a scene in 3D: it reads joints, cameras"):
        pipeline("walk", Image.fromarray(PICTURE), detected(tiny.scene(5)), steps=1)
