"""Ray maps: the geometry of Plücker coordinates, order and scale arguments, and the plain loop's numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from kinema.scene import CameraPath
from kinema.signals.ray_map import ray_map

SIZE = (12, 10)


@st.composite
def cameras(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    frames = draw(st.integers(1, 5))
    c2w = np.tile(np.eye(4), (frames, 1, 1))
    c2w[:, :3, :3] = Rotation.random(frames, rng=rng).as_matrix()
    c2w[:, :3, 3] = rng.normal(0, draw(st.sampled_from([0.0, 1.0, 10.0])), (frames, 3))
    intrinsics = np.stack([*rng.uniform(5, 40, (2, frames)), *rng.uniform(0, 12, (2, frames))], axis=-1)
    return CameraPath(c2w, intrinsics, SIZE, 8.0)


@settings(max_examples=30, deadline=None)
@given(cameras(), st.booleans())
def test_directions_are_unit_and_moments_orthogonal(camera, relative):
    rays = ray_map(camera, relative=relative).astype(float)
    assert rays.shape == (camera.frames, 6, SIZE[1], SIZE[0])
    moment, direction = rays[:, :3], rays[:, 3:]
    assert np.allclose(np.linalg.norm(direction, axis=1), 1, atol=1e-6)
    reach = 1 + np.abs(camera.positions).max()
    assert np.abs((moment * direction).sum(axis=1)).max() < 3e-6 * reach


@settings(max_examples=30, deadline=None)
@given(cameras())
def test_rays_pass_through_the_camera_and_project_to_their_pixel(camera):
    rays = ray_map(camera, relative=False).astype(float)
    moment, direction = rays[:, :3], rays[:, 3:]
    position = camera.positions[:, :, None, None]
    reach = 1 + np.abs(camera.positions).max()
    assert np.abs(np.cross(position, direction, axis=1) - moment).max() < 3e-6 * reach
    points = np.moveaxis(position + 2.0 * direction, 1, -1)
    pixels, _ = camera.project(points)
    x, y = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    assert np.allclose(pixels, np.stack([x, y], axis=-1), atol=2e-3)


@settings(max_examples=20, deadline=None)
@given(cameras())
def test_relative_is_the_first_camera_s_frame(camera):
    assert np.array_equal(ray_map(camera), ray_map(camera.relative(), relative=False))
    moved = camera.transform(np.block([[Rotation.from_euler("y", 40, True).as_matrix(), np.array([[3], [1],
    [2]])],
                                       [np.array([[0, 0, 0, 1]])]]))  # fmt: skip
    assert np.allclose(ray_map(camera), ray_map(moved), atol=1e-4)
    assert np.abs(ray_map(camera)[0, :3]).max() < 1e-6


def test_identity_camera_by_hand():
    camera = CameraPath(np.eye(4)[None], np.array([8.0, 4.0, 6.0, 5.0]), SIZE, 8.0)
    rays = ray_map(camera)
    assert rays.dtype == np.float32
    assert not rays[:, :3].any()
    expected = np.array([(9.5 - 6) / 8, (2.5 - 5) / 4, 1])
    assert np.allclose(rays[0, 3:, 2, 9], expected / np.linalg.norm(expected), atol=1e-7)


def walk():
    c2w = np.tile(np.eye(4), (3, 1, 1))
    c2w[:, 0, 3] = 5, 7, 9
    return CameraPath(c2w, np.array([10.0, 10.0, 6.0, 5.0]), SIZE, 8.0)


def test_moment_by_hand():
    rays = ray_map(walk())
    d = rays[2, 3:, 4, 7]
    assert np.allclose(rays[2, :3, 4, 7], np.cross([4, 0, 0], d), atol=1e-6)


def test_order_and_scale():
    camera = walk()
    rays = ray_map(camera)
    assert np.array_equal(
        ray_map(camera, order="direction_moment"), np.concatenate([rays[:, 3:], rays[:, :3]], axis=1)
    )
    assert np.array_equal(ray_map(camera, scale="raw"), rays)
    unit = ray_map(camera, scale="unit")
    assert np.allclose(unit[:, :3], rays[:, :3] / 4, atol=1e-6)
    assert np.array_equal(unit[:, 3:], rays[:, 3:])
    still = replace(camera, c2w=np.tile(np.eye(4), (3, 1, 1)))
    assert np.isfinite(ray_map(still, scale="unit")).all()


def test_size_resizes_the_camera():
    camera = walk()
    assert np.array_equal(ray_map(camera, size=(6, 8)), ray_map(camera.resize(6, 8)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": "rays"}, "unknown order"),
        ({"scale": "feet"}, "unknown scale"),
        ({"size": (3, 0)}, "size"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        ray_map(walk(), **options)
