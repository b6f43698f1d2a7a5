"""Who is who: detections matched with true people frame by frame, and how often an identity changes hands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class Matching:
    """Which track stands for which person.

    Args:
        track: index of the track matched with person p in frame t, -1 where none, [P, T].
        false_people: tracks seen in frame t that match nobody, [T].
    """

    track: np.ndarray
    false_people: np.ndarray

    def switches(self) -> int:
        """Identity switches as in CLEAR MOT (Bernardin and Stiefelhagen 2008): how often the track that stands for
        a person differs from the one that stood for them last, over all people; frames without a match in between
        do not reset it."""
        total = 0
        for row in self.track:
            known = row[row >= 0]
            total += int((np.diff(known) != 0).sum())
        return total

    def main_track(self, person: int) -> int:
        """The track matched most often with a person, -1 where none ever was."""
        known = self.track[person][self.track[person] >= 0]
        return int(np.bincount(known).argmax()) if len(known) else -1


def match_people(tracks: np.ndarray, people: np.ndarray, height: np.ndarray, reach: float = 0.3) -> Matching:
    """Matches tracks with people by the mean distance of their keypoints, best pairs first (Hungarian).

    A pair that was matched in the frame before stays while it is within reach, as in CLEAR MOT.

    Args:
        tracks: keypoints in pixels, [N, T, K, 2], NaN where not seen.
        people: exact keypoints, [P, T, K, 2].
        height: each person's height in the picture, pixels, [P, T].
        reach: largest mean distance of a match, in heights (ours: keypoints on the wrong person's body are further).

    Raises:
        ValueError: shapes do not fit.
    """
    count, frames = people.shape[:2]
    if tracks.shape[1:] != people.shape[1:] or height.shape != (count, frames):
        raise ValueError(
            f"tracks {list(tracks.shape)}, people {list(people.shape)} and height {list(height.shape)} "
            "do not fit together"
        )
    seen = np.isfinite(tracks).all(-1)
    offset = np.linalg.norm(np.where(seen[..., None], tracks, 0.0)[:, None] - people[None], axis=-1)
    near = np.isfinite(offset) & seen[:, None]  # [N, P, T, K]
    distance = np.where(near, offset, 0.0).sum(-1) / np.maximum(near.sum(-1), 1)
    distance = np.where(near.any(-1), distance / height, np.inf)  # [N, P, T]
    matched = np.full((count, frames), -1)
    for t in range(frames):
        allowed = distance[:, :, t] <= reach
        for p in np.flatnonzero(matched[:, t - 1] >= 0) if t else ():
            if allowed[matched[p, t - 1], p]:
                matched[p, t] = matched[p, t - 1]
        free = np.setdiff1d(np.arange(len(tracks)), matched[:, t])
        open_people = np.flatnonzero(matched[:, t] < 0)
        if len(free) and len(open_people):
            cost = np.where(allowed, distance[:, :, t], 1e6)[np.ix_(free, open_people)]
            for n, p in zip(*linear_sum_assignment(cost), strict=True):
                if cost[n, p] < 1e6:
                    matched[open_people[p], t] = free[n]
    there = seen.any(-1)  # [N, T]
    return Matching(matched, there.sum(0) - (matched >= 0).sum(0))
