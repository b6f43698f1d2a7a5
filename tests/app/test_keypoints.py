"""OpenPose JSON drives a model without 3D, from the command line, from Python and on the server; at tiny size."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from tests.video import mtvcraft_tiny, tiny

import kinema
from kinema.app.server import schemas
from kinema.app.server.checking import check
from kinema.app.server.config import ServerConfig
from kinema.app.server.making import Engine
from kinema.app.server.shelf import Shelf
from kinema.app.server.store import JobStore
from kinema.media.pictures import write_picture
from kinema.media.video import read_video, write_video
from kinema.scene import DetectedPeople
from kinema.scene.camera_language import camera_path
from kinema.scene.formats import openpose, read_motion
from kinema.scene.formats.openpose import KeypointSequence
from kinema.scene.mappings import smpl24_to_openpose18
from kinema.signals.skeleton_map import skeleton_map

FORM = tiny.FORM
REPOSITORY = Path(__file__).resolve().parents[2]
PICTURES = (320, 480)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A pipeline folder of random weights."""
    folder = tmp_path_factory.mktemp("pipeline")
    tiny.transformer().save_pretrained(folder / "transformer")
    tiny.autoencoder().save_pretrained(folder / "autoencoder")
    tiny.awake(tiny.adapter()).save_pretrained(folder / "tokenmotion")
    mtvcraft_tiny.adapter(tiny.transformer()).save_pretrained(folder / "mtvcraft")
    (folder / "pipeline.json").write_text(json.dumps({"backbone": "mini", "format": asdict(FORM)}))
    return folder


@pytest.fixture(scope="module")
def seen() -> KeypointSequence:
    """An example motion, a second long at 30 fps, and the same person to the right, as a detector sees them."""
    motion = read_motion(REPOSITORY / "examples" / "jumping_jacks.bvh", as_smpl24=True).crop(0.0, 1.0)
    camera = camera_path("static", size=PICTURES, fps=motion.fps, frames=motion.frames, subject=motion)
    people = [motion, motion.translate((0.5, 0.0, 0.0))]
    points = np.stack([camera.project(smpl24_to_openpose18(each.joints))[0] for each in people], axis=1)
    return KeypointSequence(
        np.concatenate([points, np.ones((*points.shape[:3], 1))], -1), "openpose18", motion.fps, PICTURES
    )


@pytest.fixture
def poses(seen, tmp_path) -> Path:
    """One person, a folder of frames."""
    openpose.write(tmp_path / "poses", replace(seen, body=seen.body[:, :1]))
    return tmp_path / "poses"


@pytest.fixture
def duet(seen, tmp_path) -> Path:
    """Two people, one file."""
    openpose.write(tmp_path / "duet.json", seen)
    return tmp_path / "duet.json"


@pytest.fixture
def picture(tmp_path) -> Path:
    write_picture(tmp_path / "hero.png", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    return tmp_path / "hero.png"


def test_a_folder_of_keypoints_is_followed(cli, folder, poses, picture, tmp_path):
    words = ["animate", picture, "--motion", poses, "--backbone", folder, "--steps", 1]
    facts = cli(*words, "-o", tmp_path / "a.mp4")
    assert (facts["frames"], facts["motion"]["name"], facts["keypoints_fps"]) == (9, "poses", 30.0)
    assert (facts["camera"], facts["retarget"], facts["steady"]) == (None, False, False)
    video = read_video(tmp_path / "a.mp4").frames
    assert video.shape == (9, FORM.height, FORM.width, 3)
    slower = cli(*words, "--keypoints-fps", 15, "-o", tmp_path / "b.mp4")
    assert slower["frames"] == 17
    assert slower["motion"] == facts["motion"]
    assert cli(*words, "--seconds", 0.5, "-o", tmp_path / "b.mp4")["frames"] == 5
    wide = tmp_path / "c.mp4"
    cli(*words, "--seconds", 0.5, "--side-by-side", "--scale", 2, "-o", wide)
    frames = read_video(wide).frames
    assert frames.shape[2] == 3 * 2 * FORM.width + 2 * 8, "picture, skeleton and video; no preview"
    skeleton = frames[:, : 2 * FORM.height, 2 * FORM.width + 12 : 4 * FORM.width]
    assert skeleton.max() > 150


def test_python_makes_what_the_pipeline_makes_of_the_people(folder, poses, picture):
    common = {"backbone": str(folder), "steps": 1, "seed": 3, "progress": kinema.Progress()}
    people = openpose.read_people(poses)
    made = [
        kinema.animate(picture, motion=motion, **common)
        for motion in (str(poses), kinema.FromKeypoints(poses), kinema.FromFile(poses), people)
    ]
    assert isinstance(made[0].scene, DetectedPeople)
    assert (made[0].scene.fps, made[0].scene.frames) == (FORM.fps, 9)
    pipeline = kinema.load_pipeline(folder)
    pipeline.set_progress_bar_config(disable=True)
    plain = pipeline(image=made[0].picture, scene=people, frames=9, steps=1, seed=3).frames
    still = pipeline(image=made[0].picture, frames=9, steps=1, seed=3).frames
    assert all((each.frames == plain).all() for each in made)
    assert (plain != still).any()


def test_several_people(cli, run, folder, duet, picture, tmp_path):
    words = [
        "animate",
        picture,
        "--motion",
        duet,
        "--backbone",
        folder,
        "--steps",
        1,
        "-o",
        tmp_path / "a.mp4",
    ]
    code, _, said = run(*words)
    assert code == 0
    assert "the keypoints have 2 people, and person 0 alone is there" in said
    assert cli(*words, "--person", "all")["person"] == "all"
    whole = openpose.read_people(duet)
    made = kinema.animate(
        picture, motion=duet, backbone=str(folder), steps=1, people=(1,), progress=kinema.Progress()
    )
    assert len(made.scene.people) == 1
    assert np.allclose(made.scene.people[0].points[0], whole.people[1].points[0], equal_nan=True)


def test_one_picture_is_held_as_long_as_is_asked(folder, seen, picture, tmp_path):
    openpose.write(tmp_path / "pose.json", replace(seen, body=seen.body[:1, :1]))
    made = kinema.animate(
        picture,
        tmp_path / "pose.json",
        backbone=str(folder),
        steps=1,
        seconds=0.5,
        progress=kinema.Progress(),
    )
    points = made.scene.people[0].points
    assert len(made.frames) == len(points) == 5
    assert np.array_equal(points[0], points[-1], equal_nan=True)


def test_what_keypoints_cannot_do_is_one_line(cli_error, run, folder, poses, duet, picture, seen, tmp_path):
    output = tmp_path / "a.mp4"
    words = ["animate", picture, "--motion", poses, "--backbone", folder, "--steps", 1, "-o", output]
    depth = "keypoints have no depth: "
    camera = cli_error(*words, "--camera", "arc left 20deg")
    assert camera.strip() == f"kinema: {depth}no camera can be moved round them"
    for option, said in (
        (["--retarget"], "retargeted"),
        (["--steady"], "steadied"),
        (["--centre"], "centred"),
        (["--aligned", tmp_path / "b.png"], "retargeted"),
        (["--scene", tmp_path / "s.npz"], "no scene to keep"),
        (["--person", 3], "person 3: the keypoints have 1 people"),
        (["--person", "none"], "nothing to show"),
        (["--keypoints-size", "huge"], "--keypoints-size huge"),
    ):
        assert said in cli_error(*words, *option)
    assert depth in cli_error("animate", *words[2:], "--actor", 1)
    assert "needs a picture of the character" in cli_error("animate", *words[2:])
    mtvcraft = cli_error(*words, "--control", "mtvcraft").strip().splitlines()[-1]
    assert mtvcraft.startswith("kinema: mtvcraft needs a scene in 3D")
    code, _, said = run(*words, "--control", "tokenmotion:camera")
    assert code == 0
    assert "no control method follows people" in said
    output.unlink()
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.json").write_text('{"frames": []}')
    bare = tmp_path / "bare.json"
    openpose.write(bare, replace(seen, size=None))
    for motion, said in (("empty", "no .json"), ("no.json", "OpenPose"), ("gone.json", "gone.json: no such")):
        assert said in cli_error("animate", picture, "--motion", tmp_path / motion, *words[4:])
    assert "canvas" in cli_error("animate", picture, "--motion", bare, *words[4:])
    assert not output.exists()
    code, _, said = run("animate", picture, "--motion", bare, *words[4:], "--keypoints-size", "320x480")
    assert code == 0, said
    assert "no depth" in cli_error("preview", duet, "-o", tmp_path / "p.mp4")


class TestServer:
    @pytest.fixture
    def engine(self, tmp_path, folder) -> Engine:
        config = ServerConfig(root=tmp_path / "server", backbone=str(folder))
        shelf = Shelf(config.root)
        return Engine(config, JobStore(shelf.database), shelf, "cpu")

    def keep(self, engine: Engine, path: Path) -> str:
        with path.open("rb") as file:
            stored = engine.shelf.put(file, path.name)
        check(engine.shelf.upload(stored), stored.kind, stored.name, 1 << 20, 60)
        engine.store.add_file(stored)
        return stored.id

    def test_an_uploaded_file_drives_a_video(self, engine, duet, picture, tmp_path):
        body = {"motion": self.keep(engine, duet), "input_reference": self.keep(engine, picture), "steps": 1}
        asked = schemas.VideoRequest.model_validate({**body, "person": "all"}).model_dump(mode="json")
        made = tmp_path / "made"
        made.mkdir()
        details = engine._video(asked, made, lambda share, stage: None)
        assert details["frames"] == 9
        assert {path.name for path in made.iterdir()} == {"video.mp4", "video.mp4.json", "thumbnail.png"}
        with pytest.raises(ValueError, match="no depth"):
            engine._motion({"file": body["motion"]}, made, lambda share, stage: None)

    def test_other_json_is_refused(self, engine, tmp_path):
        (tmp_path / "no.json").write_text("{}")
        with pytest.raises(ValueError, match=r"no.json.*people"):
            self.keep(engine, tmp_path / "no.json")


def test_a_film_of_drawn_skeletons_is_followed_as_it_lies(cli, folder, seen, picture, tmp_path):
    """Its people are read back; `kinema capture` writes them as the keypoints that drive the same video."""
    film, told = tmp_path / "film.mp4", tmp_path / "seen.json"
    alone = seen.points[:, :1]
    write_video(film, skeleton_map(alone, None, PICTURES), seen.fps)
    made = cli("capture", film, "-o", told, "--no-cache")
    assert any("drawn skeletons" in note for note in made["notes"])
    again = openpose.read_people(told, fps=seen.fps)
    off = np.linalg.norm(again.people[0].points[:, :18] - alone[:, 0], axis=-1)
    assert np.nanmedian(off) < 1.0
    options = ("--backbone", folder, "--control", "tokenmotion", "--steps", 1, "--seconds", 0.4)
    videos = []
    for name, source in (("film", (film, "--as-keypoints")), ("told", (told, "--keypoints-fps", seen.fps))):
        cli("animate", picture, "--motion", *source, "-o", tmp_path / f"{name}.mp4", *options)
        videos.append(read_video(tmp_path / f"{name}.mp4").frames)
    assert np.array_equal(*videos)


def test_pictures_are_a_video_and_json_beside_them_is_asked_about(cli_error, poses, tmp_path):
    for number in range(3):
        write_picture(poses / f"{number}.png", np.full((32, 32, 3), 40 * number, np.uint8))
    said = cli_error("animate", "--motion", poses, "-o", tmp_path / "a.mp4")
    assert "3 pictures and 31 .json files" in said
    assert "*.png" in said
    for file in poses.glob("*.json"):
        file.unlink()
    assert "nobody was found" in cli_error("capture", poses, "-o", tmp_path / "a.npz", "--no-cache")


def test_a_camera_in_place_of_a_motion_is_named(cli_error, tmp_path):
    (tmp_path / "transforms.json").write_text('{"camera_angle_x": 1, "frames": []}')
    said = cli_error("preview", tmp_path / "transforms.json", "-o", tmp_path / "a.mp4")
    assert "is a camera path (transforms.json), not a motion file" in said
    assert "--camera" in said
