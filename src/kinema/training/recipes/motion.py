"""Recipe `motion`: the text-to-motion generator, trained on the motion library.

    kinema train motion --minutes 60 --out runs/motion

One core makes two or three steps a second; everything before the first step takes about three minutes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from kinema.data.motion_captions import STYLES
from kinema.data.motion_library import MotionLibrary
from kinema.data.motion_samples import MotionSamples, encode_clips
from kinema.motion.generator import MotionTransformer
from kinema.motion.motion_pipeline import TextToMotionPipeline
from kinema.motion.normalise import Normaliser
from kinema.motion.text import default_text_encoder
from kinema.training.motion_task import MotionTask
from kinema.training.trainer import Trainer, TrainerConfig


def run(
    out: Path,
    minutes: float,
    device: str,
    seed: int,
    *,
    steps: int = 6000,
    batch: int = 32,
    rate: float = 1e-3,
    decay: float = 0.4,
    width: int = 256,
    layers: int = 4,
    heads: int = 4,
    sequences: float = 0.4,
    library: str | None = None,
    licence: str = "any",
) -> Path:
    """Trains the generator on the train split.

    Args:
        out: folder for checkpoints and encoded motion; the weights are saved in `out/motion`, in bf16.
        minutes: stops (with a checkpoint) after that time of training.
        device: `cpu` or `cuda`.
        seed: of everything random.
        steps, batch, rate, decay: see TrainerConfig; a step takes about 0.5 s on one core.
        width, layers, heads: of the transformer.
        sequences: share of samples that are several clips in a row.
        library, licence: of the motion.
    """
    torch.manual_seed(seed)
    library_clips = list(MotionLibrary.open(library).split("train").licensed(licence))
    clips = encode_clips(library_clips, out / "motions.npz")
    normaliser = Normaliser.fit(torch.from_numpy(np.concatenate([clip.features for clip in clips])))
    samples = MotionSamples(
        clips, default_text_encoder(), batch, seed, sequences=sequences, cache=out / "texts.safetensors"
    )
    network = MotionTransformer(width=width, layers=layers, heads=heads, styles=STYLES)
    task = MotionTask(network, normaliser).to(device)
    config = TrainerConfig(steps=steps, learning_rate=rate, decay=decay, ema=0.998, seed=seed)
    trainer = Trainer(task, task, config, out)
    trainer.resume()
    trainer.run(samples.batches(trainer.step), minutes)
    trainer.averaged()
    TextToMotionPipeline(network.to(torch.bfloat16), normaliser).save_pretrained(out / "motion")
    return out / "motion"
