"""Recipe `mini`: the mini transformer together with its pose and camera control, TokenMotion.

Both are trained at once, dropping signals at random, because at this size a network learns what people look like far
sooner when it is told where they are (ours; the published methods freeze the backbone, as recipe `control` does).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel

from kinema.papers.tokenmotion import TokenMotionAdapter
from kinema.training import ranks
from kinema.training.export import export
from kinema.training.filmed import TakeFilm
from kinema.training.mini_task import MiniTask
from kinema.training.objectives import AUXILIARY_WEIGHTS
from kinema.training.part_term import load_parts
from kinema.training.rollouts import Rollouts
from kinema.training.sources import EncodeVideos, FilmedTakes, Source, cached_takes
from kinema.training.trainer import Trainer, TrainerConfig
from kinema.training.validation import Validation, WriteVideo
from kinema.video.adapters.attach import attach
from kinema.video.models.mini.autoencoder import AutoencoderPatchPCA
from kinema.video.models.mini.model import MiniVideo
from kinema.video.models.mini.network import MiniFormat, make_mini


def run(
    out: Path,
    minutes: float,
    device: str,
    seed: int,
    *,
    weights: str,
    steps: int = 6000,
    batch: int = 16,
    frames: int = 17,
    rate: float = 6e-4,
    warmup: int = 200,
    decay: float = 0.25,
    shift: float = 10.0,
    people: float = 16.0,
    know: float = 0.3,
    width: int = 256,
    layers: int = 6,
    motion_width: int = 128,
    rank: int = 128,
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
    start_from: str | None = None,
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
    """Trains mini.

    Args:
        out: folder for checkpoints; the result is exported to `out/export` in the layout of the embedded weights.
        minutes: stops (with a checkpoint) after that time.
        device: `cpu` or `cuda`.
        seed: of everything random.
        weights: folder with `autoencoder/`.
        steps, batch, rate, warmup, decay: see TrainerConfig.
        frames: of each film, 4k + 1; fewer train faster.
        shift, people, know: see MiniTask.
        width, layers, motion_width, rank: size of new models.
        part_network: folder of the network of recipe `parts`, for the part, segment and colour terms, or none of them.
        part_weight, segment_weight, colour_weight: of these terms.
        rollouts: share of the steps that begin with what the model has drawn, see Rollouts.
        capacity, reuse, workers: see Reservoir.
        compile: compile each block (needs a C++ compiler on the CPU).
        start_from: an exported folder whose weights the run starts from.
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
    autoencoder = AutoencoderPatchPCA.from_pretrained(Path(weights) / "autoencoder")
    transformer, adapter = _models(
        Path(start_from) if start_from else None,
        autoencoder.config.latent_channels,
        width,
        layers,
        motion_width,
        rank,
    )
    attach(transformer, adapter)
    task = MiniTask(
        transformer,
        adapter,
        autoencoder,
        know=know,
        people=people,
        shift=shift,
        text_tokens=form.text_tokens,
        parts=load_parts(part_network, device),
        rollouts=Rollouts(rollouts, MiniVideo.defaults.guidance["pose"].scale) if rollouts else None,
    ).to(device)
    prepared = ranks.prepare(transformer, adapter, device, compile)
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
        )
        source = FilmedTakes(film, capacity, batch, reuse, workers)
    else:
        place = Path(cache) if cache else out / "latents"
        source = cached_takes(videos, place, autoencoder, form, batch, seed, encode_videos, capture)
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
    auxiliary = {"parts": part_weight, "segments": segment_weight, "colours": colour_weight}
    trainer = Trainer(task, task, config, out, weights=auxiliary, validate=validation)
    trainer.resume()
    trainer.run(source.batches(trainer.step), minutes)
    trainer.averaged()
    return export(out / "export", prepared, autoencoder)


def _models(
    start: Path | None,
    channels: int,
    width: int,
    layers: int,
    motion_width: int,
    rank: int,
) -> tuple[WanTransformer3DModel, TokenMotionAdapter]:
    load: dict[str, Any] = {"dtype": torch.float32}
    if start is not None:
        transformer = WanTransformer3DModel.from_pretrained(start / "transformer", **load)
    else:
        transformer = make_mini(channels, width, layers)
    if start is not None and (start / "tokenmotion").is_dir():
        adapter = TokenMotionAdapter.from_pretrained(start / "tokenmotion", **load)
    else:
        adapter = TokenMotionAdapter(
            hidden_size=transformer.config.num_attention_heads * transformer.config.attention_head_dim,
            blocks=tuple(range(0, len(transformer.blocks), 2)),
            motion_width=motion_width,
            heads=max(1, motion_width // 32),
            first_width=motion_width // 2,
            rank=rank,
        )
    return transformer, adapter
