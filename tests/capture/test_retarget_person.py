"""Matching a picture: the scene's person gets the picture's body and place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinema.capture.observation import PersonTrack
from kinema.capture.retarget_person import Matching, match_reference
from kinema.scene.camera import CameraPath, intrinsics_from_fov, look_at
from kinema.scene.formats import read_motion
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.scene.skeleton import SMPL24

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SIZE = (300, 400)
LENS = intrinsics_from_fov(40.0, SIZE)


def walk() -> Motion:
    return read_motion(EXAMPLES / "walk_and_wave.bvh", as_smpl24=True).resample(20.0).crop(0.0, 1.5)


def scene() -> Scene:
    motion = walk()
    pose = look_at([0.5, 1.2, 5.0], [0, 0.9, 0])
    return Scene(
        (motion,),
        CameraPath.static(pose, intrinsics_from_fov(45.0, (640, 360)), (640, 360), 20.0, motion.frames),
        20.0,
    )


def picture_of(motion: Motion, azimuth: float, aside: float = 0.3) -> PersonTrack:
    """The first frame seen from a side (0: the front), off the middle of the picture."""
    root, angle = motion.joints[0, 0], np.radians(azimuth)
    forward = motion.facing()[0]
    left = np.array([forward[2], 0.0, -forward[0]])
    eye = root * [1, 0, 1] + 4.5 * (np.cos(angle) * forward + np.sin(angle) * left) + [0, 1.3, 0]
    camera = CameraPath(look_at(eye, root + aside * left)[None], LENS, SIZE, 20.0)
    pixels, _ = camera.project(motion.joints[:1])
    boxes = np.concatenate([pixels.min(1), pixels.max(1)], axis=-1)
    return PersonTrack(0, "smpl24", 20.0, SIZE, pixels, np.ones(pixels.shape[:2]), boxes)


@pytest.mark.parametrize("azimuth", [0.0, 60.0, 180.0])
def test_the_person_stands_in_the_picture_as_its_own_did(azimuth: float) -> None:
    reference = picture_of(walk(), azimuth)
    found = match_reference(scene(), reference)
    camera, motion = found.scene.camera, found.scene.people[0]
    assert camera is not None
    assert camera.size == SIZE
    pixels, _ = camera.project(motion.joints)
    off = np.linalg.norm(pixels[0] - reference.points[0], axis=-1)
    tall = np.ptp(reference.points[0, :, 1])
    assert off[0] < 0.06 * tall  # the pelvis
    assert np.median(off) < 0.1 * tall  # the same pose from the same side


def test_the_scenes_own_side_can_be_kept() -> None:
    before = scene()
    found = match_reference(before, picture_of(walk(), 90.0), Matching(turn=False))
    assert found.scene.camera is not None
    assert before.camera is not None
    old, new = before.camera.c2w[0, [0, 2], 2], found.scene.camera.c2w[0, [0, 2], 2]
    assert np.cross(old, new) == pytest.approx(0, abs=1e-6)
    assert old @ new > 0


def test_proportions_follow_the_picture() -> None:
    lengths = SMPL24.bone_lengths.copy()
    lengths[[18, 19, 20, 21]] *= 1.35
    long_arms = walk().retarget(SMPL24.with_bone_lengths(lengths))
    found = match_reference(scene(), picture_of(long_arms, 20.0)).scene.people[0].skeleton.bone_lengths
    plain = match_reference(scene(), picture_of(walk(), 20.0)).scene.people[0].skeleton.bone_lengths
    assert found[[18, 20]].sum() > 1.08 * plain[[18, 20]].sum()


def test_the_preview_lies_over_the_picture() -> None:
    picture = np.full((400, 300, 3), 200, np.uint8)
    found = match_reference(scene(), picture_of(walk(), 0.0), picture=picture)
    assert found.preview.shape == picture.shape
    assert found.preview.dtype == np.uint8
    drawn = (found.preview != found.preview[0, 0]).any(-1)
    assert 0.002 < drawn.mean() < 0.2
    assert any("lens" in note for note in found.notes)


def test_what_does_not_fit_is_refused() -> None:
    reference = picture_of(walk(), 0.0)
    with pytest.raises(ValueError, match="person 3"):
        match_reference(scene(), reference, Matching(person=3))
    with pytest.raises(ValueError, match="picture"):
        match_reference(scene(), reference, picture=np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(ValueError, match="nobody"):
        match_reference(scene(), replace(reference, boxes=np.full((1, 4), np.nan)))


def test_the_camera_goes_along_where_the_way_is_longer_than_the_picture() -> None:
    """Small in their own video, large in the picture: three metres aside lead out of it."""
    motion = walk()
    aside = np.zeros((motion.frames, 1, 3))
    aside[:, 0, 0] = np.linspace(0, 3, motion.frames)
    far = Scene(
        (replace(motion, joints=motion.joints + aside, rotations=None),),
        CameraPath.static(
            look_at([1.5, 1.2, 12.0], [1.5, 0.9, 0]),
            scene().camera.intrinsics[0],
            (640, 360),
            20.0,
            motion.frames,
        ),
        20.0,
    )
    found = match_reference(far, picture_of(walk(), 0.0))
    assert any("goes along" in note for note in found.notes)
    root = found.scene.people[0].root_path()
    seen = found.scene.camera.visible(root[:, None])[:, 0]
    assert seen.mean() > 0.95
    still = match_reference(scene(), picture_of(walk(), 0.0))
    assert not any("goes along" in note for note in still.notes)
