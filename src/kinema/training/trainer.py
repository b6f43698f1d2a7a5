"""The training loop: stops on time, checkpoints atomically, resumes exactly.

Everything random in a step comes from a generator seeded by (seed, step), and batches depend on the step alone
(data/takes.py), so a resumed run repeats the losses of an uninterrupted one to the last digit. The same loop runs
alone or in every process of torchrun (ranks.py).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import nn
from tqdm import tqdm

from kinema.training import ranks, whereabouts
from kinema.training.averages import Averages
from kinema.training.checkpoint import Checkpoints
from kinema.training.gradient_guard import GradientGuard
from kinema.training.log import Log
from kinema.training.optimisers import begin_moments, make_optimiser, resumed
from kinema.training.speed import Speed, Work

logger = logging.getLogger(__name__)

_SETTLED = 50
"""Steps before which nothing is a spike (ours)."""

Loss = Callable[[Any, torch.Generator], dict[str, torch.Tensor]]
Validate = Callable[[int], dict[str, float]]
"""Step -> named numbers, of the model as it is then."""


class Order(Protocol):
    """An order of batches with a state: digit by digit the same after a resume, whatever read ahead."""

    def state(self, step: int) -> dict[str, Any]:
        """Before that step's batch is drawn, as JSON types."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from there; a ValueError where the data are others."""


@dataclass(frozen=True)
class TrainerConfig:
    """How to train.

    Args:
        steps: planned length, which fixes the schedule of the learning rate.
        learning_rate: after warm-up.
        warmup: steps of linear rise.
        decay: share of the run, at its end, in which the rate falls linearly to zero.
        weight_decay, betas: of AdamW.
        optimiser: `adamw`, or `adamw8bit` with moments in 8 bits (package bitsandbytes, on a GPU).
        clip: largest gradient norm.
        accumulate: parts in which each process goes through its batch one after the other, for memory; gradients are
            means over them, and so are losses.
        ema: decay of the averaged weights, a step.
        ema_offload: keep the averaged weights in main memory.
        ema_every: steps between two updates of theirs.
        save_seconds: time between checkpoints.
        keep: how many checkpoints stay.
        save_behind: write them from a copy in main memory while training goes on.
        spike: a step whose gradient norm is so many times its running mean is left out; 0 for none.
        bad_steps: steps in a row that may be left out, as spikes or because loss or gradient are no numbers; one more
            ends the run.
        log_steps: steps between log lines.
        guard_steps: steps between measurements of the auxiliary gradients, see GradientGuard; 0 for none.
        guard_threshold: share of the main gradient above which an auxiliary term is warned of.
        validate_steps: steps between validations, where there is one; 0 for none.
        tensorboard: write events for TensorBoard beside the CSV files.
        wandb: project of Weights & Biases that the numbers are sent to; its own settings (WANDB_MODE) hold.
        seed: of everything random.

    Raises:
        ValueError: a number that nothing can be trained with.
    """

    steps: int
    learning_rate: float = 5e-4
    warmup: int = 200
    decay: float = 0.25
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.95)
    optimiser: Literal["adamw", "adamw8bit"] = "adamw"
    clip: float = 1.0
    accumulate: int = 1
    ema: float = 0.999
    ema_offload: bool = False
    ema_every: int = 1
    save_seconds: float = 300.0
    keep: int = 3
    save_behind: bool = False
    spike: float = 20.0
    bad_steps: int = 3
    log_steps: int = 20
    guard_steps: int = 50
    guard_threshold: float = 0.1
    validate_steps: int = 500
    tensorboard: bool = False
    wandb: str | None = None
    seed: int = field(default=0, metadata={"option": False})  # the run's, see config.Run

    def __post_init__(self) -> None:
        for name in ("steps", "warmup", "accumulate", "log_steps", "ema_every", "keep"):
            if getattr(self, name) < 1:
                raise ValueError(f"trainer.{name} is at least 1, not {getattr(self, name)}")
        if not 0 <= self.decay <= 1:
            raise ValueError(f"trainer.decay lies within 0 to 1, not {self.decay:g}")

    def rate(self, step: int) -> float:
        """Learning rate at a step."""
        rise = min(1.0, (step + 1) / self.warmup)
        begin = self.steps * (1 - self.decay)
        fall = 1.0 if step < begin else max(0.0, (self.steps - step) / max(1.0, self.steps - begin))
        return self.learning_rate * rise * fall


class Trainer:
    """Trains the parameters of `model` that require gradients.

    Args:
        model: holds every trained parameter; where several processes train it, already sharded or the same in all.
        loss: (batch, generator) -> named terms; their weighted sum is minimised. Each process is given its part of
            the batch, and the terms are means over all of them.
        config: how.
        out: folder for `checkpoint/`, `log.csv`, `speed.csv`, `validation.csv` and, where steps were left out,
            `left_out.csv`; rows follow a row of names wherever these change.
        weights: lambda of each auxiliary term, 0 to leave it out; terms that are not named count fully.
        carried: tensors that steps change in place without gradients (a codebook, its averages): checkpointed and
            resumed as they are.
        validate: measures the model every `validate_steps` steps, with averaged weights in it.
        order: of the batches, where it has a state that checkpoints keep.
        work: what a sample costs, for tokens a second and MFU.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        config: TrainerConfig,
        out: Path,
        weights: Mapping[str, float] | None = None,
        carried: Mapping[str, torch.Tensor] | None = None,
        validate: Validate | None = None,
        order: Order | None = None,
        work: Work | None = None,
    ) -> None:
        self.order = order
        self.work = work
        self.checkpoints = Checkpoints(out / "checkpoint", config.keep, config.save_behind)
        self.model = model
        self.loss = loss
        self.config = config
        self.out = out
        self.step = 0
        self.validate = validate
        self.carried = {f"carried.{name}": tensor for name, tensor in (carried or {}).items()}
        self.trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        if not self.trained:
            raise ValueError("nothing to train: no parameter requires gradients")
        self.weights = dict(weights or {})
        self.guard = None
        if (
            config.guard_steps and ranks.world() == 1
        ):  # sharded parameters have gradients in backward passes alone
            parameters = list(self.trained.values())
            self.guard = GradientGuard(parameters, self.weights, config.guard_steps, config.guard_threshold)
        self.averages = Averages(self.trained, config.ema, config.ema_offload, config.ema_every)
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self.trained.values() if p.ndim >= 2]},
            {"params": [p for p in self.trained.values() if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimiser: Any = make_optimiser(config, groups)
        self._running: dict[str, float] = {}
        self._left_out = 0  # steps in a row

    def resume(self) -> bool:
        """Goes back to the last checkpoint in `out`, if there is one.

        Raises:
            FormatError: it is damaged, or of another model.
        """
        state = self.checkpoints.load(self._tensors())
        if state is None:
            return False
        self.step = state["step"]
        resumed(self.optimiser, self.step)
        if self.order is not None and "order" in state:
            self.order.restore(state["order"])
        self._running = dict(state["running"])
        self._left_out = state["left_out"]
        return True

    def save(self) -> None:
        """Writes a checkpoint, or begins to, see `TrainerConfig.save_behind`.

        Raises:
            OSError: it cannot be written; those before are still there.
        """
        whereabouts.doing(f"writes the checkpoint of step {self.step}")
        state = {
            "step": self.step,
            "running": self._running,
            "left_out": self._left_out,
            "config": asdict(self.config),
        }
        state |= {} if self.order is None else {"order": self.order.state(self.step)}
        self.checkpoints.save(self._tensors(), state)

    def run(self, batches: Iterator[tuple[int, Any]], minutes: float = math.inf) -> None:
        """Trains until the planned steps are done or the minutes are over, whichever comes first.

        Args:
            batches: (step, batch) from the current step on; in each process its own part.

        Raises:
            FloatingPointError: too many steps in a row had to be left out; the last good checkpoints stay.
            OSError: no room or not writable; the last checkpoints stay.
            ValueError: the minutes were over before the first step.
        """
        config = self.config
        end = time.monotonic() + minutes * 60
        saved = time.monotonic()
        log = Log(self.out, self.step, config.tensorboard, config.wandb)
        speed = Speed(self.work)
        progress = tqdm(
            total=config.steps, initial=self.step, unit="step", dynamic_ncols=True, disable=ranks.rank() > 0
        )
        with progress, closing(log):
            for waited, (step, batch) in _timed(batches):
                whereabouts.doing(f"has the batch of step {step}", waits=True)
                (over,) = ranks.decided_by_first(self.step >= config.steps or time.monotonic() >= end)
                if over:
                    break
                if step != self.step:
                    raise ValueError(f"the batches are at step {step}, the trainer at {self.step}")
                values = self.one(batch, log)
                for name, value in values.items():
                    self._running[name] = 0.98 * self._running.get(name, value) + 0.02 * value
                speed.step(ranks.count_of(len(batch)) if isinstance(batch, Sequence) else 0, waited)
                progress.update()
                progress.set_postfix({name: f"{value:.4f}" for name, value in self._running.items()})
                if self.step % config.log_steps == 0:
                    log.write(self.step, self._running)
                    log.show(self.step, values | {"rate": config.rate(self.step - 1)}, "train")
                    measured = speed.read()
                    log.write(self.step, measured, "speed.csv")
                    log.show(self.step, measured, "speed")
                if (
                    self.validate is not None
                    and config.validate_steps
                    and self.step % config.validate_steps == 0
                ):
                    whereabouts.doing(f"validates at step {self.step}")
                    measured = self._measure(self.validate)
                    log.write(self.step, measured, "validation.csv")
                    log.show(self.step, measured, "validation")
                due, written = ranks.decided_by_first(
                    time.monotonic() - saved > config.save_seconds, self.checkpoints.written()
                )
                if written:
                    self.checkpoints.finish()
                if due:
                    self.save()
                    saved = time.monotonic()
                whereabouts.doing(f"reads the batch of step {self.step}")
        self.save()
        self.checkpoints.finish()
        if self.step == 0 < config.steps:
            raise ValueError(
                f"{minutes:g} minutes were over before the first step, while its batch was made: nothing is trained; "
                "give more --minutes, with --resume"
            )

    def averaged(self) -> None:
        """Puts the averaged weights into the model (for export or evaluation)."""
        self.averages.put_into_model()

    def one(self, batch: Any, log: Log | None = None) -> dict[str, float]:
        """Takes one step; the terms and the gradient's norm, by name, or nothing where it is left out.

        Args:
            batch: of this process.
            log: where a step that is left out is written down.

        Raises:
            FloatingPointError: too many steps in a row are left out.
        """
        config = self.config
        generator = torch.Generator().manual_seed((config.seed << 32) + self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = config.rate(self.step)
        self.optimiser.zero_grad(set_to_none=True)
        values = self._backward(batch, generator)
        parameters = list(self.trained.values())
        norm = math.nan
        if values is not None:
            ranks.average_gradients(parameters)
            norm = ranks.clip_gradients(parameters, config.clip)
        if values is None or not self._is_good(norm):
            self._leave_out("loss" if values is None else "gradient", norm, log)
            return {}
        self._left_out = 0
        self.optimiser.step()
        self.step += 1
        self.averages.update(self.step)
        return {**values, "gradient": norm}

    def _backward(self, batch: Any, generator: torch.Generator) -> dict[str, float] | None:
        """Adds up the gradients of the parts of a batch; the terms' means over parts and processes, or None where the
        loss is no number. Every part draws what is random for the whole batch, and keeps its own rows."""
        values: dict[str, list[float]] = {}
        parts = _parts(batch, self.config.accumulate)
        drawn = generator.get_state()
        for number, part in enumerate(parts):
            generator.set_state(drawn)
            with ranks.part(number, len(parts)):
                terms = self.loss(part, generator)
            total = torch.stack([self.weights.get(name, 1.0) * term for name, term in terms.items()]).sum()
            if not math.isfinite(ranks.mean(total).item()):
                return None
            if self.guard is not None and number == 0:
                self.guard.watch(self.step, terms)
            (total if len(parts) == 1 else total / len(parts)).backward()
            for name, value in terms.items():
                values.setdefault(name, []).append(ranks.mean(value).item())
        return {name: math.fsum(each) / len(each) for name, each in values.items()}

    def _is_good(self, norm: float) -> bool:
        """Whether a gradient is a number, and no spike beside the mean of those before it."""
        usual, spike = self._running.get("gradient", math.inf), self.config.spike
        settled = spike > 0 and self.step >= max(self.config.warmup, _SETTLED)
        return math.isfinite(norm) and not (settled and norm > spike * usual)

    def _leave_out(self, what: str, norm: float, log: Log | None) -> None:
        """Goes on to the next step without this one.

        Raises:
            FloatingPointError: that was one too many.
        """
        self._left_out += 1
        spike = math.isfinite(norm)
        told = f"the {what} is {f'{norm:g}, a spike,' if spike else 'no number'} at step {self.step}"
        if self._left_out > self.config.bad_steps:
            raise FloatingPointError(
                f"{told}: the last checkpoint in {self.checkpoints.folder} is still good; lower the learning rate and "
                "resume"
            )
        if ranks.rank() == 0:
            logger.warning("%s: the step is left out", told)
        if log is not None:
            log.write(self.step + 1, {"gradient": norm, "in_a_row": self._left_out}, "left_out.csv")
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1

    @torch.no_grad()
    def _measure(self, validate: Validate) -> dict[str, float]:
        """The validation of the averaged weights; leaves no trace in the run."""
        modes = {module: module.training for module in self.model.modules()}
        with self.averages.in_model(), torch.random.fork_rng(devices=[]):
            self.model.eval()
            measured = validate(self.step)
        for module, training in modes.items():
            module.training = training
        return measured

    def _tensors(self) -> dict[str, torch.Tensor]:
        """What a checkpoint holds, by name; the tensors themselves, so that loading into them resumes."""
        tensors = dict(self.carried)
        for name, parameter in self.trained.items():
            tensors[f"weights.{name}"] = parameter.detach()
            tensors[f"averages.{name}"] = self.averages.values[name]
            state = self.optimiser.state[parameter]
            if not state:  # as it begins
                begin_moments(self.optimiser, parameter)
            kept = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
            tensors |= {f"optimiser.{name}.{key}": value for key, value in kept.items()}
        return tensors


def _timed(batches: Iterator[tuple[int, Any]]) -> Iterator[tuple[float, tuple[int, Any]]]:
    """Batches, each with the seconds that it was waited for."""
    while True:
        begun = time.monotonic()
        batch = next(batches, None)
        if batch is None:
            return
        yield time.monotonic() - begun, batch


def _parts(batch: Any, count: int) -> list[Any]:
    """A batch, whole or in parts of equal size.

    Raises:
        ValueError: it cannot be divided so.
    """
    if count == 1:
        return [batch]
    if len(batch) % count:
        raise ValueError(f"accumulate: {len(batch)} samples cannot be divided into {count} equal parts")
    size = len(batch) // count
    return [batch[begin : begin + size] for begin in range(0, len(batch), size)]
