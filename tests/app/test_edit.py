"""`kinema edit` and `kinema motion --rounds`, as commands."""

import json

import numpy as np
import pytest
from tests.motion.walking import walk

from kinema.app.text_motion import seen_by
from kinema.media.video import sidecar
from kinema.scene import Scene
from kinema.scene.deeds import turn_degrees
from kinema.scene.formats import read_motion, write_motion


@pytest.fixture
def bvh(tmp_path):
    write_motion(tmp_path / "walk.bvh", walk(61, turn=0.4))
    return tmp_path / "walk.bvh"


def test_rules_change_a_file_and_the_settings_say_how(run, bvh, tmp_path):
    out = tmp_path / "out.bvh"
    code, said, _ = run("edit", str(bvh), "at half speed and in a straight line", "-o", str(out), "--json")
    assert code == 0
    facts = json.loads(said)
    assert facts["made"] == ["0.5 times as fast", "turns 0 times as far"]
    motion = read_motion(out)
    assert motion.duration == pytest.approx(6.0, abs=0.1)
    assert abs(turn_degrees(motion.to_smpl24())) < 12
    told = json.loads(sidecar(tmp_path / "out.bvh").read_text())["settings"]
    assert (told["change"], told["editor"]) == ("at half speed and in a straight line", None)


def test_everybody_in_a_scene_is_changed_and_what_is_lost_is_said(run, tmp_path):
    scene = seen_by(
        Scene((walk(61), walk(61).translate([1.0, 0.0, 0.0])), None, 20.0, "two who walk"), "static", (64, 64)
    )
    scene.save(tmp_path / "two.npz")
    code, _, notes = run("edit", str(tmp_path / "two.npz"), "at half speed", "-o", str(tmp_path / "slow.npz"))
    assert code == 0
    assert "the camera of the scene is left out" in notes
    slow = Scene.load(tmp_path / "slow.npz")
    assert [person.frames for person in slow.people] == [121, 121]
    assert slow.text == "two who walk"
    code, _, notes = run("edit", str(tmp_path / "two.npz"), "mirrored", "-o", str(tmp_path / "one.bvh"))
    assert code == 0
    assert "person 0 of 2 is written" in notes


def test_styles_are_made_by_the_embedded_editor_and_strange_wishes_are_noted(run, bvh, tmp_path):
    code, said, notes = run("edit", str(bvh), "like an old man", "-o", str(tmp_path / "old.bvh"), "--json")
    assert code == 0
    assert json.loads(said)["editor"] == "umo"
    assert "is made by a model" in notes
    code, _, notes = run("edit", str(bvh), "over a trampoline", "-o", str(tmp_path / "t.bvh"))
    assert code == 0
    assert "is no edit that the model has learned" in notes


def test_what_cannot_be_done_is_said_before_the_work(run, bvh, tmp_path):
    out = str(tmp_path / "out.bvh")
    for words, says in (
        ((str(bvh), " ", "-o", out), "say what shall be changed"),
        ((str(bvh), "slower", "-o", str(tmp_path / "out.mp4")), "out.mp4"),
        ((str(tmp_path / "none.bvh"), "slower", "-o", out), "none.bvh"),
        ((str(bvh), "proudly", "-o", out, "--with", str(tmp_path)), "kinema train edit"),
    ):
        code, _, notes = run("edit", *words)
        assert code == 2
        assert says in notes


def test_rounds_are_told(run, tmp_path):
    prompt = "a person turns left and raises the right hand"
    words = ("motion", prompt, "--seed", "2", "-o", str(tmp_path / "out.bvh"))
    code, said, _ = run(*words, "--rounds", "3", "--explain")
    assert code == 0
    assert "round 0: turns left" in said
    told = json.loads(sidecar(tmp_path / "out.bvh").read_text())["settings"]["rounds"]
    assert told[-1].count("WRONG") == 0
    code, _, notes = run(*words, "--explain", "--force")
    assert code == 2
    assert "--rounds 3" in notes
    code, _, notes = run("motion", "a person runs", "--rounds", "2", "-o", str(tmp_path / "run.bvh"))
    assert code == 0
    assert "nothing in the prompt is measured" in notes


def test_pairs_and_answers_are_scenes_of_two(run, bvh, tmp_path):
    code, _, _ = run(
        "motion",
        "--pair",
        "a person waves with the left hand",
        "mirrors the first",
        "-o",
        str(tmp_path / "two.npz"),
    )
    assert code == 0
    scene = Scene.load(tmp_path / "two.npz")
    assert len(scene.people) == 2
    assert scene.text == "a person waves with the left hand; mirrors the first"
    code, _, _ = run("motion", "follows", "--react", str(bvh), "-o", str(tmp_path / "follower.bvh"))
    assert code == 0
    assert read_motion(tmp_path / "follower.bvh").frames == 61
    for words, says in (
        (("--pair", "a", "b", "-o", str(tmp_path / "x.bvh")), ".npz"),
        (("a person waves", "--apart", "2", "-o", str(tmp_path / "x.npz")), "--apart"),
        (("sneezes", "--react", str(bvh), "-o", str(tmp_path / "x.npz")), "names no answer"),
        (("a person waves", "--pair", "a", "b", "-o", str(tmp_path / "x.npz")), "one of"),
    ):
        code, _, notes = run("motion", *words)
        assert code == 2
        assert says in notes


def test_an_adapter_is_trained_on_a_folder_and_used_by_its_strength(run, bvh, tmp_path):
    (tmp_path / "clips").mkdir()
    write_motion(tmp_path / "clips" / "one.bvh", walk(61, turn=0.4))
    (tmp_path / "clips" / "one.txt").write_text("a person glides\n")
    out = tmp_path / "run"
    code, _, notes = run(
        "train", "motion-lora", "--data", str(tmp_path / "clips"), "--out", str(out), "--minutes", "2",
        "--set", "trainer.steps=3", "--set", "data.batch=2",
    )  # fmt: skip
    assert code == 0, notes
    adapter = out / "motion-lora.safetensors"
    made = {}
    for strength in ("", ":0", ":2"):
        words = ("motion", "a person glides", "--seconds", "1", "-o", str(tmp_path / "g.npz"))
        code, _, notes = run(*words, "--lora", f"{adapter}{strength}")
        assert code == 0, notes
        made[strength] = Scene.load(tmp_path / "g.npz").people[0].joints
    run("motion", "a person glides", "--seconds", "1", "-o", str(tmp_path / "g.npz"))
    plain = Scene.load(tmp_path / "g.npz").people[0].joints
    assert np.array_equal(made[":0"], plain)
    assert not np.array_equal(made[""], plain)
    assert np.abs(made[":2"] - plain).max() > np.abs(made[""] - plain).max()
    for wrong, says in (
        (f"{adapter}:9", "between -2 and 2"),
        (f"{bvh}", "is no adapter"),
        ("none", "no file"),
    ):
        code, _, notes = run("motion", "a person glides", "-o", str(tmp_path / "g.npz"), "--lora", wrong)
        assert code == 2
        assert says in notes
