"""Objectives. Each returns its terms by name; their sum is what is minimised."""

from __future__ import annotations

import torch


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
    error = (predicted.float() - clean.float()).square()
    if weight is None:
        return {"flow": error.mean()}
    weight = weight.expand(-1, 1, *clean.shape[2:])
    return {"flow": (error.mean(1, keepdim=True) * weight).sum() / weight.sum().clamp(min=1e-6)}


def training_times(batch: int, shift: float, generator: torch.Generator) -> torch.Tensor:
    """Times in (0, 1] for a batch, [B]: uniform and stratified, then shifted towards the noise."""
    uniform = (torch.arange(batch) + torch.rand(batch, generator=generator)) / batch
    uniform = uniform[torch.randperm(batch, generator=generator)]
    return shift * uniform / (1 + (shift - 1) * uniform)
