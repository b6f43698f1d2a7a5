"""What is trained of a backbone itself: a LoRA, its patch embedding for a picture; and how that is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from kinema.video.models.spec import spec_of
from kinema.video.models.video_model import VideoModel
from kinema.video.registry import family, video_model
from kinema.video.trained_backbone import LORA, save_trained_backbone

REPEATS = "mtvcraft"
"""The method that repeats the reference picture on every frame."""

LORA_LAYERS = ("to_q", "to_k", "to_v", "to_out.0")
"""Layers of a transformer's attention that a LoRA is put on, as diffusers' training scripts have them."""


def picture_input(model: VideoModel, how: str) -> VideoModel:
    """A text-to-video model that starts from a picture: new columns of its patch embedding are zero, and all of it trains
    (ours: no paper says how CogVideoX-2B is made to read a picture), in float32.

    Args:
        model: that reads none.
        how: `first`, on the first frame as CogVideoX-5B-I2V reads it, or `repeat`, on every frame as MTVCraft does.

    Raises:
        ValueError: it reads one already, or has no place for one.
    """
    if model.reads_picture:
        raise ValueError(f"{model.name} starts from a picture already: leave model.picture out")
    if how == "repeat" and model.family != "cogvideox":
        raise ValueError(
            f"model.picture=repeat is for CogVideoX; {model.name} has a picture input of its own kind"
        )
    if how == "repeat":
        model = video_model(REPEATS).of(model)
    else:
        model.widen_for_picture()
    for parameter in _patch_embedding(model.transformer).parameters():
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    return model


def add_lora(model: VideoModel, rank: int) -> None:
    """Puts a new LoRA, in float32, on the attention of a model's transformer; before adapters are attached.

    Its alpha is its rank, so that a file of it needs no further number.

    Raises:
        ModuleNotFoundError: the package peft is not installed.
        ValueError: a family that is exported whole, where a LoRA would have no place.
    """
    if family(model.family).exports_whole:
        raise ValueError(
            f"{model.name} is exported whole and small: train all of it (model.train_backbone=all)"
        )
    if rank < 1:
        raise ValueError(f"model.lora_rank is at least 1, not {rank}")
    put_lora(model.transformer, rank)


def put_lora(transformer: Any, rank: int) -> None:
    """Puts a new LoRA, in float32, on a transformer's attention, also on the meta device.

    Raises:
        ModuleNotFoundError: the package peft is not installed.
    """
    try:
        from peft import LoraConfig
    except ModuleNotFoundError:
        raise ModuleNotFoundError("a LoRA needs the package peft: pip install 'kinema[train]'") from None
    config = LoraConfig(r=rank, lora_alpha=rank, init_lora_weights=True, target_modules=list(LORA_LAYERS))
    trained = [parameter for parameter in transformer.parameters() if parameter.requires_grad]
    transformer.add_adapter(config)
    for parameter in trained:  # peft leaves only its own to train
        parameter.requires_grad_(True)
    for name, parameter in transformer.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.float()


def save_backbone(transformer: nn.Module, folder: Path, model: VideoModel) -> None:
    """Writes what was trained of a backbone into a folder: its LoRA as one file that diffusers reads, and tensors that
    changed as `put_trained_backbone` reads them; nothing where nothing was.

    Args:
        transformer: detached from adapters, whole.
        folder: of the result.
        model: whose it is.
    """
    trained = {name for name, parameter in transformer.named_parameters() if parameter.requires_grad}
    if any("lora_" in name for name in trained):
        save_lora(transformer, folder, model)
    own = {name for name in trained if "lora_" not in name}
    if own:
        tensors = {
            name.replace(".base_layer.", "."): parameter.detach().to("cpu", torch.bfloat16).contiguous()
            for name, parameter in transformer.named_parameters()
            if name in own
        }
        method = REPEATS if isinstance(model, video_model(REPEATS)) else None
        save_trained_backbone(tensors, folder, transformer.config.in_channels, method)


def save_lora(transformer: nn.Module, folder: Path, model: VideoModel) -> Path:
    """Writes a transformer's LoRA as plain diffusers loads it (`load_lora_weights`)."""
    from peft.utils import get_peft_model_state_dict

    layers: dict[str, Any] = get_peft_model_state_dict(transformer)
    layers = {name: tensor.to("cpu", torch.bfloat16).contiguous() for name, tensor in layers.items()}
    folder.mkdir(parents=True, exist_ok=True)
    loader = family(model.family).lora_loader()
    loader.save_lora_weights(folder, transformer_lora_layers=layers, weight_name=LORA)
    return folder / LORA


def _patch_embedding(transformer: Any) -> nn.Module:
    """The layer that reads latents."""
    holds = spec_of(transformer).name == "cogvideox"
    layer: nn.Module = transformer.patch_embed.proj if holds else transformer.patch_embedding
    return layer
