"""Rollouts: training steps that begin with what the model itself has drawn, instead of the true video with noise.

A model that has only ever seen true videos with noise trusts what it sees. While it samples it sees its own drawing:
limbs that were blurred at the first step are taken for blurred limbs, and stay so (exposure bias, 2308.15321). After a
rollout the target is the true video all the same, so the later steps of sampling learn to mend the earlier ones
(as Self Forcing, 2506.08009, does window by window; for a clean-sample predictor on a time axis, ours).

What is compared with the true video is the guided prediction, as sampling uses it (ours): a prediction that is right by
itself is washed out, or burnt, by the guidance that follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from kinema.diffusion.loop import EulerSolver, Step, denoise
from kinema.diffusion.path import FlowPath, Path

_FIRST = 0.9  # above this time a small model sees next to nothing of what it has drawn
_PASS = 0.3  # for each of these below it, one pass more


@dataclass(frozen=True)
class Rollouts:
    """When and how training steps begin with rollouts.

    Args:
        share: of the training steps.
        pose: guidance scale of the pose; that of sampling, so that training sees what sampling sees.
        lowest: the time that a rollout reaches is drawn uniformly between this and 0.9.
    """

    share: float
    pose: float
    lowest: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"rollouts is a share of the training steps, from 0 to 1, not {self.share}")

    def times(self, generator: torch.Generator) -> torch.Tensor:
        """Times of one rollout, falling from 1 to where it ends, [passes + 1]."""
        end = self.lowest + (_FIRST - self.lowest) * float(torch.rand(1, generator=generator))
        passes = 1 + int((_FIRST - end) / _PASS)
        return torch.cat([torch.ones(1), torch.linspace(_FIRST, end, passes + 1)[1:]])


Look = Callable[[torch.Tensor, torch.Tensor, bool], torch.Tensor]
"""(x_t [B, C, F, h, w], t [B], whether the pose is seen) -> the prediction, on the path."""


def guided(look: Look, x: torch.Tensor, t: torch.Tensor, pose: float) -> torch.Tensor:
    """The prediction of one sampling step, guided on the pose; gradients go through the pass that sees the pose.

    Args:
        look: the network.
        x: latents [B, C, F, h, w].
        t: times [B].
        pose: guidance scale.
    """
    if pose == 1:
        return look(x, t, True)
    with torch.no_grad():
        unposed = look(x, t, False)
    return unposed + pose * (look(x, t, True) - unposed)


@torch.no_grad()
def roll_out(
    noise: torch.Tensor, times: torch.Tensor, look: Look, pose: float, path: Path | None = None
) -> torch.Tensor:
    """What sampling has made of the noise when it reaches the last of the times, [B, C, F, h, w].

    Args:
        noise: x_1, [B, C, F, h, w].
        times: falling from 1, at least two.
        look: the network.
        pose: guidance scale.
        path: of the flow that the network predicts on; clean samples where None.

    Raises:
        ValueError: no flow.
    """
    if not isinstance(path, FlowPath | None):
        raise ValueError("rollouts follow a flow: this model has none, leave them at 0")

    def predict(x: torch.Tensor, step: Step) -> torch.Tensor:
        return guided(look, x, torch.full((len(x),), step.t, device=x.device), pose)

    return denoise(noise, EulerSolver.between(times.tolist(), path), predict)
