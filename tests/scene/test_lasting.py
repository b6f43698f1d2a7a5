"""Parts of a motion, and what comes after its end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.motion.walking import walk

from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.lasting import Part


def walker(frames: int = 41) -> Scene:
    motion = walk(frames)
    return Scene((motion,), None, motion.fps)


def test_a_part_begins_and_ends_where_it_is_said():
    scene = walker()
    part = Part(start=0.5, stop=1.5).of(scene)
    whole = scene.people[0]
    assert part.duration == pytest.approx(1.0)
    assert np.allclose(part.people[0].joints[0], whole.joints[round(0.5 * whole.fps)])
    assert np.allclose(part.people[0].joints[-1], whole.joints[round(1.5 * whole.fps)])
    assert Part(start=0.5, stop=99).of(scene).duration == pytest.approx(scene.duration - 0.5)


def test_what_is_less_than_asked_is_said():
    assert Part().shortfall(2.0) is None
    assert Part(seconds=2.0).shortfall(2.0) is None
    assert "lasts 2.0 s, and the result ends there, not at 10 s" in Part(seconds=10).shortfall(2.0)
    assert "not at 11 s" in Part(start=1, seconds=10).shortfall(2.0)
    assert "not at 5 s" in Part(stop=5).shortfall(2.0)
    assert Part(seconds=10, beyond="loop").shortfall(2.0) is None
    assert Part(seconds=10).shortfall(0.0) is None, "a still lasts for ever"


def test_held_it_stands_still():
    held = Part(seconds=5, beyond="hold").of(walker())
    person = held.people[0]
    assert person.duration >= 5
    assert np.allclose(person.joints[-1], walker().people[0].joints[-1])
    assert np.allclose(person.joints[60], person.joints[-1])


def test_a_walk_that_is_repeated_walks_on():
    scene = walker()
    once = scene.people[0]
    person = Part(seconds=9, beyond="loop").of(scene).people[0]
    assert person.duration >= 9
    far, once_far = (
        np.linalg.norm((each.root_path()[-1] - each.root_path()[0])[[0, 2]]) for each in (person, once)
    )
    assert far > 2.5 * once_far
    steps = np.linalg.norm(np.diff(person.root_path(), axis=0), axis=1)
    assert steps.max() < 2.5 * np.linalg.norm(np.diff(once.root_path(), axis=0), axis=1).max(), "no jump"
    bones = person.bone_lengths()
    assert np.allclose(bones, once.bone_lengths(), atol=1e-3)


def test_two_people_stay_together():
    one = walk(41)
    other = one.translate((0.8, 0.0, 0.0))
    first, second = Part(seconds=9, beyond="loop").of(Scene((one, other), None, one.fps)).people
    apart = np.linalg.norm(first.root_path() - second.root_path(), axis=1)
    assert np.abs(apart - 0.8).max() < 0.1, "only while one turn is faded into the next"


def test_the_scenes_own_camera_is_held():
    scene = walker()
    camera = camera_path("dolly in 1m", size=(64, 64), fps=scene.fps, frames=41)
    for beyond in ("hold", "loop"):
        longer = Part(seconds=6, beyond=beyond).of(scene.with_camera(camera))
        assert longer.duration >= 6 - 1e-6
        assert isinstance(longer.camera, CameraPath)
        assert np.allclose(longer.camera.c2w[-1], camera.c2w[-1])


def test_a_still_stays_a_still():
    still = walk(41).crop(0, 0)
    scene = Scene((still,), None, still.fps)
    assert Part(seconds=6, beyond="loop").of(scene) is scene


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"beyond": "repeat"}, "there are end, hold, loop"),
        ({"start": -1}, "begins at 0 s"),
        ({"start": 3, "stop": 2}, "before the beginning at 3 s"),
        ({"seconds": 0}, "above 0"),
        ({"start": 50}, "nothing begins at 50 s"),
    ],
)
def test_what_is_no_part_is_said(words, message):
    with pytest.raises(ValueError, match=message):
        Part(**words).of(walker())


def test_a_root_that_is_not_known_where_it_would_repeat_is_said():
    motion = walk(41)
    joints = motion.joints.copy()
    joints[-6:] = np.nan
    lost = replace(motion, joints=joints, rotations=None)
    assert isinstance(lost, Motion)
    with pytest.raises(ValueError, match="cannot be repeated, but held"):
        Part(seconds=9, beyond="loop").of(Scene((lost,), None, motion.fps))
