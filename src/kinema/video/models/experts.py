"""Two experts in one model, as in Wan 2.2: who denoises a step, and how much each is guided.

As in diffusers' Wan pipelines: the first expert has the timesteps from `boundary_ratio` of all on, the second the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from kinema.diffusion.guider import Guidance, Pass, Scale


def expert_at(experts: Sequence[nn.Module], t: Any, boundary: float | None) -> nn.Module:
    """The transformer that denoises at a time.

    Args:
        experts: one; or two, that of the noisy steps first.
        t: as the networks are told it, a number or one for each sample.
        boundary: from which on it is the first's; None where there is one.

    Raises:
        ValueError: samples of both experts in one batch.
    """
    if boundary is None:
        return experts[0]
    noisy = torch.as_tensor(t) >= boundary
    if noisy.any() and not noisy.all():
        raise ValueError("a batch has times of both experts: predict them apart")
    return experts[0] if noisy.all() else experts[1]


class ExpertGuidance(Guidance):
    """Guidance with scales of its own for the second expert, e.g. `guidance_scale` 4 and `guidance_scale_2` 3.

    A scale that is set later, by `replace`, is for both, as in diffusers' pipelines where only one is given; of two in a
    tuple each is one expert's.

    Args:
        first, second: scales of the experts; both say something of every condition that one of them names.
        boundary_ratio: of the noise, at which the second takes over.
    """

    def __init__(self, first: Guidance, second: Guidance, boundary_ratio: float) -> None:
        super().__init__(**first.scales)
        self.second = second
        self.boundary_ratio = boundary_ratio

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExpertGuidance):
            return NotImplemented
        same = self.second == other.second and self.boundary_ratio == other.boundary_ratio
        return same and super().__eq__(other)

    __hash__ = Guidance.__hash__

    def __repr__(self) -> str:
        return f"ExpertGuidance({Guidance(**self.scales)!r}, {self.second!r}, {self.boundary_ratio:g})"

    def replace(self, **scales: float | Scale | tuple[float, float]) -> ExpertGuidance:
        pairs = {name: each if isinstance(each, tuple) else (each, each) for name, each in scales.items()}
        first = Guidance(**self.scales).replace(**{name: each for name, (each, _) in pairs.items()})
        second = self.second.replace(**{name: each for name, (_, each) in pairs.items()})
        return ExpertGuidance(first, second, self.boundary_ratio)

    def settings(self) -> dict[str, Any]:
        """As JSON types; the second expert's scales stand under `second_expert` where they differ."""
        first = super().settings()
        if Guidance(**self.scales) == self.second:
            return first
        return {**first, "second_expert": self.second.settings()}

    def passes_at(self, progress: float, conditions: frozenset[str]) -> list[Pass]:
        if progress <= 1 - self.boundary_ratio + 1e-9:  # t of `ratio` itself is the first expert's
            return super().passes_at(progress, conditions)
        return self.second.passes_at(progress, conditions)

    def every_pass(self, conditions: frozenset[str], steps: Any = ()) -> list[frozenset[str]]:
        asked = [*super().every_pass(conditions, steps), *self.second.every_pass(conditions, steps)]
        return list(dict.fromkeys(asked))


def rescaled(guidance: Guidance, scales: Mapping[str, float | tuple[float, float]]) -> Guidance:
    """A model's own guidance with what a person asked for.

    Args:
        guidance: of the model.
        scales: by condition; two of them are for two experts, that of the noisy steps first.

    Raises:
        ValueError: two scales for a model of one transformer.
    """
    pairs = [name for name, each in scales.items() if isinstance(each, tuple)]
    if pairs and not isinstance(guidance, ExpertGuidance):
        raise ValueError(
            f"two scales of {' and '.join(pairs)} are for a model of two experts, this one has one: give one scale"
        )
    return guidance.replace(**scales)  # type: ignore[arg-type]  # pairs only where they are understood
