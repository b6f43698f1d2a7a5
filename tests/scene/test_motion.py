"""One person's motion: legality, time, space, measures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scene.bodies import dog, moving, seeds, walking, with_holes

from kinema.scene.motion import Motion
from kinema.scene.skeleton import HUMANML3D22, SMPL24, Skeleton

RATES = st.sampled_from([8.0, 20.0, 24.0, 25.0, 29.97, 30.0, 50.0, 60.0, 120.0])
STILL = SMPL24.rest[None].repeat(3, 0)


def test_motion_keeps_closed_copies():
    joints = STILL.astype(np.float32)
    motion = Motion(joints, 30, SMPL24)
    joints[:] = 0
    assert np.allclose(motion.joints, SMPL24.rest)
    assert motion.joints.dtype == np.float64
    assert (motion.frames, motion.duration, motion.fps) == (3, 2 / 30, 30.0)
    with pytest.raises(ValueError, match="read-only"):
        motion.joints[0] = 1


def broken(change) -> np.ndarray:
    joints = STILL.copy()
    change(joints)
    return joints


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"joints": np.zeros((3, 22, 3))}, r"joints has shape \[3, 22, 3\].*\[T, 24, 3\]"),
        ({"joints": np.zeros((0, 24, 3))}, "no frames"),
        ({"joints": [["a"]]}, "not an array of numbers"),
        (
            {"joints": broken(lambda j: j.__setitem__((1, 2), np.inf))},
            "frame 1, joint 'right_hip' is infinite",
        ),
        ({"joints": broken(lambda j: j.__setitem__((1, 2, 0), np.nan))}, "NaN in some numbers only"),
        ({"fps": 0}, "fps is 0"),
        ({"fps": np.nan}, "fps is nan"),
        ({"fps": "30"}, "fps is '30'"),
        ({"skeleton": "smpl24"}, "give a Skeleton"),
        ({"rotations": np.zeros((3, 24, 3))}, r"rotations has shape \[3, 24, 3\]"),
        ({"rotations": np.zeros((3, 24, 4))}, "frame 0, joint 'pelvis' has length 0"),
        ({"confidence": np.ones((2, 24))}, r"confidence has shape \[2, 24\]"),
        ({"confidence": np.full((3, 24), 1.5)}, "is 1.5; give numbers from 0 to 1"),
        ({"confidence": np.full((3, 24), np.nan)}, "is nan"),
    ],
)
def test_what_is_no_motion_is_refused_with_its_place(arguments, message):
    with pytest.raises(ValueError, match=message):
        Motion(**({"joints": STILL, "fps": 30, "skeleton": SMPL24} | arguments))


@settings(max_examples=40, deadline=None)
@given(seeds, RATES, RATES)
def test_resampling_keeps_duration_and_speed(seed, old, new):
    rng = np.random.default_rng(seed)
    velocity, frames = rng.normal(size=(24, 3)), int(rng.integers(2, 60))
    steady = SMPL24.rest + np.arange(frames)[:, None, None] / old * velocity
    motion = Motion(steady, old, SMPL24)
    again = motion.resample(new)
    assert motion.duration - 1 / new < again.duration <= motion.duration + 1e-6
    assert np.allclose(again.joints[0], motion.joints[0])
    assert np.allclose(again.joints, SMPL24.rest + again.times[:, None, None] * velocity, atol=1e-9)
    if again.frames > 1:
        assert np.allclose(again.velocities(), velocity, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(seeds, RATES)
def test_resampling_to_the_same_rate_changes_nothing(seed, fps):
    motion = with_holes(moving(seed, fps=fps), seed)
    again = motion.resample(fps)
    assert np.array_equal(again.joints, motion.joints, equal_nan=True)


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(2, 5))
def test_resampling_finely_and_back_is_exact(seed, factor):
    motion = moving(seed)
    again = motion.resample(motion.fps * factor).resample(motion.fps)
    assert np.allclose(again.joints, motion.joints)
    assert np.allclose(np.abs((again.rotations * motion.rotations).sum(-1)), 1)


def test_resampled_rotations_still_place_the_joints():
    motion = moving(3)
    double = motion.resample(60)
    placed = Motion.from_rotations(double.rotations, double.root_path(), 60, SMPL24)
    assert np.abs(placed.joints - double.joints).max() < 1e-9


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_missing_frames_stay_missing_and_nothing_is_invented(seed):
    motion = with_holes(walking(), seed)
    double = motion.resample(60)
    assert np.array_equal(double.missing[::2], motion.missing)
    between = motion.missing[1:] | motion.missing[:-1]
    assert np.array_equal(double.missing[1::2], between)
    sure = Motion(walking().joints, 30, SMPL24, confidence=np.where(motion.missing, 0, 0.8)).resample(60)
    assert np.array_equal(sure.missing, double.missing)
    assert np.allclose(sure.confidence, np.where(double.missing, 0, 0.8))


def test_times_are_seconds_and_may_repeat_or_run_backwards():
    motion = walking(speed=1.0)
    picked = motion.resample(30, times=[1.5, 0.5, 0.5])
    assert np.allclose(picked.root_path()[:, 2], [1.5, 0.5, 0.5])
    with pytest.raises(ValueError, match=r"from -1.000 s to 2.000 s; the motion lasts from 0 s to 1.500 s"):
        motion.resample(30, times=[-1, 2])
    with pytest.raises(ValueError, match="fps is -3"):
        motion.resample(-3)
    with pytest.raises(ValueError, match="limit is 1000000"):
        motion.resample(1e9)


@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(0, 1), st.floats(0, 1))
def test_crops_are_cut_in_seconds(seed, a, b):
    motion = walking(speed=2.0)
    start, end = sorted([a * motion.duration, b * motion.duration])
    part = motion.crop(start, end)
    assert end - start - 1 / 30 - 1e-6 < part.duration <= end - start + 1e-6
    assert np.allclose(part.root_path()[0], motion.root_path()[0] + [0, 0, 2.0 * start], atol=1e-4)
    assert np.array_equal(motion.crop(0).joints, motion.joints)
    with pytest.raises(ValueError, match="cannot crop"):
        motion.crop(0.5, 99)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_mirrored_twice_is_the_same(seed):
    for body in (SMPL24, dog()):
        motion = moving(seed, body)
        once = motion.mirror()
        assert np.array_equal(once.mirror().joints, motion.joints)
        assert np.array_equal(once.mirror().rotations, motion.rotations)
        assert once.mirror().skeleton == motion.skeleton
        placed = Motion.from_rotations(once.rotations, once.root_path(), 30, once.skeleton)
        assert np.allclose(placed.joints, once.joints)
        assert np.allclose(once.facing(), motion.facing() * [-1, 1, 1])


def test_mirroring_swaps_the_hands():
    raised = STILL.copy()
    raised[:, SMPL24.index("left_hand")] = [0.5, 2.0, 0.3]
    mirrored = Motion(raised, 30, SMPL24).mirror()
    assert np.allclose(mirrored.joints[:, SMPL24.index("right_hand")], [-0.5, 2.0, 0.3])
    lopsided = Skeleton(("root", "left_arm", "neck", "right_arm"), (-1, 0, 0, 2), np.eye(4, 3))
    with pytest.raises(ValueError, match="without rotations"):
        moving(0, lopsided).mirror()


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(-180, 180))
def test_turning_turns_positions_rotations_and_facing_alike(seed, degrees):
    motion = moving(seed)
    turned = motion.rotate_y(degrees, about=[1, 0, 2])
    placed = Motion.from_rotations(turned.rotations, turned.root_path(), 30, SMPL24)
    assert np.allclose(placed.joints, turned.joints)
    angle = np.radians(degrees)
    x, z = motion.facing()[:, 0], motion.facing()[:, 2]
    expected = np.stack(
        [x * np.cos(angle) + z * np.sin(angle), 0 * x, z * np.cos(angle) - x * np.sin(angle)], -1
    )
    assert np.allclose(turned.facing(), expected)
    assert np.allclose(turned.rotate_y(-degrees, about=[1, 0, 2]).joints, motion.joints)


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(-180, 180))
def test_alignment_is_the_same_from_anywhere(seed, degrees):
    motion = moving(seed)
    aligned = motion.align()
    assert np.allclose(aligned.facing()[0], [0, 0, 1])
    assert np.allclose(aligned.root_path()[0, [0, 2]], 0)
    assert abs(np.percentile(aligned.joints[..., 1].min(1), 1)) < 1e-9
    elsewhere = motion.rotate_y(degrees).translate([3, 0.7, -2]).align()
    assert np.allclose(elsewhere.joints, aligned.joints)


def test_facing_follows_the_trunk_for_people_and_animals():
    assert np.allclose(Motion(STILL, 30, SMPL24).facing(), [0, 0, 1])
    assert np.allclose(walking(degrees=90).facing(), [1, 0, 0], atol=0.4)
    assert np.allclose(Motion(dog().rest[None], 30, dog()).rotate_y(90).facing(), [[1, 0, 0]])
    snake = Skeleton(("head", "middle", "tail"), (-1, 0, 1), np.array([[0, 0, 1], [0, 0, 0.5], [0, 0, 0.0]]))
    assert np.allclose(Motion(snake.rest[None], 30, snake).rotate_y(90).facing(), [[1, 0, 0]])
    onside = Motion(STILL, 30, SMPL24).joints.copy()
    onside[1] = SMPL24.rest[:, [1, 0, 2]] * [1, 1, 1]  # lying on a shoulder: no horizontal facing of its own
    onside[2, [1, 2, 13, 14]] = np.nan
    facing = Motion(onside, 30, SMPL24).facing()
    assert np.allclose(facing[1], facing[0])
    assert np.isnan(facing[2]).all()


def test_velocities_are_metres_per_second_at_any_rate():
    for fps in (20.0, 30.0, 60.0):
        walker = walking(speed=1.4, fps=fps)
        assert np.allclose(walker.velocities()[:, 0], [0, 0, 1.4])
    assert np.array_equal(Motion(STILL[:1], 30, SMPL24).velocities(), np.zeros((1, 24, 3)))


def test_feet_stand_when_low_and_slow():
    joints = STILL[:1].repeat(20, 0)
    left, right = SMPL24.index("left_foot"), SMPL24.index("right_foot")
    joints[10:, left, 1] += 0.2
    joints[:, right, 2] += np.arange(20) * 0.02
    contacts = Motion(joints, 30, SMPL24).foot_contacts()
    assert contacts.shape == (20, 2)
    assert contacts[:9, 0].all()
    assert not contacts[10:, 0].any()
    assert not contacts[:, 1].any()
    lenient = Motion(joints, 30, SMPL24).foot_contacts(height=0.5, speed=1.0, joints=["right_foot", left])
    assert lenient[:, 0].all()
    assert Motion(dog().rest[None], 30, dog()).foot_contacts().all()
    assert Motion(dog().rest[None], 30, dog()).foot_contacts().shape == (1, 4)
    gone = np.where(np.arange(24)[:, None] == left, np.nan, joints)
    assert not Motion(gone, 30, SMPL24).foot_contacts()[:, 0].any()


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(0.0, 0.3))
def test_filling_is_asked_for_bounded_and_marked(seed, gap):
    whole = walking(speed=1.0)
    motion = with_holes(whole, seed)
    filled = motion.fill_missing()
    assert not np.isnan(filled.joints).any()
    assert np.array_equal(filled.confidence == 0.25, motion.missing)
    assert np.array_equal(filled.joints[~motion.missing], motion.joints[~motion.missing])
    inner = slice(10, -10)
    assert np.abs(filled.joints[inner] - whole.joints[inner]).max() < 0.3
    some = motion.fill_missing(max_gap_s=gap, confidence=0.1)
    for joint in range(24):
        runs = np.split(motion.missing[:, joint], np.flatnonzero(np.diff(motion.missing[:, joint])) + 1)
        expected = np.concatenate([run & (len(run) > gap * 30) for run in runs])
        assert np.array_equal(some.missing[:, joint], expected)


def test_a_joint_never_seen_stays_missing_and_rotations_are_filled():
    motion = moving(2)
    joints, rotations = motion.joints.copy(), motion.rotations.copy()
    joints[:, 5] = np.nan
    rotations[10:14] = np.nan
    filled = Motion(joints, 30, SMPL24, rotations).fill_missing()
    assert np.isnan(filled.joints[:, 5]).all()
    assert (filled.confidence[:, 5] == 0).all()
    assert np.abs((filled.rotations * motion.rotations).sum(-1)).min() > 0.98
    with pytest.raises(ValueError, match="0 < confidence <= 1"):
        motion.fill_missing(confidence=0)


def test_humanml3d_maps_with_its_hands_marked():
    motion = Motion(HUMANML3D22.rest[None].repeat(4, 0), 20, HUMANML3D22).to_smpl24()
    assert motion.skeleton is SMPL24
    assert np.allclose(motion.joints, SMPL24.rest)
    assert (motion.confidence[:, :22] == 1).all()
    assert (motion.confidence[:, 22:] == 0.25).all()
    assert motion.to_smpl24() is motion
    with pytest.raises(ValueError, match="no human skeleton"):
        Motion(dog().rest[None], 30, dog()).to_smpl24()


def test_the_library_faces_forward_at_the_start(motion_library):
    for clip in motion_library[::400]:
        motion = clip.motion()
        turn = np.degrees(np.arctan2(*motion.facing()[0, [0, 2]]))
        assert abs(turn) < 10
        assert np.abs(motion.align().joints - motion.joints)[0].max() < 0.15
        slow = motion.resample(20)
        assert abs(slow.duration - motion.duration) < 1 / 20
