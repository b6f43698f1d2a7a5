"""Options for a machine: what fits on it, with the batch as the recipe has it. All of it is ours."""

from __future__ import annotations

from typing import Any

from kinema.training.config import describe

PRESETS = {
    "24gb": "one GPU of 24 GB: one sample at a time, bfloat16, checkpointing, 8-bit Adam, averages in main memory",
    "8x80gb": "eight GPUs of 80 GB: a sample at a time on each, bfloat16, checkpointing, checkpoints written behind",
    "nodes": "the same on 32 GPUs and more: four times the batch, one sharded copy in each machine",
}

_NODES = 4  # times the batch of one machine


def preset(name: str, recipe: Any) -> dict[str, str]:
    """The options of a preset for a recipe, by key.

    Args:
        name: of PRESETS.
        recipe: with values, whose batch stays.

    Raises:
        ValueError: no such preset, or a recipe that has none of its options.
    """
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    known = {option.key: option.default for option in describe(recipe)}
    if "model.dtype" not in known:
        raise ValueError(f"--preset: this recipe fits on any machine and has none of {', '.join(PRESETS)}")
    batch = int(known["data.batch"])
    chosen = {"model.dtype": "bfloat16", "model.checkpointing": "true"}
    if name == "24gb":
        chosen |= {"trainer.accumulate": str(batch), "trainer.optimiser": "adamw8bit"}
        return chosen | {"trainer.ema_offload": "true"}
    chosen |= {"trainer.accumulate": str(max(1, batch // 8)), "trainer.save_behind": "true"}
    if name == "nodes":
        chosen |= {"data.batch": str(batch * _NODES), "parallel.shard": "node"}
    return chosen
