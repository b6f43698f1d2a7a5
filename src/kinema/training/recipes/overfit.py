"""Recipe `overfit`: can an adapter learn eight takes by heart, through its signals, on the frozen transformer?

The first question to a new control method: whoever fails here has a mistake, whoever passes has not yet shown
anything about unseen motions. `benchmarks/overfit.py` judges the videos as well.

    kinema train overfit --minutes 5 --out runs/overfit --set adapter=mosa
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from kinema.training import ranks
from kinema.training.export import export
from kinema.training.filmed import SIGNAL_ENTRIES, seen_backdrop, training_take
from kinema.training.fixed_takes import film_fixed_takes
from kinema.training.frozen import load_frozen
from kinema.training.mini_task import MiniTask
from kinema.training.objectives import AUXILIARY_WEIGHTS
from kinema.training.trainer import Trainer, TrainerConfig
from kinema.video.models.mini.network import MiniFormat


def run(
    out: Path,
    minutes: float,
    device: str,
    seed: int,
    *,
    adapter: str,
    weights: str | None = None,
    tokenizer: str | None = None,
    options: str = "",
    takes: int = 8,
    steps: int = 400,
    batch: int = 8,
    rate: float = 1.5e-3,
    warmup: int = 20,
    decay: float = 0.3,
    shift: float = 30.0,
    people: float = 16.0,
    library: str | None = None,
    motions: str | None = None,
    save_seconds: float = 300.0,
    log_steps: int = 5,
) -> Path:
    """Trains an adapter on a few fixed takes and prints three losses: with the takes' own signals, with signals
    exchanged among them, and without any.

    Args:
        out: folder for checkpoints and `losses.json`; the pipeline is exported to `out/export`.
        minutes: stops (with a checkpoint) after that time.
        device: `cpu` or `cuda`.
        seed: of everything random.
        adapter: name of the control method.
        weights: folder with `autoencoder/` and `transformer/`; the embedded mini where None.
        tokenizer, options: see load_frozen.
        takes: how many; with `library` and `motions` see film_fixed_takes.
        steps, batch, rate, warmup, decay, save_seconds, log_steps: see TrainerConfig.
        shift, people: see MiniTask.
    """
    torch.manual_seed(seed)
    parts = load_frozen(
        weights or str(files("kinema") / "weights" / "mini"), adapter, tokenizer=tokenizer, options=options
    )
    form = MiniFormat()
    films = film_fixed_takes(takes, seed=seed, form=form, library=library, motions=motions)
    fixed = [training_take(film) for film in films]

    def task(steered: bool = True) -> MiniTask:
        return MiniTask(
            parts.transformer,
            parts.adapter if steered else None,
            parts.autoencoder,
            drop=(0.0, 0.0, 0.0, 0.0),
            know=0.0,
            people=people,
            shift=shift,
            text_tokens=form.text_tokens,
        ).to(device)

    learner = task()
    config = TrainerConfig(
        steps=steps,
        learning_rate=rate,
        warmup=warmup,
        decay=decay,
        ema=0.98,
        seed=seed,
        save_seconds=save_seconds,
        log_steps=log_steps,
    )
    trainer = Trainer(learner, learner, config, out, weights=AUXILIARY_WEIGHTS)
    trainer.resume()
    trainer.run(_batches(fixed, batch, seed, trainer.step), minutes)
    trainer.averaged()
    losses = {
        "own": _loss(learner, fixed),
        "shuffled": _loss(learner, exchanged(fixed)),
        "none": _loss(task(steered=False), fixed),
    }
    print("loss with " + ", ".join(f"{name} signals {value:.4f}" for name, value in losses.items()))
    (out / "losses.json").write_text(json.dumps({"steps": trainer.step, **losses}, indent=1) + "\n")
    return export(out / "export", ranks.Prepared(parts.transformer, parts.adapter), parts.autoencoder)


def exchanged(takes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The takes, each with the signals of the one after it."""
    following = takes[1:] + takes[:1]
    mixed = [
        {**take, **{name: other[name] for name in SIGNAL_ENTRIES}}
        for take, other in zip(takes, following, strict=True)
    ]
    return [{**take, "backdrop": seen_backdrop(take)} for take in mixed]


def _batches(
    takes: list[dict[str, Any]], batch: int, seed: int, first_step: int
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
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
def _loss(task: MiniTask, takes: list[dict[str, Any]], draws: int = 4) -> float:
    """The denoising loss at the same times and noise for every condition."""
    values = [task(takes, torch.Generator().manual_seed(draw))["flow"] for draw in range(draws)]
    return float(torch.stack(values).mean())
