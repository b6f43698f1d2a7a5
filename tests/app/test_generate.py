"""`kinema generate` with random weights: text to motion to scene to video, and what is said of mistakes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from tests.video import published_tiny, tiny

from kinema.media.pictures import write_picture
from kinema.media.video import read_video
from kinema.scene import Scene

PROMPT = "a person walks forward, the camera orbits left 20 degrees"

pytestmark = pytest.mark.usefixtures("letters")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A video pipeline of random weights."""
    folder = tmp_path_factory.mktemp("pipeline")
    tiny.transformer().save_pretrained(folder / "transformer")
    tiny.autoencoder().save_pretrained(folder / "autoencoder")
    tiny.awake(tiny.adapter()).save_pretrained(folder / "tokenmotion")
    (folder / "pipeline.json").write_text(json.dumps({"backbone": "mini", "format": asdict(tiny.FORM)}))
    return folder


@pytest.fixture
def words(folder, motion_folder) -> list[object]:
    return ["--backbone", folder, "--motion-model", motion_folder, "--steps", 1, "--seconds", 0.5]


def test_a_prompt_becomes_a_video_and_a_scene(cli, words, tmp_path):
    facts = cli(
        "generate", PROMPT, *words, "--scene", tmp_path / "a.npz", "-o", tmp_path / "a.mp4", "--seed", 4
    )
    assert (facts["prompt"], facts["motion_prompt"]) == (PROMPT, "a person walks forward")
    assert facts["camera"] == "arc left 20deg"
    video = read_video(tmp_path / "a.mp4")
    assert video.frames.shape == (5, tiny.FORM.height, tiny.FORM.width, 3)
    assert video.settings["actor"] == 4
    scene = Scene.load(tmp_path / "a.npz")
    assert scene.text == PROMPT
    assert scene.people[0].fps == 20
    assert scene.camera is not None
    assert np.ptp(scene.camera.positions, axis=0).max() > 0.3, "the camera circles"
    cli("generate", PROMPT, *words, "-o", tmp_path / "b.mp4", "--seed", 4)
    assert (read_video(tmp_path / "b.mp4").frames == video.frames).all()


def test_the_scene_makes_the_same_motion_again(cli, folder, words, tmp_path):
    cli("generate", PROMPT, *words, "--scene", tmp_path / "a.npz", "-o", tmp_path / "a.mp4")
    facts = cli("animate", _hero(tmp_path), "--motion", tmp_path / "a.npz", "--backbone", folder, "--steps", 1,
                "-o", tmp_path / "b.mp4")  # fmt: skip
    assert facts["frames"] == 5


def test_the_character_is_a_picture_or_an_actor(cli, cli_error, words, tmp_path):
    hero = _hero(tmp_path)
    facts = cli("generate", PROMPT, *words, "--image", hero, "--camera", "static", "-o", tmp_path / "a.mp4")
    assert (facts["image"]["name"], facts["actor"], facts["camera"]) == ("hero.png", None, "static")
    made = []
    for actor in (1, 2):
        cli("generate", PROMPT, *words, "--actor", actor, "-o", tmp_path / "a.mp4")
        made.append(read_video(tmp_path / "a.mp4").frames)
    assert (made[0] != made[1]).any()
    both = ["--image", hero, "--actor", 1, "-o", tmp_path / "b.mp4"]
    assert "either a picture" in cli_error("generate", PROMPT, *words, *both)


def test_mistakes_are_said(cli_error, words, tmp_path):
    output = ["-o", tmp_path / "a.mp4"]
    assert "empty" in cli_error("generate", " ", *words, *output)
    assert "camera alone" in cli_error("generate", "the camera pans left", *words, *output)
    assert "wobble" in cli_error("generate", PROMPT, *words, *output, "--camera", "wobble")
    assert "no http address" in cli_error("generate", PROMPT, *words, *output, "--endpoint", "localhost")
    assert ".npz" in cli_error("generate", PROMPT, *words, *output, "--scene", tmp_path / "a.bvh")
    assert "is given 2 times" in cli_error("generate", PROMPT, *words, *output, "--motion-model", tmp_path)
    elsewhere = ["--backbone", words[1], "--motion-model", tmp_path]
    assert "no motion model" in cli_error("generate", PROMPT, *elsewhere, *output)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_understood_is_noted(run, words, tmp_path):
    code, _, said = run("generate", "a person bows, low angle", *words, "-o", tmp_path / "a.mp4")
    assert code == 0, said
    assert "note: 'low angle' is not in the camera language" in said


def _hero(folder: Path) -> Path:
    write_picture(folder / "hero.png", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    return folder / "hero.png"


def test_a_backbone_from_text_alone_gets_no_picture(cli, cli_error, motion_folder, tmp_path):
    published_tiny.wan_pipeline().save_pretrained(tmp_path / "wan")
    words = [
        "generate",
        PROMPT,
        "--backbone",
        tmp_path / "wan",
        "--motion-model",
        motion_folder,
        "--seconds",
        0.5,
    ]
    words += ["--size", "32x48", "--steps", 1, "--control", "none", "-o", tmp_path / "a.mp4"]
    assert cli(*words)["backbone"] == "wan"
    assert "reads no picture" in cli_error(*words, "--image", _hero(tmp_path))
