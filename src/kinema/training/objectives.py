"""Objectives. Each returns its terms by name; their weighted sum is what is minimised (`trainer.py`).

Here: `flow_matching` (clean samples, mini). Any path's own loss is `diffusion.objective.Denoising`; terms of published
methods are with their papers (`papers.mosa`).

Weighted means divide by the weight of the whole batch, so that the mean over several processes is what one would get.
"""

from __future__ import annotations

import torch

from kinema.papers.mosa import LAMBDAS
from kinema.training import ranks

AUXILIARY_WEIGHTS = {
    **LAMBDAS,
    "parts": 4.0,
    "segments": 0.5,
    "colours": 4.0,
}
"""Weights of terms beside the denoising; `gradient_guard.py` says when one is too large.

`parts`, `segments` and `colours` are no terms of MoSA's; at 4 the gradient of `parts` is larger than that of the main
term, on purpose.
"""


def flow_matching(
    predicted: torch.Tensor,
    clean: torch.Tensor,
    weight: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """Flow matching with clean-sample prediction: mean squared error on the sample.

    Args:
        predicted, clean: latents [B, C, F, h, w].
        weight: ours; importance of each latent position [B, 1, F, h, w], for instance more on people.
    """
    return {"flow": _squared_error(predicted, clean, weight)}


def training_times(batch: int, shift: float, generator: torch.Generator) -> torch.Tensor:
    """Times in (0, 1] for a batch, [B]: uniform and stratified, then shifted towards the noise."""
    uniform = (torch.arange(batch) + torch.rand(batch, generator=generator)) / batch
    uniform = uniform[torch.randperm(batch, generator=generator)]
    return shift * uniform / (1 + (shift - 1) * uniform)


def _squared_error(
    predicted: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None
) -> torch.Tensor:
    """Mean over all elements, or over positions with a weight [B, 1, F, h, w]."""
    error = (predicted.float() - target.float()).square()
    if weight is None:
        return error.mean()
    weight = weight.expand(-1, 1, *target.shape[2:])
    return (error.mean(1, keepdim=True) * weight).sum() / ranks.mean(weight.sum()).clamp(min=1e-6)
