"""Denoising with a diffusers scheduler; the flow of mini, which predicts clean samples, is in guidance.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import CogVideoXDPMScheduler


def fresh_scheduler(scheduler: Any, shift: float | None) -> Any:
    """A scheduler without history, with another shift of its noise schedule where one is given.

    Raises:
        ValueError: a shift for a schedule that has none.
    """
    if shift is None:
        return type(scheduler).from_config(scheduler.config)
    for name in ("flow_shift", "shift"):
        if name in scheduler.config:
            return type(scheduler).from_config(scheduler.config, **{name: shift})
    raise ValueError(f"{type(scheduler).__name__} has no shift: leave it out")


def integrate(
    scheduler: Any,
    noise: torch.Tensor,
    steps: int,
    predict: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    generator: torch.Generator,
    on_step: Callable[[], Any],
    after_step: Callable[[torch.Tensor, int], torch.Tensor] | None = None,
) -> torch.Tensor:
    """From noise to a sample.

    Args:
        scheduler: of diffusers, without history.
        noise: drawn with variance 1, any shape.
        steps: how many.
        predict: (x_t, timestep) -> what the scheduler was made for: noise, velocity, ...
        generator: for schedulers that add noise.
        on_step: called after every step.
        after_step: changes (x, number of steps done) before the next one.

    Raises:
        FloatingPointError: the network returned NaN or infinity.
    """
    scheduler.set_timesteps(steps, device=noise.device)
    x = noise * scheduler.init_noise_sigma
    timesteps = scheduler.timesteps
    clean = None  # the DPM solver of CogVideoX keeps its last estimate outside
    for step, t in enumerate(timesteps):
        prediction = predict(scheduler.scale_model_input(x, t), t)
        if not torch.isfinite(prediction).all():
            raise FloatingPointError(
                f"the network returned NaN or infinity at step {step + 1} of {len(timesteps)}: "
                "try another seed or float32, and check the inputs"
            )
        if isinstance(scheduler, CogVideoXDPMScheduler):
            before = timesteps[step - 1] if step else None
            x, clean = scheduler.step(prediction, clean, t, before, x, generator=generator, return_dict=False)
        else:
            x = scheduler.step(prediction, t, x, return_dict=False)[0]
        if after_step is not None:
            x = after_step(x, step + 1)
        on_step()
    return x
