"""The body that is lifted: SMPL-24 as bone directions and lengths, its size, and where a detector's points lie on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.capture.observation import PersonTrack
from kinema.scene.mappings import smpl24_mapping
from kinema.scene.skeleton import SMPL24, skeleton

PARENTS = np.array(SMPL24.parents)


def _bone_sums() -> np.ndarray:
    sums = np.eye(24)
    for joint in SMPL24.order[1:]:
        sums[joint] += sums[PARENTS[joint]]
    return sums


BONE_SUMS = _bone_sums()
"""Joints from bones: `BONE_SUMS @ bones` where bone 0 is the position of the pelvis, [24, 24]."""

STATURE = 1.70
"""Height in metres of the body in SMPL24's rest pose, and the one assumed where nobody says."""

TRUNK = (0, 3, 6, 9, 12, 13, 14)
"""Pelvis, spine, neck and collars: no detector of the body sees them, they follow from hips and shoulders."""

_HIP_RISE = 0.075  # of the way from hips to shoulders
# Bone lengths of captured people for their size, against SMPL24's rest pose: means over the five sources of the motion
# library (train split), the same on both sides, and the spread of their logarithms. They differ by people and by rigs.
_PROPORTIONS = {
    **dict.fromkeys((1, 2), (0.98, 0.31)),
    3: (1.11, 0.11),
    **dict.fromkeys((4, 5), (1.03, 0.04)),
    6: (1.05, 0.15),
    **dict.fromkeys((7, 8), (1.02, 0.04)),
    9: (0.99, 0.13),
    **dict.fromkeys((10, 11), (1.01, 0.05)),
    12: (0.75, 0.20),
    **dict.fromkeys((13, 14), (0.90, 0.11)),
    15: (0.92, 0.16),
    **dict.fromkeys((16, 17), (1.07, 0.34)),
    **dict.fromkeys((18, 19), (1.00, 0.05)),
    **dict.fromkeys((20, 21), (1.02, 0.08)),
    **dict.fromkeys((22, 23), (0.80, 0.25)),
}

USUAL_LENGTHS = SMPL24.bone_lengths * np.array(
    [_PROPORTIONS.get(joint, (1.0, 0.0))[0] for joint in range(24)]
)
"""Usual length of the bone above each joint for a body of size 1, metres, [24]."""

LENGTH_SPREAD = np.array([_PROPORTIONS.get(joint, (1.0, 1.0))[1] for joint in range(24)])
"""Spread of the logarithm of those lengths between people, [24]."""

STANDING_HEIGHT = np.array([0.075, 0.075, 0.01, 0.01])
"""Of standing ankles and feet (`lifter.STANDING`) above the floor, for a body of size 1, metres."""

_LEGS, _SPINE = [4, 5, 7, 8], [3, 6, 9, 12]
_CORNERS = ((1, 2), (16, 17))  # hips, shoulders


def body_size(lengths: np.ndarray) -> np.ndarray:
    """How large a body is against SMPL24's rest pose, by a leg and the spine, which rigs agree about.

    Args:
        lengths: of the bone above each joint, metres, [..., 24].

    Returns:
        [...], 1 for SMPL24's own lengths (1.70 m).
    """

    def reach(values: np.ndarray) -> np.ndarray:
        return np.asarray(values[..., _LEGS].sum(-1) / 2 + values[..., _SPINE].sum(-1))

    return reach(lengths) / reach(SMPL24.bone_lengths)


@dataclass(frozen=True, eq=False)
class BodyKeypoints:
    """A track's keypoints as SMPL-24 joints in the picture.

    Args:
        points: pixels, [T, 24, 2], NaN where not seen.
        confidence: the detector's, of the points used, 0 where not seen, [T, 24].
        weight: how much a point says of where its joint is: the confidence, less where the joint was interpolated
            between points, 0 for the trunk of a detector that does not know it, [T, 24].
    """

    points: np.ndarray
    confidence: np.ndarray
    weight: np.ndarray


def body_keypoints(track: PersonTrack) -> BodyKeypoints:
    """SMPL-24 joints in the picture by the named mapping of the track's layout.

    The trunk counts as seen as soon as one hip and one shoulder are; its place is left to the body's bones.

    Raises:
        ValueError: unknown layout, or points that do not fit it.
    """
    source = skeleton(track.layout)
    if track.points.shape[1:] != (len(source), 2):
        raise ValueError(
            f"points have shape {list(track.points.shape)}; layout {track.layout} asks for "
            f"[T, {len(source)}, 2]"
        )
    mapping = smpl24_mapping(source)
    points, mapped = mapping.apply(track.points, track.confidence)
    if track.layout == "mediapipe33":
        points = _as_rigs_mean_it(points)
    own = mapping.confidence
    confidence = np.clip(np.divide(mapped, own, out=np.zeros_like(mapped), where=own > 0), 0, 1)
    measured = own == 1
    weight = mapped.copy()
    for joint in TRUNK:
        if not measured[joint]:
            weight[:, joint] = 0.0
            best = np.minimum(*(confidence[:, pair].max(axis=1) for pair in map(list, _CORNERS)))
            confidence[:, joint] = np.maximum(confidence[:, joint], 0.5 * best)
    return BodyKeypoints(points, confidence, weight)


def _as_rigs_mean_it(points: np.ndarray) -> np.ndarray:
    """MediaPipe's points where motion capture has its joints.

    Measured on 20 renders of train motions (all other joints differ by 2 cm at most): its hips lie 3.6 cm below the
    joints.
    """
    moved = points.copy()
    hips, shoulders = points[:, [1, 2]], points[:, [16, 17]]
    moved[:, [1, 2]] += _HIP_RISE * (shoulders.mean(1, keepdims=True) - hips.mean(1, keepdims=True))
    return np.where(np.isnan(moved), points, moved)
