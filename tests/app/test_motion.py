"""`kinema motion PROMPT` with random weights: files, settings, preview, and what is a prompt and what a file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.motion.walking import walk

from kinema.media.video import read_video
from kinema.scene import Scene
from kinema.scene.formats import read_motion, write_motion

PROMPT = "a person walks forward, then waves with the left hand"

pytestmark = pytest.mark.usefixtures("letters")


@pytest.fixture
def make(cli, motion_folder, tmp_path):
    def call(name: str, *words: object, prompt: str = PROMPT) -> dict:
        return cli("motion", prompt, "--model", motion_folder, "-o", tmp_path / name, *words)

    return call


@pytest.mark.parametrize(
    ("name", "kind", "joints", "fps"),
    [
        ("a.bvh", None, 24, 20),
        ("a.glb", None, 24, 20),
        ("a.npz", None, 24, 20),
        ("a.npz", "amass", 24, 20),
        ("a.npz", "kimodo", 22, 30),
        ("a.npy", None, 22, 20),
    ],
)
def test_every_format_holds_the_motion(make, tmp_path, name, kind, joints, fps):
    facts = make(name, "--seconds", 2, "--seed", 3, *(["--format", kind] if kind else []))
    assert (facts["frames"], facts["seed"], facts["prompt"]) == (41, 3, PROMPT)
    motion = read_motion(tmp_path / name)
    names = motion.skeleton.names
    assert (len([n for n in names if not n.endswith("_end")]), motion.fps) == (joints, fps)
    assert motion.duration == pytest.approx(2, abs=0.03)
    settings = json.loads((tmp_path / f"{name}.json").read_text())["settings"]
    assert (settings["prompt"], settings["steps"], settings["style"]) == (PROMPT, 2, None)


def test_a_kinema_file_is_a_scene_with_its_text_and_the_seed_repeats_it(make, tmp_path):
    make("a.npz", "--seconds", 1, "--style", "happy")
    make("b.npz", "--seconds", 1, "--style", "happy")
    make("c.npz", "--seconds", 1, "--style", "sad")
    a, b, c = (Scene.load(tmp_path / f"{name}.npz") for name in "abc")
    assert a.text == PROMPT
    assert np.array_equal(a.people[0].joints, b.people[0].joints)
    assert not np.array_equal(a.people[0].joints, c.people[0].joints)


def test_the_preview_shows_it_and_says_how_it_was_made(make, tmp_path):
    make(
        "a.bvh",
        "--seconds",
        0.5,
        "--preview",
        tmp_path / "a.mp4",
        "--size",
        "48x64",
        "--camera",
        "arc left 20deg",
    )
    video = read_video(tmp_path / "a.mp4")
    assert video.frames.shape == (11, 64, 48, 3)
    assert (video.settings["prompt"], video.settings["camera"]) == (PROMPT, "arc left 20deg")


def test_what_is_said_of_the_camera_is_taken_out_and_kept_in_a_scene(make, tmp_path):
    facts = make("a.npz", "--seconds", 0.5, prompt="a person waves, the camera pans left")
    assert (facts["motion_prompt"], facts["camera"]) == ("a person waves", "pan left")
    camera = Scene.load(tmp_path / "a.npz").camera
    assert camera is not None
    assert (camera.frames, camera.size) == (11, (384, 384))


def test_a_timeline_has_tracks_for_body_parts(cli, cli_error, motion_folder, tmp_path):
    walk = {"text": "a person walks", "start": 0, "end": 2}
    wave = {"text": "waves with the left hand", "start": 0.5, "end": 1.5, "parts": ["left_arm"]}
    plan = tmp_path / "plan.json"
    words = ["motion", "--timeline", plan, "--model", motion_folder, "-o", tmp_path / "a.npz"]
    plan.write_text(json.dumps({"blocks": [walk, wave]}))
    facts = cli(*words)
    assert facts["frames"] == 41
    assert facts["timeline"]["blocks"][1]["parts"] == ["left_arm"]
    assert Scene.load(tmp_path / "a.npz").text == "a person walks; waves with the left hand"
    assert "a prompt (or a file" in cli_error("motion", "a person walks", *words[1:])
    assert "a prompt (or a file" in cli_error("motion", "create", *words[3:])
    plan.write_text(json.dumps({"blocks": [walk, walk]}))
    assert "plan.json: the block" in cli_error(*words)


def test_a_file_is_converted_and_a_missing_one_is_no_prompt(cli, cli_error, tmp_path):
    write_motion(tmp_path / "walk.bvh", walk(21))
    assert cli("motion", tmp_path / "walk.bvh", "-o", tmp_path / "walk.npy")["frames"] == 21
    assert "gone.bvh: no such motion file" in cli_error(
        "motion", tmp_path / "gone.bvh", "-o", tmp_path / "a.npz"
    )
    assert "--seconds" in cli_error("motion", tmp_path / "walk.bvh", "-o", tmp_path / "a.glb", "--seconds", 3)


def test_mistakes_are_said_before_the_model_is_loaded(cli_error, motion_folder, tmp_path):
    def error(prompt: str, name: str = "a.bvh", *words: object) -> str:
        return cli_error("motion", prompt, "--model", motion_folder, "-o", tmp_path / name, *words)

    assert "empty" in error("  ")
    assert "at most 1000" in error("walk " * 2000)
    assert "Latin" in error("человек идёт вперёд")
    assert "0.4" in error("a person walks", "a.bvh", "--seconds", 0)
    assert "happy, sad" in error("a person walks", "a.bvh", "--style", "angry")
    assert ".bvh" in error("a person walks", "a.docx")
    assert "amass" in error("a person walks", "a.npz", "--format", "fbx")
    assert ".npz" in error("a person walks", "a.bvh", "--format", "amass")
    assert "is a file" in error("a person walks", __file__ + "/a.bvh")
    assert "wobble" in error("a person walks", "a.bvh", "--camera", "wobble")
    assert "no motion model" in cli_error("motion", "walks", "--model", tmp_path, "-o", tmp_path / "a.bvh")
    assert list(tmp_path.iterdir()) == []


def test_one_frame_is_said(run, tmp_path):
    write_motion(tmp_path / "a.bvh", walk(2).crop(0.0, 0.0))
    said = run("preview", tmp_path / "a.bvh", "-o", tmp_path / "a.png", "--size", "64x64")[2]
    assert "one frame: a pose that stands still" in said


def test_it_goes_on_with_a_file(make, tmp_path):
    write_motion(tmp_path / "walk.bvh", walk(30))
    facts = make("a.npz", "--after", tmp_path / "walk.bvh", "--seconds", 3, prompt="a person bows")
    assert facts["frames"] == 61
    assert facts["after"]["name"] == "walk.bvh"
    begun = read_motion(tmp_path / "walk.bvh", as_smpl24=True)
    made = read_motion(tmp_path / "a.npz")
    path = [each.joints[:30, 0][:, [0, 2]] - each.joints[0, 0, [0, 2]] for each in (made, begun)]
    assert np.abs(path[0] - path[1]).max() < 0.1, (
        "on the generator's body, whose legs are a little longer or shorter"
    )
    assert make("b.npz", "--after", tmp_path / "walk.bvh")["frames"] == 30 + 80
