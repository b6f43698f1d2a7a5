"""Any length, frame rate and camera."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from kinema.motion.long_motion import camera_joints, stitch, windows
from kinema.motion.tokenizer import MotionTokenizer
from kinema.scene import CameraPath, Motion
from kinema.scene.camera import look_at
from kinema.scene.skeleton import SMPL24


def test_windows_cover_everything_and_share_their_overlap():
    assert windows(13) == [(0, 13)]
    assert windows(49) == [(0, 49)]
    assert windows(50) == [(0, 49), (8, 57)]
    assert windows(129) == [(0, 49), (40, 89), (80, 129)]
    assert windows(33, size=17, overlap=1) == [(0, 17), (16, 33)]
    for frames in range(50, 300):
        cuts = windows(frames)
        assert cuts[-1][1] in range(frames, frames + 8)
        assert all(stop - start == 49 for start, stop in cuts)
        assert all(before[1] - after[0] >= 9 for before, after in pairwise(cuts))


@pytest.mark.parametrize(
    ("lengths", "message"),
    [((7, 49, 9), "too few"), ((99, 48, 9), "8k"), ((99, 49, 8), "8k"), ((99, 9, 9), "8k")],
)
def test_windows_that_do_not_fit_are_refused(lengths: tuple[int, int, int], message: str):
    with pytest.raises(ValueError, match=message):
        windows(*lengths)


@pytest.mark.parametrize("form", ["parity", "differential"])
@torch.inference_mode()
def test_stitched_tokens_are_those_of_the_whole(form: str):
    torch.manual_seed(0)
    model = MotionTokenizer((32, 64), 16, 256, form=form, dilations=(3, 1)).eval()
    joints = torch.randn(2, 57, 24, 3).cumsum(1)
    first = joints[:, 0] if form == "differential" else None
    cuts = windows(57, size=25, overlap=9)
    parts = [model.encode(joints[:, start:stop], first) for start, stop in cuts]
    vectors = [model.tokens(joints[:, start:stop], first) for start, stop in cuts]
    assert torch.equal(stitch(parts, cuts), model.encode(joints))
    assert torch.equal(stitch(vectors, cuts), model.tokens(joints))


def walking(fps: float, seconds: float = 2.0) -> Motion:
    """The rest pose walking along +Z at 1.5 m/s."""
    times = np.arange(int(seconds * fps) + 1) / fps
    return Motion(SMPL24.rest + times[:, None, None] * np.array([0.0, 0.0, 1.5]), fps, SMPL24)


def test_time_counts_in_seconds():
    """The same walk at 30 and 60 frames per second gives the same frames at 12."""
    slow, fast = (camera_joints(walking(fps), fps=12) for fps in (30, 60))
    assert slow.shape == (1, 25, 24, 3)
    torch.testing.assert_close(slow, fast, atol=1e-2, rtol=0)
    towards = slow[0, -1, 0] - slow[0, 0, 0]  # 3 m towards a camera in front
    torch.testing.assert_close(towards, torch.tensor([0.0, 0.0, -3000.0]), atol=1e-1, rtol=0)


def test_seen_from_the_front_left_is_right_and_up_is_up():
    joints = camera_joints(walking(12))[0, 0]
    assert joints[SMPL24.index("left_hip"), 0] > 0
    assert joints[SMPL24.index("head"), 1] < joints[SMPL24.index("left_ankle"), 1]
    assert torch.equal(joints[0], torch.zeros(3))


def test_a_camera_turns_and_moves_what_it_sees():
    motion = walking(12)
    pose = look_at([4.0, 1.0, 0.0], [0.0, 1.0, 0.0])  # from the subject's left: it walks to the camera's left
    camera = CameraPath.static(pose, (100, 100, 48, 64), (96, 128), 30.0, 61)
    seen = camera_joints(motion, camera)[0, :, 0]
    torch.testing.assert_close(seen[-1] - seen[0], torch.tensor([-3000.0, 0.0, 0.0]), atol=1e-1, rtol=0)


def test_gaps_are_bridged_and_joints_never_seen_are_named():
    motion = walking(12)
    joints = motion.joints.copy()
    joints[5:8, 20] = np.nan
    torch.testing.assert_close(camera_joints(Motion(joints, 12, SMPL24)), camera_joints(motion))
    joints[:, 22] = np.nan
    with pytest.raises(ValueError, match="never seen: left_hand"):
        camera_joints(Motion(joints, 12, SMPL24))
