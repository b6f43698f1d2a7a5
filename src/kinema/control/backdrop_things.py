"""Things that stand in a picture's room: what floor and distance do not explain, as cards that face the camera (ours).

Cards are how Hoiem, Efros and Hebert's automatic photo pop-up (SIGGRAPH 2005) stands up what is upright: at the depth
of the place where it meets the floor. What people hide of a thing is made up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from scipy.spatial import cKDTree

from kinema.control.upright_people import UprightPeople
from kinema.scene.camera import NEAR, CameraPath

_DIFFERENT = 20.0  # grey levels from the empty room
_SHADE = 0.12  # by how much a shadow's channels may be darkened differently
_DARK = 0.75  # of the floor's brighter parts
_SMALLEST = 12  # pixels, or squares of `_SQUARE`
_SQUARE = np.ones((2, 2), np.uint8)
_ALIKE = 24.0  # grey levels between pixels of the same clothes,
_NEAR = 3  # rows, of clothes that a thing on one side of them is told from
_RIM = 2  # pixels by which clothes stick out
_PLAIN = 0.3  # share of the picture that may differ for the room to be called plain
_LARGEST = 4.0  # how much larger than in the picture a thing is drawn at most


@dataclass(frozen=True)
class Thing:
    """One thing.

    Args:
        box: left, top, right, bottom in the picture, whole pixels.
        colours: in the box, 0 to 255, float32 [h, w, 3].
        mask: which pixels of the box show it, 0 to 1, float32 [h, w].
        seen: the same without what is made up, float32 [h, w].
        foot: x, y in the picture of the middle of where it stands, pixels.
    """

    box: tuple[int, int, int, int]
    colours: np.ndarray
    mask: np.ndarray
    seen: np.ndarray
    foot: tuple[float, float]

    @classmethod
    def cut(cls, picture: np.ndarray, mask: np.ndarray, seen: np.ndarray) -> Self:
        """Out of a picture [H, W, 3], whose pixels `mask` show it; both masks are bool [H, W]."""
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
        box = slice(top, bottom), slice(left, right)
        shown = (mask[box].astype(np.float32), (mask & seen)[box].astype(np.float32))
        return cls((left, top, right, bottom), picture[box], *shown, ((left + right) / 2, float(bottom)))


def find_things(
    picture: np.ndarray, empty: np.ndarray, people: UprightPeople, floor: np.ndarray
) -> tuple[tuple[Thing, ...], np.ndarray] | None:
    """Things in a picture, and the pixels that do not show the room: things, people, and what hangs on people (limbs,
    clothes, shadows). What touches people is theirs, but for parts that stand on the floor out of their reach, or
    beside their legs in a colour that nothing on them has.

    Args:
        picture: colours 0 to 255, float32 [H, W, 3].
        empty: the room without anything, uint8 [H, W, 3].
        people: where people are.
        floor: pixels below which there is floor, bool [H, W].

    Returns:
        things and pixels, bool [H, W]; None where the room is not plain enough to tell.
    """
    room = empty.astype(np.float32)
    different = np.abs(picture - room).max(2) > _DIFFERENT
    if people.columns.all() or different[~people.columns].mean() > _PLAIN:
        return None
    ratio = (picture + 1) / (room + 1)
    shade = floor & (ratio.max(2) < 0.97) & (ratio.max(2) - ratio.min(2) < _SHADE)
    hidden, near = _wider(people.bodies, _RIM), _wider(people.columns)
    beside = _beside_legs(picture, different & ~shade, people)
    things = []
    for kind in (different & ~shade, different & shade):
        for here in _pieces(_without_lines(kind), connectivity=8):
            if (here & near).any():
                hidden |= _wider(here)
                covered = different | people.bodies
                parts = _joined(picture, _beyond(here, people.reach, beside), covered)
            else:
                covered = np.zeros_like(here)
                parts = [here] if _squares(here).sum() >= _SMALLEST else []
            for part in parts:
                bottom = np.flatnonzero(part.any(1))[-1]
                if not shade[part].any() and floor[bottom, part[bottom]].any():
                    hidden |= _wider(part)
                    things.append(Thing.cut(*_completed(picture, part, covered, people.bodies), part))
    return tuple(things), hidden


def _wider(mask: np.ndarray, by: int = 1) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1), np.uint8)) > 0


def _squares(mask: np.ndarray) -> np.ndarray:
    """The lower right pixels of all squares of two by two, uint8."""
    return cv2.erode(mask.astype(np.uint8), _SQUARE, anchor=(1, 1))


def _without_lines(mask: np.ndarray) -> np.ndarray:
    """All squares of two by two pixels; OpenCV's opening would move them by one, as such squares have no middle."""
    return cv2.dilate(_squares(mask), _SQUARE, anchor=(0, 0)) > 0


def _pieces(mask: np.ndarray, connectivity: int) -> list[np.ndarray]:
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=connectivity)
    return [labels == label for label in range(1, count)]


def _beside_legs(picture: np.ndarray, different: np.ndarray, people: UprightPeople) -> np.ndarray:
    """Pixels beside people's legs of a colour that nothing on them has, and what goes on from there in that colour,
    bool [H, W]."""
    free = different & people.reach & ~_wider(people.bodies)
    worn = cv2.erode(people.sure.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    found = np.zeros_like(free)
    if not worn.any():
        return found
    alone = free & people.legs & ~np.take_along_axis(_wider(different), people.opposite, axis=1)
    strange = free & (_apart(picture, free, worn) > _ALIKE)
    strange |= alone & (_apart(picture, alone, worn, _ALIKE / _NEAR) > _ALIKE)
    for core in _pieces(strange & people.legs, connectivity=4):
        bottom = np.flatnonzero(core.any(1))[-1]
        behind = bottom + 1 < len(core) and people.legs[bottom + 1, core[bottom]].all()
        if core.sum() >= _SMALLEST and behind:
            for grown in _pieces(free & (_apart(picture, free, core) < _ALIKE / 2), connectivity=4):
                if (grown & core).any():
                    found |= grown
    return found


def _apart(picture: np.ndarray, pixels: np.ndarray, others: np.ndarray, per_row: float = 0.0) -> np.ndarray:
    """How unlike each of some pixels is to that of others which it is most alike, grey levels, [H, W]; infinite for all
    other pixels. Rows between two pixels count as well, so many grey levels each."""
    rows = np.broadcast_to(per_row * np.arange(len(picture))[:, None, None], (*pixels.shape, 1))
    colours = np.concatenate([picture, rows], axis=2)
    apart = np.full(pixels.shape, np.inf)
    apart[pixels], _ = cKDTree(colours[others]).query(colours[pixels], p=np.inf)
    return apart


def _beyond(here: np.ndarray, reach: np.ndarray, beside: np.ndarray) -> list[np.ndarray]:
    """The parts of something, bool [H, W], that lie out of reach, but for slivers along its edge, or are known to be
    something else."""
    theirs = reach & ~beside
    far = here & (~_wider(theirs, _RIM) | beside)
    return [
        here & ~theirs & _wider(core, _RIM)
        for core in _pieces(far, connectivity=8)
        if core.sum() >= (1 if beside[core].any() else 2) * _SMALLEST
    ]


def _joined(picture: np.ndarray, parts: list[np.ndarray], covered: np.ndarray) -> list[np.ndarray]:
    """Parts, bool [H, W], those of one thing as one: alike, at the same height, and nothing but people between them."""
    joined: list[np.ndarray] = []
    for part in parts:
        for index, other in enumerate(joined):
            rows = part.any(1) & other.any(1)
            apart = np.abs(np.median(picture[part], axis=0) - np.median(picture[other], axis=0)).max()
            if rows.sum() > 0.5 * min(part.any(1).sum(), other.any(1).sum()) and apart < 2 * _ALIKE:
                both = part | other
                if all(covered[row, slice(*_ends(both[row]))].all() for row in np.flatnonzero(rows)):
                    joined[index] = both
                    break
        else:
            joined.append(part)
    return joined


def _ends(row: np.ndarray) -> tuple[int, int]:
    """The first column of a mask's row and the one after its last."""
    columns = np.flatnonzero(row)
    return int(columns[0]), int(columns[-1]) + 1


def _completed(
    picture: np.ndarray, part: np.ndarray, covered: np.ndarray, bodies: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A thing as it may be where people hide it: whole between what is seen of it; and where it goes on behind people,
    up to the middle of what they hide, for that is as likely as not.

    Returns:
        colours [H, W, 3], and the pixels that show it, bool [H, W].
    """
    colours, mask = picture.copy(), part.copy()
    for row in np.flatnonzero(part.any(1)):
        known = np.flatnonzero(part[row])
        between = known[0] + np.flatnonzero((covered & ~part)[row, known[0] : known[-1]])
        for k in range(3):
            colours[row, between, k] = np.interp(between, known, picture[row, known, k])
        mask[row, between] = True
    for step in (-1, 1):
        ends, counts = [], []
        for row in np.flatnonzero(part.any(1)):
            end = _ends(mask[row])[0 if step < 0 else 1] - (step > 0)
            count = _hidden_beyond(covered[row], bodies[row], end, step)
            if count:
                ends.append((row, end))
                counts.append(count)
        if counts:
            # No further than in most rows, for in some the room may show between legs.
            far = min(np.median(counts) / 2, np.percentile(counts, 25))
            last = round(float(np.median([end for _, end in ends]) + step * far))
            for row, end in ends:
                made_up = np.arange(end + step, last + step, step)
                colours[row, made_up] = picture[row, end]
                mask[row, made_up] = True
    return colours, mask


def _hidden_beyond(covered: np.ndarray, bodies: np.ndarray, end: int, step: int) -> int:
    """How many pixels of a row on from its column `end` do not show the room; 0 where nobody's body is among them."""
    beyond = slice(end + 1, None) if step > 0 else slice(end)
    covered, bodies = covered[beyond][::step], bodies[beyond][::step]
    count = covered.size if covered.all() else int(np.argmin(covered))
    return count if bodies[:count].any() else 0


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
    plate: np.ndarray, things: tuple[Thing, ...], pose: np.ndarray, lens: np.ndarray, camera: CameraPath
) -> None:
    """Draws things into a plate, uint8 [T, H, W, 4], the farthest first; `seen` becomes 255 where they are seen and 0
    where they are made up."""
    frames, height, width, _ = plate.shape
    for t in range(frames):
        placed = [
            (_placed(thing, pose, lens, camera.c2w[t], camera.intrinsics[t]), thing) for thing in things
        ]
        visible = [(place, thing) for place, thing in placed if place is not None]
        for ((u, v), scale, _), thing in sorted(visible, key=lambda each: -each[0][2]):
            left, top, *_ = thing.box
            shift = np.array([u + (left - thing.foot[0]) * scale, v + (top - thing.foot[1]) * scale])
            to_plate = np.array(
                [[scale, 0, shift[0] + scale / 2 - 0.5], [0, scale, shift[1] + scale / 2 - 0.5]]
            )
            card = np.dstack([thing.colours * thing.mask[..., None], thing.mask])
            drawn, seen = (
                cv2.warpAffine(each, to_plate, (width, height), flags=cv2.INTER_LINEAR)
                for each in (card, thing.seen)
            )
            alpha = drawn[..., 3:]
            plate[t, ..., :3] = np.round(plate[t, ..., :3] * (1 - alpha) + drawn[..., :3]).clip(0, 255)
            covers = alpha[..., 0] > 0.5
            plate[t, ..., 3][covers] = np.where(seen[covers] > 0.5, 255, 0)


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
