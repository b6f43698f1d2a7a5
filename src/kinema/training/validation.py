"""How a model does on takes that it is not trained on: the same takes, times and noise at every step of every run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from kinema.scene.formats.files import atomic_write
from kinema.training import ranks
from kinema.training.mini_task import MiniTask

WriteVideo = Callable[[Path, np.ndarray, float], Any]
"""(path ending in .mp4, frames uint8 [T, H, W, 3], frames per second): the application brings the codec."""

_STRIP = 6  # pictures of a video that a strip shows


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
        write_video: writes MP4; strips of pictures (PNG) are written without it.
    """

    task: MiniTask
    takes: list[dict[str, Any]]
    folder: Path
    fps: float
    times: tuple[float, ...] = (0.5, 0.75, 0.9, 1.0)
    draws: int = 1
    videos: int = 2
    steps: int = 4
    write_video: WriteVideo | None = None

    @torch.no_grad()
    def __call__(self, step: int) -> dict[str, float]:
        """Mean loss at each time, by name, and over all of them; writes the videos of this step."""
        losses: dict[str, float] = {}
        for time in self.times:
            values = [
                float(self.task.loss_at([take], time, _generator(number, draw))["flow"])
                for number, take in enumerate(self.takes)
                for draw in range(self.draws)
            ]
            losses[f"flow_{time:g}"] = float(np.mean(values))
        for number, take in enumerate(self.takes[: self.videos]):
            made = self.task.sample(take, self.steps, _generator(number, 0))
            if ranks.rank() == 0:
                self._write(self.folder / f"step{step:07d}_take{number}", _real(self.task, take), made)
        return losses | {"flow": float(np.mean(list(losses.values())))}

    def _write(self, place: Path, real: np.ndarray, made: np.ndarray) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        if self.write_video is not None:
            self.write_video(place.with_suffix(".mp4"), np.concatenate([real, made], axis=1), self.fps)
            return
        chosen = np.unique(np.linspace(0, len(made) - 1, _STRIP).round().astype(int))
        strips = [np.concatenate(list(video[chosen]), axis=1) for video in (real, made)]
        with atomic_write(place.with_suffix(".png")) as temporary:
            Image.fromarray(np.concatenate(strips)).save(temporary)


def _generator(*numbers: int) -> torch.Generator:
    return torch.Generator().manual_seed(sum(number << (20 * place) for place, number in enumerate(numbers)))


def _real(task: MiniTask, take: dict[str, Any]) -> np.ndarray:
    """The take itself, or what its cached latents decode to."""
    if "video" in take:
        return np.asarray(take["video"])
    return task.decoded(take)
