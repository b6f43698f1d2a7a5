"""Pieces of the library without a clip of their own: standing, and two things at once."""

import numpy as np
import torch

from kinema.data.motion_library import MotionClip
from kinema.data.motion_pieces import STANDS, standing, together
from kinema.data.motion_samples import EncodedClip
from kinema.motion.representation import SMPL24_MOTION
from kinema.scene.skeleton import SMPL24

FPS = 30.0


def clip(speed: np.ndarray, arms: float = 0.0) -> MotionClip:
    """Somebody upright who goes forward at so many metres a second in each frame, arms so far raised, metres."""
    joints = np.repeat(SMPL24.rest[None].astype(np.float32), len(speed), axis=0)
    joints[:, [20, 21], 1] = joints[:, [16, 17], 1] - 0.5 + arms
    joints[..., 2] += (np.cumsum(speed) / FPS)[:, None]
    labels = {"content": "walk", "style": "sad"}
    return MotionClip(
        "x/1", "train", ("a person walks",), "free", FPS, len(speed), labels, {}, (), lambda: joints
    )


def test_standing_is_cut_out_and_prolonged():
    speed = np.concatenate([np.ones(40), np.zeros(50), np.ones(40)])
    pieces = standing([clip(speed)])
    assert len(pieces) == 1
    assert pieces[0].labels == {"content": STANDS, "style": "sad"}
    joints = pieces[0].joints()
    assert len(joints) == pieces[0].length == 120
    assert np.abs(np.diff(joints, axis=0)).max() * FPS < 1.1
    assert np.median(np.linalg.norm(np.diff(joints[:, 0], axis=0), axis=-1)) == 0


def test_who_walks_or_raises_their_arms_does_not_stand():
    assert not standing([clip(np.ones(120))])
    assert not standing([clip(np.zeros(120), arms=0.6)])


def test_two_things_at_once_take_legs_from_one_and_an_arm_from_the_other():
    rng = np.random.default_rng(0)
    walk, wave = (rng.normal(size=(frames, SMPL24_MOTION.width)).astype(np.float32) for frames in (80, 60))
    clips = [EncodedClip(walk, ("walks",), 3, "walk"), EncodedClip(wave, ("waves",), 3, "wave-left-hand")]
    (made,) = together(clips, 10, seed=0)
    parts = SMPL24_MOTION.parts
    for name, columns in parts.items():
        source = wave if name == "left_arm" else walk
        assert np.array_equal(made.features[:, columns], source[:60, columns]), name
    assert all("left hand" in text and "walks" in text for text in made.texts)
    assert torch.isfinite(torch.from_numpy(made.features)).all()


def test_clips_of_other_styles_are_not_put_together():
    features = np.zeros((40, SMPL24_MOTION.width), np.float32)
    clips = [
        EncodedClip(features, ("walks",), 1, "walk"),
        EncodedClip(features, ("waves",), 2, "wave-left-hand"),
    ]
    assert together(clips, 10, seed=0) == []
