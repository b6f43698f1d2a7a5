"""Flow and tracks: they carry one frame onto the next, agree with each other, and know what is hidden."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, map_coordinates
from tests.stage.scenes import circling, swinging

from kinema.scene.scene import Scene
from kinema.stage import busy_world, photo_studio, random_actor, shoot


@pytest.fixture(scope="module")
def take():
    rng = np.random.default_rng(7)
    scene = Scene((swinging(),), circling(size=(128, 128)), 10.0)
    return shoot(scene, [random_actor(rng)], busy_world(rng), shadows=False, antialias=2)


def test_flow_carries_a_frame_onto_the_next(take):
    rows, columns = np.mgrid[:128, :128]
    for f in range(take.frames - 1):
        at = np.stack([rows + take.flow[f, ..., 1], columns + take.flow[f, ..., 0]])
        warped = np.stack(
            [
                map_coordinates(take.rgb[f + 1, ..., c].astype(float), at, order=1, mode="nearest")
                for c in range(3)
            ],
            -1,
        )
        error = np.abs(warped - take.rgb[f]).mean(-1)
        still = np.abs(take.rgb[f + 1].astype(float) - take.rgb[f]).mean(-1)
        valid = take.flow_valid[f]
        assert error[valid].mean() < 0.5 * still[valid].mean()
        inner = valid & binary_erosion(take.person_mask[f])  # at its rim a pixel mixes person and background
        assert error[inner].mean() < 0.8 * still[inner].mean()  # turning limbs change their shade
        assert take.flow_valid[f].mean() > 0.8


def test_flow_lands_inside_the_same_triangle(take):
    """A point of a triangle stays among its corners, wherever they go."""
    surfaces, f = take.surfaces, 1
    row, column = np.nonzero(take.person_mask[f])
    corners = surfaces.vertices[f + 1][surfaces.triangles[surfaces.ids[f, row, column]]].astype(float)
    c2w, (fx, fy, cx, cy) = surfaces.c2w[f + 1], surfaces.lens[f + 1]
    local = (corners - c2w[:3, 3]) @ c2w[:3, :3]
    corners = local[..., :2] / local[..., 2:] * (fx, fy) + (cx, cy)
    landed = np.stack([column, row], -1) + 0.5 + take.flow[f, row, column]
    edges = np.roll(corners, -1, axis=1) - corners
    out = landed[:, None] - corners
    sides = edges[..., 0] * out[..., 1] - edges[..., 1] * out[..., 0]
    assert ((sides > -1e-3).all(1) | (sides < 1e-3).all(1)).all()


def test_background_flow_is_the_cameras(take):
    """A floor point moves as its projection does."""
    f, row, column = 0, 120, 20
    assert np.isinf(take.depth[f, row, column])
    camera = take.scene.camera
    fx, fy, cx, cy = camera.intrinsics[f]
    ray = camera.c2w[f, :3, :3] @ ((column + 0.5 - cx) / fx, (row + 0.5 - cy) / fy, 1.0)
    eye = camera.c2w[f, :3, 3]
    point = eye - eye[1] / ray[1] * ray
    local = camera.c2w[f + 1, :3, :3].T @ (point - camera.c2w[f + 1, :3, 3])
    expected = (fx * local[0] / local[2] + cx - column - 0.5, fy * local[1] / local[2] + cy - row - 0.5)
    np.testing.assert_allclose(take.flow[f, row, column], expected, atol=1e-3)


def test_tracks_agree_with_flow(take):
    rng = np.random.default_rng(0)
    points = rng.integers(0, 128, (200, 2)) + 0.5
    pixels, visible = take.tracks(points, frame=1)
    np.testing.assert_allclose(pixels[1], points, atol=1e-3)
    assert visible[1].all()
    column, row = points.astype(int).T
    np.testing.assert_allclose(pixels[2] - points, take.flow[1, row, column], atol=1e-3)
    np.testing.assert_array_equal(visible[2], take.flow_valid[1, row, column])


def test_tracks_stay_on_the_body_part():
    rng = np.random.default_rng(2)
    scene = Scene((swinging(),), circling(size=(128, 128), degrees=0.5), 10.0)
    take = shoot(scene, [random_actor(rng, "high")], photo_studio(rng))
    row, column = np.nonzero(take.part_ids[0])
    pixels, visible = take.tracks(np.stack([column + 0.5, row + 0.5], -1))
    last = visible[-1]
    at = np.floor(pixels[-1][last]).astype(int)
    same = take.part_ids[-1, at[:, 1], at[:, 0]] == take.part_ids[0, row[last], column[last]]
    assert last.mean() > 0.6
    assert same.mean() > 0.8


def test_tracks_refuse_points_outside(take):
    with pytest.raises(ValueError, match="must lie in the picture"):
        take.tracks(np.array([[200.0, 3.0]]))
    with pytest.raises(ValueError, match="frame 9"):
        take.tracks(np.array([[2.0, 3.0]]), frame=9)
    with pytest.raises(ValueError, match="expected"):
        take.tracks(np.zeros(3))
