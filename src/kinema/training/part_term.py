"""The part term of a training step: predicted latents are decoded and must look like the people that are there.

The squared error of latents averages what it is not sure of: a person half turned away becomes a person with neither
face nor back. Here a network that names body parts looks at the predicted picture and at the real one, and what it
sees must agree (ours; the distance is that of perceptual losses, LPIPS, 1801.03924: channels of unit length, squared
differences, mean over the layers).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from kinema.training import ranks
from kinema.training.part_network import PartNetwork


@dataclass(frozen=True)
class PartOptions:
    """How the part term is computed.

    Args:
        network: sees the parts; it is not trained.
        frames: of each video, how many are compared; which is drawn.
        people: how much more a place counts where a person is seen.
    """

    network: PartNetwork
    frames: int = 4
    people: float = 8.0


def load_parts(folder: str | Path | None, device: str) -> PartOptions | None:
    """The part term with the network of a folder; None without one.

    Raises:
        FileNotFoundError: the folder holds no such network.
    """
    if folder is None:
        return None
    if not (Path(folder) / "config.json").is_file():
        raise FileNotFoundError(f"{folder} holds no part network: train one with `kinema train parts`")
    return PartOptions(PartNetwork.from_pretrained(folder).eval().requires_grad_(False).to(device))


def part_term(
    predicted: torch.Tensor,
    clean: torch.Tensor,
    people: torch.Tensor,
    counted: torch.Tensor,
    decode: Callable[[torch.Tensor], torch.Tensor],
    options: PartOptions,
    generator: torch.Generator,
) -> dict[str, torch.Tensor]:
    """How differently two videos look to the part network, 0 where they are the same, at most 4.

    Args:
        predicted, clean: latents [B, C, F, h, w].
        people: exact masks, bool [B, T, H, W].
        counted: samples that count, bool [B]; without a pose nobody can say which parts should be where.
        decode: latents to pixels in [-1, 1], [B, 3, T, H, W].
        options: how.
        generator: draws the frames.
    """
    few = torch.rand(people.shape[1], generator=generator).argsort()[: options.frames].to(people.device)
    made = decode(predicted)[:, :, few].clamp(-1, 1).transpose(1, 2).flatten(0, 1)
    with torch.no_grad():
        real = decode(clean)[:, :, few].clamp(-1, 1).transpose(1, 2).flatten(0, 1)
        wanted = [_unit(layer) for layer in options.network(real).features]
    mask = people[:, few].flatten(0, 1)[:, None].float()
    samples = counted.to(mask).repeat_interleave(len(few))
    layers = []
    for seen, true in zip(options.network(made).features, wanted, strict=True):
        cells = functional.adaptive_max_pool2d(mask, true.shape[-2:])[:, 0]
        weight = 1 + (options.people - 1) * cells
        error = (_unit(seen) - true).square().sum(dim=1)
        layers.append((error * weight).flatten(1).sum(1) / weight.flatten(1).sum(1))
    each = torch.stack(layers).mean(dim=0)
    total = ranks.mean(samples.sum()).clamp(min=1 / ranks.world())
    return {"parts": (each * samples).sum() / total}


def _unit(features: torch.Tensor) -> torch.Tensor:
    return functional.normalize(features, dim=1, eps=1e-3)
