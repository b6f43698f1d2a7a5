from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.scene.bodies import dog
from tests.scene.formats.camera_cases import real_camera

from kinema.app.inputs import parse_scale, parse_size
from kinema.media.video import read_video
from kinema.scene import Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.formats import camera_json, read_motion, read_scene, realestate10k, tum, write_motion
from kinema.scene.framing import fit_camera, frame_count, scene_camera
from kinema.scene.skeleton import SMPL24, Skeleton

FPS = 10.0


def moving(frames: int = 11, forward: float = 0.3, side: float = 0.0) -> Motion:
    """The rest pose gliding forward while one arm rises."""
    joints = np.repeat(SMPL24.rest[None], frames, axis=0).astype(float)
    share = np.linspace(0, 1, frames)[:, None]
    joints[:, :, 2] += forward * share
    joints[:, :, 0] += side
    joints[:, 20:24:2, 1] += 0.1 * share
    return Motion(joints, FPS, SMPL24)


@pytest.fixture
def bvh(tmp_path: Path) -> Path:
    write_motion(tmp_path / "move.bvh", moving())
    return tmp_path / "move.bvh"


def unmarked(path: Path, motion: Motion, **options: object) -> None:
    """Writes a BVH as other programs do: without the unit that Kinema hides in it."""
    write_motion(path, motion, **options)
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()))


class TestCamera:
    def test_words_become_every_format(self, cli, tmp_path):
        path = camera_path("arc left 60deg", size=(64, 48), fps=12.0, frames=9)
        common = ["--frames", 9, "--fps", 12, "--size", "64x48"]
        for name, read in [
            ("a.json", camera_json.read),
            ("a.txt", lambda file: realestate10k.read(file, size=(64, 48))),
            ("a.tum", lambda file: tum.read(file, size=(64, 48))),
        ]:
            facts = cli("camera", "arc left 60deg", "-o", tmp_path / name, *common)
            assert facts["frames"] == 9
            back = read(tmp_path / name)
            assert np.abs(back.c2w - path.c2w).max() < 1e-4
            assert np.abs(back.intrinsics - path.intrinsics).max() < 1e-3

    def test_a_motion_sets_place_and_length(self, cli, tmp_path, bvh):
        facts = cli("camera", "static", "-o", tmp_path / "a.json", "--motion", bvh)
        assert (facts["frames"], facts["fps"]) == (11, FPS)

    def test_a_camera_file_is_converted(self, cli, tmp_path):
        cli("camera", "dolly in 1m", "-o", tmp_path / "a.json", "--frames", 21, "--fps", 10)
        facts = cli("camera", tmp_path / "a.json", "-o", tmp_path / "b.tum", "--frames", 41, "--fps", 20)
        assert facts["format"] == "tum"
        first, last = (tum.read(tmp_path / "b.tum", size=(512, 512)).positions[i] for i in (0, -1))
        assert np.linalg.norm(last - first) == pytest.approx(1.0, abs=1e-4)

    def test_a_file_of_another_world_is_described_and_laid_on_the_person(self, cli, tmp_path, bvh):
        path = real_camera("transforms.json")
        facts = cli("camera", path)
        assert (facts["poses"], facts["up"], facts["metres"], facts["absolute"]) == (24, "z", False, False)
        assert any("--camera-scale" in line for line in facts["assumed"])
        facts = cli("camera", path, "-o", tmp_path / "a.json", "--motion", bvh)
        assert (facts["frames"], facts["fps"]) == (11, FPS)
        assert camera_json.read(tmp_path / "a.json").visible(moving().joints[:, :1]).all()
        cli("camera", path, "-o", tmp_path / "a.json", "--motion", bvh, "--camera-scale", 2, "--force")
        camera = camera_json.read(tmp_path / "a.json")
        assert np.linalg.norm(np.diff(camera.positions, axis=0), axis=1).sum() == pytest.approx(
            2 * 3.0 * np.radians(40), rel=0.02
        )
        for name in ("b.tum", "c.kitti", "transforms.json", "images.txt"):
            assert cli("camera", tmp_path / "a.json", "-o", tmp_path / name)["frames"] == 11

    def test_a_file_that_is_not_there_is_no_camera_in_words(self, cli_error, tmp_path, bvh):
        gone = tmp_path / "gone.json"
        assert "gone.json: no such camera file" in cli_error("camera", gone, "-o", tmp_path / "a.json")
        said = cli_error("preview", bvh, "--camera", gone, "-o", tmp_path / "a.mp4")
        assert "gone.json: no such camera file" in said

    def test_wrong_words_are_pointed_at(self, cli_error, tmp_path):
        assert "sideways" in cli_error("camera", "arc sideways 60deg", "-o", tmp_path / "a.json")
        assert "--format" in cli_error("camera", "static", "-o", tmp_path / "a.xyz")
        assert "512x512" in cli_error("camera", "static", "-o", tmp_path / "a.json", "--size", "big")
        assert list(tmp_path.iterdir()) == []


class TestMotion:
    def test_convert_keeps_the_joints(self, cli, tmp_path, bvh):
        cli("motion", "convert", bvh, tmp_path / "a.npz")
        cli("motion", "convert", tmp_path / "a.npz", tmp_path / "b.glb")
        cli("motion", "convert", tmp_path / "b.glb", tmp_path / "c.bvh")
        back = read_motion(tmp_path / "c.bvh")
        order = [back.skeleton.names.index(name) for name in SMPL24.names]
        assert np.abs(back.joints[:, order] - moving().joints).max() < 1e-3

    def test_time_is_seconds(self, cli, tmp_path, bvh):
        facts = cli("motion", "convert", bvh, tmp_path / "a.npz", "--fps", 30, "--from", 0.2, "--to", 0.8)
        assert (facts["frames"], facts["fps"], facts["seconds"]) == (19, 30.0, 0.6)
        whole, part = moving(), read_motion(tmp_path / "a.npz")
        assert np.abs(part.joints[0] - whole.joints[2]).max() < 1e-3
        assert np.abs(part.joints[-1] - whole.joints[8]).max() < 1e-3

    def test_mirror_and_smpl24(self, cli, tmp_path, bvh):
        cli("motion", "convert", bvh, tmp_path / "a.npz", "--mirror", "--as", "smpl24")
        assert np.abs(read_motion(tmp_path / "a.npz").joints - moving().mirror().joints).max() < 1e-3

    def test_info_says_what_is_there(self, cli, bvh, tmp_path):
        person = cli("motion", "info", bvh)["people"][0]
        assert (person["frames"], person["fps"], person["joints"]) == (11, FPS, 24)
        assert person["path_m"] == pytest.approx(0.3, abs=1e-3)
        camera = camera_path("static", size=(32, 32), fps=FPS, frames=11)
        Scene((moving(), moving(side=1.0)), camera, FPS, "two people").save(tmp_path / "two.npz")
        facts = cli("motion", "info", tmp_path / "two.npz")
        assert len(facts["people"]) == 2
        assert facts["text"] == "two people"
        assert facts["camera"]["frames"] == 11

    def test_units_are_guessed_or_told(self, cli, tmp_path):
        unmarked(tmp_path / "cm.bvh", moving(), unit="cm")
        facts = cli("motion", "info", tmp_path / "cm.bvh")
        assert facts["people"][0]["path_m"] == pytest.approx(0.3, abs=1e-3)
        assert {
            "option": "--unit",
            "value": "cm",
            "why": "the figure is then 1.70 m tall",
            "doubtful": False,
        } in (facts["assumed"])
        told = cli("motion", "info", tmp_path / "cm.bvh", "--unit", "0.02")
        assert told["people"][0]["path_m"] == pytest.approx(0.6, abs=1e-3)
        assert "--unit" not in [each["option"] for each in told["assumed"]]

    def test_info_has_a_line_for_all_that_was_assumed(self, run, cli, tmp_path):
        unmarked(tmp_path / "a.bvh", moving().translate([0, -0.9, 0]), unit="cm")
        _, out, err = run("motion", "info", tmp_path / "a.bvh")
        assert err == "", "what is in the answer is no note"
        lines = [line.strip() for line in out.splitlines()]
        assert lines[0] == f"{tmp_path / 'a.bvh'}: BVH"
        assert "unit: cm, the figure is then 1.70 m tall (--unit)" in lines
        assert "up: y, so the figure stands (--up)" in lines
        (floor,) = (line for line in lines if line.startswith("floor: "))
        assert floor.endswith("below height 0 (--ground)")
        (person,) = (line for line in lines if line.startswith("person 0"))
        assert "a person, 1.70 m tall" in person
        facts = cli("motion", "info", tmp_path / "a.bvh", "--ground", "keep", "--up", "z", "--source-fps", 12)
        assert (facts["up"], facts["people"][0]["fps"]) == ("z", 12)
        assert [each["option"] for each in facts["assumed"]] == ["--unit"]
        _, _, err = run("motion", "convert", tmp_path / "a.bvh", tmp_path / "a.npz")
        assert "note: floor: the lowest foot stands on it" in err

    def test_info_of_what_is_no_person_and_of_a_camera_alone(self, run, cli, tmp_path):
        legs = Skeleton(("root", "a", "b"), (-1, 0, 0), np.array([[0, 1, 0], [1, 0, 0], [-1, 0, 0]]))
        write_motion(tmp_path / "a.bvh", Motion(np.repeat(legs.rest[None], 3, axis=0), 30, legs))
        facts = cli("motion", "info", tmp_path / "a.bvh")
        assert (facts["people"][0]["is_person"], facts["assumed"]) == (False, [])
        assert "no person (no joints of a person)" in run("motion", "info", tmp_path / "a.bvh")[1]
        camera = camera_path("static", size=(32, 32), fps=FPS, frames=11)
        Scene((), camera, FPS).save(tmp_path / "camera.npz")
        facts = cli("motion", "info", tmp_path / "camera.npz")
        assert (facts["people"], facts["camera"]["frames"]) == ([], 11)
        assert "camera: 11 frames" in run("motion", "info", tmp_path / "camera.npz")[1]

    def test_several_people_are_kept_where_the_file_can_hold_them(self, run, cli, cli_error, tmp_path):
        two = tmp_path / "two.npz"
        Scene((moving(), moving(side=1.0)), None, FPS, "two people").save(two)
        assert cli("motion", "convert", two, tmp_path / "a.npz", "--fps", 20)["people"] == 2
        kept = Scene.load(tmp_path / "a.npz")
        assert ([person.fps for person in kept.people], kept.text) == ([20, 20], "two people")
        code, _, err = run("motion", "convert", two, tmp_path / "a.bvh")
        assert code == 0
        assert (
            "note: a.bvh can hold one person: person 0 of 2 is written (--person, or a .npz for all)" in err
        )
        _, _, err = run("motion", two, "-o", tmp_path / "a.bvh", "--person", 1)
        assert err == ""
        assert (
            np.abs(read_motion(tmp_path / "a.bvh").joints[:, 0] - moving(side=1.0).joints[:, 0]).max() < 1e-3
        )
        assert "person" in cli_error("motion", "convert", two, tmp_path / "a.bvh", "--person", 2)

    def test_errors_name_the_file_and_the_place(self, cli_error, tmp_path, bvh):
        broken = tmp_path / "broken.bvh"
        broken.write_text(bvh.read_text()[:300])
        assert "broken.bvh: line" in cli_error("motion", "info", broken)
        assert "gone.bvh: no such motion file" in cli_error("motion", "info", tmp_path / "gone.bvh")
        assert "a.bvh or" in cli_error("motion", "convert", bvh, tmp_path / "a.docx")
        assert "--as dog" in cli_error("motion", "convert", bvh, tmp_path / "a.npz", "--as", "dog")
        assert "unit='furlong'" in cli_error("motion", "info", bvh, "--unit", "furlong")
        assert not (tmp_path / "a.npz").exists()


class TestPreview:
    size = ("--size", "48x64")

    def test_a_video_with_its_settings(self, cli, tmp_path, bvh):
        facts = cli("preview", bvh, "--camera", "arc left 20deg", "-o", tmp_path / "a.mp4", *self.size)
        video = read_video(tmp_path / "a.mp4")
        assert video.frames.shape == (11, 64, 48, 3)
        assert video.fps == FPS
        assert video.settings["camera"] == facts["camera"] == "arc left 20deg"
        assert np.ptp(video.frames[0]) > 50, "somebody stands there"
        assert (video.frames[0] != video.frames[-1]).any()

    def test_the_same_seed_gives_the_same_picture(self, cli, tmp_path, bvh):
        for name, seed in [("a", 3), ("b", 3), ("c", 4)]:
            cli("preview", bvh, "-o", tmp_path / f"{name}.png", "--seed", seed, *self.size)
        a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
        assert a == b != c

    def test_standing_is_not_the_motion(self, cli, tmp_path, bvh):
        cli("preview", bvh, "-o", tmp_path / "a.png", *self.size)
        cli("preview", bvh, "-o", tmp_path / "b.png", "--standing", *self.size)
        assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()

    def test_two_people_and_the_scenes_own_camera(self, cli, tmp_path):
        camera = camera_path("truck left 0.5m", size=(32, 32), fps=FPS, frames=11, subject=moving())
        Scene((moving(), moving(side=0.8)), camera, FPS).save(tmp_path / "two.npz")
        facts = cli(
            "preview",
            tmp_path / "two.npz",
            "-o",
            tmp_path / "a.mp4",
            "--seconds",
            0.3,
            "--fps",
            20,
            *self.size,
        )
        assert facts["frames"] == len(read_video(tmp_path / "a.mp4").frames) == 7

    def test_animals_are_filmed_as_sticks_and_drive_no_model(self, run, cli_error, tmp_path):
        animal = Motion(np.repeat(dog().rest[None], 11, axis=0), FPS, dog())
        write_motion(tmp_path / "dog.bvh", animal)
        code, _, err = run("preview", tmp_path / "dog.bvh", "-o", tmp_path / "a.png", *self.size)
        assert code == 0
        assert "not a person: filmed as sticks" in err
        assert "--joints map.json" in err
        refused = cli_error("animate", "--motion", tmp_path / "dog.bvh", "-o", tmp_path / "b.mp4")
        assert "no human skeleton" in refused
        assert "kinema preview" in refused
        assert "relaxed" in cli_error(
            "preview", tmp_path / "dog.bvh", "-o", tmp_path / "c.png", "--standing", *self.size
        )

    def test_an_empty_stage_is_an_error(self, cli_error, tmp_path):
        joints = moving().joints.copy()
        joints[:, SMPL24.index("head")] = np.nan
        Scene((Motion(joints, FPS, SMPL24),), None, FPS).save(tmp_path / "headless.npz")
        said = cli_error("preview", tmp_path / "headless.npz", "-o", tmp_path / "a.png", *self.size)
        assert "nobody can be drawn (person 0: no head)" in said
        assert not (tmp_path / "a.png").exists()

    def test_mistakes_are_said_and_nothing_is_written(self, cli_error, tmp_path, bvh):
        output = tmp_path / "a.mp4"
        assert "person 1: the scene has 1 people" in cli_error(
            "preview", bvh, "-o", output, "--person", 1, *self.size
        )
        (tmp_path / "dance.mp4").touch()
        assert "is it a complete video?" in cli_error("preview", tmp_path / "dance.mp4", "-o", output)
        assert ".webm" in cli_error("preview", bvh, "-o", tmp_path / "a.docx")
        assert "fps 0: give" in cli_error("preview", bvh, "-o", output, "--fps", 0)
        assert "seconds -1: give" in cli_error("preview", bvh, "-o", output, "--seconds", -1)
        assert "16" in cli_error("preview", bvh, "-o", output, "--size", "8x8")
        assert "move.bvh is a file" in cli_error("preview", bvh, "-o", bvh / "a.mp4", *self.size)
        assert {path.name for path in tmp_path.iterdir()} == {"move.bvh", "dance.mp4"}


class TestOthers:
    def test_models_lists_the_embedded_weights(self, cli):
        facts = cli("models")
        assert {"cogvideox-2b", "wan2.1-14b"} <= set(facts["backbones"])
        assert sum(model["bytes"] for model in facts["models"]) <= 60e6
        assert all(model["card"] for model in facts["models"])

    def test_train_lists_and_checks(self, cli, cli_error, tmp_path):
        assert "mini" in cli("train")["recipes"]
        assert "mini" in cli_error("train", "nothing")
        assert "NAME=VALUE" in cli_error("train", "mini", "--out", tmp_path / "a", "--set", "width")
        assert "--minutes" in cli_error("train", "mini", "--minutes", 0)
        (tmp_path / "old.txt").touch()
        assert "--resume" in cli_error("train", "mini", "--out", tmp_path)

    def test_unknown_words_end_with_2(self, run):
        assert run("prevew")[0] == 2
        assert run("preview", "--nothing")[0] == 2
        assert run("--version")[1].startswith("kinema ")

    def test_debug_shows_the_traceback(self, run, monkeypatch, tmp_path):
        monkeypatch.setenv("KINEMA_DEBUG", "1")
        with pytest.raises(FileNotFoundError):
            run("motion", "info", tmp_path / "gone.bvh")


class TestInputs:
    @pytest.mark.parametrize("text", ["", "12", "0x0", "99999x3", "-4x4", "16x", "16 x 16 x 16"])
    def test_sizes_are_checked(self, text):
        with pytest.raises(ValueError, match="--size"):
            parse_size(text)

    def test_sizes(self):
        assert parse_size("640x480") == (640, 480)
        assert parse_size(" 640X480 ") == (640, 480)

    def test_frame_count_includes_both_ends(self):
        scene = Scene((moving(),), None, FPS)
        assert frame_count(scene, 10) == 11
        assert frame_count(scene, 30) == 31
        assert frame_count(scene, 30, seconds=0.5) == 16
        assert frame_count(Scene((moving(1),), None, FPS), 10, seconds=2) == 21
        with pytest.raises(ValueError, match="frames"):
            frame_count(Scene((moving(1),), None, FPS), 240, seconds=3600)

    def test_a_short_camera_is_held(self):
        camera = camera_path("dolly in 1m", size=(64, 64), fps=10, frames=11)
        fitted = fit_camera(camera, size=(32, 64), fps=20, frames=41)
        assert (fitted.frames, fitted.size, fitted.fps) == (41, (32, 64), 20)
        assert np.allclose(fitted.c2w[20:], camera.c2w[-1])

    def test_a_walker_is_followed_and_stays_in_the_picture(self):
        far = moving(31, forward=6.0)
        for tracking, inside in [("auto", True), ("none", True), ("follow", True)]:
            path = scene_camera(
                Scene((far,), None, FPS), "static", size=(64, 64), fps=FPS, frames=31, tracking=tracking
            )
            pixels, depth = path.project(far.joints)
            assert bool(((pixels >= 0) & (pixels < 64)).all() and (depth > 0).all()) == inside
        near, walker = (
            scene_camera(Scene((person,), None, FPS), "static", size=(64, 64), fps=FPS, frames=31)
            for person in (moving(31), far)
        )
        assert np.ptp(near.positions, axis=0).max() < 1e-6
        assert np.ptp(walker.positions, axis=0).max() > 4

    def test_a_scene_file_is_not_a_motion_file(self, tmp_path):
        Scene((moving(), moving(side=1)), None, FPS).save(tmp_path / "scene.npz")
        write_motion(tmp_path / "motion.npz", moving())
        assert len(read_scene(tmp_path / "scene.npz").people) == 2
        assert len(read_scene(tmp_path / "motion.npz").people) == 1


def test_guidance_is_a_number_or_one_for_each_of_two_experts():
    assert parse_scale(None, "--guidance-text") is None
    assert parse_scale("4", "--guidance-text") == 4.0
    assert parse_scale("4, 3.5", "--guidance-text") == (4.0, 3.5)
    for text in ("", "4,3,2", "much", "nan", "4;3"):
        with pytest.raises(ValueError, match=f"--guidance-pose {text}: give a number, or two"):
            parse_scale(text, "--guidance-pose")
