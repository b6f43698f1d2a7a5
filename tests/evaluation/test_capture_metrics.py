"""Metrics of captured people and cameras: exact on exact input, and known on known errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from kinema.evaluation.metrics.camera_error import camera_error, published_camera_errors, rotation_angle
from kinema.evaluation.metrics.identity import match_people
from kinema.evaluation.metrics.pose3d import mpjpe_mm, pa_mpjpe_mm, procrustes, root_relative_errors
from kinema.scene.camera_language import camera_path


def bodies(seed: int = 0, frames: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, 24, 3))


def path(text: str = "arc left 40deg", frames: int = 12) -> np.ndarray:
    return np.array(camera_path(text, size=(64, 64), fps=12.0, frames=frames).c2w)


class TestJoints:
    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, 10_000))
    def test_a_similarity_is_no_error(self, seed):
        rng = np.random.default_rng(seed)
        truth = bodies(seed)
        turns = Rotation.random(len(truth), random_state=seed).as_matrix()
        estimate = rng.uniform(0.2, 3) * np.einsum("tij,tkj->tki", turns, truth) + rng.normal(size=3)
        assert pa_mpjpe_mm(estimate, truth) < 1e-9
        assert np.allclose(procrustes(estimate, truth), truth)

    def test_a_mirror_image_is_one(self):
        truth = bodies()
        assert pa_mpjpe_mm(truth * [-1, 1, 1], truth) > 100

    def test_no_similarity_does_better(self):
        truth, estimate = bodies(1), bodies(1) + bodies(2) * 0.1
        best = np.square(procrustes(estimate, truth) - truth).sum()
        aligned = procrustes(estimate, truth)
        for seed in range(10):
            turn = Rotation.from_rotvec(np.random.default_rng(seed).normal(size=3) * 0.01).as_matrix()
            assert np.square(1.001 * aligned @ turn.T - truth).sum() >= best - 1e-9

    def test_what_is_missing_does_not_count(self):
        truth = bodies()
        estimate = truth.copy()
        estimate[:, 7] += 5
        whole = pa_mpjpe_mm(estimate, truth)
        estimate[:, 7] = np.nan
        assert whole > 100
        assert pa_mpjpe_mm(estimate, truth) < 1e-9
        estimate[:, 4:] = np.nan
        estimate[0, :, :] = np.nan
        assert np.isnan(procrustes(estimate, truth)[0]).all()
        assert np.isnan(pa_mpjpe_mm(np.full_like(truth, np.nan), truth))

    def test_the_root_is_moved_and_nothing_else(self):
        truth = bodies()
        assert mpjpe_mm(truth + 3.0, truth) < 1e-9
        longer = truth.copy()
        longer[:, 20, 0] += 0.014
        assert mpjpe_mm(longer, truth) == pytest.approx(1.0)
        assert root_relative_errors(longer, truth)[:, 20] == pytest.approx(0.014)

    def test_shapes_must_agree(self):
        with pytest.raises(ValueError, match="must both be"):
            mpjpe_mm(bodies(frames=3), bodies(frames=4))


class TestCamera:
    @settings(max_examples=25, deadline=None)
    @given(st.floats(1e-9, np.pi), st.integers(0, 1000))
    def test_angles_are_exact_near_zero_and_near_half_a_turn(self, angle, seed):
        axis = np.random.default_rng(seed).normal(size=3)
        rotation = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()
        assert rotation_angle(rotation) == pytest.approx(angle, rel=1e-6, abs=1e-7)

    def test_another_world_and_scale_are_no_errors_of_rotation_and_direction(self):
        truth = path()
        world = np.eye(4)
        world[:3, :3], world[:3, 3] = Rotation.random(random_state=1).as_matrix(), [3, -2, 5]
        estimate = world @ truth
        relative = np.linalg.inv(estimate[0]) @ estimate
        relative[:, :3, 3] *= 0.25
        error = camera_error(relative, truth)
        assert error.rotation_deg < 1e-5
        assert error.direction_deg < 1e-5
        assert error.translation_scaled_m < 1e-9
        assert error.scale == pytest.approx(4)
        assert error.translation_m > 0.1

    def test_an_estimate_that_never_moves(self):
        truth = path()
        error = camera_error(np.tile(np.eye(4), (len(truth), 1, 1)), truth)
        assert error.direction_deg == 90
        assert np.isnan(error.scale)
        assert error.extent_deg == pytest.approx(40, abs=0.1)
        assert 15 < error.rotation_deg < 25

    def test_a_path_that_is_still_has_no_direction(self):
        truth = path("pan left 20deg")
        error = camera_error(truth, truth)
        assert np.isnan(error.direction_deg)
        assert np.isnan(error.translation_scaled_m)
        assert error.rotation_deg < 1e-6
        assert error.extent_m < 1e-9

    def test_the_fields_sums_and_their_trap(self):
        truth = path(frames=5)
        estimate = truth.copy()
        estimate[3:, :3, :3] = estimate[3:, :3, :3] @ Rotation.from_euler("x", 10, degrees=True).as_matrix()
        sums = published_camera_errors(estimate, truth)
        assert sums["RotErr[sum-rad]"] == pytest.approx(2 * np.radians(10))
        assert sums["TransErr[own-max-sum]"] < 1e-9
        still = np.tile(np.eye(4), (5, 1, 1))
        still[:, :3, 3] = np.random.default_rng(0).normal(size=(5, 3)) * 1e-6
        shaken = still.copy()
        shaken[:, :3, 3] = np.random.default_rng(1).normal(size=(5, 3)) * 1e-6
        assert published_camera_errors(shaken, still)["TransErr[own-max-sum]"] > 1

    def test_a_pose_that_is_not_finite_is_a_failure(self):
        broken = path()
        broken[3, 0, 3] = np.nan
        with pytest.raises(ValueError, match="count the path as failed"):
            camera_error(broken, path())


class TestIdentity:
    @staticmethod
    def walk(*columns: float, frames: int = 6) -> np.ndarray:
        points = np.zeros((len(columns), frames, 3, 2))
        points[..., 0] = np.array(columns)[:, None, None]
        points[..., 1] = np.arange(3) * 40
        return points

    def test_everybody_keeps_their_own(self):
        people = self.walk(0, 100)
        matching = match_people(people[::-1], people, np.full((2, 6), 100.0))
        assert (matching.track == [[1] * 6, [0] * 6]).all()
        assert matching.switches() == 0
        assert not matching.false_people.any()
        assert matching.main_track(0) == 1

    def test_an_exchange_is_two_switches_and_gaps_do_not_reset(self):
        people = self.walk(0, 100)
        tracks = people.copy()
        tracks[:, 3:] = people[::-1, 3:]
        tracks[:, 2] = np.nan
        matching = match_people(tracks, people, np.full((2, 6), 100.0))
        assert matching.switches() == 2
        assert (matching.track[:, 2] == -1).all()

    def test_false_people_are_counted(self):
        people = self.walk(0)
        tracks = np.concatenate([people, self.walk(300)])
        matching = match_people(tracks, people, np.full((1, 6), 100.0))
        assert (matching.false_people == 1).all()
        assert match_people(tracks[1:], people, np.full((1, 6), 100.0)).main_track(0) == -1

    def test_nobody_seen(self):
        people = self.walk(0)
        matching = match_people(np.zeros((0, 6, 3, 2)), people, np.full((1, 6), 100.0))
        assert (matching.track == -1).all()
        assert matching.switches() == 0
