"""Objectives: what a training step minimises, one class per loss.

A task makes one `TrainingStep` per batch and asks every objective for its named terms; the recipe's weights add them up.
Weighted means divide by the weight of the whole batch over all processes, so that the mean over processes is what one
process would get.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from kinema.diffusion.path import Path


@dataclass(eq=False)
class TrainingStep:
    """What objectives may look at. B samples, latents [B, C, F, h, w].

    Args:
        samples: the batch, as the task was given it.
        clean, noise: latents and the noise on them.
        x: what the network saw, on the path at `time`.
        time: of each sample, [B].
        prediction: the network's, on the path.
        path: what that means.
        present: which conditions each sample had, bool [B] by name.
        tokens: of each adapter, by name.
        adapters: by name.
        weight: importance of each latent position, [B, 1, F, h, w]; None for all alike.
        decode: latents to pixels in [-1, 1], [B, 3, T, H, W].
        generator: for choices of the objectives' own.
        mean_over_ranks: mean of a number over all processes.
        extra: what an objective's `needs` has put there: `masks`, bool [B, T, H, W]; `tracks`, of each sample its points
            and its `video`, or None.
        again: (samples from the first on, times, noise) -> a further step of those samples with all their conditions,
            for objectives that look at other times.
    """

    samples: Sequence[Any]
    clean: torch.Tensor
    noise: torch.Tensor
    x: torch.Tensor
    time: torch.Tensor
    prediction: torch.Tensor
    path: Path
    present: Mapping[str, torch.Tensor]
    tokens: Mapping[str, Any]
    adapters: Mapping[str, Any]
    weight: torch.Tensor | None
    decode: Callable[[torch.Tensor], torch.Tensor]
    generator: torch.Generator
    mean_over_ranks: Callable[[torch.Tensor], torch.Tensor] = lambda value: value
    extra: dict[str, Any] = field(default_factory=dict)
    again: Callable[[int, torch.Tensor, torch.Tensor], TrainingStep] | None = None

    @property
    def predicted(self) -> torch.Tensor:
        """The clean latents that the prediction means."""
        return self.path.clean(self.prediction, self.x, self.time)


class Objective(ABC):
    """One loss.

    Attributes:
        needs: what the task must provide beyond latents: `masks` (exact silhouettes), `tracks` (points followed through
            the video), `decoded` (an autoencoder that gradients pass through), `flow`, `features:NAME`.
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    def install(self, model: Any) -> None:  # noqa: B027  # most have nothing to install
        """Called once, before training: for objectives that look into the network."""

    @abstractmethod
    def __call__(self, step: TrainingStep) -> dict[str, torch.Tensor]:
        """Terms by name; none where there is nothing to compare."""


class Denoising(Objective):
    """The path's own loss: squared error of what the network predicts (flow matching; CogVideoX's v-prediction)."""

    def __call__(self, step: TrainingStep) -> dict[str, torch.Tensor]:
        target = step.path.target(step.clean, step.noise, step.time)
        error = squared_error(step.prediction, target, step.weight, step.mean_over_ranks)
        return {"denoising": error}


def squared_error(
    predicted: torch.Tensor,
    target: torch.Tensor,
    weight: torch.Tensor | None = None,
    mean_over_ranks: Callable[[torch.Tensor], torch.Tensor] = lambda value: value,
) -> torch.Tensor:
    """Mean squared error over all elements, or over positions with a weight.

    Args:
        predicted, target: [B, C, F, h, w].
        weight: [B, 1, F, h, w].
        mean_over_ranks: mean of a number over all processes.
    """
    error = (predicted.float() - target.float()).square()
    if weight is None:
        return error.mean()
    weight = weight.expand(-1, 1, *target.shape[2:])
    return (error.mean(1, keepdim=True) * weight).sum() / mean_over_ranks(weight.sum()).clamp(min=1e-6)
