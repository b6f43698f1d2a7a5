"""The disentanglement matrix: what is edited against what changes, from paired edits.

Rows are interventions, columns measurements. A cell holds, for every base and magnitude, a vector of measured changes
and, on the diagonal, the intended ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

Cells = Mapping[tuple[str, str], np.ndarray]
"""(intervention, measurement) -> changes [bases, magnitudes, components], NaN where nothing could be measured."""


@dataclass(frozen=True)
class Estimate:
    """A number with its bootstrap interval over bases; NaN where it is not defined."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def gain(measured: np.ndarray, intended: np.ndarray) -> tuple[float, float]:
    """(beta, R2): beta = cov(measured, intended) / var(intended), 1 for a system that does just what is asked.

    R2 is the square of the correlation. Components, magnitudes and bases are pooled; NaN on either side does not
    count.

    Args:
        measured, intended: changes [bases, magnitudes, components].
    """
    both = np.isfinite(measured) & np.isfinite(intended)
    y, x = measured[both], intended[both]
    if len(x) < 2 or not np.ptp(x) > 0:
        return float("nan"), float("nan")
    x, y = x - x.mean(), y - y.mean()
    covariance, variance = float((x * y).mean()), float((x * x).mean())
    spread = float((y * y).mean())
    return covariance / variance, covariance**2 / (variance * spread) if spread > 0 else 0.0


def effect(changes: np.ndarray) -> float:
    """How large changes are: the root of the mean over bases and magnitudes of the mean square over components."""
    square = np.where(np.isfinite(changes), np.square(changes), 0.0).sum(-1)
    count = np.isfinite(changes).sum(-1)
    if not count.any():
        return float("nan")
    return float(np.sqrt((square[count > 0] / count[count > 0]).mean()))


def leak(off_diagonal: np.ndarray, diagonal: np.ndarray, floor: np.ndarray | None = None) -> float:
    """An edit's effect on what it should leave alone, as a share of the effect that editing that has itself.

    sqrt(max(0, e2 - f2)) / d: e is the effect of the foreign edit on the measurement, f the same on renders, where
    nothing leaks and all that changes is the judges' doing, d the effect on the same videos of editing the measured
    factor itself. 0 is ideal; at 1 the foreign edit changes the measurement as much as its own edit does. NaN where
    not even its own edit changes anything.

    Args:
        off_diagonal: measured changes under the foreign edit, [bases, magnitudes, components].
        diagonal: measured changes under the factor's own edit.
        floor: as `off_diagonal`, on renders of the same films.
    """
    own = effect(diagonal)
    excess = effect(off_diagonal) ** 2 - (0.0 if floor is None else effect(floor) ** 2)
    return float(np.sqrt(max(0.0, excess)) / own) if own > 0 and np.isfinite(excess) else float("nan")


def over_bases(
    statistic: Callable[..., float],
    *arrays: np.ndarray,
    resamples: int = 400,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """A statistic of arrays whose first axis are bases, with the percentile interval of resampled bases."""
    bases = len(arrays[0])
    rng = np.random.default_rng(seed)
    values = [
        statistic(*(array[pick] for array in arrays)) for pick in rng.integers(0, bases, (resamples, bases))
    ]
    known = np.array(values)[np.isfinite(values)]
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2]) if len(known) else (float("nan"),) * 2
    return Estimate(float(statistic(*arrays)), float(low), float(high))


@dataclass(frozen=True)
class Matrix:
    """Gains on the diagonal, leaks beside it.

    Args:
        gains: per measurement, beta.
        r2: per measurement.
        shuffled: per measurement, the mean beta against the intentions of every other base: a zero.
        leaks: per (intervention, measurement), intervention and measurement differing.
    """

    gains: dict[str, Estimate]
    r2: dict[str, float]
    shuffled: dict[str, float]
    leaks: dict[tuple[str, str], Estimate]

    def worst(self, measurements: Collection[str]) -> tuple[float, str]:
        """The largest leak into any of these that is defined, and where: `intervention -> measurement`."""
        known = {
            cell: each.value
            for cell, each in self.leaks.items()
            if cell[1] in measurements and np.isfinite(each.value)
        }
        if not known:
            return float("nan"), ""
        cell = max(known, key=lambda each: known[each])
        return known[cell], " -> ".join(cell)


def disentanglement(measured: Cells, intended: Mapping[str, np.ndarray], floor: Cells | None) -> Matrix:
    """The matrix of a system.

    Args:
        measured: changes that were measured.
        intended: per measurement, the changes that its own edit intends, [bases, magnitudes, components].
        floor: changes measured on renders of the same films; None for the renderer itself.
    """
    gains, r2, shuffled, leaks = {}, {}, {}, {}
    for name, wanted in intended.items():
        own = measured[name, name]
        gains[name] = over_bases(lambda y, x: gain(y, x)[0], own, wanted)
        r2[name] = gain(own, wanted)[1]
        foreign = [gain(own, np.roll(wanted, shift, axis=0))[0] for shift in range(1, len(wanted))]
        shuffled[name] = float(np.mean(foreign)) if foreign else float("nan")
        for row, column in measured:
            if column == name and row != name:
                parts = [measured[row, column], own]
                if floor is not None:
                    parts.append(floor[row, column])
                leaks[row, column] = over_bases(leak, *parts)
    return Matrix(gains, r2, shuffled, leaks)
