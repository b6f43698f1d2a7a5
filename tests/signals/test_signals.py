"""Control signals of whole scenes, and point tracks: time, size, padding, agreement with the projection."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera import intrinsics_from_fov, look_at
from kinema.scene.motion import FILLED
from kinema.scene.sampling import sample_scene, video_length
from kinema.scene.skeleton import HUMANML3D22, SMPL24
from kinema.signals.control_signals import ControlSignals, control_signals, smpl24_joints
from kinema.signals.ray_map import ray_map
from kinema.signals.tracks import bone_points, joint_tracks

SIZE = (64, 48)
FPS = 8.0


def walker(frames=17, fps=FPS, x=0.0):
    """Someone who slides along +X at 0.4 m/s in the rest pose."""
    step = np.arange(frames)[:, None, None] / fps * np.array([0.4, 0, 0])
    return Motion(SMPL24.rest + step + [x, 0, 0], fps, SMPL24)


def orbit(frames=17, fps=FPS, size=(96, 72)):
    angle = np.linspace(0, 0.6, frames)
    c2w = look_at(np.stack([4 * np.sin(angle), 1 + 0 * angle, 4 * np.cos(angle)], axis=-1), (0, 1, 0))
    return CameraPath(c2w, np.array(intrinsics_from_fov(40, size)), size, fps)


@pytest.fixture
def scene():
    return Scene((walker(), walker(x=-1.0)), orbit(), FPS)


def test_shapes_types_and_ranges(scene):
    signals = control_signals(scene, size=SIZE, frames=17, fps=FPS)
    assert signals.present == {"rays", "skeletons", "person_mask", "joints", "cameras", "intrinsics"}
    assert signals.rays.shape == (1, 17, 6, 48, 64)
    assert signals.skeletons.shape == (1, 17, 3, 48, 64)
    assert signals.person_mask.shape == (1, 17, 48, 64)
    assert signals.joints.shape == (1, 2, 17, 24, 3)
    assert signals.rays.dtype == signals.skeletons.dtype == signals.joints.dtype == torch.float32
    assert signals.person_mask.dtype == torch.bool
    assert 0 <= signals.skeletons.min() < signals.skeletons.max() <= 1
    assert torch.equal(signals.rays[0], torch.from_numpy(ray_map(scene.camera, size=SIZE)))


def test_all_signals_show_the_same_scene(scene):
    signals = control_signals(scene, size=SIZE, frames=17, fps=FPS)
    camera = scene.camera.resize(*SIZE)
    pixels, _ = camera.project(scene.people[0].joints)
    column, row = pixels[8, 0].astype(int)  # the pelvis
    assert signals.person_mask[0, 8, row, column]
    drawn = signals.skeletons[0].amax(1) > 0.3
    assert signals.person_mask[0][drawn].float().mean() > 0.95
    column, row = pixels[8, 20].astype(int)  # the left wrist, keypoint 7: (85, 255, 0) in its disc
    red, green, blue = signals.skeletons[0, 8, :, row, column]
    assert green > 0.8
    assert green > red + 0.3
    assert blue < 0.4


def test_resampled_by_time_not_by_index(scene):
    fast = Scene((walker(65, 30.0),), orbit(9, 4.0), 30.0)
    signals = control_signals(fast, size=SIZE, frames=9, fps=4.0)
    x = signals.joints[0, 0, :, 0, 0].numpy()
    assert np.allclose(np.diff(x), 0.4 / 4, atol=1e-5)


def test_padded_to_4k_plus_1_by_the_last_frame(scene):
    assert [video_length(n) for n in (1, 2, 5, 6, 17)] == [1, 5, 5, 9, 17]
    signals = control_signals(scene, size=SIZE, frames=14)
    assert signals.rays.shape[1] == 17
    for name in ("rays", "skeletons", "person_mask"):
        tensor = getattr(signals, name)
        assert torch.equal(tensor[:, 14:], tensor[:, 13:14].expand_as(tensor[:, 14:]))
    assert not torch.equal(signals.rays[:, 12], signals.rays[:, 13])
    longer = control_signals(scene, size=SIZE, frames=21)
    assert torch.equal(longer.rays[:, 17], longer.rays[:, 16])
    assert control_signals(scene, size=SIZE).rays.shape[1] == 17


def test_people_without_camera_and_camera_without_people(scene):
    with pytest.raises(ValueError, match="no camera"):
        control_signals(scene.with_camera(None), size=SIZE)
    assert control_signals(replace(scene, people=()), size=SIZE).present == {"rays", "cameras", "intrinsics"}


def test_missing_joints_are_not_drawn(scene):
    joints = scene.people[0].joints.copy()
    joints[:, 18:24:2] = np.nan  # left arm below the shoulder
    confidence = np.ones(joints.shape[:2])
    confidence[:, 19:24:2] = 0.1  # the right arm
    person = Motion(joints, FPS, SMPL24, confidence=confidence)
    whole = control_signals(replace(scene, people=scene.people[:1]), size=SIZE)
    part = control_signals(replace(scene, people=(person,)), size=SIZE)
    assert part.person_mask.sum() < 0.9 * whole.person_mask.sum()
    assert torch.isnan(part.joints[0, 0, :, 18:]).all()
    assert torch.isfinite(part.skeletons).all()
    assert (part.skeletons.amax(2) > 0).sum() < 0.9 * (whole.skeletons.amax(2) > 0).sum()
    gone = Motion(np.full_like(joints, np.nan), FPS, SMPL24)
    nobody = control_signals(replace(scene, people=(gone,)), size=SIZE)
    assert not nobody.skeletons.any()
    assert not nobody.person_mask.any()


def test_behind_the_camera_nothing_is_drawn(scene):
    behind = Motion(walker().joints + np.array([0, 0, 9.0]), FPS, SMPL24)
    signals = control_signals(replace(scene, people=(behind,)), size=SIZE)
    assert not signals.skeletons.any()
    assert not signals.person_mask.any()


def test_other_skeletons_are_mapped():
    motion = walker()
    short = Motion(motion.joints[:, :22], FPS, HUMANML3D22)
    assert np.allclose(smpl24_joints(short)[:, :22], motion.joints[:, :22])


def test_stack_drop_to_window(scene):
    signals = control_signals(scene, size=SIZE)
    alone = control_signals(replace(scene, people=scene.people[:1]), size=SIZE)
    batch = ControlSignals.stack([signals, alone])
    assert batch.rays.shape[0] == batch.joints.shape[0] == 2
    assert torch.isnan(batch.joints[1, 1]).all()
    assert torch.equal(batch.joints[1, 0], alone.joints[0, 0])
    with pytest.raises(ValueError, match="sample 1 has"):
        ControlSignals.stack([signals, alone.drop("rays")])
    with pytest.raises(ValueError, match="nothing"):
        ControlSignals.stack([])
    assert batch.drop("rays").present == {"skeletons", "person_mask", "joints", "cameras", "intrinsics"}
    with pytest.raises(ValueError, match="no signal 'pose'"):
        batch.drop("pose")
    half = batch.to("cpu", torch.bfloat16)
    assert half.rays.dtype == half.skeletons.dtype == torch.bfloat16
    assert half.person_mask.dtype == torch.bool
    assert half.joints.dtype == torch.float32
    cut = batch.window(4, 5)
    torch.testing.assert_close(cut.joints, batch.joints[:, :, 4:9], rtol=0, atol=0, equal_nan=True)
    assert torch.equal(cut.rays, batch.rays[:, 4:9])
    with pytest.raises(ValueError, match="do not lie within"):
        batch.window(14, 5)


def test_window_rereferences_rays_exactly(scene):
    signals = control_signals(scene, size=SIZE)
    camera = scene.camera.resize(*SIZE)
    cut = signals.window(6, 9, reference=torch.tensor(camera.relative().c2w[6]))
    expected = ray_map(replace(camera, c2w=camera.c2w[6:15], intrinsics=camera.intrinsics[6:15]))
    assert np.allclose(cut.rays[0].numpy(), expected, atol=1e-5)


def test_signals_that_disagree_are_refused():
    with pytest.raises(ValueError, match=r"rays must have the shape"):
        ControlSignals(rays=torch.zeros(1, 5, 3, 4, 4))
    with pytest.raises(ValueError, match="T = 9"):
        ControlSignals(rays=torch.zeros(1, 5, 6, 4, 4), skeletons=torch.zeros(1, 9, 3, 4, 4))


def test_sampling_holds_and_cuts(scene):
    people, camera = sample_scene(scene, frames=30)
    assert people[0].frames == camera.frames == 30
    people, camera = sample_scene(scene, frames=3)
    assert people[0].frames == camera.frames == 3
    assert sample_scene(scene, frames=3, pad=True)[1].frames == 5
    brief = replace(scene, people=(walker(5),))
    held, camera = sample_scene(brief, frames=9)  # the scene ends with its shortest part
    assert np.array_equal(camera.c2w[8], scene.camera.c2w[4])
    assert np.array_equal(held[0].joints[8], walker(5).joints[4])
    for options in ({"frames": 0}, {"fps": -1.0}, {"fps": float("nan")}):
        with pytest.raises(ValueError, match="must be"):
            sample_scene(scene, **options)


def test_tracks_follow_the_projection(scene):
    tracks = joint_tracks(scene, per_bone=2)
    assert tracks.pixels.shape == (2, 17, 46, 2)
    joints = scene.people[1].joints
    pixels, depth = scene.camera.project(joints)
    for bone, (parent, child) in enumerate(SMPL24.bones):
        assert np.allclose(tracks.pixels[1, :, 2 * bone + 1], pixels[:, child], atol=1e-3)
        middle, _ = scene.camera.project((joints[:, [parent]] + joints[:, [child]]) / 2)
        assert np.allclose(tracks.pixels[1, :, 2 * bone], middle[:, 0], atol=1e-3)
    assert np.allclose(tracks.depth[1, :, 1], depth[:, SMPL24.bones[0][1]], atol=1e-5)


def test_tracks_hide_behind_what_is_nearer_and_outside_the_picture(scene):
    wall = np.full((17, 72, 96), np.inf, np.float32)
    seen = joint_tracks(scene, depth_maps=wall).visible
    assert np.array_equal(seen, joint_tracks(scene).visible)
    wall[:, :, :] = 2.0
    assert not joint_tracks(scene, depth_maps=wall).visible.any()
    far_left = replace(scene, people=(walker(x=-30.0),))
    assert not joint_tracks(far_left).visible.any()
    with pytest.raises(ValueError, match="camera"):
        joint_tracks(scene.with_camera(None))
    with pytest.raises(ValueError, match="per_bone"):
        bone_points(scene.people[0].joints, SMPL24.bones, per_bone=0)


def test_tracks_of_different_bodies_are_padded(scene):
    short = Motion(walker().joints[:, :22], FPS, HUMANML3D22)
    tracks = joint_tracks(replace(scene, people=(scene.people[0], short)))
    assert tracks.pixels.shape == (2, 17, 23, 2)
    assert np.isnan(tracks.pixels[1, :, 21:]).all()
    assert not tracks.visible[1, :, 21:].any()


def test_what_was_filled_in_is_drawn_and_what_is_doubtful_is_not():
    """The legs of a half body are filled in: a control without them would dissolve the picture's."""
    joints = np.repeat(SMPL24.rest[None], 2, axis=0)
    confidence = np.full((2, 24), 0.9)
    confidence[:, [4, 5, 7, 8]] = FILLED
    confidence[:, 20] = 0.2
    drawn = smpl24_joints(Motion(joints, 10.0, SMPL24, confidence=confidence))
    assert np.array_equal(drawn[:, [4, 5, 7, 8]], joints[:, [4, 5, 7, 8]])
    assert np.isnan(drawn[:, 20]).all()
