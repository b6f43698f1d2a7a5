"""The rig: joints go where the motion says, bodies turn without flipping, meshes are whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from tests.stage.scenes import swinging

from kinema.stage import make_body
from kinema.stage.rig import (
    CHART_JOINTS,
    LONG_CHILD,
    PARENTS,
    body_scale,
    segment_rotations,
    segment_transforms,
)
from kinema.stage.template import template

angle = st.floats(-180, 180)


def test_the_chart_is_its_own_pose():
    affine = segment_transforms(CHART_JOINTS[None])[0]
    np.testing.assert_allclose(affine[:, :, :3], np.tile(np.eye(3), (24, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(affine[:, :, 3], 0, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(angle, st.floats(-80, 80), angle, st.floats(0.5, 1.6))
def test_turning_and_growing_somebody_turns_and_grows_every_segment(yaw, pitch, roll, size):
    turn = Rotation.from_euler("YXZ", (yaw, pitch, roll), degrees=True).as_matrix()
    joints = swinging().joints
    moved = size * joints @ turn.T + (1.0, 2.0, 3.0)
    np.testing.assert_allclose(segment_rotations(moved), turn @ segment_rotations(joints), atol=1e-6)
    plain, grown = segment_transforms(joints), segment_transforms(moved)
    np.testing.assert_allclose(grown[..., :3], size * turn @ plain[..., :3], atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_joints_coincide_with_the_motion(seed):
    """Whatever the pose, each limb segment maps its own joint and its child's onto the captured ones."""
    rng = np.random.default_rng(seed)
    joints = CHART_JOINTS.copy()
    for j in range(1, 24):
        bone = CHART_JOINTS[j] - CHART_JOINTS[PARENTS[j]]
        joints[j] = joints[PARENTS[j]] + Rotation.random(random_state=rng).as_matrix() @ bone * rng.uniform(
            0.7, 1.4
        )
    affine = segment_transforms(joints[None])[0]
    assert np.isfinite(affine).all()
    for j in range(1, 24):
        child = LONG_CHILD[j]
        np.testing.assert_allclose(affine[j] @ (*CHART_JOINTS[j], 1.0), joints[j], atol=1e-6)
        if child >= 0:
            np.testing.assert_allclose(affine[j] @ (*CHART_JOINTS[child], 1.0), joints[child], atol=1e-6)
    rotations = segment_rotations(joints[None])[0]
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0, atol=1e-6)


def test_coinciding_joints_do_not_break_a_body():
    joints = CHART_JOINTS.copy()
    joints[6] = joints[9] = joints[3]
    joints[10] = joints[7]
    assert np.isfinite(segment_transforms(joints[None])).all()
    assert body_scale(np.zeros((2, 24, 3))) > 0


@pytest.mark.parametrize("detail", ["low", "high"])
def test_the_template_is_a_closed_skinned_surface(detail):
    mesh = template(detail)
    assert 3000 < len(mesh.vertices) < 10_000
    edges = np.concatenate([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]], mesh.triangles[:, [2, 0]]])
    forward = set(map(tuple, edges.tolist()))
    assert len(forward) == len(edges)
    assert all((b, a) in forward for a, b in forward)
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    volume = np.einsum("ij,ij->", a, np.cross(b, c)) / 6
    assert 0.04 < volume < 0.09  # cubic metres: a person's, and outside is outside
    np.testing.assert_allclose(mesh.weights.sum(1), 1.0, atol=1e-5)
    assert np.ptp(mesh.chart[:, 1]) == pytest.approx(1.72, abs=0.06)
    assert abs(mesh.chart[:, 1].min()) < 0.02


def test_bodies_are_symmetric_and_built_once():
    body = make_body(None, "low")
    assert make_body(None, "low") is body
    left, right = ((body.parts == j).sum() for j in (18, 19))
    assert 0.8 < left / right < 1.25
