"""Recipe `control`: a control adapter on the frozen transformer, as the published methods train theirs.

kinema train control --minutes 60 --out runs/mosa --set adapter=mosa --set weights=runs/mini/export
"""

from __future__ import annotations

from pathlib import Path

import torch

from kinema.appearance.adapters.attach import detach
from kinema.appearance.backbones.mini import MiniFormat
from kinema.data.takes import Reservoir
from kinema.training.export import export
from kinema.training.filmed import TakeFilm
from kinema.training.frozen import load_frozen
from kinema.training.mini_task import MiniTask
from kinema.training.objectives import AUXILIARY_WEIGHTS
from kinema.training.track_term import TrackOptions
from kinema.training.trainer import Trainer, TrainerConfig


def run(
    out: Path,
    minutes: float,
    device: str,
    seed: int,
    *,
    adapter: str,
    weights: str,
    tokenizer: str | None = None,
    options: str = "",
    start_from: str | None = None,
    steps: int = 6000,
    batch: int = 16,
    frames: int = 17,
    rate: float = 6e-4,
    warmup: int = 200,
    decay: float = 0.25,
    shift: float = 30.0,
    people: float = 16.0,
    know: float = 0.3,
    mask: float = AUXILIARY_WEIGHTS["mask"],
    track: float = 0.0,
    track_every: int = 4,
    track_below: float = 0.4,
    track_tau: float = 2.0,
    track_static: bool = False,
    track_points: int = 32,
    capacity: int = 768,
    reuse: float = 4.0,
    workers: int = 1,
    save_seconds: float = 300.0,
    compile: bool = False,
    library: str | None = None,
    licence: str = "any",
) -> Path:
    """Trains an adapter.

    Args:
        out: folder for checkpoints; the whole pipeline is exported to `out/export`.
        minutes: stops (with a checkpoint) after that time.
        device: `cpu` or `cuda`.
        seed: of everything random.
        adapter: name of the control method: tokenmotion, mtvcraft or mosa.
        weights: folder with `autoencoder/` and the `transformer/` that stays as it is.
        tokenizer, options, start_from: see load_frozen.
        steps, batch, rate, warmup, decay: see TrainerConfig.
        frames: of each film, 4k + 1; fewer train faster.
        shift, people, know: see MiniTask.
        mask: weight of the mask loss, for methods that say where people are.
        track: weight of the tracking loss, 0 for none; MoSA's is 0.01.
        track_every, track_below, track_tau, track_static: see TrackOptions.
        track_points: points followed in each film.
        capacity, reuse, workers: see Reservoir.
        compile: compile each block (needs a C++ compiler on the CPU).
        library, licence: of the motion.
    """
    torch.manual_seed(seed)
    form = MiniFormat(frames=frames)
    parts = load_frozen(weights, adapter, start_from=start_from, tokenizer=tokenizer, options=options)
    tracking = None
    if track:
        tracking = TrackOptions(track_every, below=track_below, tau=track_tau, static=track_static)
    task = MiniTask(
        parts.transformer,
        parts.adapter,
        parts.autoencoder,
        know=know,
        people=people,
        shift=shift,
        text_tokens=form.text_tokens,
        tracking=tracking,
    ).to(device)
    if compile:
        for block in parts.transformer.blocks:
            block.compile()
    config = TrainerConfig(
        steps=steps, learning_rate=rate, warmup=warmup, decay=decay, seed=seed, save_seconds=save_seconds
    )
    trainer = Trainer(task, task, config, out, weights={"mask": mask, "track": track})
    trainer.resume()
    film = TakeFilm(form, seed, library, licence, points=track_points if track else 0)
    reservoir = Reservoir(film, capacity, batch, reuse, seed, workers)
    trainer.run(reservoir.batches(trainer.step), minutes)
    trainer.averaged()
    detach(parts.transformer)
    return export(out / "export", parts.transformer, parts.adapter, parts.autoencoder)
