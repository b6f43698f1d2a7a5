"""Recipe `mini`: the mini transformer together with its pose and camera control, TokenMotion.

Both are trained at once, dropping signals at random, because at this size a network learns what people look like far
sooner when it is told where they are (ours; the published methods freeze the backbone, as recipe `control` does).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel

from kinema.papers.tokenmotion import TokenMotionAdapter
from kinema.training import ranks
from kinema.training.config import Run
from kinema.training.export import export
from kinema.training.objectives import MaskTerm, Objectives
from kinema.training.rollouts import Rollouts
from kinema.training.sources import VideoData, check_videos, source_of
from kinema.training.trainer import Trainer, TrainerConfig
from kinema.training.validation import Validation
from kinema.training.video_task import Conditions, VideoTask
from kinema.video.adapters.attach import attach
from kinema.video.models.mini.autoencoder import AutoencoderPatchPCA
from kinema.video.models.mini.model import MiniVideo
from kinema.video.models.mini.network import MiniFormat, make_mini


@dataclass(frozen=True)
class MiniModel:
    """What is trained.

    Args:
        weights: folder with `autoencoder/`.
        start_from: an exported folder whose weights the run starts from.
        width: of a new transformer's tokens.
        layers: of a new transformer.
        motion_width: of a new TokenMotion.
        rank: of a new TokenMotion.
        compile: compile each block (needs a C++ compiler on the CPU).
    """

    weights: str
    start_from: str | None = None
    width: int = 256
    layers: int = 6
    motion_width: int = 128
    rank: int = 128
    compile: bool = False


@dataclass(frozen=True)
class Recipe:
    """mini and TokenMotion together."""

    model: MiniModel
    data: VideoData = VideoData(frames=17)
    conditions: Conditions = Conditions(shift=10.0)
    objectives: Objectives = Objectives(mask=MaskTerm(0.0))
    trainer: TrainerConfig = TrainerConfig(steps=6000, learning_rate=6e-4, validate_steps=0)
    parallel: ranks.Parallel = ranks.Parallel()


def run(recipe: Recipe, run: Run) -> Path:
    """Trains both.

    Returns:
        `out/export`, in the layout of the embedded weights.
    """
    check_videos(recipe.data)
    torch.manual_seed(run.seed)
    autoencoder = AutoencoderPatchPCA.from_pretrained(Path(recipe.model.weights) / "autoencoder")
    transformer, adapter = _models(recipe.model, autoencoder.config.latent_channels)
    attach(transformer, adapter)
    width, height = recipe.data.size or MiniFormat().size
    form = replace(MiniFormat(), width=width, height=height)
    model = MiniVideo(transformer, autoencoder.to(run.device), form)
    scale = MiniVideo.defaults.guidance["pose"].scale
    task = VideoTask(
        model,
        {adapter.adapter_name: adapter},
        recipe.conditions,
        objectives=recipe.objectives.build(run.device),
        rollouts=Rollouts(recipe.objectives.rollouts, scale) if recipe.objectives.rollouts else None,
    ).to(run.device)
    prepared = ranks.prepare(transformer, adapter, run.device, recipe.model.compile, recipe.parallel)
    track = recipe.objectives.track
    source = source_of(recipe.data, model, run.out, run.seed, track.points if track.weight else 0)
    config = replace(recipe.trainer, seed=run.seed)
    validation = None
    if config.validate_steps:
        takes = source.held_out(recipe.data.held_out)
        validation = Validation(task, takes, run.out / "validation", model.form.fps)
    weights, order = recipe.objectives.weights, source.order
    trainer = Trainer(task, task, config, run.out, weights=weights, validate=validation, order=order)
    trainer.resume()
    trainer.run(source.batches(trainer.step), run.minutes)
    trainer.averaged()
    return export(run.out / "export", prepared, model)


def _models(config: MiniModel, channels: int) -> tuple[WanTransformer3DModel, TokenMotionAdapter]:
    load: dict[str, Any] = {"dtype": torch.float32}
    start = Path(config.start_from) if config.start_from else None
    if start is not None:
        transformer = WanTransformer3DModel.from_pretrained(start / "transformer", **load)
    else:
        transformer = make_mini(channels, config.width, config.layers)
    if start is not None and (start / "tokenmotion").is_dir():
        return transformer, TokenMotionAdapter.from_pretrained(start / "tokenmotion", **load)
    adapter = TokenMotionAdapter(
        hidden_size=transformer.config.num_attention_heads * transformer.config.attention_head_dim,
        blocks=tuple(range(0, len(transformer.blocks), 2)),
        motion_width=config.motion_width,
        heads=max(1, config.motion_width // 32),
        first_width=config.motion_width // 2,
        rank=config.rank,
    )
    return transformer, adapter
