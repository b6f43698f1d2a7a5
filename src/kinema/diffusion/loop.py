"""The sampling loop, once: a solver steps along a path, a guider says which passes the network makes.

`denoise` knows nothing of networks: `predict` answers for one step, and hooks change what it says or where it leads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch

from kinema.diffusion.path import FlowPath, Path, flow_times


@dataclass(frozen=True)
class Step:
    """One step of the loop.

    Args:
        index: from 0.
        count: of all steps.
        t: time that the step starts from, as the network is told it: a number or a timestep.
        time: the same on the solver's path.
        progress: 0 at noise, 1 at the sample.
    """

    index: int
    count: int
    t: Any
    time: Any
    progress: float


class Solver(ABC):
    """How a prediction becomes the next, less noisy sample.

    Attributes:
        path: what predictions mean.
        timesteps: of every step, as the network is told them.
        times: of every step on the path.
    """

    path: Path
    timesteps: Sequence[Any]
    times: Sequence[Any]

    @abstractmethod
    def start(self, noise: torch.Tensor) -> torch.Tensor:
        """The first noisy sample of noise with variance 1."""

    @abstractmethod
    def seen(self, x: torch.Tensor, t: Any) -> torch.Tensor:
        """The sample as the network is shown it."""

    @abstractmethod
    def step(self, prediction: torch.Tensor, x: torch.Tensor, step: Step) -> torch.Tensor:
        """The sample at the step's next time."""

    @abstractmethod
    def progress(self, t: Any) -> float:
        """How far the denoising is, 0 at noise, 1 at the sample."""

    @abstractmethod
    def noised(self, clean: torch.Tensor, noise: torch.Tensor, index: int) -> torch.Tensor:
        """Clean samples as noisy as the loop's samples are before step `index`; clean after the last.

        Raises:
            ValueError: there is no such step.
        """

    def steps(self, first: int = 0) -> list[Step]:
        """The steps from number `first` on; none from the number of all steps on, where samples are clean.

        Raises:
            ValueError: there is no such step.
        """
        count = len(self.timesteps)
        self.check_first(first)
        told = list(zip(self.timesteps, self.times, strict=True))
        return [Step(i, count, *told[i], self.progress(told[i][0])) for i in range(first, count)]

    def check_first(self, first: int) -> None:
        """Whether sampling can begin at a step.

        Raises:
            ValueError: there is no such step.
        """
        if not 0 <= first <= len(self.timesteps):
            raise ValueError(f"sampling cannot begin at step {first} of {len(self.timesteps)}")


class EulerSolver(Solver):
    """Euler steps of a flow: from t to s, x_s = x + (s / t) (x_t - x) with the clean sample x.

    Args:
        steps: how many.
        shift: spends more of them near the noise where above 1.
        path: what predictions mean.

    Raises:
        ValueError: no step, a shift that is not above 0, or steps from pure noise for a network that predicts the noise
            and says nothing there.
    """

    def __init__(self, steps: int, shift: float = 1.0, path: Path | None = None) -> None:
        self._set(flow_times(steps, shift).tolist(), path)

    @classmethod
    def between(cls, times: Sequence[float], path: Path | None = None) -> Self:
        """Steps between given times, falling from 1; the last is where it ends."""
        solver = cls.__new__(cls)
        solver._set(list(times), path)
        return solver

    def _set(self, times: list[float], path: Path | None) -> None:
        self.path = path or FlowPath("clean")
        if self.path.prediction == "noise" and times[0] == 1:
            raise ValueError(
                "a network that predicts the noise says nothing of the sample at t = 1: begin below it"
            )
        self.timesteps = self.times = times[:-1]
        self._ends = times

    def start(self, noise: torch.Tensor) -> torch.Tensor:
        return noise

    def seen(self, x: torch.Tensor, t: Any) -> torch.Tensor:
        return x

    def step(self, prediction: torch.Tensor, x: torch.Tensor, step: Step) -> torch.Tensor:
        clean = self.path.clean(prediction, x, step.time)
        return clean + (self._ends[step.index + 1] / step.time) * (x - clean)

    def progress(self, t: Any) -> float:
        return 1 - t

    def noised(self, clean: torch.Tensor, noise: torch.Tensor, index: int) -> torch.Tensor:
        self.check_first(index)
        return self.path.noisy(clean, noise, self._ends[index])


Predict = Callable[[torch.Tensor, Step], torch.Tensor]
"""(noisy sample as the network is shown it, step) -> the prediction, on the solver's path."""

Edit = Callable[[torch.Tensor, Step], torch.Tensor]
"""(clean sample or noisy sample, step) -> the same, changed."""


def denoise(
    noise: torch.Tensor,
    solver: Solver,
    predict: Predict,
    *,
    start: tuple[torch.Tensor, int] | None = None,
    edit_clean: Edit | None = None,
    after: Edit | None = None,
    on_step: Callable[[Step, torch.Tensor], None] | None = None,
) -> torch.Tensor:
    """From noise to a sample.

    Args:
        noise: drawn with variance 1, any shape.
        solver: without history.
        predict: the network's, guided, prediction.
        start: (x, first step) of a late start; noise at the first step where None.
        edit_clean: changes the clean sample that each prediction means, before the step is taken.
        after: changes x after each step, at the step's next time.
        on_step: called after every step with it and its prediction.

    Raises:
        FloatingPointError: the network returned NaN or infinity.
    """
    x, first = (solver.start(noise), 0) if start is None else start
    for step in solver.steps(first):
        prediction = predict(solver.seen(x, step.t), step)
        if not torch.isfinite(prediction).all():
            raise FloatingPointError(
                f"the network returned NaN or infinity at step {step.index + 1} of {step.count}: "
                "try another seed or float32, and check the inputs"
            )
        if edit_clean is not None:
            clean = edit_clean(solver.path.clean(prediction, x, step.time), step)
            prediction = solver.path.from_clean(clean, x, step.time)
        x = solver.step(prediction, x, step)
        if after is not None:
            x = after(x, step)
        if on_step is not None:
            on_step(step, prediction)
    return x
