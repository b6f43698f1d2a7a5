"""Probability paths between clean samples and noise, and what a network on them predicts.

A path says how a noisy sample is made, what the network is trained towards, and how its answer is read back as a clean
sample. CogVideoX, Wan, the embedded video model and the motion generator are four settings of the two classes here.
Times are any tensor that broadcasts to the samples from the left: [B], [B, L, P] or a number.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

Prediction = Literal["clean", "velocity", "noise"]
"""What a network returns: the sample x, the path's velocity, or the noise."""


class Path(ABC):
    """One parametrisation.

    Attributes:
        prediction: what the network returns.
    """

    prediction: Prediction

    @abstractmethod
    def coefficients(self, t: Any, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(a, b) of x_t = a x + b noise at times t, shaped to broadcast against `like`."""

    @abstractmethod
    def velocity(self, clean: torch.Tensor, noise: torch.Tensor, t: Any) -> torch.Tensor:
        """What a network that predicts the velocity shall return."""

    @abstractmethod
    def clean(self, prediction: torch.Tensor, x: torch.Tensor, t: Any) -> torch.Tensor:
        """The clean sample that a prediction at x_t means."""

    @abstractmethod
    def from_clean(self, clean: torch.Tensor, x: torch.Tensor, t: Any) -> torch.Tensor:
        """The prediction at x_t that means this clean sample: the inverse of `clean`."""

    def noisy(self, clean: torch.Tensor, noise: torch.Tensor, t: Any) -> torch.Tensor:
        """x_t of clean samples and noise."""
        keeps, adds = self.coefficients(t, clean)
        return keeps * clean + adds * noise

    def target(self, clean: torch.Tensor, noise: torch.Tensor, t: Any) -> torch.Tensor:
        """What the network is trained towards."""
        if self.prediction == "clean":
            return clean
        return noise if self.prediction == "noise" else self.velocity(clean, noise, t)


@dataclass(frozen=True)
class FlowPath(Path):
    """The straight path of flow matching (Lipman et al., 2210.02747; Liu et al., 2209.03003).

    x_t = (1 - t) x + t noise, t from 0 (sample) to 1 (noise); the velocity is noise - x.
    """

    prediction: Prediction = "velocity"

    def __post_init__(self) -> None:
        _check(self.prediction)

    def coefficients(self, t: Any, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        t = aligned(t, like)
        return 1 - t, t

    def velocity(self, clean: torch.Tensor, noise: torch.Tensor, t: Any) -> torch.Tensor:
        return noise - clean

    def clean(self, prediction: torch.Tensor, x: torch.Tensor, t: Any) -> torch.Tensor:
        if self.prediction == "clean":
            return prediction
        t = aligned(t, x)
        if self.prediction == "velocity":
            return x - t * prediction
        return (x - t * prediction) / (1 - t)

    def from_clean(self, clean: torch.Tensor, x: torch.Tensor, t: Any) -> torch.Tensor:
        if self.prediction == "clean":
            return clean
        t = aligned(t, x)
        return (x - clean) / t if self.prediction == "velocity" else (x - (1 - t) * clean) / t


@dataclass(frozen=True, eq=False)
class DiffusionPath(Path):
    """A variance-preserving path over discrete timesteps: x_t = sqrt(a_t) x + sqrt(1 - a_t) noise.

    The velocity is v = sqrt(a) noise - sqrt(1 - a) x (Salimans and Ho, 2202.00512). CogVideoX's public training code
    weighs the squared error of the sample by 1 / (1 - a), which is the plain squared error of v; `target` is v, and
    nothing is divided by a vanishing 1 - a.

    Args:
        alphas_cumprod: a of every timestep, falling, [steps]; 0 at the end for a zero terminal signal-to-noise ratio.
        prediction: what the network returns.
    """

    alphas_cumprod: torch.Tensor
    prediction: Prediction = "velocity"

    def __post_init__(self) -> None:
        _check(self.prediction)

    @classmethod
    def of_scheduler(cls, scheduler: Any) -> DiffusionPath:
        """The path that a scheduler of diffusers steps along.

        Raises:
            ValueError: it has no alphas, or a prediction type that no path here knows.
        """
        names: dict[str, Prediction] = {"epsilon": "noise", "v_prediction": "velocity", "sample": "clean"}
        kind = scheduler.config.get("prediction_type")
        if not isinstance(getattr(scheduler, "alphas_cumprod", None), torch.Tensor):
            raise ValueError(
                f"{type(scheduler).__name__} steps along no path that is known here: it has no alphas"
            )
        if kind not in names:
            raise ValueError(f"prediction_type {kind!r}: known are {', '.join(names)}")
        return cls(scheduler.alphas_cumprod, names[kind])

    def coefficients(self, t: Any, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        a = aligned(self.alphas_cumprod.to(like)[torch.as_tensor(t).long().to(like.device)], like)
        return a.sqrt(), (1 - a).sqrt()

    def velocity(self, clean: torch.Tensor, noise: torch.Tensor, t: Any) -> torch.Tensor:
        keeps, adds = self.coefficients(t, clean)
        return keeps * noise - adds * clean

    def clean(self, prediction: torch.Tensor, x: torch.Tensor, t: Any) -> torch.Tensor:
        keeps, adds = self.coefficients(t, x)
        if self.prediction == "clean":
            return prediction
        if self.prediction == "velocity":
            return keeps * x - adds * prediction
        return (x - adds * prediction) / keeps

    def from_clean(self, clean: torch.Tensor, x: torch.Tensor, t: Any) -> torch.Tensor:
        if self.prediction == "clean":
            return clean
        keeps, adds = self.coefficients(t, x)
        if self.prediction == "velocity":
            return (keeps * x - clean) / adds
        return (x - keeps * clean) / adds


class Times(ABC):
    """Where on a path training steps take place."""

    @abstractmethod
    def draw(self, batch: int, generator: torch.Generator) -> torch.Tensor:
        """Times of a batch, [B]."""

    def at(self, share: float, batch: int) -> torch.Tensor:
        """One time for a batch, [B]: `share` of the way from the sample (0) to the noise (1)."""
        return torch.full((batch,), share)


@dataclass(frozen=True)
class ShiftedTimes(Times):
    """Times in (0, 1], uniform and stratified over the batch, then shifted towards the noise (SD3, Eq. 23).

    Args:
        shift: 1 for uniform; more spends more of them near the noise.
    """

    shift: float = 1.0

    def __post_init__(self) -> None:
        check_shift(self.shift)

    def draw(self, batch: int, generator: torch.Generator) -> torch.Tensor:
        uniform = (torch.arange(batch) + torch.rand(batch, generator=generator)) / batch
        uniform = uniform[torch.randperm(batch, generator=generator)]
        return shifted(uniform, self.shift)


@dataclass(frozen=True)
class LogitNormalTimes(Times):
    """Times in (0, 1) whose logit is normal (SD3, Sec. 3.1), then shifted as above.

    Args:
        mean, std: of the logit.
        shift: as in ShiftedTimes.
    """

    mean: float = 0.0
    std: float = 1.0
    shift: float = 1.0

    def __post_init__(self) -> None:
        check_shift(self.shift)

    def draw(self, batch: int, generator: torch.Generator) -> torch.Tensor:
        normal = self.mean + self.std * torch.randn(batch, generator=generator)
        return shifted(normal.sigmoid(), self.shift)


@dataclass(frozen=True)
class DiscreteTimes(Times):
    """Whole timesteps, uniform over 0 to `steps` - 1, as CogVideoX is trained.

    Args:
        steps: of the path.
    """

    steps: int = 1000

    def draw(self, batch: int, generator: torch.Generator) -> torch.Tensor:
        return torch.randint(self.steps, (batch,), generator=generator)

    def at(self, share: float, batch: int) -> torch.Tensor:
        return torch.full((batch,), round(share * (self.steps - 1)))


def shifted(uniform: torch.Tensor, shift: float) -> torch.Tensor:
    """Times in 0 to 1 moved towards the noise: s u / (1 + (s - 1) u) (SD3, Eq. 23)."""
    return shift * uniform / (1 + (shift - 1) * uniform)


def check_shift(shift: float) -> None:
    """Whether times can be shifted by it.

    Raises:
        ValueError: they cannot.
    """
    if not 0 < shift < math.inf:
        raise ValueError(f"a shift of times is a number above 0, not {shift}")


def flow_times(steps: int, shift: float) -> torch.Tensor:
    """Times of a sampler from 1 to 0, [steps + 1]; shift > 1 spends more of them near the noise.

    Raises:
        ValueError: no step, or a shift that is not above 0.
    """
    if steps < 1:
        raise ValueError(f"at least one step is needed, not {steps}")
    check_shift(shift)
    return shifted(torch.linspace(1.0, 0.0, steps + 1), shift)


def aligned(t: Any, like: torch.Tensor) -> torch.Tensor:
    """Times as a tensor whose first axes are those of the samples and whose others are 1."""
    t = torch.as_tensor(t, device=like.device)
    t = t if t.is_floating_point() else t.to(like.dtype)
    return t.reshape(*t.shape, *([1] * (like.ndim - t.ndim)))


def _check(prediction: str) -> None:
    if prediction not in get_args(Prediction):
        raise ValueError(f"a network predicts {', '.join(get_args(Prediction))}, not {prediction!r}")
