"""Recipe `control`: a control adapter on the frozen transformer, as TokenMotion trains its own.

kinema train control --minutes 60 --out runs/mosa --set adapter=mosa --set weights=runs/mini/export
"""

from __future__ import annotations

from pathlib import Path

import torch

from kinema.papers.mosa import TrackOptions
from kinema.training import ranks
from kinema.training.export import export
from kinema.training.filmed import TakeFilm
from kinema.training.frozen import load_frozen
from kinema.training.mini_task import MiniTask
from kinema.training.objectives import AUXILIARY_WEIGHTS
from kinema.training.part_term import load_parts
from kinema.training.rollouts import Rollouts
from kinema.training.sources import EncodeVideos, FilmedTakes, Source, cached_takes
from kinema.training.trainer import Trainer, TrainerConfig
from kinema.training.validation import Validation, WriteVideo
from kinema.video.models.mini.model import MiniVideo
from kinema.video.models.mini.network import MiniFormat


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
    part_network: str | None = None,
    part_weight: float = AUXILIARY_WEIGHTS["parts"],
    segment_weight: float = AUXILIARY_WEIGHTS["segments"],
    colour_weight: float = AUXILIARY_WEIGHTS["colours"],
    rollouts: float = 0.0,
    capacity: int = 768,
    reuse: float = 4.0,
    workers: int = 1,
    save_seconds: float = 300.0,
    compile: bool = False,
    library: str | None = None,
    licence: str = "any",
    company: float = 0.0,
    corrupt: float = 0.15,
    corruptions: str = "careless",
    videos: str | None = None,
    cache: str | None = None,
    capture: bool = False,
    validate: int = 0,
    held_out: int = 8,
    tensorboard: bool = False,
    log_steps: int = 20,
    encode_videos: EncodeVideos | None = None,
    write_video: WriteVideo | None = None,
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
        part_network: folder of the network of recipe `parts`, for the part, segment and colour terms, or none of them.
        part_weight, segment_weight, colour_weight: of these terms.
        rollouts: share of the steps that begin with what the model has drawn, see Rollouts.
        capacity, reuse, workers: see Reservoir.
        compile: compile each block (needs a C++ compiler on the CPU).
        library, licence: of the motion.
        company, corrupt, corruptions: see TakeFilm; `corruptions=all` for every kind.
        videos: folder, .csv table, clip list or shards of videos to train on instead of filming, see docs/training.md.
        cache: folder of encoded videos; `out/latents` where None.
        capture: find people and camera in videos that come without.
        validate: steps between validations on held-out takes, with videos in `out/validation`; 0 for none.
        held_out: how many takes are validated on.
        tensorboard, log_steps: see TrainerConfig.
        encode_videos, write_video: brought by the application, see sources.EncodeVideos and validation.WriteVideo.
    """
    torch.manual_seed(seed)
    form = MiniFormat(frames=frames)
    parts = load_frozen(weights, adapter, start_from=start_from, tokenizer=tokenizer, options=options)
    tracking = None
    if track:
        if videos is not None:
            raise ValueError("track: videos come without exact tracks; leave it at 0, or film the takes")
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
        parts=load_parts(part_network, device),
        rollouts=Rollouts(rollouts, MiniVideo.defaults.guidance["pose"].scale) if rollouts else None,
    ).to(device)
    prepared = ranks.prepare(parts.transformer, parts.adapter, device, compile)
    source: Source
    if videos is None:
        film = TakeFilm(
            form,
            seed,
            library,
            licence,
            company=company,
            corrupt=corrupt,
            corruptions=corruptions,
            points=track_points if track else 0,
        )
        source = FilmedTakes(film, capacity, batch, reuse, workers)
    else:
        place = Path(cache) if cache else out / "latents"
        source = cached_takes(videos, place, parts.autoencoder, form, batch, seed, encode_videos, capture)
    validation = None
    if validate:
        takes = source.held_out(held_out)
        validation = Validation(task, takes, out / "validation", form.fps, write_video=write_video)
    config = TrainerConfig(
        steps=steps,
        learning_rate=rate,
        warmup=warmup,
        decay=decay,
        seed=seed,
        save_seconds=save_seconds,
        log_steps=log_steps,
        validate_steps=validate,
        tensorboard=tensorboard,
    )
    auxiliary = {
        "mask": mask,
        "track": track,
        "parts": part_weight,
        "segments": segment_weight,
        "colours": colour_weight,
    }
    trainer = Trainer(task, task, config, out, weights=auxiliary, validate=validation)
    trainer.resume()
    trainer.run(source.batches(trainer.step), minutes)
    trainer.averaged()
    return export(out / "export", prepared, parts.autoencoder)
