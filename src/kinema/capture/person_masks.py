"""Which pixels of a film show whom: people who were captured are looked for again, and segmented, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from kinema.capture.detectors.blaze import Body
from kinema.capture.detectors.litert import Network
from kinema.capture.detectors.mediapipe_pose import PoseFollower, open_follower
from kinema.capture.segmenting import near, segmented, selfie, selfie_network
from kinema.scene.camera import CameraPath
from kinema.scene.mappings import smpl24_mapping
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24

_SURE = (
    0.4  # probability from which on a pixel is a person's (ours): better some of the room than a rim of them
)
_SAME = 0.35  # of a trunk and legs' length, within which a body is the person that was captured (ours)
_CRUMB = 0.02  # of a mask's area, below which a piece apart is none of it (ours)
_LIMB = 0.045  # of a standing person's height, half width of limbs that were captured where nobody is found (ours)
_TRUNK = [1, 2, 16, 17]


def person_masks(
    frames: np.ndarray,
    people: Sequence[Motion],
    camera: CameraPath,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Pixels of each person, bool [P, T, H, W].

    MediaPipe's two segmentations are added up, as for a picture's person; where they find nobody, or somebody else,
    the limbs count as they were captured. Over three frames the larger opinion wins, for a rim that is left of
    somebody shows through a replacement.

    Args:
        frames: uint8 [T, H, W, 3].
        people: as captured, on these frames.
        camera: that filmed them, on these frames and of their size.
        progress: called with (frames done, frames in all).

    Raises:
        DetectorUnavailable: mediapipe or ai-edge-litert is missing.
    """
    height, width = frames.shape[1:3]
    found = np.zeros((len(people), len(frames), height, width), bool)
    if not people:
        return found
    follower = open_follower(None, people=max(2, len(people)))
    network = selfie_network()
    places = [camera.project(person.to_smpl24().joints)[0] for person in people]
    for t, frame in enumerate(frames):
        bodies = follower.follow(np.ascontiguousarray(frame))
        own = [_match(bodies, place[t]) for place in places]
        soft = {id(body): _soft(frame, body, follower, network, bodies) for body in own if body is not None}
        for p, body in enumerate(own):
            if body is None:
                found[p, t] = _limbs(places[p][t], (width, height))
            else:
                others = [soft[id(other)] for other in own if other is not None and other is not body]
                most = np.max(others, axis=0) if others else 0
                found[p, t] = _whole((soft[id(body)] > _SURE) & (soft[id(body)] >= most))
        if progress is not None:
            progress(t + 1, len(frames))
    steady = found.copy()
    steady[:, 1:] |= found[:, :-1] & _widened(found[:, 1:])
    steady[:, :-1] |= found[:, 1:] & _widened(found[:, :-1])
    return steady


def _widened(masks: np.ndarray) -> np.ndarray:
    """Masks [P, T, H, W] widened by a hundredth of the longer side."""
    reach = max(1, round(0.01 * max(masks.shape[2:])))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    flat = masks.reshape(-1, *masks.shape[2:]).astype(np.uint8)
    return np.stack([cv2.dilate(each, kernel) for each in flat]).reshape(masks.shape).astype(bool)


def _match(bodies: Sequence[Body], joints: np.ndarray) -> Body | None:
    """The body that lies where somebody was captured, pixels [24, 2]."""
    mapping = smpl24_mapping("mediapipe33")
    best, least = None, np.inf
    for body in bodies:
        seen, _ = mapping.apply(body.points[None, :33], np.ones((1, 33)))
        apart = np.linalg.norm(seen[0] - joints, axis=1)
        size = (
            np.linalg.norm(np.nanmax(joints, axis=0) - np.nanmin(joints, axis=0))
            if np.isfinite(joints).any()
            else 0
        )
        away = float(np.nanmedian(apart)) if np.isfinite(apart).any() else np.inf
        if away < _SAME * size and away < least:
            best, least = body, away
    return best


def _soft(
    frame: np.ndarray, body: Body, follower: PoseFollower, network: Network, bodies: Sequence[Body]
) -> np.ndarray:
    """Probability of each pixel to be a body's, float32 [H, W]."""
    own = segmented(follower.landmarker, frame, body)
    both = selfie(frame, body, network)
    if len(bodies) > 1:  # selfie segmentation does not tell people apart
        both = both * np.clip(4 * near(own), 0, 1)
    return 0.5 * np.maximum(own, both) + 0.25 * (own + both)


def _whole(mask: np.ndarray) -> np.ndarray:
    """A mask without crumbs and small holes."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count <= 1:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = np.concatenate([[False], areas >= _CRUMB * areas.sum()])
    return kept[labels]


def _limbs(joints: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Thick limbs of somebody captured, pixels [24, 2]; nothing of whom nothing is known, bool [H, W]."""
    drawn = np.zeros((size[1], size[0]), np.uint8)
    if not np.isfinite(joints).all(-1).any():
        return drawn.astype(bool)
    tall = float(np.ptp(joints[np.isfinite(joints).all(-1)], axis=0).max())
    width = max(1, round(2 * _LIMB * tall))
    for child in range(1, 24):
        ends = joints[[child, SMPL24.parents[child]]]
        if np.isfinite(ends).all():
            a, b = (tuple(np.round(end).astype(int).tolist()) for end in np.clip(ends, -1e4, 1e4))
            cv2.line(drawn, a, b, 1, width)
    if np.isfinite(joints[_TRUNK]).all():
        cv2.fillConvexPoly(drawn, cv2.convexHull(joints[_TRUNK].astype(np.int32)), 1)
    return drawn.astype(bool)
