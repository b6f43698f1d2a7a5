"""Objectives. Each returns its terms by name; their weighted sum is what is minimised (`trainer.py`).

Denoising: `flow_matching` (clean samples, mini), `flow_velocity` (Wan), `v_prediction` (CogVideoX). Beside it, for
methods that say where people are: `mask_loss`. The tracking and contact terms have their own modules.

Weighted means divide by the weight of the whole batch, so that the mean over several processes is what one would get.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from kinema.training import ranks

AUXILIARY_WEIGHTS = {
    "mask": 0.1,
    "track": 0.01,
    "contact": 0.01,
    "parts": 4.0,
    "segments": 0.5,
    "colours": 4.0,
}
"""MoSA's lambda_m, lambda_track and lambda_cont: L = L_d + lambda_m L_m + lambda_track L_track + lambda_cont L_cont.

The paper gives no numbers: these are ours, and `gradient_guard.py` says when one is too large. `parts`, `segments`
and `colours` are no terms of MoSA's; at 4 the gradient of `parts` is larger than that of the main term, on purpose.
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


def flow_velocity(
    predicted: torch.Tensor,
    clean: torch.Tensor,
    noise: torch.Tensor,
    weight: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """Flow matching as Wan is trained: the network predicts v = noise - x of x_t = (1 - t) x + t noise.

    Args:
        predicted: velocity, [B, C, F, h, w].
        clean, noise: latents of the same shape.
        weight: as in `flow_matching`.
    """
    return {"flow": _squared_error(predicted, noise.float() - clean.float(), weight)}


def v_prediction(
    predicted: torch.Tensor,
    clean: torch.Tensor,
    noise: torch.Tensor,
    alphas_cumprod: torch.Tensor,
    weight: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """Diffusion as CogVideoX is trained: the network predicts v = sqrt(a) eps - sqrt(1 - a) x (Salimans and Ho,
    2202.00512) of x_t = sqrt(a) x + sqrt(1 - a) eps.

    Its public training code takes the squared error of the sample x = sqrt(a) x_t - sqrt(1 - a) v with the weight
    1 / (1 - a). Since that sample's error is -sqrt(1 - a) times the error of v, this is the plain squared error of
    v, and is computed as such: nothing is divided by a vanishing 1 - a.

    Args:
        predicted: v, [B, C, F, h, w] or, as CogVideoX lays it out, [B, F, C, h, w].
        clean, noise: x and eps, of the same shape.
        alphas_cumprod: a of each sample's timestep, [B].
        weight: as in `flow_matching`; needs the channels on the second axis.
    """
    a = alphas_cumprod.float().view(-1, *([1] * (clean.ndim - 1)))
    target = a.sqrt() * noise.float() - (1 - a).sqrt() * clean.float()
    return {"v": _squared_error(predicted, target, weight)}


def mask_loss(
    predictions: Sequence[torch.Tensor],
    people: torch.Tensor,
    present: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """MoSA's L_m = L2(U(w), human mask), averaged over the sites.

    Args:
        predictions: of each site (`ControlAdapter.masks`), [B, 1, F, h, w]; none gives no term.
        people: exact mask of the people in the video, [B, T, H, W].
        present: samples that count, bool [B]: without a structure there is nothing to read a mask from.

    Raises:
        ValueError: the predictions' frames or sides do not divide those of the mask.
    """
    if not predictions:
        return {}
    target = pool_to_latents(people, tuple(predictions[0].shape[2:]))
    counts = torch.ones(len(target), device=target.device) if present is None else present.to(target)
    errors = [(each.float() - target).square().flatten(1).mean(1) for each in predictions]
    counted = ranks.mean(counts.sum()).clamp(min=1 / ranks.world())
    return {"mask": (torch.stack(errors).mean(0) * counts).sum() / counted}


def pool_to_latents(mask: torch.Tensor, grid: tuple[int, ...]) -> torch.Tensor:
    """The share of each latent cell that is covered, [B, 1, F, h, w], over the frame groups [0], [1-4], [5-8], ...

    Args:
        mask: bool or in [0, 1], [B, T, H, W].
        grid: (F, h, w).

    Raises:
        ValueError: the groups or cells are not of equal size.
    """
    frames, rows, columns = grid
    length, height, width = mask.shape[1:]
    whole = (length == 1) if frames == 1 else (length - 1) % (frames - 1) == 0 and length > 1
    if not whole or height % rows or width % columns:
        raise ValueError(f"a mask of {length} x {height} x {width} cannot be pooled to {list(grid)}")
    cells = functional.avg_pool2d(mask.float(), (height // rows, width // columns))
    if frames > 1:
        cells = torch.cat([cells[:, :1], cells[:, 1:].unflatten(1, (frames - 1, -1)).mean(2)], dim=1)
    return cells.unsqueeze(1)


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
