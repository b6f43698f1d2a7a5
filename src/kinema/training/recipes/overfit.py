"""Recipe `overfit`: can an adapter learn eight takes by heart, through its signals, on the frozen transformer?

The first question to a new control method: whoever fails here has a mistake, whoever passes has not yet shown
anything about unseen motions. `benchmarks/overfit.py` judges the videos as well.

    kinema train overfit --minutes 5 --out runs/overfit --set model.adapter=mosa
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from kinema.data.sample import Sample, conditioned
from kinema.training import ranks
from kinema.training.config import Run
from kinema.training.export import Export, export
from kinema.training.filmed import film_sample
from kinema.training.fixed_takes import film_fixed_takes
from kinema.training.frozen import AdapterModel, load_frozen
from kinema.training.objectives import Objectives
from kinema.training.trainer import Trainer, TrainerConfig
from kinema.training.video_task import Conditions, VideoTask
from kinema.video.registry import EMBEDDED


@dataclass(frozen=True)
class FixedModel(AdapterModel):
    """Which adapter is tried, on the embedded backbone by default."""

    weights: str = EMBEDDED


@dataclass(frozen=True)
class FixedTakes:
    """What is learned by heart.

    Args:
        takes: how many.
        batch: samples a step.
        library: folder of the motion library; the default place where none.
        motions: folder of motion files to film instead of the library.
    """

    takes: int = 8
    batch: int = 8
    library: str | None = None
    motions: str | None = None


@dataclass(frozen=True)
class Recipe:
    """A few takes learned by heart."""

    model: FixedModel
    data: FixedTakes = FixedTakes()
    conditions: Conditions = Conditions(0.0, 0.0, 0.0, 0.0, given=0.0)
    objectives: Objectives = Objectives()
    trainer: TrainerConfig = TrainerConfig(
        steps=400, learning_rate=1.5e-3, warmup=20, decay=0.3, ema=0.98, log_steps=5
    )
    export: Export = Export()


def run(recipe: Recipe, run: Run) -> Path:
    """Trains an adapter on a few fixed takes and prints three losses: with the takes' own signals, with signals
    exchanged among them, and without any.

    Returns:
        `out/export`; `out/losses.json` holds the losses.
    """
    torch.manual_seed(run.seed)
    frozen = load_frozen(recipe.model, run.device)
    model, adapter = frozen.model, frozen.adapter
    prepared = ranks.prepare(model.transformer, adapter, run.device, dtype=frozen.dtype)
    data = recipe.data
    films = film_fixed_takes(
        data.takes, seed=run.seed, form=model.form, library=data.library, motions=data.motions
    )
    takes = [conditioned(film_sample(film), model.conditioner) for film in films]
    objectives = recipe.objectives.build(run.device)
    learner = VideoTask(model, {adapter.adapter_name: adapter}, recipe.conditions, objectives=objectives)
    config = replace(recipe.trainer, seed=run.seed)
    trainer = Trainer(learner, learner, config, run.out, weights=recipe.objectives.weights)
    trainer.resume()
    trainer.run(_batches(takes, data.batch, run.seed, trainer.step), run.minutes)
    trainer.averaged()
    losses = {
        "own": _loss(learner, takes),
        "shuffled": _loss(learner, exchanged(takes)),
        "none": _loss(VideoTask(model, {}, recipe.conditions), takes),
    }
    print("loss with " + ", ".join(f"{name} signals {value:.4f}" for name, value in losses.items()))
    (run.out / "losses.json").write_text(json.dumps({"steps": trainer.step, **losses}, indent=1) + "\n")
    return export(run.out / "export", prepared, model, recipe.export)


def exchanged(takes: Sequence[Sample]) -> list[Sample]:
    """The takes, each with the scene of the one after it: what is seen stays, what shall be seen is another's."""
    following = [*takes[1:], *takes[:1]]
    return [
        replace(take, scene=other.scene, start=other.start, conditioning=None)
        for take, other in zip(takes, following, strict=True)
    ]


def _batches(
    takes: list[Sample], batch: int, seed: int, first_step: int
) -> Iterator[tuple[int, list[Sample]]]:
    """All takes equally often, in an order that depends on the step alone."""
    step = first_step
    while True:
        positions = torch.arange(step * batch, (step + 1) * batch)
        rounds = [
            torch.randperm(len(takes), generator=torch.Generator().manual_seed((seed << 32) + int(number)))
            for number in torch.unique(positions // len(takes))
        ]
        begin = int(positions[0]) % len(takes)
        yield step, [takes[int(i)] for i in torch.cat(rounds)[begin : begin + batch]]
        step += 1


@torch.no_grad()
def _loss(task: VideoTask, takes: Sequence[Sample], draws: int = 4) -> float:
    """The denoising loss at the same times and noise for every condition."""
    values = [task(takes, torch.Generator().manual_seed(draw))["denoising"] for draw in range(draws)]
    return float(torch.stack(values).mean())
