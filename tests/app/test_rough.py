"""Rough takes: the person of a picture moved, by command, from Python and by the server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import kinema
from kinema.app.model_cache import ModelCache
from kinema.app.request import ROUGH
from kinema.app.rough import rough_take
from kinema.app.rough_camera import framing_of
from kinema.app.rough_picture import NobodyInPicture
from kinema.app.server import schemas
from kinema.app.server.config import ServerConfig
from kinema.app.server.making import Engine
from kinema.app.server.shelf import Shelf
from kinema.app.server.store import JobStore
from kinema.media.video import read_settings, read_video
from kinema.puppet.acting import Acting
from kinema.puppet.face import PictureFace
from kinema.scene import Motion, Scene
from kinema.scene.camera import CameraPath, look_at
from kinema.scene.formats import read_motion
from kinema.scene.formats.cameras import write_camera
from kinema.scene.framing import direct
from kinema.scene.keypoints import Keypoints
from kinema.scene.skeleton import skeleton

pytest.importorskip("mediapipe")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
JACKS, WALK = EXAMPLES / "jumping_jacks.bvh", EXAMPLES / "walk_and_wave.bvh"
SIZE = (256, 384)


@pytest.fixture(scope="module")
def hero(tmp_path_factory) -> Path:
    """An actor of the stage, standing."""
    from kinema.app.filming import actor_picture

    path = tmp_path_factory.mktemp("hero") / "hero.png"
    motion = read_motion(WALK, as_smpl24=True)
    actor_picture(direct(Scene((motion,), None, motion.fps), size=SIZE, fps=30.0), 5).save(path)
    return path


@pytest.fixture(scope="module")
def landscape(tmp_path_factory) -> Path:
    """Hills under a sky."""
    path = tmp_path_factory.mktemp("landscape") / "hills.png"
    rows, columns = np.mgrid[:240, :320]
    hills = rows > 150 + 20 * np.sin(columns / 40)
    pixels = np.where(hills[..., None], [60, 120, 50], [150, 190, 240]) + rows[..., None] // 8
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def friend(hero: Path) -> Path:
    """Another actor."""
    from kinema.app.filming import actor_picture

    path = hero.parent / "friend.png"
    motion = read_motion(WALK, as_smpl24=True)
    actor_picture(direct(Scene((motion,), None, motion.fps), size=SIZE, fps=30.0), 8).save(path)
    return path


@pytest.fixture(scope="module")
def group(hero: Path, friend: Path) -> Path:
    """Both in one picture."""
    path = hero.parent / "group.png"
    both = [np.asarray(Image.open(each).convert("RGB")) for each in (hero, friend)]
    Image.fromarray(np.concatenate(both, axis=1)).save(path)
    return path


@pytest.fixture(scope="module")
def duet(hero: Path) -> Path:
    """Somebody who jumps on the right, person 0, and somebody who stands on the left."""
    path = hero.parent / "duet.npz"
    jacks = read_motion(JACKS, as_smpl24=True).crop(0, 0.8)
    stands = Motion(np.repeat(jacks.joints[:1], jacks.frames, axis=0), jacks.fps, jacks.skeleton)
    Scene((jacks.translate((0.7, 0, 0)), stands.translate((-0.7, 0, 0))), None, jacks.fps).save(path)
    return path


def animate(*words: object, **options: object) -> kinema.VideoResult:
    return kinema.animate(*words, **{"progress": kinema.Progress(), **options})  # type: ignore[arg-type]


class TestCommand:
    def test_a_picture_becomes_a_rough_take(self, run, hero, tmp_path):
        out, scene = tmp_path / "a.mp4", tmp_path / "a.npz"
        words = ["animate", hero, "--motion", JACKS, "--seconds", 0.5, "--camera", "arc left 20deg"]
        code, said, notes = run(*words, "-o", out, "--scene", scene)
        assert code == 0, notes
        assert "16 frames at 30 fps, 256x384" in said
        assert [line for line in notes.splitlines() if "--backbone" in line and "rough take" in line]
        video = read_video(out)
        assert video.frames.shape == (16, 384, 256, 3)
        assert (video.settings["backbone"], video.settings["command"]) == (ROUGH, "animate")
        assert video.settings["image"]["name"] == "hero.png"
        assert video.settings["assumed"]["fov"] == 40
        assert json.loads(Path(f"{out}.json").read_text())["settings"]["camera"] == "arc left 20deg"
        kept = Scene.load(scene)
        assert kept.camera is not None
        assert (kept.frames, kept.camera.size) == (16, SIZE)

    def test_named_it_says_no_more(self, run, hero, tmp_path):
        words = ["animate", hero, "--motion", JACKS, "--seconds", 0.2, "--backbone", ROUGH]
        code, _, notes = run(*words, "-o", tmp_path / "a.gif")
        assert code == 0, notes
        assert "kinema: note" not in notes

    def test_size_and_rate(self, cli, hero, tmp_path):
        out = tmp_path / "a.mp4"
        words = ["animate", hero, "--motion", JACKS, "--seconds", 0.5, "--size", "320x240", "--fps", 12]
        made = cli(*words, "-o", out)
        assert (made["frames"], made["fps"], made["size"]) == (7, 12, [320, 240])
        assert read_video(out).frames.shape == (7, 240, 320, 3)

    def test_transparent(self, cli, cli_error, hero, tmp_path):
        words = ["animate", hero, "--camera", "static", "--seconds", 0.1, "--background", "transparent"]
        cli(*words, "-o", f"{tmp_path}/frames/")
        first = np.asarray(Image.open(tmp_path / "frames" / "00000.png"))
        assert first.shape == (384, 256, 4)
        assert first[0, 0, 3] == 0
        assert 0.05 < (first[..., 3] > 250).mean() < 0.4
        picture = np.asarray(Image.open(hero).convert("RGB"))
        there = first[..., 3] > 250
        assert np.abs(first[there][:, :3].astype(int) - picture[there]).mean() < 8
        assert "cannot be transparent" in cli_error(*words, "-o", tmp_path / "a.mp4")
        assert "--side-by-side" in cli_error(*words, "-o", tmp_path / "a.webm", "--side-by-side")

    def test_nobody_in_the_picture(self, run, landscape, tmp_path):
        noise = tmp_path / "noise.png"
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 160, 3), np.uint8)).save(noise)
        for picture in (landscape, noise):
            code, said, notes = run("animate", picture, "--motion", JACKS, "-o", tmp_path / "out" / "a.mp4")
            assert code == 2
            said_lines = [line for line in notes.splitlines() if line.startswith("kinema: ")]
            assert len(said_lines) == 1
            assert f"{picture.name}: nobody is found" in said_lines[0]
            assert not said
            assert not (tmp_path / "out").exists()

    def test_a_picture_is_checked_and_its_joints_are_moved_by_hand(self, run, cli, hero, landscape, tmp_path):
        out = tmp_path / "a.mp4"
        report = cli("animate", hero, "--check", "-o", out)
        assert report["verdict"] in ("good", "usable")
        assert {path.name for path in tmp_path.iterdir()} == {"a.marks.json", "a.marks.png"}
        code, said, _ = run("animate", landscape, "--check", "-o", tmp_path / "b.mp4")
        assert code == 0
        assert said.startswith("nobody\n- Nobody is found")
        marks = json.loads((tmp_path / "a.marks.json").read_text())
        marks["joints"]["left_wrist"] = [10, 10]
        (tmp_path / "a.marks.json").write_text(json.dumps(marks))
        words = ["animate", hero, "--camera", "static", "--seconds", 0.1, "-o", out]
        cli(*words, "--scene", tmp_path / "a.npz", "--marks", tmp_path / "a.marks.json")
        wrist = Scene.load(tmp_path / "a.npz").people[0].joints[0, 20]
        cli(*words, "--scene", tmp_path / "b.npz")
        assert wrist[1] > Scene.load(tmp_path / "b.npz").people[0].joints[0, 20, 1] + 0.5

    def test_a_mask_and_a_transparent_picture_say_who_it_is(self, cli, hero, tmp_path):
        rows, columns = np.mgrid[:384, :256]
        mask = np.uint8(255 * ((abs(columns - 128) < 40) & (rows > 40) & (rows < 330)))
        Image.fromarray(mask).save(tmp_path / "mask.png")
        clear = Image.open(hero).convert("RGB")
        clear.putalpha(Image.fromarray(mask))
        clear.save(tmp_path / "clear.png")
        shown = []
        common = ["--camera", "static", "--seconds", 0.1, "--background", "transparent", "-o"]
        for name, words in (("a", [hero, "--mask", tmp_path / "mask.png"]), ("b", [tmp_path / "clear.png"])):
            cli("animate", *words, *common, f"{tmp_path}/{name}/")
            shown.append(np.asarray(Image.open(tmp_path / name / "00000.png"))[..., 3] > 127)
        for alpha in shown:
            assert ((alpha & (mask > 0)).sum() / (alpha | (mask > 0)).sum()) > 0.85

    def test_what_models_alone_have_asks_for_one(self, cli_error, hero, tmp_path):
        words = ["animate", hero, "--motion", JACKS, "-o", tmp_path / "a.mp4"]
        for option in (["--steps", 4], ["--control", "none"], ["--guidance-pose", 2], ["--no-retarget"]):
            for named in ([], ["--backbone", ROUGH]):
                said = cli_error(*words, *option, *named)
                assert option[0] in said
                assert "--backbone mini" in said
        assert "--aligned" in cli_error(*words, "--aligned", tmp_path / "a.png")
        assert "person of a picture" in cli_error("animate", *words[2:], "--backbone", ROUGH)
        assert "rough takes" in cli_error("animate", *words[2:], "--clothes", "skirt")
        assert "clothes" in cli_error(*words, "--clothes", "hat")
        assert list(tmp_path.iterdir()) == []

    def test_keypoints_cannot_move_it(self, cli_error, hero, tmp_path):
        (tmp_path / "poses.json").write_text('{"people": [], "canvas_width": 64, "canvas_height": 64}')
        words = ["animate", hero, "--motion", tmp_path / "poses.json", "-o", tmp_path / "a.mp4"]
        assert "no depth" in cli_error(*words)

    def test_a_prompt_moves_it(self, cli, cli_error, letters, motion_folder, hero, tmp_path):
        words = ["--motion-model", motion_folder, "--seconds", 0.5, "-o", tmp_path / "a.mp4"]
        made = cli("generate", "a person waves, the camera orbits left 20 degrees", "--image", hero, *words)
        assert (made["backbone"], made["camera"]) == (ROUGH, "arc left 20deg")
        assert (made["frames"], made["fps"]) == (11, 20)
        again = ["animate", hero, "--motion", "a person waves", "-o", tmp_path / "b.mp4"]
        assert "leave out --prompt" in cli_error(*again, "--prompt", "a person jumps")
        assert "--seconds" in cli_error(*again, "--from", 1)

    def test_models_lists_it(self, cli):
        assert cli("models")["backbones"][ROUGH] == "embedded"


class TestPython:
    def test_the_person_moves_as_told(self, hero):
        made = animate(hero, JACKS, seconds=1, fps=10, background="transparent", backbone=ROUGH)
        assert made.frames.shape == (11, 384, 256, 4)
        assert (made.fps, made.notes) == (10, ())
        shown = made.frames[..., 3] > 127
        moved = [(a ^ b).sum() / b.sum() for a, b in zip(shown[1:], shown[:-1], strict=True)]
        assert max(moved) > 0.2
        wide = shown.any(axis=1).sum(axis=1)
        arms = made.scene.people[0].joints[:, [20, 21], 0]
        assert np.corrcoef(wide, np.ptp(arms, axis=1))[0, 1] > 0.8, "the outline is as wide as the arms reach"

    def test_the_first_camera_sees_what_the_picture_shows(self, hero):
        """Nobody moves: the first frame is the picture, and the camera goes from there."""
        made = animate(hero, camera="arc left 30deg", seconds=0.5)
        picture = np.asarray(Image.open(hero).convert("RGB")).astype(float)
        assert made.fps == 24
        assert np.abs(made.frames[0] - picture).mean() < 6
        assert np.abs(made.frames[-1] - picture).mean() > 10
        ahead = made.scene.camera.c2w[:, :3, 2]
        assert np.degrees(np.arccos(ahead[0] @ ahead[-1])) == pytest.approx(30, abs=1)

    @pytest.mark.parametrize(
        ("fps", "result"), [(24, 24), (25, 25), (29.97, 29.97), (30, 30), (50, 25), (60, 30)]
    )
    def test_every_moment_is_where_the_motion_has_it(self, hero, fps, result):
        """By time and not by frame: a driver of any rate is kept in step."""
        motion = read_motion(JACKS, as_smpl24=True).resample(fps).crop(0, 0.6)
        made = animate(hero, motion, size=(64, 96))
        assert made.fps == pytest.approx(result)
        assert len(made.frames) == int(0.6 * result + 1e-6) + 1
        there = motion.resample(fps, np.arange(len(made.frames)) / made.fps)

        def bent(played: Motion) -> np.ndarray:
            arm, trunk = (
                played.joints[:, 18] - played.joints[:, 16],
                played.joints[:, 9] - played.joints[:, 0],
            )
            both = (arm * trunk).sum(-1) / np.linalg.norm(arm, axis=-1) / np.linalg.norm(trunk, axis=-1)
            return np.asarray(np.arccos(both))

        assert np.abs(bent(made.scene.people[0]) - bent(there)).max() < 0.1

    def test_cameras_of_files_and_scenes_begin_at_the_picture(self, hero, tmp_path):
        motion = read_motion(JACKS, as_smpl24=True).crop(0, 0.4)
        still = animate(hero, motion, size=(64, 96)).scene.camera.c2w[0]
        around = [look_at([4 * np.sin(a), 2.0, 4 * np.cos(a)], [0, 1, 0]) for a in np.linspace(0.5, 1, 13)]
        path = CameraPath(np.array(around), np.array([500.0, 500, 128, 128]), (256, 256), 30.0)
        write_camera(tmp_path / "cam.json", path)
        own = Scene((motion,), path, 30.0)
        for asked in ({"motion": motion, "camera": str(tmp_path / "cam.json")}, {"motion": own}):
            camera = animate(hero, size=(64, 96), **asked).scene.camera
            assert np.allclose(camera.c2w[0], still, atol=1e-6)
            ahead = camera.c2w[:, :3, 2] * [1, 0, 1]
            ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
            assert np.degrees(np.arccos(ahead[0] @ ahead[-1])) == pytest.approx(np.degrees(0.5), abs=0.5)
        absolute = kinema.FromCameraFile(path=tmp_path / "cam.json", absolute=True)
        for camera in (absolute, path):
            assert np.allclose(animate(hero, motion, camera, size=(64, 96)).scene.camera.c2w[0], around[0])

    def test_it_begins_with_the_picture_when_asked(self, hero):
        picture = np.asarray(Image.open(hero).convert("RGB"))
        asked = {"camera": "dolly in 0.5m", "seconds": 0.6, "fps": 10}
        plain, begun = (animate(hero, JACKS, **asked, begin_with_picture=begin) for begin in (False, True))
        assert (begun.frames[0] == picture).all()
        assert (begun.frames[-1] == plain.frames[-1]).mean() > 0.95
        assert animate(hero, JACKS, **asked, begin_with_picture=True, size=(90, 90)).frames.shape == (
            7,
            90,
            90,
            3,
        )

    def test_the_face_of_the_driver_is_kept_in_step(self, hero, monkeypatch):
        """The mouth opens from 0.4 to 0.6 s, whatever the rates of driver and result."""
        layout = "coco_wholebody133"
        body = skeleton(layout)
        first = body.index("right_jaw_0")
        face = np.tile(body.rest[first : first + 68, :2] * [1000, -1000], (31, 1, 1))
        face[12:19, [56, 57, 58, 65, 66, 67], 1] += 20
        points = np.full((31, 133, 2), np.nan)
        points[:, first : first + 68] = face
        seen = Keypoints(points, np.isfinite(points).all(-1).astype(float), layout, 30.0, (640, 480))
        motion = read_motion(JACKS, as_smpl24=True).resample(30).crop(0, 1)
        scene = Scene((motion,), None, 30.0, keypoints=(seen,))
        monkeypatch.setattr("kinema.app.rough.find_face", lambda *_: PictureFace(np.zeros((468, 2))))

        def acting(**words: object) -> Acting | None:
            request = kinema.VideoRequest.of(picture=hero, motion=scene, size=(64, 96), **words)
            return rough_take(request, kinema.Progress(), ModelCache()).acting

        acted = acting(fps=15)
        assert acted is not None
        assert acted.face is not None
        opened = acted.face[1][:, 4]
        assert opened.shape == (16,)
        assert opened[[7, 8]].min() > 0.2
        assert opened[[0, 4, 11, 15]].max() == 0
        assert acting(face=False) is None

    def test_who_leaves_the_picture_is_followed_only_when_asked(self, hero):
        left = animate(hero, WALK, "truck right 6m", seconds=1, fps=6)
        assert any("outside the picture" in note and "--tracking follow" in note for note in left.notes)
        still = animate(hero, WALK, seconds=1, fps=6).scene.camera
        assert np.ptp(still.positions, axis=0).max() < 1e-9
        assert np.ptp(animate(hero, WALK, seconds=1, fps=6, tracking="follow").scene.camera.positions) > 0

    def test_another_room(self, hero, tmp_path):
        green = np.broadcast_to(np.uint8([20, 200, 40]), (50, 80, 3))
        made = animate(hero, JACKS, seconds=0.1, background=green)
        assert np.abs(made.frames[0][:30, :30].astype(int) - [20, 200, 40]).max() < 8
        assert made.settings["background"] == {"type": "ndarray"}
        with pytest.raises(OSError, match="gone"):
            animate(hero, JACKS, background=str(tmp_path / "gone.png"))

    def test_one_person_moves_one(self, hero):
        motion = read_motion(JACKS, as_smpl24=True).crop(0, 0.2)
        duet = Scene((motion, motion.mirror().translate((1, 0, 0))), None, motion.fps)
        with pytest.raises(ValueError, match=r"1 person is found .* 2 of the scene .* --person 0$"):
            animate(hero, duet, people="all")
        assert any("2 people" in note for note in animate(hero, duet, size=(64, 96)).notes)
        assert animate(hero, duet, people=(1,), size=(64, 96)).scene.people[0].frames == 7
        nobody = animate(hero, duet, "static", people=(), size=(64, 96))
        assert (nobody.frames == nobody.frames[0]).all()

    def test_nobody_is_an_error_that_can_be_told_apart(self, landscape):
        with pytest.raises(NobodyInPicture, match=r"hills.png: nobody"):
            animate(landscape, JACKS)

    def test_large_pictures_become_1280_and_even(self, hero):
        large = Image.open(hero).convert("RGB").resize((1111, 1667))
        made = animate(large, JACKS, seconds=0.01)
        assert made.frames.shape == (1, 1280, 852, 3)

    def test_torch_is_not_imported(self, hero, tmp_path):
        code = (
            "import sys, kinema\n"
            f"kinema.animate({str(hero)!r}, {str(JACKS)!r}, 'arc left 10deg', seconds=0.1,"
            f" progress=kinema.Progress()).save({str(tmp_path / 'a.mp4')!r})\n"
            "sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
        assert read_settings(tmp_path / "a.mp4")["backbone"] == ROUGH


class TestSeveralPeople:
    @staticmethod
    def moved(frames: np.ndarray) -> tuple[float, float]:
        """How much changes in the left and in the right half."""
        change = np.abs(np.diff(frames[..., :3].astype(int), axis=0)).mean(axis=(0, 1, 3))
        half = len(change) // 2
        return float(change[:half].mean()), float(change[half:].mean())

    def test_all_of_one_picture_by_command(self, run, group, duet, tmp_path):
        out = tmp_path / "a.mp4"
        code, _, notes = run("animate", group, "--motion", duet, "--person", "all", "--fps", 6, "-o", out)
        assert code == 0, notes
        assert "from the left: person 0 by 1, person 1 by 0 of the scene" in notes
        video = read_video(out)
        left, right = self.moved(video.frames)
        assert right > 3 * left
        assert [row["person"] for row in video.settings["cast"]] == [1, 0]

    def test_who_is_named_is_moved_by_whom(self, group, duet):
        asked = {"fps": 6, "seconds": 0.6, "people": (0, 1), "picture_person": (0, 1)}
        left, right = self.moved(animate(group, duet, **asked).frames)
        assert left > 3 * right
        one = animate(group, duet, **{**asked, "people": (0,), "picture_person": 1})
        left, right = self.moved(one.frames)
        assert right > 20 * left, "who is not moved stands still, as part of the picture"

    def test_one_motion_moves_all(self, group):
        made = animate(group, JACKS, fps=6, seconds=0.6, picture_person="all")
        left, right = self.moved(made.frames)
        assert 0.5 < left / right < 2
        assert len(made.scene.people) == 2
        begun = animate(group, JACKS, fps=6, seconds=0.2, picture_person="all", begin_with_picture=True)
        assert (begun.frames[0] == np.asarray(Image.open(group).convert("RGB"))).all()
        still = animate(group, camera="static", fps=6, seconds=0.4, picture_person="all")
        assert (still.frames[0] == still.frames[-1]).all()

    def test_several_pictures_in_one_room(self, cli, hero, friend, duet, tmp_path):
        out, scene = tmp_path / "a.mp4", tmp_path / "a.npz"
        made = cli("animate", hero, friend, "--motion", duet, "--fps", 6, "-o", out, "--scene", scene)
        assert [image["name"] for image in made["image"]] == ["hero.png", "friend.png"]
        assert [row["picture"] for row in made["cast"]] == ["hero.png", "friend.png"]
        kept = Scene.load(scene)
        assert kept.camera is not None
        apart = kept.people[1].joints[0, 0] - kept.people[0].joints[0, 0]
        assert np.linalg.norm(apart[[0, 2]]) == pytest.approx(1.4, rel=0.15)
        for person in kept.people:
            assert kept.camera.visible(person.joints)[0].mean() > 0.9

    def test_what_does_not_go_together_is_said_before_the_work(self, hero, friend, group, duet, tmp_path):
        for asked, said in (
            ({"picture": (hero, friend), "people": (0, 1, 2)}, "2 people .* 3 of the scene"),
            ({"picture": (hero, friend), "people": ()}, "nobody moves"),
            ({"picture": (hero, friend), "picture_person": 1}, "one number for each"),
            ({"picture": (hero, friend), "mask": tmp_path / "a.png"}, "1 for 2 people"),
            ({"picture": (hero, friend), "begin_with_picture": True}, "--begin-with-picture"),
            ({"picture": (hero, friend), "backbone": "mini"}, "reads one"),
            ({"picture": (hero, friend), "motion": JACKS, "people": (1,)}, "person 1"),
            ({"picture": group, "picture_person": (0, 0)}, "each person once"),
            ({"picture": group, "picture_person": (0, 7)}, "--picture-person 7: 2 people"),
            ({"picture": group, "picture_person": (0, 1), "people": (0, 1, 0)}, "2 people .* 3 of the scene"),
        ):
            with pytest.raises(ValueError, match=said) as caught:
                animate(**{"motion": duet, **asked})
            assert "\n" not in str(caught.value)

    def test_each_person_is_checked(self, cli, group, tmp_path):
        report = cli("animate", group, "--picture-person", "all", "--check", "-o", tmp_path / "a.mp4")
        assert len(report["people"]) == 2
        marks = [tmp_path / f"a.{number}.marks.json" for number in range(2)]
        words = ["--marks", marks[0], "--marks", marks[1], "--camera", "static", "--seconds", 0.1]
        made = cli("animate", group, *words, "--picture-person", "0,1", "-o", tmp_path / "a.mp4")
        assert [file["name"] for file in made["marks"]] == ["a.0.marks.json", "a.1.marks.json"]


class TestServer:
    def test_a_picture_becomes_a_rough_take(self, hero, tmp_path):
        config = ServerConfig(root=tmp_path / "server")
        shelf = Shelf(config.root)
        engine = Engine(config, JobStore(shelf.database), shelf, "cpu")
        body = {"seconds": 0.2, "camera": "dolly in 0.5m", "scale": 3}
        for field, path in (("motion", JACKS), ("input_reference", hero)):
            with path.open("rb") as file:
                stored = shelf.put(file, path.name)
            engine.store.add_file(stored)
            body[field] = stored.id
        asked = schemas.VideoRequest.model_validate(body).model_dump(mode="json")
        made, said = tmp_path / "made", []
        made.mkdir()
        details = engine._video(asked, made, lambda share, stage: said.append((share, stage)))
        assert (details["frames"], details["size"], details["settings"]["backbone"]) == (7, "256x384", ROUGH)
        names = {"video.mp4", "video.mp4.json", "thumbnail.png", "scene.npz", "motion.bvh", "motion.glb"}
        assert {path.name for path in made.iterdir()} == names
        shares = [share for share, _ in said]
        assert shares == sorted(shares)
        assert any(stage == "filming" for _, stage in said)


box = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)


@given(st.integers(20, 300), st.integers(20, 300), box, box, st.integers(16, 400), st.integers(16, 400))
def test_a_frame_of_any_shape_shows_all_of_the_person(width, height, across, down, wide, tall):
    alpha = np.zeros((height, width), np.float32)
    left, right = int(across[0] * (width - 1)), int(across[1] * (width - 1))
    top, bottom = int(down[0] * (height - 1)), int(down[1] * (height - 1))
    alpha[top : bottom + 1, left : right + 1] = 1
    framing = framing_of(alpha, (wide, tall))
    span = np.array([wide, tall]) / framing.scale
    start = np.array([framing.left, framing.top])
    assert (start <= np.array([left, top]) + 1e-6).all()
    assert (start + span >= np.array([right, bottom]) + 1 - 1e-6).all()
    fills = max(wide / width, tall / height)
    assert framing.scale <= fills + 1e-9
    if not framing.beyond((width, height)):
        assert framing.scale == pytest.approx(fills, rel=0.05)
