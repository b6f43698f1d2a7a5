"""Clips as features shortened and joined, cut where the poses agree best (ours)."""

from __future__ import annotations

import numpy as np
import torch

from kinema.motion.features import PELVIS
from kinema.motion.representation import MotionRepresentation

_BLEND = 0.5  # seconds in which two clips are blended
_SEARCH = 0.8  # seconds in which a good place to cut is looked for
_PIECE = 1.2  # seconds; no piece is shorter


class ClipJoiner:
    """Cuts and joins clips.

    Args:
        representation: of their features.
        spread: of each feature, [W]: in what poses are compared.
    """

    def __init__(self, representation: MotionRepresentation, spread: np.ndarray) -> None:
        self.representation = representation
        self.spread = spread
        self.blend = max(1, representation.frames_in(_BLEND))
        self.least = max(1, representation.frames_in(_PIECE))
        self._search = representation.frames_in(_SEARCH)

    def good_end(self, joined: np.ndarray, begin: int, after: np.ndarray) -> int:
        """How many frames of `joined` to keep, so that the last poses agree best with the first of what follows.

        Args:
            joined: [T, W], of which the last piece begins at frame `begin`.
            begin: that frame; a piece keeps `least` frames.
            after: what follows, [N, W].
        """
        ends = np.arange(max(begin + self.least, len(joined) - self._search), len(joined) + 1)
        if len(ends) < 2:
            return len(joined)
        pose, middle = slice(self.representation.parts[PELVIS].start, None), self.blend // 2
        apart = np.abs((joined[ends - middle - 1, pose] - after[middle, pose]) / self.spread[pose]).mean(-1)
        return int(ends[apart.argmin()])

    def shorten(self, features: np.ndarray, frames: int, rng: np.random.Generator) -> np.ndarray:
        """A clip of about that many frames: its middle is cut out where the poses on both sides agree best."""
        gone = len(features) - frames
        first = np.arange(self.blend, max(self.blend + 1, frames - self.blend))
        slack = np.arange(-self._search // 2, self._search // 2 + 1)
        second = np.clip(first[:, None] + gone + slack, 0, len(features) - self.blend - 1)
        apart = np.abs((features[first][:, None] - features[second]) / self.spread).mean(-1)
        apart += 0.1 * rng.random(apart.shape)
        row, column = np.unravel_index(int(apart.argmin()), apart.shape)
        before = features[: first[row] + self.blend // 2]
        return self.append(before, np.empty(0), features[second[row, column] - self.blend // 2 :])[0]

    def append(
        self, before: np.ndarray, weight: np.ndarray, after: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Two clips blended; also the weights of the frames, and the frame in the middle of the blend."""
        overlap = min(self.blend, len(before), len(after))
        share = np.linspace(0, 1, overlap + 2, dtype=np.float32)[1:-1, None]
        share = share * share * (3 - 2 * share)
        border = len(before) - overlap
        mixed = torch.from_numpy((1 - share) * before[border:] + share * after[:overlap])
        mixed = self.representation.renormalise(mixed)
        joined = np.concatenate([before[:border], mixed.numpy(), after[overlap:]])
        if len(weight):
            weight = np.concatenate([weight[:border], np.full(overlap, 0.3), np.ones(len(after) - overlap)])
        return joined.astype(np.float32), weight, border + overlap // 2
