"""Recipe `lifter`: depth, gravity and standing feet from keypoints over time.

    kinema train lifter --minutes 60 --out runs/lifter

Motion capture of the train split seen by random cameras, with the faults of detectors (lifter_views.py). About forty
minutes on one core.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kinema.capture.lifter import LIFTER_FPS, Lifter
from kinema.training.config import Run
from kinema.training.data_groups import LibraryData
from kinema.training.recipes.lifter_views import Views, ViewSamples
from kinema.training.trainer import Trainer, TrainerConfig


class LiftTask(nn.Module):
    """Distances of joints and of their steps, the angle of the vertical, and cross-entropy of standing feet.

    Args:
        network: what is trained.
    """

    def __init__(self, network: Lifter) -> None:
        super().__init__()
        self.network = network

    def forward(self, views: Views, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Named loss terms; joints and up are told for unseen frames too, from those around them."""
        views = views.to(self.network.device)
        guess = self.network(views.channels)
        error = guess.joints - views.joints
        step = error[:, 1:] - error[:, :-1]
        return {
            "joints": 10 * error[:, :, 1:].square().sum(-1).add(1e-6).sqrt().mean(),
            "steps": 10 * step[:, :, 1:].square().sum(-1).add(1e-6).sqrt().mean(),
            "up": 2 * (guess.up - views.up).square().sum(-1).add(1e-6).sqrt().mean(),
            "standing": 0.3 * functional.binary_cross_entropy_with_logits(guess.standing, views.standing),
        }


@dataclass(frozen=True)
class Data(LibraryData):
    """Windows of motion.

    Args:
        batch: windows a step.
        frames: of a window, at 30 fps.
    """

    batch: int = 40
    frames: int = 81


@dataclass(frozen=True)
class Model:
    """Size of the network.

    Args:
        width: channels.
    """

    width: int = 192


@dataclass(frozen=True)
class Recipe:
    """The network that guesses depth."""

    data: Data = Data()
    model: Model = Model()
    trainer: TrainerConfig = TrainerConfig(
        steps=8000, learning_rate=1.5e-3, warmup=100, decay=0.5, weight_decay=0.02, ema=0.995, guard_steps=0
    )


def run(recipe: Recipe, run: Run) -> Path:
    """Trains the lifter on the train split.

    Returns:
        `out/lifter`, weights in bf16.
    """
    torch.manual_seed(run.seed)
    data = recipe.data
    found = data.training_clips()
    clips = [_at_network_rate(clip.joints(), clip.fps) for clip in found]
    sources = [clip.id.split("/")[0] for clip in found]
    network = Lifter(width=recipe.model.width)
    task = LiftTask(network).to(run.device)
    trainer = Trainer(task, task, replace(recipe.trainer, seed=run.seed), run.out)
    trainer.resume()
    samples = ViewSamples(clips, sources, data.batch, data.frames, run.seed)
    trainer.run(samples.batches(trainer.step), run.minutes)
    trainer.averaged()
    network.to(torch.bfloat16).save_pretrained(run.out / "lifter")
    return run.out / "lifter"


def _at_network_rate(joints: np.ndarray, fps: float) -> np.ndarray:
    if fps == LIFTER_FPS:
        return joints
    at = np.arange(int((len(joints) - 1) / fps * LIFTER_FPS) + 1) / LIFTER_FPS * fps
    low = at.astype(int)
    share = (at - low)[:, None, None]
    return np.asarray(joints[low] * (1 - share) + joints[np.minimum(low + 1, len(joints) - 1)] * share)
