"""Measures of motion on motion whose truth is known."""

import numpy as np
import pytest

from kinema.evaluation.metrics import motion as measure
from kinema.scene import deeds
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24


def still(frames=61, fps=20.0):
    return np.tile(SMPL24.rest, (frames, 1, 1)), fps


def made(joints, fps):
    return Motion(joints, fps, SMPL24)


def test_turns_have_a_sign_and_a_size():
    joints, fps = still()
    angles = np.radians(np.linspace(0, 200, len(joints)))
    turn = np.zeros((len(joints), 3, 3))
    turn[:, 0, 0] = turn[:, 2, 2] = np.cos(angles)
    turn[:, 0, 2], turn[:, 2, 0], turn[:, 1, 1] = np.sin(angles), -np.sin(angles), 1
    left = made(np.einsum("tij,tkj->tki", turn, joints), fps)
    assert deeds.turn_degrees(left) == pytest.approx(200, abs=0.1)
    assert deeds.turn_degrees(left.mirror()) == pytest.approx(-200, abs=0.1)


def test_metres_and_sliding():
    joints, fps = still()
    joints = joints + np.linspace(0, 3, len(joints))[:, None, None] * np.array([0, 0, 1.0])
    sliding = made(joints, fps)
    assert deeds.metres_walked(sliding) == pytest.approx(3, rel=0.1)
    assert measure.slide_share(sliding) == 1
    assert measure.slide_speed(sliding) == pytest.approx(1, rel=0.01)
    assert measure.slide_share(made(*still())) == 0
    assert np.isnan(measure.slide_share(made(still()[0] + [0, 1, 0], 20)))


@pytest.mark.parametrize(
    ("joint", "hand"), [("left_wrist", "left"), ("right_wrist", "right"), ("head", "both")]
)
def test_raised_hands(joint, hand):
    joints, fps = still()
    joints[:, SMPL24.index(joint), 1] += 0.4
    assert deeds.raised_hand(made(joints, fps)) == hand


def test_floor_and_bones():
    joints, fps = still()
    assert measure.penetration(made(joints, fps)) == 0
    assert measure.penetration(made(joints - np.array([0, 0.1, 0]), fps)) == pytest.approx(0.08)
    assert measure.floating(made(joints + np.array([0, 0.1, 0]), fps)) == pytest.approx(0.12)
    assert measure.bone_spread(made(joints, fps)) == 0
    joints[30, 20, 0] += 0.05
    assert measure.bone_spread(made(joints, fps)) > 0.02


def test_jerk_does_not_depend_on_the_frame_rate_and_finds_borders():
    def swaying(fps):
        joints = np.tile(SMPL24.rest, (int(4 * fps) + 1, 1, 1))
        joints[..., 0] += 0.1 * np.sin(2 * np.pi * np.arange(len(joints)) / fps)[:, None]
        return made(joints, fps)

    assert measure.jerk(swaying(60)) == pytest.approx(measure.jerk(swaying(20)), rel=0.05)
    jumping = np.array(swaying(20).joints)
    jumping[40:] += [0, 0, 0.1]
    assert measure.border_jerk(made(jumping, 20), 2.0) > 3
    assert measure.border_jerk(swaying(20), 2.0) < 1.5
    with pytest.raises(ValueError, match="outside"):
        measure.border_jerk(swaying(20), 9.0)


def test_distance_forgets_place_and_heading():
    joints, fps = still()
    there = made(joints, fps).rotate_y(50).translate([1, 0, 2])
    assert measure.distance_between(made(joints, fps), there) < 1e-6


def test_the_roughest_moment_is_found():
    joints, fps = still(101)
    rng = np.random.default_rng(0)
    joints = joints + 0.001 * rng.normal(size=joints.shape)
    even = measure.peak_jerk(made(joints, fps))
    joints[50:56] += 0.01 * rng.normal(size=joints[50:56].shape)
    rough = made(joints, fps)
    assert even < 1.2
    assert measure.peak_jerk(rough) > 2
    assert measure.peak_jerk(rough) >= measure.border_jerk(rough, 2.65)
    with pytest.raises(ValueError, match="too short for jerk"):
        measure.peak_jerk(made(joints[:3], fps))
