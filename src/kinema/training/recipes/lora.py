"""Recipe `lora`: a plain LoRA of a video backbone on videos with captions, as a file that diffusers loads.

    kinema train lora --backbone wan2.1-1.3b --data my_videos --minutes 120 --out runs/style
    kinema animate ... --lora runs/style/export/lora.safetensors

Rank, rate and what else is here are ours; the layers are those of diffusers' own training scripts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from kinema.training import ranks, whereabouts
from kinema.training.backbone import add_lora, save_lora
from kinema.training.checkpoint import put_in_place
from kinema.training.config import Run
from kinema.training.cost import work_of
from kinema.training.frozen import load_backbone, place_encoders
from kinema.training.optimisers import check_optimiser
from kinema.training.sources import VideoData, check_videos, source_of
from kinema.training.trainer import Trainer, TrainerConfig
from kinema.training.video_task import Conditions, VideoTask


@dataclass(frozen=True)
class Model:
    """What the LoRA is for.

    Args:
        weights: backbone: a name that `kinema models` lists, or a folder.
        rank: of the LoRA; its alpha is the same.
        dtype: of the backbone; the LoRA is float32.
        checkpointing: compute blocks again in the backward pass, for memory.
    """

    weights: str
    rank: int = 32
    dtype: Literal["float32", "bfloat16"] = "float32"
    checkpointing: bool = False


@dataclass(frozen=True)
class Recipe:
    """A LoRA of a backbone of any published family."""

    model: Model
    data: VideoData = VideoData(batch=4)
    conditions: Conditions = Conditions(drop_text=0.1)
    trainer: TrainerConfig = TrainerConfig(steps=2000, learning_rate=1e-4, warmup=100, validate_steps=0)
    parallel: ranks.Parallel = ranks.Parallel()


def run(recipe: Recipe, run: Run) -> Path:
    """Trains a LoRA.

    Returns:
        `out/export` with `lora.safetensors`, in bfloat16.

    Raises:
        DataError: a data file with mistakes, all of them.
        ValueError: a model that has two transformers, or no place for a LoRA.
    """
    check_optimiser(recipe.trainer)
    check_videos(recipe.data)
    torch.manual_seed(run.seed)
    model = load_backbone(recipe.model.weights, getattr(torch, recipe.model.dtype), recipe.data.size)
    add_lora(model, recipe.model.rank)
    if recipe.model.checkpointing:
        model.transformer.enable_gradient_checkpointing()
    place_encoders(model, run.device)
    form = recipe.data.form(model)
    work = work_of(model.transformer, {}, form.size, form.frames, run.device)
    prepared = ranks.prepare(model.transformer, None, run.device, parallel=recipe.parallel)
    task = VideoTask(model, {}, recipe.conditions, autocast=recipe.model.dtype == "bfloat16")
    source = source_of(recipe.data, model, run.out, run.seed)
    config = replace(recipe.trainer, seed=run.seed)
    trainer = Trainer(task, task, config, run.out, order=source.order, work=work)
    trainer.resume()
    trainer.run(source.batches(trainer.step), run.minutes)
    trainer.averaged()
    fresh, made = run.out / "export.new", run.out / "export"
    transformer, _ = prepared.gathered(frozen=False)
    if ranks.rank() == 0:
        save_lora(transformer, fresh, model)
        put_in_place(fresh, made)
    whereabouts.wait("writing the LoRA")
    return made
