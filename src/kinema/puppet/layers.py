"""The person as layers that overlap at the joints, each with a front and a back of its own."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kinema.puppet.body import TRUNK, PictureBody
from kinema.puppet.inpaint import continued
from kinema.puppet.parts import CHAINS, PARTS

OWN, FILLED, BACK = 255, 20, 60
"""How surely a texel is the picture's own: seen there, filled in beneath something, made up for the back."""

_CLOSING = 0.075  # of the height: how far the trunk goes on beneath arms (ours)
_OVERLAP = 0.035  # of the height: radius of the disc that limbs and trunk share at their joints (ours)
_RIM = 0.004  # of the height: colours this near to the outline are mixed with the background (ours)
_FRINGE = 0.012  # of the height: how far in and out of the outline the cut-out's own alpha is believed (ours)
_SEAM = (
    0.004  # of the height: how far parts reach under each other, so that no line opens between them (ours)
)
_DIMMER = 0.94  # how bright a back is (ours)


@dataclass(frozen=True, eq=False)
class Layer:
    """One part of the body as a sheet.

    Args:
        part: number in `PARTS`.
        bones: joints that move it.
        corner: left and top pixel of its box in the picture.
        mask: what belongs to it, bool [h, w].
        front, back: colours, uint8 [h, w, 3], filled beyond the mask.
        known: of the front, see `OWN`, uint8 [h, w].
        alpha: how much of each pixel is the person; wholly theirs within the outline, uint8 [h, w].
    """

    part: int
    bones: tuple[int, ...]
    corner: tuple[int, int]
    mask: np.ndarray
    front: np.ndarray
    back: np.ndarray
    known: np.ndarray
    alpha: np.ndarray

    @property
    def name(self) -> str:
        return PARTS[self.part]


def layers_of(picture: np.ndarray, alpha: np.ndarray, labels: np.ndarray, body: PictureBody) -> list[Layer]:
    """Trunk, arms and legs, each closed where another covers it.

    Args:
        picture: uint8 [H, W, 3].
        alpha: how much of each pixel is the person, float32 [H, W].
        labels: of `parts_of`, int8 [H, W].
        body: joints.
    """
    tall = body.height
    rim = max(1, round(_RIM * tall))
    inside = cv2.erode((alpha > 0.5).astype(np.uint8), np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)) > 0
    soft = _soft_edge(alpha, labels, tall)
    layers = []
    for part in range(len(PARTS)):
        own = labels == part
        if own.sum() < 20:
            continue
        mask = _closed_trunk(own, labels, body) if part == 0 else _rooted(own, labels, body, part)
        fringe = (labels < 0) & (alpha > 0.03) & _near(own, _FRINGE * tall)
        seam = (labels >= 0) & _near(own, _SEAM * tall)
        shown = own | fringe | _shared(labels, body, part)
        layers.append(_layer(picture, inside, shown, mask | fringe | seam, soft, body, part))
    return layers


def _soft_edge(alpha: np.ndarray, labels: np.ndarray, tall: float) -> np.ndarray:
    """The cut-out's alpha near the outline, 1 deep inside, uint8 [H, W]."""
    within = _near(labels < 0, _FRINGE * tall)
    return np.asarray(np.where(within, np.clip(alpha, 0, 1), 1) * 255 + 0.5, np.uint8)


def _closed(mask: np.ndarray, reach: float) -> np.ndarray:
    """A mask whose gaps narrower than two reaches are closed, bool [H, W]; by distances, as quick for a wide reach."""
    margin = int(reach) + 2
    wide = _near(np.pad(mask, margin), reach)
    inner = cv2.distanceTransform(wide.astype(np.uint8), cv2.DIST_L2, 5) > reach
    return np.asarray(inner[margin:-margin, margin:-margin] | mask)


def _near(mask: np.ndarray, reach: float) -> np.ndarray:
    """What is no further than `reach` pixels from a mask, bool [H, W]."""
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) <= max(reach, 1.5))


def _closed_trunk(own: np.ndarray, labels: np.ndarray, body: PictureBody) -> np.ndarray:
    """The trunk with what arms hide of it, and a disc of each leg's root."""
    tall = body.height
    reach = max(3, round(_CLOSING * tall))
    closed = _closed(own, reach)
    quad = np.zeros(own.shape, np.uint8)
    corners = body.pixels[[16, 17, 2, 1]]
    cv2.fillConvexPoly(quad, cv2.convexHull(np.round(corners).astype(np.int32)), 1)
    arms = (labels == 1) | (labels == 2)
    return own | ((closed | (quad > 0)) & arms) | _shared(labels, body, 0)


def _shared(labels: np.ndarray, body: PictureBody, part: int) -> np.ndarray:
    """Discs at the joints between trunk and limbs, whose pixels, as they are seen, belong to both, bool [H, W]."""
    if part:
        radius = (_OVERLAP if part < 3 else 1.6 * _OVERLAP) * body.height
        return _disc(labels.shape, body.pixels[CHAINS[part][0]], radius) & np.isin(labels, (0, part))
    shared = np.zeros(labels.shape, bool)
    for limb, chain in CHAINS.items():
        radius = (_OVERLAP if limb < 3 else 1.4 * _OVERLAP) * body.height
        shared |= _disc(labels.shape, body.pixels[chain[0]], radius) & (labels == limb)
    return shared


def _rooted(own: np.ndarray, labels: np.ndarray, body: PictureBody, part: int) -> np.ndarray:
    """A limb with a disc of the trunk at its root, and what hands hide of a leg."""
    mask = own | _shared(labels, body, part)
    if part > 2:
        reach = max(3, round(0.6 * _CLOSING * body.height))
        mask |= _closed(own, reach) & ((labels == 1) | (labels == 2))
    return mask


def _layer(
    picture: np.ndarray,
    inside: np.ndarray,
    own: np.ndarray,
    mask: np.ndarray,
    soft: np.ndarray,
    body: PictureBody,
    part: int,
) -> Layer:
    tall = body.height
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    pad = max(4, round(0.02 * tall))
    top, left = max(0, rows[0] - pad), max(0, columns[0] - pad)
    box = (slice(top, rows[-1] + pad + 1), slice(left, columns[-1] + pad + 1))
    known = own[box] & inside[box]
    if not known.any():
        known = own[box]
    front = continued(picture[box], known, max(4, round(0.015 * tall)))
    back = _back(front, mask[box], body, part, (left, top))
    bones = (*TRUNK, 1, 2) if part == 0 else CHAINS[part]
    sureness = np.where(own[box], OWN, FILLED).astype(np.uint8)
    return Layer(
        part, tuple(dict.fromkeys(bones)), (int(left), int(top)), mask[box], front, back, sureness, soft[box]
    )


def _back(
    front: np.ndarray, mask: np.ndarray, body: PictureBody, part: int, corner: tuple[int, int]
) -> np.ndarray:
    """What the back looks like: the same outline and cloth without face, buttons and prints."""
    back = cv2.bilateralFilter(front, 7, 40, 5)
    if part == 0:
        known = mask.copy()
        inner = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
        neck = round(float(body.pixels[12, 1] - corner[1]))
        widest = max(float(inner[max(neck, 0) :].max(initial=0.0)), 1.0)
        known[max(neck, 0) :] &= inner[max(neck, 0) :] < 0.55 * widest
        known[: max(neck, 0)] = False
        crown = np.flatnonzero(mask.any(1))
        if neck > 0 and crown.size and crown[0] < neck:
            hair = crown[0] + max(2, round(0.16 * (neck - crown[0])))
            rim = inner < max(2.0, 0.12 * (neck - crown[0]))
            known[crown[0] : hair] = mask[crown[0] : hair]
            known[hair:neck] |= (mask & rim)[hair:neck] & (np.arange(hair, neck)[:, None] < (hair + neck) / 2)
        back = continued(back, known, max(4, round(0.1 * body.height)))
        back = cv2.GaussianBlur(back, (0, 0), max(0.6, 0.003 * body.height))
    return np.clip(back * _DIMMER, 0, 255).astype(np.uint8)


def _disc(shape: tuple[int, ...], centre: np.ndarray, radius: float) -> np.ndarray:
    canvas = np.zeros(shape[:2], np.uint8)
    cv2.circle(canvas, tuple(np.round(centre).astype(int).tolist()), max(1, round(radius)), 1, -1)
    return canvas > 0
