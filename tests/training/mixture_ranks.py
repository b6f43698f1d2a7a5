"""A paper's recipe on a mixture of sets, as one of two processes, for tests/training/test_mixture_ranks.py."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.distributed as dist
from tests.training.test_control_backbones import SIZES

from kinema.training.recipes import run_recipe


def train(out: Path, folder: Path, steps: int, recipe: str = "tokenmotion", **options: str) -> Path:
    """TokenMotion on `folder/backbone` and `folder/data.toml`, small."""
    return run_recipe(
        recipe,
        out,
        5,
        "cpu",
        0,
        {
            "model.weights": str(folder / "backbone"),
            "model.options": json.dumps(SIZES["tokenmotion"]),
            "data.videos": str(folder / "data.toml"),
            "data.cache": str(folder / f"cache-{out.name}"),
            "data.size": "32,48",
            "data.frames": "9",
            "data.batch": "4",
            "data.workers": "0",
            "trainer.steps": str(steps),
            "trainer.warmup": "1",
            "trainer.decay": "0",
            "trainer.log_steps": "1",
            **options,
        },
    )


def run(rank: int, folder: str) -> None:
    """One of two processes: a whole run, and the beginning of one."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    train(Path(folder) / "two", Path(folder), 4)
    train(Path(folder) / "begun", Path(folder), 2)
    dist.destroy_process_group()
