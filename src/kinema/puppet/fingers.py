"""Fingers: where the picture shows a hand large and open, its fingers bend as the driver's, in the hand's plane (ours).

A driver's finger that bends towards the camera gets shorter, and so does the picture's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from kinema.capture.detectors.litert import Network, bundled
from kinema.capture.detectors.mediapipe_holistic import hand_region
from kinema.puppet.face import calm_where_lost
from kinema.puppet.find import Found
from kinema.puppet.mesh import Mesh
from kinema.puppet.placing import View
from kinema.scene.keypoints import Keypoints
from kinema.scene.skeleton import skeleton

SIDES = ("left", "right")

_NETWORK = "hand_landmark/hand_landmark_full.tflite"
_SURE = 0.9  # score of a picture's hand (ours)
_PALM = 26.0  # pixels from wrist to middle knuckle below which a picture's fingers stay stiff (ours)
_FLAT, _OPEN, _SPREAD = (
    0.4,
    0.6,
    0.22,
)  # of the palm: width, length of the fingers, gaps between their tips (ours)
_DRIVER_PALM, _DRIVER_FLAT = 14.0, 0.2  # the same of a driver's, pixels and share (ours)
_FREE = 0.7  # of what lies round the fingers' tips that must not be the person (ours)
_REST = (
    80.0  # percentile of openness from which on a driver's hand is taken for open, as the picture's is (ours)
)
_STEADY = 0.05  # seconds (ours)
_TURN, _SHORT, _LONG = 0.7, 0.45, 1.15  # radians, and shares of a segment's length: how far fingers go (ours)
_SOFT, _REACH = 0.06, 0.4  # of the palm: how softly fingers part, and how far from them is still hand (ours)

_CHAINS = np.arange(1, 21).reshape(5, 4)  # joints of each finger, knuckle to tip
_ARMS = {"left": (18, 20, 22), "right": (19, 21, 23)}
_LANDMARKS = {"left": (15, 19, 17), "right": (16, 20, 18)}  # wrist, index and little finger of MediaPipe's 33


@dataclass(frozen=True, eq=False)
class PictureHand:
    """An open hand in a picture.

    Args:
        side: left or right, the person's own.
        points: MediaPipe's 21, pixels, [21, 2].
    """

    side: str
    points: np.ndarray

    @property
    def palm(self) -> float:
        """Pixels from the wrist to the middle finger's knuckle."""
        return float(np.linalg.norm(self.points[9] - self.points[0]))


def find_hands(picture: np.ndarray, found: Found | None, alpha: np.ndarray) -> tuple[PictureHand, ...]:
    """The hands of a picture's person that are large, open, seen flat, and before the room, not before the person.

    Args:
        picture: uint8 [H, W, 3].
        found: the person as the networks see them; None where nobody is sure.
        alpha: how much of each pixel is the person, [H, W].

    Raises:
        DetectorUnavailable: mediapipe or ai-edge-litert is missing.
    """
    if found is None:
        return ()
    network = Network(bundled(_NETWORK)[0], _NETWORK, 2)
    picture = np.ascontiguousarray(picture)
    hands = []
    for side in SIDES:
        at = list(_LANDMARKS[side])
        if found.confidence[at].min() < 0.3 or not np.isfinite(found.points[at]).all():
            continue
        region = hand_region(*found.points[at])
        points, score = found.points, 0.0
        for _ in range(2):  # the body tells roughly where the hand is: look again
            outputs = network(region.crop(picture, network.side))
            score = float(next(each for each in outputs if each.size == 1).ravel()[0])
            unit = next(each for each in outputs if each.size == 63).reshape(21, 3)[:, :2] / network.side
            points = region.to_picture(unit.astype(np.float64))
            region = hand_region(points[0], points[5], points[17], points)
        hand = PictureHand(side, points)
        if score >= _SURE and hand.palm >= _PALM and _is_open(points) and _is_free(points, alpha):
            hands.append(hand)
    return tuple(hands)


def _is_open(points: np.ndarray) -> bool:
    palm = np.linalg.norm(points[9] - points[0])
    first, last = points[5] - points[0], points[17] - points[0]
    flat = abs(float(first[0] * last[1] - first[1] * last[0])) / palm**2
    long = np.linalg.norm(points[[8, 12, 16, 20]] - points[[5, 9, 13, 17]], axis=1).mean() / palm
    apart = np.linalg.norm(np.diff(points[[8, 12, 16, 20]], axis=0), axis=1).min() / palm
    return bool(flat >= _FLAT and long >= _OPEN and apart >= _SPREAD)


def _is_free(points: np.ndarray, alpha: np.ndarray) -> bool:
    """Whether what lies before the fingers and between their tips is mostly not the person."""
    tips = points[[8, 12, 16, 20]]
    beyond = tips + 1.2 * (tips - points[[7, 11, 15, 19]])
    at = np.round(np.concatenate([beyond, (tips[1:] + tips[:-1]) / 2])).astype(int)
    at = np.clip(at, 0, np.array(alpha.shape[::-1]) - 1)
    return bool((alpha[at[:, 1], at[:, 0]] < 0.5).mean() >= _FREE)


def is_at_rest(changes: np.ndarray) -> bool:
    """Whether the fingers of one frame are as the picture shows them, [5, 3, 2]."""
    return bool(np.all(changes == [0, 1]))


def finger_changes(seen: Keypoints | None) -> dict[str, np.ndarray]:
    """How a driver's fingers differ from their open hand, for each side that is seen well enough.

    Args:
        seen: of the driver; a layout without hands tells nothing.

    Returns:
        turn of each segment in the palm's plane, radians, positive towards the index finger's side, and its length as a
        share of the open hand's, [T, 5, 3, 2].
    """
    changes: dict[str, np.ndarray] = {}
    names = skeleton(seen.layout).names if seen is not None else ()
    if seen is None or "left_hand_root" not in names:
        return changes
    for side in SIDES:
        first = names.index(f"{side}_hand_root")
        found = _changes(np.asarray(seen.points[:, first : first + 21]), seen.fps)
        if found is not None:
            changes[side] = found
    return changes


def _changes(points: np.ndarray, fps: float) -> np.ndarray | None:
    """Of one hand, 21 points, [T, 21, 2]."""
    filled = np.nan_to_num(points)
    palm = np.linalg.norm(filled[:, 9] - filled[:, 0], axis=1)
    across = _cross(filled[:, 5] - filled[:, 0], filled[:, 17] - filled[:, 0])
    there = np.isfinite(points).all(axis=(1, 2)) & (palm >= _DRIVER_PALM)
    there &= np.abs(across) >= _DRIVER_FLAT * palm**2
    if there.sum() < 3:
        return None
    turn, long = _segments(filled)
    scale = np.maximum(np.hypot(palm, np.linalg.norm(filled[:, 5] - filled[:, 17], axis=1)), 1e-6)
    long = long / scale[:, None, None]
    openness = long[:, 1:].sum(axis=(1, 2))
    is_open = there & (openness >= np.percentile(openness[there], _REST))
    rest = np.median(long[is_open], axis=0)
    ratio = long / np.maximum(rest, 1e-6)
    middle = np.angle(np.exp(1j * turn[is_open]).mean(axis=0))
    off = np.angle(np.exp(1j * (turn - middle)))
    both = np.stack([off * np.clip(2 * ratio - 0.6, 0, 1), ratio - 1], axis=-1)  # short ones point anywhere
    both = np.where(there[:, None, None, None], both, 0.0)
    both = gaussian_filter1d(both, max(_STEADY * fps, 1e-3), axis=0, mode="nearest")
    both = calm_where_lost(both, there, fps)
    both[..., 0] = np.clip(both[..., 0], -_TURN, _TURN)
    both[..., 1] = np.clip(both[..., 1] + 1, _SHORT, _LONG)
    return np.asarray(both)


def _segments(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Direction of each segment from the palm's axis, towards the index finger's side, and its length, [..., 5, 3]."""
    steps = np.diff(points[..., _CHAINS, :], axis=-2)
    up = points[..., 9, :] - points[..., 0, :]
    side = -np.sign(_cross(points[..., 5, :] - points[..., 0, :], points[..., 17, :] - points[..., 0, :]))
    angle = np.arctan2(steps[..., 1], steps[..., 0]) - np.arctan2(up[..., 1], up[..., 0])[..., None, None]
    return angle * side[..., None, None], np.linalg.norm(steps, axis=-1)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


class Fingers:
    """The vertices of one hand and the segments that move them, in the picture's pose.

    Args:
        hand: in the picture.
        mesh: of the person.
        view: the camera that took the picture.
    """

    def __init__(self, hand: PictureHand, mesh: Mesh, view: View) -> None:
        self.points, self.view = hand.points, view
        of_arm = np.isin(mesh.bones[:, 0], _ARMS[hand.side])
        near = np.linalg.norm(mesh.pixels - hand.points.mean(axis=0), axis=1) < 3 * hand.palm
        self.rows = np.flatnonzero(of_arm & near)
        pixels = mesh.pixels[self.rows]
        tips, knuckles = hand.points[_CHAINS[:, 1:]], hand.points[_CHAINS[:, :-1]]
        bones = [(np.zeros((5, 2)) + hand.points[0], hand.points[_CHAINS[:, 0]])]
        bones += [(knuckles[:, k], tips[:, k]) for k in range(3)]
        apart = np.stack([_distance(pixels, start, end) for start, end in bones], axis=2)  # [V, 5, 4]
        weights = np.exp(-(apart - apart.min(axis=(1, 2), keepdims=True)) / (_SOFT * hand.palm))
        self.weights = weights / weights.sum(axis=(1, 2), keepdims=True)
        kept = apart.min(axis=(1, 2)) < _REACH * hand.palm
        self.rows, self.weights, self.pixels = self.rows[kept], self.weights[kept], pixels[kept]
        self.depth = mesh.depth[self.rows]
        self.side = -float(np.sign(_cross(hand.points[5] - hand.points[0], hand.points[17] - hand.points[0])))

    def moved(self, changes: np.ndarray) -> np.ndarray:
        """Where the hand's vertices are in the world, in the picture's pose but for the fingers, [V, 3].

        Args:
            changes: of one frame, [5, 3, 2], see `finger_changes`.
        """
        pixels = self.pixels
        shift = np.zeros_like(pixels)
        for finger, chain in enumerate(_CHAINS):
            start = self.points[chain[0]]
            for k in range(3):
                before, step = self.points[chain[k]], self.points[chain[k + 1]] - self.points[chain[k]]
                turn, share = changes[finger, k]
                matrix = _turned(self.side * turn) @ _stretched(step, share)
                own = start + (pixels - before) @ matrix.T - pixels
                shift += self.weights[:, finger, k + 1, None] * own
                start = start + matrix @ step
        return self.view.world(pixels + shift, self.depth)


def _distance(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """From points [V, 2] to line segments [5, 2], [V, 5]."""
    along = end - start
    off = points[:, None] - start
    share = np.clip((off * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-9), 0, 1)
    return np.asarray(np.linalg.norm(off - share[..., None] * along, axis=-1))


def _turned(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _stretched(step: np.ndarray, share: float) -> np.ndarray:
    """Longer along a direction by a share, [2, 2]."""
    return np.asarray(np.eye(2) + (share - 1) * np.outer(step, step) / max(float(step @ step), 1e-9))
