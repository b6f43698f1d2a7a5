"""How a model does on takes that it is not trained on: the same takes, times and noise at every step of every run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from kinema.data.sample import Sample
from kinema.training import ranks
from kinema.training.video_task import VideoTask


@dataclass
class Validation:
    """The denoising loss of held-out takes at fixed times, and a few videos to look at.

    Videos are made and written one after the other, so that memory does not grow with their number. Each file shows
    the take above what the model makes of its signals.

    Args:
        task: what is trained.
        takes: held out.
        folder: of the videos.
        fps: of the takes.
        times: at which the loss is measured.
        draws: of noise per time.
        videos: how many of the takes are shown.
        steps: of denoising.

    Raises:
        ValueError: no takes.
    """

    task: VideoTask
    takes: list[Sample]
    folder: Path
    fps: float
    times: tuple[float, ...] = (0.5, 0.75, 0.9, 1.0)
    draws: int = 1
    videos: int = 2
    steps: int = 4

    def __post_init__(self) -> None:
        if not self.takes:
            raise ValueError(
                "nothing is held out to validate on: give more videos, or trainer.validate_steps=0"
            )

    @torch.no_grad()
    def __call__(self, step: int) -> dict[str, float]:
        """Mean loss at each time, by name, and over all of them; writes the videos of this step."""
        losses: dict[str, float] = {}
        for time in self.times:
            values = [
                float(self.task.loss_at([take], time, _generator(number, draw))["denoising"])
                for number, take in enumerate(self.takes)
                for draw in range(self.draws)
            ]
            losses[f"denoising_{time:g}"] = float(np.mean(values))
        for number, take in enumerate(self.takes[: self.videos]):
            made = self.task.sample(take, self.steps, _generator(number, 0))
            if ranks.rank() == 0:
                self._write(self.folder / f"step{step:07d}_take{number}", _real(self.task, take), made)
        return losses | {"denoising": float(np.mean(list(losses.values())))}

    def _write(self, place: Path, real: np.ndarray, made: np.ndarray) -> None:
        from kinema.media.video import write_video

        place.parent.mkdir(parents=True, exist_ok=True)
        write_video(place.with_suffix(".mp4"), np.concatenate([real, made], axis=1), self.fps)


def _generator(*numbers: int) -> torch.Generator:
    return torch.Generator().manual_seed(sum(number << (20 * place) for place, number in enumerate(numbers)))


def _real(task: VideoTask, take: Sample) -> np.ndarray:
    """The take itself, or what its cached latents decode to."""
    return task.decoded(take) if take.video is None else take.video
