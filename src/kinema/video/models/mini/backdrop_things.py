"""Things that stand in a picture's room: what floor and distance do not explain, as cards that face the camera (ours).

Cards are how Hoiem, Efros and Hebert's automatic photo pop-up (SIGGRAPH 2005) stands up what is upright: at the depth
of the place where it meets the floor.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kinema.scene.camera import NEAR, CameraPath

_DIFFERENT = 20.0  # grey levels from the empty room
_SHADE = 0.12  # by how much a shadow's channels may be darkened differently
_DARK = 0.75  # of the floor's brighter parts
_SMALLEST = 12  # pixels
_RIM = 2  # pixels by which clothes stick out
_PLAIN = 0.3  # share of the picture that may differ for the room to be called plain
_LARGEST = 4.0  # how much larger than in the picture a thing is drawn at most


@dataclass(frozen=True)
class Thing:
    """One thing.

    Args:
        box: left, top, right, bottom in the picture, whole pixels.
        mask: which pixels of the box show it, 0 to 1, float32.
        foot: x, y in the picture of the middle of where it stands, pixels.
    """

    box: tuple[int, int, int, int]
    mask: np.ndarray
    foot: tuple[float, float]


def find_things(
    picture: np.ndarray, empty: np.ndarray, people: np.ndarray, reach: np.ndarray, floor: np.ndarray
) -> tuple[tuple[Thing, ...], np.ndarray] | None:
    """Things in a picture, and the pixels that do not show the room: things, people, and what hangs on people (limbs,
    clothes, shadows). What touches people is theirs, but for parts out of their reach that stand on the floor.

    Args:
        picture: colours 0 to 255, float32 [H, W, 3].
        empty: the room without anything, uint8 [H, W, 3].
        people: roughly where people are, bool [H, W].
        reach: where parts of them may be, hanging arms as well, bool [H, W].
        floor: pixels below which there is floor, bool [H, W].

    Returns:
        things and pixels, bool [H, W]; None where the room is not plain enough to tell.
    """
    room = empty.astype(np.float32)
    different = np.abs(picture - room).max(2) > _DIFFERENT
    if people.all() or different[~people].mean() > _PLAIN:
        return None
    ratio = (picture + 1) / (room + 1)
    shade = floor & (ratio.max(2) < 0.97) & (ratio.max(2) - ratio.min(2) < _SHADE)
    square = np.ones((3, 3), np.uint8)
    hidden = people.copy()
    near = cv2.dilate(people.astype(np.uint8), square) > 0
    things = []
    for kind in (different & ~shade, different & shade):
        solid = cv2.morphologyEx(kind.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
        count, labels = cv2.connectedComponents(solid, connectivity=8)
        for label in range(1, count):
            here = (labels == label) & kind
            if (here & near).any():
                hidden |= cv2.dilate(here.astype(np.uint8), square) > 0
                parts = _beyond(here, reach)
            else:
                parts = [here] if here.sum() >= _SMALLEST else []
            for part in parts:
                rows, columns = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
                box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
                if not shade[part].any() and floor[rows[-1], part[rows[-1]]].any():
                    hidden |= cv2.dilate(part.astype(np.uint8), square) > 0
                    mask = part[box[1] : box[3], box[0] : box[2]].astype(np.float32)
                    things.append(Thing(box, mask, ((box[0] + box[2]) / 2, float(box[3]))))
    return tuple(things), hidden


def _beyond(here: np.ndarray, reach: np.ndarray) -> list[np.ndarray]:
    """The parts of something, bool [H, W], that lie out of reach, but for slivers along its edge."""
    rim = np.ones((2 * _RIM + 1, 2 * _RIM + 1), np.uint8)
    far = here & (cv2.dilate(reach.astype(np.uint8), rim) == 0)
    count, labels = cv2.connectedComponents(far.astype(np.uint8), connectivity=8)
    cores = [labels == label for label in range(1, count)]
    return [
        here & ~reach & (cv2.dilate(core.astype(np.uint8), rim) > 0)
        for core in cores
        if core.sum() >= 2 * _SMALLEST
    ]


def shadows(picture: np.ndarray, people: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Shadows that people cast on the floor, bool [H, W]: wide, dark, and beginning at them.

    Args:
        picture: colours, [H, W, 3].
        people: roughly where people are, bool [H, W].
        floor: pixels below which there is floor, bool [H, W].
    """
    square = np.ones((3, 3), np.uint8)
    grey, free = picture.mean(2), floor & ~people
    dark = free & (grey < _DARK * np.percentile(grey[free], 75)) if free.any() else free
    wide = cv2.morphologyEx(dark.astype(np.uint8), cv2.MORPH_OPEN, square)
    _, labels = cv2.connectedComponents(wide, connectivity=8)
    touching = np.unique(labels[cv2.dilate(people.astype(np.uint8), square, iterations=2) > 0])
    cast = np.isin(labels, touching[touching > 0])
    return cv2.dilate(cast.astype(np.uint8), square) > 0


def draw_things(
    plate: np.ndarray,
    things: tuple[Thing, ...],
    picture: np.ndarray,
    pose: np.ndarray,
    lens: np.ndarray,
    camera: CameraPath,
) -> None:
    """Draws things into a plate, uint8 [T, H, W, 4], the farthest first; `seen` becomes 255 where they are."""
    frames, height, width, _ = plate.shape
    for t in range(frames):
        placed = [
            (_placed(thing, pose, lens, camera.c2w[t], camera.intrinsics[t]), thing) for thing in things
        ]
        visible = [(place, thing) for place, thing in placed if place is not None]
        for ((u, v), scale, _), thing in sorted(visible, key=lambda each: -each[0][2]):
            left, top, right, bottom = thing.box
            card = np.dstack([picture[top:bottom, left:right] * thing.mask[..., None], thing.mask])
            shift = np.array([u + (left - thing.foot[0]) * scale, v + (top - thing.foot[1]) * scale])
            to_plate = np.array(
                [[scale, 0, shift[0] + scale / 2 - 0.5], [0, scale, shift[1] + scale / 2 - 0.5]]
            )
            drawn = cv2.warpAffine(card, to_plate, (width, height), flags=cv2.INTER_LINEAR)
            alpha = drawn[..., 3:]
            plate[t, ..., :3] = np.round(plate[t, ..., :3] * (1 - alpha) + drawn[..., :3]).clip(0, 255)
            plate[t, ..., 3][alpha[..., 0] > 0.5] = 255


def _placed(
    thing: Thing, pose: np.ndarray, lens: np.ndarray, c2w: np.ndarray, seen_through: np.ndarray
) -> tuple[np.ndarray, float, float] | None:
    """Where a camera sees a thing's foot (pixels), how much larger than the picture, at which depth; None: nowhere."""
    x, y = (thing.foot[0] - lens[2]) / lens[0], (thing.foot[1] - lens[3]) / lens[1]
    ray = pose[:3, :3] @ np.array([x, y, 1.0])
    if ray[1] > -1e-6:
        return None
    before = -pose[1, 3] / ray[1]
    at = c2w[:3, :3].T @ (pose[:3, 3] + before * ray - c2w[:3, 3])
    if at[2] < NEAR:
        return None
    scale = before / at[2] * seen_through[0] / lens[0]
    if scale > _LARGEST:
        return None
    return at[:2] / at[2] * seen_through[:2] + seen_through[2:], scale, float(at[2])
