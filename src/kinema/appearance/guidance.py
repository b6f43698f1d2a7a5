"""Flow matching with clean-sample prediction, and guidance with one scale per signal.

Path: x_t = (1 - t) * x + t * noise, t from 1 (noise) to 0 (sample). The network predicts x; with velocity
(x_t - x) / t an Euler step from t to s is x_s = x + (s / t) * (x_t - x).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch


@dataclass(frozen=True)
class Guidance:
    """Guidance scales. 1 follows a signal as the network learned it, more exaggerates it, 0 leaves it out.

    Args:
        text, pose, camera: scale of each signal.
        interval: share of the denoising, from noise to sample, in which control signals act, as (start, end).
    """

    text: float = 1.0
    pose: float = 1.0
    camera: float = 1.0
    interval: tuple[float, float] = (0.0, 1.0)

    def passes(
        self, has_pose: bool, has_camera: bool, progress: float = 0.0
    ) -> list[tuple[float, Condition]]:
        """Network passes and their weights for one step.

        Signals are switched on one after the other (camera, pose, text); each switch adds
        scale * (with - without). Equal to the plain network where all scales are 1: then one pass remains.

        Args:
            has_pose, has_camera: the signals that the scene has.
            progress: 0 at noise, 1 at the sample.
        """
        acting = self.interval[0] <= progress <= self.interval[1]
        chain = [(self.camera, "camera")] if has_camera and acting else []
        chain += [(self.pose, "pose")] if has_pose and acting else []
        chain += [(self.text, "text")]
        on: frozenset[str] = frozenset()
        weights: dict[frozenset[str], float] = {on: 1.0}
        for scale, name in chain:
            weights[on] = weights[on] - scale
            on = on | {name}
            weights[on] = scale
        return [
            (weight, Condition("text" in names, "pose" in names, "camera" in names))
            for names, weight in weights.items()
            if weight != 0.0
        ]


@dataclass(frozen=True)
class Condition:
    """Which signals a network pass sees."""

    text: bool
    pose: bool
    camera: bool


def flow_times(steps: int, shift: float) -> torch.Tensor:
    """Times from 1 to 0, [steps + 1]; shift > 1 spends more of them near the noise (as in SD3, Eq. 23)."""
    if steps < 1:
        raise ValueError(f"at least one step is needed, not {steps}")
    uniform = torch.linspace(1.0, 0.0, steps + 1)
    return shift * uniform / (1 + (shift - 1) * uniform)


def add_noise(sample: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """x_t for samples [B, ...] and times [B]."""
    t = t.view(-1, *([1] * (sample.ndim - 1)))
    return (1 - t) * sample + t * noise


def euler_flow(
    noise: torch.Tensor,
    times: torch.Tensor,
    predict: Callable[[torch.Tensor, float], torch.Tensor],
    on_step: Callable[[int, torch.Tensor], None] | None = None,
) -> torch.Tensor:
    """Integrates from noise to a sample.

    Args:
        noise: x_1.
        times: falling from 1 to 0, [steps + 1].
        predict: (x_t, t) -> the predicted clean sample.
        on_step: called with (step, predicted clean sample).

    Raises:
        FloatingPointError: the network returned NaN or infinity.
    """
    x = noise
    for step, (now, after) in enumerate(pairwise(times.tolist())):
        clean = predict(x, now)
        if not torch.isfinite(clean).all():
            raise FloatingPointError(
                f"the network returned NaN or infinity at step {step + 1} of {len(times) - 1}: "
                "try another seed or float32, and check the inputs"
            )
        x = clean + (after / now) * (x - clean)
        if on_step is not None:
            on_step(step, clean)
    return x
