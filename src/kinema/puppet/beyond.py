"""What a picture does not show of a person: the canvas goes on below it, limbs are borrowed from the other side."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from kinema.puppet.body import PictureBody
from kinema.puppet.layers import FILLED, Layer
from kinema.scene.skeleton import SMPL24

_BELOW = 0.35  # of the picture's height: how far the canvas goes on (the trial's)
_CUT = 0.02  # of the person's height: width of the cut at the lower edge from which the picture cuts them off (ours)
_UNSEEN, _UNSEEN_ASIDE = (
    0.3,
    0.5,
)  # confidence below which a limb is borrowed; of a body seen from the side (ours)
_SIDES = {1: 2, 2: 1, 3: 4, 4: 3}


def continued_below(
    picture: np.ndarray, alpha: np.ndarray, body: PictureBody
) -> tuple[np.ndarray, np.ndarray]:
    """Picture and outline with room below, where the picture cuts the person off: colours mirrored, outline held.

    Args:
        picture: uint8 [H, W, 3].
        alpha: how much of each pixel is the person, float32 [H, W].
        body: joints.

    Returns:
        uint8 [H', W, 3] and float32 [H', W], H' = H where nothing is cut off.
    """
    height = picture.shape[0]
    edge = alpha[max(0, height - 3) :].max(axis=0)
    ankles = [7, 8]
    stands = bool(((body.confidence[ankles] >= _UNSEEN) & (body.pixels[ankles, 1] < height)).all())
    if stands or (edge > 0.5).sum() < _CUT * body.height:  # soles on the lower edge are no cut
        return picture, alpha
    more = min(round(_BELOW * height), height - 1)
    wide = cv2.copyMakeBorder(picture, 0, more, 0, 0, cv2.BORDER_REFLECT_101)
    held = cv2.copyMakeBorder(alpha, 0, more, 0, 0, cv2.BORDER_CONSTANT, value=0)
    held[max(0, height - 3) :] = np.maximum(held[max(0, height - 3) :], edge)
    return wide, held


def borrowed(layers: list[Layer], body: PictureBody) -> list[Layer]:
    """The layers with limbs that nobody sees like those of the other side, where that one is seen.

    Args:
        layers: of the person.
        body: joints, of whom the unseen ones lie as those of the other side do (`mirrored_limbs`).
    """
    least = _UNSEEN if abs(np.cos(body.yaw)) > 0.5 else _UNSEEN_ASIDE
    there = {layer.part: layer for layer in layers}
    for part, other in _SIDES.items():
        seen = there.get(other)
        if seen is None or _confidence(body, part, seen) >= least or _confidence(body, other, seen) < least:
            continue
        bones = tuple(SMPL24.mirror_index[list(seen.bones)].tolist())
        shift = np.round(body.pixels[bones[0]] - body.pixels[seen.bones[0]]).astype(int)
        corner = int(seen.corner[0] + shift[0]), int(seen.corner[1] + shift[1])
        known = np.minimum(seen.known, FILLED)
        there[part] = replace(seen, part=part, bones=bones, corner=corner, known=known)
    return [there[part] for part in sorted(there)]


def _confidence(body: PictureBody, part: int, like: Layer) -> float:
    """Of a limb's middle joints: the best of elbow and wrist, or knee and ankle."""
    bones = np.array(like.bones)
    if part != like.part:
        bones = SMPL24.mirror_index[bones]
    return float(body.confidence[bones[1:3]].max())
