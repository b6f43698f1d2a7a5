"""Recipe `parts`: the network whose features the part term compares.

    kinema train parts --minutes 25 --out runs/parts

It is trained on degraded renders, so that it has an opinion about what a half-trained generator makes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kinema.data.filming import film_clip
from kinema.data.motion_library import MotionLibrary
from kinema.training.config import Run
from kinema.training.data_groups import FilmedData
from kinema.training.part_network import CLASSES, STRIDE, PartNetwork
from kinema.training.recipes.keypoint_pictures import degrade
from kinema.training.trainer import Trainer, TrainerConfig

SIZE = (96, 128)  # of the films, width and height
_GHOSTS = 0.15  # share of pictures with another frame of the film shining through


@dataclass(frozen=True)
class PartFilm:
    """Films one take of the train split; take number i depends on (settings, seed, i) alone.

    Args:
        frames, fps: of each film.
        seed: of every choice.
        company: share of films with a second person.
        library, licence: of the motion.
    """

    frames: int
    fps: float
    seed: int
    company: float = 0.15
    library: str | None = None
    licence: str = "any"

    @cached_property
    def clips(self) -> MotionLibrary:
        return MotionLibrary.open(self.library).split("train").licensed(self.licence)

    def __call__(self, number: int) -> dict[str, np.ndarray]:
        """video, uint8 [T, H, W, 3], and the class of each pixel, uint8 [T, H, W]."""
        rng = np.random.default_rng([self.seed, number])
        clip, other = (self.clips[int(rng.integers(len(self.clips)))] for _ in range(2))
        film = film_clip(
            clip,
            size=SIZE,
            fps=self.fps,
            frames=self.frames,
            seed=[self.seed, number, 1],
            companion=other if rng.random() < self.company else None,
        )
        take = film.take
        classes = np.where(take.person_mask, 2 * take.part_ids - 1 + take.front, 0).astype(np.uint8)
        return {"video": take.rgb, "classes": classes}


class PartTask(nn.Module):
    """Cross-entropy of the classes of a cell's pixels; a ghost counts as much as it shows.

    Args:
        network: what is trained.
        people: how much more a cell with a person in it counts.
    """

    def __init__(self, network: PartNetwork, people: float = 4.0) -> None:
        super().__init__()
        self.network = network
        self.people = people

    def forward(self, films: list[dict[str, Any]], generator: torch.Generator) -> dict[str, torch.Tensor]:
        """The term of one picture from each film."""
        rng = np.random.default_rng(int(torch.randint(1 << 62, (1,), generator=generator)))
        pixels, target = (
            torch.from_numpy(np.stack(x)).to(self.network.device)
            for x in zip(*[_picture(film, rng) for film in films], strict=True)
        )
        logits = self.network(pixels.permute(0, 3, 1, 2) * 2 - 1).logits
        target = functional.avg_pool2d(target.permute(0, 3, 1, 2), STRIDE)
        weight = 1 + (self.people - 1) * (1 - target[:, 0])
        error = -(target * logits.log_softmax(dim=1)).sum(dim=1)
        return {"parts": (weight * error).sum() / weight.sum()}


def _picture(film: dict[str, np.ndarray], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(pixels in [0, 1], float32 [H, W, 3]; share of each class, float32 [H, W, 49])."""
    first, second = rng.integers(len(film["video"]), size=2)
    share = rng.uniform(0.1, 0.5) if rng.random() < _GHOSTS else 0.0
    one_hot = np.eye(CLASSES, dtype=np.float32)
    pixels = np.float32(1 - share) * film["video"][first] + np.float32(share) * film["video"][second]
    target = (
        np.float32(1 - share) * one_hot[film["classes"][first]]
        + np.float32(share) * one_hot[film["classes"][second]]
    )
    pixels = (pixels / 255).astype(np.float32)
    return (degrade(pixels, rng) if rng.random() < 0.7 else pixels), target


@dataclass(frozen=True)
class Recipe:
    """The part network.

    Args:
        compile: compile the network (needs a C++ compiler on the CPU).
    """

    data: FilmedData = FilmedData()
    trainer: TrainerConfig = TrainerConfig(steps=4000, learning_rate=2e-3)
    compile: bool = False


def run(recipe: Recipe, run: Run) -> Path:
    """Trains the part network on the train split.

    Returns:
        `out/parts`.
    """
    torch.manual_seed(run.seed)
    data = recipe.data
    network = PartNetwork()
    task = PartTask(network).to(run.device)
    if recipe.compile:
        network.compile()
    trainer = Trainer(task, task, replace(recipe.trainer, seed=run.seed), run.out)
    trainer.resume()
    film = PartFilm(data.frames, data.fps, run.seed, library=data.library, licence=data.licence)
    trainer.run(data.reservoir(film, run.seed).batches(trainer.step), run.minutes)
    trainer.averaged()
    network.to(torch.float32).save_pretrained(run.out / "parts")
    return run.out / "parts"
