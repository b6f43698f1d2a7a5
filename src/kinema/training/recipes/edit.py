"""Recipe `edit`: the motion generator learns to change a motion as it is told.

kinema train edit --minutes 15 --out runs/edit --set model.context=umo
kinema edit walk.bvh "like an old man" --with runs/edit/edit -o out.bvh
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from kinema.data.motion_edits import KINDS, EditBatch, MotionEdits, all_texts
from kinema.data.motion_samples import encode_clips
from kinema.motion.context import reader_class
from kinema.motion.editor import MotionEditor
from kinema.motion.learned import count_words
from kinema.motion.low_rank import add_low_rank
from kinema.motion.motion_pipeline import TextToMotionPipeline
from kinema.motion.text import default_text_encoder
from kinema.training.config import Run
from kinema.training.data_groups import LibraryData
from kinema.training.motion_task import EditTask
from kinema.training.trainer import Trainer, TrainerConfig


@dataclass(frozen=True)
class Data(LibraryData):
    """What editing is learned from.

    Args:
        batch: edits a step.
        longest: tokens of an edit.
        same_first: steps in which sources are only to be given back: MotionLab's curriculum in the small.
    """

    batch: int = 16
    longest: int = 24
    same_first: int = 150


@dataclass(frozen=True)
class Model:
    """What is trained.

    Args:
        context: how the source is read: a paper with the part `context.motion`.
        rank: of the adapter of the generator, which is frozen otherwise.
        start_from: a folder of a motion model; the embedded one where None.
    """

    context: str = "umo"
    rank: int = 32
    start_from: str | None = None


@dataclass(frozen=True)
class Recipe:
    """An editor of motion; a step takes about 0.4 s on one core."""

    data: Data = Data()
    model: Model = Model()
    trainer: TrainerConfig = TrainerConfig(
        steps=2000, learning_rate=1e-3, warmup=50, decay=0.3, ema=0.99, validate_steps=0
    )


def run(recipe: Recipe, run: Run) -> Path:
    """Trains an editor on the train split.

    Returns:
        `out/edit`, for `kinema edit --with`.

    Raises:
        ValueError: no such context, or clips of which no edits can be made.
    """
    torch.manual_seed(run.seed)
    data, size = recipe.data, recipe.model
    clips = encode_clips(list(data.training_clips()), run.out / "motions.npz")
    base = TextToMotionPipeline.from_pretrained(size.start_from)
    network = base.transformer.train()
    sizes = network.config
    reader = reader_class(size.context)(sizes.width, sizes.layers, sizes.heads, sizes.patch * sizes.features)
    reader.start_from(network.tokens_in)
    add_low_rank(network, size.rank)
    edits = MotionEdits(
        clips,
        default_text_encoder(),
        data.batch,
        run.seed,
        data.longest,
        run.out / "texts.safetensors",
        base.representation,
    )
    task = EditTask(network, base.normaliser, reader).to(run.device)
    trainer = Trainer(task, task, replace(recipe.trainer, seed=run.seed), run.out)
    trainer.resume()
    trainer.run(_in_order(edits, trainer.step, data.same_first), run.minutes)
    trainer.averaged()
    words = count_words([text] for text in all_texts())
    MotionEditor(base, reader.cpu().eval(), size.context, words).save_pretrained(run.out / "edit")
    return run.out / "edit"


def _in_order(edits: MotionEdits, step: int, same_first: int) -> Iterator[tuple[int, EditBatch]]:
    """Sources that are given back, then all kinds of edits."""
    while True:
        yield step, edits.at(step, KINDS if step >= same_first else ("same",))
        step += 1
