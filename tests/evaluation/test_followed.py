"""How far a video followed its scene, told from its frames alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kinema
from kinema.evaluation.followed import Followed, followed
from kinema.scene import DetectedPeople, Scene
from kinema.scene.keypoints import Keypoints
from kinema.signals.frames import SceneFrames

pytest.importorskip("mediapipe")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def film() -> kinema.VideoResult:
    return kinema.preview(
        EXAMPLES / "walk_and_wave.bvh", camera="arc left 40deg", size=(384, 384), seconds=1.5, fps=12
    )


def test_the_stages_own_film_is_followed_and_a_still_one_is_not(film: kinema.VideoResult) -> None:
    exact = followed(film.frames, film.fps, film.scene)
    still = followed(np.repeat(film.frames[:1], len(film.frames), axis=0), film.fps, film.scene)
    assert exact.pose is not None
    assert exact.pose > 0.95
    assert exact.turned_off is not None
    assert exact.turned_off < 3 < exact.turned_still
    assert exact.moved_off is not None
    assert exact.moved_off < 10
    assert still.turned_off == pytest.approx(still.turned_still)
    assert still.moved_off == pytest.approx(90)
    assert still.pose == pytest.approx(still.pose_still, abs=0.1)
    assert exact.score > still.score + 0.3


def test_a_film_without_anybody_scores_nothing(film: kinema.VideoResult) -> None:
    empty = followed(np.full_like(film.frames, 128), film.fps, film.scene)
    assert (empty.pose, empty.found) == (0.0, 0.0)
    assert empty.turned_off is None or empty.turned_off == pytest.approx(empty.turned_still)
    assert any("found in 0% of the frames" in line for line in empty.lines())


def test_two_people_are_told_apart() -> None:
    motion = kinema.read_motion(EXAMPLES / "jumping_jacks.bvh")
    pair = Scene((motion.translate((-0.9, 0, 0)), motion.translate((0.9, 0, 0))), None, motion.fps)
    film = kinema.preview(pair, size=(512, 320), seconds=0.5, fps=10, people="all")
    assert (followed(film.frames, film.fps, film.scene).pose or 0) > 0.9
    swapped = film.frames[
        :, :, ::-1
    ]  # a mirrored film has somebody in both places, with left and right exchanged
    assert (followed(swapped, film.fps, film.scene).pose or 0) < 0.7


def test_keypoints_alone_are_judged_by_the_pose(film: kinema.VideoResult) -> None:
    points = SceneFrames(film.scene, (384, 384), len(film.frames), film.fps).keypoints[: len(film.frames), 0]
    person = Keypoints(points, np.ones(points.shape[:2]), "openpose18", film.fps, (384, 384))
    found = followed(film.frames, film.fps, DetectedPeople((person,)))
    assert found.pose is not None
    assert found.pose > 0.95
    assert (found.turned_off, found.camera) == (None, None)


def test_the_score_is_the_mean_of_what_there_is_to_follow() -> None:
    assert Followed(0.8, 0.5, 1.0, 5.0, 20.0, 45.0, "moving").score == pytest.approx((0.8 + 0.75 + 0.5) / 3)
    assert Followed(0.8, 0.5, 1.0, None, None, None, None).score == pytest.approx(0.8)
    assert Followed(0.8, 0.5, 1.0, None, 20.0, None, "unknown").score == pytest.approx(0.4)
    assert Followed(None, None, None, None, None, None, None).lines()[0].startswith("nobody is in the scene")
