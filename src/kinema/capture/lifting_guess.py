"""Where a lifting starts: the lifter's pose, put where its projection meets the keypoints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.capture.lifter import STANDING, guess_depth
from kinema.capture.lifting_body import STANDING_HEIGHT, STATURE, BodyKeypoints, body_keypoints
from kinema.capture.observation import PersonTrack

_LEAST_DEPTH = 0.3  # metres from the lens
DETECTOR_SHARE = 0.35  # of a detector's own depth in the hints, the rest is the lifter's
_LOW = 0.04  # metres above the lowest foot, in which a foot may be standing
_LEAST_POINTS = 4  # for a depth


@dataclass(frozen=True, eq=False)
class FirstGuess:
    """One person in the axes of the camera of each frame. T frames.

    Args:
        keypoints: what was seen.
        joints: relative to the pelvis, metres, [T, 24, 3].
        root: pelvis, metres, [T, 3]; on the line between its neighbours where too little was seen.
        placed: frames whose root was measured, [T] bool.
        up: the vertical, unit vectors [T, 3].
        standing: probability that ankles and feet (`lifter.STANDING`) stand, [T, 4].
    """

    keypoints: BodyKeypoints
    joints: np.ndarray
    root: np.ndarray
    placed: np.ndarray
    up: np.ndarray
    standing: np.ndarray


def first_guess(track: PersonTrack, intrinsics: np.ndarray, stature: float | None = None) -> FirstGuess:
    """The lifter's pose with the size of a stature, put where its projection meets the keypoints.

    Args:
        track: with at least one frame in which four joints were seen.
        intrinsics: fx, fy, cx, cy in pixels, [T, 4].
        stature: metres; `STATURE` where None.

    Raises:
        ValueError: intrinsics of another length, a stature that is no height of a person, or nothing to start from.
    """
    if intrinsics.shape != (track.frames, 4):
        raise ValueError(
            f"intrinsics have shape {list(intrinsics.shape)}; the track asks for [{track.frames}, 4]"
        )
    if stature is not None and not 0.3 <= stature <= 3:
        raise ValueError(f"a stature of {stature} m; give metres, from 0.3 to 3")
    keypoints = body_keypoints(track)
    slopes = (keypoints.points - intrinsics[:, None, 2:]) / intrinsics[:, None, :2]
    hints = guess_depth(slopes, np.where(keypoints.weight > 0, keypoints.confidence, 0.0), track.fps)
    joints = _with_detector(hints.joints, track.joints) * ((stature or STATURE) / STATURE)
    root, placed = _meet(joints, slopes, keypoints.weight)
    if not placed.any():
        raise ValueError(
            f"person {track.id} is never seen with {_LEAST_POINTS} joints at once; nothing to lift"
        )
    frames = np.arange(track.frames)
    root = np.stack([np.interp(frames, frames[placed], column[placed]) for column in root.T], axis=1)
    standing = hints.standing * _low(joints, hints.up, (stature or STATURE) / STATURE)
    return FirstGuess(keypoints, joints, root, placed, hints.up, standing)


def _meet(joints: np.ndarray, slopes: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The translation that best projects each pose onto its keypoints (linear, then reweighted by pixels of error).

    A point with slopes (a, b) on the joint (x, y, z) says: x + tx = a (z + tz) and y + ty = b (z + tz).
    """
    seen = (weight > 0) & np.isfinite(slopes).all(-1)
    known = np.where(seen[..., None], slopes, 0.0)
    share = np.where(seen, weight, 0.0)
    placed = (share > 0).sum(1) >= _LEAST_POINTS
    root = np.zeros((len(joints), 3))
    root[:, 2] = 3.0
    for _ in range(4):
        matrix = np.zeros((len(joints), 3, 3))
        right = np.zeros((len(joints), 3))
        for axis in range(2):
            row = np.zeros((*joints.shape[:2], 3))
            row[..., axis], row[..., 2] = 1.0, -known[..., axis]
            value = known[..., axis] * joints[..., 2] - joints[..., axis]
            matrix += np.einsum("tj,tja,tjb->tab", share, row, row)
            right += np.einsum("tj,tja,tj->ta", share, row, value)
        solved = np.linalg.solve(matrix + 1e-9 * np.eye(3), right[..., None])[..., 0]
        root = np.where(placed[:, None], solved, root)
        at = joints + root[:, None]
        depth = np.maximum(at[..., 2], _LEAST_DEPTH)
        missed = np.linalg.norm(at[..., :2] / depth[..., None] - known, axis=-1) * depth
        scale = np.maximum(np.median(missed, axis=1, keepdims=True), 0.01)
        share = np.where(seen, weight, 0.0) / (1 + (missed / (2 * scale)) ** 2)
    placed &= root[:, 2] > _LEAST_DEPTH
    return root, placed


def _with_detector(lifted: np.ndarray, detected: np.ndarray | None) -> np.ndarray:
    """The lifter's joints, and a share of the detector's where it knows depth, in one size, [T, 24, 3]."""
    if detected is None:
        return lifted
    reach = np.linalg.norm(detected - detected[:, :1], axis=-1)
    own = np.linalg.norm(lifted, axis=-1)
    known = np.isfinite(reach)
    size = (
        float(np.median(own[known & (own > 0.2)] / np.maximum(reach[known & (own > 0.2)], 1e-3)))
        if known.any()
        else 1.0
    )
    other = (detected - detected[:, :1]) * size
    return np.where(known[..., None], (1 - DETECTOR_SHARE) * lifted + DETECTOR_SHARE * other, lifted)


def _low(joints: np.ndarray, up: np.ndarray, size: float) -> np.ndarray:
    """How surely each ankle and foot is among the lowest of its frame, [T, 4]: a foot that swings is not."""
    height = np.einsum("tki,ti->tk", joints[:, STANDING], up) - STANDING_HEIGHT * size
    above = height - height.min(axis=1, keepdims=True)
    return np.asarray(np.exp(-0.5 * (above / _LOW) ** 2))
