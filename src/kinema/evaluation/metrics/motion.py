"""Measures of motion that need no learned judge: whether feet and limbs behave. What is done is in `scene.deeds`.

All take a Motion in SMPL-24 (metres, Y up, floor y = 0) and return plain numbers; protocols compare them with those
of real motion.
"""

from __future__ import annotations

import numpy as np

from kinema.scene import body_frame
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24

CONTACT_HEIGHT = 0.05
"""Metres; a toe lower than that counts as on the floor (reference: toe speed while below 5 cm)."""

SLIDING = 0.20
"""m/s; a foot on the floor that is faster slides."""

_FEET = (SMPL24.index("left_foot"), SMPL24.index("right_foot"))


def slide_share(motion: Motion, height: float = CONTACT_HEIGHT, speed: float = SLIDING) -> float:
    """Share of moments at which a foot is on the floor that it slides, 0 to 1; NaN if none ever is."""
    moved, low = _foot_speeds(motion, height)
    return float((moved[low] > speed).mean()) if low.any() else float("nan")


def slide_speed(motion: Motion, height: float = CONTACT_HEIGHT) -> float:
    """Mean horizontal speed of feet that are on the floor, m/s; NaN if none ever is."""
    moved, low = _foot_speeds(motion, height)
    return float(moved[low].mean()) if low.any() else float("nan")


def jerk(motion: Motion) -> float:
    """Mean size of the third derivative of joint positions, m/s^3, by finite differences at 20 fps.

    Everything is resampled to 20 fps first: finite differences depend on the frame rate.
    """
    return float(jerk_profile(motion).mean())


def jerk_profile(motion: Motion) -> np.ndarray:
    """Jerk over time at 20 fps, mean over joints, m/s^3, [T - 3]; entry t spans frames t to t + 3."""
    motion = motion if motion.fps == 20.0 else motion.resample(20.0)
    return np.linalg.norm(np.diff(motion.joints, n=3, axis=0), axis=-1).mean(axis=1) * 20.0**3


def border_jerk(motion: Motion, seconds: float, window: float = 0.3) -> float:
    """Jerk around a border at `seconds`, relative to that of the whole motion: 1 is as smooth as the rest.

    Args:
        motion: generated around the border.
        seconds: where known and made frames, or two prompts, meet.
        window: seconds to both sides.
    """
    profile = jerk_profile(motion)
    middle = (np.arange(len(profile)) + 1.5) / 20.0
    near = np.abs(middle - seconds) <= window
    if not near.any():
        raise ValueError(f"the border at {seconds:g} s lies outside a motion of {motion.duration:g} s")
    return float(profile[near].mean() / max(profile.mean(), 1e-9))


def peak_jerk(motion: Motion, window: float = 0.3) -> float:
    """Jerk at the roughest moment, as `border_jerk` measures it, relative to that of the whole motion.

    What real motion has in the middle of a movement is what a border may have.

    Raises:
        ValueError: a motion of fewer than four frames at 20 fps.
    """
    profile = jerk_profile(motion)
    if not len(profile):
        raise ValueError(f"a motion of {motion.duration:g} s is too short for jerk")
    size = min(len(profile), 2 * round(window * 20.0))
    windows = np.convolve(profile, np.ones(size) / size, mode="valid")
    return float(windows.max() / max(profile.mean(), 1e-9))


def penetration(motion: Motion) -> float:
    """How far the deepest joint comes under the floor, metres; 0 if none does."""
    return float(max(0.0, -np.nanmin(motion.joints[..., 1])))


def floating(motion: Motion) -> float:
    """Median height of the lowest joint, metres: about 0 for people who stand on the floor."""
    return float(np.median(body_frame.lowest(motion.joints)))


def bone_spread(motion: Motion) -> float:
    """Largest change of a bone's length over time, metres; 0 for a rigid skeleton."""
    parents = np.array(motion.skeleton.parents)
    bones = parents >= 0
    lengths = np.linalg.norm(motion.joints[:, bones] - motion.joints[:, parents[bones]], axis=-1)
    return float(np.ptp(lengths, axis=0).max())


def distance_between(a: Motion, b: Motion) -> float:
    """Mean distance of joints after both start at the origin facing +Z, metres, over the shorter length at 20 fps.

    Used against the training set it tells memorised motion from new one.
    """
    joints = [(m if m.fps == 20.0 else m.resample(20.0)).align().joints for m in (a, b)]
    frames = min(map(len, joints))
    return float(np.linalg.norm(joints[0][:frames] - joints[1][:frames], axis=-1).mean())


def _foot_speeds(motion: Motion, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Horizontal speed of both feet between frames, and whether both ends of the step are low, [T - 1, 2] each."""
    feet = motion.joints[:, _FEET]
    moved = np.linalg.norm(np.diff(feet[..., [0, 2]], axis=0), axis=-1) * motion.fps
    low = feet[..., 1] < height
    return moved, low[1:] & low[:-1]
