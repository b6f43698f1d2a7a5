"""People before plain ground: whatever differs from it and touches the person is theirs, whatever networks think."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_RING = 0.03  # of the longer side: the picture's rim, by which the ground is judged (ours)
_ROUNDS = 4  # of fitting the ground and leaving out what is not it
_STRAY = (
    6.0,
    14.0,
)  # grey levels: of how far off a ground's pixels may be, the least and the most counted (ours)
_RIM_SHARE = 0.85  # of the rim's upper three sides that must be ground (ours)
_EVEN = 2.2  # grey levels that plain ground varies in fine detail (ours)
_LEAST_APART, _NOISES = (
    11.0,
    5.0,
)  # grey levels, and times the ground's own spread, from which on a pixel differs (ours)
_LINES = (
    0.02  # share of the picture's sides, floor and all, that may be something else: tiles and boards (ours)
)
_UNSURE = 0.1  # share of the ground that may be neither near its colours nor far from them (ours)
_SHADE = (0.5, 1.0)  # how bright a shadow is beside its ground (ours)
_TINT = 0.05  # how little its channels differ in that (ours)
_BEYOND = 0.05  # of the height: how wide a gap may part a piece from the person (ours)
_CRUMB = 0.0008  # of the height squared: smaller pieces are no piece (ours)
# How much larger than the person's mask a piece may be: alone, among people, cut off by the picture's edge (ours).
_MOST, _MOST_AMONG, _MOST_CUT = 4.0, 0.12, 0.1
_SHARP = 1.6  # of the least difference: how far the ground's and a piece's colours lie apart along its outline (ours)


@dataclass(frozen=True, eq=False)
class Ground:
    """A plain ground.

    Args:
        apart: by how much each pixel differs from it, grey levels, float32 [H, W].
        least: from how much on a pixel is something else.
        shade: what may be a shadow on it, bool [H, W].
    """

    apart: np.ndarray
    least: float
    shade: np.ndarray

    @property
    def other(self) -> np.ndarray:
        """What is neither ground nor shadow, bool [H, W]."""
        return (self.apart > self.least) & ~self.shade


def plain_ground(picture: np.ndarray, person: np.ndarray) -> Ground | None:
    """The ground of a picture whose colours change no faster than a parabola; None where it is not plain.

    Args:
        picture: uint8 [H, W, 3].
        person: what is surely no ground, bool [H, W].
    """
    height, width = person.shape
    colours = picture.astype(np.float32)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    free = ~person
    ring = max(2, round(_RING * max(height, width)))
    rim = np.zeros(person.shape, bool)
    rim[:ring] = rim[: round(0.85 * height), :ring] = rim[: round(0.85 * height), -ring:] = True
    rim &= free
    if rim.sum() < 50:
        return None
    fits = rim & (np.abs(colours - np.median(colours[rim], axis=0)).max(axis=2) < 4 * _STRAY[1])
    for _ in range(_ROUNDS):
        if fits.sum() < 50:
            return None
        some = np.flatnonzero(fits)[:: max(1, fits.sum() // 20000)]
        basis = terms.reshape(-1, 6)[some]
        held = basis.T @ basis + 1e-3 * len(some) * np.diag([0, 1, 1, 4, 4, 4])
        way = np.linalg.solve(held, basis.T @ colours.reshape(-1, 3)[some])
        ground = np.clip(terms @ way, 0, 255)
        apart = np.abs(colours - ground).max(axis=2)
        spread = float(np.clip(2.5 * np.median(apart[fits]), *_STRAY))
        fits = free & (apart < spread)
    if (apart[rim] < spread).mean() < _RIM_SHARE:
        return None
    fine = np.abs(colours - cv2.blur(colours, (5, 5))).max(axis=2)
    if np.median(fine[fits]) > _EVEN:
        return None
    least = max(_LEAST_APART, _NOISES * float(np.median(apart[fits])))
    ratio = (colours + 4) / (ground + 4)
    level = ratio.mean(axis=2)
    shade = (
        np.asarray(level > _SHADE[0])
        & (level < _SHADE[1])
        & (np.ptp(ratio, axis=2) < _TINT)
        & (fine < 2 * _EVEN)
    )
    sides = np.zeros_like(free)
    sides[:, :ring] = sides[:, -ring:] = True
    if (~shade & (apart > least))[sides & free].mean() > _LINES:
        return None
    unsure = (apart > 0.7 * least) & (apart < 2 * least) & ~shade
    if unsure[free].mean() > _UNSURE:
        return None
    return Ground(apart.astype(np.float32), least, shade)


def with_pieces(
    mask: np.ndarray, ground: Ground, likely: np.ndarray, tall: float, low: float, alone: bool
) -> np.ndarray:
    """A person's mask with what else differs from the ground and touches it, and without ground, bool [H, W].

    Args:
        mask: bool [H, W].
        ground: of the picture.
        likely: the networks' opinion, float32 [H, W].
        tall: of the person, pixels.
        low: row below which nothing is added: furniture of who sits.
        alone: whether there is nobody else.
    """
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    other = ground.other.copy()
    other[round(np.clip(low, 0, len(other))) :] = False
    extra = other & ~mask
    near = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) <= max(1.0, _BEYOND * tall)
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(extra.astype(np.uint8), connectivity=8)
    kept = np.zeros(count, bool)
    kept[np.unique(pieces[near & extra])] = True
    area = stats[:, cv2.CC_STAT_AREA]
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    right = left + stats[:, cv2.CC_STAT_WIDTH]
    goes_on = (left <= 1) | (top <= 1) | (right >= mask.shape[1] - 1)
    most = np.where(goes_on, _MOST_CUT, _MOST if alone else _MOST_AMONG) * mask.sum()
    kept &= (
        (area < most) & (area > _CRUMB * tall**2) & (_sharpness(pieces, ground, mask) > _SHARP * ground.least)
    )
    kept[0] = False
    found = mask | kept[pieces]
    return found & ~_open_ground(found, ground, likely, kernel)


def _sharpness(pieces: np.ndarray, ground: Ground, mask: np.ndarray) -> np.ndarray:
    """By how much each piece's outline stands off from the ground, grey levels, by number: shadows fade out."""
    count = int(pieces.max()) + 1
    kernel = np.ones((3, 3), np.uint8)
    step = cv2.dilate(ground.apart, kernel) - cv2.erode(ground.apart, kernel)
    edge = (pieces > 0) & (cv2.erode((pieces > 0).astype(np.uint8), kernel) == 0)
    edge &= cv2.dilate(mask.astype(np.uint8), kernel) == 0
    total = np.bincount(pieces[edge], step[edge], minlength=count)
    return total / np.maximum(np.bincount(pieces[edge], minlength=count), 1)


def _open_ground(mask: np.ndarray, ground: Ground, likely: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """What of a mask is ground that is open to the ground outside, bool [H, W]."""
    same = (ground.apart < 0.7 * ground.least) & ((likely < 0.9) | ~mask)
    same = cv2.morphologyEx(same.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    count, areas = cv2.connectedComponents(same)
    outer = np.zeros(count, bool)
    outer[np.unique(areas[~mask])] = True
    outer[0] = False
    return outer[areas]
