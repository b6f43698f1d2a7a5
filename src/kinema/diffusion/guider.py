"""Guidance: which passes a network makes in each step of sampling, and how their predictions are combined.

A guider is asked four things: where sampling begins, which passes a step needs, what their predictions make together,
and what happens after the step. Conditions are names (`text`, `pose`, `camera`, or whatever a method brings); a pass is
the set of those that it sees.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

from kinema.diffusion.loop import Solver, Step

ORDER = ("camera", "pose", "text")
"""In which conditions are switched on one after the other; others come before `text`, in the order of their names."""


@dataclass(frozen=True)
class Pass:
    """One evaluation of the network.

    Args:
        conditions: names of what it sees.
        weight: of its prediction in the sum that `Guider.combine` makes by default.
        options: what a model or method understands beyond conditions.
    """

    conditions: frozenset[str]
    weight: float = 1.0
    options: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Run:
    """What a guider may look at before sampling begins.

    Args:
        conditions: names of what this sample has.
        solver: whose steps are taken.
        frames: of the window.
        start: the window's first frame in the whole video.
        encode: pixels in [-1, 1], [1, 3, T, H, W], to latents of the shape of the noise; None where there are none.
        generator: for noise of its own.
    """

    conditions: frozenset[str]
    solver: Solver
    frames: int = 0
    encode: Any = None
    generator: torch.Generator | None = None
    start: int = 0


class Guider:
    """The plain network: one pass that sees everything. Methods override what they change.

    Attributes:
        whole: it wants a motion in one window, however long; its passes see parts of it.
    """

    whole = False

    def settings(self) -> dict[str, Any]:
        """What is written down beside a video, as JSON types."""
        return {"guider": type(self).__name__}

    def begin(self, noise: torch.Tensor, run: Run) -> tuple[torch.Tensor, int]:
        """(x, first step): where sampling starts; a late start skips steps."""
        return run.solver.start(noise), 0

    def passes(self, step: Step, conditions: frozenset[str]) -> list[Pass]:
        """The passes of one step, for a sample that has these conditions."""
        return [Pass(conditions)]

    def every_pass(self, conditions: frozenset[str], steps: Sequence[Step]) -> list[frozenset[str]]:
        """Every set of conditions that some step asks for, so that each can be encoded once, before the first step."""
        asked = [each.conditions for step in steps for each in self.passes(step, conditions)]
        return list(dict.fromkeys(asked))

    def combine(
        self, predictions: Sequence[torch.Tensor], passes: Sequence[Pass], step: Step
    ) -> torch.Tensor:
        """One prediction from those of the passes, in their order: by default their weighted sum."""
        total = torch.zeros_like(predictions[0])
        for prediction, each in zip(predictions, passes, strict=True):
            total = total + each.weight * prediction
        return total

    def after(self, x: torch.Tensor, step: Step) -> torch.Tensor:
        """x as the next step shall find it."""
        return x


@dataclass(frozen=True)
class Scale:
    """How much one condition counts.

    Args:
        scale: 1 as the network learned it, more exaggerates it, 0 leaves it out.
        interval: share of the denoising, from noise (0) to sample (1), in which it acts.

    Raises:
        ValueError: no finite scale, or an interval that does not lie within 0 to 1 or ends before it starts.
    """

    scale: float = 1.0
    interval: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if not math.isfinite(self.scale):
            raise ValueError(f"a guidance scale is a finite number, not {self.scale}")
        begin, end = self.interval
        if not 0 <= begin <= end <= 1:
            raise ValueError(
                f"an interval must be (start, end) with 0 <= start <= end <= 1, not {tuple(self.interval)}"
            )

    def acts(self, progress: float) -> bool:
        """Whether the condition is on at this share of the denoising."""
        return self.interval[0] <= progress <= self.interval[1]


class Guidance(Guider):
    """Classifier-free guidance (Ho and Salimans, 2207.12598) with one scale and interval per condition.

    Conditions are switched on one after the other (camera, pose, text); each switch adds scale * (with - without).
    Published settings in these terms, for a scene with motion and without camera:
        `Guidance(text=6, pose=3)`: e() + 3 (e(pose) - e()) + 6 (e(pose, text) - e(pose)), MTVCraft's two scales;
        `Guidance(text=6)`: plain classifier-free guidance on the text, the control acts in both passes (TokenMotion
        on CogVideoX); `Guidance(text=s, pose=s, camera=s)`: one scale for everything together, two passes.
    Where all scales are 1 the plain network remains: one pass.

    Args:
        scales: by condition, a number or a Scale; 1 where a condition is not named.
    """

    def __init__(self, **scales: float | Scale) -> None:
        self.scales = {
            name: each if isinstance(each, Scale) else Scale(float(each)) for name, each in scales.items()
        }

    def __getitem__(self, condition: str) -> Scale:
        return self.scales.get(condition, Scale())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Guidance):
            return NotImplemented
        return all(self[name] == other[name] for name in {*self.scales, *other.scales})

    def __hash__(self) -> int:
        return hash(tuple(sorted((name, each) for name, each in self.scales.items() if each != Scale())))

    def __repr__(self) -> str:
        shown = (
            f"{name}={each.scale:g}" if each.interval == (0.0, 1.0) else f"{name}={each!r}"
            for name, each in self.scales.items()
        )
        return f"Guidance({', '.join(shown)})"

    def replace(self, **scales: float | Scale) -> Guidance:
        """With other scales for some conditions; a bare number keeps the condition's interval."""
        changed = {
            name: each if isinstance(each, Scale) else Scale(float(each), self[name].interval)
            for name, each in scales.items()
        }
        return Guidance(**{**self.scales, **changed})

    def settings(self) -> dict[str, Any]:
        """As JSON types: a number, or scale and interval, per condition."""
        return {
            name: each.scale if each.interval == (0.0, 1.0) else [each.scale, list(each.interval)]
            for name, each in self.scales.items()
        }

    def passes(self, step: Step, conditions: frozenset[str]) -> list[Pass]:
        return self.passes_at(step.progress, conditions)

    def passes_at(self, progress: float, conditions: frozenset[str]) -> list[Pass]:
        """The passes at a share of the denoising, 0 at noise, 1 at the sample."""
        on: frozenset[str] = frozenset()
        weights: dict[frozenset[str], float] = {on: 1.0}
        for name in in_order(conditions):
            if not self[name].acts(progress):
                continue
            weights[on] = weights[on] - self[name].scale
            on = on | {name}
            weights[on] = self[name].scale
        return [Pass(names, weight) for names, weight in weights.items() if weight != 0.0]

    def every_pass(self, conditions: frozenset[str], steps: Sequence[Step] = ()) -> list[frozenset[str]]:
        # Between two of these the passes stay the same.
        ends = sorted({0.0, 1.0, *(end for name in conditions for end in self[name].interval)})
        moments = [*ends, *((a + b) / 2 for a, b in pairwise(ends))]
        asked = [each.conditions for at in moments for each in self.passes_at(at, conditions)]
        return list(dict.fromkeys(asked))


def in_order(conditions: Iterable[str]) -> list[str]:
    """Conditions in the order in which guidance switches them on."""
    first, last = ORDER[:-1], ORDER[-1]
    named = set(conditions)
    between = sorted(named - set(ORDER))
    return [name for name in (*first, *between, last) if name in named]
