"""A small training run for tests/training/test_kill.py, in a process that can be killed or denied the disk."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import torch
from tests.training.test_trainer import Fit, batches

from kinema.training.trainer import Trainer, TrainerConfig

STEPS = 60


def train(out: str, pause: float = 0.0, largest_file: int | None = None) -> None:
    """Trains to the end, writing a checkpoint at every step; the error, if any, goes to `out`.error.

    Args:
        out: folder of the run.
        pause: seconds in every step.
        largest_file: bytes above which the system refuses to write a file, as a full disk would.
    """
    torch.set_num_threads(1)
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    model = Fit()
    config = TrainerConfig(steps=STEPS, learning_rate=1e-2, warmup=5, log_steps=1, save_seconds=0.0, seed=3)
    trainer = Trainer(model, model, config, Path(out))
    try:
        trainer.resume()
        trainer.run(slow(batches(trainer.step), pause))
    except (OSError, ValueError) as error:
        Path(out + ".error").write_text(f"{type(error).__name__}: {error}")
        raise SystemExit(1) from None


def slow(stream, pause: float):
    for item in stream:
        time.sleep(pause)
        yield item
