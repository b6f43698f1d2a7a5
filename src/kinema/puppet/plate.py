"""The picture without its person, and how it goes on beyond its edges."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from kinema.puppet.filling import filled, rough, small_size
from kinema.puppet.inpaint import shrunk
from kinema.puppet.surroundings import Piece, closed, continuation

SHOWN, INVENTED = 255, 0
"""How surely a pixel of the room is the picture's own."""

_HOLE = 0.024  # of the person's height: how far round the cut-out the room is made up (ours)
_HALO = 0.05  # the same on even ground, beyond that (ours)
_FOOT = (
    0.075,
    0.03,
)  # of the height: how far the old contact shadow reaches round the feet, across and down (ours)


_FRAME, _SLACK = (
    0.04,
    0.004,
)  # of the picture's sides: as wide as a drawn frame may be, and its blurred inside (ours)
_EVEN = 4.0  # grey levels by which a frame's outermost line varies (ours)
_STEP = 6.0  # and by which it stands off from what is within, from one line to the next (ours)
_STEEP, _ACROSS = 22.0, 0.3  # grey levels at a floor's end, and share of the width that must show it (ours)
_LEVEL = 0.8  # of that: where it is level (ours)
_BESIDE = 1.3  # of the picture's width: how far it goes on to either side before the sides meet (ours)
_NEAR, _BLEND = 0.6, 0.25  # the same with its full detail, and the part of that over which it is lost (ours)
_UP, _DOWN = 0.3, 0.3  # of its height: how far it goes on above and below (ours)
_BAND = 0.08  # of its height: the band at its edge that goes on there (ours)


@dataclass(frozen=True, eq=False)
class Plate:
    """What is behind the person, wider than the picture.

    Args:
        near: the picture with its detail continued, and how surely each is the picture's own, uint8 [A, B, 4].
        to_near: a pixel (x, y) of the picture lies at (x, y) * [:2] + [2:] of `near`, [4].
        far: the same all round, its last column before its first, float32 [C, D, 3].
        to_far: the same for `far`, [4].
        size: (width, height) of the picture.
        period: pixels of the picture after which `far` begins again.
    """

    near: np.ndarray
    to_near: np.ndarray
    far: np.ndarray
    to_far: np.ndarray
    size: tuple[int, int]
    period: float

    def halved(self) -> Plate:
        """The same at half the side."""
        near = cv2.resize(self.near, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        scale = np.array([near.shape[1] / self.near.shape[1], near.shape[0] / self.near.shape[0]])
        to_near = np.concatenate([self.to_near[:2] * scale, (self.to_near[2:] + 0.5) * scale - 0.5])
        return replace(self, near=near, to_near=to_near)


def plate_of(
    picture: np.ndarray, hole: np.ndarray, tall: float = 0.0, others: np.ndarray | None = None
) -> Plate:
    """A picture filled in and continued.

    Args:
        picture: uint8 [H, W, 3].
        hole: what is to be made up, bool [H, W].
        tall: the person's height in pixels.
        others: who stays in the picture and is not to be copied into the hole, bool [H, W].
    """
    known = ~hole & ~framed(picture)
    known &= ~_shadowed(picture, known, tall)
    alone = known if others is None else known & ~others
    clean = np.where(known[..., None], picture, filled(picture, alone))
    return _wider(clean, known)


def _shadowed(picture: np.ndarray, known: np.ndarray, tall: float) -> np.ndarray:
    """What lies round the hole on even ground, where a shadow or a halo of the person may be left, bool [H, W].

    Even ground is made up without loss.
    """
    away = cv2.distanceTransform(known.astype(np.uint8), cv2.DIST_L2, 5)
    near = known & (away <= _HALO * tall)
    rest = known & ~near
    if not near.any() or rest.sum() < 0.05 * rest.size:
        return np.zeros_like(known)
    size = small_size(known.shape)
    uneven = rough(*shrunk(picture.astype(np.float32), rest, size))
    return np.asarray(near & (cv2.resize(uneven, known.shape[::-1], interpolation=cv2.INTER_LINEAR) < 0.5))


def floor_line(picture: np.ndarray, known: np.ndarray, rows: tuple[float, float]) -> float | None:
    """The row of a level edge across the picture, where a floor meets a wall; None where there is none.

    Args:
        picture: uint8 [H, W, 3].
        known: where it shows the room, bool [H, W].
        rows: between which it is looked for.
    """
    size = small_size(known.shape)
    small, sure = shrunk(picture.astype(np.float32), known, size)
    scale = size[1] / known.shape[0]
    over = 3
    first, last = max(over, int(rows[0] * scale)), min(size[1] - over, int(rows[1] * scale) + 1)
    best: tuple[float, float] = _STEEP, -1.0
    for row in range(first, last):
        seen = sure[row - over : row + over].all(axis=0)
        if seen.mean() < _ACROSS:
            continue
        step = small[row : row + over, seen].mean(axis=0) - small[row - over : row, seen].mean(axis=0)
        mean = np.median(step, axis=0)
        size_of = float(np.linalg.norm(mean))
        if size_of > best[0] and (step @ mean > 0.4 * size_of**2).mean() > _LEVEL:
            best = size_of, row / scale
    return best[1] if best[1] >= 0 else None


def hole_of(alpha: np.ndarray, tall: float, feet: np.ndarray) -> np.ndarray:
    """Where the room is not seen: the person, what is near, and the old shadow at the feet, bool [H, W].

    Args:
        alpha: how much of each pixel is the person, float32 [H, W].
        tall: the person's height in pixels.
        feet: pixels of the feet that stand in the picture, [N, 2].
    """
    height, width = alpha.shape
    away = cv2.distanceTransform((alpha <= 0.05).astype(np.uint8), cv2.DIST_L2, 5)
    hole = (alpha > 0.05) | (away <= max(2.0, _HOLE * tall))
    if len(feet):
        low, high = feet.min(axis=0), feet.max(axis=0)
        radius = (high - low) / 2 + np.array(_FOOT) * tall
        middle = (low + high) / 2 + (0.0, 0.012 * tall)
        rows, columns = np.ogrid[:height, :width]
        hole |= ((columns - middle[0]) / radius[0]) ** 2 + ((rows - middle[1]) / radius[1]) ** 2 < 1
    return np.asarray(hole)


def framed(picture: np.ndarray) -> np.ndarray:
    """A drawn frame: bands along the edges whose outermost line is of one colour and ends in a step, bool [H, W]."""
    height, width = picture.shape[:2]
    frame = np.zeros((height, width), bool)
    if min(height, width) < 32:
        return frame
    turned = np.moveaxis(picture, 0, 1)
    for lines, bands in (
        (picture, frame),
        (picture[::-1], frame[::-1]),
        (turned, frame.T),
        (turned[::-1], frame.T[::-1]),
    ):
        most = max(2, round(_FRAME * len(lines)))
        mean = lines[: most + 1].mean(axis=(1, 2))
        steps = np.abs(np.diff(mean))
        even = float(lines[0].std(axis=0).max()) < _EVEN
        if even and steps.max() > _STEP and steps.max() > 0.6 * abs(float(mean[-1] - mean[0])):
            bands[: int(np.argmax(steps)) + 1 + max(1, round(_SLACK * len(lines)))] = True
    return frame


def _wider(clean: np.ndarray, known: np.ndarray) -> Plate:
    """The filled picture with its surroundings: all round at the size at which holes are filled, with its full detail
    beside the picture."""
    height, width = clean.shape[:2]
    size = small_size(clean.shape[:2])
    colours = clean.astype(np.float32)
    small = cv2.resize(colours, size, interpolation=cv2.INTER_AREA)
    made_up = cv2.resize((~known).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    length = max(2, round(_BESIDE * size[0]))
    right, right_pieces = continuation(small, made_up, length)
    left, left_pieces = continuation(small[:, ::-1], made_up[:, ::-1], length)
    behind = closed(right, left[:, ::-1], max(1, length // 8))
    turn = np.concatenate([small, behind], axis=1)
    side, up, down = (
        max(1, round(share * of)) for share, of in ((_NEAR, width), (_UP, height), (_DOWN, height))
    )
    scale = np.array([size[0] / width, size[1] / height])
    level = _sampled(
        np.concatenate([left[:, ::-1], small, right], axis=1),
        (np.arange(height) + 0.5) * scale[1] - 0.5,
        (np.arange(-side, width + side) + 0.5) * scale[0] - 0.5 + left.shape[1],
    )
    fine = colours - level[:, side : side + width]
    level[:, side : side + width] = colours
    level[:, side + width :] += _fine(fine, right_pieces, size, side)
    level[:, :side] += _fine(fine[:, ::-1], left_pieces, size, side)[:, ::-1]
    near = np.full((height + up + down, width + 2 * side, 4), INVENTED, np.uint8)
    near[up : up + height, :, :3] = np.clip(level + 0.5, 0, 255)
    near[:up] = near[up : up + height][_folded(up, height)[::-1]]
    near[up + height :] = near[up : up + height][::-1][_folded(down, height)]
    near[up : up + height, side : side + width, 3] = np.where(known, SHOWN, INVENTED)
    far_up, far_down = max(1, round(_UP * size[1])), max(1, round(_DOWN * size[1]))
    above, below = turn[_folded(far_up, size[1])[::-1]], turn[::-1][_folded(far_down, size[1])]
    far = np.concatenate([above, turn, below]).astype(np.float32)
    to_far = np.array([*scale, *(0.5 * scale - 0.5 + [0, far_up])])
    return Plate(near, np.array([1.0, 1.0, side, up]), far, to_far, (width, height), turn.shape[1] / scale[0])


def _sampled(values: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    columns, rows = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    return cv2.remap(values, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _fine(fine: np.ndarray, pieces: list[Piece], size: tuple[int, int], side: int) -> np.ndarray:
    """Fine detail of a continuation to the right at full size, which fades towards its end, float32 [H, side, 3]."""
    height, width = fine.shape[:2]
    scale = width / size[0]
    result = np.zeros((height, side, 3), np.float32)
    for piece in pieces:
        long = piece.share.shape[1]
        first, count = round(piece.start * scale), round(long * scale)
        source = fine[:, round(piece.source * scale) :][:, :count]
        if piece.step < 0:
            source = fine[:, : -count - 1 : -1]
        count = min(source.shape[1], side - first)
        if count <= 0:
            break
        share = cv2.resize(piece.share, (round(long * scale), height), interpolation=cv2.INTER_LINEAR)
        place = result[:, first : first + count]
        place += share[:, :count, None] * (source[:, :count] - place)
    fade = np.clip((side - np.arange(side)) / (_BLEND * side), 0, 1)
    return np.asarray(result * fade[:, None], np.float32)


def _folded(count: int, height: int) -> np.ndarray:
    """Rows from an edge that go on beyond it: a narrow band of them to and fro."""
    band = max(1, round(_BAND * height))
    at = np.arange(count) % (2 * band)
    return np.asarray(np.where(at < band, at, 2 * band - 1 - at))
