"""One request, however it is said: people, nobody, trembling motion, notes; with real classes at tiny size."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from tests.video import tiny

import kinema
from kinema.app.inputs import people_named
from kinema.app.request import Direction, FromFile, ModelChoice, Sampling, VideoRequest
from kinema.app.server import schemas
from kinema.app.server.config import ServerConfig
from kinema.app.server.making import Engine
from kinema.app.server.shelf import Shelf
from kinema.app.server.store import JobStore
from kinema.media.video import read_video
from kinema.scene import Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.formats import camera_json
from kinema.video.pipeline import KinemaPipeline

FORM = tiny.FORM


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A pipeline folder of random weights."""
    folder = tmp_path_factory.mktemp("pipeline")
    tiny.transformer().save_pretrained(folder / "transformer")
    tiny.autoencoder().save_pretrained(folder / "autoencoder")
    tiny.awake(tiny.adapter()).save_pretrained(folder / "tokenmotion")
    (folder / "pipeline.json").write_text(json.dumps({"backbone": "mini", "format": asdict(FORM)}))
    return folder


@pytest.fixture
def duet(tmp_path) -> Path:
    """A scene of two people, both in the picture."""
    alone = tiny.scene()
    second = tiny.walking().translate((0.4, 0.0, 0.0))
    replace(alone, people=(alone.people[0], second)).save(tmp_path / "duet.npz")
    return tmp_path / "duet.npz"


class Reader:
    """Keeps the scenes that a pipeline is given."""

    def __init__(self, monkeypatch) -> None:
        self.scenes: list[Scene] = []
        plain = KinemaPipeline.__call__

        def call(pipeline, *arguments, **options):
            self.scenes.append(options["scene"])
            return plain(pipeline, *arguments, **options)

        monkeypatch.setattr(KinemaPipeline, "__call__", call)


@pytest.mark.parametrize(
    ("words", "people"),
    [(None, None), (["all"], "all"), (["none"], ()), (["1", "0"], (1, 0)), (["0,2"], (0, 2))],
)
def test_people_are_named(words, people):
    assert people_named(words) == people


def test_people_who_are_no_numbers_are_said():
    for words in (["one"], ["all", "1"], ["-1"], [","]):
        with pytest.raises(ValueError, match="--person"):
            people_named(words)


def test_several_people_from_the_command_line_and_from_python(cli, run, folder, duet, tmp_path, monkeypatch):
    read = Reader(monkeypatch)
    words = ["animate", "--motion", duet, "--backbone", folder, "--steps", 1, "-o", tmp_path / "a.mp4"]
    code, _, said = run(*words)
    assert code == 0
    assert "the scene has 2 people, and person 0 alone is there" in said
    facts = cli(*words, "--person", "all", "--side-by-side", "--scene", tmp_path / "kept.npz")
    assert facts["person"] == "all"
    cli(*words, "--person", 1)
    made = kinema.animate(motion=duet, backbone=str(folder), steps=1, people=(1, 0))
    assert [len(scene.people) for scene in read.scenes] == [1, 2, 1, 2]
    assert np.allclose(read.scenes[3].people[0].joints, read.scenes[2].people[0].joints)
    assert not np.allclose(read.scenes[2].people[0].joints, read.scenes[0].people[0].joints)
    assert made.settings["person"] == [1, 0]
    assert len(Scene.load(tmp_path / "kept.npz").people) == 2


def test_nobody_and_a_camera(cli, cli_error, folder, tmp_path):
    common = ["--backbone", folder, "--steps", 1, "-o", tmp_path / "a.mp4"]
    facts = cli("animate", "--camera", "pan left 20deg", *common, "--side-by-side")
    assert (facts["frames"], facts["motion"]) == (FORM.frames, None)
    path = camera_path("dolly in 0.5m", size=FORM.size, fps=FORM.fps, frames=9)
    Scene((), path, FORM.fps).save(tmp_path / "empty.npz")
    camera_json.write(tmp_path / "camera.json", path)
    for given in (["--motion", tmp_path / "empty.npz"], ["--camera", tmp_path / "camera.json"]):
        assert cli("animate", *given, *common)["frames"] == 9
        cli("preview", tmp_path / "empty.npz", "-o", tmp_path / "p.png", "--size", "32x48")
    still = Scene((), camera_path("static", size=FORM.size, fps=FORM.fps, frames=1), FORM.fps)
    still.save(tmp_path / "still.npz")
    assert cli("animate", "--motion", tmp_path / "still.npz", *common)["frames"] == FORM.frames
    cli("animate", "--motion", tmp_path / "still.npz", "--seconds", 1, *common)
    assert len(read_video(tmp_path / "a.mp4").frames) == 9
    assert "give a motion, or a camera" in cli_error("animate", *common)


def test_nobody_of_a_scene_that_has_people(folder, duet):
    request = VideoRequest(
        motion=FromFile(duet),
        camera="pan left 20deg",
        direction=Direction(people=()),
        model=ModelChoice(str(folder), controls=("tokenmotion:pose",)),
        sampling=Sampling(steps=1),
    )
    made = kinema.fulfil(request)
    assert (made.scene.people, made.settings["person"]) == ((), [])
    assert any("no control method sees the camera" in note for note in made.notes)


def test_somebody_outside_the_picture_is_said_before_sampling(folder, duet):
    aside = replace(tiny.scene(), people=(tiny.walking().translate((9.0, 0.0, 0.0)),))
    made = kinema.animate(motion=aside, backbone=str(folder), steps=1, progress=kinema.Progress())
    assert "person 0 is outside the picture for 100% of the time" in made.notes


def test_trembling_is_taken_out_where_it_is_asked_for(folder):
    rng = np.random.default_rng(0)
    walking = tiny.walking(40)
    trembling = replace(walking, joints=walking.joints + rng.normal(0, 0.03, walking.joints.shape))
    paths = {}
    for steady in (None, True):
        made = kinema.animate(
            motion=trembling, backbone=str(folder), steps=1, steady=steady, seconds=0.5, camera="static"
        )
        assert made.settings["steady"] is bool(steady)
        paths[steady] = made.scene.people[0].joints
    away = [np.abs(path - walking.joints[:5]).mean() for path in paths.values()]
    assert away[1] < 0.8 * away[0]


def test_a_pipeline_that_is_loaded_already(folder):
    pipeline = kinema.load_pipeline(folder)
    pipeline.set_progress_bar_config(disable=True)
    made = kinema.animate(motion=tiny.scene(), model=pipeline, steps=1, seed=3)
    again = kinema.animate(motion=tiny.scene(), backbone=str(folder), steps=1, seed=3)
    assert (made.frames == again.frames).all()


class TestServer:
    @pytest.fixture
    def engine(self, tmp_path, folder) -> Engine:
        config = ServerConfig(root=tmp_path / "server", backbone=str(folder))
        shelf = Shelf(config.root)
        return Engine(config, JobStore(shelf.database), shelf, "cpu")

    def make(self, engine: Engine, folder: Path, **body) -> dict:
        asked = schemas.VideoRequest.model_validate(body).model_dump(mode="json")
        folder.mkdir(exist_ok=True)
        return engine._video(asked, folder, lambda share, stage: None)

    def test_a_camera_alone(self, engine, tmp_path):
        details = self.make(engine, tmp_path / "a", camera="pan left 20deg", steps=1)
        assert details["frames"] == FORM.frames
        assert details["settings"]["person"] == 0
        assert {path.name for path in (tmp_path / "a").iterdir()} >= {
            "video.mp4",
            "scene.npz",
            "thumbnail.png",
        }
        details = self.make(engine, tmp_path / "b", camera="static", prompt="a room", person="none", steps=1)
        assert details["settings"]["prompt"] == "a room"

    def test_everybody_of_an_uploaded_scene(self, engine, duet, tmp_path, monkeypatch):
        read = Reader(monkeypatch)
        with duet.open("rb") as file:
            stored = engine.shelf.put(file, "duet.npz")
        engine.store.add_file(stored)
        for person in ("all", [1, 0], "1"):
            self.make(engine, tmp_path / "a", motion=stored.id, person=person, steps=1)
        assert [len(scene.people) for scene in read.scenes] == [2, 2, 1]

    def test_an_empty_scene_can_be_directed(self, engine, tmp_path):
        body = {"people": [], "seconds": 1, "camera": {"text": "pan left 20deg"}}
        engine._scene(body, tmp_path, lambda share, stage: None)
        scene = Scene.load(tmp_path / "scene.npz")
        assert (scene.people, scene.frames) == ((), 21)
        with pytest.raises(ValueError, match="say seconds"):
            schemas.SceneRequest.model_validate({"people": []})


@pytest.mark.slow
def test_the_embedded_model_shows_a_room_that_moves_with_the_camera():
    if not (files("kinema") / "weights" / "mini" / "pipeline.json").is_file():
        pytest.skip("the embedded weights are not in this checkout")
    made = {
        words: kinema.animate(camera=words, steps=4, progress=kinema.Progress())
        for words in ("static", "pan left 10deg")
    }
    still, panned = (video.frames.astype(float) for video in made.values())
    assert np.abs(still[-1] - still[0]).mean() < 3, "nothing moves where the camera stands"
    assert np.abs(panned[0] - still[0]).mean() < 3
    # A pan to the left moves the room to the right: the last picture is the first one, moved.
    first, last = panned[0].mean(-1), panned[-1].mean(-1)
    width = first.shape[1]
    errors = [np.abs(last[:, by:] - first[:, : width - by]).mean() for by in range(0, 60)]
    focal = made["static"].scene.camera.intrinsics[0, 0]
    assert abs(np.argmin(errors) - focal * np.tan(np.radians(10))) <= 4
    assert min(errors) < 0.7 * errors[0]


def test_nobody_of_a_motion_without_a_camera(cli, folder, duet, tmp_path):
    scene = Scene.load(duet).with_camera(None)
    scene.save(tmp_path / "motion.npz")
    words = ["animate", "--motion", tmp_path / "motion.npz", "--person", "none", "--camera", "pan left 20deg"]
    facts = cli(*words, "--backbone", folder, "--steps", 1, "-o", tmp_path / "a.mp4")
    assert facts["frames"] == round(scene.duration * FORM.fps) + 1


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"picture": np.zeros((8, 8, 3))}, r"uint8 \[H, W, 3\], not float64 \[8, 8, 3\]"),
        ({"picture": np.zeros((3, 8, 8), np.uint8)}, r"not uint8 \[3, 8, 8\]"),
        ({"picture": np.zeros((0, 8, 3), np.uint8)}, r"not uint8 \[0, 8, 3\]"),
        ({"picture": {1: 2}}, "give a file, a picture or pixels, not a dict"),
        ({"seed": 2**64}, "seed 18446744073709551616: give a whole number"),
        ({"seed": 1.5}, "seed 1.5: give a whole number"),
        ({"motion": np.zeros((4, 24, 3))}, "give a file, a motion or a scene, not a ndarray"),
    ],
    ids=str,
)
def test_things_that_are_no_picture_and_no_motion(folder, duet, asked, says):
    with pytest.raises(ValueError, match=says):
        kinema.animate(**{"motion": duet, **asked}, backbone=str(folder), steps=1)


def test_a_scale_that_scales_nothing_is_said(folder, duet):
    made = kinema.animate(motion=duet, backbone=str(folder), steps=1, seconds=0.2, guidance={"txt": 3.0})
    assert any("'txt' is none of camera, pose, text" in note for note in made.notes)
