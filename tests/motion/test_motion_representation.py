"""Features and motion are two sides of one thing: on the neutral body nothing is lost."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.motion.walking import walk

from kinema.motion.body import (
    matrices_from_6d,
    matrices_from_quaternions,
    matrices_to_6d,
    matrices_to_quaternions,
)
from kinema.motion.feet import clean_feet
from kinema.motion.normalise import Normaliser
from kinema.motion.representation import SMPL24_MOTION, Stance
from kinema.motion.seams import smooth_seams
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24

seeds = st.integers(0, 2**31 - 1)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_rotations_survive_6d_and_quaternions(seed):
    quaternions = np.random.default_rng(seed).normal(size=(5, 4))
    quaternions /= np.linalg.norm(quaternions, axis=-1, keepdims=True)
    matrices = matrices_from_quaternions(quaternions)
    assert torch.allclose(matrices_from_6d(matrices_to_6d(matrices)), matrices, atol=1e-5)
    back = matrices_to_quaternions(matrices)
    assert np.allclose(np.abs((back * quaternions).sum(-1)), 1, atol=1e-5)


def test_torch_and_numpy_place_the_same_joints():
    motion = walk()
    joints = SMPL24_MOTION.forward_kinematics(
        matrices_from_quaternions(motion.rotations), torch.from_numpy(motion.joints[:, 0].copy()).float()
    )
    assert np.abs(joints.numpy() - motion.joints).max() < 1e-5


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(-180, 180))
@settings(max_examples=20, deadline=None)
def test_a_motion_comes_back_wherever_it_stands(x, z, degrees):
    motion = walk().rotate_y(degrees).translate([x, 0, z])
    features, stance = SMPL24_MOTION.encode(motion)
    assert features.shape == (motion.frames, SMPL24_MOTION.width)
    assert np.abs(SMPL24_MOTION.decode(features, stance).joints - motion.joints).max() < 1e-4


def test_features_do_not_depend_on_place_and_heading():
    here, _ = SMPL24_MOTION.encode(walk())
    there, _ = SMPL24_MOTION.encode(walk().rotate_y(77).translate([3, 0, -2]))
    assert torch.allclose(here, there, atol=1e-4)


def test_mirrored_features_are_those_of_the_mirrored_motion():
    features, stance = SMPL24_MOTION.encode(walk())
    assert torch.equal(SMPL24_MOTION.mirror(SMPL24_MOTION.mirror(features)), features)
    mirrored = SMPL24_MOTION.decode(SMPL24_MOTION.mirror(features), Stance(-stance.x, stance.z, -stance.yaw))
    assert np.abs(mirrored.joints - walk().mirror().joints).max() < 1e-4


@given(seeds)
@settings(max_examples=10, deadline=None)
def test_any_numbers_make_a_body_with_the_neutral_bones(seed):
    features = torch.randn(6, SMPL24_MOTION.width, generator=torch.Generator().manual_seed(seed))
    motion = SMPL24_MOTION.decode(features)
    parents = np.array(SMPL24.parents)[1:]
    bones = np.linalg.norm(motion.joints[:, 1:] - motion.joints[:, parents], axis=-1)
    assert np.allclose(bones, SMPL24.bone_lengths[1:], atol=1e-4)
    again = SMPL24_MOTION.renormalise(features)
    assert np.abs(SMPL24_MOTION.decode(again).joints - motion.joints).max() < 1e-4


def test_another_body_keeps_its_bone_directions_and_stands_on_the_floor(motion_library):
    clip = motion_library.split("test")[3].motion()
    neutral = SMPL24_MOTION.on_neutral_body(clip)
    assert neutral.fps == SMPL24_MOTION.fps
    assert neutral.skeleton == SMPL24
    resampled = clip.resample(SMPL24_MOTION.fps)
    for child, parent in ((4, 1), (7, 4), (18, 16), (20, 18)):
        bones = [m.joints[:, child] - m.joints[:, parent] for m in (neutral, resampled)]
        bones = [bone / np.linalg.norm(bone, axis=-1, keepdims=True) for bone in bones]
        assert (bones[0] * bones[1]).sum(-1).min() > np.cos(np.radians(2))
    assert abs(np.percentile(neutral.joints[..., 1].min(axis=1), 1)) < 0.02


def test_missing_joints_are_an_error():
    joints = np.array(walk().joints)
    joints[3, 20] = np.nan
    with pytest.raises(ValueError, match=r"'left_wrist' is missing.*fill_missing"):
        SMPL24_MOTION.encode(Motion(joints, SMPL24_MOTION.fps, SMPL24))


def test_normalised_tokens_come_back_and_still_columns_are_not_blown_up(tmp_path):
    features, _ = SMPL24_MOTION.encode(walk(frames=48))
    normaliser = Normaliser.fit(features)
    assert normaliser.spread.min() > 0.009
    tokens = normaliser.to_tokens(features)
    assert tokens.shape == (12, 4 * SMPL24_MOTION.width)
    assert torch.allclose(normaliser.to_features(tokens), features, atol=1e-5)
    normaliser.save(tmp_path)
    assert torch.equal(Normaliser.load(tmp_path).mean, normaliser.mean)


def test_clean_feet_stand_still_above_the_floor():
    features, stance = SMPL24_MOTION.encode(walk(frames=60, speed=0.0, turn=0.0, stride=0.0))
    assert SMPL24_MOTION.contacts_of(features).min() == 1
    sliding = features.clone()
    sliding[:, 1] += 0.003
    sliding[:, 3] -= 0.03
    cleaned = clean_feet(sliding, stance, SMPL24_MOTION)
    before, after = SMPL24_MOTION.decode(sliding, stance), SMPL24_MOTION.decode(cleaned, stance)
    assert before.joints[..., 1].min() < -0.01
    assert after.joints[..., 1].min() > -0.005
    steps = [
        np.linalg.norm(np.diff(m.joints[:, [7, 8, 10, 11]], axis=0)[..., [0, 2]], axis=-1)
        for m in (before, after)
    ]
    assert steps[1].mean() < 0.1 * steps[0].mean()
    assert torch.equal(cleaned[:, SMPL24_MOTION.parts["path"]], sliding[:, SMPL24_MOTION.parts["path"]])
    parents = np.array(SMPL24.parents)[1:]
    bones = np.linalg.norm(after.joints[:, 1:] - after.joints[:, parents], axis=-1)
    assert np.allclose(bones, SMPL24.bone_lengths[1:], atol=1e-4)


def test_seams_become_as_smooth_as_their_neighbours_and_known_frames_stay():
    features, _ = SMPL24_MOTION.encode(walk(48))
    jumping = features.clone()
    jumping[24:, 20] += 0.3
    known = torch.zeros(48, SMPL24_MOTION.width, dtype=torch.bool)
    smooth = smooth_seams(jumping, known, patch=4)
    assert smooth[:, 20].diff().abs().max() < 0.6 * jumping[:, 20].diff().abs().max()
    known[:24] = True
    held = smooth_seams(jumping, known, patch=4)
    assert torch.equal(held[:24], jumping[:24])
    assert held[:, 20].diff().abs().max() < 0.6 * jumping[:, 20].diff().abs().max()
    straight = torch.linspace(0, 1, 48)[:, None].repeat(1, SMPL24_MOTION.width)
    assert torch.allclose(smooth_seams(straight, torch.zeros_like(known), patch=4), straight, atol=1e-6)
