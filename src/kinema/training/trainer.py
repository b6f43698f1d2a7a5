"""The training loop: stops on time, checkpoints atomically, resumes exactly.

Everything random in a step comes from a generator seeded by (seed, step), and batches depend on the step alone
(data/takes.py), so a resumed run repeats the losses of an uninterrupted one to the last digit.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from kinema.training.checkpoint import load_checkpoint, save_checkpoint
from kinema.training.gradient_guard import GradientGuard

Loss = Callable[[Any, torch.Generator], dict[str, torch.Tensor]]


@dataclass(frozen=True)
class TrainerConfig:
    """How to train.

    Args:
        steps: planned length, which fixes the schedule of the learning rate.
        learning_rate: after warm-up.
        warmup: steps of linear rise.
        decay: share of the run, at its end, in which the rate falls linearly to zero.
        weight_decay, betas: of AdamW.
        clip: largest gradient norm.
        ema: decay of the averaged weights.
        save_seconds: time between checkpoints.
        log_steps: steps between log lines.
        guard_steps: steps between measurements of the auxiliary gradients, see GradientGuard; 0 for none.
        guard_threshold: share of the main gradient above which an auxiliary term is warned of.
        seed: of everything random.
    """

    steps: int
    learning_rate: float = 5e-4
    warmup: int = 200
    decay: float = 0.25
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = 1.0
    ema: float = 0.999
    save_seconds: float = 300.0
    log_steps: int = 20
    guard_steps: int = 50
    guard_threshold: float = 0.1
    seed: int = 0

    def rate(self, step: int) -> float:
        """Learning rate at a step."""
        rise = min(1.0, (step + 1) / self.warmup)
        begin = self.steps * (1 - self.decay)
        fall = 1.0 if step < begin else max(0.0, (self.steps - step) / max(1.0, self.steps - begin))
        return self.learning_rate * rise * fall


class Trainer:
    """Trains the parameters of `model` that require gradients.

    Args:
        model: holds every trained parameter.
        loss: (batch, generator) -> named terms; their weighted sum is minimised.
        config: how.
        out: folder for `checkpoint/` and `log.csv`, whose rows follow a row of names wherever these change.
        weights: lambda of each auxiliary term, 0 to leave it out; terms that are not named count fully.
        carried: tensors that steps change in place without gradients (a codebook, its averages): checkpointed and
            resumed as they are.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        config: TrainerConfig,
        out: Path,
        weights: Mapping[str, float] | None = None,
        carried: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        self.model = model
        self.loss = loss
        self.config = config
        self.out = out
        self.step = 0
        self.carried = {f"carried.{name}": tensor for name, tensor in (carried or {}).items()}
        self.trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        if not self.trained:
            raise ValueError("nothing to train: no parameter requires gradients")
        self.weights = dict(weights or {})
        self.guard = None
        if config.guard_steps:
            parameters = list(self.trained.values())
            self.guard = GradientGuard(parameters, self.weights, config.guard_steps, config.guard_threshold)
        self.averages = {name: p.detach().clone() for name, p in self.trained.items()}
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self.trained.values() if p.ndim >= 2]},
            {"params": [p for p in self.trained.values() if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(
            groups, lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay
        )

    def resume(self) -> bool:
        """Goes back to the last checkpoint in `out`, if there is one."""
        found = load_checkpoint(self.out / "checkpoint")
        if found is None:
            return False
        weights, averages, optimiser, state = found
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(weights[name])
                self.averages[name].copy_(averages[name])
            for name, tensor in self.carried.items():
                tensor.copy_(weights[name])
        self.optimiser.load_state_dict(optimiser)
        self.step = state["step"]
        return True

    def save(self) -> None:
        save_checkpoint(
            self.out / "checkpoint",
            {name: p.detach() for name, p in self.trained.items()} | self.carried,
            self.averages,
            self.optimiser.state_dict(),
            {"step": self.step, "config": asdict(self.config)},
        )

    def run(self, batches: Iterator[tuple[int, Any]], minutes: float = math.inf) -> None:
        """Trains until the planned steps are done or the minutes are over, whichever comes first.

        Args:
            batches: (step, batch) from the current step on.

        Raises:
            FloatingPointError: the loss is no longer a number; the last good checkpoint stays.
        """
        end = time.monotonic() + minutes * 60
        saved = time.monotonic()
        self.out.mkdir(parents=True, exist_ok=True)
        progress = tqdm(total=self.config.steps, initial=self.step, unit="step", dynamic_ncols=True)
        with progress, (self.out / "log.csv").open("a", newline="") as file:
            log = csv.writer(file)
            running: dict[str, float] = {}
            columns: list[str] = []
            for step, batch in batches:
                if self.step >= self.config.steps or time.monotonic() >= end:
                    break
                if step != self.step:
                    raise ValueError(f"the batches are at step {step}, the trainer at {self.step}")
                for name, value in self._one(batch).items():
                    running[name] = 0.98 * running.get(name, value) + 0.02 * value
                progress.update()
                progress.set_postfix({name: f"{value:.4f}" for name, value in running.items()})
                if self.step % self.config.log_steps == 0:
                    if columns != list(running):  # some terms are computed now and then only
                        columns = list(running)
                        log.writerow(["step", *columns])
                    log.writerow([self.step, *(f"{value:.6f}" for value in running.values())])
                    file.flush()
                if time.monotonic() - saved > self.config.save_seconds:
                    self.save()
                    saved = time.monotonic()
        self.save()

    def _one(self, batch: Any) -> dict[str, float]:
        config = self.config
        generator = torch.Generator().manual_seed((config.seed << 32) + self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = config.rate(self.step)
        terms = self.loss(batch, generator)
        total = torch.stack([self.weights.get(name, 1.0) * term for name, term in terms.items()]).sum()
        if not torch.isfinite(total):
            raise FloatingPointError(
                f"the loss is {total.item()} at step {self.step}: the last checkpoint in "
                f"{self.out / 'checkpoint'} is still good; lower the learning rate and resume"
            )
        if self.guard is not None:
            self.guard.watch(self.step, terms)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(list(self.trained.values()), config.clip)
        self.optimiser.step()
        self.step += 1
        decay = min(config.ema, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.averages.values()), list(self.trained.values()), 1 - decay)
        return {**{name: value.item() for name, value in terms.items()}, "gradient": float(norm)}

    def averaged(self) -> None:
        """Puts the averaged weights into the model (for export or evaluation)."""
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(self.averages[name])
