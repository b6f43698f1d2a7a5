"""MTVCraft at a size that tests can afford: a tokenizer of codes 16 wide, people three metres before the camera."""

from __future__ import annotations

import torch
from tests.video import tiny

from kinema.motion.tokenizer import MotionTokenizer
from kinema.papers.mtvcraft.adapter import MTVCraftAdapter
from kinema.scene.skeleton import SMPL24
from kinema.signals.control_signals import ControlSignals
from kinema.video.adapters.context import ATTENTION_KEY

CODE_DIM = 16
MEAN = SMPL24.rest * (1000, -1000, -1000) + (0, 900, 3000)


def tokenizer(seed: int = 0, **changes) -> MotionTokenizer:
    torch.manual_seed(seed)
    settings = {
        "widths": (32, 32),
        "code_dim": CODE_DIM,
        "codes": 32,
        "mean": MEAN.tolist(),
        "std": [[300.0, 300.0, 300.0]] * 24,
    }
    made = MotionTokenizer(**{**settings, **changes})
    torch.nn.init.normal_(made.vq.codebook, std=0.3)
    return made.eval()


def adapter(transformer: torch.nn.Module | None = None, seed: int = 1, **options) -> MTVCraftAdapter:
    torch.manual_seed(seed)
    transformer = tiny.transformer() if transformer is None else transformer
    return MTVCraftAdapter.for_transformer(transformer, tokenizer(), **{"null_frames": 2, **options}).eval()


def awake(adapter: MTVCraftAdapter) -> MTVCraftAdapter:
    """An adapter that no longer says nothing: its zero-initialised weights get values."""
    torch.manual_seed(7)
    with torch.no_grad():
        for name, parameter in adapter.named_parameters():
            if "to_out" in name or name in ("person_embedding", "learned_space"):
                parameter.normal_(std=0.1)
    return adapter


def cameras(batch: int, frames: int, distance: float = 3.0) -> torch.Tensor:
    """At chest height, looking at the origin along -Z, from `distance` metres."""
    pose = torch.eye(4)
    pose[:3, :3] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    pose[:3, 3] = torch.tensor([0.0, 0.9, distance])
    return pose.repeat(batch, frames, 1, 1)


def joints(batch: int = 2, people: int = 1, frames: int = 5, seed: int = 0) -> torch.Tensor:
    """People in the rest pose, half a metre apart, who drift and tremble."""
    generator = torch.Generator().manual_seed(seed)
    rest = torch.tensor(SMPL24.rest, dtype=torch.float32)
    made = rest + 0.1 * torch.randn(batch, people, frames, 24, 3, generator=generator)
    made[..., 0] += 0.5 * torch.arange(people)[None, :, None, None]
    return made


def signals(batch: int = 2, people: int = 1, frames: int = 5, seed: int = 0) -> ControlSignals:
    return ControlSignals(
        person_mask=torch.zeros(batch, frames, tiny.FORM.height, tiny.FORM.width, dtype=torch.bool),
        joints=joints(batch, people, frames, seed),
        cameras=cameras(batch, frames),
        intrinsics=torch.tensor([40.0, 40.0, 16.0, 24.0]).expand(batch, frames, 4),
    )


def run(transformer: torch.nn.Module, tokens=None, **inputs):
    kwargs = {} if tokens is None else {"attention_kwargs": {ATTENTION_KEY: {"mtvcraft": tokens}}}
    with torch.no_grad():
        return transformer(**(inputs or tiny.transformer_inputs()), **kwargs, return_dict=False)[0]
