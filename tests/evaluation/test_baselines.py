"""Baselines are called as pipelines are, and judged beside control methods in the same report."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.evaluation.stand_ins import lossless_model
from tests.video import published_tiny
from tests.video.test_video_models import kinema_pipeline

from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.baselines import BASELINES, Plates
from kinema.evaluation.protocols import control
from kinema.evaluation.protocols.control_clips import choose_clips
from kinema.evaluation.protocols.pipelines import film_form, generate, load_system, round_trip
from kinema.video.registry import EMBEDDED

SIZE, FPS, FRAMES = (48, 64), 12.0, 9


@pytest.fixture(scope="module")
def clip(motion_library: MotionLibrary):
    return choose_clips(motion_library, 1, size=SIZE, fps=FPS, frames=FRAMES, seed=3)[0]


def test_a_baseline_takes_what_a_pipeline_takes(clip):
    plates = Plates(lossless_model(SIZE, FPS, FRAMES))
    made = plates("walks", clip.film.reference, clip.film.scene, frames=5, seed=3, steps=2)
    assert (made.fps, made.scene, made.settings) == (FPS, clip.film.scene, {"baseline": "plates"})
    np.testing.assert_array_equal(made.frames, np.repeat(clip.film.reference[None], 5, axis=0))
    assert plates(image=clip.film.reference, scene=clip.film.scene).frames.shape == (FRAMES, 64, 48, 3)


def test_without_picture_scene_or_plate_it_says_so(clip):
    model = lossless_model(SIZE, FPS, FRAMES)
    with pytest.raises(ValueError, match="give both"):
        Plates(model)(scene=clip.film.scene)
    with pytest.raises(ValueError, match="give both"):
        Plates(model)(image=clip.film.reference)
    model.plate = lambda *args: None
    with pytest.raises(ValueError, match="lossless draws before no plate"):
        Plates(model)(image=clip.film.reference, scene=clip.film.scene)


def test_the_embedded_models_plate_is_the_room_without_people(motion_library):
    plates = load_system(EMBEDDED, "plates")
    assert isinstance(plates, Plates)
    clip = choose_clips(motion_library, 2, seed=0, **film_form(plates.video_model))[1]
    assert clip.film.camera.startswith("arc")
    video = plates(image=clip.film.reference, scene=clip.film.scene).frames
    off = np.abs(video.astype(float) - clip.video).mean(-1)
    assert np.median(off[~clip.mask]) < 6 < np.median(off[clip.mask])


def test_unknown_systems_are_refused():
    with pytest.raises(ValueError, match="no control method 'plate'"):
        load_system(EMBEDDED, "plate")
    with pytest.raises(ValueError, match="plates is judged beside methods"):
        load_system(EMBEDDED, "tokenmotion,plates")
    assert list(BASELINES) == ["plates"]


def test_a_baseline_stands_beside_methods_in_one_report(motion_library_dir, monkeypatch, tmp_path):
    model = lossless_model((96, 128), FPS, FRAMES)
    monkeypatch.setattr(control, "load_system", lambda backbone, method: Plates(model))
    result = control.evaluate_control(
        clips=2,
        joint=2,
        bases=0,
        adapters=("plates",),
        out=tmp_path,
        progress=False,
        library=motion_library_dir,
    )["plates"]
    assert {"pck", "pck_shuffled", "pck_frozen", "iou", "camera", "takes"} <= set(result)
    assert "joint" not in result  # one signal cannot cost the other anything
    report = json.loads((tmp_path / "control.json").read_text())["adapters"]["plates"]
    assert report["gates"] == []
    assert report["weights"] == {}
    assert report["intervals"]["keypoints"]["generated"]["clips"] == 2


@pytest.mark.parametrize("picture", [False, True])
def test_published_families_are_judged_by_the_same_protocols(motion_library, picture):
    pipe = kinema_pipeline(published_tiny.wan_pipeline(picture=picture))
    clips = choose_clips(motion_library, 1, seed=0, **film_form(pipe.video_model))
    (video,) = generate(pipe, clips, steps=1)
    assert video.shape == clips[0].video.shape == round_trip(pipe.video_model, clips[0].video).shape
