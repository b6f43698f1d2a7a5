"""Where the floor of a motion file is."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from kinema.scene.formats.figure import Figure
from kinema.scene.formats.reading import Assumption, MotionReading

_OFF_FLOOR = 0.15 / 1.7  # of the figure's size that its lowest foot may be off the floor
_PLANTED = 0.15  # share of frames in which who stands above the floor touches its own
_HELD = 0.03  # of its size that the lowest foot of who is held at the hips goes up and down at least (ours)


def floor_height(
    figures: list[Figure], unit: float, up: np.ndarray, reading: MotionReading, assumed: list[Assumption]
) -> float | np.ndarray:
    """How high the floor is in the file, metres: 0, or where the lowest foot of the clip is; of joints that are
    relative to the hips, in each frame [T].

    Who floats is put down only if the clip has feet on a floor, so that who jumps or hangs all the time stays where
    the file has them.
    """
    if reading.ground == "keep" or (reading.ground == "auto" and all(f.clip.grounded for f in figures)):
        return 0.0
    lows = [figure.lowest(up) * unit for figure in figures]
    lows = [low[np.isfinite(low)] for low in lows]
    floors = [float(np.percentile(low, 1)) if len(low) else 0.0 for low in lows]
    number = int(np.argmin(floors))
    floor, figure, low = floors[number], figures[number], lows[number]
    if reading.ground == "lowest":
        return floor
    size = figure.size * unit
    if len(figures) == 1 and _hangs(figure, low, size):
        why = "the hips never move, joints are relative to them"
        assumed.append(Assumption("ground", "the lowest foot of each frame stands on it", why, doubtful=True))
        return _smooth(figure.lowest(up) * unit)
    moved = abs(floor) > _OFF_FLOOR * size
    if floor > 0:
        moved &= figure.is_person and float((low < floor + 0.02 * size).mean()) > _PLANTED
    where = "above" if floor > 0 else "below"
    assumed.append(
        Assumption(
            "ground",
            "the lowest foot stands on it" if moved else "at height 0 of the file",
            f"in the file it is {abs(floor):.2f} m {where} height 0"
            if moved
            else f"feet come down to {floor + 0.0:.2f} m".replace("-0.00", "0.00"),
            doubtful=moved,
        )
    )
    return floor if moved else 0.0


def _hangs(figure: Figure, low: np.ndarray, size: float) -> bool:
    """Whether joints are relative to the hips of a person whose lowest foot, as it must then, goes up and down.

    Of figures with bones of their own, programs say so themselves: there the hips stand still.
    """
    own_bones = figure.clip.rotations is not None and not figure.clip.upright
    return (
        figure.is_person
        and not own_bones
        and figure.stays
        and len(low) > 1
        and bool(np.ptp(low) > _HELD * size)
    )


def _smooth(floor: np.ndarray) -> np.ndarray:
    """The heights of the floor [T] without gaps and without the jitter of lifted poses."""
    frames, known = np.arange(len(floor)), np.isfinite(floor)
    return gaussian_filter1d(np.interp(frames, frames[known], floor[known]), 2.0, mode="nearest")
