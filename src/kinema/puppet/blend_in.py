"""The first frame is the picture: pose and pixels go over from the picture's own to the scene's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from kinema.puppet.placing import Placed
from kinema.puppet.take import Frame
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24

SECONDS = 0.4
"""How long the pose takes to go over (ours)."""

_PIXELS = (
    0.4  # of that time: how long the picture's own pixels take; the pose has hardly moved by then (ours)
)


def from_the_picture(place: Placed, seconds: float = SECONDS) -> Placed:
    """The same motion, begun in the picture's own pose.

    Args:
        place: of a puppet whose first camera is `place.camera`.
        seconds: that the pose takes to become the scene's.
    """
    motion = place.motion
    own = np.clip(motion.times / max(seconds, 1e-6), 0, 1)
    share = (own**3 * (10 - 15 * own + 6 * own**2))[:, None, None]  # smootherstep: begins slowly
    joints = motion.joints * share + place.start * (1 - share)
    blended = share[:, 0, 0] < 1
    joints[blended] = _with_lengths(joints[blended], motion.joints[blended], place.start, share[blended])
    return replace(place, motion=Motion(joints, motion.fps, motion.skeleton))


def fading(
    frames: Iterable[Frame], picture: np.ndarray, fps: float, seconds: float = SECONDS
) -> Iterator[Frame]:
    """The same frames, the first of them the picture itself, pixel for pixel.

    Args:
        frames: of the size of the picture.
        picture: uint8 [H, W, 3].
        fps: frames per second.
        seconds: that the pose takes; the pixels take less.

    Raises:
        ValueError: the frames have another size than the picture.
    """
    for number, frame in enumerate(frames):
        share = min(1.0, number / max(1.0, _PIXELS * seconds * fps))
        if share >= 1:
            yield frame
            continue
        if frame.rgb.shape != picture.shape:
            raise ValueError(
                f"frames of {frame.rgb.shape[1]}x{frame.rgb.shape[0]} pixels cannot begin with a picture of "
                f"{picture.shape[1]}x{picture.shape[0]}"
            )
        mixed = picture.astype(np.float32) * (1 - share) + frame.rgb * np.float32(share)
        known = np.maximum(frame.known, np.uint8(255 * (1 - share)))
        yield replace(frame, rgb=(mixed + 0.5).astype(np.uint8), known=known)


def _with_lengths(mixed: np.ndarray, scene: np.ndarray, start: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Mixed joints [T, 24, 3] whose bones are as long as those they are mixed from, in proportion."""
    out = mixed.copy()
    for joint in SMPL24.order:
        parent = SMPL24.parents[joint]
        if parent < 0:
            continue
        bone = mixed[:, joint] - mixed[:, parent]
        here = np.linalg.norm(start[joint] - start[parent])
        there = np.linalg.norm(scene[:, joint] - scene[:, parent], axis=1)
        long = share[:, 0, 0] * there + (1 - share[:, 0, 0]) * here
        out[:, joint] = (
            out[:, parent] + bone * (long / np.maximum(np.linalg.norm(bone, axis=1), 1e-9))[:, None]
        )
    return out
