"""`kinema capture`, and videos as driving motions, as a new user meets them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinema.app.capturing import filled_share
from kinema.app.inputs import parse_seconds
from kinema.evaluation.metrics.pose3d import pa_mpjpe_mm
from kinema.media.video import read_settings, read_video, sidecar, write_video
from kinema.scene import Motion, Scene
from kinema.scene.formats import FormatError, read_motion, read_scene
from kinema.scene.motion import FILLED
from kinema.scene.skeleton import SMPL24
from kinema.video.registry import EMBEDDED


class TestSeconds:
    @pytest.mark.parametrize(
        ("text", "seconds"), [("2", 2), ("2.5s", 2.5), ("1:30", 90), ("1:02:03.5", 3723.5), ("0:07 s", 7)]
    )
    def test_are_read(self, text, seconds):
        assert parse_seconds(text, "--from") == seconds

    @pytest.mark.parametrize("text", ["", "two", "-1", "1:2:3:4", "3m"])
    def test_wrong_ones_are_named(self, text):
        with pytest.raises(ValueError, match="--from"):
            parse_seconds(text, "--from")

    def test_none_stays_none(self):
        assert parse_seconds(None, "--to") is None


def test_what_is_filled_is_counted():
    confidence = np.full((4, 24), 0.9)
    confidence[0] = FILLED
    confidence[1, :12] = 0.1  # seen badly is not filled
    motion = Motion(np.repeat(SMPL24.rest[None], 4, axis=0), 10.0, SMPL24, confidence=confidence)
    assert filled_share(Scene((motion,), None, 10.0), 0) == pytest.approx(0.25)


class TestErrors:
    def test_before_anything_is_opened(self, cli_error, tmp_path):
        video = tmp_path / "a.mp4"
        assert "no such video file" in cli_error("capture", video, "-o", tmp_path / "a.npz")
        video.write_bytes(b"no video")
        assert "a.npz" in cli_error("capture", video, "-o", tmp_path / "a.txt")
        assert "one person" in cli_error("capture", video, "-o", tmp_path / "a.bvh", "--follow", "all")
        assert "this is the video itself" in cli_error(
            "capture", video, "-o", tmp_path / "a.npz", "--preview", video
        )
        assert "--from" in cli_error("capture", video, "-o", tmp_path / "a.npz", "--from", "soon")
        assert "follow tallest" in cli_error(
            "capture", video, "-o", tmp_path / "a.npz", "--follow", "tallest"
        )
        assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mp4"]

    def test_files_that_are_no_videos(self, cli_error, tmp_path):
        (tmp_path / "a.mp4").write_bytes(b"no video at all")
        said = cli_error("capture", tmp_path / "a.mp4", "-o", tmp_path / "a.npz", "--no-cache")
        assert "a.mp4" in said
        assert "cannot be decoded" in said
        with pytest.raises(FormatError, match="kinema capture"):
            read_scene(tmp_path / "a.mp4")

    def test_nobody_in_it(self, cli_error, tmp_path):
        pytest.importorskip("mediapipe")
        write_video(tmp_path / "a.mp4", np.full((4, 96, 96, 3), 90, np.uint8), 10.0)
        said = cli_error("capture", tmp_path / "a.mp4", "-o", tmp_path / "a.npz", "--no-cache")
        assert "a.mp4: nobody was found" in said
        assert not (tmp_path / "a.npz").exists()

    def test_retargeting_needs_a_picture(self, cli_error, tmp_path):
        said = cli_error("animate", "--motion", "m.bvh", "-o", tmp_path / "a.mp4", "--retarget")
        assert "need a picture" in said


@pytest.fixture(scope="module")
def filmed(motion_library, tmp_path_factory) -> tuple[Path, Scene]:
    """A test motion on film, and what was filmed."""
    pytest.importorskip("mediapipe")
    from kinema.evaluation.protocols.capture_takes import Conditions, film_take

    asked = Conditions("one", "none", "static", 12.0, (256, 256), "textured", "known")
    take = film_take(motion_library.split("test"), asked, 1)
    path = tmp_path_factory.mktemp("film") / "dance.mp4"
    write_video(path, take.take.rgb, 12.0, crf=10)
    return path, take.take.scene


def test_the_whole_way(filmed, cli, run, tmp_path, monkeypatch):
    """Film a test motion, capture it, animate another character with it, compare the motions."""
    video, truth = filmed
    monkeypatch.setenv("KINEMA_CACHE", str(tmp_path / "cache"))
    scene_file, preview = tmp_path / "scene.npz", tmp_path / "preview.mp4"
    told = cli("capture", video, "-o", scene_file, "--preview", preview, "--to", "2s", "--fill", "all")
    assert told["camera"] == "static"
    assert told["people"][0]["seen"] == 1
    scene = Scene.load(scene_file)
    beside = json.loads(sidecar(scene_file).read_text())
    assert beside["settings"]["video"]["name"] == "dance.mp4"
    assert beside["settings"]["stop"] == 2.0
    frames = scene.people[0].frames
    assert frames == 24
    shown = read_video(preview).frames
    assert len(shown) == frames
    assert shown.shape[2] > 2 * 256
    assert read_settings(preview)["command"] == "capture"

    driving, captured = (
        np.einsum(
            "tji,tnj->tni", camera.c2w[:frames, :3, :3], joints[:frames] - camera.positions[:frames, None]
        )
        for joints, camera in (
            (truth.people[0].joints, truth.camera),
            (scene.people[0].joints, scene.camera),
        )
    )
    assert pa_mpjpe_mm(captured, driving) < 90

    code, _, err = run("motion", "convert", video, tmp_path / "dance.bvh")
    assert code == 0, err
    assert read_motion(tmp_path / "dance.bvh").frames == 37
    entries = list((tmp_path / "cache" / "captures").iterdir())
    cli("motion", "info", video)
    assert list((tmp_path / "cache" / "captures").iterdir()) == entries

    hero, aligned = tmp_path / "hero.png", tmp_path / "aligned.png"
    still = replace(truth, people=(truth.people[0],))
    still.save(tmp_path / "truth.npz")
    cli("preview", tmp_path / "truth.npz", "-o", hero, "--standing", "--size", "256x256", "--seed", 5)
    out_file = tmp_path / "out.mp4"
    options = [
        "--backbone",
        EMBEDDED,
        "--steps",
        1,
        "--seconds",
        0.5,
        "--control",
        "tokenmotion",
        "--aligned",
        aligned,
    ]
    made = cli("animate", hero, "--motion", video, "-o", out_file, *options)
    assert made["retarget"] is True
    assert aligned.is_file()
    assert made["motion"]["name"] == "dance.mp4"
    assert len(read_video(out_file).frames) > 1
