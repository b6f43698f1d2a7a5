"""Recipe `control`: a control adapter on a frozen video model, as the published methods train theirs.

kinema train control --minutes 60 --out runs/mosa --set model.adapter=mosa --set model.weights=FOLDER
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from kinema.training import ranks
from kinema.training.config import Run
from kinema.training.cost import work_of
from kinema.training.export import Export, export
from kinema.training.frozen import AdapterModel, load_frozen
from kinema.training.objectives import Objectives
from kinema.training.optimisers import check_optimiser
from kinema.training.rollouts import Rollouts
from kinema.training.sources import VideoData, check_videos, source_of
from kinema.training.tracks import VideoTracks
from kinema.training.trainer import Trainer, TrainerConfig
from kinema.training.validation import Validation
from kinema.training.video_task import Conditions, VideoTask


@dataclass(frozen=True)
class Recipe:
    """A control adapter on a frozen backbone of any family."""

    model: AdapterModel
    data: VideoData = VideoData()
    conditions: Conditions = Conditions()
    objectives: Objectives = Objectives()
    trainer: TrainerConfig = TrainerConfig(steps=6000, learning_rate=6e-4, validate_steps=0)
    parallel: ranks.Parallel = field(default_factory=ranks.Parallel)
    export: Export = field(default_factory=Export)


def run(recipe: Recipe, run: Run) -> Path:
    """Trains an adapter.

    Returns:
        `out/export`: the adapter under its name, in a whole pipeline where the backbone's family is exported so.

    Raises:
        DataError: a data file with mistakes, all of them.
    """
    check_optimiser(recipe.trainer)
    check_videos(recipe.data)
    torch.manual_seed(run.seed)
    track = recipe.objectives.track
    follow = None
    if track.weight and recipe.data.videos is not None:
        follow = VideoTracks(track.tracker, track.points, run.device)
    frozen = load_frozen(recipe.model, run.device, recipe.data.size)
    model, adapter = frozen.model, frozen.adapter
    scale = model.defaults.guidance["pose"].scale
    task = VideoTask(
        model,
        {adapter.adapter_name: adapter},
        recipe.conditions,
        objectives=recipe.objectives.build(run.device),
        rollouts=Rollouts(recipe.objectives.rollouts, scale) if recipe.objectives.rollouts else None,
        autocast=recipe.model.dtype == "bfloat16",
    )
    form = recipe.data.form(model)
    work = work_of(model.transformer, {adapter.adapter_name: adapter}, form.size, form.frames, run.device)
    prepared = ranks.prepare(
        model.transformer, adapter, run.device, recipe.model.compile, recipe.parallel, frozen.dtype
    )
    source = source_of(recipe.data, model, run.out, run.seed, track.points if track.weight else 0, follow)
    config = replace(recipe.trainer, seed=run.seed)
    validation = None
    if config.validate_steps:
        takes = source.held_out(recipe.data.held_out)
        validation = Validation(task, takes, run.out / "validation", model.form.fps)
    weights, order = recipe.objectives.weights, source.order
    trainer = Trainer(
        task, task, config, run.out, weights=weights, validate=validation, order=order, work=work
    )
    trainer.resume()
    trainer.run(source.batches(trainer.step), run.minutes)
    trainer.averaged()
    return export(run.out / "export", prepared, model, recipe.export)
