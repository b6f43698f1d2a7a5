"""How much of a body that was not seen is left filled in; what is, has confidence `motion.FILLED`."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from kinema.scene.motion import FILLED, Motion

Fill = Literal["none", "short", "body", "all"]
"""What becomes of joints that were not seen: they stay missing; gaps up to half a second are filled; the body of
somebody who is seen is whole, also what the picture never shows of it; or everything is filled, as long as the clip.
"""

_SHORT = 0.5  # seconds; longer gaps are not filled by "short"


def left_filled(motion: Motion, fill: Fill) -> Motion:
    """A lifted motion in which everything is filled, with only as much of that left as asked; see `lift`."""
    if fill == "all" or motion.confidence is None:
        return motion
    filled = np.isclose(motion.confidence, FILLED)
    gone = filled
    if fill == "short":
        gone = filled & ~_short_gaps(filled, _SHORT * motion.fps)
    elif fill == "body":
        away = filled.all(axis=1, keepdims=True)
        gone = np.broadcast_to(away & ~_short_gaps(away, _SHORT * motion.fps), filled.shape)
    return replace(
        motion,
        joints=np.where(gone[..., None], np.nan, motion.joints),
        confidence=np.where(gone, 0.0, motion.confidence),
    )


def _short_gaps(missing: np.ndarray, longest: float) -> np.ndarray:
    """Which missing frames lie in gaps between sightings of at most so many frames, bool [T, J] twice."""
    frames = np.arange(len(missing))[:, None]
    before = np.maximum.accumulate(np.where(missing, -1, frames), axis=0)
    after = np.minimum.accumulate(np.where(missing, len(missing), frames)[::-1], axis=0)[::-1]
    return np.asarray((before >= 0) & (after < len(missing)) & (after - before - 1 <= longest))
