from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.video import mtvcraft_tiny

from kinema.papers.mtvcraft.motion import (
    camera_joints_mm,
    check_motion,
    latent_mean,
    padded_for_tokenizer,
    places_in_picture,
    without_gaps,
)
from kinema.scene import CameraPath
from kinema.scene.skeleton import SMPL24

REST = torch.tensor(SMPL24.rest, dtype=torch.float32)


def standing(frames: int = 9, people: int = 1):
    """Everybody at the origin in the rest pose, facing a camera three metres away."""
    still = mtvcraft_tiny.signals(batch=1, people=people, frames=frames)
    return replace(still, joints=REST.expand(1, people, frames, 24, 3).clone())


def moved(signals, x=0.0, z=0.0, person=0):
    joints = signals.joints.clone()
    joints[:, person] += torch.tensor([x, 0.0, z])
    return replace(signals, joints=joints)


def test_joints_are_where_the_camera_projects_them():
    signals = mtvcraft_tiny.signals(batch=1, people=2)
    seen = camera_joints_mm(signals.joints, signals.cameras)[0] / 1000
    intrinsics = np.tile([40.0, 42.0, 16.0, 24.0], (5, 1))
    path = CameraPath(signals.cameras[0].double().numpy(), intrinsics, (32, 48), 8.0)
    pixels, depth = path.project(signals.joints[0].double().permute(1, 0, 2, 3).numpy())
    seen = seen.permute(1, 0, 2, 3).numpy()
    assert np.allclose(seen[..., 2], depth, atol=1e-4)
    assert np.allclose(40 * seen[..., 0] / seen[..., 2] + 16, pixels[..., 0], atol=1e-3)
    assert np.allclose(42 * seen[..., 1] / seen[..., 2] + 24, pixels[..., 1], atol=1e-3)
    joints = camera_joints_mm(signals.joints, signals.cameras)
    places = places_in_picture(joints, torch.tensor(intrinsics, dtype=torch.float32)[None], 16)[0]
    shown = np.stack([pixels[..., 1], pixels[..., 0]], axis=-1) / 16 - 0.5
    assert np.allclose(places.permute(1, 0, 2, 3), shown, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.9))
def test_gaps_in_a_straight_motion_are_filled_exactly(seed, share):
    generator = torch.Generator().manual_seed(seed)
    truth = REST + torch.arange(12.0)[:, None, None] * torch.randn(24, 3, generator=generator)
    lost = torch.rand(12, 24, generator=generator) < share
    lost[[0, -1]] = False
    filled = without_gaps(torch.where(lost[..., None], torch.nan, truth), REST)
    assert torch.allclose(filled, truth, atol=1e-4)
    assert torch.equal(filled[~lost], truth[~lost])


def test_gaps_at_the_ends_are_held():
    joints = mtvcraft_tiny.joints(batch=1, frames=6)[0, 0]
    lost = joints.clone()
    lost[:2, 5] = torch.nan
    lost[4:, 5] = torch.nan
    filled = without_gaps(lost, REST)
    assert torch.equal(filled[:2, 5], joints[2, 5].expand(2, 3))
    assert torch.equal(filled[4:, 5], joints[3, 5].expand(2, 3))


def test_a_joint_that_is_never_seen_keeps_its_distance_from_its_parent():
    joints = mtvcraft_tiny.joints(batch=1, frames=6)[0, 0]
    lost = joints.clone()
    hand, wrist = 23, SMPL24.parents[23]
    lost[:, hand] = torch.nan
    filled = without_gaps(lost, REST)
    assert torch.allclose(filled[:, hand], joints[:, wrist] + REST[hand] - REST[wrist], atol=1e-6)


def test_a_root_that_is_never_seen_stands_where_the_others_put_it():
    joints = REST + torch.tensor([1.0, 0.0, -2.0])
    lost = joints.expand(4, 24, 3).clone()
    lost[:, 0] = torch.nan
    assert torch.allclose(without_gaps(lost, REST), joints.expand(4, 24, 3), atol=1e-5)


def test_padding_holds_the_last_frame_up_to_what_the_tokenizer_keeps():
    for frames, padded in ((1, 9), (5, 9), (9, 9), (13, 17), (17, 17), (49, 49), (53, 57)):
        joints = mtvcraft_tiny.joints(batch=1, frames=frames)[:, 0]
        held = padded_for_tokenizer(joints)
        assert held.shape[1] == padded
        assert torch.equal(held[:, :frames], joints)
        assert torch.equal(held[:, frames:], joints[:, -1:].expand(-1, padded - frames, -1, -1))


def test_latent_frames_average_their_own_frames():
    frames = torch.arange(9.0).view(1, 9, 1, 1)
    assert latent_mean(frames).flatten().tolist() == [0, 2.5, 6.5]
    assert torch.equal(latent_mean(frames[:, :1]), frames[:, :1])


def test_a_good_motion_has_no_warnings():
    assert check_motion(standing(), mtvcraft_tiny.tokenizer()) == []


def test_what_will_not_work_is_said():
    turned = standing()
    turned = replace(turned, joints=turned.joints * torch.tensor([-1.0, 1.0, -1.0]))
    holes = standing()
    holes.joints[0, 0, 2, 7] = torch.nan
    holes.joints[0, 0, :, 22] = torch.nan
    nobody = standing(people=2)
    nobody.joints[0, 1] = torch.nan
    cases = {
        "0.7 m right of the centre in frame 0": moved(standing(), x=0.7),
        "0.6 m left of the centre": moved(standing(), x=-0.6),
        "behind the camera in 100 % of the frames, first in frame 0": moved(standing(), z=4.0),
        "faces away from the camera in 100 %": turned,
        "lacks joints in 11 % of the frames": holes,
        "never shows left_hand": holes,
        "person 2 is nowhere to be seen": nobody,
        "8.0 m from the camera in frame 0": moved(standing(), z=-5.0),
    }
    for said, signals in cases.items():
        warnings = check_motion(signals, mtvcraft_tiny.tokenizer())
        assert any(said in warning for warning in warnings), (said, warnings)


def test_without_a_camera_nothing_can_be_checked():
    with pytest.raises(ValueError, match="no cameras"):
        check_motion(standing().drop("cameras"))
    with pytest.raises(ValueError, match="no joints"):
        check_motion(standing().drop("joints"))
