"""Where a lifting starts: the lifter's pose, put where its projection meets the keypoints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.capture.lifter import STANDING, guess_depth
from kinema.capture.lifting_body import STANDING_HEIGHT, STATURE, BodyKeypoints, body_keypoints
from kinema.capture.observation import PersonTrack
from kinema.scene.skeleton import SMPL24

_LEAST_DEPTH = 0.3  # metres from the lens
DETECTOR_SHARE = 0.35  # of a detector's own depth in the hints, the rest is the lifter's
_LOW = 0.04  # metres above the lowest foot, in which a foot may be standing
_LEAST_POINTS = 4  # for a depth
_SHOULDERS = [16, 17]  # do where more is never seen, as in a portrait: what is below them is taken to stand
_HARDLY = 0.05  # share of the frames up to which something counts as never seen
_PICTURE_UP = np.array([0.0, -1.0, 0.0])
_NEARLY_UPRIGHT = np.cos(np.radians(20.0))
_LOWER_TRUNK = [0, 1, 2, 3, 6, 9]


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
        track: with at least one frame in which four joints were seen, or both shoulders.
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
    joints, up = _stood(_with_detector(hints.joints, track.joints), keypoints.weight, hints.up)
    joints = joints * ((stature or STATURE) / STATURE)
    root, placed = _meet(joints, slopes, keypoints.weight)
    if not placed.any():
        raise ValueError(
            f"person {track.id} is never seen with {_LEAST_POINTS} joints or both shoulders at once; nothing to lift: a "
            "film that shows more than head and shoulders can be"
        )
    frames = np.arange(track.frames)
    root = np.stack([np.interp(frames, frames[placed], column[placed]) for column in root.T], axis=1)
    standing = hints.standing * _low(joints, up, (stature or STATURE) / STATURE)
    return FirstGuess(keypoints, joints, root, placed, up, standing)


def _stood(joints: np.ndarray, weight: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Who never shows a leg stands upright below what is seen, arms that are not seen hang; and the vertical.

    The lifter has nothing to go by there. Without legs the vertical is the picture's, unless the lifter's is near it.
    """
    seen = (weight > 0).mean(axis=0)
    if not len(joints) or seen[[4, 5, 7, 8]].max() > _HARDLY:
        return joints, up
    level = np.median(up, axis=0)
    level /= np.maximum(np.linalg.norm(level), 1e-9)
    if level @ _PICTURE_UP < _NEARLY_UPRIGHT:
        level = _PICTURE_UP
    left = joints[:, 16] - joints[:, 17]
    left -= (left @ level)[:, None] * level
    left /= np.maximum(np.linalg.norm(left, axis=1, keepdims=True), 1e-6)
    axes = np.stack([left, np.broadcast_to(level, left.shape), np.cross(left, level)], axis=1)
    stood = joints.copy()
    if seen[[1, 2]].max() <= _HARDLY:
        stood[:, _LOWER_TRUNK] = joints[:, 12:13] + (SMPL24.rest[_LOWER_TRUNK] - SMPL24.rest[12]) @ axes
    for hip, leg in ((1, [4, 7, 10]), (2, [5, 8, 11])):
        stood[:, leg] = stood[:, hip : hip + 1] + (SMPL24.rest[leg] - SMPL24.rest[hip]) @ axes
    for side, (shoulder, *arm) in ((1, (16, 18, 20, 22)), (-1, (17, 19, 21, 23))):
        if seen[arm].max() <= _HARDLY:
            hanging = np.array([side * 0.2, -0.97, 0.1])
            reach = np.linalg.norm(SMPL24.rest[arm] - SMPL24.rest[shoulder], axis=1)
            stood[:, arm] = stood[:, shoulder : shoulder + 1] + reach[:, None] * hanging @ axes
    return stood - stood[:, :1], np.tile(level, (len(up), 1))


def _meet(joints: np.ndarray, slopes: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The translation that best projects each pose onto its keypoints (linear, then reweighted by pixels of error).

    A point with slopes (a, b) on the joint (x, y, z) says: x + tx = a (z + tz) and y + ty = b (z + tz).
    """
    seen = (weight > 0) & np.isfinite(slopes).all(-1)
    known = np.where(seen[..., None], slopes, 0.0)
    share = np.where(seen, weight, 0.0)
    placed = (share > 0).sum(1) >= _LEAST_POINTS
    if not placed.any():
        placed = (share[:, _SHOULDERS] > 0).all(1)
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
