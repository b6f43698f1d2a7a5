"""`kinema passes` and `kinema.make_passes`: what is read, checked and said before the work, and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import kinema
from kinema.app.cli import app
from kinema.app.footage import footage_of
from kinema.app.passing import PassRequest, passes_of
from kinema.app.progress import Notes, Progress
from kinema.app.request import FromFile
from kinema.scene.formats import openpose
from kinema.scene.lasting import Part

EXAMPLES = Path(__file__).parents[2] / "examples"
WALK = EXAMPLES / "walk_and_wave.bvh"


def run(*words):
    return CliRunner().invoke(app, ["passes", *map(str, words)])


def refused(*words):
    """The message with which a command is refused."""
    done = run(*words)
    assert done.exception is not None
    return str(done.exception)


def test_alone_it_lists_the_models():
    done = run("--json")
    models = {row["model"]: row for row in json.loads(done.stdout)["models"]}
    assert {"vace", "wan-animate", "wan-fun-control", "cogvideox-fun", "openpose", "depth", "ltx"} <= set(
        models
    )
    assert models["vace"]["set"]["recipe"][0] == "pose"
    assert "4k + 1" in run().stdout


def test_a_folder_is_written(tmp_path):
    folder = tmp_path / "out"
    words = (
        WALK,
        "--for",
        "vace",
        "-o",
        folder,
        "--camera",
        "arc left 30deg",
        "--size",
        "128x96",
        "--seconds",
        "0.3",
    )
    done = run(*words, "--set", "recipe=extend", "--set", "keep=1", "--json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["frames"] == 5
    assert facts["files"] == ["control.mp4", "mask.mp4", "pose.mp4", "depth.mp4"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*facts["files"], "README.txt", "passes.json"]
    )
    settings = json.loads((folder / "passes.json").read_text())["settings"]
    assert settings["camera"] == "arc left 30deg"
    assert settings["source"]["name"] == WALK.name
    assert settings["set"] == {"recipe": "extend", "keep": "1"}
    assert "add --force" in refused(*words)
    assert kinema.read_video(folder / "control.mp4").frames.shape == (5, 96, 128, 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--for", "vace"), "-o FOLDER is missing"),
        (("-o", "x"), "--for MODEL is missing"),
        (("--for", "sora", "-o", "x"), "no model 'sora'"),
        (("--for", "vace", "-o", "x", "--size", "100x96"), "multiples of 16 pixels"),
        (("--for", "vace", "-o", "x", "--as", "gif"), "written as mp4, lossless, png"),
        (("--for", "vace", "-o", "x", "--set", "recipe"), "give name=value"),
        (("--for", "vace", "-o", "x", "--set", "recipe=pose", "--set", "recipe=pose"), "given twice"),
        (("--for", "vace", "-o", "x", "--set", "recipe=first-frame"), "give the picture"),
        (("--for", "cogvideox-fun", "-o", "x", "--replace"), "no passes for replacing"),
        (("--for", "depth", "-o", "x", "--parts", "body"), "reads no drawn skeleton"),
        (("--for", "wan-animate", "-o", "x", "--person", "3"), "the scene has 1 people"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert message in refused(WALK, *words)
    assert not list(tmp_path.iterdir())


def test_people_beyond_those_that_a_model_tells_apart_are_left_out_with_a_note():
    alone = kinema.read_scene(WALK)
    two = kinema.Scene((alone.people[0], alone.people[0].translate((1, 0, 0))), None, alone.fps)
    told = Notes(Progress())
    made = passes_of(PassRequest(two, "wan-animate", size=(96, 96), part=Part(None, None, 0.1)), told)
    assert any("of 2 people the first is there" in line for line in told.lines)
    assert made.frames == 4
    with pytest.raises(ValueError, match="tells one person apart, not 2"):
        passes_of(PassRequest(two, "wan-animate", size=(96, 96), people="all"), told)


def test_notes_say_what_a_model_cannot_follow_and_who_is_not_seen():
    made = kinema.make_passes(
        WALK, "vace", size=(96, 96), seconds=0.2, camera="arc left 30deg", fps=24, progress=Progress()
    )
    assert any("sees the camera in the skeletons alone" in line for line in made.notes)
    assert any("was trained at 16 frames per second" in line for line in made.notes)


def test_notes_say_who_is_not_there_and_what_of_the_picture_is_lost(monkeypatch):
    from kinema.passes.profile import PROFILES

    empty = kinema.Scene((), kinema.camera("arc left 30deg", size=(832, 480), frames=5, fps=16), 16.0)

    def notes(model, picture, motion=WALK):
        monkeypatch.setattr(PROFILES[model], "passes", lambda *rest: [])  # notes alone are asked for
        return kinema.make_passes(
            motion, model, picture=picture, size=(832, 480), seconds=0.1, progress=Progress()
        ).notes

    portrait, wide = np.zeros((400, 200, 3), np.uint8), np.zeros((240, 416, 3), np.uint8)
    assert any("the picture is cropped from 200x400" in line for line in notes("cogvideox-fun", portrait))
    assert not any("cropped" in line for line in notes("cogvideox-fun", wide))
    assert any("nobody is in the scene" in line for line in notes("cogvideox-fun", wide, empty))
    assert not any("nobody is in the scene" in line for line in notes("cogvideox-fun", wide))


def test_the_shape_follows_the_scenes_own_camera():
    scene = kinema.read_scene(WALK)
    portrait = scene.with_camera(kinema.camera("static", scene, size=(720, 1280)))
    made = kinema.make_passes(portrait, "openpose", seconds=0.1, progress=Progress())
    assert made.size == (720, 1280)
    assert made["openpose"][0]["canvas_height"] == 1280


def test_keypoints_are_drawn_without_depth(tmp_path):
    scene = kinema.make_passes(WALK, "openpose", size=(128, 96), seconds=0.4, progress=Progress())
    (tmp_path / "people.json").write_text(json.dumps(scene["openpose"]))
    assert openpose.read(tmp_path / "people.json").size == (128, 96)
    made = kinema.make_passes(tmp_path / "people.json", "vace", size=(128, 96), progress=Progress())
    assert [each.name for each in made.passes] == ["control", "mask", "pose"]
    assert made["pose"].any()
    assert any("keypoints have no depth" in line for line in made.notes)
    animate = kinema.make_passes(tmp_path / "people.json", "wan-animate", size=(128, 96), progress=Progress())
    assert [each.name for each in animate.passes] == ["pose"]
    with pytest.raises(ValueError, match="needs a scene in 3D"):
        kinema.make_passes(tmp_path / "people.json", "depth", progress=Progress())
    with pytest.raises(ValueError, match="no camera can be moved"):
        kinema.make_passes(tmp_path / "people.json", "vace", camera="static", progress=Progress())


def test_more_than_fits_into_memory_is_refused_before_it_is_filmed():
    with pytest.raises(ValueError, match=r"frames of 1280x720 are more than the \d+ that are made at once"):
        kinema.make_passes(WALK, "depth", seconds=60, beyond="hold", progress=Progress())


def test_a_camera_without_people_makes_empty_passes():
    camera = kinema.camera("arc left 30deg", size=(96, 64), frames=5, fps=16)
    alone = kinema.Scene((), camera, 16.0)
    made = kinema.make_passes(alone, "vace", size=(96, 64), progress=Progress())
    assert not made["pose"].any()
    assert made["depth"].any()
    assert made.frames == 5
    assert (
        kinema.make_passes(alone, "openpose", size=(96, 64), progress=Progress())["openpose"][0]["people"]
        == []
    )
    assert not kinema.make_passes(alone, "wan-animate", size=(96, 64), progress=Progress())["face"].any()


def test_footage_is_on_the_frames_of_the_video(tmp_path, monkeypatch):
    """The frame at every moment of the new video, cropped to fill; the last one held."""
    frames = np.zeros((20, 48, 64, 3), np.uint8)
    frames += (10 * np.arange(20, dtype=np.uint8))[:, None, None, None]
    kinema.write_video(tmp_path / "film.mp4", frames, 20.0, crf=0)
    scene = kinema.read_scene(WALK).crop(0.0, 0.5)
    camera = kinema.camera("static", scene, size=(48, 48), fps=10.0)
    from kinema.capture import person_masks
    from kinema.scene.framing import in_step

    scene = in_step(scene, camera)
    seen = np.ones((1, camera.frames, 48, 48), bool)
    monkeypatch.setattr(person_masks, "person_masks", lambda *given: seen)
    footage = footage_of(FromFile(tmp_path / "film.mp4"), scene, camera.frames + 2, Progress())
    assert footage.frames.shape == (camera.frames + 2, 48, 48, 3)
    assert np.abs(footage.frames[:5, 24, 24, 0].astype(int) - 20 * np.arange(5)).max() <= 2
    assert np.array_equal(footage.frames[-1], footage.frames[camera.frames - 1])


def test_footage_keeps_its_camera_and_its_end(tmp_path):
    kinema.write_video(tmp_path / "film.mp4", np.zeros((3, 32, 32, 3), np.uint8), 10.0)
    with pytest.raises(ValueError, match="footage keeps its own camera"):
        kinema.make_passes(tmp_path / "film.mp4", "vace", replace=True, camera="static", progress=Progress())
    with pytest.raises(ValueError, match="footage ends where it ends"):
        kinema.make_passes(tmp_path / "film.mp4", "vace", replace=True, beyond="loop", progress=Progress())
