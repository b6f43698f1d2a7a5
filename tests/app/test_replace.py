"""Somebody in a film becomes somebody else: what is kept, what a model is told, and what is refused before the work."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.video import published_tiny, tiny, vace_tiny

import kinema
from kinema.app.fulfil import fulfil
from kinema.app.progress import Progress
from kinema.app.replacing import replacing_choice
from kinema.media.video import read_video, write_video
from kinema.passes.shot import Footage
from kinema.passes.vace import Vace

pytest.importorskip("ai_edge_litert")


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """Somebody who waves, on the stage: 256x192, 8 frames per second, one second."""
    made = kinema.preview("examples/walk_and_wave.bvh", size=(256, 192), fps=8, seconds=1.0, seed=5)
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    write_video(path, made.frames, made.fps, {}, crf=5)
    return path


@pytest.fixture(scope="module")
def vace(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "vace"
    vace_tiny.pipeline().save_pretrained(folder)
    return folder


@pytest.fixture
def hero(tmp_path) -> Path:
    Image.new("RGB", (40, 60), (200, 30, 30)).save(tmp_path / "hero.png")
    return tmp_path / "hero.png"


def asked(film, hero, vace, **options) -> kinema.VideoRequest:
    given = {"backbone": str(vace), "fps": 8.0, "window": 9, "size": (64, 48), "steps": 1, "device": "cpu"}
    return kinema.VideoRequest.of(motion=film, picture=hero, replace=True, **{**given, **options})


def test_the_film_is_kept_where_nobody_is_and_the_skeleton_stands_where_somebody_was(
    film, hero, vace, monkeypatch
):
    seen = {}
    passes = Vace.passes

    def watched(self, shot, options):
        made = passes(self, shot, options)
        seen.update({each.name: each.data for each in made}, shot=shot)
        return made

    monkeypatch.setattr(Vace, "passes", watched)
    made = fulfil(asked(film, hero, vace, size=(256, 192)), Progress())
    assert made.frames.shape == (9, 192, 256, 3)
    assert made.fps == 8.0
    assert made.settings["recipe"] == "background"
    shown = read_video(film).frames
    made_anew = seen["mask"] == 255
    assert 0.02 < made_anew.mean() < 0.35
    kept = np.abs(seen["control"][:8].astype(int) - shown[:8])[~made_anew[:8]]
    assert kept.mean() < 2
    # The skeleton lies within what is made anew, and the picture stands beside on white.
    drawn = seen["pose"].any(-1)
    assert drawn.any()
    assert made_anew[drawn].all()
    assert seen["shot"].footage is not None
    assert tuple(seen["reference"][0, 0]) == (255, 255, 255)


def test_the_model_gets_the_shape_of_the_film(vace):
    choice = kinema.ModelChoice(str(vace), window=9)
    wide = replacing_choice(choice, (1920, 1080)).size
    tall = replacing_choice(choice, (1080, 1920)).size
    assert wide == (848, 480)
    assert tall == wide[::-1]
    assert replacing_choice(kinema.ModelChoice(str(vace), size=(64, 48)), (1920, 1080)).size == (64, 48)


def test_the_command_writes_the_film_with_its_settings(film, hero, vace, tmp_path, cli):
    out = tmp_path / "out.mp4"
    options = ("--size", "64x48", "--window", 9, "--steps", 1, "--fps", 8, "--prompt", "a person waves")
    said = cli("replace", film, "--with", hero, "-o", out, "--backbone", vace, *options)
    assert len(read_video(out).frames) == 9
    assert said["command"] == "replace"
    assert said["recipe"] == "background"
    assert said["motion"]["name"] == "film.mp4"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"motion": "examples/walk_and_wave.bvh"}, "give the film that they are in"),
        ({"picture": None}, "give a picture of who shall be there"),
        ({"camera": "arc left 20deg"}, "seen by the film's own camera"),
        ({"backbone": "rough"}, "a rough take does not go into another film"),
        ({"backbone": "mini"}, "mini cannot put anybody into a film; vace-1.3b, "),
        ({"recipe": "pose"}, "replacing somebody is recipe background, not pose"),
        ({"people": ()}, "nobody is to be replaced"),
        ({"beyond": "loop"}, "leave out --beyond"),
    ],
)
def test_what_cannot_be_is_said_before_the_work(film, hero, vace, changes, said, monkeypatch):
    monkeypatch.setattr("kinema.capture.capture.capture", None)  # nothing is read
    motion, picture = changes.pop("motion", film), changes.pop("picture", hero)
    with pytest.raises(ValueError, match=said):
        fulfil(asked(motion, picture, vace, **changes), Progress())


def test_without_a_model_on_the_machine_it_is_said_which_one_to_fetch(
    film, hero, tmp_path, monkeypatch, cli_error
):
    monkeypatch.setattr("kinema.app.replacing.local_backbone", lambda name: None)
    said = cli_error("replace", film, "--with", hero, "-o", tmp_path / "o.mp4")
    assert "none of vace-1.3b, " in said
    assert "`hf download Wan-AI/Wan2.1-VACE-1.3B-diffusers --local-dir vace-1.3b`" in said


def test_a_model_that_keeps_no_room_refuses_a_film():
    pipeline = vace_tiny.kinema_pipeline(vace_tiny.pipeline())
    footage = Footage(np.zeros((9, 48, 32, 3), np.uint8), np.zeros((1, 9, 48, 32), bool))
    with pytest.raises(ValueError, match="keeps no film's room"):
        pipeline("", scene=tiny.scene(9), frames=9, steps=1, footage=footage)


def test_recipes_on_the_command_line(hero, vace, tmp_path, cli, cli_error):
    walk = ("animate", hero, "--motion", "examples/walk_and_wave.bvh", "-o", tmp_path / "out.mp4")
    small = ("--seconds", 0.5, "--size", "64x48", "--window", 9, "--steps", 1, "--fps", 8)
    chosen = ("--recipe", "pose-and-depth", "--control-strength", 0.7)
    said = cli(*walk, "--backbone", vace, *chosen, *small)
    assert said["recipe"] == "pose-and-depth"
    assert said["control_strength"] == 0.7
    known = "no recipe 'dance': there are pose, first-frame, background, pose-and-depth, extend"
    assert known in cli_error(*walk, "--backbone", vace, "--recipe", "dance", *small)
    published_tiny.wan_pipeline().save_pretrained(tmp_path / "wan")
    assert "wan has no recipe: leave it out" in cli_error(
        *walk, "--backbone", tmp_path / "wan", "--recipe", "pose", *small
    )
    assert "--recipe" in cli_error(*walk, "--recipe", "pose")  # a rough take


def test_text_to_video_without_a_scene_to_follow(vace, tmp_path, cli):
    said = cli(
        *(
            "animate",
            "-o",
            tmp_path / "out.mp4",
            "--camera",
            "static",
            "--control",
            "none",
            "--prompt",
            "a person",
        ),
        *("--backbone", vace, "--seconds", 0.5, "--size", "64x48", "--window", 9, "--steps", 1, "--fps", 8),
    )
    assert "recipe" not in said


def test_a_camera_that_is_not_followed_is_said_before_the_model_runs(hero, vace):
    def notes(camera: str, **options) -> list[str]:
        request = asked("examples/walk_and_wave.bvh", hero, vace, camera=camera, seconds=0.5, **options)
        told: list[str] = []

        class Told(Progress):
            def note(self, text: str) -> None:
                told.append(text)

        fulfil(dataclasses.replace(request, replace=False), Told())
        return told

    said = "vace follows this camera only as far as people show it; --recipe pose-and-depth"
    assert any(each.startswith(said) for each in notes("arc left 40deg"))
    assert not any(each.startswith(said) for each in notes("static"))
    assert not any(each.startswith(said) for each in notes("arc left 40deg", recipe="pose-and-depth"))
    assert any("a scale of pose" in each for each in notes("static", guidance={"pose": 3.0}))
