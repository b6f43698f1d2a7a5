"""Recipe `motion`: the text-to-motion generator, trained on the motion library.

    kinema train motion --minutes 60 --out runs/motion

One core makes two or three steps a second; everything before the first step takes about three minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from kinema.data.motion_captions import STYLES
from kinema.data.motion_samples import MotionSamples, encode_clips
from kinema.motion.motion_pipeline import TextToMotionPipeline
from kinema.motion.normalise import Normaliser
from kinema.motion.text import default_text_encoder
from kinema.motion.transformer import MotionTransformer
from kinema.training.config import Run
from kinema.training.data_groups import LibraryData
from kinema.training.motion_task import MotionTask
from kinema.training.trainer import Trainer, TrainerConfig


@dataclass(frozen=True)
class Data(LibraryData):
    """What the generator learns from.

    Args:
        batch: samples a step.
        sequences: share of samples that are several clips in a row.
    """

    batch: int = 32
    sequences: float = 0.4


@dataclass(frozen=True)
class Model:
    """Size of the transformer.

    Args:
        width: channels of a token.
        layers: blocks.
        heads: of attention.
    """

    width: int = 256
    layers: int = 4
    heads: int = 4


@dataclass(frozen=True)
class Objectives:
    """Weights of terms beside the generator's own.

    Args:
        contact: of MoSA's L_cont, which holds feet on the floor; 0.01 is its weight where it is used.
    """

    contact: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """The text-to-motion generator; a step takes about 0.5 s on one core."""

    data: Data = Data()
    model: Model = Model()
    objectives: Objectives = Objectives()
    trainer: TrainerConfig = TrainerConfig(steps=6000, learning_rate=1e-3, decay=0.4, ema=0.998)


def run(recipe: Recipe, run: Run) -> Path:
    """Trains the generator on the train split.

    Returns:
        `out/motion`, weights in bf16; encoded motion and texts are kept in `out`.
    """
    torch.manual_seed(run.seed)
    data, size = recipe.data, recipe.model
    clips = encode_clips(list(data.training_clips()), run.out / "motions.npz")
    normaliser = Normaliser.fit(torch.from_numpy(np.concatenate([clip.features for clip in clips])))
    texts = run.out / "texts.safetensors"
    samples = MotionSamples(
        clips, default_text_encoder(), data.batch, run.seed, sequences=data.sequences, cache=texts
    )
    network = MotionTransformer(width=size.width, layers=size.layers, heads=size.heads, styles=STYLES)
    task = MotionTask(network, normaliser, contact=recipe.objectives.contact).to(run.device)
    trainer = Trainer(task, task, replace(recipe.trainer, seed=run.seed), run.out)
    trainer.resume()
    trainer.run(samples.batches(trainer.step), run.minutes)
    trainer.averaged()
    result = run.out / "motion"
    TextToMotionPipeline(network.to(torch.bfloat16), normaliser).save_pretrained(result)
    return result
