"""A real photograph, public domain (scikit-image's astronaut), as a still and as a pan over it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinema.capture.capture import capture
from kinema.capture.observation import Capture
from kinema.media.video import write_video
from kinema.scene.motion import FILLED

pytest.importorskip("mediapipe")

SIDE, FRAMES, FPS, FOCAL = 400, 24, 12.0, 700.0
TURN = np.radians(-8.0)  # to the left over the whole pan


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    from skimage import data

    return data.astronaut()


def seen_turning(photograph: np.ndarray, angle: float) -> np.ndarray:
    """The photograph on a distant wall, seen by a camera that has turned by `angle` (radians, right positive)."""
    import cv2

    wall = np.array([[FOCAL, 0, photograph.shape[1] / 2], [0, FOCAL, SIDE / 2], [0, 0, 1]])  # its upper part
    lens = np.array([[FOCAL, 0, SIDE / 2], [0, FOCAL, SIDE / 2], [0, 0, 1]])
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    corner = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])  # from centres at +0.5 to OpenCV's at 0
    home = corner @ lens @ turn.T @ np.linalg.inv(wall) @ np.linalg.inv(corner)
    return cv2.warpPerspective(photograph, home, (SIDE, SIDE), flags=cv2.INTER_LINEAR)


def captured(path: Path, frames: np.ndarray, **options) -> Capture:
    write_video(path, frames, FPS, crf=4)
    return capture(path, **options)


def test_a_still_photograph(tmp_path, photograph):
    made = captured(tmp_path / "still.mp4", np.repeat(photograph[None], 4, axis=0))
    assert made.camera.kind == "static"
    track = made.tracks[0]
    assert track.seen.all()
    left, top, right, bottom = np.nanmedian(track.boxes, axis=0)
    assert left < 224 < right  # her face
    assert top < 120 < bottom
    shoulders = np.nanmedian(track.points[:, 11:13], axis=0)
    assert np.abs(shoulders - [[310, 253], [111, 232]]).max() < 25


def test_half_a_body_is_filled_when_asked_for_and_marked(tmp_path, photograph):
    made = captured(tmp_path / "still.mp4", np.repeat(photograph[None], 4, axis=0), fill="all")
    person = made.scene.people[0]
    assert np.isfinite(person.joints).all()
    assert (person.confidence[:, [4, 5, 7, 8]] == FILLED).all()  # knees and ankles are not in the picture
    head = made.scene.camera.project(person.joints)[0][:, 15]
    assert np.abs(head - [224, 110]).max() < 100
    assert any("legs hardly seen" in note for note in made.notes)


def test_a_pan_over_it(tmp_path, photograph):
    angles = np.linspace(-TURN / 2, TURN / 2, FRAMES)
    frames = np.stack([seen_turning(photograph, angle) for angle in angles])
    fov = np.degrees(2 * np.arctan(SIDE / 2 / FOCAL))
    made = captured(tmp_path / "pan.mp4", frames, fov=fov)
    assert made.tracks[0].seen.mean() > 0.9
    assert made.camera.kind == "turning"
    turned = made.camera.c2w[-1, :3, :3]
    yaw = np.arctan2(turned[0, 2], turned[2, 2])
    assert np.degrees(yaw) == pytest.approx(np.degrees(TURN), abs=1.0)
    assert abs(np.degrees(np.arcsin(turned[1, 2]))) < 1.0
    assert made.scene.camera.frames == FRAMES
