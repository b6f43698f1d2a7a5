"""The reference picture shows the body of the video: a person is filmed in both, and bones and joints are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kinema.data.standing import own_skeleton, standing
from kinema.scene import Motion, Scene
from kinema.scene.camera import CameraPath, intrinsics_from_fov, look_at
from kinema.scene.formats import read_motion
from kinema.scene.skeleton import SMPL24
from kinema.stage import World, random_actor, shoot
from kinema.stage.footing import footing_of

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "real_cases" / "motion"
CLIPS = (
    "bandai_namco/dataset-2_walk-turn-left_masculine_012",
    "hdm05/HDM_dg_squat1Reps_030_120",
    "cmu8/test_soccer_soccer_1",
    "cmu_exercises/13_29_0300",
    "deepmimic/dance_a",
)
WIDTHS = {"hips": (1, 2), "shoulders": (16, 17), "neck to head": (12, 15), "collars": (13, 14)}
SIZE = (192, 256)


def has_the_same_bones(motion: Motion) -> None:
    pose = standing(motion, facing=motion.joints[0, 0] + [0.0, 0.0, 4.0])
    assert pose.bone_lengths() == pytest.approx(motion.bone_lengths(), rel=0.02, abs=0.003)
    for name, (a, b) in WIDTHS.items():
        shown, own = (
            np.median(np.linalg.norm(m.joints[:, a] - m.joints[:, b], axis=-1)) for m in (pose, motion)
        )
        assert shown == pytest.approx(own, rel=0.04), name


@pytest.mark.parametrize("clip", CLIPS)
def test_the_reference_has_the_bones_of_the_motion(motion_library, clip):
    has_the_same_bones(motion_library.find(clip).motion())


@pytest.mark.parametrize("name", ["walk_and_wave", "jumping_jacks"])
def test_the_reference_has_the_bones_of_an_example(name):
    has_the_same_bones(read_motion(ROOT / "examples" / f"{name}.bvh", as_smpl24=True))


def test_the_skeleton_of_a_mapped_motion_is_not_taken_for_its_body(motion_library):
    """A motion of another skeleton's joints carries SMPL-24's own rest pose: hips were 1.67 times too wide."""
    clip = motion_library.find(CLIPS[1]).motion()
    mapped = Motion(clip.joints, clip.fps, SMPL24)
    has_the_same_bones(mapped)
    assert own_skeleton(mapped).bone_lengths == pytest.approx(clip.bone_lengths(), rel=0.02, abs=0.003)


@pytest.mark.parametrize("clip", CLIPS[:4])
def test_a_person_filmed_in_both_is_the_same_person(motion_library, clip):
    """The motion begins with the standing pose itself: what is projected and what is drawn must agree with it."""
    motion = motion_library.find(clip).motion()
    pose = standing(motion, facing=motion.joints[0, 0] + [0.0, 0.0, 4.0])
    eye = motion.joints[0, 0] * [1, 0, 1] + [0.0, 1.2, 4.0]
    lens = intrinsics_from_fov(40.0, SIZE)
    camera = CameraPath.static(look_at(eye, pose.joints[0, 0]), lens, SIZE, motion.fps, 2)
    film = Motion(np.concatenate([pose.joints, motion.joints[:1]]), motion.fps, SMPL24)
    world, actor = World(), random_actor(np.random.default_rng(0)).playing(motion)
    still = Scene((pose,), CameraPath(camera.c2w[:1], camera.intrinsics[:1], SIZE, motion.fps), motion.fps)
    reference = shoot(still, [actor], world)
    video = shoot(Scene((film,), camera, motion.fps), [actor], world)
    assert np.allclose(reference.keypoints[0, 0], video.keypoints[0, 0], atol=1e-6)
    body = [take.person_ids[0] == 1 for take in (reference, video)]
    assert (body[0] & body[1]).sum() > 0.97 * (body[0] | body[1]).sum()
    bones = np.array(SMPL24.bones)
    true = np.linalg.norm(film.joints[:, bones[:, 0]] - film.joints[:, bones[:, 1]], axis=-1)
    assert true[0] == pytest.approx(true[1], rel=0.1, abs=0.02)  # spines of some motions are not rigid


def test_the_reference_stands_on_the_floor_as_the_motion_does(motion_library):
    for clip in CLIPS:
        motion = motion_library.find(clip).motion()
        footing = footing_of(motion.joints)
        pose = standing(motion, facing=motion.joints[0, 0] + [0.0, 0.0, 4.0])
        again = footing_of(pose.joints)
        assert footing is not None
        assert again is not None
        assert again.toe == pytest.approx(footing.toe, abs=0.005)
        assert again.pitch == pytest.approx(footing.pitch, abs=0.06)


@pytest.mark.skipif(not REAL.is_dir(), reason="no shared/real_cases here")
@pytest.mark.parametrize("name", ["bandai1_bye_giant.bvh", "threejs_pirouette3.bvh"])
def test_the_reference_of_a_real_file_has_its_bones(name):
    has_the_same_bones(read_motion(REAL / name, as_smpl24=True))
