"""Recipe `tokenizer`: a motion tokenizer, 4DMoT at a size that one CPU core can train.

    kinema train tokenizer --minutes 25 --out runs/tokenizer

Ablations are options of the same recipe: `model.form=centred` leaves out the differencing,
`model.quantize=false` the codebook.
What the codebook costs and what depth is worth stands in every report.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kinema.data.motion_windows import CameraWindows
from kinema.motion.round_trip import RoundTrip, round_trip
from kinema.motion.tokenizer import MotionTokenizer
from kinema.motion.tokenizer_blocks import ResBlock
from kinema.training.config import Run
from kinema.training.data_groups import FilmedData
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


@dataclass(frozen=True)
class Data(FilmedData):
    """Windows of motion as a camera sees it.

    Args:
        frames: of a window, 8k or 8k + 1.
        fps: frames per second of the windows.
        measured: how many windows fix mean, spread and the first codes.
        test_windows: how many windows are measured at the end.
        body: whose joints, see CameraWindows; `neutral` is the paper's.
    """

    measured: int = 256
    test_windows: int = 256
    body: Literal["own", "neutral"] = "own"

    def windows(self, seed: int, **options: Any) -> CameraWindows:
        """The windows of a seed; `options` as of CameraWindows."""
        return CameraWindows(
            self.frames, self.fps, seed, library=self.library, licence=self.licence, body=self.body, **options
        )


@dataclass(frozen=True)
class Model:
    """Form and size, see MotionTokenizer.

    Args:
        form: `differential`; `centred` leaves out the differencing, `parity` is that of the published code.
        quantize: false leaves out the codebook.
        fine: channels at the full rate.
        coarse: channels at the lower rate.
        code_dim: numbers in a code.
        codes: how many the codebook has.
    """

    form: Literal["differential", "centred", "parity"] = "differential"
    quantize: bool = True
    fine: int = 64
    coarse: int = 96
    code_dim: int = 64
    codes: int = 4096


@dataclass(frozen=True)
class Recipe:
    """A motion tokenizer. The paper trains with a rate of 2e-4 and batches of 32 for a hundred times the work."""

    data: Data = Data(batch=8, frames=17, fps=12.0, capacity=2048, reuse=2.0)
    model: Model = Model()
    trainer: TrainerConfig = TrainerConfig(
        steps=2000, learning_rate=5e-4, warmup=50, weight_decay=1e-4, betas=(0.9, 0.99), ema=0.99
    )  # averaged as the codebook is


def run(recipe: Recipe, run: Run) -> Path:
    """Trains a motion tokenizer on the train split and measures it on the test split.

    Returns:
        `out/tokenizer`, weights in bf16; its measures stand in `out/report.json`.
    """
    torch.manual_seed(run.seed)
    data, model = recipe.data, recipe.model
    rooted = model.form != "parity"  # where the camera sees the joints, for whoever reads them so
    windows = data.windows(run.seed, rooted=rooted)
    first = torch.from_numpy(windows.stack(data.measured))
    mean, std = statistics(first, model.form)
    tokenizer = MotionTokenizer(
        (model.fine, model.coarse), model.code_dim, model.codes, first.shape[2], mean, std, model.form,
        dilations=(3, 1), fps=data.fps,
    )  # fmt: skip
    linear_start(tokenizer)
    tokenizer.to(run.device, memory_format=torch.channels_last)
    with torch.no_grad():
        tokenizer.vq.restart(tokenizer.latents(first.to(run.device)), rounds=10)
    task = TokenizerTask(tokenizer, model.quantize)
    config = replace(recipe.trainer, seed=run.seed)
    trainer = Trainer(task, task, config, run.out, carried=tokenizer.vq.averages())
    trainer.resume()
    task.train()
    trainer.run(data.reservoir(windows, run.seed).batches(trainer.step), run.minutes)
    trainer.averaged()
    for tensor in (*tokenizer.parameters(), tokenizer.vq.codebook):
        tensor.data = tensor.data.to(torch.bfloat16)
    tokenizer.save_pretrained(run.out / "tokenizer")
    test = replace(windows, seed=_TEST_SEED, split="test", mirror=False)
    report(run.out, test, data.test_windows)
    return run.out / "tokenizer"


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
