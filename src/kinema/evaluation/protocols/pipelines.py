"""What control protocols judge: pipelines with one control method or several together, and baselines without any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from kinema.evaluation.baselines import BASELINES, Baseline
from kinema.evaluation.protocols.control_clips import ControlClip
from kinema.scene import Scene
from kinema.video import KinemaPipeline, load_pipeline
from kinema.video.loading import in_our_loop
from kinema.video.models.video_model import VideoModel
from kinema.video.pixels import from_uint8, to_uint8

System = KinemaPipeline | Baseline
"""Makes a video of text, picture and scene."""


def load_system(backbone: str | Path, method: str) -> System:
    """What makes the videos.

    Args:
        backbone: a name that `kinema models` lists, or a folder of weights.
        method: a control method; several that work together are joined by commas (`mosa,tokenmotion:camera`). Or a
            baseline (`plates`), which then has the backbone's size, rate and length.

    Raises:
        FileNotFoundError: no such backbone, or no trained weights of the method.
        ValueError: no such method, or a baseline among several that shall work together.
    """
    if method in BASELINES:
        return BASELINES[method](in_our_loop(load_pipeline(backbone, adapters=())).video_model)
    together = method.split(",")
    for name in together:
        if name in BASELINES:
            raise ValueError(
                f"{method}: {name} is judged beside methods, not together with any; name it apart"
            )
    pipe = in_our_loop(load_pipeline(backbone, adapters=tuple(together)))
    pipe.set_progress_bar_config(disable=True)
    return pipe


def film_form(model: VideoModel) -> dict[str, Any]:
    """Of films that a model is compared with: size, fps and frames, as `choose_clips` takes them."""
    return {"size": model.form.size, "fps": model.form.fps, "frames": model.form.frames}


def sampling(model: VideoModel, steps: int | None) -> dict[str, Any]:
    """How videos are sampled, for a report: denoising steps, shift and guidance scales."""
    defaults = model.defaults
    steps = defaults.steps if steps is None else steps
    return {"steps": steps, "guidance": defaults.guidance.settings(), "shift": defaults.shift}


@torch.no_grad()
def round_trip(model: VideoModel, video: np.ndarray) -> np.ndarray:
    """A video, uint8 [T, H, W, 3], through the model's autoencoder and back: the best that any generator on it can do."""
    pixels = from_uint8(video).to(model.transformer.device)
    return to_uint8(model.decode(model.encode_video(pixels))[0])


def character(system: System, picture: np.ndarray) -> np.ndarray | None:
    """The picture, for systems that read one; models of text to video have nobody to show it to."""
    return picture if isinstance(system, Baseline) or system.video_model.reads_picture else None


def generate(
    system: System,
    clips: Sequence[ControlClip],
    steps: int | None,
    progress: bool = False,
    scenes: Sequence[Scene] | None = None,
) -> list[np.ndarray]:
    """A system's video of each clip, uint8 [T, H, W, 3]; noise seeds are the clip numbers.

    Args:
        system: the generator.
        clips: whose caption and reference it is given.
        steps: denoising steps; the model's default where None.
        progress: a bar.
        scenes: what it is told instead of the clips' own scenes.
    """
    told = [clip.film.scene for clip in clips] if scenes is None else scenes
    options: dict[str, Any] = {} if steps is None else {"steps": steps}
    videos = []
    for number, clip in enumerate(tqdm(clips, desc="generating", unit="clip", disable=not progress)):
        made = system(
            prompt=clip.film.caption,
            image=character(system, clip.film.reference),
            scene=told[number],
            frames=len(clip.video),
            seed=number,
            **options,
        )
        videos.append(made.frames)
    return videos
