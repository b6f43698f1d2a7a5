"""A frozen video model of any family, and the control adapter that shall learn to steer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from kinema.motion.tokenizer import MotionTokenizer
from kinema.training import ranks, whereabouts
from kinema.training.backbone import add_lora, picture_input
from kinema.video.adapters.adapter import ControlAdapter
from kinema.video.adapters.attach import attach, enable_gradient_checkpointing
from kinema.video.model_loading import load_model
from kinema.video.models.published import find_backbone
from kinema.video.models.video_model import VideoModel
from kinema.video.registry import adapter_class
from kinema.video.sixteen_bit import copies_folder, sixteen_bit_copy, stored_dtype
from kinema.video.trained_backbone import put_trained_backbone


@dataclass(frozen=True)
class AdapterModel:
    """Which adapter is trained on which backbone.

    Args:
        adapter: name of the control method.
        weights: backbone that stays as it is: a name that `kinema models` lists, or a folder.
        start_from: an exported folder whose adapter the training starts from; a new one where none.
        tokenizer: folder of a trained motion tokenizer, for methods that read motion tokens.
        options: arguments of the adapter that shall differ from those for this backbone, or from those that it was
            saved with.
        dtype: of the backbone; the adapter is float32. With bfloat16, training computes in it where that is safe.
        checkpointing: compute blocks again in the backward pass, for memory.
        compile: compile each block (needs a C++ compiler on the CPU).
        train_backbone: `false` leaves it as it is, `lora` trains a LoRA of its attention, `all` its every weight, in
            float32 (dtype then says in what is computed).
        lora_rank: of that LoRA.
        picture: `own` leaves the backbone's input as it is; `first` and `repeat` widen a text-to-video CogVideoX so
            that it reads a picture, on the first frame or (MTVCraft) on every one. Its patch embedding is then trained.
    """

    adapter: str
    weights: str
    start_from: str | None = None
    tokenizer: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    dtype: Literal["float32", "bfloat16"] = "float32"
    checkpointing: bool = False
    compile: bool = False
    train_backbone: Literal["false", "lora", "all"] = "false"
    lora_rank: int = 64
    picture: Literal["own", "first", "repeat"] = "own"


@dataclass(frozen=True)
class Frozen:
    """What a control recipe trains with; the adapter is attached, and of the backbone trains what was asked for.

    Args:
        model: its transformer and the adapter are in main memory, for `ranks.prepare`; its encoders on their device.
        adapter: attached.
        dtype: what the transformer's weights shall become; as they are where None.
    """

    model: VideoModel
    adapter: ControlAdapter
    dtype: torch.dtype | None = None


def load_frozen(config: AdapterModel, device: str = "cpu", size: tuple[int, int] | None = None) -> Frozen:
    """Loads a backbone and makes an adapter for it.

    Args:
        config: which.
        device: where the encoders are put.
        size: (width, height) of the videos; what the backbone was trained on where None.

    Raises:
        FileNotFoundError: the backbone, adapter or tokenizer is not here.
        ValueError: no such method, options that it does not have, or a tokenizer that it needs or does not read.
    """
    method = adapter_class(config.adapter)
    check_options(config.options, method)
    everything = config.train_backbone == "all"
    model = load_backbone(config.weights, None if everything else getattr(torch, config.dtype), size)
    if config.picture != "own":
        model = picture_input(model, config.picture)
    adapter = make_adapter(config, model)
    if config.start_from is not None:
        model = put_trained_backbone(model, config.start_from)
    if config.train_backbone == "lora":
        add_lora(model, config.lora_rank)
    elif config.train_backbone == "all":
        model.transformer.requires_grad_(True)
    attach(model.transformer, adapter)
    if config.checkpointing:
        enable_gradient_checkpointing(model.transformer)
        if adapter._supports_gradient_checkpointing:
            adapter.enable_gradient_checkpointing()
    place_encoders(model, device)
    return Frozen(model, adapter, torch.float32 if everything else None)


def place_encoders(model: VideoModel, device: str) -> None:
    """Puts everything of a model but its transformer on a device."""
    for part in model.components.values():
        if isinstance(part, nn.Module) and part is not model.transformer:
            part.to(device)


def load_backbone(weights: str, dtype: torch.dtype | None, size: tuple[int, int] | None) -> VideoModel:
    """A backbone nothing of which requires gradients, in main memory.

    Of several processes the first one of each machine fetches it, and makes a 16-bit copy where that is asked for and
    its files are wider: weights whose files have the type that is asked for are mapped, once for all processes.

    Args:
        weights: a name that `kinema models` lists, or a folder.
        dtype: of its weights; that of its denoiser's files where None.
        size: (width, height) of the videos; what the backbone was trained on where None.

    Raises:
        FileNotFoundError: it is not here.
        ValueError: it has two transformers.
    """
    changes = {} if size is None else {"width": size[0], "height": size[1]}
    if ranks.leads_machine():
        _folder(weights, dtype)
    whereabouts.wait("finding the backbone")
    folder = _folder(weights, dtype)
    model = load_model(weights, dtype or stored_dtype(folder), changes, source=folder)
    for part in model.components.values():
        if isinstance(part, nn.Module):
            part.requires_grad_(False)
    if len(model.denoisers) > 1:
        raise ValueError(
            f"{model.name} has two experts, and training knows one transformer: train on a backbone of the same width, "
            "such as wan2.1-14b, and attach the adapter to both"
        )
    return model


def _folder(weights: str, dtype: torch.dtype | None) -> Path:
    """Where a backbone's files are, of the type that is asked for where several processes shall map them."""
    folder = find_backbone(weights)
    if ranks.world() == 1 or dtype is None:
        return folder
    return sixteen_bit_copy(folder, dtype, copies_folder())


def make_adapter(config: AdapterModel, model: VideoModel) -> ControlAdapter:
    """A new adapter for a model's transformer, or one to go on from, in float32.

    Raises:
        FileNotFoundError: nothing to go on from.
        ValueError: a tokenizer that it needs or does not read.
    """
    method = adapter_class(config.adapter)
    if config.start_from is not None:
        folder = Path(config.start_from) / config.adapter
        return method.from_pretrained(folder, dtype=torch.float32, **config.options)
    arguments = {**model.adapter_training.sizes.get(config.adapter, {}), **config.options}
    reads_tokens = "tokenizer" in signature(method.for_transformer).parameters
    if reads_tokens and config.tokenizer is None:
        raise ValueError(
            f"{config.adapter} reads motion tokens: give the folder of a tokenizer as `model.tokenizer`"
        )
    if config.tokenizer is not None and not reads_tokens:
        raise ValueError(f"{config.adapter} reads no motion tokens: leave `model.tokenizer` out")
    if config.tokenizer is not None:
        arguments["tokenizer"] = MotionTokenizer.from_pretrained(config.tokenizer)
    return method.for_transformer(model.transformer, **arguments).float()


def check_options(options: Mapping[str, Any], method: type[ControlAdapter]) -> None:
    """Whether a method has these options.

    Raises:
        ValueError: it has not.
    """
    known = {*signature(method.for_transformer).parameters, *signature(method).parameters}
    known -= {"transformer", "tokenizer", "options"}
    unknown = set(options) - known
    if unknown:
        raise ValueError(
            f"{method.adapter_name} has no option {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}"
        )
