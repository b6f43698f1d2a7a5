"""The picture without its person, and how it goes on beyond its edges."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numba import njit

from kinema.puppet.inpaint import membrane, shrunk
from kinema.puppet.patchmatch import Patched, patched

SHOWN, INVENTED = 255, 0
"""How surely a pixel of the room is the picture's own."""

_HOLE = 0.024  # of the person's height: how far round the cut-out the room is made up (ours)
_HALO = 0.05  # the same on even ground, beyond that (ours)
_FOOT = (
    0.075,
    0.03,
)  # of the height: how far the old contact shadow reaches round the feet, across and down (ours)
_SIDE = 288  # rows of a picture in portrait at which the hole is filled (ours)
_PIXELS = 288 * 384  # at most, whatever the picture's shape (ours)
_SMOOTH = (1.5, 3.0)  # grey levels of fine detail: below, a membrane is right; above, patches are (ours)
_FRAME, _SLACK = (
    0.04,
    0.004,
)  # of the picture's sides: as wide as a drawn frame may be, and its blurred inside (ours)
_EVEN = 4.0  # grey levels by which a frame's outermost line varies (ours)
_STEP = 6.0  # and by which it stands off from what is within, from one line to the next (ours)
_DETAIL = 0.22  # of the picture's sides: how far its detail goes on beyond its edges (ours)
_GROUND = 0.05  # the same below it, where a floor comes so near that its detail turns into rays (ours)
_FAR = 1.5  # of the picture's sides: how far its blurred colours go on (ours)
_FAR_ROWS = 96  # rows of the picture in the blurred surroundings (ours)
_BLURS = (0.012, 0.035, 0.08, 0.16)  # of the picture's width: how blurred they are, from near to far (ours)


@dataclass(frozen=True, eq=False)
class Plate:
    """What is behind the person, wider than the picture.

    Args:
        near: the picture with its detail continued, and how surely each is the picture's own, uint8 [A, B, 4].
        to_near: a pixel (x, y) of the picture lies at (x, y) * [:2] + [2:] of `near`, [4].
        far: blurred surroundings, float32 [C, D, 3].
        to_far: the same for `far`, [4].
        size: (width, height) of the picture.
    """

    near: np.ndarray
    to_near: np.ndarray
    far: np.ndarray
    to_far: np.ndarray
    size: tuple[int, int]

    def halved(self) -> Plate:
        """The same at half the side."""
        near = cv2.resize(self.near, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        scale = np.array([near.shape[1] / self.near.shape[1], near.shape[0] / self.near.shape[0]])
        to_near = np.concatenate([self.to_near[:2] * scale, (self.to_near[2:] + 0.5) * scale - 0.5])
        return replace(self, near=near, to_near=to_near)


def plate_of(picture: np.ndarray, hole: np.ndarray, tall: float = 0.0) -> Plate:
    """A picture filled in and continued.

    Args:
        picture: uint8 [H, W, 3].
        hole: what is to be made up, bool [H, W].
        tall: the person's height in pixels.
    """
    known = ~hole & ~framed(picture)
    known &= ~_shadowed(picture, known, tall)
    return _wider(filled(picture, known), known)


def _shadowed(picture: np.ndarray, known: np.ndarray, tall: float) -> np.ndarray:
    """What lies round the hole on even ground, where a shadow or a halo of the person may be left, bool [H, W].

    Even ground is made up without loss.
    """
    away = cv2.distanceTransform(known.astype(np.uint8), cv2.DIST_L2, 5)
    near = known & (away <= _HALO * tall)
    rest = known & ~near
    if not near.any() or rest.sum() < 0.05 * rest.size:
        return np.zeros_like(known)
    size = _small(known.shape)
    rough = _rough(*shrunk(picture.astype(np.float32), rest, size))
    return np.asarray(near & (cv2.resize(rough, known.shape[::-1], interpolation=cv2.INTER_LINEAR) < 0.5))


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


def filled(picture: np.ndarray, known: np.ndarray, pixels: int = _PIXELS) -> np.ndarray:
    """A picture whose unknown pixels are filled in, uint8 [H, W, 3].

    Smooth surroundings are stretched over the hole, others are copied into it patch by patch; both carry the fine
    detail of what was found.

    Args:
        picture: uint8 [H, W, 3].
        known: bool [H, W].
        pixels: at most, of the smaller picture in which patches are looked for.
    """
    if known.all():
        return picture.copy()
    if not known.any():
        return np.full_like(picture, 128)
    size = _small(known.shape, pixels)
    colours = picture.astype(np.float32)
    small, sure = shrunk(colours, known, size)
    if not sure.any():
        return np.where(known[..., None], picture, np.median(picture[known], axis=0)).astype(np.uint8)
    smooth = membrane(small, sure)
    found = patched(small, sure)
    if found is None:
        found = Patched(smooth, _beside(sure))
    share = _rough(small, sure)[..., None]
    low = np.where(sure[..., None], small, share * found.colours + (1 - share) * smooth).astype(np.float32)
    rows, columns = np.nonzero(~known)
    result = picture.copy()
    made = np.empty((len(rows), 3), np.float32)
    _carry(colours, known, low, small, found.source, rows, columns, made)
    result[rows, columns] = np.clip(made + 0.5, 0, 255).astype(np.uint8)
    return result


def _small(shape: tuple[int, ...], pixels: int = _PIXELS) -> tuple[int, int]:
    """(width, height) at which a picture's hole is filled."""
    height, width = shape
    scale = min(1.0, _SIDE / height, np.sqrt(pixels / (height * width)))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _beside(sure: np.ndarray) -> np.ndarray:
    """Sources where no patches were found: the pixel itself, which has no detail to give."""
    return np.moveaxis(np.indices(sure.shape), 0, -1).astype(np.int32)


def _rough(small: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """How far patches, not a membrane, continue what is round the hole, 0 to 1, float32 [h, w]."""
    weight = sure.astype(np.float32)
    share = cv2.GaussianBlur(weight, (0, 0), 2.0)
    mean = cv2.GaussianBlur(small * weight[..., None], (0, 0), 2.0) / np.maximum(share, 1e-3)[..., None]
    fine = np.abs(small - mean).mean(axis=2) * weight
    local = cv2.blur(fine, (9, 9)) / np.maximum(cv2.blur(weight, (9, 9)), 1e-3)
    spread = membrane(local[..., None], sure, 20)[..., 0]
    share = np.clip((spread - _SMOOTH[0]) / (_SMOOTH[1] - _SMOOTH[0]), 0, 1)
    return np.asarray(cv2.blur(share, (5, 5)), np.float32)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _bilinear(values: np.ndarray, y: float, x: float, channel: int) -> float:
    rows, columns = values.shape[0], values.shape[1]
    y, x = min(max(y, 0.0), rows - 1.0), min(max(x, 0.0), columns - 1.0)
    a, b = int(y), int(x)
    c, d = min(a + 1, rows - 1), min(b + 1, columns - 1)
    p, q = y - a, x - b
    upper = (1 - q) * values[a, b, channel] + q * values[a, d, channel]
    lower = (1 - q) * values[c, b, channel] + q * values[c, d, channel]
    return (1 - p) * upper + p * lower


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _carry(
    colours: np.ndarray,
    known: np.ndarray,
    low: np.ndarray,
    small: np.ndarray,
    source: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    out: np.ndarray,
) -> None:
    """The hole's pixels at full size: `low` with the fine detail of the sources, into `out` [N, 3]."""
    height, width = known.shape
    scale_y, scale_x = low.shape[0] / height, low.shape[1] / width
    for n in range(len(rows)):
        i, j = rows[n], columns[n]
        y, x = (i + 0.5) * scale_y - 0.5, (j + 0.5) * scale_x - 0.5
        for k in range(3):
            out[n, k] = _bilinear(low, y, x, k)
        a, b = int(np.floor(y)), int(np.floor(x))
        for corner in range(4):
            c = min(max(a + corner // 2, 0), low.shape[0] - 1)
            d = min(max(b + corner % 2, 0), low.shape[1] - 1)
            share = (y - a if corner // 2 else 1 - y + a) * (x - b if corner % 2 else 1 - x + b)
            from_y = i + round((source[c, d, 0] - c) / scale_y)
            from_x = j + round((source[c, d, 1] - d) / scale_x)
            if not (0 <= from_y < height and 0 <= from_x < width) or not known[from_y, from_x]:
                continue
            at_y, at_x = (from_y + 0.5) * scale_y - 0.5, (from_x + 0.5) * scale_x - 0.5
            for k in range(3):
                fine = colours[from_y, from_x, k] - _bilinear(small, at_y, at_x, k)
                out[n, k] += share * fine


def _wider(clean: np.ndarray, known: np.ndarray) -> Plate:
    """The filled picture with its surroundings: mirrored detail that fades, on colours that blur with the distance."""
    height, width = clean.shape[:2]
    far, to_far = _surroundings(clean)
    side, up = max(1, round(_DETAIL * width)), max(1, round(_DETAIL * height))
    rows, columns = height + 2 * up, width + 2 * side
    near = np.empty((rows, columns, 4), np.uint8)
    near[..., 3] = INVENTED
    near[up : up + height, side : side + width, :3] = clean
    near[up : up + height, side : side + width, 3] = np.where(known, SHOWN, INVENTED)
    mirrored = cv2.copyMakeBorder(clean, up, up, side, side, cv2.BORDER_REFLECT)
    x = (np.arange(columns) - side) * to_far[0] + to_far[2]
    y = (np.arange(rows) - up) * to_far[1] + to_far[3]
    inner_x, inner_y = _folded(np.arange(columns) - side, width), _folded(np.arange(rows) - up, height)
    fade_x = np.clip(1 - _outside(np.arange(columns) - side, width) / side, 0, 1)
    below = np.arange(rows) >= up + height
    fade_y = np.clip(1 - _outside(np.arange(rows) - up, height) / np.where(below, _GROUND * height, up), 0, 1)
    for box in (
        np.s_[:up, :],
        np.s_[up + height :, :],
        np.s_[up : up + height, :side],
        np.s_[up : up + height, side + width :],
    ):
        r, c = np.arange(rows)[box[0]], np.arange(columns)[box[1]]
        soft = _sampled(far, y[r], x[c])
        flat = _sampled(far, inner_y[r] * to_far[1] + to_far[3], inner_x[c] * to_far[0] + to_far[2])
        fade = np.minimum.outer(fade_y[r], fade_x[c])[..., None] ** 2
        near[box][..., :3] = np.clip(soft + fade * (mirrored[box] - flat) + 0.5, 0, 255)
    return Plate(near, np.array([1.0, 1.0, side, up]), far, to_far, (width, height))


def _folded(at: np.ndarray, size: int) -> np.ndarray:
    """Positions mirrored into 0 .. size - 1."""
    at = np.mod(at, 2 * size)
    return np.asarray(np.where(at < size, at, 2 * size - 1 - at))


def _outside(at: np.ndarray, size: int) -> np.ndarray:
    """How far positions lie outside 0 .. size - 1."""
    return np.asarray(np.maximum(np.maximum(-at, at - size + 1), 0))


def _sampled(values: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    grid = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    return cv2.remap(values, grid[0], grid[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _surroundings(clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Blurred colours of the picture and round it, and where its pixels lie in them (see `Plate`)."""
    height, width = clean.shape[:2]
    scale = min(1.0, _FAR_ROWS / max(height, width))
    size = max(2, round(width * scale)), max(2, round(height * scale))
    small = cv2.resize(clean, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    side, up = max(1, round(_FAR * size[0])), max(1, round(_FAR * size[1]))
    wide = np.pad(small, ((0, 0), (side, side), (0, 0)), mode="symmetric")
    held = max(1, size[1] // 12)  # sky stays sky and ground ground: up and down the edges go on
    wide = np.concatenate(
        [
            np.repeat(wide[:held].mean(axis=0, keepdims=True), up, axis=0),
            wide,
            np.repeat(wide[-held:].mean(axis=0, keepdims=True), up, axis=0),
        ]
    )
    columns, rows = np.arange(wide.shape[1]) - side, np.arange(wide.shape[0]) - up
    away_x, away_y = _outside(columns, size[0]) / size[0], _outside(rows, size[1]) / size[1]
    away = np.maximum.outer(away_y, away_x)
    level = np.interp(away, (0.0, 0.15, 0.45, 1.0), np.arange(4.0))
    result = np.zeros_like(wide)
    for number, blur in enumerate(_BLURS):
        sigma = max(0.6, blur * size[0])
        blurred = cv2.GaussianBlur(wide, (0, 0), sigma, sigmaY=max(0.6, 0.5 * sigma))
        result += np.clip(1 - np.abs(level - number), 0, 1)[..., None] * blurred
    mean = cv2.GaussianBlur(
        wide.mean(axis=1, keepdims=True), (0, 0), sigmaX=0.1, sigmaY=max(0.6, _BLURS[2] * size[1])
    )
    ground = np.clip(2.5 * away_y * (rows > 0), 0, 1)
    calm = np.maximum.outer(ground, np.clip((away_x - 0.5) / (_FAR - 0.5), 0, 1))[..., None]
    result = (1 - calm) * result + calm * mean
    to_far = np.array([size[0] / width, size[1] / height, 0.0, 0.0])
    to_far[2:] = 0.5 * to_far[:2] - 0.5 + [side, up]
    return result.astype(np.float32), to_far
