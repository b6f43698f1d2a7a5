"""Motions on other bodies, and motions joined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scene.bodies import dog, moving, random_tree, seeds, walking, with_holes

from kinema.scene.motion import Motion
from kinema.scene.rotations import joints_from_rotations
from kinema.scene.skeleton import HUMANML3D22, SMPL24, Skeleton


def directions(motion: Motion) -> np.ndarray:
    """Unit bone vectors, [T, J - 1, 3]."""
    parent, child = np.array(motion.skeleton.bones, dtype=int).reshape(-1, 2).T
    bones = motion.joints[:, child] - motion.joints[:, parent]
    return bones / np.linalg.norm(bones, axis=-1, keepdims=True)


def other_body(seed: int, tree: Skeleton = SMPL24) -> Skeleton:
    lengths = tree.bone_lengths * np.random.default_rng(seed).uniform(0.6, 1.5, len(tree))
    return tree.with_bone_lengths(lengths)


@settings(max_examples=40, deadline=None)
@given(seeds, seeds)
def test_retargeting_keeps_directions_and_sets_lengths_for_any_tree(seed, body):
    for tree in (SMPL24, dog(), random_tree(seed)):
        motion, target = moving(seed, tree, frames=6), other_body(body, tree)
        moved = motion.retarget(target)
        assert np.allclose(directions(moved), directions(motion), atol=1e-6)
        assert np.allclose(moved.bone_lengths(), target.bone_lengths, atol=1e-9)
        placed = joints_from_rotations(moved.rotations, target, moved.root_path())
        assert np.allclose(placed, moved.joints, atol=1e-6)
        back = moved.retarget(tree)
        assert np.allclose(back.bone_lengths(), tree.bone_lengths)
        assert np.allclose(
            np.diff(back.root_path()[:, [0, 2]], axis=0), np.diff(motion.root_path()[:, [0, 2]], axis=0)
        )


@settings(max_examples=25, deadline=None)
@given(seeds, st.floats(0.5, 2.0))
def test_a_scaled_body_makes_a_scaled_motion(seed, factor):
    motion = moving(seed)
    moved = motion.retarget(SMPL24.scaled(factor))
    start = motion.joints[0, 0] * [1, 0, 1]
    assert np.allclose(moved.joints, start + factor * (motion.joints - start))
    assert np.allclose(moved.retarget(SMPL24).joints, motion.joints)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_feet_on_the_ground_stay_on_the_ground(seed):
    motion = moving(seed).align()
    grounded = motion.translate([0, 0, 0])
    joints = grounded.joints - np.array([0, 1, 0]) * grounded.joints[..., 1].min(1)[:, None, None]
    moved = Motion(joints, 30, SMPL24).retarget(other_body(seed))
    assert np.allclose(moved.joints[..., 1].min(1), 0, atol=1e-9)


def test_walking_on_longer_legs_covers_more_ground():
    legs = [SMPL24.index(f"{side}_{part}") for side in ("left", "right") for part in ("knee", "ankle")]
    lengths = SMPL24.bone_lengths.copy()
    lengths[legs] *= 1.5
    moved = walking(speed=1.0).retarget(SMPL24.with_bone_lengths(lengths))
    longer = (0.114 + 0.6 + 0.6 + 0.132) / (0.114 + 0.4 + 0.4 + 0.132)
    assert np.isclose(moved.velocities()[:, 0, 2].mean(), longer, atol=1e-3)


def test_retargeting_keeps_missing_joints_missing_and_the_rest_in_place():
    motion = with_holes(walking(), 3)
    holes = Motion(np.where(np.arange(24)[:, None] == 0, walking().joints, motion.joints), 30, SMPL24)
    moved = holes.retarget(SMPL24.scaled(1.2))
    assert np.array_equal(moved.missing, holes.missing)
    whole = walking().retarget(SMPL24.scaled(1.2))
    across = [0, 2]
    assert np.nanmax(np.abs(moved.joints - whole.joints)[..., across]) < 1e-6


def test_another_rest_pose_keeps_the_pose_and_its_twist():
    """From a T-pose to an A-pose rest: rotations change so that the limbs stay where they were."""
    motion = moving(4)
    offsets = SMPL24.offsets.copy()
    for joint in range(16, 24):  # arms lowered by 45 degrees
        length, sign = SMPL24.bone_lengths[joint], np.sign(SMPL24.offsets[joint, 0])
        if joint >= 18:
            offsets[joint] = length * np.array([sign * np.sqrt(0.5), -np.sqrt(0.5), 0])
    a_pose = SMPL24.with_offsets(offsets)
    moved = motion.retarget(a_pose)
    assert np.allclose(directions(moved), directions(motion))
    placed = joints_from_rotations(moved.rotations, a_pose, moved.root_path())
    assert np.allclose(placed, moved.joints)
    assert np.allclose(np.abs((moved.retarget(SMPL24).rotations * motion.rotations).sum(-1)), 1)


def test_zero_bones_take_the_direction_of_their_frame():
    offsets = SMPL24.offsets.copy()
    offsets[SMPL24.index("head")] = 0
    headless = SMPL24.with_offsets(offsets)
    moved = moving(1, headless).retarget(SMPL24)
    assert np.allclose(moved.bone_lengths(), SMPL24.bone_lengths)


def test_retargeting_to_another_tree_says_what_to_do():
    with pytest.raises(ValueError, match=r"to_smpl24\(\) first"):
        moving(0).retarget(dog())


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from([0.0, 0.1, 0.3, 0.5]), st.sampled_from([20.0, 30.0, 60.0]))
def test_joined_motions_last_as_long_as_they_should(seed, blend, fps):
    a, b = moving(seed), moving(seed + 1).resample(fps)
    joined = Motion.concatenate(a, b, blend_s=blend)
    assert joined.fps == a.fps
    assert abs(joined.duration - (a.duration + b.duration - blend)) < 1.5 / 30
    cut = a.frames - round(blend * 30) - 1
    assert np.array_equal(joined.joints[:cut], a.joints[:cut])
    assert np.allclose(joined.bone_lengths(), SMPL24.bone_lengths, atol=2e-3)
    placed = joints_from_rotations(joined.rotations, SMPL24, joined.root_path())
    blended = slice(0, a.frames)
    assert np.abs(placed - joined.joints)[blended].max() < 1e-6


@settings(max_examples=25, deadline=None)
@given(st.floats(-180, 180), st.floats(0.1, 0.5))
def test_a_walk_goes_on_the_way_it_went(degrees, blend):
    """b starts somewhere else, facing elsewhere; joined, the root walks on in a's direction at its speed."""
    a, b = walking(degrees=degrees), walking().translate([5, 0, 9])
    joined = Motion.concatenate(a, b, blend_s=blend)
    speed = np.linalg.norm(joined.velocities()[:, 0], axis=-1)
    assert np.allclose(speed[: a.frames - 20], 1.2)
    assert speed.max() < 1.5
    stay = Motion.concatenate(a, b, blend_s=blend, align=False)
    assert np.allclose(stay.joints[-1], b.joints[-1])


def test_a_cut_keeps_the_last_frame_of_the_first():
    a, b = moving(1), moving(2)
    joined = Motion.concatenate(a, b, blend_s=0)
    assert joined.frames == a.frames + b.frames - 1
    assert np.array_equal(joined.joints[: a.frames], a.joints)
    assert np.allclose(joined.root_path()[a.frames - 1, [0, 2]], a.root_path()[-1, [0, 2]])


def test_joining_keeps_what_is_missing_and_how_sure_the_rest_is():
    a = walking()
    holes = a.joints.copy()
    holes[-3:, 20] = np.nan
    b = Motion(a.joints, 30, SMPL24, confidence=np.full((46, 24), 0.5))
    joined = Motion.concatenate(Motion(holes, 30, SMPL24), b, blend_s=0.2)
    start = 46 - 7
    assert np.isnan(joined.joints[43:46, 20]).all()
    assert not joined.missing[46:].any()
    assert (joined.confidence[:start] == 1).all()
    assert (joined.confidence[46:] == 0.5).all()
    assert (joined.confidence[43:46, 20] == 0).all()
    assert (np.diff(joined.confidence[start:46, 0]) <= 0).all()


def test_a_smaller_body_grows_before_it_is_joined():
    small = moving(1, SMPL24.scaled(0.8))
    joined = Motion.concatenate(moving(0), small)
    assert joined.skeleton == SMPL24
    assert np.allclose(joined.bone_lengths(), SMPL24.bone_lengths, atol=2e-3)


def test_motions_that_cannot_be_joined_say_why():
    with pytest.raises(ValueError, match="map both to SMPL-24"):
        Motion.concatenate(moving(0), moving(0, dog()))
    with pytest.raises(ValueError, match="a blend of 9 s does not fit"):
        Motion.concatenate(moving(0), moving(1), blend_s=9)
    blind = Motion(np.full((31, 22, 3), np.nan), 30, HUMANML3D22)
    with pytest.raises(ValueError, match="the root is missing where the motions meet"):
        Motion.concatenate(blind, blind)


def test_rotations_from_a_capture_reproduce_its_joints():
    body = other_body(7)
    captured = Motion(moving(7, body).joints, 30, SMPL24)
    solved = captured.with_rotations()
    placed = joints_from_rotations(solved.rotations, solved.skeleton, solved.root_path())
    assert np.abs(placed - captured.joints).max() < 1e-4
    assert np.allclose(solved.skeleton.bone_lengths, body.bone_lengths, atol=1e-5)


def test_real_walks_join_without_a_jump(motion_library):
    clips = [clip for clip in motion_library if "walk" in clip.id and "bandai" in clip.id]
    a, b = clips[0].motion(), clips[len(clips) // 2].motion()
    joined = Motion.concatenate(a, b, blend_s=0.4)
    fastest = max(np.abs(m.velocities()).max() for m in (a, b))
    assert np.abs(joined.velocities()).max() < 1.6 * fastest
    assert np.abs(joined.bone_lengths() - a.bone_lengths()).max() < 0.01
