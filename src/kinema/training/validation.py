"""How a model does on takes that it is not trained on: the same takes, times and noise at every step of every run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from kinema.data.sample import Sample
from kinema.scene import Scene
from kinema.training import ranks
from kinema.training.video_task import VideoTask
from kinema.video.pipeline import KinemaPipeline


@dataclass
class Validation:
    """The denoising loss of held-out takes at fixed times, and a few videos to look at.

    Videos are made by the pipeline, with the steps and the guidance that a user gets, and written one after the other,
    so that memory does not grow with their number. Each file shows the take above what the model makes of its scene.

    Args:
        task: what is trained.
        takes: held out.
        folder: of the videos.
        fps: of the takes.
        times: at which the loss is measured.
        draws: of noise per time.
        videos: how many of the takes are shown.
        steps: of denoising; as many as the model takes for a user where None.

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
    steps: int | None = None

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
            made = generated(self.task, take, number, self.steps)
            if ranks.rank() == 0:
                self._write(self.folder / f"step{step:07d}_take{number}", _real(self.task, take), made)
        return losses | {"denoising": float(np.mean(list(losses.values())))}

    def _write(self, place: Path, real: np.ndarray, made: np.ndarray) -> None:
        import cv2

        from kinema.media.video import write_video

        place.parent.mkdir(parents=True, exist_ok=True)
        height, width = real.shape[1:3]
        if made.shape[1:3] != (height, width):  # a model that chooses its size by the picture
            made = np.stack(
                [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in made]
            )
        write_video(place.with_suffix(".mp4"), np.concatenate([real, made], axis=1), self.fps)


@torch.no_grad()
def generated(task: VideoTask, take: Sample, seed: int, steps: int | None = None) -> np.ndarray:
    """The video that a user's pipeline makes of a take's picture, caption and scene, uint8 [T, H, W, 3].

    Args:
        task: what is trained, as it is now. Of several processes all ask.
        take: begins with its scene.
        seed: of the noise.
        steps: of denoising; the model's own where None.
    """
    assert take.start == 0
    model = task.model
    pipeline = KinemaPipeline(model, dict(task.adapters.items()))  # type: ignore[arg-type]  # modules they are
    pipeline.set_progress_bar_config(disable=True)
    picture = take.picture if model.reads_picture else None
    form, (width, height) = model.form, take.size
    model.form = replace(form, width=width, height=height, frames=take.frames, fps=take.fps)
    try:
        with task.precision():
            made = pipeline(take.caption, picture, _shown(take), frames=take.frames, seed=seed, steps=steps)
    finally:
        model.form = form
    return made.frames


def _shown(take: Sample) -> Scene | None:
    """The scene without what adapters are not told."""
    scene = take.scene
    if scene is None or not take.withheld:
        return scene
    return replace(
        scene,
        people=() if "pose" in take.withheld else scene.people,
        camera=None if "camera" in take.withheld else scene.camera,
    )


def _generator(*numbers: int) -> torch.Generator:
    return torch.Generator().manual_seed(sum(number << (20 * place) for place, number in enumerate(numbers)))


def _real(task: VideoTask, take: Sample) -> np.ndarray:
    """The take itself, or what its cached latents decode to."""
    return task.decoded(take) if take.video is None else take.video
