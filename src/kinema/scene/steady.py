"""People as bodies can move, from what a careless tracker tells of them (ours).

Nobody vanishes for a moment, and bones keep their length: how much the lengths that are told tremble says how far off
the joints are. Each joint's path is then smoothed as far as that makes it more likely (the smoother of Whittaker, 1923;
its weight by the risk of Mallows, 1973, with complexity counted 1.4 times as by Kim and Gu, 2004). Motion whose bones
are rigid stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.scene.skeleton import SMPL24

_MOMENT = 0.5  # seconds for which somebody may be lost
_RIGID = 0.005  # metres; joints that are told more exactly stay as they are
_LONG = 0.2  # metres; shorter bones do not tell
_NORMAL = 1.4826  # standard deviations in a median absolute deviation
_WEIGHTS = 10.0 ** np.arange(-3.0, 6.01, 0.25)  # of squared second differences, that are tried
_COMPLEXITY = 1.4


def steady(scene: Scene) -> Scene:
    """The scene with people who do not vanish for a moment and who tremble less.

    It acts on the scene, so that every signal made of it agrees with every other. Somebody whose bones keep their
    length stays as they are, to the bit, unless a joint is missing for at most half a second.

    Args:
        scene: people on SMPL-24; others stay as they are.
    """
    return replace(scene, people=tuple(steady_motion(person) for person in scene.people))


def steady_motion(motion: Motion, threshold: float = 0.3) -> Motion:
    """One person without short gaps and with less trembling.

    Args:
        motion: on SMPL-24; another skeleton stays as it is.
        threshold: joints of a lower confidence count as missing.

    Returns:
        The motion; gaps of more than half a second stay. What is smoothed has no rotations any more: they would
        contradict the joints.
    """
    if not motion.skeleton.same_tree(SMPL24):
        return motion
    joints = motion.joints
    if motion.confidence is not None:
        joints = np.where((motion.confidence < threshold)[..., None], np.nan, joints)
    calm = _steady(joints, motion.fps)
    if np.array_equal(calm, motion.joints, equal_nan=True):
        return motion
    confidence = (
        None
        if motion.confidence is None
        else np.where(np.isfinite(calm).all(-1), np.maximum(motion.confidence, threshold), 0.0)
    )
    return replace(motion, joints=calm, rotations=None, confidence=confidence)


def tremble(joints: np.ndarray) -> float:
    """How far joints are off, metres, as the lengths of bones give it away: standard deviation along each axis.

    Args:
        joints: SMPL-24, metres, [T, 24, 3]; NaN where missing.

    Returns:
        the median over long bones; 0 where none is there in three frames.
    """
    ends = list(SMPL24.order[1:])
    starts = [SMPL24.parents[end] for end in ends]
    long = np.linalg.norm(SMPL24.rest[ends] - SMPL24.rest[starts], axis=-1) > _LONG
    lengths = np.linalg.norm(joints[:, ends] - joints[:, starts], axis=-1)
    known = lengths[:, long & (np.isfinite(lengths).sum(0) >= 3)]
    if not known.size:
        return 0.0
    spread = np.nanmedian(np.abs(known - np.nanmedian(known, axis=0)), axis=0)
    return float(_NORMAL * np.median(spread) / np.sqrt(2))


def _steady(joints: np.ndarray, fps: float) -> np.ndarray:
    """One person, [T, 24, 3]."""
    off = tremble(joints)
    bridged = Motion(joints, fps, SMPL24).fill_missing(_MOMENT).joints
    if off < _RIGID:
        return bridged
    whole = np.nan_to_num(Motion(joints, fps, SMPL24).fill_missing().joints)
    return np.where(np.isnan(bridged), np.nan, _smoothed(whole, off))


def _smoothed(paths: np.ndarray, off: float) -> np.ndarray:
    """Paths [T, J, 3] that are off by so much along each axis, made smooth."""
    frames, joints, _ = paths.shape
    bend = np.diff(np.eye(frames), 2, axis=0)
    stiff, waves = np.linalg.eigh(bend.T @ bend)
    keeps = 1 / (1 + _WEIGHTS[:, None] * np.maximum(stiff, 0))  # [W, T]
    told = waves.T @ paths.reshape(frames, -1)
    rest = (np.square(1 - keeps) @ np.square(told)).reshape(-1, joints, 3).sum(-1)
    risk = rest + 2 * _COMPLEXITY * 3 * off**2 * keeps.sum(1)[:, None]
    best = keeps[risk.argmin(0)].T  # [T, J]
    return np.einsum("tf,fj,fjk->tjk", waves, best, told.reshape(paths.shape), optimize=True)
