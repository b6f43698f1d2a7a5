"""Percentage of correct keypoints (PCK), with a miss counted as wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# SMPL-24 joints from head to ankle; the path pelvis -> hip stands in for the height of the foot.
_SPINE = (15, 12, 9, 6, 3, 0)
_LEGS = ((0, 1, 4, 7), (0, 2, 5, 8))


@dataclass(frozen=True)
class KeypointTruth:
    """What a judge is measured against: exact keypoints of one person in one video.

    Args:
        points: pixels, pixel centres at +0.5, [T, K, 2].
        counted: keypoints that count: visible and inside the picture, bool [T, K].
        height: the person's height in the picture, pixels, [T].
    """

    points: np.ndarray
    counted: np.ndarray
    height: np.ndarray

    def __post_init__(self) -> None:
        frames, keypoints = self.points.shape[:2]
        if self.points.shape != (frames, keypoints, 2):
            raise ValueError(f"points must be [T, K, 2], got {list(self.points.shape)}")
        if self.counted.shape != (frames, keypoints) or self.height.shape != (frames,):
            raise ValueError(
                f"points {list(self.points.shape)} need counted [{frames}, {keypoints}] and height "
                f"[{frames}], got {list(self.counted.shape)} and {list(self.height.shape)}"
            )


def standing_height(joints: np.ndarray) -> float:
    """A person's standing height from head joint to foot, metres, whatever the pose.

    The sum of the median bone lengths along head - neck - spine - pelvis - hip - knee - ankle, left and right
    averaged: within 2 % of how far the joints of the standing person reach up, about 0.82 of the height from
    sole to crown. Ours: the bounding box of the joints would shrink when somebody bends or lies down.

    Args:
        joints: SMPL-24 joints, metres, [T, 24, 3]; NaN where missing.
    """
    return _chain(joints, _SPINE) + float(np.mean([_chain(joints, leg) for leg in _LEGS]))


def projected_height(joints: np.ndarray, focal: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """H of PCK@aH: the standing height as it would appear upright at the pelvis's depth, pixels, [T].

    Args:
        joints: SMPL-24 joints, metres, [T, 24, 3].
        focal: vertical focal length, pixels, [T].
        depth: distance of the pelvis along the optical axis, metres, [T].
    """
    return focal * standing_height(joints) / depth


def correct_keypoints(points: np.ndarray, truth: KeypointTruth, alpha: float = 0.1) -> np.ndarray:
    """Which keypoints lie within alpha times the person's height of the truth, bool [T, K].

    Args:
        points: detected pixels [T, K, 2]; NaN where nothing was detected, which is never correct.
        truth: the exact keypoints.
        alpha: the tolerance as a fraction of `truth.height`.

    Raises:
        ValueError: shapes differ.
    """
    if points.shape != truth.points.shape:
        raise ValueError(
            f"detected {list(points.shape)} and true {list(truth.points.shape)} keypoints differ"
        )
    distance = np.linalg.norm(points - truth.points, axis=-1)
    return np.less_equal(distance, alpha * truth.height[:, None])  # NaN compares false: a miss


def pck(points: np.ndarray, truth: KeypointTruth, alpha: float = 0.1) -> float:
    """PCK@alpha*H of one video: correct over counted keypoints; NaN where none counts.

    After Yang and Ramanan (PAMI 2013), with the standing height in the place of the larger side of the
    bounding box (ours, see `standing_height`). Undetected keypoints are misses.

    Args:
        points: detected pixels [T, K, 2], NaN where nothing was detected.
        truth: the exact keypoints.
        alpha: the tolerance as a fraction of the height.
    """
    correct = correct_keypoints(points, truth, alpha)
    counted = int(truth.counted.sum())
    return float((correct & truth.counted).sum() / counted) if counted else float("nan")


def pck_of_either_side(points: np.ndarray, truth: KeypointTruth, alpha: float = 0.1) -> float:
    """PCK by a judge that may take left for right: a keypoint is correct where it, or the same one of the other side,
    was found (ours). What it has above `pck` is people whose front and back cannot be told apart.

    Args:
        points: as for `pck`, left and right in turn.
        truth, alpha: as for `pck`.
    """
    mirrored = points.reshape(len(points), -1, 2, 2)[:, :, ::-1].reshape(points.shape)
    correct = correct_keypoints(points, truth, alpha) | correct_keypoints(mirrored, truth, alpha)
    counted = int(truth.counted.sum())
    return float((correct & truth.counted).sum() / counted) if counted else float("nan")


def frozen_pck(truth: KeypointTruth, alpha: float = 0.1) -> float:
    """PCK of a perfect detector on the first frame held still: low where the person really moves."""
    first = np.where(truth.counted[:1, :, None], truth.points[:1], np.nan)
    return pck(np.broadcast_to(first, truth.points.shape), truth, alpha)


def _chain(joints: np.ndarray, path: tuple[int, ...]) -> float:
    bones = np.linalg.norm(joints[:, path[1:]] - joints[:, path[:-1]], axis=-1)
    return float(np.nanmedian(bones, axis=0).sum())
