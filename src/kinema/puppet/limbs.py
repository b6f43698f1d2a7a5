"""The shapes of limbs in the picture: tapered bones of a human body's proportions, and hands from their 21 points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np

from kinema.puppet.body import CHAINS

# By whether it is an arm: radii at the joints relative to the middle one, those of the stage's body; least and largest
# middle radius, of the height, clothes and all (ours).
_TAPER = {True: (1.25, 1.0, 0.7, 0.8), False: (1.35, 0.95, 0.7, 0.7)}
_MIDDLE = {True: (0.018, 0.045), False: (0.03, 0.062)}
# Share of a limb that lies over the trunk from which on the outline says nothing of its girth, and what is taken then,
# of the largest radius (ours).
_OVER, _UNTOLD = 0.3, 0.75
_PALM = (0, 1, 2, 5, 9, 13, 17)  # of MediaPipe's 21 points
_FINGERS = ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20))
_FINGER = 0.26  # thickness of a finger in widths of the palm (ours)
_WRIST = 0.36  # radius of a wrist in widths of the palm (ours)


@dataclass(frozen=True, eq=False)
class Limb:
    """One arm or leg in the picture.

    Args:
        part: its number in `PARTS`.
        points: pixels of its joints, from the root outwards, [4, 2].
        radius: half its middle thickness, pixels.
        radii: pixels at each joint, [4].
        hand: MediaPipe's 21 points in pixels, [21, 2]; None where no hand is found.
    """

    part: int
    points: np.ndarray
    radius: float
    radii: np.ndarray
    hand: np.ndarray | None = None

    @property
    def palm(self) -> float:
        """Width of the palm, pixels."""
        assert self.hand is not None
        return max(float(np.linalg.norm(self.hand[5] - self.hand[17])), 2.0)

    def within(self, shape: tuple[int, ...], times: float, extra: float = 0.0) -> np.ndarray:
        """What is no further than so many radii from its bones, bool [H, W].

        Args:
            shape: of the picture.
            times: radii.
            extra: palms by which a hand that is seen is widened.
        """
        bones = len(self.points) if self.hand is None else 3
        canvas = tapered(shape, self.points[:bones], times * self.radii[:bones])
        if self.hand is not None:
            canvas |= self._hand(shape, extra)
        return canvas > 0

    def hand_shape(self, shape: tuple[int, ...], extra: float = 0.0) -> np.ndarray:
        """What is surely its hand, bool [H, W]; nothing where none is found."""
        if self.hand is None:
            return np.zeros(shape[:2], bool)
        return self._hand(shape, extra) > 0

    def _hand(self, shape: tuple[int, ...], extra: float) -> np.ndarray:
        assert self.hand is not None
        canvas = np.zeros(shape[:2], np.uint8)
        at = np.round(self.hand).astype(np.int32)
        palm = self.palm
        hull = cv2.convexHull(at[list(_PALM)])
        cv2.fillConvexPoly(canvas, hull, 1)
        cv2.polylines(canvas, [hull], True, 1, max(1, round((0.15 + 2 * extra) * palm)))
        for finger in _FINGERS:
            cv2.polylines(canvas, [at[list(finger)]], False, 1, max(1, round((_FINGER + 2 * extra) * palm)))
        return canvas


def limbs_of(mask: np.ndarray, joints: np.ndarray, tall: float, trunk: np.ndarray) -> dict[int, Limb]:
    """Arms and legs, each as thick as the outline says beside its bones, within what limbs have.

    Args:
        mask: the person, bool [H, W].
        joints: pixels, [24, 2].
        tall: of the person, pixels.
        trunk: what it covers, bool [H, W]; over it the outline says nothing of an arm.
    """
    inner = np.minimum(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3), max(mask.shape))
    limbs = {}
    for part, chain in CHAINS.items():
        points, arm = joints[list(chain)], part < 3
        radius = _radius(inner, points, trunk, *(share * tall for share in _MIDDLE[arm]))
        limbs[part] = Limb(part, points, radius, np.maximum(radius * np.array(_TAPER[arm]), 1.0))
    return limbs


def with_hand(limb: Limb, hand: np.ndarray) -> Limb:
    """An arm with the hand that is found at its wrist, whose forearm is as wide as the hand says there.

    Args:
        limb: the arm.
        hand: pixels, [21, 2].
    """
    points, radii = limb.points.copy(), limb.radii.copy()
    points[2] = hand[0]
    seen = replace(limb, points=points, radii=radii, hand=hand)
    radii[2] = max(radii[2], _WRIST * seen.palm)
    return seen


def tapered(shape: tuple[int, ...], points: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Bones as thick at each end as said, uint8 [H, W].

    Args:
        shape: of the picture.
        points: pixels of a chain's joints, [N, 2].
        radii: pixels, [N].
    """
    canvas = np.zeros(shape[:2], np.uint8)
    for (a, b), (r, s) in zip(pairwise(points), pairwise(radii), strict=True):
        along = b - a
        side = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
        corners = np.round([a + r * side, b + s * side, b - s * side, a - r * side]).astype(np.int32)
        cv2.fillConvexPoly(canvas, corners, 1)
        for centre, radius in ((a, r), (b, s)):
            cv2.circle(
                canvas, tuple(np.round(centre).astype(int).tolist()), max(1, round(float(radius))), 1, -1
            )
    return canvas


def distance_to(shape: tuple[int, ...], points: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Pixels to the nearest bone of a chain, [H, W]."""
    rows, columns = np.asarray(np.indices(shape[:2]), np.float32)
    best = np.full(shape[:2], np.inf, np.float32)
    for a, b in pairwise(points):
        along = b - a
        share = ((columns - a[0]) * along[0] + (rows - a[1]) * along[1]) / max(float(along @ along), 1e-9)
        share = np.clip(share, 0, 1)
        best = np.minimum(best, np.hypot(columns - a[0] - share * along[0], rows - a[1] - share * along[1]))
    return best


def _radius(inner: np.ndarray, points: np.ndarray, trunk: np.ndarray, low: float, high: float) -> float:
    """The middle of a limb's distances to the outline along its bones, pixels, within limits."""
    shares = np.linspace(0.2, 0.9, 8)[:, None]
    at = np.round(np.concatenate([a + shares * (b - a) for a, b in pairwise(points)])).astype(int)
    inside = (at >= 0).all(1) & (at[:, 0] < inner.shape[1]) & (at[:, 1] < inner.shape[0])
    rows, columns = at[inside, 1], at[inside, 0]
    values, over = inner[rows, columns], trunk[rows, columns]
    middle = float(np.median(values[values > 0])) if (values > 0).any() else low
    if middle > high and over.mean() > _OVER:
        middle = _UNTOLD * high
    return float(np.clip(middle, max(low, 1.0), max(high, 1.5)))
