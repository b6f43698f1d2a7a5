"""Training pictures for the keypoint network: frames blended, cut, scrambled and moved about, then degraded.

What is in a picture decides its targets. Blended frames have targets blended with the same weights, and what
was cut out or scrambled is not there: the network has no reason to guess a person where none can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from kinema.capture.keypoint_network import KEYPOINT_NAMES, STRIDE

_PATCH = 8  # pixels: the errors of patch autoencoders and codecs live in such blocks
_MIRROR = [
    KEYPOINT_NAMES.index(
        name.replace("left", "right") if name.startswith("left") else name.replace("right", "left")
    )
    for name in KEYPOINT_NAMES
]


@dataclass(frozen=True)
class FilmedPerson:
    """Frames of one person, with a picture of the same place without the person.

    Args:
        rgb: uint8 [T, H, W, 3].
        mask: pixels of the person, bool [T, H, W].
        points: keypoints in pixels, float32 [T, K, 2].
        hidden: keypoints that lie behind something, bool [T, K].
        plate: the place without the person, uint8 [H, W, 3].
    """

    rgb: np.ndarray
    mask: np.ndarray
    points: np.ndarray
    hidden: np.ndarray
    plate: np.ndarray


@dataclass(frozen=True)
class Sample:
    """A training picture and its targets.

    Args:
        pixels: in [0, 1], float32 [H, W, 3].
        silhouette: how much of a person each pixel shows, float32 [H, W].
        points: keypoints of the blended frames in pixels, [N, K, 2].
        amounts: how much of each keypoint is in the picture, [N, K]; NaN where nothing should be asked.
    """

    pixels: np.ndarray
    silhouette: np.ndarray
    points: np.ndarray
    amounts: np.ndarray


def make_sample(film: FilmedPerson, rng: np.random.Generator) -> Sample:
    """One picture: frames of a film blended, perhaps with parts removed, moved about and degraded."""
    sample = blend(film, blend_weights(len(film.rgb), rng))
    if rng.random() < 0.12:
        sample = cut_out(sample, film.plate, rng)
    if rng.random() < 0.03:
        sample = scramble(sample, rng)
    sample = move(sample, rng)
    if rng.random() < 0.7:
        sample = replace(sample, pixels=degrade(sample.pixels, rng))
    return sample


def blend_weights(frames: int, rng: np.random.Generator) -> np.ndarray:
    """How much of each frame is in the picture, [T]; the plate has the rest.

    One frame (three quarters of the pictures), a frame with the ghost of another, a frame that fades into the
    empty place, a smear of several frames, or nobody.
    """
    weights = np.zeros(frames, np.float32)
    order = rng.permutation(frames)
    kind = rng.choice(["one", "ghost", "fade", "smear", "nobody"], p=[0.73, 0.11, 0.06, 0.06, 0.04])
    if kind == "one":
        weights[order[0]] = 1
    elif kind == "ghost":
        ghost = rng.uniform(0.1, 0.5)
        weights[order[:2]] = 1 - ghost, ghost
    elif kind == "fade":
        weights[order[0]] = rng.uniform(0.05, 0.95)
    elif kind == "smear":
        count = int(rng.integers(3, frames + 1))
        weights[order[:count]] = 1 / count
    return weights


def blend(film: FilmedPerson, weights: np.ndarray) -> Sample:
    """The weighted sum of frames and plate, with targets weighted alike."""
    used = np.flatnonzero(weights)
    rest = max(0.0, 1.0 - float(weights.sum()))  # never a little below zero: colours are raised to powers
    pixels = np.float32(rest) * film.plate
    silhouette = np.zeros(film.mask.shape[1:], np.float32)
    for frame in used:
        pixels += weights[frame] * film.rgb[frame]
        silhouette += weights[frame] * film.mask[frame]
    height, width = film.mask.shape[1:]
    points = film.points[used]
    inside = np.all((points >= 0) & (points < [width, height]), axis=-1)
    amounts = np.where(inside, weights[used, None], 0).astype(np.float32)
    amounts[film.hidden[used] & inside] = np.nan
    return Sample(pixels / 255, silhouette, points, amounts)


def cut_out(sample: Sample, plate: np.ndarray, rng: np.random.Generator) -> Sample:
    """A rectangle of the picture shows the empty place instead."""
    height, width = sample.silhouette.shape
    size = rng.uniform(0.12, 0.5, 2) * [width, height]
    centre = rng.uniform(0.2, 0.8, 2) * [width, height]
    left, top = np.clip((centre - size / 2).astype(int), 0, None)
    right, bottom = (centre + size / 2).astype(int)
    pixels, silhouette = sample.pixels.copy(), sample.silhouette.copy()
    pixels[top:bottom, left:right] = plate[top:bottom, left:right].astype(np.float32) / 255
    silhouette[top:bottom, left:right] = 0
    gone = np.all((sample.points >= [left, top]) & (sample.points < [right, bottom]), axis=-1)
    return replace(
        sample, pixels=pixels, silhouette=silhouette, amounts=np.where(gone, np.float32(0), sample.amounts)
    )


def scramble(sample: Sample, rng: np.random.Generator) -> Sample:
    """The blocks of the picture in random order: the parts of a person, and no person."""
    height, width = sample.silhouette.shape
    block = 2 * _PATCH
    rows, columns = height // block, width // block
    order = rng.permutation(rows * columns)

    def shuffled(picture: np.ndarray) -> np.ndarray:
        result = picture.copy()
        for place, source in enumerate(order):
            y, x = (divmod(int(place), columns), divmod(int(source), columns))
            result[y[0] * block : (y[0] + 1) * block, y[1] * block : (y[1] + 1) * block] = picture[
                x[0] * block : (x[0] + 1) * block, x[1] * block : (x[1] + 1) * block
            ]
        return result

    return replace(
        sample,
        pixels=shuffled(sample.pixels),
        silhouette=shuffled(sample.silhouette),
        amounts=np.zeros_like(sample.amounts),
    )


def move(sample: Sample, rng: np.random.Generator) -> Sample:
    """Mirrored half of the time, turned, scaled and shifted a little; the border is stretched outwards."""
    height, width = sample.silhouette.shape
    flip = rng.random() < 0.5
    scale = np.exp(rng.uniform(np.log(0.85), np.log(1.18)))
    angle = np.radians(rng.normal(0, 4))
    shift = rng.normal(0, 0.04, 2) * [width, height]
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if flip:
        turn = turn @ np.diag([-1.0, 1.0])
    middle = np.array([width / 2, height / 2])
    offset = middle + shift - turn @ middle
    # cv2 puts pixel centres at whole numbers, we put them at +0.5.
    matrix = np.column_stack([turn, offset + turn @ [0.5, 0.5] - 0.5])
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    pixels = cv2.warpAffine(
        sample.pixels, matrix, (width, height), flags=interpolation, borderMode=cv2.BORDER_REPLICATE
    )
    silhouette = cv2.warpAffine(sample.silhouette, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    points = sample.points @ turn.T + offset
    amounts = sample.amounts
    if flip:
        points, amounts = points[:, _MIRROR], amounts[:, _MIRROR]
    outside = ~np.all((points >= 0) & (points < [width, height]), axis=-1)
    return Sample(pixels, silhouette, points, np.where(outside, np.float32(0), amounts))


def degrade(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What small generators and codecs do to a picture [H, W, 3] in [0, 1]; weak more often than strong."""
    if rng.random() < 0.6:
        pixels = _colour(pixels, rng)
    if rng.random() < 0.5:
        pixels = cv2.GaussianBlur(pixels, (0, 0), float(rng.triangular(0.3, 0.3, 2.5)))
    if rng.random() < 0.2:
        pixels = _low_resolution(pixels, rng)
    if rng.random() < 0.4:
        pixels = _blocks(pixels, rng)
    if rng.random() < 0.4:
        pixels = pixels + rng.normal(0, rng.triangular(0, 0, 0.08), pixels.shape).astype(np.float32)
    return np.clip(pixels, 0, 1).astype(np.float32)


def heatmaps(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Targets at the network's stride: a Gaussian of one cell around each keypoint, times its amount.

    Returns:
        Heatmaps float32 [K, H / 4, W / 4] and whether each keypoint may be asked about, float32 [K].
    """
    height, width = sample.silhouette.shape
    known = ~np.isnan(sample.amounts).any(axis=0)
    cells = sample.points.astype(np.float32) / STRIDE
    x = np.exp(-0.5 * (np.arange(width // STRIDE, dtype=np.float32) + 0.5 - cells[..., :1]) ** 2)
    y = np.exp(-0.5 * (np.arange(height // STRIDE, dtype=np.float32) + 0.5 - cells[..., 1:]) ** 2)
    maps = np.einsum("nk,nky,nkx->kyx", np.nan_to_num(sample.amounts), y, x)
    return np.minimum(maps, 1).astype(np.float32), known.astype(np.float32)


def _colour(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    pixels = pixels ** np.float32(np.exp(rng.normal(0, 0.15)))
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * np.float32(rng.uniform(0.3, 1.4))
    middle = pixels.mean()
    pixels = middle + (pixels - middle) * np.float32(rng.uniform(0.6, 1.3))
    pixels = pixels * np.exp(rng.normal(0, 0.05, 3)).astype(np.float32) + np.float32(rng.normal(0, 0.05))
    return np.clip(pixels, 0, 1)


def _low_resolution(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = pixels.shape[:2]
    factor = rng.triangular(1.5, 1.5, 4)
    small = cv2.resize(pixels, (int(width / factor), int(height / factor)), interpolation=cv2.INTER_AREA)
    enlarge = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_NEAREST
    return cv2.resize(small, (width, height), interpolation=enlarge)


def _blocks(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each 8x8 block keeps a few low frequencies, with errors: what a truncated patch code leaves."""
    height, width = pixels.shape[:2]
    rows, columns = height // _PATCH, width // _PATCH
    blocks = pixels[: rows * _PATCH, : columns * _PATCH].reshape(rows, _PATCH, columns, _PATCH, 3)
    coefficients = np.einsum("ui,ricjd,vj->rucvd", _COSINES, blocks, _COSINES, optimize=True)
    frequency = np.add.outer(np.arange(_PATCH), np.arange(_PATCH))
    keep = frequency < rng.uniform(1.5, 8)
    # Errors fall with frequency as the picture's own spectrum does (1 / f, ours).
    sigma = rng.triangular(0, 0, 0.25) * (rng.random() < 0.6) / (1 + frequency)
    noise = rng.normal(0, 1, coefficients.shape) * sigma[None, :, None, :, None]
    coefficients = (coefficients + noise) * keep[None, :, None, :, None]
    result = pixels.copy()
    restored = np.einsum("ui,rucvd,vj->ricjd", _COSINES, coefficients, _COSINES, optimize=True)
    result[: rows * _PATCH, : columns * _PATCH] = restored.reshape(rows * _PATCH, columns * _PATCH, 3)
    return result


def _cosine_basis(size: int) -> np.ndarray:
    """The orthonormal DCT-II, rows are frequencies."""
    angles = np.pi / size * np.outer(np.arange(size), np.arange(size) + 0.5)
    basis = np.cos(angles) * np.sqrt(2 / size)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


_COSINES = _cosine_basis(_PATCH)
