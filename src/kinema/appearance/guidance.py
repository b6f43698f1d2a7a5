"""Flow matching with clean-sample prediction, and guidance with a scale and an interval per signal.

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

    Published settings in these terms, for a scene with motion and without camera:
        `Guidance(text=6, pose=3)`: e() + 3 (e(pose) - e()) + 6 (e(pose, text) - e(pose)), MTVCraft's two scales;
        `Guidance(text=6)`: plain classifier-free guidance on the text, the control acts in both passes (TokenMotion
        on CogVideoX); `Guidance(text=s, pose=s, camera=s)`: one scale for everything together, two passes.

    Args:
        text, pose, camera: scale of each signal.
        interval: share of the denoising, from noise (0) to sample (1), in which control signals act, as (start, end).
        pose_interval, camera_interval: the same for one signal alone; `interval` where None.

    Raises:
        ValueError: an interval that does not lie within 0 to 1, or ends before it starts.
    """

    text: float = 1.0
    pose: float = 1.0
    camera: float = 1.0
    interval: tuple[float, float] = (0.0, 1.0)
    pose_interval: tuple[float, float] | None = None
    camera_interval: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("interval", "pose_interval", "camera_interval"):
            interval = getattr(self, name)
            if interval is not None and not 0 <= interval[0] <= interval[1] <= 1:
                raise ValueError(f"{name} must be (start, end) with 0 <= start <= end <= 1, not {interval}")

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
        chain = [(self.camera, "camera")] if has_camera and _within(self._camera_interval, progress) else []
        chain += [(self.pose, "pose")] if has_pose and _within(self._pose_interval, progress) else []
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

    def conditions(self, has_pose: bool, has_camera: bool) -> list[Condition]:
        """Every condition that some step may ask for, so that each can be encoded once, before the first step.

        Args:
            has_pose, has_camera: the signals that the scene has.
        """
        # Between two of these the passes stay the same.
        ends = sorted({0.0, 1.0, *self._pose_interval, *self._camera_interval})
        moments = [*ends, *((a + b) / 2 for a, b in pairwise(ends))]
        steps = [self.passes(has_pose, has_camera, progress) for progress in moments]
        return list(dict.fromkeys(condition for passes in steps for _, condition in passes))

    @property
    def _pose_interval(self) -> tuple[float, float]:
        return self.interval if self.pose_interval is None else self.pose_interval

    @property
    def _camera_interval(self) -> tuple[float, float]:
        return self.interval if self.camera_interval is None else self.camera_interval


@dataclass(frozen=True)
class Condition:
    """Which signals a network pass sees."""

    text: bool
    pose: bool
    camera: bool


def _within(interval: tuple[float, float], progress: float) -> bool:
    return interval[0] <= progress <= interval[1]


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
