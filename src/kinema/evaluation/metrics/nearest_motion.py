"""How near a motion is to the nearest of many: motion learned by heart is nearer to the training set than real one.

Compared are the directions of limbs and trunk, so that people of any build can be compared as they were captured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from kinema.scene import body_frame
from kinema.scene.skeleton import SMPL24

RATE = 5.0
"""Frames per second at which motions are compared (ours)."""

_MOST = 50  # frames, 10 s
_BONES = np.array(
    [(16, 18), (18, 20), (17, 19), (19, 21), (1, 4), (4, 7), (2, 5), (5, 8), (0, 12)]
)  # upper arms and forearms, thighs and shins, trunk


def limb_directions(joints: np.ndarray, fps: float) -> np.ndarray:
    """Unit vectors along limbs and trunk at 5 fps, seen from the heading of the first frame.

    Args:
        joints: SMPL-24, metres, [T, 24, 3].
        fps: of them.

    Returns:
        [T', 9, 3], at most 10 s.
    """
    count = min(_MOST, int((len(joints) - 1) / fps * RATE + 1e-6) + 1)
    chosen = np.asarray(joints, dtype=np.float64)[np.round(np.arange(count) * fps / RATE).astype(int)]
    bones = chosen[:, _BONES[:, 1]] - chosen[:, _BONES[:, 0]]
    bones = bones / np.linalg.norm(bones, axis=-1, keepdims=True).clip(1e-9)
    yaw = float(body_frame.yaw(body_frame.facing(chosen[:1], SMPL24))[0])
    cosine, sine = np.cos(-yaw), np.sin(-yaw)
    turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    return bones @ turn.T


class MotionNeighbours:
    """A set of motions in which the nearest one is looked for.

    Args:
        motions: limb directions, see `limb_directions`.
    """

    def __init__(self, motions: Iterable[np.ndarray]) -> None:
        found: Sequence[np.ndarray] = list(motions)
        self.lengths = np.array([len(motion) for motion in found])
        self._padded = np.zeros((len(found), _MOST, len(_BONES), 3), dtype=np.float32)
        for row, motion in enumerate(found):
            self._padded[row, : len(motion)] = motion

    def nearest(self, motion: np.ndarray) -> tuple[int, float]:
        """Which motion is nearest, and the mean angle of limbs between the two, degrees.

        Compared over the shorter length; motions that last less than 0.8 of the one asked about do not count.

        Raises:
            ValueError: none is long enough.
        """
        rows = np.flatnonzero(self.lengths >= 0.8 * len(motion))
        if not len(rows):
            raise ValueError(f"no motion lasts at least {0.8 * len(motion) / RATE:.1f} s")
        overlap = np.minimum(self.lengths[rows], len(motion))
        likeness = (self._padded[rows, : len(motion)] * motion.astype(np.float32)).sum(-1)
        angles = np.arccos(likeness.clip(-1, 1)).mean(-1)
        counts = np.arange(len(motion)) < overlap[:, None]
        mean = (angles * counts).sum(1) / overlap
        place = int(mean.argmin())
        return int(rows[place]), float(np.degrees(mean[place]))
