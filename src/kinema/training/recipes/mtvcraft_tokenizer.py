"""Recipe `mtvcraft-tokenizer`: 4DMoT at the size and with the settings of MTVCraft's paper and public code.

    kinema train mtvcraft-tokenizer --minutes 6000 --out runs/4dmot --device cuda

Of the paper: the first frame subtracted, 8192 codes of 3072 numbers, L1 and half the commitment, AdamW at 2e-4 with
betas 0.9 and 0.99 and a decay of 1e-4, batches of 32 windows of 49 frames, 5,000 steps of warm-up, joints of a neutral
body. Ours: the number of steps, 20 fps, the linear start, and codes that are reset. The weights of the public code are
of `model.form=parity`, which reads absolute joints.
"""

from __future__ import annotations

from dataclasses import dataclass

from kinema.training.recipes import tokenizer
from kinema.training.trainer import TrainerConfig

run = tokenizer.run


@dataclass(frozen=True)
class Recipe(tokenizer.Recipe):
    """4DMoT as published."""

    data: tokenizer.Data = tokenizer.Data(
        batch=32, frames=49, fps=20.0, capacity=8192, reuse=4.0, body="neutral"
    )
    model: tokenizer.Model = tokenizer.Model(fine=128, coarse=512, code_dim=3072, codes=8192)
    trainer: TrainerConfig = TrainerConfig(
        steps=200_000, learning_rate=2e-4, warmup=5000, weight_decay=1e-4, betas=(0.9, 0.99), ema=0.99
    )
