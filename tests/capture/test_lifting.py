"""Lifting: known motions are projected by known cameras and must come back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinema.capture.lifting import lift
from kinema.capture.lifting_body import body_keypoints, body_size
from kinema.capture.observation import PersonTrack
from kinema.scene.camera import CameraPath, intrinsics_from_fov, look_at
from kinema.scene.formats import read_motion
from kinema.scene.motion import FILLED, Motion
from kinema.scene.skeleton import MEDIAPIPE33, SMPL24

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SIZE = (384, 512)


def jacks(seconds: float = 2.0, fps: float = 30.0) -> Motion:
    motion = read_motion(EXAMPLES / "jumping_jacks.bvh", as_smpl24=True)
    return motion.crop(0.5, 0.5 + seconds).resample(fps)


def watching(motion: Motion, azimuth: float = 30.0, distance: float = 4.0) -> CameraPath:
    angle = np.radians(azimuth)
    eye = distance * np.array([np.sin(angle), 0.0, np.cos(angle)]) + [0.0, 1.4, 0.0]
    return CameraPath.static(
        look_at(eye, [0, 0.95, 0]), intrinsics_from_fov(45.0, SIZE), SIZE, motion.fps, motion.frames
    )


def seen(motion: Motion, camera: CameraPath, noise: float = 0.0) -> PersonTrack:
    pixels, _ = camera.project(motion.joints)
    pixels = pixels + np.random.default_rng(0).normal(0, noise, pixels.shape) if noise else pixels
    boxes = np.concatenate([pixels.min(1), pixels.max(1)], axis=-1)
    return PersonTrack(0, "smpl24", motion.fps, SIZE, pixels, np.ones(pixels.shape[:2]), boxes)


def height_of(motion: Motion) -> float:
    return 1.70 * float(body_size(motion.bone_lengths()))


def relative_error(found: np.ndarray, true: np.ndarray) -> float:
    """Mean distance of joints, both relative to the pelvis, metres."""
    return float(np.linalg.norm((found - found[:, :1]) - (true - true[:, :1]), axis=-1).mean())


def test_exact_keypoints_give_the_motion_back() -> None:
    motion = jacks()
    camera = watching(motion)
    person = lift(seen(motion, camera), camera, stature=height_of(motion))
    assert person.residual < 2.0
    assert relative_error(person.motion.joints, motion.joints) < 0.08  # one view: depth is a guess
    assert np.linalg.norm(person.motion.joints[:, 0] - motion.joints[:, 0], axis=-1).mean() < 0.15


def test_bones_keep_their_length_and_sides_agree() -> None:
    motion = jacks(1.0)
    camera = watching(motion)
    person = lift(seen(motion, camera, noise=3.0), camera)
    lengths = np.linalg.norm(
        person.motion.joints[:, 1:] - person.motion.joints[:, SMPL24.parents[1:]], axis=-1
    )
    assert np.ptp(lengths, axis=0).max() < 1e-9
    assert np.allclose(person.lengths, person.lengths[SMPL24.mirror_index])
    assert body_size(person.lengths) == pytest.approx(1.0, rel=0.05)
    assert np.allclose(person.motion.skeleton.bone_lengths, person.lengths)


def test_noise_hurts_little() -> None:
    motion = jacks()
    camera = watching(motion)
    tall = height_of(motion)
    clean = lift(seen(motion, camera), camera, stature=tall).motion.joints
    noisy = lift(
        seen(motion, camera, noise=4.0), camera, stature=tall
    ).motion.joints  # 1 % of the person's height
    assert relative_error(noisy, motion.joints) < relative_error(clean, motion.joints) + 0.02


@pytest.mark.parametrize("fps", [15.0, 60.0])
def test_fast_motion_is_not_smoothed_away(fps: float) -> None:
    motion = jacks(2.0, fps)
    camera = watching(motion, azimuth=0.0)
    found = lift(seen(motion, camera), camera, stature=height_of(motion)).motion

    def peaks(points: np.ndarray) -> np.ndarray:
        """Speed of the wrists, [2]."""
        speed = np.linalg.norm(np.diff(points[:, [20, 21]], axis=0), axis=-1) * fps
        return np.percentile(speed, 98, axis=0)

    shown, there = camera.project(found.joints)[0], camera.project(motion.joints)[0]
    assert np.allclose(peaks(shown), peaks(there), rtol=0.05)
    assert np.allclose(
        peaks(found.joints), peaks(motion.joints), rtol=0.12
    )  # depth, from one view, is a guess


def test_standing_feet_stand_on_the_floor() -> None:
    motion = jacks()
    still = Motion(np.repeat(motion.joints[:1], 30, axis=0), 30.0, motion.skeleton)
    camera = watching(still)
    feet = lift(seen(still, camera, noise=3.0), camera, stature=height_of(still)).motion.joints[:, [10, 11]]
    assert np.abs(feet[..., 1]).max() < 0.06
    assert np.linalg.norm(np.diff(feet, axis=0), axis=-1).mean() * 30 < 0.1


def test_missing_stays_missing_unless_asked() -> None:
    motion = jacks(1.5)
    camera = watching(motion)
    track = seen(motion, camera)
    points, confidence, boxes = track.points.copy(), track.confidence.copy(), track.boxes.copy()
    points[5:10, 20], confidence[5:10, 20] = np.nan, 0.0  # a wrist for a moment
    points[20:, 21], confidence[20:, 21] = np.nan, 0.0  # the other for good
    points[12:14], confidence[12:14], boxes[12:14] = np.nan, 0.0, np.nan  # everything
    track = replace(track, points=points, confidence=confidence, boxes=boxes)

    plain = lift(track, camera).motion
    assert plain.confidence is not None
    missing = np.isnan(plain.joints).any(-1)
    assert np.array_equal(missing, confidence == 0)
    assert np.array_equal(plain.confidence == 0, missing)

    short = lift(track, camera, fill="short").motion
    assert short.confidence is not None
    assert np.isfinite(short.joints[5:14]).all()
    assert np.isnan(short.joints[20:, 21]).all()
    assert (short.confidence[5:10, 20] == FILLED).all()

    whole = lift(track, camera, fill="all").motion
    assert np.isfinite(whole.joints).all()
    assert np.linalg.norm(whole.joints[12:14] - motion.joints[12:14], axis=-1).mean() < 0.2


def test_who_shows_head_and_shoulders_only_stands_below_them() -> None:
    motion = jacks(1.0)
    still = Motion(np.repeat(motion.joints[:1], 12, axis=0), 30.0, motion.skeleton)
    camera = watching(still)
    track = seen(still, camera)
    upper = np.isin(np.arange(24), [12, 13, 14, 15, 16, 17])
    points = np.where(upper[:, None], track.points, np.nan)
    half = replace(track, points=points, confidence=np.broadcast_to(upper, (12, 24)).astype(float))
    person = lift(half, camera, stature=height_of(still), fill="all").motion
    joints = person.joints
    assert person.confidence is not None
    assert (person.confidence[:, ~upper] == FILLED).all()
    assert np.abs(joints[:, [7, 8], 1] - still.joints[:, [7, 8], 1]).max() < 0.25  # on the floor, about
    lean = joints[:, 12] - joints[:, [7, 8]].mean(1)
    assert (lean[:, 1] / np.linalg.norm(lean, axis=1) > 0.95).all()
    assert (joints[:, 20:22, 1] < joints[:, 16:18, 1] - 0.3).all()  # arms hang
    assert np.isnan(lift(half, camera).motion.joints[:, 4]).all()


def test_one_frame_is_enough_for_a_guess() -> None:
    motion = jacks()
    still = Motion(motion.joints[:1], 30.0, motion.skeleton)
    camera = watching(still)
    person = lift(seen(still, camera), camera)
    assert person.motion.frames == 1
    assert np.isfinite(person.motion.joints).all()
    assert any("stature" in note for note in person.notes)


def test_long_clips_are_solved_in_windows_that_join() -> None:
    motion = jacks(2.5, 60.0)
    there_and_back = np.concatenate([motion.joints, motion.joints[::-1]] * 3)[:700]
    long = Motion(there_and_back, 60.0, motion.skeleton)
    camera = watching(long)
    found = lift(seen(long, camera), camera, stature=height_of(long), iterations=4).motion.joints
    assert relative_error(found, long.joints) < 0.07
    step = np.linalg.norm(np.diff(found, axis=0), axis=-1).max(1)
    assert step[530:610].max() < 1.5 * step[:530].max()


def test_a_trunk_is_seen_by_its_corners() -> None:
    points = np.random.default_rng(0).uniform(0, 300, (2, 33, 2))
    confidence = np.ones((2, 33))
    points[0, MEDIAPIPE33.index("left_hip")] = np.nan
    confidence[0, MEDIAPIPE33.index("left_hip")] = 0.0
    boxes = np.zeros((2, 4))
    keypoints = body_keypoints(PersonTrack(0, "mediapipe33", 30.0, SIZE, points, confidence, boxes))
    assert 0 < keypoints.confidence[0, 0] < keypoints.confidence[1, 0]  # the pelvis
    assert keypoints.confidence[0, 1] == 0  # the hip itself
    assert (keypoints.weight[:, [0, 3, 6]] == 0).all()


def test_errors_are_for_people() -> None:
    motion = jacks(0.5)
    camera = watching(motion)
    track = seen(motion, camera)
    with pytest.raises(ValueError, match="frames"):
        lift(track, watching(jacks(1.0)))
    with pytest.raises(ValueError, match="stature"):
        lift(track, camera, stature=17.0)
    with pytest.raises(ValueError, match="fill"):
        lift(track, camera, fill="some")  # type: ignore[arg-type]
    unseen = replace(
        track, points=np.full_like(track.points, np.nan), confidence=np.zeros_like(track.confidence)
    )
    with pytest.raises(ValueError, match="never seen"):
        lift(unseen, camera)
