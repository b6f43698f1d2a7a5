"""Placing: a camera known up to gravity, place and scale must come back into the world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinema.capture.observation import CameraKind, CameraSolution, PersonTrack
from kinema.capture.placing import Placement, place
from kinema.scene.camera import CameraPath, intrinsics_from_fov, invert_rigid, look_at
from kinema.scene.formats import read_motion
from kinema.scene.motion import Motion

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SIZE = (384, 512)


def walker() -> Motion:
    return read_motion(EXAMPLES / "walk_and_wave.bvh", as_smpl24=True).resample(30.0).crop(0.0, 2.0)


def camera_of(motion: Motion, kind: CameraKind) -> CameraPath:
    """A camera 4.5 m away at 1.5 m that looks down a little, and pans or slides 1.2 m."""
    share = np.linspace(0, 1, motion.frames)[:, None]
    eye = np.tile([1.0, 1.5, 4.5], (motion.frames, 1))
    target = np.tile([0.0, 0.8, 0.5], (motion.frames, 1))
    if kind == "turning":
        target = target + share * [0.4, 0.1, 0.0]
    if kind == "moving":
        eye = eye + share * [1.2, 0.2, 0.0]
    return CameraPath(look_at(eye, target), intrinsics_from_fov(50.0, SIZE), SIZE, motion.fps)


def watched(motion: Motion, camera: CameraPath) -> PersonTrack:
    pixels, _ = camera.project(motion.joints)
    boxes = np.concatenate([pixels.min(1), pixels.max(1)], axis=-1)
    return PersonTrack(0, "smpl24", motion.fps, SIZE, pixels, np.ones(pixels.shape[:2]), boxes)


def solved(camera: CameraPath, kind: CameraKind, scale: float = 0.4) -> CameraSolution:
    """What structure from motion would know: relative poses in units of its own."""
    relative = invert_rigid(camera.c2w[0]) @ camera.c2w
    relative[:, :3, 3] *= scale
    return CameraSolution(kind, relative, camera.intrinsics)


def placed(kind: CameraKind) -> tuple[Placement, CameraPath, Motion]:
    motion = walker()
    camera = camera_of(motion, kind)
    found = place([watched(motion, camera)], solved(camera, kind), motion.fps, SIZE)
    return found, camera, motion


@pytest.mark.parametrize("kind", ["static", "turning", "moving"])
def test_gravity_and_floor_are_found(kind: CameraKind) -> None:
    found, camera, motion = placed(kind)
    true_up = camera.c2w[0, :3, :3].T @ [0.0, 1.0, 0.0]
    assert np.degrees(np.arccos(np.clip(found.up @ true_up, -1, 1))) < 6
    assert abs(found.camera.c2w[0, 1, 3] - 1.5) < 0.35
    assert found.camera.size == SIZE
    assert found.camera.frames == motion.frames


def test_relative_poses_are_kept() -> None:
    found, camera, _ = placed("turning")
    turns = found.camera.relative().c2w[:, :3, :3], camera.relative().c2w[:, :3, :3]
    assert np.allclose(*turns, atol=1e-9)
    assert np.allclose(found.camera.positions, found.camera.positions[0])


def test_a_moving_camera_gets_its_scale_from_standing_feet() -> None:
    found, _camera, _ = placed("moving")
    assert found.scale == pytest.approx(1 / 0.4, rel=0.35)
    assert np.ptp(found.camera.positions[:, 0]) == pytest.approx(1.2, rel=0.4)


def test_a_floor_in_the_background_tells_scale_and_vertical() -> None:
    motion = walker()
    camera = camera_of(motion, "moving")
    rng = np.random.default_rng(0)
    floor = np.c_[rng.uniform(-3, 3, 80), np.zeros(80), rng.uniform(-3, 2, 80)]
    wall = np.c_[rng.uniform(-3, 3, 60), rng.uniform(0, 2.5, 60), np.full(60, -3.0)]
    seen = (np.r_[floor, wall] - camera.positions[0]) @ camera.c2w[0, :3, :3]
    solution = replace(solved(camera, "moving"), points=0.4 * seen)
    found = place([watched(motion, camera)], solution, motion.fps, SIZE)
    assert found.scale == pytest.approx(1 / 0.4, rel=0.15)
    true_up = camera.c2w[0, :3, :3].T @ [0.0, 1.0, 0.0]
    assert np.degrees(np.arccos(np.clip(found.up @ true_up, -1, 1))) < 2


def test_metres_are_left_alone() -> None:
    motion = walker()
    camera = camera_of(motion, "moving")
    solution = replace(solved(camera, "moving", scale=1.0), scaled=True)
    assert place([watched(motion, camera)], solution, motion.fps, SIZE).scale == 1.0


def test_the_first_person_starts_at_the_origin_and_the_camera_looks_along_minus_z() -> None:
    found, _, _ = placed("static")
    first = found.camera.c2w[0]
    assert abs(first[0, 2]) < 1e-9
    assert first[2, 2] < 0
    assert np.allclose(np.linalg.norm(first[[0, 2], 3]), 4.2, atol=0.6)


def test_nobody_gives_a_level_camera_and_says_so() -> None:
    solution = CameraSolution(
        "static", np.tile(np.eye(4), (3, 1, 1)), np.tile([400.0, 400.0, 192.0, 256.0], (3, 1))
    )
    found = place([], solution, 30.0, SIZE)
    assert found.camera.c2w[0, 1, 3] == pytest.approx(1.5)
    assert np.allclose(found.camera.c2w[0, :3, 1], [0, -1, 0])
    assert any("nobody" in note for note in found.notes)


def test_an_unknown_camera_is_never_silent() -> None:
    motion = walker()
    camera = camera_of(motion, "static")
    found = place([watched(motion, camera)], solved(camera, "unknown"), motion.fps, SIZE)
    assert any("unknown" in note for note in found.notes)


def test_lengths_must_agree() -> None:
    motion = walker()
    camera = camera_of(motion, "static")
    short = solved(camera_of(motion.crop(0, 1), "static"), "static")
    with pytest.raises(ValueError, match="frames"):
        place([watched(motion, camera)], short, motion.fps, SIZE)
