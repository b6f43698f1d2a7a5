"""MTVCraft's published weights to a pipeline: its own transformer among the parts of the backbone it came from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    CogVideoXDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    WanImageToVideoPipeline,
)
from torch import nn

from kinema.motion.tokenizer import MotionTokenizer
from kinema.papers.mtvcraft.models import MTVCRAFT_FORMAT, MTVCraftCogVideoX, MTVCraftWan
from kinema.papers.mtvcraft.published import load_published_cogvideox, load_published_wan
from kinema.video.adapters.attach import attach
from kinema.video.memory import Memory, best_device, place
from kinema.video.models.published import INDEX, find_backbone
from kinema.video.pipeline import KinemaPipeline
from kinema.video.registry import CheckpointReader


def load_mtvcraft(
    weights: str | Path,
    tokenizer: MotionTokenizer,
    backbone: str | Path,
    *,
    size: tuple[int, int] | None = None,
    fps: float = MTVCRAFT_FORMAT.fps,
    memory: Memory = "high",
    fp8: bool = False,
    attention: str | None = None,
    device: torch.device | str | None = None,
) -> KinemaPipeline:
    """Loads one of the published models.

    Args:
        weights: `MV-DiT/CogVideoX` or `MV-DiT/Wan-2-1`, or the same weights in another layout
            (`published`).
        tokenizer: `MotionTokenizer.from_published(...)`.
        backbone: whose autoencoder, scheduler and encoders the model uses: `cogvideox-5b`, `wan2.1-14b`, or a folder of
            theirs. Its transformer is not read.
        size: (width, height) of the videos. As published where None: 512 x 512 for CogVideoX, for Wan the nearest of
            its buckets to each picture.
        fps: of the videos.
        memory, fp8, attention, device: see `kinema.video.memory.place`.

    Raises:
        FileNotFoundError: weights or backbone are not here.
        ValueError: the weights do not fit, or the backbone is neither CogVideoX nor Wan image-to-video.
    """
    folder = find_backbone(backbone)
    kind = json.loads((folder / INDEX).read_text(encoding="utf-8")).get("_class_name", "")
    where = torch.device(device) if device is not None else best_device()
    dtype = torch.float32 if where.type == "cpu" else torch.bfloat16
    width, height = size or MTVCRAFT_FORMAT.size
    form = replace(MTVCRAFT_FORMAT, width=width, height=height, fps=fps)
    if kind in ("CogVideoXPipeline", "CogVideoXImageToVideoPipeline"):
        transformer, adapter = load_published_cogvideox(weights, tokenizer, dtype=dtype)
        model: MTVCraftCogVideoX | MTVCraftWan = MTVCraftCogVideoX(
            transformer=transformer,
            vae=AutoencoderKLCogVideoX.from_pretrained(folder / "vae", dtype=dtype).eval(),
            scheduler=CogVideoXDPMScheduler.from_pretrained(folder / "scheduler"),
            form=form,
        )
    elif kind == "WanImageToVideoPipeline":
        transformer, adapter = load_published_wan(weights, tokenizer, dtype=dtype)
        # Wan's autoencoder loses visible quality in 16 bits.
        types = {"default": dtype, "vae": torch.float32}
        parts = WanImageToVideoPipeline.from_pretrained(
            folder, transformer=transformer, dtype=types, local_files_only=True
        ).components
        parts = {name: part for name, part in parts.items() if part is not None}
        # As the public code samples; the backbone comes with UniPC.
        parts["scheduler"] = FlowMatchEulerDiscreteScheduler(shift=5.0)
        model = MTVCraftWan(**parts, form=form, name="mtvcraft-wan", sized_by_picture=size is None)
    else:
        raise ValueError(
            f"{folder} is a {kind or 'folder without a class name'}; "
            "MTVCraft was published for CogVideoX-5b and Wan2.1-I2V-14B"
        )
    for part in model.components.values():
        if isinstance(part, nn.Module):
            part.eval().requires_grad_(False)
    attach(model.transformer, adapter)
    pipeline = KinemaPipeline(model, {"mtvcraft": adapter})
    place(pipeline, memory, device=where, fp8=fp8, attention=attention)
    return pipeline


class MTVCraftCheckpoint(CheckpointReader):
    """`MV-DiT/CogVideoX` or `MV-DiT/Wan-2-1` of the published files, with `4DMoT/` and `data/` beside `MV-DiT/`."""

    name = "mtvcraft"
    title = "MTVCraft as published"

    def reads(self, folder: Path) -> bool:
        return folder.parent.name == "MV-DiT"

    def load(self, folder: Path, *, size: tuple[int, int] | None, **options: Any) -> KinemaPipeline:
        top = folder.parent.parent
        tokenizer = MotionTokenizer.from_published(
            top / "4DMoT" / "mp_rank_00_model_states.pt", top / "data" / "mean.npy", top / "data" / "std.npy"
        )
        backbone = "cogvideox-5b" if "cogvideox" in folder.name.lower() else "wan2.1-14b"
        return load_mtvcraft(folder, tokenizer, backbone, size=size, **options)
