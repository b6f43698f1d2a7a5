"""People who were only detected in pictures: the signals that need no depth, on the frames of a video."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.signals.test_hands_and_faces import SIZE, camera, still

from kinema.scene import DetectedPeople, Keypoints, Scene
from kinema.scene.keypoints import follow_people
from kinema.scene.mappings import smpl24_to_openpose18
from kinema.scene.skeleton import SMPL24
from kinema.signals.control_signals import SignalOptions, control_signals

FPS = 10.0


def detected(scene: Scene) -> DetectedPeople:
    """What a perfect detector finds in the scene's pictures."""
    people = []
    for person in scene.people:
        pixels, _ = scene.camera.project(smpl24_to_openpose18(person.joints))
        confidence = np.isfinite(pixels).all(-1).astype(float)
        people.append(Keypoints(pixels, confidence, "openpose18", scene.fps, scene.camera.size))
    return DetectedPeople(tuple(people))


@pytest.fixture
def scene() -> Scene:
    people = (still(SMPL24.rest, SMPL24), still(SMPL24.rest + np.array([0.8, 0, -0.5]), SMPL24))
    return Scene(people, camera(size=(320, 240)), FPS)


@pytest.mark.parametrize("size", [(320, 240), (96, 128), (256, 64)])
def test_maps_are_those_of_the_scene_they_were_detected_in(scene, size):
    whole = control_signals(scene, size=size, frames=9)
    flat = control_signals(detected(scene), size=size, frames=9)
    assert flat.present == {"skeletons", "person_mask"}
    assert flat.size == whole.size
    assert torch.equal(flat.skeletons, whole.skeletons)
    both = (flat.person_mask & whole.person_mask).sum() / (flat.person_mask | whole.person_mask).sum()
    assert both > 0.75


def moving(frames: int, fps: float, speed: float = 40.0) -> Keypoints:
    """OpenPose-18 that slides to the right, pixels a second."""
    pixels, _ = camera().project(smpl24_to_openpose18(SMPL24.rest)[None].repeat(5, 0))
    points = pixels[:1] + np.arange(frames)[:, None, None] / fps * np.array([speed, 0.0])
    return Keypoints(points, np.ones(points.shape[:2]), "openpose18", fps, SIZE)


def test_time_is_in_seconds():
    fast, slow = DetectedPeople((moving(31, 30.0),)), DetectedPeople((moving(9, 8.0),))
    maps = [
        control_signals(source, size=SIZE, fps=8.0, names=("skeletons",)).skeletons for source in (fast, slow)
    ]
    assert maps[0].shape[1] == 9
    assert (maps[0] - maps[1]).abs().mean() < 1e-3
    held = control_signals(slow, size=SIZE, frames=20, names=("skeletons",)).skeletons[0]
    assert held.shape[0] == 21
    assert torch.equal(held[8:], held[8:9].expand_as(held[8:]))
    with pytest.raises(ValueError, match="at least 1"):
        control_signals(slow, size=SIZE, frames=0)


def test_what_is_missing_or_unsure_is_not_drawn():
    person = moving(5, 8.0)
    confidence = person.confidence.copy()
    confidence[2] = 0.0
    confidence[3, 2:8] = 0.2  # both arms
    gone = DetectedPeople((replace(person, confidence=confidence),))
    signals = control_signals(gone, size=SIZE)
    whole = control_signals(DetectedPeople((person,)), size=SIZE)
    drawn = signals.skeletons[0].amax(1) > 0
    assert not drawn[2].any()
    assert not signals.person_mask[0, 2].any()
    assert 0 < drawn[3].sum() < (whole.skeletons[0, 3].amax(0) > 0).sum()
    assert torch.equal(signals.skeletons[0, 4], whole.skeletons[0, 4])
    sure = control_signals(gone, size=SIZE, options=SignalOptions(threshold=0.1))
    assert torch.equal(sure.skeletons[0, 3], whole.skeletons[0, 3])
    with pytest.raises(ValueError, match="needs depth"):
        control_signals(gone, size=SIZE, options=SignalOptions(style="depth"))


def test_half_a_body_has_a_mask_as_wide_as_the_whole_one():
    person = moving(1, 8.0)
    confidence = person.confidence.copy()
    confidence[:, 8:14] = 0.0
    half = control_signals(DetectedPeople((replace(person, confidence=confidence),)), size=SIZE).person_mask[
        0, 0
    ]
    whole = control_signals(DetectedPeople((person,)), size=SIZE).person_mask[0, 0]
    head = int(person.points[0, 0, 1])
    assert half[:head].any()
    assert (half[head - 4] == whole[head - 4]).float().mean() > 0.97
    assert not half[int(person.points[0, 10, 1])].any()


@pytest.mark.parametrize("layout", ["coco17", "mediapipe33", "coco_wholebody133"])
def test_keypoints_of_other_detectors_are_mapped(layout):
    from kinema.scene.skeleton import skeleton

    rest = skeleton(layout).rest
    pixels, _ = camera().project(np.repeat(rest[None], 5, axis=0))
    source = DetectedPeople((Keypoints(pixels, np.ones(pixels.shape[:2]), layout, FPS, SIZE),))
    body = SignalOptions(parts=("body",))
    maps, whole = (control_signals(source, size=SIZE, options=o).skeletons for o in (body, None))
    assert (maps[0, 0].amax(0) > 0).sum() > 300
    assert torch.equal(maps, whole) == (layout != "coco_wholebody133")  # a wrist alone is no hand


def test_people_are_followed_whatever_their_order():
    points = np.stack([moving(9, 8.0).points, moving(9, 8.0, -40.0).points + np.array([30.0, 0.0])], axis=1)
    points[4, 0] = np.nan
    shuffled = points.copy()
    shuffled[1::2] = points[1::2, ::-1]
    order = follow_people(shuffled)
    back = np.take_along_axis(shuffled, order[:, :, None, None], axis=1)
    assert np.array_equal(back[:3], points[:3], equal_nan=True)
    late = points.copy()
    late[:3, 1] = np.nan  # somebody comes in
    assert np.array_equal(follow_people(late), np.tile([0, 1], (9, 1)))


def test_they_are_people_of_the_same_pictures():
    with pytest.raises(ValueError, match="nobody"):
        DetectedPeople(())
    with pytest.raises(ValueError, match=r"fps of person 1 is 9\.0, of person 0 8\.0"):
        DetectedPeople((moving(5, 8.0), moving(5, 9.0)))
