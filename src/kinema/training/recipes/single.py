"""Recipe `single`: SinMDM on one clip of any skeleton, in minutes.

kinema train single --data fox.bvh --minutes 5 --out runs/fox
kinema motion --model runs/fox/single --seconds 30 -o more.bvh
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from kinema.papers.sinmdm import ClipTask, trained_on, windows_of
from kinema.scene.formats import read_motion
from kinema.training.config import Run
from kinema.training.trainer import Trainer, TrainerConfig


@dataclass(frozen=True)
class Data:
    """The clip.

    Args:
        motion: its file: BVH, GLB, .npz, .npy.
        fps: frames per second that are learned.
        frames: of a piece.
        batch: pieces a step.
    """

    motion: str
    fps: float = 20.0
    frames: int = 64
    batch: int = 8


@dataclass(frozen=True)
class Model:
    """Size of the network.

    Args:
        width: channels.
        layers: blocks; with the window they say how far a frame sees.
        heads: of attention.
        window: neighbours that a block sees, odd.
    """

    width: int = 64
    layers: int = 8
    heads: int = 4
    window: int = 3

    def __post_init__(self) -> None:
        if self.window % 2 != 1 or self.width % self.heads:
            raise ValueError("model.window is odd, and model.width a multiple of model.heads")


@dataclass(frozen=True)
class Recipe:
    """A model of one clip."""

    data: Data
    model: Model = Model()
    trainer: TrainerConfig = TrainerConfig(
        steps=20000, learning_rate=2e-3, warmup=50, weight_decay=0.0, ema=0.99, validate_steps=0
    )


def run(recipe: Recipe, run: Run) -> Path:
    """Trains a model of one clip.

    Returns:
        `out/single`, for `kinema motion --model`.

    Raises:
        FileNotFoundError, FormatError: no clip that can be read.
        ValueError: a clip too short.
    """
    torch.manual_seed(run.seed)
    sizes = {"width": recipe.model.width, "layers": recipe.model.layers, "heads": recipe.model.heads}
    made, features = trained_on(
        read_motion(recipe.data.motion), recipe.data.fps, window=recipe.model.window, **sizes
    )
    made.network.to(run.device)
    task = ClipTask(made.network, made.normaliser)
    trainer = Trainer(task, task, replace(recipe.trainer, seed=run.seed), run.out)
    trainer.resume()
    task.train()
    windows = windows_of(features, made.representation, recipe.data.frames, recipe.data.batch, run.seed)
    trainer.run(windows.batches(trainer.step), run.minutes)
    trainer.averaged()
    made.network.eval().cpu()
    made.save_pretrained(run.out / "single")
    return run.out / "single"
