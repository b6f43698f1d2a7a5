"""Training steps of a paper's recipe at the real size of its backbone, with random weights in bfloat16 on the CPU.

A folder in diffusers' layout is written with a transformer and an autoencoder of the published shapes and random
weights; the text encoder alone is small, as it does not train. Then the recipe's own settings, loader, cache, task and
trainer take steps on it: one clip of a figure that glides under an arc, in a window of few frames, blocks run again in
the backward pass. Printed are the memory at its peak above the process before the model was loaded, what was predicted,
seconds, the loss of one sample with one noise before and after, and whether the backbone still has every byte.

    python benchmarks/full_size_training.py --recipe tokenmotion [--size 384x256] [--frames 9] [--steps 2]
    python benchmarks/full_size_training.py --recipe mosa --layers 2       # a quick try with two blocks
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from torch import nn
from transformers import T5Config, T5EncoderModel, T5Tokenizer, UMT5Config, UMT5EncoderModel

from kinema.media.video import write_video
from kinema.scene import Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.skeleton import SMPL24
from kinema.training.cost import StepCost, step_cost
from kinema.training.frozen import load_frozen
from kinema.training.memory import Layout, Memory, predict_memory
from kinema.training.planned import beside_of
from kinema.training.recipes import settings
from kinema.training.sources import source_of
from kinema.training.tracks import VideoTracks
from kinema.training.trainer import Trainer
from kinema.training.video_task import Conditions, VideoTask
from kinema.video.shapes import SHAPES, ModelShape

BACKBONES = {"tokenmotion": "cogvideox-2b", "mosa": "wan2.1-1.3b"}
TEXT_WIDTH = 4096
FREE = 9e9
"""Bytes of disk that the weights and the run take at most."""


@dataclass
class Watch:
    """The largest resident memory of this process since `begin`, looked at every hundredth of a second."""

    most: int = 0
    _over: bool = False

    def __enter__(self) -> Watch:
        gc.collect()
        self.most, self._over = resident(), False
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join()

    def _look(self) -> None:
        while not self._over:
            self.most = max(self.most, resident())
            time.sleep(0.01)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def trimmed() -> int:
    """Bytes in memory after what is free has been given back."""
    import ctypes

    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return resident()


def random_weights(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Random weights for a module on the meta device: one block of numbers, again and again, as that is quick."""
    module = module.to(dtype).to_empty(device="cpu")
    noise = torch.randn(1 << 20, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            count, inputs = parameter.numel(), max(1, parameter[0].numel()) if parameter.ndim > 1 else 1
            values = (noise * min(0.02, inputs**-0.5)).to(dtype).repeat(-(-count // len(noise)))[:count]
            parameter.copy_(values.view_as(parameter))
            if "norm" in name and name.endswith(("weight", "gamma")) and parameter.ndim == 1:
                parameter.fill_(1.0)
    return module


def write_backbone(folder: Path, shape: ModelShape, layers: int | None) -> None:
    """A pipeline in diffusers' layout: published shapes, random weights, a small text encoder of the published width."""
    cog = shape.transformer.startswith("CogVideoX")
    config = dict(shape.full_config) | ({} if layers is None else {"num_layers": layers})
    with torch.device("meta"):
        transformer = getattr(diffusers, shape.transformer)(**config)
        vae = _cogvideox_vae() if cog else diffusers.AutoencoderKLWan()
    # Buffers of positions are made again by the class when the folder is read.
    random_weights(transformer, torch.bfloat16).save_pretrained(folder / "transformer")
    del transformer
    random_weights(vae, torch.bfloat16 if cog else torch.float32).save_pretrained(folder / "vae")
    del vae
    text = {"vocab_size": 8, "d_model": TEXT_WIDTH, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    encoder = T5EncoderModel(T5Config(**text)) if cog else UMT5EncoderModel(UMT5Config(**text))
    encoder.to(torch.bfloat16).save_pretrained(folder / "text_encoder")
    words = [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", -9.0),
        ("▁a", -1.0),
        ("▁person", -1.0),
        ("▁walks", -1.0),
    ]
    T5Tokenizer(vocab=words, extra_ids=0).save_pretrained(folder / "tokenizer")
    _scheduler(cog).save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(_index(cog)), encoding="utf-8")


def _cogvideox_vae() -> nn.Module:
    blocks = 4
    return diffusers.AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * blocks,
        up_block_types=("CogVideoXUpBlock3D",) * blocks,
        block_out_channels=(128, 256, 256, 512),
        layers_per_block=3,
        latent_channels=16,
    )


def _scheduler(cog: bool) -> Any:
    if not cog:
        return diffusers.UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        )
    return diffusers.CogVideoXDDIMScheduler(
        prediction_type="v_prediction",
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        snr_shift_scale=3.0,
    )


def _index(cog: bool) -> dict[str, Any]:
    names = {
        "transformer": ["diffusers", "CogVideoXTransformer3DModel" if cog else "WanTransformer3DModel"],
        "vae": ["diffusers", "AutoencoderKLCogVideoX" if cog else "AutoencoderKLWan"],
        "text_encoder": ["transformers", "T5EncoderModel" if cog else "UMT5EncoderModel"],
        "tokenizer": ["transformers", "T5Tokenizer"],
        "scheduler": ["diffusers", "CogVideoXDDIMScheduler" if cog else "UniPCMultistepScheduler"],
    }
    made = {"_class_name": "CogVideoXPipeline" if cog else "WanPipeline", "_diffusers_version": "0.36.0"}
    return {**made, **names}


def write_clip(folder: Path, size: tuple[int, int], frames: int, fps: float) -> None:
    """A clip with its scene and caption."""
    folder.mkdir(parents=True)
    patches = np.random.default_rng(0).integers(20, 120, (size[1] // 8, size[0] // 8, 3))
    picture = patches.repeat(8, axis=0).repeat(8, axis=1)
    video = np.stack([(picture + 4 * t).astype(np.uint8) for t in range(frames)])
    write_video(folder / "walk.mp4", video, fps)
    (folder / "walk.txt").write_text("a person walks", encoding="utf-8")
    joints = np.repeat(SMPL24.rest[None], frames, axis=0)
    joints[:, :, 2] += np.linspace(0, 0.4, frames)[:, None]
    motion = Motion(joints, fps, SMPL24)
    camera = camera_path("arc left 20deg", size=size, fps=fps, frames=frames, subject=motion)
    Scene((motion,), camera, fps).save(folder / "walk.npz")


def measure(
    name: str, size: tuple[int, int], frames: int, steps: int, layers: int | None, work: Path
) -> dict[str, Any]:
    """Writes the folder, trains, and says what came of it.

    Args:
        name: of the recipe.
        size: (width, height) in pixels.
        frames: of the window, 4k + 1.
        steps: of training.
        layers: of the backbone, where it shall not be whole.
        work: folder for weights, clips and the run.
    """
    shape = SHAPES[BACKBONES[name]]
    write_backbone(work / "backbone", shape, layers)
    write_clip(work / "clips", size, frames, shape.fps)
    recipe = settings(
        name,
        {
            "model.weights": str(work / "backbone"),
            "model.dtype": "bfloat16",
            "model.checkpointing": "true",
            "data.videos": str(work / "clips"),
            "data.size": f"{size[0]},{size[1]}",
            "data.frames": str(frames),
            "data.batch": "1",
            "data.workers": "0",
            "trainer.warmup": "1",
            "trainer.steps": str(100 * steps),
        },
    )
    before = trimmed()
    torch.manual_seed(0)
    track = recipe.objectives.track
    follow = VideoTracks(track.tracker, track.points, "cpu") if track.weight else None
    frozen = load_frozen(recipe.model, "cpu", recipe.data.size)
    model, adapter = frozen.model, frozen.adapter
    own = {id(each) for each in adapter.parameters()}
    backbone = {key: each for key, each in model.transformer.named_parameters() if id(each) not in own}
    task = VideoTask(
        model,
        {adapter.adapter_name: adapter},
        recipe.conditions,
        objectives=recipe.objectives.build("cpu"),
        autocast=True,
    )
    with Watch() as encoding:
        source = source_of(recipe.data, model, work / "run", 0, track.points if track.weight else 0, follow)
    weights = recipe.objectives.weights
    # The guard compares gradients of terms, with several backward passes: it is a diagnosis, not the step.
    config = replace(recipe.trainer, guard_steps=0)
    trainer = Trainer(task, task, config, work / "run", weights=weights, order=source.order)
    batches = source.batches(0)
    sample = next(batches)[1]
    was = digest(backbone)
    first = loss_of(task, sample)
    at_first = {key: each.detach().clone() for key, each in list(adapter.named_parameters())[:40]}
    resting = trimmed()
    seconds, losses = [], []
    with Watch() as watch:
        for _ in range(steps):
            began = time.monotonic()
            losses.append(trainer.one(sample))
            seconds.append(time.monotonic() - began)
    last = loss_of(task, sample)
    tokens = task._texts(sample).shape[1]
    cost = step_cost(model.transformer, {name: adapter}, size, frames, text=tokens)
    encoders = sum(
        each.nbytes
        for key, part in model.components.items()
        if isinstance(part, nn.Module) and key != "transformer"
        for each in part.parameters()
    )
    beside = beside_of(encoders, {name: adapter}, shape, size, frames, track=bool(track.weight))
    predicted = predict_memory(model.transformer, {name: adapter}, cost, size, frames, Layout(gpus=0), beside)
    changed = sum(
        not torch.equal(each, at_first[key]) for key, each in adapter.named_parameters() if key in at_first
    )
    return _facts(
        name, shape, cost, predicted,
        {
            "layers": layers or "all",
            "size": list(size),
            "frames": frames,
            "threads": torch.get_num_threads(),
            "resting_gb": gb(resting - before),
            "peak_gb": gb(watch.most - before),
            "encoding_peak_gb": gb(encoding.most - before),
            "predicted_over_measured": round(predicted.total / (watch.most - before), 3),
            "seconds": [round(each, 1) for each in seconds],
            "gflops_a_second": round(cost.hardware_flops / min(seconds) / 1e9, 1),
            "terms": [{key: round(each, 5) for key, each in step.items()} for step in losses],
            "loss_before": round(first, 5),
            "loss_after": round(last, 5),
            "loss_falls": last < first,
            "adapter_tensors_changed": f"{changed} of {len(at_first)}",
            "backbone_untouched": digest(backbone) == was,
            "backbone_has_gradients": any(each.grad is not None for each in backbone.values()),
        },
    )  # fmt: skip


def _facts(
    name: str, shape: ModelShape, cost: StepCost, predicted: Memory, measured: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "recipe": name,
        "transformer": shape.transformer,
        "parameters": cost.parameters,
        "trained": cost.trained,
        "tokens": cost.tokens,
        "text_tokens": cost.text_tokens,
        "tflop_a_step": round(cost.hardware_flops / 1e12, 2),
        "predicted_gb": gb(predicted.total),
        "predicted_terms_gb": {key: gb(each) for key, each in predicted.terms().items()},
        **measured,
    }


def digest(parameters: Mapping[str, torch.Tensor]) -> str:
    """A hash of every byte of some parameters."""
    made = hashlib.sha256()
    for key, each in sorted(parameters.items()):
        made.update(key.encode())
        made.update(each.detach().contiguous().view(torch.uint8).numpy().data)
    return made.hexdigest()


@torch.no_grad()
def loss_of(task: VideoTask, sample: list[Any]) -> float:
    """The denoising loss of a batch with every condition, at one time with one noise."""
    told = task.conditions
    task.conditions = Conditions(0, 0, 0, 0)
    try:
        return float(task.loss_at(sample, 0.5, torch.Generator().manual_seed(7))["denoising"])
    finally:
        task.conditions = told


def gb(value: float) -> float:
    """In units of 10^9 bytes."""
    return round(value / 1e9, 2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipe", default="tokenmotion", choices=sorted(BACKBONES))
    parser.add_argument("--size", default="384x256", help="WxH in pixels")
    parser.add_argument("--frames", type=int, default=9)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--layers", type=int, help="of the backbone; all where it is left out")
    parser.add_argument("-o", "--output", type=Path, help="also write the JSON here")
    asked = parser.parse_args()
    width, height = (int(side) for side in asked.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        if shutil.disk_usage(folder).free < FREE:
            raise SystemExit(
                f"{FREE / 1e9:.0f} GB of disk are needed in {folder}: set TMPDIR to another place"
            )
        facts = measure(asked.recipe, (width, height), asked.frames, asked.steps, asked.layers, Path(folder))
    text = json.dumps(facts, indent=2)
    print(text)
    if asked.output is not None:
        asked.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
