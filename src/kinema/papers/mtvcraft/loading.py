"""MTVCraft's published weights to a pipeline: its own transformer among the parts of the backbone it came from."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    CogVideoXDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
)
from torch import nn

from kinema.motion.tokenizer import MotionTokenizer
from kinema.papers.mtvcraft.models import MTVCRAFT_FORMAT, MTVCraftCogVideoX, MTVCraftWan
from kinema.papers.mtvcraft.published import load_published_cogvideox, load_published_wan
from kinema.video.adapters.attach import attach
from kinema.video.few_steps import Fast, loras_for, sample_as_trained
from kinema.video.loras import Lora, load_loras
from kinema.video.memory import best_device, place
from kinema.video.models.published import DENOISERS, INDEX, find_backbone
from kinema.video.models.published_parts import load_parts, parts_given
from kinema.video.models.video_model import check_format
from kinema.video.pipeline import KinemaPipeline
from kinema.video.registry import CheckpointReader

_COGVIDEOX = ("CogVideoXPipeline", "CogVideoXImageToVideoPipeline")
_WAN = "WanImageToVideoPipeline"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MTVCraftOptions:
    """How a published model is loaded.

    Args:
        size: (width, height) of the videos. As published where None: 512 x 512 for CogVideoX, for Wan the nearest of its
            buckets to each picture.
        fps: of the videos.
        frames: of a window, 4k + 1. 49 as published where None; the weights have seen no other, and those of Wan
            tie their motion to it (`PublishedWanMotionAttention`).
        checkpoint: the weights as one file instead (.safetensors, also the community's 8-bit ones; .gguf of Wan).
        loras: for the transformer.
        fast: sample in few steps.
        device: where it works; the accelerator, or the CPU where there is none.
        placing: memory, fp8, attention, cache, compile_blocks: see `kinema.video.memory.place`.
    """

    size: tuple[int, int] | None = None
    fps: float = MTVCRAFT_FORMAT.fps
    frames: int | None = None
    checkpoint: Path | None = None
    loras: tuple[Lora, ...] = ()
    fast: Fast | None = None
    device: torch.device | str | None = None
    placing: Mapping[str, Any] = field(default_factory=dict)


def load_mtvcraft(
    weights: str | Path,
    tokenizer: MotionTokenizer,
    backbone: str | Path,
    **options: Any,
) -> KinemaPipeline:
    """Loads one of the published models.

    Args:
        weights: `MV-DiT/CogVideoX` or `MV-DiT/Wan-2-1`, or the same weights in another layout
            (`published`).
        tokenizer: `MotionTokenizer.from_published(...)`.
        backbone: whose autoencoder, scheduler and encoders the model uses: `cogvideox-5b`, `wan2.1-14b`, or a folder of
            theirs. Its transformer is not read, and need not be there.
        options: fields of `MTVCraftOptions`.

    Raises:
        FileNotFoundError: weights or backbone are not here.
        ValueError: the weights do not fit, or the backbone is neither CogVideoX nor Wan image-to-video.
    """
    chosen = MTVCraftOptions(**options)
    folder = find_backbone(backbone, DENOISERS)
    kind = json.loads((folder / INDEX).read_text(encoding="utf-8")).get("_class_name", "")
    if kind not in (*_COGVIDEOX, _WAN):
        raise ValueError(
            f"{folder} is a {kind or 'folder without a class name'}; "
            "MTVCraft was published for CogVideoX-5b and Wan2.1-I2V-14B"
        )
    where = torch.device(chosen.device) if chosen.device is not None else best_device()
    dtype = torch.float32 if where.type == "cpu" else torch.bfloat16
    width, height = chosen.size or MTVCRAFT_FORMAT.size
    form = replace(
        MTVCRAFT_FORMAT,
        width=width,
        height=height,
        fps=chosen.fps,
        frames=chosen.frames or MTVCRAFT_FORMAT.frames,
    )
    check_format(form, MTVCraftWan if kind == _WAN else MTVCraftCogVideoX, "MTVCraft")
    if kind == _WAN and form.frames != MTVCRAFT_FORMAT.frames:
        logger.warning(
            "windows of %d frames: the published Wan weights were trained on 49, and in others each of their heads reads "
            "other tokens than it learned to",
            form.frames,
        )
    source = chosen.checkpoint or weights
    model: MTVCraftCogVideoX | MTVCraftWan
    if kind == _WAN:
        transformer, adapter = load_published_wan(source, tokenizer, dtype=dtype, window=form.frames)
        # Wan's autoencoder loses visible quality in 16 bits.
        with parts_given({"transformer": transformer}):
            parts = load_parts(folder, {"default": dtype, "vae": torch.float32})
        # As the public code samples; the backbone comes with UniPC.
        parts["scheduler"] = FlowMatchEulerDiscreteScheduler(shift=5.0)
        model = MTVCraftWan(**parts, form=form, name="mtvcraft-wan", sized_by_picture=chosen.size is None)
    else:
        transformer, adapter = load_published_cogvideox(source, tokenizer, dtype=dtype)
        model = MTVCraftCogVideoX(
            transformer=transformer,
            vae=AutoencoderKLCogVideoX.from_pretrained(folder / "vae", dtype=dtype).eval(),
            scheduler=CogVideoXDPMScheduler.from_pretrained(folder / "scheduler"),
            form=form,
        )
    for part in model.components.values():
        if isinstance(part, nn.Module):
            part.eval().requires_grad_(False)
    loras = chosen.loras
    if chosen.fast is not None:
        loras = (*loras_for(chosen.fast, model, [Path(source)]), *loras)
        sample_as_trained(model, chosen.fast.preset)
    load_loras(model, loras)
    attach(model.transformer, adapter)
    pipeline = KinemaPipeline(model, {"mtvcraft": adapter})
    pipeline.fast = chosen.fast
    if loras:
        pipeline.loaded_with = {"loras": [each.settings() for each in loras]}
    place(pipeline, device=where, **chosen.placing)
    return pipeline


class MTVCraftCheckpoint(CheckpointReader):
    """`MV-DiT/CogVideoX` or `MV-DiT/Wan-2-1` of the published files, with `4DMoT/` and `data/` beside `MV-DiT/`."""

    name = "mtvcraft"
    title = "MTVCraft as published"
    takes = frozenset({"base", "checkpoint", "loras", "fast", "frames"})

    def reads(self, folder: Path) -> bool:
        return folder.parent.name == "MV-DiT"

    def load(self, folder: Path, *, size: tuple[int, int] | None, **options: Any) -> KinemaPipeline:
        top = folder.parent.parent
        cogvideox = "cogvideox" in folder.name.lower()
        files = options.pop("checkpoint", ())
        if len(files) > 1:
            raise ValueError("--checkpoint: MTVCraft is one file")
        tokenizer = MotionTokenizer.from_published(
            top / "4DMoT" / "mp_rank_00_model_states.pt", top / "data" / "mean.npy", top / "data" / "std.npy"
        )
        backbone = options.pop("base", None) or ("cogvideox-5b" if cogvideox else "wan2.1-14b")
        own = {name: options.pop(name) for name in ("loras", "fast", "frames", "device") if name in options}
        file = files[0] if files else None
        return load_mtvcraft(folder, tokenizer, backbone, size=size, checkpoint=file, placing=options, **own)
