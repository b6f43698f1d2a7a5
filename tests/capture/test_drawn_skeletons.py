"""Films of drawn skeletons: recognised, read back as keypoints, lifted."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest

from kinema.capture.capture import NobodyFoundError, capture
from kinema.capture.detectors import open_detector
from kinema.capture.drawn_limbs import colour_order, read_skeletons
from kinema.media.video import write_video
from kinema.scene import Scene
from kinema.scene.formats import read_motion
from kinema.scene.framing import in_step, scene_camera
from kinema.scene.mappings import smpl24_to_openpose18
from kinema.signals.skeleton_map import skeleton_map

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SIZE, FRAMES = (384, 512), 12


@pytest.fixture(scope="module")
def filmed() -> Scene:
    motion = read_motion(EXAMPLES / "walk_and_wave.bvh").to_smpl24()
    scene = Scene((motion,), None, motion.fps)
    return in_step(scene, scene_camera(scene, "static", size=SIZE, fps=8, frames=FRAMES))


@pytest.fixture(scope="module")
def truth(filmed) -> np.ndarray:
    """OpenPose-18 in pixels, [T, 1, 18, 2]."""
    assert filmed.camera is not None
    return filmed.camera.project(smpl24_to_openpose18(filmed.people[0].joints))[0][:, None]


def compressed(frames: np.ndarray, crf: int = 23) -> np.ndarray:
    """Through H.264 with half the colours' resolution, as such films are stored."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        stream.options = {"crf": str(crf)}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def errors(frames: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Pixels between drawn and read keypoints, NaN where none was read, [T, P, 18]; people from left to right."""
    off = np.full(truth.shape[:3], np.nan)
    for number, frame in enumerate(frames):
        people = sorted(read_skeletons(frame), key=lambda person: np.nanmean(person.points[:, 0]))
        assert len(people) == truth.shape[1]
        for place, person in enumerate(people):
            off[number, place] = np.linalg.norm(person.points - truth[number, place], axis=-1)
    return off


def with_hands(keypoints: np.ndarray) -> np.ndarray:
    """A fan of fingers beyond each wrist, [T, P, 2, 21, 2]."""
    hands = np.zeros((*keypoints.shape[:2], 2, 21, 2))
    fan = np.array(
        [(0, 0)] + [(0.25 * k, 0.12 * (finger - 2) * k / 3) for finger in range(5) for k in range(1, 5)]
    )
    for side, (wrist, elbow) in enumerate(((7, 6), (4, 3))):
        along = keypoints[:, :, wrist] - keypoints[:, :, elbow]
        across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
        spread = 0.4 * (fan[:, :1] * along[:, :, None] + fan[:, 1:] * across[:, :, None])
        hands[:, :, side] = keypoints[:, :, wrist, None] + spread
    return hands


class TestReading:
    def test_to_half_a_pixel(self, truth):
        off = errors(skeleton_map(truth, None, SIZE), truth)
        assert np.isfinite(off).mean() > 0.99
        assert np.nanmedian(off) < 0.5
        assert np.nanmax(off) < 2

    def test_as_well_from_a_compressed_film(self, truth):
        off = errors(compressed(skeleton_map(truth, None, SIZE)), truth)
        assert np.isfinite(off).mean() > 0.97
        assert np.nanmedian(off) < 0.7
        assert np.nanpercentile(off, 95) < 1.5

    def test_under_hands(self, truth):
        off = errors(compressed(skeleton_map(truth, None, SIZE, hands=with_hands(truth))), truth)
        assert np.isfinite(off[..., :14]).mean() > 0.97
        assert np.nanmedian(off) < 0.7
        assert (off > 8).mean() < 0.02

    def test_of_two_people(self, truth):
        both = np.stack([truth[:, 0] - [110, 0], truth[::-1, 0] + np.array([100, 0])], axis=1)
        off = errors(compressed(skeleton_map(both, None, SIZE)), both)
        inside = ((both > 4) & (both < np.array(SIZE) - 4)).all(-1)
        assert np.isfinite(off[inside]).mean() > 0.97
        assert np.nanmedian(off[inside]) < 0.7

    def test_of_a_half_body(self, truth):
        near = 1.9 * (truth - truth[:, :, 1:2]) + [190, 160]
        off = errors(compressed(skeleton_map(near, None, SIZE)), near)
        inside = ((near > 0) & (near < SIZE)).all(-1)
        assert np.nanmedian(off[inside]) < 0.8
        assert np.isnan(off[~inside]).mean() > 0.95  # a limb that the picture's edge cuts off has no end

    def test_of_nobody(self):
        assert read_skeletons(np.zeros((64, 64, 3), np.uint8)) == []


class TestRecognition:
    def test_of_drawn_ones(self, truth):
        drawn = skeleton_map(truth, None, SIZE)
        assert colour_order(drawn) == (0, 1, 2)
        assert colour_order(drawn[..., ::-1]) == (2, 1, 0)
        black = np.zeros((4, SIZE[1], SIZE[0], 3), np.uint8)
        assert colour_order(np.concatenate([black, drawn])) == (0, 1, 2)

    def test_of_other_pictures(self, truth):
        drawn = skeleton_map(truth, None, SIZE)
        assert None is colour_order(np.zeros((4, 64, 64, 3), np.uint8))
        assert None is colour_order(255 - drawn)
        assert None is colour_order(drawn[..., [2, 0, 1]])
        rng = np.random.default_rng(0)
        assert None is colour_order(rng.integers(0, 255, (4, 64, 64, 3), dtype=np.uint8))


class TestCapture:
    def test_a_film_of_them_becomes_a_scene(self, filmed, truth, tmp_path):
        write_video(tmp_path / "poses.mp4", skeleton_map(truth, None, SIZE), 8.0)
        made = capture(tmp_path / "poses.mp4", fill="body")
        assert any("drawn skeletons" in note for note in made.notes)
        assert made.camera.kind == "static"
        assert made.scene.keypoints is not None
        assert made.scene.keypoints[0].layout == "openpose18"
        seen = made.scene.keypoints[0].points
        assert np.nanmedian(np.linalg.norm(seen - truth[:, 0], axis=-1)) < 0.7
        person, camera = made.scene.people[0], made.scene.camera
        pixels, _ = camera.project(person.joints)
        known, _ = filmed.camera.project(filmed.people[0].joints)
        limbs = [4, 5, 7, 8, 16, 17, 18, 19, 20, 21]
        assert np.median(np.linalg.norm(pixels - known, axis=-1)[:, limbs]) < 12

    def test_other_colours_are_said_to_be(self, truth, tmp_path):
        pytest.importorskip("mediapipe")
        write_video(tmp_path / "poses.mp4", skeleton_map(truth, None, SIZE)[..., [2, 0, 1]], 8.0)
        with pytest.raises(NobodyFoundError, match=r"drawn skeleton.*the video that it was made from"):
            capture(tmp_path / "poses.mp4")

    def test_by_name(self, truth):
        with open_detector("drawn-skeleton", people=3) as eyes:
            found = eyes.detect(skeleton_map(truth, None, SIZE)[:2])
        assert [len(each) for each in found] == [1, 1]
        with pytest.raises(ValueError, match="without a model"):
            open_detector("drawn-skeleton", model="a.onnx")
