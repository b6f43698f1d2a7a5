"""`kinema animate` with the real classes at tiny size, and with the embedded weights where they are."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.video import mtvcraft_tiny, published_tiny, tiny

from kinema.media.pictures import write_picture
from kinema.media.video import read_video
from kinema.scene.formats import write_motion

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A pipeline folder of random weights."""
    folder = tmp_path_factory.mktemp("pipeline")
    tiny.transformer().save_pretrained(folder / "transformer")
    tiny.autoencoder().save_pretrained(folder / "autoencoder")
    tiny.awake(tiny.adapter()).save_pretrained(folder / "tokenmotion")
    (folder / "pipeline.json").write_text(json.dumps({"backbone": "mini", "format": asdict(tiny.FORM)}))
    return folder


@pytest.fixture
def inputs(tmp_path) -> tuple[Path, Path]:
    """A picture and a motion of one second."""
    write_picture(tmp_path / "hero.png", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    write_motion(tmp_path / "walk.bvh", tiny.walking())
    return tmp_path / "hero.png", tmp_path / "walk.bvh"


def test_a_video_that_says_how_it_was_made(cli, folder, inputs, tmp_path):
    picture, motion = inputs
    words = ["animate", picture, "--motion", motion, "--camera", "arc left 20deg", "--backbone", folder]
    words += ["--steps", 2, "--seed", 5, "--guidance-pose", 1.5]
    facts = cli(*words, "-o", tmp_path / "a.mp4")
    video = read_video(tmp_path / "a.mp4")
    assert video.frames.shape == (9, tiny.FORM.height, tiny.FORM.width, 3)
    assert video.fps == tiny.FORM.fps
    settings = video.settings
    assert (settings["seed"], settings["steps"], settings["camera"]) == (5, 2, "arc left 20deg")
    assert settings["guidance"]["pose"] == 1.5
    assert settings["motion"]["sha256"] == hashlib.sha256(motion.read_bytes()).hexdigest()
    assert facts["image"]["name"] == "hero.png"
    cli(*words, "-o", tmp_path / "b.mp4")
    assert (read_video(tmp_path / "b.mp4").frames == video.frames).all()


def test_what_motion_tokens_will_not_follow_is_said_and_mended(run, folder, tmp_path):
    """A walk that leaves the middle of the picture: MTVCraft's users' best-known disappointment."""
    mtvcraft_tiny.adapter(tiny.transformer()).save_pretrained(tmp_path / "mtvcraft")
    picture, scene = tmp_path / "hero.png", tmp_path / "scene.npz"
    write_picture(picture, np.zeros((64, 64, 3), np.uint8))
    aside = replace(tiny.scene(), people=(tiny.walking().translate(np.array([0.9, 0.0, 0.0])),))
    aside.save(scene)
    words = ["animate", picture, "--motion", scene, "--backbone", folder, "--control", "mtvcraft"]
    words += ["--adapter-weights", tmp_path, "--steps", 1, "-o", tmp_path / "a.mp4"]
    code, _, said = run(*words)
    assert code == 0
    assert "kinema: note: mtvcraft: the person is 0.9 m" in said
    code, _, said = run(*words, "--centre")
    assert code == 0
    assert " of the centre" not in said


def test_another_backbone_from_text_alone(cli, cli_error, inputs, tmp_path):
    """Wan from a folder: no picture, its own defaults, trained control given by folder, or none."""
    picture, motion = inputs
    published_tiny.wan_pipeline().save_pretrained(tmp_path / "wan")
    tiny.awake(tiny.adapter()).save_pretrained(tmp_path / "trained")
    plain = ["--backbone", tmp_path / "wan", "--size", "32x48", "--steps", 1, "--seconds", 0.25]
    words = ["animate", "--motion", motion, *plain, "-o", tmp_path / "a.mp4"]
    assert "no trained adapter" in cli_error(*words)
    assert "reads no picture" in cli_error("animate", picture, *words[1:], "--control", "none")
    assert "either none" in cli_error(*words, "--control", "none,tokenmotion")
    assert "no control method 'puppet'" in cli_error(*words, "--control", "puppet")
    assert "give low, medium, high" in cli_error(*words, "--memory", "huge", "--control", "none")
    facts = cli(*words, "--control", "tokenmotion:camera", "--adapter-weights", tmp_path / "trained")
    assert facts["adapters"] == {"tokenmotion": ["camera"]}
    assert (facts["backbone"], facts["guidance"]["text"], facts["image"]) == ("wan", 5.0, None)
    video = read_video(tmp_path / "a.mp4")
    assert video.frames.shape == (5, 48, 32, 3)
    assert video.fps == 16.0
    cli(*words, "--control", "none", "--side-by-side", "--guidance-text", 1)
    assert read_video(tmp_path / "a.mp4").frames.shape[2] < 4 * 48


def test_side_by_side_shows_what_the_model_was_given(cli, folder, inputs, tmp_path):
    picture, motion = inputs
    words = ["animate", picture, "--motion", motion, "--backbone", folder, "--steps", 1, "--seconds", 0.5]
    cli(*words, "--side-by-side", "--scale", 2, "-o", tmp_path / "a.mp4")
    frames = read_video(tmp_path / "a.mp4").frames
    assert frames.shape[0] == 5
    width, height = 2 * tiny.FORM.width, 2 * tiny.FORM.height
    assert frames.shape[1] > height
    assert frames.shape[2] == 4 * width + 3 * 8
    skeleton = frames[:, :height, width + 12 : 2 * width]
    assert skeleton.min() < 20
    assert skeleton.max() > 150


def test_mistakes_are_said_before_anything_is_sampled(cli_error, folder, inputs, tmp_path, hub_cache):
    picture, motion = inputs
    output = tmp_path / "a.mp4"
    common = ["--backbone", folder, "-o", output]
    plain = ["animate", picture, "--motion", motion, "-o", output, "--backbone"]
    assert "gone.png" in cli_error("animate", tmp_path / "gone.png", "--motion", motion, *common)
    assert "not a picture" in cli_error("animate", motion, "--motion", motion, *common)
    assert "hero.png" in cli_error("animate", picture, "--motion", picture, *common)
    assert "--steps" in cli_error("animate", picture, "--motion", motion, *common, "--steps", 0)
    assert "person 2: the scene has 1 people" in cli_error(
        "animate", picture, "--motion", motion, *common, "--person", 2
    )
    assert "wobble" in cli_error("animate", picture, "--motion", motion, *common, "--camera", "wobble")
    assert "wan2.1-14b is not on this machine" in cli_error(*plain, "wan2.1-14b")
    assert "no-such" in cli_error(*plain, "no-such")
    assert "hero.png is a file" in cli_error(
        "animate", picture, "--motion", motion, "--backbone", folder, "-o", picture / "a.mp4"
    )
    assert ".mp4" in cli_error(
        "animate", picture, "--motion", motion, "--backbone", folder, "-o", tmp_path / "a.avi"
    )
    assert "no others: width 100" in cli_error(*plain, folder, "--size", "100x48")
    assert "no others: fps 7" in cli_error(*plain, folder, "--fps", 7)
    assert "--scale" in cli_error(*plain, folder, "--scale", 0)
    assert not output.exists()


@pytest.mark.slow
def test_the_example_of_the_readme_follows_its_motion(cli, tmp_path):
    """With the embedded weights the character moves, and differently for another motion."""
    if not (files("kinema") / "weights" / "mini" / "pipeline.json").is_file():
        pytest.skip("the embedded weights are not in this checkout")
    picture = REPOSITORY / "examples" / "character.png"
    made = {}
    for name in ("jumping_jacks", "walk_and_wave"):
        motion = REPOSITORY / "examples" / f"{name}.bvh"
        cli(
            "animate",
            picture,
            "--motion",
            motion,
            "--backbone",
            "mini",
            "--seconds",
            1.3,
            "-o",
            tmp_path / f"{name}.mp4",
        )
        made[name] = read_video(tmp_path / f"{name}.mp4").frames.astype(float)
    jacks, walk = made["jumping_jacks"], made["walk_and_wave"]
    reference = Image.open(picture).resize(jacks.shape[2:0:-1])
    assert np.abs(jacks[0] - np.asarray(reference)).mean() < 40, "the first frame looks like the picture"
    assert np.abs(jacks - jacks[:1]).mean() > 1
    assert np.abs(jacks - walk).mean() > 1
