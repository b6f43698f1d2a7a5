"""Recipe `motion`: the text-to-motion generator, trained on the motion library.

    kinema train motion --minutes 60 --out runs/motion

One core makes two or three steps a second; everything before the first step takes about three minutes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from kinema.data.motion_captions import STYLES
from kinema.data.motion_pieces import standing, together
from kinema.data.motion_samples import EncodedClip, MotionSamples, encode_clips
from kinema.motion.learned import WORDS, count_words
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
        together: how many clips are put together from two, of people who go and move their arms.
    """

    batch: int = 32
    sequences: float = 0.4
    together: int = 400


@dataclass(frozen=True)
class Model:
    """Size of the transformer.

    Args:
        width: channels of a token.
        layers: blocks.
        heads: of attention.
        start_from: a folder of this recipe whose weights and size the run starts from.
    """

    width: int = 256
    layers: int = 4
    heads: int = 4
    start_from: str | None = None


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
        `out/motion`, weights in bf16 and the words that they learned from; encoded motion and texts are kept in `out`.
    """
    torch.manual_seed(run.seed)
    data, size = recipe.data, recipe.model
    captured = list(data.training_clips())
    clips = encode_clips([*captured, *standing(captured)], run.out / "motions.npz")
    clips += together(clips, data.together, run.seed)
    network, normaliser = _begin(size, clips)
    texts = run.out / "texts.safetensors"
    samples = MotionSamples(
        clips, default_text_encoder(), data.batch, run.seed, sequences=data.sequences, cache=texts
    )
    task = MotionTask(network, normaliser, contact=recipe.objectives.contact).to(run.device)
    trainer = Trainer(task, task, replace(recipe.trainer, seed=run.seed), run.out)
    trainer.resume()
    trainer.run(samples.batches(trainer.step), run.minutes)
    trainer.averaged()
    result = run.out / "motion"
    TextToMotionPipeline(network.to(torch.bfloat16), normaliser).save_pretrained(result)
    (result / WORDS).write_text(json.dumps(count_words(clip.texts for clip in clips), indent=0) + "\n")
    return result


def _begin(size: Model, clips: list[EncodedClip]) -> tuple[MotionTransformer, Normaliser]:
    """The network to train, new or as a former run left it, with the statistics it reads features by."""
    if size.start_from is not None:
        former = TextToMotionPipeline.from_pretrained(size.start_from)
        return former.transformer.float(), former.normaliser
    normaliser = Normaliser.fit(torch.from_numpy(np.concatenate([clip.features for clip in clips])))
    return MotionTransformer(
        width=size.width, layers=size.layers, heads=size.heads, styles=STYLES
    ), normaliser
