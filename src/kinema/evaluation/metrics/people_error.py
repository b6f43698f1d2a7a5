"""PoseErr and DetErr of films of people, matched one to one in every frame.

TokenMotion (2504.08181, section 4) names both and states no formula in full: PoseErr is a mean distance of keypoints in
pixels, DetErr a share of frames whose number of people is another. Left open, and here (ours): how people are matched
(Hungarian method on the mean distance of keypoints), that keypoints count where the reference's confidence is 0.3 or
more, what becomes of what is not found (both ways are given), and the 17 body keypoints alone.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from kinema.evaluation.metrics.keypoint_error import COUNTED_CONFIDENCE

PAPER_SIZE = (384, 256)
"""(width, height) of TokenMotion's videos: its pixels."""

_NOBODY = 1e9


def match_people(made: np.ndarray, true: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (in `made`, in `true`) with the least sum of mean keypoint distances.

    Args:
        made: keypoints [P, K, 2], NaN where not found.
        true: keypoints [Q, K, 2], NaN where they do not count.
    """
    distance = np.linalg.norm(made[:, None] - true[None], axis=-1)
    both = np.isfinite(distance)
    mean = np.where(both, distance, 0.0).sum(-1) / np.maximum(both.sum(-1), 1)
    cost = np.where(both.any(-1), mean, _NOBODY)
    pairs = zip(*linear_sum_assignment(cost), strict=True)
    return [(int(p), int(q)) for p, q in pairs if cost[p, q] < _NOBODY]


def people_pose_error(
    made: np.ndarray,
    made_confidence: np.ndarray,
    true: np.ndarray,
    true_confidence: np.ndarray,
    worst: float | None = None,
) -> float:
    """PoseErr, pixels: mean distance over the counted keypoints of the reference's people and their matches.

    Args:
        made: keypoints [T, P, K, 2].
        made_confidence: [T, P, K].
        true: of the reference [T, Q, K, 2].
        true_confidence: [T, Q, K].
        worst: where None, what is not found is left out of the mean, as published code mostly does, so that a video
            without people has no error. Else what is not found, people included, costs this share of the reference
            person's height, at which distances are cut.

    Returns:
        NaN where nothing counts, or where nothing of it was found and that is left out.
    """
    if len(made) != len(true):
        raise ValueError(f"the two videos differ in length: {len(made)} and {len(true)} frames")
    found = np.where((made_confidence >= COUNTED_CONFIDENCE)[..., None], made, np.nan)
    counted = np.where((true_confidence >= COUNTED_CONFIDENCE)[..., None], true, np.nan)
    errors: list[np.ndarray] = []
    for mine, theirs in zip(found, counted, strict=True):
        partner = {q: p for p, q in match_people(mine, theirs)}
        for q, person in enumerate(theirs):
            there = np.isfinite(person[:, 0])
            if not there.any():
                continue
            if q in partner:
                distance = np.linalg.norm(mine[partner[q], there] - person[there], axis=-1)
            else:
                distance = np.full(int(there.sum()), np.nan)
            if worst is None:
                errors.append(distance[np.isfinite(distance)])
            else:
                height = float((np.nanmax(person[there], axis=0) - np.nanmin(person[there], axis=0)).max())
                errors.append(
                    np.fmin(distance, worst * height) if there.sum() > 1 else distance[np.isfinite(distance)]
                )
    every = np.concatenate(errors) if errors else np.zeros(0)
    return float(every.mean()) if len(every) else float("nan")


def at_paper_size(pixels: float, size: tuple[int, int]) -> float:
    """A distance in pixels of a video of (width, height), as in one of TokenMotion's size: by the diagonals (ours)."""
    return pixels * float(np.hypot(*PAPER_SIZE) / np.hypot(*size))
