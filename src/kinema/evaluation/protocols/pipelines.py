"""The generators that control protocols judge: instances of mini, with one control method or several together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from kinema.evaluation.protocols.control_clips import ControlClip
from kinema.scene import Scene
from kinema.video import KinemaPipeline, load_pipeline


def mini_pipeline(name: str | Path, adapters: str) -> KinemaPipeline:
    """A pipeline whose videos are of mini's stage.

    Args:
        name: `mini`, or a folder of such weights.
        adapters: a control method; several that work together are joined by commas (`mosa,tokenmotion:camera`).

    Raises:
        FileNotFoundError: no such backbone, or no trained weights of the method.
        ValueError: another family than mini.
    """
    pipe = load_pipeline(name, adapters=tuple(adapters.split(",")))
    if not hasattr(pipe, "autoencoder"):
        raise ValueError(
            f"{name}: this protocol's clips and judges are of mini's stage; give mini, or a folder of it"
        )
    return pipe


def sampling(pipe: KinemaPipeline, steps: int | None) -> dict[str, Any]:
    """How videos are sampled, for a report: denoising steps, shift and guidance scales."""
    defaults = pipe.video_model.defaults
    steps = defaults.steps if steps is None else steps
    return {"steps": steps, "guidance": defaults.guidance.settings(), "shift": defaults.shift}


@torch.no_grad()
def round_trip(autoencoder: nn.Module, video: np.ndarray) -> np.ndarray:
    """A video, uint8 [T, H, W, 3], after the autoencoder: the best that any generator on it can do."""
    pixels = torch.from_numpy(video.astype(np.float32)).permute(3, 0, 1, 2)[None] / 127.5 - 1
    decoded = autoencoder.decode(autoencoder.encode(pixels).latent_dist.mode()).sample[0]
    return ((decoded.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 3, 0).numpy()


def generate(
    pipe: KinemaPipeline,
    clips: Sequence[ControlClip],
    steps: int | None,
    progress: bool = False,
    scenes: Sequence[Scene] | None = None,
) -> list[np.ndarray]:
    """The pipeline's video of each clip, uint8 [T, H, W, 3]; noise seeds are the clip numbers.

    Args:
        pipe: the generator.
        clips: whose caption and reference it is given.
        steps: denoising steps; the pipeline's default where None.
        progress: a bar.
        scenes: what it is told instead of the clips' own scenes.
    """
    told = [clip.film.scene for clip in clips] if scenes is None else scenes
    options: dict[str, Any] = {} if steps is None else {"steps": steps}
    pipe.set_progress_bar_config(disable=True)
    videos = []
    for number, clip in enumerate(tqdm(clips, desc="generating", unit="clip", disable=not progress)):
        made = pipe(
            prompt=clip.film.caption,
            image=clip.film.reference,
            scene=told[number],
            frames=len(clip.video),
            seed=number,
            **options,
        )
        videos.append(made.frames)
    return videos
