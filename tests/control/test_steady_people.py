"""What plates make of a careless tracker's people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinema.control.signals import control_signals
from kinema.control.steady_people import steady_people, tremble
from kinema.data.filming import standing
from kinema.scene import Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.formats import read_motion
from kinema.scene.skeleton import SMPL24
from kinema.stage import photo_studio, random_actor, shoot

FPS = 12.0


@pytest.fixture(scope="module")
def jacks() -> np.ndarray:
    """SMPL-24, [T, 24, 3]."""
    example = Path(__file__).resolve().parents[2] / "examples" / "jumping_jacks.bvh"
    return read_motion(example, as_smpl24=True).resample(FPS).joints[:25]


def test_motion_of_rigid_bones_stays_as_it_is(jacks):
    assert tremble(jacks) < 0.002
    np.testing.assert_array_equal(steady_people(jacks[:, None], FPS)[:, 0], jacks)


@pytest.mark.parametrize("metres", [0.02, 0.05, 0.1])
def test_bones_tell_how_far_joints_are_off_and_smoothing_takes_much_of_it(jacks, metres):
    told = jacks + np.random.default_rng(0).normal(0, metres, jacks.shape)
    assert tremble(told) == pytest.approx(metres, rel=0.4)
    off = np.sqrt(np.square(steady_people(told[:, None], FPS)[:, 0] - jacks).mean())
    assert off < 0.9 * metres


def test_nobody_vanishes_for_a_moment_and_whoever_is_gone_is_gone(jacks):
    told = np.stack([jacks, jacks], axis=1)
    told[5:9, 0, 20] = np.nan
    told[10:, 1] = np.nan
    steady = steady_people(told, FPS)
    line = jacks[4, 20] + np.linspace(0, 1, 6)[1:-1, None] * (jacks[9, 20] - jacks[4, 20])
    np.testing.assert_allclose(steady[5:9, 0, 20], line)
    assert np.isnan(steady[10:, 1]).all()
    told += np.random.default_rng(0).normal(0, 0.03, told.shape)
    trembling = steady_people(told, FPS)
    assert np.isfinite(trembling[:, 0]).all()
    assert np.isnan(trembling[10:, 1]).all()
    assert np.isfinite(trembling[:10, 1]).all()


def test_somebody_lost_at_first_is_still_cut_out_of_the_picture(jacks):
    motion = Motion(jacks, FPS, SMPL24)
    camera = camera_path("static", size=(96, 128), fps=FPS, frames=len(jacks), subject=motion)
    relaxed = standing(motion, facing=camera.c2w[0, :3, 3])
    cast = [random_actor(np.random.default_rng(3))]
    picture = shoot(Scene((relaxed,), camera, FPS), cast, photo_studio(np.random.default_rng(5))).rgb[0]
    confidence = np.ones(jacks.shape[:2])
    confidence[0] = 0.0
    lost = replace(motion, confidence=confidence)
    known, unknown = (
        control_signals(Scene((person,), camera, FPS), size=(96, 128), picture=picture)
        for person in (motion, lost)
    )
    for name in ("backdrop", "people_plate"):
        off = (getattr(known, name) - getattr(unknown, name)).abs()
        assert off[:, :, :3].mean() < 0.01, name
    assert unknown.skeletons[0, 0].max() == 0  # what adapters are told stays as it is
