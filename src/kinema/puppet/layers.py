"""The person as layers that overlap at the joints, each with a front and a back of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.ndimage import binary_fill_holes

from kinema.puppet.body import CHAINS, TRUNK, PictureBody
from kinema.puppet.inpaint import continued
from kinema.puppet.parts import PARTS
from kinema.puppet.under import arms_regained, cloth_under, covered_by_arms

OWN, FILLED, BACK = 255, 20, 60
"""How surely a texel is the picture's own: seen there, filled in beneath something, made up for the back."""

_CLOSING = 0.075  # of the height: how far the trunk goes on beneath arms (ours)
# Joint and radius (of the height) of the disc that a limb shares with the trunk, by the limb's part (ours).
_SHARED = {1: (16, 0.035), 2: (17, 0.035), 3: (1, 0.052), 4: (2, 0.052)}
_HARD = 0.002  # share of half covered pixels below which a mask is a drawing's, whose rim is its line (ours)
_RIM = 0.004  # of the height: colours this near to the outline are mixed with the background (ours)
_FRINGE = 0.012  # of the height: how far in and out of the outline the cut-out's own alpha is believed (ours)
_SEAM = (
    0.004  # of the height: how far parts reach under each other, so that no line opens between them (ours)
)
_DIMMER = 0.94  # how bright a back is (ours)
_FROM_BEHIND = np.radians(120.0)  # a picture that shows the back already has no face to hide (ours)
_NO_SKIN = 22.0  # distance in Lab from the face's colour from which on the crown is hair or a hat (ours)
_FACE = (
    0.42  # of the way from the head's joint to the neck's: radius of what is face whatever its colour (ours)
)
_OUTER, _FOLD, _MEETING = (
    0.24,
    0.7,
    0.16,
)  # of a row: what of either side is the back's, how fast it is mirrored inwards, how softly both meet (ours)


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
    labels = arms_regained(picture, labels, body)
    hard = ((alpha > 0.02) & (alpha < 0.98)).sum() < _HARD * (alpha > 0.5).sum()
    rim = 1 if hard else max(1, round(_RIM * tall))
    inside = cv2.erode((alpha > 0.5).astype(np.uint8), np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)) > 0
    soft = _soft_edge(alpha, labels, tall)
    covered = covered_by_arms(labels, body) & ~_discs(labels, body, 0)
    layers = []
    for part in range(len(PARTS)):
        own = labels == part
        if own.sum() < 20:
            continue
        mask = _closed_trunk(own, labels, body) if part == 0 else _rooted(own, labels, body, part)
        fringe = (labels < 0) & (alpha > 0.03) & _near(own, _FRINGE * tall)
        seam = (labels >= 0) & _near(own, _SEAM * tall)
        shown = own | fringe | (_discs(labels, body, part) & mask)
        layers.append(_layer(picture, inside, shown, own, mask | fringe | seam, soft, body, part, covered))
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


def _discs(labels: np.ndarray, body: PictureBody, part: int) -> np.ndarray:
    """What the picture shows of other parts where they share a joint with this one, bool [H, W]."""
    found = np.zeros(labels.shape, bool)
    for limb, (joint, radius) in _SHARED.items():
        if part in (0, limb):
            other = labels == (limb if part == 0 else 0)
            found |= _disc(labels.shape, body.pixels[joint], radius * body.height) & other
    return found


def _closed_trunk(own: np.ndarray, labels: np.ndarray, body: PictureBody) -> np.ndarray:
    """The trunk with what arms hide of it, and a disc of each leg's root."""
    tall = body.height
    reach = max(3, round(_CLOSING * tall))
    closed = _closed(own, reach)
    quad = np.zeros(own.shape, np.uint8)
    corners = body.pixels[[16, 17, 2, 1]]
    cv2.fillConvexPoly(quad, cv2.convexHull(np.round(corners).astype(np.int32)), 1)
    arms = (labels == 1) | (labels == 2)
    mask = own | ((closed | (quad > 0)) & arms)
    mask |= _discs(labels, body, 0)
    return mask | (binary_fill_holes(mask) & (labels >= 0))


def _rooted(own: np.ndarray, labels: np.ndarray, body: PictureBody, part: int) -> np.ndarray:
    """A limb with a disc of the trunk at its root, and what hands hide of a leg."""
    mask = own | _discs(labels, body, part)
    if part > 2:
        reach = max(3, round(0.6 * _CLOSING * body.height))
        mask |= _closed(own, reach) & ((labels == 1) | (labels == 2))
    return mask


def _layer(
    picture: np.ndarray,
    inside: np.ndarray,
    shown: np.ndarray,
    own: np.ndarray,
    mask: np.ndarray,
    soft: np.ndarray,
    body: PictureBody,
    part: int,
    covered: np.ndarray,
) -> Layer:
    """Cut from the picture: where it is shown, what of it is its own, what is to be filled; all bool [H, W]."""
    tall = body.height
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    pad = max(4, round(0.02 * tall))
    top, left = max(0, rows[0] - pad), max(0, columns[0] - pad)
    box = (slice(top, rows[-1] + pad + 1), slice(left, columns[-1] + pad + 1))
    known = shown[box] & inside[box]
    if part == 0:
        known &= ~covered[box]
    if not known.any():
        known = shown[box]
    front = continued(picture[box], known, max(4, round(0.015 * tall)))
    if part == 0:
        local = replace(body, pixels=body.pixels - (left, top))
        front = cloth_under(front, known, mask[box] & covered[box], local)
    back = _back(front, mask[box], own[box] & inside[box], body, part, (left, top))
    bones = (*TRUNK, 1, 2) if part == 0 else CHAINS[part]
    sureness = np.where(shown[box], OWN, FILLED).astype(np.uint8)
    return Layer(
        part, tuple(dict.fromkeys(bones)), (int(left), int(top)), mask[box], front, back, sureness, soft[box]
    )


def _back(
    front: np.ndarray,
    mask: np.ndarray,
    own: np.ndarray,
    body: PictureBody,
    part: int,
    corner: tuple[int, int],
) -> np.ndarray:
    """What the back looks like: the same outline and cloth without face, buttons and prints."""
    back = cv2.bilateralFilter(front, 7, 40, 5)
    if part == 0 and abs(body.yaw) < _FROM_BEHIND:
        local = body.pixels - corner
        neck = int(np.clip(round(float(local[12, 1])), 0, len(mask)))
        upright = local[15, 1] < local[12, 1]
        if upright:
            back = _hair(back, mask, local, body.height)
        back[neck:] = _cloth(back[neck:], own[neck:], body.height)
    return np.clip(back * _DIMMER, 0, 255).astype(np.uint8)


def _hair(back: np.ndarray, mask: np.ndarray, local: np.ndarray, tall: float) -> np.ndarray:
    """The head from behind: what is of the crown's colour there goes on over the face; else what lies along its outline.

    Args:
        back: uint8 [h, w, 3].
        mask: of the trunk, bool [h, w].
        local: joints in this box, [24, 2].
        tall: of the person, pixels.
    """
    head, neck = local[15], local[12]
    long = max(float(neck[1] - head[1]), 1.0)
    chin = int(np.clip(round(head[1] + 0.55 * long), 1, len(mask)))
    rows = np.flatnonzero(mask[:chin].any(axis=1))
    if not rows.size:
        return back
    area = mask.copy()
    area[chin:] = False
    lab = cv2.cvtColor(back.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    face = area & _disc(mask.shape, head, 0.2 * long)
    if not face.any():
        return back
    skin = np.median(lab[face], axis=0)
    at = np.arange(len(mask))[:, None] + np.zeros(mask.shape, int)
    crown = area & (at < rows[0] + max(2, round(0.16 * (chin - rows[0]))))
    tone = np.median(lab[crown], axis=0)
    known = crown
    if (
        np.linalg.norm(tone - skin) > _NO_SKIN
    ):  # neither bald nor a helmet: what is of the crown's colour is hair
        from_hair, from_skin = (np.linalg.norm(lab - colour, axis=2) for colour in (tone, skin))
        known = crown | (area & (from_hair < 0.6 * from_skin) & ~_disc(mask.shape, head, _FACE * long))
    filled = continued(back, known, max(3, round(0.03 * tall)))
    filled = cv2.GaussianBlur(filled, (0, 0), max(0.6, 0.003 * tall))
    made = np.where(known[..., None], back, filled)
    fade = np.clip((chin - np.arange(len(mask))) / max(0.2 * long, 1.0), 0, 1)[:, None, None]
    return (fade * made + (1 - fade) * back).astype(np.uint8)


def _cloth(back: np.ndarray, own: np.ndarray, tall: float) -> np.ndarray:
    """The trunk from behind: each row's outer parts mirrored to its middle, so that cloth and belts go on unbroken.

    Args:
        back: uint8 [h, w, 3].
        own: what the picture shows of the trunk itself, without arms, bool [h, w].
        tall: of the person, pixels.
    """
    height, width = own.shape
    rows = np.flatnonzero(own.any(axis=1))
    if not rows.size:
        return back
    left = np.argmax(own, axis=1).astype(np.float32)
    right = (width - 1 - np.argmax(own[:, ::-1], axis=1)).astype(np.float32)
    for edge in (left, right):
        edge[:] = np.interp(np.arange(height), rows, edge[rows])
        edge[:] = cv2.GaussianBlur(edge[:, None], (0, 0), max(1.0, 0.006 * tall))[:, 0]
    columns, levels = (each.astype(np.float32) for each in np.meshgrid(np.arange(width), np.arange(height)))
    span = np.maximum(right - left, 1.0)[:, None]
    share = (columns - left[:, None]) / span
    side = np.clip(np.minimum(share, 1 - share), 0, 0.5)
    fold = np.where(side < _OUTER, side, _OUTER - _FOLD * (side - _OUTER))
    halves = []
    for mirrored in (fold, 1 - fold):
        at = left[:, None] + mirrored * span
        halves.append(
            cv2.remap(
                back, at.astype(np.float32), levels, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            ).astype(np.float32)
        )
    mix = np.clip((share - 0.5) / _MEETING + 0.5, 0, 1)[..., None]
    made = (1 - mix) * halves[0] + mix * halves[1]
    inside = ((share > _OUTER) & (share < 1 - _OUTER))[..., None]
    return np.where(inside, made, back).astype(np.uint8)


def _disc(shape: tuple[int, ...], centre: np.ndarray, radius: float) -> np.ndarray:
    canvas = np.zeros(shape[:2], np.uint8)
    cv2.circle(canvas, tuple(np.round(centre).astype(int).tolist()), max(1, round(radius)), 1, -1)
    return canvas > 0
