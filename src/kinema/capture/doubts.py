"""What is doubtful about a capture, in sentences for people: who is half seen, hardly recognised, or head down (ours)."""

from __future__ import annotations

import numpy as np

from kinema.capture.filling import Fill
from kinema.capture.observation import PersonTrack
from kinema.scene.mappings import smpl24_mapping
from kinema.scene.motion import FILLED, Motion

_UNSURE = 0.5  # mean confidence of the limbs that were seen, below which a pose is doubtful
_MOSTLY = 0.5  # share of the frames from which on something is said
_RARELY = 0.5  # share of the frames below which somebody is rarely seen
_LIMBS = (4, 5, 7, 8, 16, 17, 18, 19, 20, 21)
_PARTS = {"feet": (7, 8), "legs": (4, 5, 7, 8), "hips and legs": (1, 2, 4, 5, 7, 8), "arms": (18, 19, 20, 21)}


def doubts(track: PersonTrack) -> list[str]:
    """What is doubtful about somebody as they were seen.

    Args:
        track: of a person who is seen in at least one frame.
    """
    mapping = smpl24_mapping(track.layout)
    points, confidence = mapping.apply(track.points, track.confidence)
    seen = track.seen
    notes = []
    if seen.mean() < _RARELY:
        times = np.flatnonzero(seen) / track.fps
        notes.append(
            f"person {track.id}: seen in {seen.mean():.0%} of the frames only, between {times[0]:.1f} and "
            f"{times[-1]:.1f} s"
        )
    limbs = confidence[seen][:, _LIMBS] / np.maximum(mapping.confidence[list(_LIMBS)], 1e-6)
    limbs = limbs[limbs > 0]
    if limbs.size and limbs.mean() < _UNSURE:
        notes.append(
            f"person {track.id}: recognised with little confidence ({limbs.mean():.2f} of 1 in the mean): a drawing, a "
            "toy, or too dark or small? Look at the preview before you use the motion"
        )
    head, hips = points[:, 15, 1], points[:, [1, 2], 1].mean(axis=1)
    known = np.isfinite(head) & np.isfinite(hips)
    if known.any() and (head[known] > hips[known]).mean() > _MOSTLY:
        notes.append(
            f"person {track.id}: upside down for {(head[known] > hips[known]).mean():.0%} of the time; if they do not "
            "stand on their hands, the pose is misread: try another part, or a larger picture"
        )
    return notes


def half_seen(motion: Motion, track: PersonTrack, fill: Fill) -> list[str]:
    """Which part of a body the picture hardly shows, and what became of it.

    Args:
        motion: of the person, with everything filled in.
        track: as they were seen.
        fill: what is asked for.
    """
    if motion.confidence is None or not np.isfinite(motion.joints).any():
        return []
    number = track.id
    filled = np.isclose(motion.confidence, FILLED)
    present = ~filled.all(axis=1)
    lost = 1 - float(present[track.seen].mean()) if track.seen.any() else 0.0
    if lost > _MOSTLY:
        return [
            f"person {number}: in {lost:.0%} of the frames too little is seen at once, as of head and shoulders alone; "
            "where they stand is not known there"
            + (" and filled in" if fill == "all" else ", and they are missing")
        ]
    missing = [
        part for part, joints in _PARTS.items() if filled[present][:, joints].all(axis=1).mean() > _MOSTLY
    ]
    missing = [part for part in missing if not any(part != more and part in more for more in missing)]
    if "legs" in missing or "hips and legs" in missing:
        missing = [part for part in missing if part != "feet"]
    if not missing:
        return []
    what = " and ".join(missing)
    if fill in ("body", "all"):
        return [f"person {number}: {what} are hardly seen; they are filled in, as of somebody who stands"]
    return [f"person {number}: {what} are hardly seen and stay missing; fill them in with --fill body"]


def unlike_people(frames: np.ndarray) -> str:
    """What pictures in which nobody was found look like; "" where they look like any others.

    Args:
        frames: uint8 [N, H, W, 3].
    """
    some = frames[np.unique(np.linspace(0, len(frames) - 1, 8).astype(int))].astype(np.int16)
    bright, dark = some.max(axis=-1), some.min(axis=-1)
    coloured = bright - dark > 64
    lit = bright > 50
    if (~lit).mean() > 0.7 and lit.any() and (coloured & lit).sum() > 0.5 * lit.sum():
        return (
            "it looks like a drawn skeleton, but not in OpenPose's colours, which alone can be read back: give the video "
            "that it was made from"
        )
    if bright.mean() < 30:
        return "it is almost black: give a brighter part"
    if (bright - dark).mean() < 2 and _flat(some) > 0.9 and bright.std() > 20:
        return "it looks like a depth map or a mask: give the video that it was made from"
    if _flat(some) > 0.9 and coloured.mean() > 0.5:
        return "it looks like a map of body parts (DensePose, segmentation): give the video that it was made from"
    return ""


def _flat(frames: np.ndarray) -> float:
    """Share of the pixels that have their right neighbour's colour."""
    return float((np.abs(np.diff(frames, axis=2)).max(axis=-1) <= 3).mean())
