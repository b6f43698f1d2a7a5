"""What one process and two train, for tests/training/test_ranks.py: a tiny mini with an adapter, on fixed takes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from tests.video import tiny

from kinema.data.sample import Sample
from kinema.data.takes import Reservoir
from kinema.diffusion.objective import Denoising
from kinema.papers.mosa import MaskLoss
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.skeleton import SMPL24
from kinema.training import ranks
from kinema.training.recipes import run_recipe
from kinema.training.trainer import Trainer, TrainerConfig
from kinema.training.video_task import Conditions, VideoTask
from kinema.video.adapters.attach import attach
from kinema.video.models.mini.model import MiniVideo
from kinema.video.models.mini.network import MiniFormat
from kinema.video.registry import adapter_class

FORM = MiniFormat(width=32, height=48, frames=5, fps=8.0, text_tokens=4)
STEPS = 3


def take(number: int) -> Sample:
    """Random pictures with a random skeleton: nothing to learn, everything to compute."""
    rng = np.random.default_rng(number)
    pose = np.eye(4)
    pose[:3, :3] = np.diag([1.0, -1.0, -1.0])
    pose[:3, 3] = [0, 1, 3]
    camera = CameraPath.static(pose, (40.0, 40.0, 16.0, 24.0), (32, 48), 8.0, 5)
    joints = rng.normal(size=(5, 24, 3)) * 0.5 + [0, 1, 0]
    return Sample(
        caption="",
        scene=Scene((Motion(joints, 8.0, SMPL24),), camera, 8.0),
        start=0,
        frames=5,
        size=(32, 48),
        fps=8.0,
        picture=rng.integers(0, 256, (48, 32, 3), dtype=np.uint8),
        video=rng.integers(0, 256, (5, 48, 32, 3), dtype=np.uint8),
        silhouette=rng.random((5, 48, 32)) < 0.3,
    )


def learner(name: str, frozen: bool, shard: str = "all") -> tuple[VideoTask, ranks.Prepared]:
    transformer = tiny.transformer().requires_grad_(not frozen)
    torch.manual_seed(1)
    sizes = {"tokenmotion": {"motion_width": 32, "heads": 2, "first_width": 8, "rank": 4}}
    adapter = adapter_class(name).for_transformer(transformer, **sizes.get(name, {}))
    attach(transformer, adapter)
    model = MiniVideo(transformer, tiny.autoencoder(), FORM)
    task = VideoTask(model, {name: adapter}, Conditions(shift=10.0), objectives=(Denoising(), MaskLoss()))
    return task, ranks.prepare(transformer, adapter, "cpu", parallel=ranks.Parallel(shard))


def train(
    out: Path, name: str, frozen: bool, stop: int = STEPS, shard: str = "all", **options: object
) -> dict[str, torch.Tensor]:
    """Trains from the checkpoint in `out` up to step `stop`; the averaged weights of the whole models."""
    task, prepared = learner(name, frozen, shard)
    config = TrainerConfig(
        steps=STEPS, warmup=1, decay=0.0, log_steps=1, ema=0.5, guard_steps=0, seed=7, **options
    )
    trainer = Trainer(task, task, config, out, weights={"mask": 0.1}, validate=lambda step: {})
    trainer.resume()
    reservoir = Reservoir(take, 8, 4, 2.0, 7, workers=0, part=(ranks.rank(), ranks.world()))
    batches = reservoir.batches(trainer.step)
    trainer.run(next(batches) for _ in range(stop - trainer.step))
    trainer.averaged()
    transformer, adapter = prepared.gathered()
    return {
        f"{part}.{key}": value.detach().clone()
        for part, model in (("transformer", transformer), ("adapter", adapter))
        for key, value in model.state_dict().items()
        if value.device.type != "meta"  # which all are in any but the first process
    }


MACHINES = {"shard": "node", "save_behind": True, "ema_offload": True, "save_seconds": 0.0}


def of_machines(rank: int, folder: str) -> None:
    """One of four processes, as if on two machines: a whole run, the beginning of one, and a LoRA."""
    torch.set_num_threads(1)
    os.environ |= {"LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": str(rank % 2), "KINEMA_CACHE": f"{folder}/copies"}
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=4)
    made = train(Path(folder) / "four", "mosa", True, **MACHINES)
    train(Path(folder) / "begun", "mosa", True, stop=2, **MACHINES)
    lora(Path(folder), Path(folder) / "lora-four", "node")
    if rank == 0:
        torch.save(made, Path(folder) / "four.pt")
    dist.destroy_process_group()


def lora(folder: Path, out: Path, shard: str = "all") -> Path:
    """A LoRA in float32 of a backbone in bfloat16, on the videos in `folder`."""
    options = {
        "model.weights": str(folder / "backbone"),
        "model.dtype": "bfloat16",
        "model.rank": "2",
        "data.videos": str(folder / "videos"),
        "data.cache": str(folder / f"cache-{out.name}"),
        "data.size": "32,48",
        "data.frames": "9",
        "data.batch": "4",
        "data.workers": "0",
        "trainer.steps": "2",
        "trainer.warmup": "1",
        "trainer.decay": "0",
        "trainer.log_steps": "1",
        "parallel.shard": shard,
    }
    return run_recipe("lora", out, 5, "cpu", 0, options)


CASES = (("tokenmotion", False), ("mosa", True))


def run(rank: int, folder: str) -> None:
    """One of two processes: whole runs, and halves of runs."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    made = {}
    for name, frozen in CASES:
        made[name, frozen] = train(Path(folder) / f"two-{name}-{frozen}", name, frozen)
        train(Path(folder) / f"half-{name}-{frozen}", name, frozen, stop=2)
    if rank == 0:
        torch.save(made, Path(folder) / "made.pt")
    dist.destroy_process_group()
