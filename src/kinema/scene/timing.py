"""Sampling joints, rotations and confidence at any moment; what is missing stays missing."""

from __future__ import annotations

import numpy as np

from kinema.scene import quaternions as quat

MAX_FRAMES = 1_000_000
"""Largest number of frames that resampling makes (ours): nine hours at 30 fps."""

_ON_FRAME = 1e-6  # frames; a moment this near to a frame is that frame


def frame_times(duration: float, fps: float) -> np.ndarray:
    """The moments 0, 1/fps, ... up to `duration` (seconds), [N].

    Raises:
        ValueError: fps is not positive, or there would be too many frames.
    """
    if not (np.isfinite(fps) and fps > 0):
        raise ValueError(f"fps is {fps!r}; give a positive number of frames per second")
    count = np.floor(duration * fps + _ON_FRAME) + 1
    if count > MAX_FRAMES:
        raise ValueError(f"{duration:g} s at {fps:g} fps makes {count:.0f} frames; the limit is {MAX_FRAMES}")
    return np.arange(int(count)) / fps


def frame_positions(times: np.ndarray, fps: float, frames: int) -> np.ndarray:
    """Moments in seconds [N] as positions between frames, 0 to frames - 1, [N].

    Raises:
        ValueError: no moments, or a moment before the first or after the last frame.
    """
    times = np.asarray(times, dtype=np.float64)
    if times.ndim != 1 or times.size == 0 or not np.isfinite(times).all():
        raise ValueError(f"times have shape {list(times.shape)}; give a list of finite seconds")
    at = times * fps
    at = np.where(np.abs(at - np.round(at)) < _ON_FRAME, np.round(at), at)
    if at.min() < -10 * _ON_FRAME or at.max() > frames - 1 + 10 * _ON_FRAME:
        raise ValueError(
            f"times reach from {times.min():.3f} s to {times.max():.3f} s; "
            f"the motion lasts from 0 s to {(frames - 1) / fps:.3f} s"
        )
    return np.clip(at, 0, frames - 1)


def sample_missing(missing: np.ndarray, at: np.ndarray) -> np.ndarray:
    """What is missing between frames: all that is missing on either side. [T, J] bool at [N] -> [N, J]."""
    low, high, share = _neighbours(at, len(missing))
    return np.where(share[:, None] == 0, missing[low], missing[low] | missing[high])


def sample_positions(joints: np.ndarray, missing: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Positions between frames by cubic Hermite curves, exact on frames and for steady movement.

    Tangents are central differences (Catmull-Rom), one-sided beside a gap or an end.

    Args:
        joints: [T, J, 3].
        missing: [T, J] bool.
        at: positions between frames, [N].

    Returns:
        [N, J, 3], NaN where missing.
    """
    known = np.where(missing[..., None], 0.0, joints)
    step = np.zeros_like(known)
    step[:-1] = known[1:] - known[:-1]
    has_step = np.zeros(missing.shape, dtype=bool)
    has_step[:-1] = ~(missing[1:] | missing[:-1])
    step *= has_step[..., None]
    steps = has_step.astype(np.float64)
    steps[1:] += has_step[:-1]
    tangent = step.copy()
    tangent[1:] += step[:-1]
    tangent /= np.maximum(steps, 1)[..., None]
    low, high, share = _neighbours(at, len(joints))
    u = share[:, None, None]
    rest = u * (1 - u)
    value = known[low] + u * u * (3 - 2 * u) * (known[high] - known[low])
    value += rest * ((1 - u) * tangent[low] - u * tangent[high])
    return np.where(sample_missing(missing, at)[..., None], np.nan, value)


def sample_rotations(rotations: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Rotations between frames by slerp, [T, J, 4] at [N] -> [N, J, 4]; NaN beside NaN."""
    low, high, share = _neighbours(at, len(rotations))
    mixed = quat.slerp(rotations[low], rotations[high], share[:, None])
    return np.where((share == 0)[:, None, None], rotations[low], mixed)


def sample_linearly(vectors: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Vectors between frames on the straight line, [T, J, 3] at [N] -> [N, J, 3]; NaN beside NaN."""
    low, high, share = _neighbours(at, len(vectors))
    share = share[:, None, None]
    return np.where(share == 0, vectors[low], vectors[low] + share * (vectors[high] - vectors[low]))


def sample_confidence(confidence: np.ndarray, missing: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Confidence between frames, linear, 0 where missing: [T, J] at [N] -> [N, J]."""
    low, high, share = _neighbours(at, len(confidence))
    share = share[:, None]
    mixed = np.where(share == 0, confidence[low], (1 - share) * confidence[low] + share * confidence[high])
    return np.where(sample_missing(missing, at), 0.0, np.minimum(mixed, 1.0))


def gaps(missing: np.ndarray, longest: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What can be filled in, and from where.

    Args:
        missing: [T, J] bool.
        longest: frames; longer gaps stay.

    Returns:
        fillable [T, J] bool; the frame before and the frame after the gap to take values from (at an end both
        the one that is there) and the share of the latter, each [T, J].
    """
    frames = np.arange(len(missing))[:, None]
    before = np.maximum.accumulate(np.where(missing, -1, frames), axis=0)
    after = np.minimum.accumulate(np.where(missing, len(missing), frames)[::-1], axis=0)[::-1]
    length = after - before - 1
    never = (before < 0) & (after >= len(missing))
    low = np.where(before < 0, after, before)
    high = np.where(after >= len(missing), before, after)
    low, high = np.where(never, 0, low), np.where(never, 0, high)
    share = np.where(high > low, (frames - low) / np.maximum(high - low, 1), 0.0)
    return missing & ~never & (length <= longest), low, high, share


def _neighbours(at: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    low = np.minimum(np.floor(at).astype(int), frames - 1)
    return low, np.minimum(low + 1, frames - 1), at - low
