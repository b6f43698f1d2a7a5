"""A video becomes a scene: one call, its errors, and its cache."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace

import numpy as np
import pytest

from kinema.capture.cache import CaptureCache, cache_folder, read_capture, write_capture
from kinema.capture.capture import NobodyFoundError, capture, chosen_tracks
from kinema.capture.observation import CameraSolution, Capture, PersonTrack
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera import look_at
from kinema.scene.skeleton import SMPL24

SIZE, FPS, FRAMES = (64, 48), 10.0, 5


def track(number: int = 0, left: float = 10.0, width: float = 10.0, frames: int = FRAMES) -> PersonTrack:
    points = np.full((FRAMES, 24, 2), np.nan)
    boxes = np.full((FRAMES, 4), np.nan)
    points[:frames] = left + np.arange(24)[:, None] % 7
    boxes[:frames] = [left, 5, left + width, 40]
    confidence = np.where(np.isfinite(points[..., 0]), 0.9, 0.0)
    return PersonTrack(number, "smpl24", FPS, SIZE, points, confidence, boxes)


def made() -> Capture:
    joints = np.repeat(SMPL24.rest[None], FRAMES, axis=0).copy()
    joints[2] = np.nan
    camera = CameraPath.static(look_at([0, 1, 3], [0, 1, 0]), (50, 50, 32, 24), SIZE, FPS, FRAMES)
    still = CameraSolution(
        "static", np.tile(np.eye(4), (FRAMES, 1, 1)), np.tile([50.0, 50, 32, 24], (FRAMES, 1))
    )
    scene = Scene((Motion(joints, FPS, SMPL24),), camera, FPS)
    return Capture(scene, (track(),), still, {"follow": "largest", "fov": None}, ("a note",), {"frames": 5.0})


@dataclass(frozen=True)
class Pictures:
    """Frames without a file."""

    pixels: np.ndarray
    fps: float = FPS
    focal: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[2], self.pixels.shape[1]

    @property
    def frames(self) -> int:
        return len(self.pixels)

    def chunks(self, count: int):
        for start in range(0, len(self.pixels), count):
            yield self.pixels[start : start + count]


@pytest.fixture(scope="module")
def take(motion_library):
    """Three seconds of one person before a still camera."""
    pytest.importorskip("mediapipe")
    from kinema.evaluation.protocols.capture_takes import Conditions, film_take

    asked = Conditions("one", "none", "static", 12.0, (256, 256), "textured", "known")
    return film_take(motion_library.split("test"), asked, 1)


class TestChoice:
    def test_whom_to_follow(self):
        near, middle, long = track(0, 0, 30, frames=3), track(1, 27, 8, frames=4), track(2, 50, 5)
        everybody = [near, middle, long]
        assert chosen_tracks(everybody, "largest") == (near,)
        assert chosen_tracks(everybody, "centre") == (middle,)
        assert chosen_tracks(everybody, "longest") == (long,)
        assert chosen_tracks(everybody, "all") == tuple(everybody)
        assert chosen_tracks(everybody, 1) == chosen_tracks(everybody, "1") == (middle,)

    def test_nobody_and_somebody_else(self):
        with pytest.raises(NobodyFoundError, match="nobody was found"):
            chosen_tracks([], "largest")
        with pytest.raises(NobodyFoundError, match="no person 7"):
            chosen_tracks([track()], 7)


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"follow": "tallest"}, "follow tallest"),
            ({"people": 0}, "at least one"),
            ({"camera": "shaky"}, "auto, static, turning, moving"),
            ({"fill": "some"}, "none, short, body, all"),
            ({"fov": 200.0}, "between 1 and 170"),
            ({"stature": 17.0}, "metres"),
        ],
    )
    def test_are_checked_before_the_file_is_opened(self, options, said, tmp_path):
        with pytest.raises(ValueError, match=said):
            capture(tmp_path / "absent.mp4", **options)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"absent\.mp4"):
            capture(tmp_path / "absent.mp4")
        with pytest.raises(FileNotFoundError, match=r"absent\.mp4"):
            capture(tmp_path / "absent.mp4", cache=tmp_path)


class TestPictures:
    def test_nobody_in_them(self):
        pytest.importorskip("mediapipe")
        empty = np.full((4, 96, 96, 3), 120, np.uint8)
        with pytest.raises(NobodyFoundError, match="most of a body"):
            capture(Pictures(empty))

    def test_a_person_of_the_stage(self, take):
        from kinema.evaluation.protocols.capture_scores import lifted_scores, seen_scores, sides, video_of

        stages = []
        result = capture(
            video_of(take), progress=lambda stage, done, total: stages.append((stage, done, total))
        )
        assert result.camera.kind == "static"
        assert len(result.scene.people) == len(result.tracks) == 1
        person, camera = result.scene.people[0], result.scene.camera
        assert person.skeleton.same_tree(SMPL24)
        assert (person.frames, camera.frames, result.scene.fps) == (take.take.frames, take.take.frames, 12.0)
        assert result.scene.keypoints[0].layout == "mediapipe33"
        assert np.array_equal(result.scene.keypoints[0].points, result.tracks[0].points, equal_nan=True)
        assert stages[0] == ("watching", 0, take.take.frames)
        assert ("watching", take.take.frames, take.take.frames) in stages
        assert stages[-1] == ("lifting", 1, 1)
        seen = seen_scores(take, result)
        lifted = lifted_scores(take, sides(take, result, floors=False)["capture"])
        assert seen["detection"] == 1
        assert seen["pck"] > 0.9
        assert lifted["pa_mpjpe_mm"] < 90
        assert lifted["camera_rotation_deg"] < 0.1

    def test_a_still_camera_by_order_and_the_same_again(self, take):
        few = Pictures(take.take.rgb[:14], 12.0)
        told = capture(few, camera="static", fov=45.0)
        again = capture(few, camera="static", fov=45.0)
        assert told.camera.kind == "static"
        assert len(told.camera.c2w) == told.scene.camera.frames == 14
        assert np.ptp(told.scene.camera.c2w, axis=0).max() == 0
        assert told.scene.camera.fov_y[0] == pytest.approx(45)
        assert np.array_equal(told.scene.people[0].joints, again.scene.people[0].joints, equal_nan=True)


class TestCache:
    def test_everything_comes_back(self, tmp_path):
        before = made()
        write_capture(tmp_path, before)
        after = read_capture(tmp_path)
        assert np.array_equal(after.scene.people[0].joints, before.scene.people[0].joints, equal_nan=True)
        assert np.array_equal(after.scene.camera.c2w, before.scene.camera.c2w)
        for name in ("points", "confidence", "boxes"):
            assert np.array_equal(
                getattr(after.tracks[0], name), getattr(before.tracks[0], name), equal_nan=True
            )
        assert after.tracks[0].joints is None
        assert (after.tracks[0].size, after.tracks[0].layout) == (SIZE, "smpl24")
        assert (after.camera.kind, after.camera.notes) == ("static", ())
        assert (after.settings, after.notes, after.figures) == (before.settings, ("a note",), {"frames": 5.0})

    def test_keys_know_the_file_and_the_settings(self, tmp_path):
        video, model = tmp_path / "a.mp4", tmp_path / "m.task"
        video.write_bytes(b"one")
        model.write_bytes(b"weights")
        cache = CaptureCache(tmp_path)
        first = cache.key(video, {"fov": None, "model": None})
        os.rename(video, tmp_path / "b.mp4")
        assert cache.key(tmp_path / "b.mp4", {"fov": None, "model": None}) == first
        assert cache.key(tmp_path / "b.mp4", {"fov": 40.0, "model": None}) != first
        with_model = cache.key(tmp_path / "b.mp4", {"fov": None, "model": str(model)})
        model.write_bytes(b"others")
        assert cache.key(tmp_path / "b.mp4", {"fov": None, "model": str(model)}) != with_model
        (tmp_path / "b.mp4").write_bytes(b"two")
        assert cache.key(tmp_path / "b.mp4", {"fov": None, "model": None}) != first

    def test_what_is_damaged_counts_as_absent(self, tmp_path):
        cache = CaptureCache(tmp_path)
        assert cache.load("k") is None
        cache.save("k", made())
        assert cache.load("k") is not None
        for name, content in (("capture.json", b"{"), ("tracks.npz", b"PK"), ("scene.npz", b"")):
            cache.save("k", made())
            (tmp_path / "k" / name).write_bytes(content)
            assert cache.load("k") is None
        facts = {"settings": {}, "notes": [], "figures": {}, "tracks": [{"id": 0}], "camera": {}}
        cache.save("k", made())
        (tmp_path / "k" / "capture.json").write_text(json.dumps(facts))
        assert cache.load("k") is None

    def test_the_least_recently_used_goes_first(self, tmp_path):
        cache = CaptureCache(tmp_path)
        cache.save("a", made())
        size = sum(file.stat().st_size for file in (tmp_path / "a").iterdir())
        small = CaptureCache(tmp_path, max_bytes=int(2.5 * size))
        small.save("b", made())
        for age, name in enumerate("ba"):
            os.utime(tmp_path / name, (1000 + age, 1000 + age))
        assert small.load("b") is not None  # used now
        small.save("c", made())
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["b", "c"]

    def test_a_folder_that_cannot_be_written_is_no_error(self, tmp_path):
        (tmp_path / "file").write_text("")
        CaptureCache(tmp_path / "file" / "cache").save("k", made())

    def test_where_it_is(self, monkeypatch, tmp_path):
        monkeypatch.setenv("KINEMA_CACHE", str(tmp_path))
        assert cache_folder() == tmp_path
        assert CaptureCache().folder == tmp_path / "captures"
        monkeypatch.delenv("KINEMA_CACHE")
        monkeypatch.setattr("sys.platform", "linux")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert cache_folder() == tmp_path / "xdg" / "kinema"

    def test_the_second_time_is_read(self, tmp_path, monkeypatch):
        from contextlib import contextmanager

        video = tmp_path / "a.mp4"
        video.write_bytes(b"stands for a video")

        @contextmanager
        def opened(path, **options):
            yield None

        monkeypatch.setattr("kinema.media.decoding.open_video", opened)
        calls = []

        def read(source, settings, progress, name=""):
            calls.append(name)
            return replace(made(), settings=settings)

        monkeypatch.setattr("kinema.capture.capture._read", read)
        first = capture(video, cache=tmp_path / "cache")
        second = capture(video, cache=tmp_path / "cache")
        assert calls == [str(video)]
        assert second.settings == first.settings
        filled = capture(video, cache=tmp_path / "cache", fill="all")  # one lifting serves every filling
        assert filled.settings["fill"] == "all"
        assert len(calls) == 1
        capture(video, cache=tmp_path / "cache", fov=40)
        capture(video, cache=tmp_path / "cache", fov=40.0)
        capture(video)
        assert len(calls) == 3
