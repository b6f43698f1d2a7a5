"""The tables of docs/scale.md: memory, time and storage of each recipe on 8 and 1,024 GPUs, on paper.

`--check` holds the formulas against this machine instead: a small model trains alone and in two processes, and its
seconds stand beside those that operations and bytes say, at the speed of a matrix product and of a gather measured here.

    python benchmarks/scale.py                      # Markdown, in seconds, nothing is run
    OMP_NUM_THREADS=1 python benchmarks/scale.py --check
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from kinema.training.estimate import (
    AUTOENCODER_SHARE,
    MACHINES,
    Estimate,
    Machine,
    best_of,
    cache_bytes,
    estimate,
)
from kinema.training.memory import Layout
from kinema.training.planned import planned
from kinema.training.recipes import settings
from kinema.video.planning import SHARE_OF_PEAK
from kinema.video.work import text_tokens

RECIPES: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("tokenmotion", "cogvideox-2b", {}),
    ("mtvcraft", "cogvideox-5b", {"model.picture": "repeat", "data.size": "512,512"}),
    (
        "mtvcraft",
        "cogvideox-5b",
        {"model.picture": "repeat", "data.size": "512,512", "model.train_backbone": "all"},
    ),
    ("mtvcraft", "wan2.1-14b", {"data.size": "512,512"}),
    ("mosa", "cogvideox-5b", {}),
    ("mosa", "wan2.1-1.3b", {}),
    ("mosa", "wan2.1-14b", {}),
    ("lora", "cogvideox-5b", {}),
)
"""Recipe, backbone, and what differs from the recipe's defaults; MTVCraft at the size of its paper."""

WAYS = {8: {"whole": 1, "fsdp": 8}, 1024: {"whole": 1, "fsdp": 1024, "hsdp": 8}}
CLIPS = 1_000_000


def model_of(name: str, backbone: str, options: dict[str, str]) -> Any:
    """What a recipe trains."""
    return planned(settings(name, {"model.weights": backbone, **options}))


def label(name: str, backbone: str, options: dict[str, str]) -> str:
    """A row's first words."""
    how = ", all weights" if options.get("model.train_backbone") == "all" else ""
    return f"{name}, {backbone}{how}"


def costs(machine: Machine) -> Iterator[str]:
    """What a sample is."""
    yield "| recipe | parameters | trained | size, frames | tokens | TFLOP a sample | again | GPU-seconds a sample |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in RECIPES:
        model = model_of(*row)
        cost = model.cost(True)
        again = cost.checkpointed / cost.hardware_flops
        seconds = cost.hardware_flops / (machine.peak * SHARE_OF_PEAK)
        width, height = model.size
        yield (
            f"| {label(*row)} | {cost.parameters / 1e9:.2f} B | {cost.trained / 1e6:,.0f} M | {width}x{height}, "
            f"{model.frames} | {cost.tokens:,} | {cost.hardware_flops / 1e12:,.0f} | {again:.0%} | {seconds:.2f} |"
        )


def ways(gpus: int, machine: Machine) -> Iterator[str]:
    """One table: a sample a GPU."""
    yield "| recipe | whole | FSDP | HSDP | best | step | tokens/s | MFU | 1 M samples |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in RECIPES:
        model = model_of(*row)
        made = [
            estimate(model, way, Layout(gpus=gpus, shard=shard), 1, machine)
            for way, shard in WAYS[gpus].items()
        ]
        best = best_of(made)
        cells = {each.way: _cell(each) for each in made}
        hours = CLIPS / gpus * best.step / 3600
        yield (
            f"| {label(*row)} | {cells['whole']} | {cells['fsdp']} | {cells.get('hsdp', '')} | "
            f"{best.way.upper() if best.way != 'whole' else 'whole'}{'' if best.fits else ' (too large)'} | "
            f"{best.step:.2f} s | {best.tokens_per_second:,.0f} | {best.mfu:.0%} | {hours:,.1f} h |"
        )


def _cell(each: Estimate) -> str:
    mark = "" if each.fits else " ✗"
    return f"{each.memory.total / 1e9:.0f} GB, {each.step:.2f} s{mark}"


def storage(machine: Machine) -> Iterator[str]:
    """A million windows in the cache, and what encoding them takes."""
    yield "| recipe | a window | a million | read by 8 GPUs | by 1,024 | encoding a million |"
    yield "|---|---|---|---|---|---|"
    for row in RECIPES:
        model = model_of(*row)
        size = cache_bytes(model)
        rates = [estimate(model, "hsdp", Layout(gpus=gpus, shard=8), 1, machine).feed for gpus in (8, 1024)]
        shape = model.shape
        text = 2.0 * shape.encoders * text_tokens(shape.transformer, shape.full_config)
        once = model.encoding_once / AUTOENCODER_SHARE + text / SHARE_OF_PEAK
        hours = CLIPS * once / machine.peak / 3600
        yield (
            f"| {label(*row)} | {size / 1e6:.2f} MB | {size * CLIPS / 1e12:.2f} TB | {rates[0] / 1e6:.1f} MB/s | "
            f"{rates[1] / 1e6:,.0f} MB/s | {hours:,.0f} GPU-hours |"
        )


def tokenizer(machine: Machine) -> str:
    """4DMoT: one window goes through it once, and torch counts; the trained form takes three times as much."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from kinema.motion.tokenizer import MotionTokenizer

    recipe = settings("mtvcraft-tokenizer", {})
    made, data = recipe.model, recipe.data
    torch.manual_seed(0)
    network = MotionTokenizer((made.fine, made.coarse), made.code_dim, made.codes, form=made.form).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        network(torch.zeros(1, data.frames, 24, 3))
    weights = sum(each.numel() for each in network.parameters())
    flop = 3.0 * counted.get_total_flops() * data.batch
    # In 32 bits, where the tensor cores' TF32 has half of the 16-bit peak.
    seconds = flop / (machine.peak / 2 * SHARE_OF_PEAK)
    held = (weights * 16 + made.codes * made.code_dim * 8) / 1e9
    return (
        f"`mtvcraft-tokenizer`: {weights / 1e6:.1f} M parameters and {made.codes * made.code_dim / 1e6:.1f} M of codes, "
        f"{held:.1f} GB of weights, gradients, moments and averages; a step of {data.batch} windows takes "
        f"{flop / 1e12:.2f} TFLOP, {seconds * 1e3:.0f} ms of one GPU, and {recipe.trainer.steps:,} steps "
        f"{recipe.trainer.steps * seconds / 3600:.1f} h."
    )


# The check.

SMALL = {"num_attention_heads": 8, "attention_head_dim": 64, "num_layers": 6, "sample_width": 16}
SIZE, FRAMES = (128, 128), 9


def small_task() -> Any:
    """CogVideoX's class at a width of 512 with TokenMotion, in float32; and a sample."""
    import torch
    from diffusers import AutoencoderKLCogVideoX, CogVideoXDDIMScheduler, CogVideoXTransformer3DModel

    from kinema.training import ranks
    from kinema.training.video_task import Conditions, VideoTask
    from kinema.video.adapters.attach import attach
    from kinema.video.registry import adapter_class
    from train_step import RandomText
    from train_step import sample as made

    torch.manual_seed(0)
    transformer = CogVideoXTransformer3DModel(**SMALL, sample_height=16, sample_frames=FRAMES)
    with torch.device("meta"):
        vae = AutoencoderKLCogVideoX(latent_channels=16)
    schedule = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    model = RandomText(
        transformer=transformer.requires_grad_(False),
        vae=vae,
        scheduler=CogVideoXDDIMScheduler(**schedule),
        tokenizer=None,
        text_encoder=None,
        name="small",
    )
    torch.manual_seed(0)
    adapter = adapter_class("tokenmotion").for_transformer(transformer, motion_width=256, heads=4)
    attach(transformer, adapter)
    task = VideoTask(model, {"tokenmotion": adapter}, Conditions(0, 0, 0, 0))
    ranks.prepare(transformer, adapter, "cpu")
    take = made()
    frames = SIZE[1] // 8, SIZE[0] // 8
    latents = torch.randn((16, 3, *frames), generator=torch.Generator().manual_seed(1))
    scene = replace(take.scene, camera=take.scene.camera.resize(*SIZE))
    rows = [min(row, take.frames - 1) for row in range(FRAMES)]
    person = replace(scene.people[0], joints=scene.people[0].joints[rows])
    camera = replace(scene.camera, c2w=scene.camera.c2w[rows], intrinsics=scene.camera.intrinsics[rows])
    scene = replace(scene, people=(person,), camera=camera)
    take = replace(take, scene=scene, frames=FRAMES, size=SIZE, encoded={"latents": latents})
    return task, take


def timed(run: Any, rounds: int = 5) -> float:
    """Seconds of the quickest of several runs, after one that warms up."""
    run()
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return min(taken)


def measured(rank: int, world: int, folder: str) -> None:
    """One process: seconds of a step, and of what it is predicted from; rank 0 writes them."""
    import torch
    import torch.distributed as dist

    from kinema.training.cost import step_cost
    from kinema.training.trainer import Trainer, TrainerConfig

    torch.set_num_threads(1)
    if world > 1:
        os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)}
        os.environ |= {"LOCAL_WORLD_SIZE": str(world)}
        dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world)
    task, sample = small_task()
    trainer = Trainer(task, task, TrainerConfig(steps=100, warmup=1, guard_steps=0), Path(folder))
    cost = step_cost(task.transformer, dict(task.adapters.items()), SIZE, FRAMES, checkpointing=False)
    matrix = torch.randn(1024, 1024)

    def gather() -> None:
        parts = [torch.empty(1 << 22) for _ in range(world)]
        dist.all_gather(parts, torch.ones(1 << 22))

    speed = 2.0 * 1024**3 / timed(lambda: torch.mm(matrix, matrix))
    link = 4.0 * (1 << 22) * (world - 1) / timed(gather) if world > 1 else 0.0
    seconds = timed(lambda: trainer.one([sample]))
    drawn = timed(lambda: task._batch([sample]))
    if rank == 0:
        facts = {
            "step_s": seconds,
            "drawing_s": drawn,
            "matmul_gflops": speed / 1e9,
            "gather_mb_s": link / 1e6,
            "gflop": cost.flops / 1e9,
            "frozen_bytes": 4.0 * cost.parameters,
            "trained_bytes": 4.0 * cost.trained,
            "tokens": cost.tokens,
        }
        Path(folder, f"of-{world}.json").write_text(json.dumps(facts), encoding="utf-8")
    if world > 1:
        dist.destroy_process_group()


def check() -> dict[str, Any]:
    """Predicted and measured seconds of a step, alone and in two processes.

    The share of a matrix product's speed that a whole step reaches is measured alone, and taken for two.
    """
    import torch.multiprocessing as processes

    found = {}
    for world in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            processes.spawn(measured, (world, folder), nprocs=world)
            found[world] = json.loads(Path(folder, f"of-{world}.json").read_text(encoding="utf-8"))
    alone, both = found[1], found[2]
    at_once = alone["gflop"] / alone["matmul_gflops"]
    share = at_once / (alone["step_s"] - alone["drawing_s"])
    computing = both["gflop"] / both["matmul_gflops"] / share + both["drawing_s"]
    # Half of the weights comes from the other process, forward and backward; gradients go once.
    moved = (2 * both["frozen_bytes"] + 2 * both["trained_bytes"]) / 2
    predicted = computing + moved / 1e6 / both["gather_mb_s"]
    return {
        "alone": {key: round(value, 4) for key, value in alone.items()},
        "two": {key: round(value, 4) for key, value in both.items()},
        "share_of_matmul": round(share, 3),
        "tokens_per_second_alone": round(alone["tokens"] / alone["step_s"]),
        "tokens_per_second_two": round(2 * both["tokens"] / both["step_s"]),
        "predicted_two_s": round(predicted, 3),
        "predicted_over_measured": round(predicted / both["step_s"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gpu", default="h100", choices=sorted(MACHINES))
    parser.add_argument("--check", action="store_true", help="hold the formulas against this machine")
    asked = parser.parse_args()
    if asked.check:
        print(json.dumps(check(), indent=2))
        return
    machine = MACHINES[asked.gpu]
    for title, lines in (
        ("A sample", costs(machine)),
        (f"8 x {machine.name}", ways(8, machine)),
        (f"1,024 x {machine.name}", ways(1024, machine)),
        ("Storage", storage(machine)),
    ):
        print(f"### {title}\n")
        print("\n".join(lines), end="\n\n")
    print(tokenizer(machine))


if __name__ == "__main__":
    main()
