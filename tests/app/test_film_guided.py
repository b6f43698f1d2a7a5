"""`--control time-to-move`: the request is filmed roughly first, and the model begins at that film."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.video import published_tiny, tiny

from kinema.app.film_guided import RoughFilm
from kinema.app.fulfil import fulfil
from kinema.app.progress import Progress
from kinema.app.request import VideoRequest
from kinema.media.video import read_video
from kinema.scene import Scene
from kinema.video.pixels import picture_tensor, to_uint8

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
JACKS = EXAMPLES / "jumping_jacks.bvh"
FORM = replace(tiny.FORM, width=64, height=96)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A pipeline folder of random weights."""
    folder = tmp_path_factory.mktemp("pipeline")
    tiny.transformer().save_pretrained(folder / "transformer")
    tiny.autoencoder().save_pretrained(folder / "autoencoder")
    (folder / "pipeline.json").write_text(json.dumps({"backbone": "mini", "format": asdict(FORM)}))
    return folder


@pytest.fixture
def hero() -> Path:
    """An actor of the stage, standing."""
    return EXAMPLES / "character.png"


@pytest.fixture
def films(monkeypatch) -> list[RoughFilm]:
    """The films that guiders are made of."""
    seen, guided = [], RoughFilm.guided
    monkeypatch.setattr(RoughFilm, "guided", lambda film, *rest: seen.append(film) or guided(film, *rest))
    return seen


def test_a_picture_is_filmed_and_the_model_begins_there(cli, folder, hero, films, tmp_path):
    words = ["animate", hero, "--motion", JACKS, "--seconds", 1, "--backbone", folder, "--steps", 4]
    control, scene = ["--control", "time-to-move:1.0+0"], ["--scene", tmp_path / "a.npz"]
    facts = cli(*words, *control, *scene, "-o", tmp_path / "a.mp4")
    assert facts["guidance"]["guider"] == "time-to-move"
    assert facts["guidance"]["clocks"] == [1.0, 0.0]
    assert (facts["control"], facts["film"], facts["adapters"]) == (["time-to-move"], "rough take", {})
    made, (film,) = read_video(tmp_path / "a.mp4").frames, films
    assert made.shape == film.frames.shape == (9, 96, 64, 3)
    assert 0.02 < film.mask.mean() < 0.4
    assert Scene.load(tmp_path / "a.npz").frames == 9
    cli(*words, "--control", "none", "-o", tmp_path / "plain.mp4")
    assert not np.array_equal(made, read_video(tmp_path / "plain.mp4").frames)


def test_of_a_moving_camera_all_that_the_picture_shows_is_driven(folder, hero, films):
    request = VideoRequest.of(
        picture=hero, motion=JACKS, camera="arc left 20deg", seconds=0.5, steps=2, controls=("time-to-move",)
    )
    made = fulfil(replace(request, model=replace(request.model, backbone=str(folder))))
    assert np.array_equal(to_uint8(picture_tensor(made.picture, (64, 96))[0])[0], films[0].frames[0])
    (film,) = films
    assert film.mask.mean() > 0.6


def test_without_a_picture_the_stage_is_filmed(folder, films):
    request = VideoRequest.of(motion=JACKS, seconds=0.5, steps=2, actor=3, controls=("time-to-move",))
    made = fulfil(replace(request, model=replace(request.model, backbone=str(folder))))
    (film,) = films
    assert film.kind == "stage"
    assert np.array_equal(np.asarray(made.picture), film.frames[0])
    assert len(made.frames) == len(film.frames)
    assert 0.02 < film.mask.mean() < 0.4


def test_what_cannot_be_is_said_before_anything_is_filmed(run, folder, hero, tmp_path):
    def error(*words) -> str:
        code, _, err = run("animate", hero, "--motion", JACKS, *words, "-o", tmp_path / "a.mp4")
        assert code == 2, err
        return err

    control = ["--control", "time-to-move"]
    assert "begins with a picture, and wan2.1-1.3b makes videos from text alone" in error(
        *control, "--backbone", "wan2.1-1.3b"
    )
    assert "vace-1.3b follows scenes by itself and has no time-to-move" in error(
        *control, "--backbone", "vace-1.3b"
    )
    published_tiny.wan_pipeline().save_pretrained(tmp_path / "wan")
    assert "makes videos from text alone" in error(*control, "--backbone", tmp_path / "wan")
    assert "noise levels" in error("--control", "time-to-move:0.1+0.9", "--backbone", folder)
    assert "leave out --background" in error(*control, "--backbone", folder, "--background", hero)
    assert "for video models" in error(*control)  # without a backbone it is a rough take anyhow


def test_nobody_in_the_picture_is_said(run, folder, tmp_path):
    hills = np.zeros((96, 64, 3), np.uint8)
    hills[48:] = (40, 120, 40)
    Image.fromarray(hills).save(tmp_path / "hills.png")
    words = ["--motion", JACKS, "--backbone", folder, "--control", "time-to-move", "-o", tmp_path / "a.mp4"]
    code, _, err = run("animate", tmp_path / "hills.png", *words)
    assert code == 2
    assert "nobody is found in the picture, and time-to-move follows a rough film" in err


def test_adapters_work_beside_it():
    from kinema.video.registry import split_controls

    controls = ("tokenmotion:camera", "time-to-move:0.9+0.5")
    assert split_controls(controls) == (("tokenmotion:camera",), (("time-to-move", "0.9+0.5"),))
    assert split_controls(("time-to-move",)) == ((), (("time-to-move", ""),))
    assert split_controls(None) == (None, ())


def test_the_film_has_the_progress_of_a_rough_take(folder, hero):
    class Told(Progress):
        stages: tuple[str, ...] = ()

        def stage(self, name: str) -> None:
            self.stages = (*self.stages, name)

    told = Told()
    request = VideoRequest.of(picture=hero, camera="static", seconds=0.3, steps=1, controls=("time-to-move",))
    fulfil(replace(request, model=replace(request.model, backbone=str(folder))), told)
    assert told.stages.index("filming") < told.stages.index("sampling")
