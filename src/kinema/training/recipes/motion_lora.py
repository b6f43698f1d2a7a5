"""Recipe `motion-lora`: a handful of clips teach the motion generator a movement, as DAViD does it.

kinema train motion-lora --data clips/ --minutes 5 --out runs/sneak
kinema motion "a person sneaks" --lora runs/sneak/motion-lora.safetensors:0.8 -o sneak.bvh
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from kinema.data.motion_library import MotionLibrary
from kinema.data.motion_samples import MotionBatch, MotionSamples, encode_clips
from kinema.data.user_motions import open_motion_folder
from kinema.motion.low_rank import add_low_rank, save_low_rank
from kinema.motion.motion_pipeline import TextToMotionPipeline
from kinema.motion.text import default_text_encoder
from kinema.training.config import Run
from kinema.training.motion_task import MotionTask
from kinema.training.trainer import Trainer, TrainerConfig


@dataclass(frozen=True)
class Data:
    """The clips, and what keeps the model from forgetting.

    Args:
        motions: folder of motion files with captions (captions.csv, or NAME.txt beside each).
        batch: samples a step.
        ordinary: share of steps on clips of the motion library instead; 0 where there is no library.
        library: folder of the motion library; the default place where none.
    """

    motions: str
    batch: int = 8
    ordinary: float = 0.0
    library: str | None = None


@dataclass(frozen=True)
class Model:
    """The adapter.

    Args:
        rank: of what is added to the layers of attention.
        start_from: a folder of a motion model; the embedded one where None.
    """

    rank: int = 8
    start_from: str | None = None


@dataclass(frozen=True)
class Recipe:
    """A LoRA of the motion generator; a step takes about 0.1 s on one core."""

    data: Data
    model: Model = Model()
    trainer: TrainerConfig = TrainerConfig(
        steps=600, learning_rate=2e-3, warmup=20, decay=0.3, ema=0.98, validate_steps=0
    )


def run(recipe: Recipe, run: Run) -> Path:
    """Trains an adapter on the clips of a folder.

    Returns:
        `out/motion-lora.safetensors`, for `kinema motion --lora`.

    Raises:
        FileNotFoundError, FormatError: no clips with captions that can be read.
        ValueError: a share of ordinary clips that is none.
    """
    torch.manual_seed(run.seed)
    data = recipe.data
    if not 0 <= data.ordinary < 1:
        raise ValueError(f"data.ordinary={data.ordinary:g}: give a share from 0 to below 1")
    base = TextToMotionPipeline.from_pretrained(recipe.model.start_from)
    add_low_rank(base.transformer.train(), recipe.model.rank)
    encoder = default_text_encoder()
    own = encode_clips(list(open_motion_folder(data.motions)), representation=base.representation)
    if not own:
        raise ValueError(f"{data.motions}: no clip is half a second long")
    streams = [MotionSamples(own, encoder, data.batch, run.seed, sequences=0.0)]
    if data.ordinary:
        library = list(MotionLibrary.open(data.library).split("train"))
        ordinary = encode_clips(library, run.out / "motions.npz")
        cache = run.out / "texts.safetensors"
        streams.append(MotionSamples(ordinary, encoder, data.batch, run.seed, sequences=0.0, cache=cache))
    task = MotionTask(base.transformer, base.normaliser).to(run.device)
    trainer = Trainer(task, task, replace(recipe.trainer, seed=run.seed), run.out)
    trainer.resume()
    trainer.run(_mixed(streams, data.ordinary, run.seed, trainer.step), run.minutes)
    trainer.averaged()
    result = run.out / "motion-lora.safetensors"
    save_low_rank(base.transformer, result)
    return result


def _mixed(
    streams: list[MotionSamples], ordinary: float, seed: int, step: int
) -> Iterator[tuple[int, MotionBatch]]:
    """Batches of the first stream, a share of them of the second."""
    while True:
        other = np.random.default_rng([seed, step, 1]).random() < ordinary
        yield step, streams[int(other)].at(step)
        step += 1
