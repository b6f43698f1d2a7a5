"""diffusers' schedulers as solvers of the loop."""

from __future__ import annotations

from typing import Any

import torch

from kinema.diffusion.loop import Solver, Step
from kinema.diffusion.path import DiffusionPath, FlowPath, Path, check_shift


class SchedulerSolver(Solver):
    """Steps of a diffusers scheduler.

    Args:
        scheduler: used as it is configured; its history is not touched.
        steps: how many.
        shift: of its noise schedule, where another than it was saved with is wanted.
        generator: for schedulers that add noise.
        device: of the timesteps.
        frames_first: step on [B, F, C, h, w] instead of [B, C, F, h, w], so that noise which the scheduler draws falls
            as in diffusers' pipelines of that layout.

    Raises:
        ValueError: a shift for a schedule that has none.
    """

    def __init__(
        self,
        scheduler: Any,
        steps: int,
        *,
        shift: float | None,
        generator: torch.Generator,
        device: torch.device,
        frames_first: bool = False,
    ) -> None:
        self.scheduler = fresh_scheduler(scheduler, shift)
        self.scheduler.set_timesteps(steps, device=device)
        self.path = scheduler_path(scheduler)
        self.timesteps = list(self.scheduler.timesteps)
        flows = isinstance(self.path, FlowPath)
        self.times = [float(each) for each in self.scheduler.sigmas[:-1]] if flows else self.timesteps
        self.generator = generator
        self.frames_first = frames_first
        self._clean: torch.Tensor | None = None  # the DPM solver of CogVideoX keeps its last estimate outside

    def start(self, noise: torch.Tensor) -> torch.Tensor:
        return noise * getattr(self.scheduler, "init_noise_sigma", 1.0)  # flows start at the noise itself

    def seen(self, x: torch.Tensor, t: Any) -> torch.Tensor:
        scaled = getattr(self.scheduler, "scale_model_input", None)
        return x if scaled is None else scaled(x, t)

    def step(self, prediction: torch.Tensor, x: torch.Tensor, step: Step) -> torch.Tensor:
        if self.frames_first:
            prediction, x = prediction.transpose(1, 2), x.transpose(1, 2)
        options: dict[str, Any] = {"return_dict": False}
        if type(self.scheduler).__name__ == "CogVideoXDPMScheduler":
            before = self.timesteps[step.index - 1] if step.index else None
            x, self._clean = self.scheduler.step(
                prediction, self._clean, step.t, before, x, generator=self.generator, **options
            )
        else:
            if self.scheduler.config.get("renoises"):
                options["generator"] = self.generator
            x = self.scheduler.step(prediction, step.t, x, **options)[0]
        return x.transpose(1, 2) if self.frames_first else x

    def progress(self, t: Any) -> float:
        return 1 - float(t) / self.scheduler.config.num_train_timesteps

    def noised(self, clean: torch.Tensor, noise: torch.Tensor, index: int) -> torch.Tensor:
        self.check_first(index)
        if isinstance(self.path, FlowPath):
            t = float(self.scheduler.sigmas[index])
            return (1 - t) * clean + t * noise
        if index == len(self.timesteps):
            return clean
        return self.scheduler.add_noise(clean, noise, self.scheduler.timesteps[index : index + 1])


def fresh_scheduler(scheduler: Any, shift: float | None) -> Any:
    """A scheduler without history, with another shift of its noise schedule where one is given.

    Raises:
        ValueError: a shift for a schedule that has none, or one that is not above 0.
    """
    if shift is None:
        return type(scheduler).from_config(scheduler.config)
    check_shift(shift)
    for name in ("flow_shift", "shift"):
        if name in scheduler.config:
            return type(scheduler).from_config(scheduler.config, **{name: shift})
    raise ValueError(f"{type(scheduler).__name__} has no shift: leave it out")


def scheduler_path(scheduler: Any) -> Path:
    """The path that a scheduler steps along: a flow where it has flow sigmas, else the diffusion of its alphas."""
    config = scheduler.config
    flows = "flow_shift" in config and config.get("use_flow_sigmas", False)
    if flows or "FlowMatch" in type(scheduler).__name__:
        return FlowPath("velocity")
    return DiffusionPath.of_scheduler(scheduler)
