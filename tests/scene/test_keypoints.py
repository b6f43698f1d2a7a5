from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.scene import CameraPath, Keypoints, Motion, Scene
from kinema.scene.formats import read_motion
from kinema.scene.formats.errors import FormatError
from kinema.scene.skeleton import SMPL24, skeleton


def seen(frames: int = 11, layout: str = "coco_wholebody133", fps: float = 10.0, seed: int = 0) -> Keypoints:
    """Points that move steadily, a tenth of them missing."""
    rng = np.random.default_rng(seed)
    count = len(skeleton(layout))
    points = rng.uniform(0, 300, (1, count, 2)) + np.arange(frames)[:, None, None] * [2.0, -1.0]
    confidence = rng.uniform(0.2, 1, (frames, count))
    confidence[rng.random((frames, count)) < 0.1] = 0
    return Keypoints(points, confidence, layout, fps, (640, 360))


def scene(people: int = 1, frames: int = 11, fps: float = 10.0) -> Scene:
    joints = np.repeat(SMPL24.rest[None], frames, axis=0) + np.arange(frames)[:, None, None] * [0.1, 0, 0]
    camera = CameraPath.static(np.eye(4), [500, 500, 320, 180], (640, 360), fps, frames)
    return Scene((Motion(joints, fps, SMPL24),) * people, camera, fps, "walks")


@settings(max_examples=20, deadline=None)
@given(
    layouts=st.lists(
        st.sampled_from([None, "mediapipe33", "coco_wholebody133", "smpl24"]), min_size=1, max_size=3
    ),
    seed=st.integers(0, 100),
)
def test_keypoints_travel_in_the_file(tmp_path_factory, layouts, seed):
    path = tmp_path_factory.mktemp("scene") / "a.npz"
    made = tuple(None if layout is None else seen(layout=layout, seed=seed) for layout in layouts)
    replace(scene(len(layouts)), keypoints=made).save(path)
    back = Scene.load(path)
    if all(one is None for one in made):
        assert back.keypoints is None
        return
    for one, other in zip(made, back.keypoints, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert (one.layout, one.fps, one.size) == (other.layout, other.fps, other.size)
            np.testing.assert_allclose(other.points, one.points, rtol=1e-6)
            np.testing.assert_allclose(other.confidence, one.confidence, rtol=1e-6)
            assert (other.missing == one.missing).all()


def test_motion_readers_pass_over_keypoints(tmp_path):
    replace(scene(), keypoints=(seen(),)).save(tmp_path / "a.npz")
    assert read_motion(tmp_path / "a.npz").frames == 11


def test_keypoints_are_cropped_and_resampled_with_the_scene():
    whole = replace(scene(), keypoints=(seen(),))
    part = whole.crop(0.3, 0.7)
    np.testing.assert_allclose(part.keypoints[0].points, whole.keypoints[0].points[3:8])
    twice = whole.at(20)
    assert twice.keypoints[0].frames == twice.frames == 21
    np.testing.assert_allclose(twice.keypoints[0].points[::2], whole.keypoints[0].points)
    between, before = twice.keypoints[0].points[1::2], whole.keypoints[0].points[:-1]
    there = np.isfinite(between[..., 0])
    np.testing.assert_allclose(between[there], before[there] + [1.0, -0.5], atol=1e-9)
    beside = whole.keypoints[0].missing[:-1] | whole.keypoints[0].missing[1:]
    assert (there == ~beside).all()


def test_outside_the_pictures_nothing_was_seen():
    short = replace(scene(frames=21), keypoints=(seen(frames=11),)).at(10)
    assert short.frames == 21
    assert short.keypoints[0].missing[11:].all()
    assert not short.keypoints[0].missing[:11].all()


def test_another_camera_leaves_what_was_seen():
    made = replace(scene(), keypoints=(seen(),))
    assert made.with_camera(None).keypoints == made.keypoints


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": np.zeros((11, 5, 2))}, "asks for"),
        ({"confidence": np.zeros((3, 133))}, "confidence"),
        ({"confidence": np.full((11, 133), 1.5)}, "between 0 and 1"),
        ({"points": np.full((11, 133, 2), np.inf)}, "infinite"),
        ({"size": (0, 5)}, "size"),
        ({"fps": 0.0}, "fps"),
        ({"layout": "octopus"}, "octopus"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        replace(seen(), **change)


def test_keypoints_of_another_number_of_people_are_refused():
    with pytest.raises(ValueError, match="keypoints of 2 people, but 1"):
        replace(scene(), keypoints=(seen(), None))


def test_damaged_keypoints_give_one_clear_error(tmp_path):
    replace(scene(), keypoints=(seen(),)).save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as file:
        arrays = dict(file)
    for change in (
        {"layout": np.array("octopus")},
        {"layout": np.array(3)},
        {"points": np.zeros((11, 4, 2))},
        {"size": np.zeros(3)},
        {"confidence": None},
    ):
        wrong = {f"person0.keypoints.{name}": value for name, value in change.items()}
        kept = {name: value for name, value in (arrays | wrong).items() if value is not None}
        np.savez(tmp_path / "b.npz", **kept)
        with pytest.raises(FormatError, match=r"b\.npz.*keypoints"):
            Scene.load(tmp_path / "b.npz")
