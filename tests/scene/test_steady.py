"""What a careless tracker's people become before anything reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinema.scene import Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.formats import read_motion
from kinema.scene.skeleton import SMPL24
from kinema.scene.steady import steady, steady_motion, tremble
from kinema.signals.control_signals import control_signals

FPS = 12.0


@pytest.fixture(scope="module")
def jacks() -> np.ndarray:
    """SMPL-24, [T, 24, 3]."""
    example = Path(__file__).resolve().parents[2] / "examples" / "jumping_jacks.bvh"
    return read_motion(example, as_smpl24=True).resample(FPS).joints[:25]


def one(joints: np.ndarray, **more) -> Motion:
    return steady_motion(Motion(joints, FPS, SMPL24, **more))


def test_motion_of_rigid_bones_stays_as_it_is(jacks):
    motion = Motion(jacks, FPS, SMPL24)
    assert tremble(jacks) < 0.002
    assert steady_motion(motion) is motion


@pytest.mark.parametrize("metres", [0.02, 0.05, 0.1])
def test_bones_tell_how_far_joints_are_off_and_smoothing_takes_much_of_it(jacks, metres):
    told = jacks + np.random.default_rng(0).normal(0, metres, jacks.shape)
    assert tremble(told) == pytest.approx(metres, rel=0.4)
    off = np.sqrt(np.square(one(told).joints - jacks).mean())
    assert off < 0.9 * metres


def test_nobody_vanishes_for_a_moment_and_whoever_is_gone_is_gone(jacks):
    told, gone = jacks.copy(), jacks.copy()
    told[5:9, 20] = np.nan
    gone[10:] = np.nan
    line = jacks[4, 20] + np.linspace(0, 1, 6)[1:-1, None] * (jacks[9, 20] - jacks[4, 20])
    np.testing.assert_allclose(one(told).joints[5:9, 20], line)
    assert np.isnan(one(gone).joints[10:]).all()
    trembling = np.random.default_rng(0).normal(0, 0.03, told.shape)
    assert np.isfinite(one(told + trembling).joints).all()
    assert np.isfinite(one(gone + trembling).joints[:10]).all()
    assert np.isnan(one(gone + trembling).joints[10:]).all()


def test_confidence_says_what_is_missing_and_what_was_filled_in(jacks):
    confidence = np.ones(jacks.shape[:2])
    confidence[5:7, 20] = 0.1
    motion = one(jacks, confidence=confidence)
    assert np.isfinite(motion.joints[5:7, 20]).all()
    assert (motion.confidence >= 0.3).all()


def test_every_signal_of_a_steady_scene_is_of_the_same_people(jacks):
    """Smoothing acts on the scene: skeletons, mask and joints of a trembling tracker agree with each other."""
    told = jacks + np.random.default_rng(0).normal(0, 0.05, jacks.shape)
    person = Motion(told, FPS, SMPL24)
    camera = camera_path(
        "static", size=(96, 128), fps=FPS, frames=len(jacks), subject=Motion(jacks, FPS, SMPL24)
    )
    calm = steady(Scene((person,), camera, FPS))
    signals = control_signals(calm, size=(96, 128))
    np.testing.assert_allclose(signals.joints[0, 0, : len(jacks)].numpy(), calm.people[0].joints, atol=1e-5)
    again = control_signals(Scene(calm.people, camera, FPS), size=(96, 128))
    assert (signals.skeletons == again.skeletons).all()
    assert (signals.person_mask == again.person_mask).all()
    other = control_signals(Scene((person,), camera, FPS), size=(96, 128))
    assert not (signals.skeletons == other.skeletons).all()
