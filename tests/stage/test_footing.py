"""Feet: soles stand on the floor y = 0, whatever heights a skeleton's ankles and toes have, and joints stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinema.scene.camera import CameraPath, intrinsics_from_fov, look_at
from kinema.scene.formats import read_motion
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.scene.skeleton import SMPL24
from kinema.stage import Actor, World, make_body, shoot
from kinema.stage.footing import footing_of
from kinema.stage.rig import CHART_JOINTS
from kinema.stage.wardrobe import Outfit

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CLIPS = (
    "bandai_namco/dataset-1_bow_active_001",
    "bandai_namco/dataset-2_walk_feminine_005",
    "hdm05/HDM_dg_depositFloorR_016_120",
    "cmu8/test_soccer_soccer_1",
    "cmu_exercises/13_29_0300",
)


def soles(motion: Motion, frames: np.ndarray) -> np.ndarray:
    """Height of the lowest vertex of both feet, left and right, in some frames, [N, 2]."""
    actor = Actor(make_body(None, "low"), Outfit()).playing(motion)
    camera = CameraPath.static(
        look_at([0, 1, 8], [0, 1, 0]), intrinsics_from_fov(40.0, (16, 16)), (16, 16), motion.fps, len(frames)
    )
    part = Motion(motion.joints[frames], motion.fps, SMPL24)
    take = shoot(Scene((part,), camera, motion.fps), [actor], World(), shadows=False)
    assert take.surfaces is not None
    parts = actor.body.parts
    lowest = []
    for segments in ((7, 10), (8, 11)):
        foot = np.unique(actor.body.triangles[np.isin(parts, segments)])
        lowest.append(take.surfaces.vertices[:, foot, 1].min(axis=1))
    return np.stack(lowest, axis=1)


def on_the_floor(motion: Motion) -> None:
    """Soles are at y = 0 wherever ankle and toes of a foot are as high as where this person's feet stand."""
    footing = footing_of(motion.joints)
    assert footing is not None
    ankles, toes = motion.joints[:, [7, 8], 1], motion.joints[:, [10, 11], 1]
    stands = (np.abs(ankles - footing.ankle) < 0.012) & (np.abs(toes - footing.toe) < 0.012)
    frames = np.flatnonzero(stands.any(axis=1))
    assert len(frames)
    frames = frames[:: max(1, len(frames) // 12)]
    heights = soles(motion, frames)[stands[frames]]
    assert np.abs(np.median(heights)) < 0.008
    assert np.abs(heights).max() < 0.02


def test_soles_stand_on_the_floor_of_jumping_jacks():
    """They were 3.7 cm under it."""
    on_the_floor(read_motion(EXAMPLES / "jumping_jacks.bvh", as_smpl24=True))


@pytest.mark.parametrize("clip", CLIPS)
def test_soles_stand_on_the_floor(motion_library, clip):
    on_the_floor(motion_library.find(clip).motion())


@pytest.mark.parametrize(("ankle", "toe"), [(0.055, 0.0), (0.1, 0.02), (0.12, 0.04), (0.08, 0.025)])
def test_ankles_and_toes_of_every_height(ankle, toe):
    joints = CHART_JOINTS.copy()
    joints[[7, 8], 1], joints[[10, 11], 1] = ankle, toe
    motion = Motion(np.tile(joints, (3, 1, 1)), 30.0, SMPL24)
    heights = soles(motion, np.arange(3))
    assert np.abs(heights).max() < 0.006


def test_legs_apart_do_not_put_an_edge_of_the_sole_under_the_floor():
    joints = CHART_JOINTS.copy()
    for side, leg in ((1, (4, 7, 10)), (-1, (5, 8, 11))):
        hip = joints[leg[0] - 3]
        angle = np.radians(25.0) * side
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        for joint in leg:
            joints[joint] = hip + turn @ (joints[joint] - hip)
    joints[:, 1] -= joints[[10, 11], 1].min() - 0.025
    heights = soles(Motion(joints[None], 30.0, SMPL24), np.arange(1))
    assert np.abs(heights).max() < 0.012


def test_nobody_stands_in_the_air():
    high = CHART_JOINTS[None] + [0.0, 1.0, 0.0]
    assert footing_of(high) is None
    assert footing_of(np.full((2, 24, 3), np.nan)) is None


def test_a_foot_is_the_same_however_little_is_filmed_at_once():
    motion = read_motion(EXAMPLES / "jumping_jacks.bvh", as_smpl24=True)
    whole = soles(motion, np.array([4, 8, 12]))
    single = np.concatenate([soles(motion, np.array([frame])) for frame in (4, 8, 12)])
    assert np.allclose(whole, single, atol=2e-3)
    actor = Actor(make_body(None, "low"), Outfit())
    assert actor.playing(motion) == replace(actor, footing=footing_of(motion.joints))
