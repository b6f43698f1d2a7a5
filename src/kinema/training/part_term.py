"""The terms of a training step for which predicted latents are decoded: people must look like those that are there.

The squared error of latents averages what it is not sure of: a person half turned away becomes a person with neither
face nor back, and hands take the colour of the sleeves. Here a network that names body parts looks at the predicted
picture and at the real one (all three terms are ours):

- `parts`: what it sees must agree (the distance is that of perceptual losses, LPIPS, 1801.03924: channels of unit
  length, squared differences, mean over the layers);
- `segments`: it must name the same segments and the same sides of them, front or back, as surely;
- `colours`: each segment of the body, where the network finds it in the real picture, must have its mean colour in
  the predicted one; a hand counts as much as a trunk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch.nn import functional

from kinema.diffusion.objective import Objective, TrainingStep
from kinema.training import ranks
from kinema.training.part_network import STRIDE, PartNetwork

_WHOLE_SEGMENT = 4.0  # cells of the part network; a segment of which less is seen counts less


@dataclass(frozen=True)
class PartOptions:
    """How the terms are computed.

    Args:
        network: sees the parts; it is not trained.
        frames: of each video, how many are compared; which is drawn.
        people: how much more a place counts where a person is seen.
    """

    network: PartNetwork
    frames: int = 4
    people: float = 8.0


class PartLoss(Objective):
    """The three terms of the clean latents that a step predicts; only samples with a pose count.

    Args:
        options: how.
    """

    needs = frozenset({"masks", "decoded"})

    def __init__(self, options: PartOptions) -> None:
        self.options = options

    @classmethod
    def load(cls, folder: str | Path, device: str) -> Self:
        """With the network of a folder.

        Raises:
            FileNotFoundError: the folder holds no such network.
        """
        if not (Path(folder) / "config.json").is_file():
            raise FileNotFoundError(f"{folder} holds no part network: train one with `kinema train parts`")
        network = PartNetwork.from_pretrained(folder).eval().requires_grad_(False)
        return cls(PartOptions(network.to(device)))

    def __call__(self, step: TrainingStep) -> dict[str, torch.Tensor]:
        return part_term(
            step.predicted,
            step.clean,
            step.extra["masks"],
            step.present["pose"],
            step.decode,
            self.options,
            step.generator,
        )


def part_term(
    predicted: torch.Tensor,
    clean: torch.Tensor,
    people: torch.Tensor,
    counted: torch.Tensor,
    decode: Callable[[torch.Tensor], torch.Tensor],
    options: PartOptions,
    generator: torch.Generator,
) -> dict[str, torch.Tensor]:
    """How differently two videos look to the part network, what it names otherwise, and how far colours are off.

    Args:
        predicted, clean: latents [B, C, F, h, w].
        people: exact masks, bool [B, T, H, W].
        counted: samples that count, bool [B]; without a pose nobody can say which parts should be where.
        decode: latents to pixels in [-1, 1], [B, 3, T, H, W].
        options: how.
        generator: draws the frames.

    Returns:
        parts: 0 where videos look the same, at most 4; segments: Kullback-Leibler divergence of the named classes from
        those of the real video, in nats; colours: mean absolute difference of values in [-1, 1].
    """
    few = torch.rand(people.shape[1], generator=generator).argsort()[: options.frames].to(people.device)
    made = decode(predicted)[:, :, few].clamp(-1, 1).transpose(1, 2).flatten(0, 1)
    with torch.no_grad():
        real = decode(clean)[:, :, few].clamp(-1, 1).transpose(1, 2).flatten(0, 1)
        there = options.network(real)
        wanted = [_unit(layer) for layer in there.features]
    mask = people[:, few].flatten(0, 1)[:, None].float()
    samples = counted.to(mask).repeat_interleave(len(few))

    def mean(error: torch.Tensor) -> torch.Tensor:
        """Weighted mean over places of an error [N, h, w]."""
        cells = functional.adaptive_max_pool2d(mask, error.shape[-2:])[:, 0]
        weight = 1 + (options.people - 1) * cells
        return (error * weight).flatten(1).sum(1) / weight.flatten(1).sum(1)

    seen = options.network(made)
    layers = [
        mean((_unit(each) - true).square().sum(dim=1))
        for each, true in zip(seen.features, wanted, strict=True)
    ]
    named, true_names = seen.logits.log_softmax(dim=1), there.logits.log_softmax(dim=1)
    each = {
        "parts": torch.stack(layers).mean(dim=0),
        "segments": mean((true_names.exp() * (true_names - named)).sum(dim=1)),
        "colours": _colour_error(made, real, there.logits),
    }
    total = ranks.mean(samples.sum()).clamp(min=1 / ranks.world())
    return {name: (errors * samples).sum() / total for name, errors in each.items()}


def _colour_error(made: torch.Tensor, real: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Mean over segments of by how much their mean colours differ, [N]; pictures [N, 3, H, W], logits of `real`."""
    share = logits.softmax(dim=1)[:, 1:].unflatten(1, (-1, 2)).sum(dim=2)  # of a segment's back and front
    area = share.flatten(2).sum(dim=2)
    made, real = (functional.avg_pool2d(each, STRIDE) for each in (made, real))
    off = torch.einsum("nshw,nchw->nsc", share, made - real) / area.clamp(min=1e-3)[..., None]
    counted = (area / _WHOLE_SEGMENT).clamp(max=1)
    return (off.abs().mean(dim=2) * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)


def _unit(features: torch.Tensor) -> torch.Tensor:
    return functional.normalize(features, dim=1, eps=1e-3)
