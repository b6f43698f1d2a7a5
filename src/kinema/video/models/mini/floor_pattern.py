"""The pattern of a floor that repeats in squares: tiles, a chequer, a grid of lines (ours).

A floor goes on where a picture does not show it as it goes on where it does. Seen from above, at its true scale, a
floor of tiles is a square lattice: its lines give peaks of the Fourier transform at the multiples of two wave vectors
at right angles. They are searched over all angles and periods, refined, and what one period looks like is the median
of all that is seen of it. Liu, Collins and Tsin (PAMI 2004) find lattices by autocorrelation likewise; here the view
from above is exact, because a scene knows its camera.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

BINS = 32
"""Cells along the side of a period."""

_CELL, _CELLS, _PADDED = 0.04, 257, 675  # metres; the view from above and its Fourier transform
_PERIODS = np.exp(np.arange(np.log(0.3), np.log(1.6), 0.01))  # metres
_ANGLES = np.radians(np.arange(0, 90, 0.5))
_HARMONICS = 4
_CANDIDATES = 6
_CHEQUERED = 0.12  # share of the variance in waves of half the lines' diagonal from which colours alternate
_CLEAR = 3.0  # strength of the harmonics over that of noise
_FEWEST = 200  # pixels of floor
_GRAZING, _SHARP = 0.35, 0.12  # metres along the floor that a pixel may cover, and should


@dataclass(frozen=True)
class FloorPattern:
    """One period of a floor.

    Args:
        wave: wave vector along x and z, periods per metre, [2]; the other one is at right angles to it.
        tile: by how much the floor's colours differ from their mean, [BINS, BINS, 3].
    """

    wave: np.ndarray
    tile: np.ndarray


def _phases(wave: np.ndarray, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of points in metres within the period, 0 to 1 along both sides."""
    return np.mod(x * wave[0] + z * wave[1], 1.0), np.mod(z * wave[0] - x * wave[1], 1.0)


def find_floor_pattern(
    picture: np.ndarray,
    plain: np.ndarray,
    x: np.ndarray,
    z: np.ndarray,
    floor: np.ndarray,
    spacing: tuple[np.ndarray, np.ndarray],
    wave: np.ndarray | None = None,
) -> FloorPattern | None:
    """The pattern of the floor in a picture; None where none is clear.

    Args:
        picture: colours, float32 [H, W, 3].
        plain: the floor's colours without the pattern, [H, W, 3].
        x, z: the place on the floor that each pixel shows, metres, [H, W].
        floor: pixels that show free floor, bool [H, W].
        spacing: metres of floor that a pixel covers across and along the view, [H, W] each.
        wave: of the pattern, where it is known.
    """
    near = floor & (spacing[1] < _GRAZING)
    wave = _find_wave(picture, plain, x, z, near, spacing) if wave is None else wave
    if wave is None:
        return None
    rest = picture - plain
    sharp = near & (spacing[1] < _SHARP)
    tile = _tile(wave, x[sharp], z[sharp], rest[sharp])
    blurred = np.isnan(tile)
    tile[blurred] = _tile(wave, x[near], z[near], rest[near])[blurred]
    return FloorPattern(wave, _closed(tile))


def _find_wave(
    picture: np.ndarray,
    plain: np.ndarray,
    x: np.ndarray,
    z: np.ndarray,
    near: np.ndarray,
    spacing: tuple[np.ndarray, np.ndarray],
) -> np.ndarray | None:
    """The wave vector along one side of a period, [2]; None where none is clear."""
    inner = cv2.erode(near.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if inner.sum() < _FEWEST:
        return None
    lines = cv2.morphologyEx(picture.mean(2), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) - picture.mean(2)
    lines = np.minimum(lines, 3 * np.percentile(lines[inner], 90) + 1)
    lines -= _local_mean(lines[..., None], inner, 5.0)[..., 0]
    grey = (picture - plain)[inner].mean(1)
    limit = 3 * np.median(np.abs(grey)) + 2
    weight = np.sqrt(spacing[0] * spacing[1])[inner]
    places = np.stack([x[inner], z[inner]])
    grey, drawn = np.clip(grey, -limit, limit), lines[inner] * weight
    best: tuple[float, np.ndarray] | None = None
    for guess in _guesses(places, drawn):
        wave, strength = _climbed(guess, lambda wave: _strength(wave, places, drawn))
        diagonal = np.array([wave[0] - wave[1], wave[0] + wave[1]]) / 2
        alternates = _share(diagonal, places, grey, weight)
        strength *= 1 + alternates
        if best is None or strength > best[0]:
            best = strength, diagonal if alternates > _CHEQUERED else wave
    noise = 2 * _HARMONICS * np.sqrt(np.square(drawn).sum())
    return None if best is None or best[0] <= _CLEAR * noise else best[1]


def _sides(wave: np.ndarray) -> np.ndarray:
    """A wave vector and the one at right angles to it, [2, 2]."""
    return np.array([wave, [-wave[1], wave[0]]])


def _local_mean(values: np.ndarray, where: np.ndarray, blur: float) -> np.ndarray:
    """The mean of what is `where` around each pixel, [H, W, C]."""
    there = where.astype(np.float32)
    total = cv2.GaussianBlur((values * there[..., None]).astype(np.float32), (0, 0), blur)
    share = cv2.GaussianBlur(there, (0, 0), blur)
    return total.reshape(values.shape) / np.maximum(share, 1e-3)[..., None]


def _guesses(places: np.ndarray, lines: np.ndarray) -> list[np.ndarray]:
    """Wave vectors along both of whose sides there are waves, and their multiples."""
    above = np.zeros((_PADDED, _PADDED), np.float32)
    cells = np.round((places - places.mean(1, keepdims=True)) / _CELL).astype(int) + _PADDED // 2
    inside = (np.abs(cells - _PADDED // 2) <= _CELLS // 2).all(0)
    np.add.at(above, tuple(cells[:, inside]), lines[inside])
    waves = np.fft.fftshift(np.abs(np.fft.fft2(np.fft.ifftshift(above)))).astype(np.float32)
    strength = np.zeros((len(_ANGLES), len(_PERIODS)), np.float32)
    for harmonic in range(1, _HARMONICS + 1):
        radius = harmonic / _PERIODS * _PADDED * _CELL
        for angle in (_ANGLES[:, None], _ANGLES[:, None] + np.pi / 2):
            row, column = _PADDED // 2 + radius * np.cos(angle), _PADDED // 2 + radius * np.sin(angle)
            strength += cv2.remap(waves, column.astype(np.float32), row.astype(np.float32), cv2.INTER_LINEAR)
    peaks = np.argwhere(strength == cv2.dilate(strength, np.ones((9, 9), np.uint8)))
    peaks = peaks[np.argsort(-strength[tuple(peaks.T)], kind="stable")][:_CANDIDATES]
    return [np.array([np.cos(_ANGLES[i]), np.sin(_ANGLES[i])]) / _PERIODS[j] for i, j in peaks]


def _strength(wave: np.ndarray, places: np.ndarray, lines: np.ndarray) -> float:
    """Of the harmonics along both sides, summed."""
    first = np.exp(2j * np.pi * (_sides(wave) @ places))
    total, harmonic = 0.0, first
    for _ in range(_HARMONICS):
        total += float(np.abs(harmonic @ lines).sum())
        harmonic = harmonic * first
    return total


def _climbed(wave: np.ndarray, height: Callable[[np.ndarray], float]) -> tuple[np.ndarray, float]:
    """The highest point near a wave vector, and its height."""
    best, step = height(wave), 0.02
    while step > 8e-4:
        moved = False
        for shift in ((step, 0.0), (-step, 0.0), (0.0, step), (0.0, -step)):
            there = height(wave + shift)
            if there > best:
                wave, best, moved = wave + shift, there, True
        step = step if moved else step / 2
    return wave, best


def _share(wave: np.ndarray, places: np.ndarray, grey: np.ndarray, weight: np.ndarray) -> float:
    """Of the variance, explained by one wave along each side."""
    grey = grey - np.average(grey, weights=weight)
    waves = np.exp(2j * np.pi * (_sides(wave) @ places)) @ (weight * grey)
    return float(2 * np.square(np.abs(waves)).sum() / (weight.sum() * (weight * grey * grey).sum() + 1e-9))


def _tile(wave: np.ndarray, x: np.ndarray, z: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """The median of all that is seen of each cell, [BINS, BINS, 3]; NaN where nothing is."""
    first, second = (np.int64(each * BINS) % BINS for each in _phases(wave, x, z))
    cell = first * BINS + second
    order = np.argsort(cell, kind="stable")
    ends = np.cumsum(np.bincount(cell, minlength=BINS * BINS))
    tile = np.full((BINS * BINS, 3), np.nan)
    for at, seen in enumerate(np.split(rest[order], ends[:-1])):
        if len(seen):
            tile[at] = np.median(seen, axis=0)
    return tile.reshape(BINS, BINS, 3)


def _closed(tile: np.ndarray) -> np.ndarray:
    """Cells that are not seen take their neighbours' mean; the mean of all is 0."""
    there = np.isfinite(tile[..., 0])
    around = np.pad(np.nan_to_num(tile), ((BINS, BINS), (BINS, BINS), (0, 0)), mode="wrap")
    mean = _local_mean(around, np.pad(there, BINS, mode="wrap"), 1.0)[BINS:-BINS, BINS:-BINS]
    tile = np.where(there[..., None], tile, mean)
    return tile - tile.mean((0, 1))
