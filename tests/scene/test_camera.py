"""CameraPath: validation, projection, intrinsics rules, time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from kinema.scene.camera import CameraPath, intrinsics_from_fov, look_at

SIZE = (64, 48)
LENS = intrinsics_from_fov(40, SIZE)
FRONT = look_at((0, 1, 3), (0, 1, 0))


def random_path(seed: int, frames: int = 7, fps: float = 10.0) -> CameraPath:
    rng = np.random.default_rng(seed)
    c2w = np.tile(np.eye(4), (frames, 1, 1))
    c2w[:, :3, :3] = Rotation.random(frames, random_state=seed).as_matrix()
    c2w[:, :3, 3] = rng.normal(size=(frames, 3))
    lens = np.stack(
        [rng.uniform(30, 90, frames), rng.uniform(30, 90, frames), *rng.uniform(20, 30, (2, frames))], 1
    )
    return CameraPath(c2w, lens, SIZE, fps)


def broken(**changes: object) -> dict:
    return {"c2w": FRONT[None], "intrinsics": np.array([LENS]), "size": SIZE, "fps": 24.0} | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"c2w": FRONT}, r"shape \[T, 4, 4\]"),
        ({"c2w": np.zeros((0, 4, 4))}, "at least one frame"),
        ({"c2w": np.full((1, 4, 4), np.nan)}, "not finite"),
        ({"c2w": FRONT[None] * 2}, "not a rotation"),
        ({"c2w": (FRONT @ np.diag([-1, 1, 1, 1]))[None]}, "not a rotation"),
        ({"c2w": np.concatenate([FRONT[:3], [[0, 0, 1, 1]]])[None]}, "last row"),
        ({"c2w": "a camera"}, "array of numbers"),
        ({"intrinsics": np.ones((2, 4))}, r"shape \[1, 4\]"),
        ({"intrinsics": np.array([[0, 1, 2, 3.0]])}, "focal length of frame 0"),
        ({"intrinsics": np.array([[np.inf, 1, 2, 3.0]])}, "not finite"),
        ({"size": (0, 10)}, "size"),
        ({"size": (10.5, 10)}, "size"),
        ({"size": (10**9, 10)}, "size"),
        ({"fps": 0.0}, "fps"),
        ({"fps": np.nan}, "fps"),
    ],
)
def test_bad_arguments_are_named(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CameraPath(**broken(**changes))


def test_is_frozen_and_keeps_its_own_copy() -> None:
    poses = FRONT[None].copy()
    path = CameraPath(poses, LENS, SIZE, 24)
    poses[0, 0, 3] = 99
    assert path.c2w[0, 0, 3] == 0
    with pytest.raises(ValueError, match="read-only"):
        path.c2w[0, 0, 3] = 1


def test_projects_to_the_right_and_down() -> None:
    path = CameraPath.static(FRONT, LENS, SIZE, 24, 2)
    pixels, depth = path.project(np.array([[0, 1, 0], [0.5, 1, 0], [0, 0.5, 0], [0, 1, 5], [np.nan] * 3]))
    assert pixels.shape == (2, 5, 2)
    assert depth.shape == (2, 5)
    np.testing.assert_allclose(pixels[0, 0], [32, 24])
    np.testing.assert_allclose(pixels[0, 1], [32 + LENS[0] * 0.5 / 3, 24])
    np.testing.assert_allclose(pixels[0, 2], [32, 24 + LENS[1] * 0.5 / 3])
    np.testing.assert_allclose(depth[0, :4], [3, 3, 3, -2])
    assert np.isnan(pixels[:, 3:]).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_projection_agrees_with_matrices(seed: int) -> None:
    path = random_path(seed)
    points = np.random.default_rng(seed).normal(size=(path.frames, 2, 3, 3))
    pixels, depth = path.project(points)
    homogeneous = np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1)
    in_camera = np.einsum("tij,tabj->tabi", path.w2c, homogeneous)[..., :3]
    expected = np.einsum("tij,tabj->tabi", path.K, in_camera)
    np.testing.assert_allclose(depth, in_camera[..., 2], atol=1e-9)
    front = depth > 1e-3
    np.testing.assert_allclose(
        pixels[front], expected[front][:, :2] / expected[front][:, 2:], rtol=1e-7, atol=1e-6
    )
    assert np.isnan(pixels[depth < 0]).all()


def test_visible_in_picture_in_front_and_not_hidden() -> None:
    path = CameraPath.static(FRONT, LENS, SIZE, 24, 1)
    points = np.array([[0, 1, 0], [0, 1, 9], [5, 1, 0], [0.2, 1, 0]])
    assert path.visible(points).tolist() == [[True, False, False, True]]
    depth = np.full((1, 48, 64), np.inf)
    depth[0, 24, 32] = 2.9
    assert path.visible(points, depth).tolist() == [[False, False, False, True]]
    assert path.visible(points, depth, tolerance=0.2).tolist() == [[True, False, False, True]]
    with pytest.raises(ValueError, match="depth_maps"):
        path.visible(points, depth[:, :10])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(8, 200), st.integers(8, 200))
def test_resize_is_scale_to_fill_and_crop(seed: int, width: int, height: int) -> None:
    path = random_path(seed)
    resized = path.resize(width, height)
    scale = max(width / 64, height / 48)
    points = np.random.default_rng(seed).normal(size=(20, 3))
    old, _ = path.project(points)
    new, _ = resized.project(points)
    np.testing.assert_allclose(new, (old - [32, 24]) * scale + [width / 2, height / 2], rtol=1e-7, atol=1e-6)
    assert resized.size == (width, height)


def test_resize_matches_the_published_rule_in_fractions() -> None:
    path = CameraPath.static(FRONT, (500, 500, 640, 360), (1280, 720), 24, 1)
    resized = path.resize(384, 256)  # the source is wider
    fx, fy = 500 / 1280, 500 / 720
    np.testing.assert_allclose(
        resized.intrinsics[0], [fx * (256 * 1280 / 720) / 384 * 384, fy * 256, 192, 128]
    )


def test_resample_goes_by_time_not_by_index() -> None:
    poses = np.tile(FRONT, (25, 1, 1))
    poses[:, 0, 3] = np.arange(25) / 24  # one metre a second
    path = CameraPath(poses, LENS, SIZE, 24)
    for interpolation in ("linear", "cubic"):
        slow = path.resample(7, interpolation=interpolation)
        assert slow.frames == 8
        np.testing.assert_allclose(slow.positions[:, 0], np.arange(8) / 7, atol=1e-9)
    assert path.resample(24).frames == 25
    np.testing.assert_allclose(path.resample(48).duration, path.duration)


def test_resample_turns_at_constant_speed() -> None:
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, :3, :3] = Rotation.from_euler("y", 90, degrees=True).as_matrix()
    path = CameraPath(poses, LENS, SIZE, 1).resample(4)
    angles = Rotation.from_matrix(path.c2w[:, :3, :3]).magnitude()
    np.testing.assert_allclose(np.degrees(angles), [0, 22.5, 45, 67.5, 90], atol=1e-9)


def test_resample_refuses_moments_outside() -> None:
    path = random_path(0)
    with pytest.raises(ValueError, match=r"lasts from 0 s to 0\.600 s"):
        path.resample(10, times=np.array([0.7]))
    with pytest.raises(ValueError, match="interpolation"):
        path.resample(10, interpolation="quintic")
    with pytest.raises(ValueError, match="fps"):
        path.resample(-1)
    with pytest.raises(ValueError, match="limit"):
        path.resample(1e9)


def test_resample_of_one_frame() -> None:
    path = random_path(1, frames=1)
    assert path.resample(24).frames == 1


def test_crop_keeps_both_ends() -> None:
    path = random_path(2)
    part = path.crop(0.2, 0.4)
    assert part.frames == 3
    np.testing.assert_allclose(part.c2w, path.c2w[2:5], atol=1e-9)
    assert path.crop(0.2).frames == 5
    with pytest.raises(ValueError, match="cannot crop"):
        path.crop(0.2, 9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_relative_starts_at_the_identity_and_keeps_distances(seed: int) -> None:
    path = random_path(seed)
    relative = path.relative()
    np.testing.assert_allclose(relative.c2w[0], np.eye(4), atol=1e-12)
    np.testing.assert_allclose(path.c2w[0] @ relative.c2w, path.c2w, atol=1e-9)
    np.testing.assert_allclose(path.w2c @ path.c2w, np.tile(np.eye(4), (7, 1, 1)), atol=1e-9)


def test_from_times_resamples_uneven_poses() -> None:
    times = np.array([5.0, 5.1, 5.4, 6.0])
    poses = np.tile(FRONT, (4, 1, 1))
    poses[:, 0, 3] = times - 5
    path = CameraPath.from_times(times, poses, np.tile(LENS, (4, 1)), SIZE, 10)
    np.testing.assert_allclose(path.positions[:, 0], np.arange(11) / 10, atol=1e-9)
    with pytest.raises(ValueError, match="ascending"):
        CameraPath.from_times(times[::-1], poses, np.tile(LENS, (4, 1)), SIZE, 10)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_look_at_is_level_and_on_target(seed: int) -> None:
    rng = np.random.default_rng(seed)
    eye, target = rng.normal(size=(2, 5, 3)) * 3
    pose = look_at(eye, target)
    path = CameraPath(pose, LENS, SIZE, 24)
    pixels, depth = path.project(target[:, None])
    np.testing.assert_allclose(pixels[:, 0], np.tile([32, 24], (5, 1)), atol=1e-6)
    np.testing.assert_allclose(depth[:, 0], np.linalg.norm(target - eye, axis=1))
    np.testing.assert_allclose(pose[:, 1, 0], 0, atol=1e-12)  # the right of the picture is level
    assert (pose[:, 1, 1] <= 0).all()  # and its bottom points down


def test_look_at_straight_down_and_on_the_spot() -> None:
    np.testing.assert_allclose(-look_at((0, 3, 0), (0, 0, 0))[:3, 1], [0, 0, -1])
    with pytest.raises(ValueError, match="stands on the point"):
        look_at((0, 1, 0), (0, 1, 0))


def test_intrinsics_from_fov() -> None:
    fx, fy, cx, cy = intrinsics_from_fov(90, (100, 50))
    assert (fx, fy, cx, cy) == pytest.approx((25, 25, 50, 25))
    assert CameraPath.static(FRONT, (fx, fy, cx, cy), (100, 50), 24, 1).fov_y[0] == pytest.approx(90)
    with pytest.raises(ValueError, match="field of view"):
        intrinsics_from_fov(180, (100, 50))
