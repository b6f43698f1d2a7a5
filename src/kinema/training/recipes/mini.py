"""Recipe `mini`: the mini transformer together with its pose and camera control, TokenMotion.

Both are trained at once, dropping signals at random, because at this size a network learns what people look like far
sooner when it is told where they are (ours; the published methods freeze the backbone, as recipe `control` does).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel

from kinema.appearance.adapters.attach import attach, detach
from kinema.appearance.adapters.tokenmotion import TokenMotionAdapter
from kinema.appearance.autoencoder import AutoencoderPatchPCA
from kinema.appearance.backbones.mini import MiniFormat, make_mini
from kinema.data.takes import Reservoir
from kinema.training.export import export
from kinema.training.filmed import TakeFilm
from kinema.training.mini_task import MiniTask
from kinema.training.trainer import Trainer, TrainerConfig


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
    capacity: int = 768,
    reuse: float = 4.0,
    workers: int = 1,
    save_seconds: float = 300.0,
    compile: bool = False,
    start_from: str | None = None,
    library: str | None = None,
    licence: str = "any",
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
        capacity, reuse, workers: see Reservoir.
        compile: compile each block (needs a C++ compiler on the CPU).
        start_from: an exported folder whose weights the run starts from.
        library, licence: of the motion.
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
    ).to(device)
    if compile:
        for block in transformer.blocks:
            block.compile()
    config = TrainerConfig(
        steps=steps, learning_rate=rate, warmup=warmup, decay=decay, seed=seed, save_seconds=save_seconds
    )
    trainer = Trainer(task, task, config, out)
    trainer.resume()
    reservoir = Reservoir(TakeFilm(form, seed, library, licence), capacity, batch, reuse, seed, workers)
    trainer.run(reservoir.batches(trainer.step), minutes)
    trainer.averaged()
    detach(transformer)
    return export(out / "export", transformer, adapter, autoencoder)


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
