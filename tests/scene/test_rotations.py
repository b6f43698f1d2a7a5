"""Positions to rotations and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from tests.scene.bodies import dog, random_rotations, random_tree, seeds

from kinema.scene import quaternions as quat
from kinema.scene.rotations import (
    fit_skeleton,
    global_rotations,
    joints_from_rotations,
    local_rotations,
    rotations_from_joints,
)
from kinema.scene.skeleton import CMU31, COCO_WHOLEBODY133, SMPL24, Skeleton


def uniform(seed: int, *shape: int) -> np.ndarray:
    """Rotations without any bias, wxyz."""
    q = np.random.default_rng(seed).normal(size=(*shape, 4))
    return q / np.linalg.norm(q, axis=-1, keepdims=True)


def scipy(q: np.ndarray) -> Rotation:
    return Rotation.from_quat(q, scalar_first=True)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_quaternions_agree_with_scipy(seed):
    a, b = uniform(seed, 7), uniform(seed + 1, 7)
    vectors = np.random.default_rng(seed).normal(size=(7, 3))
    assert np.allclose(quat.rotate(a, vectors), scipy(a).apply(vectors))
    product = scipy(quat.multiply(a, b)) * (scipy(a) * scipy(b)).inv()
    assert np.allclose(product.magnitude(), 0, atol=1e-7)
    half = scipy(quat.slerp(a, b, 0.5))
    assert np.allclose((half * scipy(a).inv()).magnitude(), (scipy(b) * half.inv()).magnitude())
    assert np.array_equal(quat.slerp(a, b, 0.0), a)
    aligned = quat.align(vectors, scipy(a[0]).apply(vectors))
    assert np.allclose((scipy(aligned) * scipy(a[0]).inv()).magnitude(), 0, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(0, 1e-7))
def test_shortest_rotations_hold_up_near_half_turns(seed, tilt):
    a = np.random.default_rng(seed).normal(size=3)
    b = -a + tilt * np.random.default_rng(seed + 1).normal(size=3)
    assert np.allclose(quat.rotate(quat.between(a, b), a), b, atol=1e-6)
    assert np.array_equal(quat.between(a, np.zeros(3)), quat.IDENTITY)


@settings(max_examples=50, deadline=None)
@given(seeds)
def test_positions_survive_the_way_through_rotations_for_any_tree(seed):
    tree = random_tree(seed)
    root = np.random.default_rng(seed).normal(size=(3, 3))
    joints = joints_from_rotations(uniform(seed, 3, len(tree)), tree, root)
    rotations, _ = rotations_from_joints(joints, tree)
    again = joints_from_rotations(rotations, tree, joints[:, tree.root])
    assert np.abs(again - joints).max() < 1e-7
    assert (rotations[..., 0] >= 0).all()


@pytest.mark.parametrize(
    "tree", [SMPL24, COCO_WHOLEBODY133, CMU31, dog()], ids=["smpl", "whole", "cmu", "dog"]
)
def test_positions_survive_on_real_skeletons(tree):
    joints = joints_from_rotations(uniform(1, 50, len(tree)), tree, np.zeros((50, 3)))
    rotations, _ = rotations_from_joints(joints, tree)
    assert np.abs(joints_from_rotations(rotations, tree, joints[:, tree.root]) - joints).max() < 1e-4


def test_twist_is_observed_where_bones_branch_and_only_there():
    rotations = random_rotations(np.random.default_rng(0), 20, 24)
    joints = joints_from_rotations(rotations, SMPL24, np.zeros((20, 3)))
    solved, observed = rotations_from_joints(joints, SMPL24)
    assert [SMPL24.names[j] for j in np.flatnonzero(observed)] == ["pelvis", "spine3"]
    turned, true = global_rotations(solved, SMPL24), global_rotations(rotations, SMPL24)
    error = (
        scipy(turned[:, observed].reshape(-1, 4)) * scipy(true[:, observed].reshape(-1, 4)).inv()
    ).magnitude()
    assert error.max() < 1e-6
    knee = SMPL24.index("left_knee")  # a hinge swings, and has no twist of its own
    bone = SMPL24.offsets[SMPL24.index("left_ankle")] / 0.4
    assert np.abs(quat.twist_angle(solved[:, knee], bone)).max() < 1e-7


def test_twist_between_two_branches_is_shared_along_the_spine():
    rotations = np.tile(quat.IDENTITY, (1, 24, 1))
    rotations[0, SMPL24.index("spine3")] = quat.about_axis(np.array([0, 1.0, 0]), np.radians(60))
    joints = joints_from_rotations(rotations, SMPL24, np.zeros((1, 3)))
    solved, _ = rotations_from_joints(joints, SMPL24)
    spine = [SMPL24.index(name) for name in ("spine1", "spine2", "spine3")]
    assert np.allclose(np.degrees(quat.twist_angle(solved[0, spine], np.array([0, 1.0, 0]))), 20)
    assert np.allclose(joints_from_rotations(solved, SMPL24, np.zeros((1, 3))), joints)


def test_local_and_global_rotations_are_inverse():
    local = uniform(3, 4, 24)
    assert np.allclose(local_rotations(global_rotations(local, SMPL24), SMPL24), local)


def test_forward_kinematics_turns_what_hangs_below():
    rotations = np.tile(quat.IDENTITY, (24, 1))
    rotations[SMPL24.index("left_shoulder")] = quat.about_axis(np.array([0, 0, 1.0]), -np.pi / 2)
    joints = joints_from_rotations(rotations, SMPL24, SMPL24.rest[0])
    moved = np.abs(joints - SMPL24.rest).max(-1) > 1e-9
    assert [SMPL24.names[j] for j in np.flatnonzero(moved)] == ["left_elbow", "left_wrist", "left_hand"]
    assert np.allclose(joints[SMPL24.index("left_wrist")], [0.175, 1.375 - 0.525, 0])


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_missing_joints_leave_only_what_hangs_on_them_unknown(seed):
    rng = np.random.default_rng(seed)
    tree = SMPL24
    joints = joints_from_rotations(random_rotations(rng, 8, 24), tree, np.zeros((8, 3)))
    gone = int(rng.integers(1, 24))
    holes = joints.copy()
    holes[3:6, gone] = np.nan
    rotations, _ = rotations_from_joints(holes, tree)
    again = joints_from_rotations(rotations, tree, holes[:, 0])
    below = [gone]
    for joint in below:
        below.extend(tree.children[joint])
    parent = tree.parents[gone]
    lone = len(tree.children[parent]) == 1
    kept = [j for j in range(24) if j not in below or (not lone and j == gone)]
    assert np.allclose(again[:, kept], joints[:, kept])
    assert np.allclose(again[[0, 1, 2, 6, 7]], joints[[0, 1, 2, 6, 7]])
    assert np.isnan(again[3:6, [j for j in below if j != gone]]).all()


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_a_fitted_skeleton_reproduces_another_body(seed):
    """Proportions, and the shape of branching joints, come out of the motion alone."""
    rng = np.random.default_rng(seed)
    lengths = SMPL24.bone_lengths * rng.uniform(0.7, 1.4, 24)
    body = SMPL24.with_bone_lengths(lengths)
    joints = joints_from_rotations(random_rotations(rng, 20, 24), body, np.zeros((20, 3)))
    fitted = fit_skeleton(joints, SMPL24)
    rotations, _ = rotations_from_joints(joints, fitted)
    again = joints_from_rotations(rotations, fitted, joints[:, 0])
    assert np.abs(again - joints).max() < 1e-4
    assert np.allclose(fitted.bone_lengths, body.bone_lengths, atol=1e-5)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"rotations has shape \[2, 23, 4\]"):
        joints_from_rotations(np.zeros((2, 23, 4)), SMPL24, np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"root_position has shape \[3\]"):
        joints_from_rotations(np.zeros((2, 24, 4)), SMPL24, np.zeros(3))
    with pytest.raises(ValueError, match=r"joints has shape \[24, 3, 1\]"):
        rotations_from_joints(np.zeros((24, 3, 1)), SMPL24)
    lone = Skeleton(("only",), (-1,), np.zeros((1, 3)))
    rotations, observed = rotations_from_joints(np.ones((2, 1, 3)), lone)
    assert np.array_equal(rotations[:, 0], [quat.IDENTITY] * 2)
    assert not observed.any()


def test_captured_people_are_rigid_enough(motion_library):
    """A fitted skeleton and solved rotations reproduce real joints; quantisation alone is 0.25 mm an axis."""
    clips = [clip for clip in motion_library if "bandai" in clip.id][::300]
    for clip in clips:
        joints = clip.joints().astype(np.float64)
        body = fit_skeleton(joints, SMPL24)
        rotations, _ = rotations_from_joints(joints, body)
        error = np.linalg.norm(joints_from_rotations(rotations, body, joints[:, 0]) - joints, axis=-1)
        assert error.max() < 2.5e-3
        assert error.mean() < 0.5e-3
