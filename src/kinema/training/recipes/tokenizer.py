"""Recipe `tokenizer`: mini's motion tokenizer, 4DMoT at a size that one CPU core can train.

    kinema train tokenizer --minutes 25 --out runs/tokenizer

Ablations are options of the same recipe: `form=centred` leaves out the differencing, `quantize=false` the codebook.
What the codebook costs and what depth is worth stands in every report.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kinema.data.motion_windows import CameraWindows
from kinema.data.takes import Reservoir
from kinema.motion.round_trip import RoundTrip, round_trip
from kinema.motion.tokenizer import MotionTokenizer
from kinema.motion.tokenizer_blocks import ResBlock
from kinema.training.trainer import Trainer, TrainerConfig

COMMITMENT = 0.5  # weight, as published
_TEST_SEED = 20_000
_SPREAD = 20.0  # millimetres; a joint that hardly moves is not blown up beyond this


class TokenizerTask(nn.Module):
    """L1 reconstruction and commitment, in normalised units, as in the paper.

    Args:
        tokenizer: what is trained; its codebook moves by averages.
        quantize: False trains the encoder and decoder alone.
    """

    def __init__(self, tokenizer: MotionTokenizer, quantize: bool = True) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.quantize = quantize

    def forward(self, windows: list[np.ndarray], generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Named loss terms of a batch of windows [N, 24, 3]."""
        joints = torch.from_numpy(np.stack(windows)).to(self.tokenizer.device)
        wanted = self.tokenizer.normalise(joints)
        if not self.quantize:
            x = self.tokenizer.reconstruct(self.tokenizer.latents(joints))
            return {"l1": functional.l1_loss(x[:, : joints.shape[1]], wanted)}
        x, latents, codes, _ = self.tokenizer(joints, generator=generator)
        return {
            "l1": functional.l1_loss(x, wanted),
            "commitment": COMMITMENT * functional.mse_loss(latents, codes.detach()),
        }


def run(
    out: Path,
    minutes: float,
    device: str,
    seed: int,
    *,
    form: str = "differential",
    quantize: bool = True,
    steps: int = 2000,
    batch: int = 8,
    rate: float = 5e-4,
    warmup: int = 50,
    frames: int = 17,
    fps: float = 12.0,
    fine: int = 64,
    coarse: int = 96,
    code_dim: int = 64,
    codes: int = 4096,
    capacity: int = 2048,
    reuse: float = 2.0,
    workers: int = 0,
    save_seconds: float = 300.0,
    measured: int = 256,
    test_windows: int = 256,
    library: str | None = None,
    licence: str = "any",
) -> Path:
    """Trains a motion tokenizer on the train split and measures it on the test split.

    Args:
        out: folder for checkpoints; the tokenizer is saved in `out/tokenizer`, in bf16, its measures in
            `out/report.json`.
        minutes: stops (with a checkpoint) after that time.
        device: `cpu` or `cuda`.
        seed: of everything random.
        form: see MotionTokenizer; "centred" leaves out the differencing.
        quantize: False leaves out the codebook.
        steps, batch, rate, warmup: see TrainerConfig. 2e-4, 32 and 5000 in the paper, for a hundred times the work.
        frames: of a window, 8k or 8k + 1; by default those of mini.
        fps: of the windows.
        fine, coarse, code_dim, codes: sizes, see MotionTokenizer.
        capacity, reuse, workers: see Reservoir.
        save_seconds: time between checkpoints.
        measured: how many windows fix mean, spread and the first codes.
        test_windows: how many windows are measured at the end.
        library, licence: of the motion.
    """
    torch.manual_seed(seed)
    windows = CameraWindows(frames, fps, seed, library=library, licence=licence)
    first = torch.from_numpy(windows.stack(measured))
    mean, std = statistics(first, form)
    tokenizer = MotionTokenizer(
        (fine, coarse), code_dim, codes, first.shape[2], mean, std, form, dilations=(3, 1), fps=fps
    )
    linear_start(tokenizer)
    tokenizer.to(device, memory_format=torch.channels_last)
    with torch.no_grad():
        tokenizer.vq.restart(tokenizer.latents(first.to(device)), rounds=10)
    task = TokenizerTask(tokenizer, quantize)
    config = TrainerConfig(
        steps=steps, learning_rate=rate, warmup=warmup, weight_decay=1e-4, betas=(0.9, 0.99),
        ema=tokenizer.vq.decay, save_seconds=save_seconds, seed=seed,
    )  # fmt: skip
    trainer = Trainer(task, task, config, out, carried=tokenizer.vq.averages())
    trainer.resume()
    task.train()
    trainer.run(Reservoir(windows, capacity, batch, reuse, seed, workers).batches(trainer.step), minutes)
    trainer.averaged()
    for tensor in (*tokenizer.parameters(), tokenizer.vq.codebook):
        tensor.data = tensor.data.to(torch.bfloat16)
    tokenizer.save_pretrained(out / "tokenizer")
    report(out, CameraWindows(frames, fps, _TEST_SEED, "test", False, library, licence), test_windows)
    return out / "tokenizer"


def statistics(joints_mm: torch.Tensor, form: str) -> tuple[list[list[float]], list[list[float]]]:
    """Mean and spread of each joint and axis in what the form encodes, [J, 3], whole millimetres."""
    encoded = joints_mm - joints_mm[:, :1] if form == "differential" else joints_mm
    flat = encoded.flatten(0, 1)
    return flat.mean(0).round().tolist(), flat.std(0).clamp(min=_SPREAD).round().tolist()


@torch.no_grad()
def linear_start(tokenizer: MotionTokenizer) -> None:
    """Makes a new tokenizer hand positions through (ours): before any step it returns them, smoothed over four frames.

    Residual blocks begin as the identity, and so do all other convolutions as far as channels go. The first one keeps
    x, y and z in three channels and puts weak random mixtures of neighbouring joints and frames in the others.
    """
    first = tokenizer.encoder.conv_in.weight
    mixtures = 0.1 * first[3:]
    blocks = [module for module in tokenizer.modules() if isinstance(module, ResBlock)]
    inside = {layer for block in blocks for layer in block.block}
    for layer in tokenizer.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d) and layer not in inside:
            nn.init.dirac_(layer.weight)
            nn.init.zeros_(layer.bias)
    for block in blocks:
        nn.init.zeros_(block.block[-1].weight)
        nn.init.zeros_(block.block[-1].bias)
    first[3:] = mixtures


def report(out: Path, windows: CameraWindows, count: int) -> RoundTrip:
    """Measures the exported tokenizer of a run on so many windows, and writes the measures beside it."""
    tokenizer = MotionTokenizer.from_pretrained(out / "tokenizer", dtype=torch.float32).eval()
    errors = round_trip(tokenizer, torch.from_numpy(windows.stack(count)))
    facts = {"windows": count, "frames": windows.frames, "fps": windows.fps, "split": windows.split}
    (out / "report.json").write_text(json.dumps(facts | asdict(errors), indent=1) + "\n")
    return errors
