"""Which part of the body owns which pixel: trunk with head, two arms, two legs."""

from __future__ import annotations

import cv2
import numpy as np

from kinema.puppet.body import PictureBody, hands_at
from kinema.puppet.find import Found
from kinema.puppet.grabcut import grab_cut
from kinema.puppet.heads import hair_of, head_zone
from kinema.puppet.limbs import Limb, distance_to, limbs_of, tapered, with_hand
from kinema.puppet.skirts import UNSEEN_HEM, above_hem, skirt_of

CLOTHES = ("auto", "skirt", "trousers")
PARTS = ("trunk", "left arm", "right arm", "left leg", "right leg")

_SIDE = 640  # pixels of the longer side at which parts are told apart (ours)
_CORE, _REACH = 0.42, 1.6  # in radii: what is surely the limb, and as far as it may go (ours)
_BESIDE = 1.2  # in radii: as far as an arm goes over a head where its hand is seen (ours)
_FAR = 2.2  # radii from an arm's bones from which on a pixel may be something else (ours)
_ROUND_HAND = 0.15  # in palms: what round the points of a hand may be the hand's (ours)
_RIND = 0.07  # in palms: how much wider than its points a hand is, so that none of its rim stays on what it covers (ours)
_HAIRY, _HAIRY_LEG = (
    0.4,
    0.1,
)  # of a limb's core: more hair than this is no hair but cloth of its colour (ours)
_HELD = 0.5  # of an arm's core that must be the arm's in the end; else it is a shred (ours)
# Half width and half depth of a human trunk at pelvis and spine, of the height, a little within the stage's body's.
_TRUNK_HALF = ((0.08, 0.07, 0.07, 0.085), (0.055, 0.048, 0.05, 0.05))
_CRUMB = 0.012  # of the person: pieces of the trunk that are smaller are none (ours)


def parts_of(
    picture: np.ndarray,
    alpha: np.ndarray,
    body: PictureBody,
    clothes: str = "auto",
    found: Found | None = None,
    drawn: bool = False,
) -> np.ndarray:
    """The part that owns each pixel, numbered as in `PARTS`, int8 [H, W]; -1 outside the person.

    An arm that nobody sees, or of which only shreds are found, stays with the trunk.

    Args:
        picture: uint8 [H, W, 3].
        alpha: how much of each pixel is the person, float32 [H, W].
        body: joints.
        clothes: "skirt" makes what is between the legs the trunk's, "trousers" the legs'; "auto" looks.
        found: the person as the networks see them, for hands and face.
        drawn: a drawing, whose strokes bound what they belong to and are no borders between parts.

    Raises:
        ValueError: other clothes.
    """
    if clothes not in CLOTHES:
        raise ValueError(f"clothes={clothes!r}; give one of {', '.join(CLOTHES)}")
    height, width = alpha.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) > 0.5
    joints, tall = body.pixels * scale, body.height * scale
    limbs = limbs_of(mask, joints, tall, _girth(mask.shape, joints, tall, body.yaw))
    face = None if found is None or found.face is None else found.face * scale
    for part, hand in zip((1, 2), hands_at(body, found), strict=True):
        if not (drawn or body.arm_free(part, mask, scale)):
            del limbs[part]
        elif hand is not None:
            limbs[part] = with_hand(limbs[part], hand * scale)
        elif not body.arm_seen(part):
            del limbs[part]
    if not body.legs_seen:
        del limbs[3], limbs[4]
    head, hair = _head(small, mask, joints, tall, limbs, face, drawn)
    paint = np.full_like(small, 255) if drawn else small
    labels = _watershed(paint, mask, body, scale, limbs, head | hair)
    arms = [limbs[part] for part in (1, 2) if part in limbs]
    for arm in [] if drawn else arms:
        labels = _arm(small, mask, labels, arm, head | hair)
    for arm in arms:
        labels = _near_arm(labels, arm)
    for arm in arms:
        labels[arm.hand_shape(mask.shape, _RIND) & mask] = arm.part
    for arm in [] if drawn else arms:
        if not _is_held(labels, mask, arm):
            labels[labels == arm.part] = 0
            del limbs[arm.part]
    labels = _legs(small, mask, labels, joints, limbs, clothes, hair)
    labels = np.where(mask, labels, -1).astype(np.int8)
    middle = _girth(mask.shape, joints, tall, body.yaw) | head
    labels = _whole(labels, mask, limbs, middle)
    return cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)


def _head(
    small: np.ndarray,
    mask: np.ndarray,
    joints: np.ndarray,
    tall: float,
    limbs: dict[int, Limb],
    face: np.ndarray | None,
    drawn: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """What is surely the head's, and hair elsewhere, bool [H, W] each; a drawing's hair is ink like all the rest."""
    arms = [limbs[part] for part in (1, 2) if part in limbs]
    reach, hands = np.zeros(mask.shape, bool), np.zeros(mask.shape, bool)
    for arm in arms:
        reach |= arm.within(mask.shape, _REACH if arm.hand is None else _BESIDE, _ROUND_HAND)
        hands |= arm.hand_shape(mask.shape, _ROUND_HAND)
    head = head_zone(mask, joints, tall, face, reach)
    if drawn:
        return head, np.zeros(mask.shape, bool)
    hair = hair_of(small, mask, head, joints, face) & ~hands
    for limb in limbs.values():
        core = limb.within(mask.shape, _CORE) & mask
        if (core & hair).sum() > (_HAIRY if limb.part < 3 else _HAIRY_LEG) * core.sum():
            hair &= ~limb.within(mask.shape, _REACH)
    return head, hair


def _trunk_core(shape: tuple[int, int], joints: np.ndarray, tall: float) -> np.ndarray:
    canvas = np.zeros(shape, np.uint8)
    middle = joints[[16, 17, 2, 1]].mean(0)
    corners = middle + 0.72 * (joints[[16, 17, 2, 1]] - middle)
    cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(corners).astype(np.int32)), 1)
    spine = joints[[0, 3, 6, 9, 12, 15]]
    canvas |= tapered(shape, spine, np.full(len(spine), 0.02 * tall))
    head = joints[15] + 0.35 * (joints[15] - joints[12])
    cv2.circle(canvas, tuple(np.round(head).astype(int).tolist()), max(1, round(0.035 * tall)), 1, -1)
    return canvas


def _girth(shape: tuple[int, int], joints: np.ndarray, tall: float, yaw: float) -> np.ndarray:
    """What a human trunk covers, seen from where the person is seen, bool [H, W]."""
    wide, deep = np.array(_TRUNK_HALF)
    half = np.hypot(wide * np.cos(yaw), deep * np.sin(yaw)) * tall
    return tapered(shape, joints[[0, 3, 6, 9]], half) > 0


def _watershed(
    small: np.ndarray,
    mask: np.ndarray,
    body: PictureBody,
    scale: float,
    limbs: dict[int, Limb],
    head: np.ndarray,
) -> np.ndarray:
    """Every pixel of the person to the part whose core it is reached from first."""
    joints, tall = body.pixels * scale, body.height * scale
    markers = np.zeros(mask.shape, np.int32)
    arms = np.zeros(mask.shape, bool)
    for part in {1, 2} & set(limbs):
        arms |= limbs[part].within(mask.shape, _REACH, _ROUND_HAND)
    markers[_girth(mask.shape, joints, tall, body.yaw) & ~arms] = 1
    markers[_trunk_core(mask.shape, joints, tall) > 0] = 1
    for part in (3, 4, 1, 2):
        if part in limbs:
            limb = limbs[part]
            points = limb.points.copy()
            points[0] += 0.35 * (points[1] - points[0])
            markers[tapered(mask.shape, points, _CORE * limb.radii) > 0] = part + 1
    markers[head] = 1
    for part in {1, 2} & set(limbs):
        markers[limbs[part].hand_shape(mask.shape)] = part + 1
    markers[~mask] = 0
    ring = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    markers[ring] = len(PARTS) + 1
    painted = np.where(mask[..., None], small, np.uint8(0))
    flooded = cv2.watershed(np.ascontiguousarray(painted), markers.copy())
    labels = np.where((flooded >= 1) & (flooded <= len(PARTS)), flooded - 1, -1)
    return _nearest(labels, mask)


def _arm(small: np.ndarray, mask: np.ndarray, labels: np.ndarray, arm: Limb, head: np.ndarray) -> np.ndarray:
    """An arm cut from what lies round its bones, by colour (GrabCut)."""
    reach = arm.within(mask.shape, _REACH, _ROUND_HAND)
    hand = arm.hand_shape(mask.shape)
    core = (arm.within(mask.shape, _CORE) & ~head | hand) & mask
    if core.sum() < 12:
        return labels
    rows, columns = np.flatnonzero(reach.any(1)), np.flatnonzero(reach.any(0))
    pad = round(arm.radius) + 2
    box = (
        slice(max(0, rows[0] - pad), rows[-1] + pad + 1),
        slice(max(0, columns[0] - pad), columns[-1] + pad + 1),
    )
    guess = np.full(mask[box].shape, cv2.GC_BGD, np.uint8)
    near = arm.within(mask.shape, 1.05) & mask
    guess[(reach & mask)[box]] = cv2.GC_PR_BGD
    guess[near[box]] = cv2.GC_PR_FGD
    guess[(head & ~hand)[box]] = cv2.GC_BGD
    guess[core[box]] = cv2.GC_FGD
    crop = small[box].copy()
    crop[~mask[box]] = (255, 0, 255)
    if not ((guess == cv2.GC_BGD) | (guess == cv2.GC_PR_BGD)).any():
        return labels
    grab_cut(crop, guess, 2)
    own = np.zeros_like(mask)
    own[box] = (guess == cv2.GC_FGD) | (guess == cv2.GC_PR_FGD)
    labels = labels.copy()
    labels[(labels == arm.part) & reach & ~own] = 0
    labels[own & mask & ((labels == 0) | (labels == arm.part) | (labels > 2))] = arm.part
    return labels


def _near_arm(labels: np.ndarray, arm: Limb) -> np.ndarray:
    """An arm without what lies far from its bones and touches other parts more than the arm: skirts, hair, coats."""
    own = labels == arm.part
    far = own & ~arm.within(labels.shape, _FAR, 0.5)
    count, found = cv2.connectedComponents(far.astype(np.uint8))
    if count < 2:
        return labels
    labels = labels.copy()
    kernel = np.ones((3, 3), np.uint8)
    for number in range(1, count):
        piece = found == number
        ring = (cv2.dilate(piece.astype(np.uint8), kernel) > 0) & ~piece
        if (ring & (labels >= 0) & ~own).sum() > (ring & own).sum():
            labels[piece] = 0
    return labels


def _is_held(labels: np.ndarray, mask: np.ndarray, arm: Limb) -> bool:
    """Whether most of what should surely be an arm's is within the person, and the arm's."""
    core = tapered(mask.shape, arm.points[:3], _CORE * arm.radii[:3]) > 0
    return bool((core & (labels == arm.part)).sum() >= _HELD * core.sum())


def _legs(
    small: np.ndarray,
    mask: np.ndarray,
    labels: np.ndarray,
    joints: np.ndarray,
    limbs: dict[int, Limb],
    clothes: str,
    hair: np.ndarray,
) -> np.ndarray:
    """What lies below the hips belongs to the nearer leg, or to a skirt."""
    if not {3, 4} <= set(limbs):
        return np.where(labels > 2, 0, labels)
    leg = (limbs[3].radius + limbs[4].radius) / 2
    rows = np.arange(len(mask))[:, None] + np.zeros(mask.shape, int)
    hips = joints[[1, 2]].mean(0)
    crotch = hips[1] + 0.6 * leg
    low = (rows > crotch) & ((labels == 0) | (labels > 2)) & ~hair
    toward = [distance_to(mask.shape, limbs[part].points) for part in (3, 4)]
    labels = np.where(low, np.where(toward[0] <= toward[1], 3, 4), labels)
    hem = 0.0 if clothes == "trousers" else skirt_of(mask, joints, leg, (labels == 1) | (labels == 2))
    if clothes == "skirt":
        hem = hem or UNSEEN_HEM
    if hem:
        cores = np.zeros(mask.shape, bool)
        for part in (3, 4):
            cores |= limbs[part].within(mask.shape, _CORE)
        labels = np.where(above_hem(small, labels, joints, cores, hem) & (labels > 2), 0, labels)
    return labels


def _whole(labels: np.ndarray, mask: np.ndarray, limbs: dict[int, Limb], middle: np.ndarray) -> np.ndarray:
    """Each limb in one piece, the trunk without crumbs; loose pieces go to the part that is nearest."""
    labels = labels.copy()
    least = _CRUMB * int(mask.sum())
    for part in range(len(PARTS)):
        own = (labels == part).astype(np.uint8)
        count, found, stats, _ = cv2.connectedComponentsWithStats(own)
        if count <= 2:
            continue
        areas = stats[1:, cv2.CC_STAT_AREA]
        kept = {1 + int(np.argmax(areas))} | (
            set() if part else set((1 + np.flatnonzero(areas > least)).tolist())
        )
        if part:
            line = limbs[part].within(labels.shape, 0.5)
            kept = set(np.unique(found[line & (own > 0)]).tolist()) - {0} or kept
        else:
            kept = {
                number
                for number in kept
                if middle[found == number].any() or _between(labels, found == number)
            }
        labels[(own > 0) & ~np.isin(found, list(kept))] = -1
    return _nearest(labels, mask)


def _between(labels: np.ndarray, piece: np.ndarray) -> bool:
    """Whether a piece lies between several parts; one within a single arm is a hole of the arm's."""
    ring = (cv2.dilate(piece.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~piece
    return len(np.setdiff1d(labels[ring], [-1, 0])) > 1


def _nearest(labels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Pixels of the person without a part take the nearest one's."""
    empty = (labels < 0).astype(np.uint8)
    _, index = cv2.distanceTransformWithLabels(empty, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    values = np.zeros(int(index.max()) + 1, labels.dtype)
    known = labels >= 0
    values[index[known]] = labels[known]
    return np.where(mask & ~known, values[index], labels)
