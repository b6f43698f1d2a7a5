"""A recipe's model without its weights: built on the meta device from published shapes, to be counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kinema.training.backbone import put_lora
from kinema.training.cost import StepCost, step_cost
from kinema.training.memory import Beside, Layout, Memory, predict_memory
from kinema.video.adapters.adapter import ControlAdapter
from kinema.video.adapters.attach import attach
from kinema.video.models.published import read_json
from kinema.video.models.spec import spec_of
from kinema.video.registry import adapter_class
from kinema.video.shapes import ModelShape, shape_of

ENCODE = {"CogVideoXTransformer3DModel": 9.0e6, "WanTransformer3DModel": 5.1e6}
"""Operations for each pixel of each frame that the family's autoencoder encodes, counted by torch on the meta device."""

DECODED = {"CogVideoXTransformer3DModel": 43e3, "WanTransformer3DModel": 17.4e3}
"""Bytes for each pixel of each frame that a decoder keeps for its backward pass, in 32 bits; counted likewise."""

CROP = 64
"""Side in pixels of what L_track decodes (`papers.mosa.TrackOptions.crop`, in latents)."""


@dataclass(frozen=True)
class Planned:
    """What a recipe trains, without weights.

    Args:
        shape: of the backbone.
        transformer: on the meta device, with its adapter attached; what trains requires gradients.
        adapters: by name; none of a plain LoRA.
        size: (width, height) in pixels.
        frames: of a sample.
        batch: samples a step, of all processes.
        steps: planned.
        track: whether a loss looks at decoded pixels.
    """

    shape: ModelShape
    transformer: nn.Module
    adapters: Mapping[str, ControlAdapter]
    size: tuple[int, int]
    frames: int
    batch: int
    steps: int
    track: bool

    def cost(self, checkpointing: bool) -> StepCost:
        """Of one sample."""
        return step_cost(self.transformer, self.adapters, self.size, self.frames, checkpointing=checkpointing)

    def memory(self, layout: Layout) -> Memory:
        """On one device."""
        shape = self.shape
        vae = shape.vae.parameters * (4.0 if shape.vae.float32 else layout.number)
        encoders = shape.encoders * layout.number + vae
        beside = beside_of(encoders, self.adapters, shape, self.size, self.frames, track=self.track)
        cost = self.cost(layout.checkpointing)
        return predict_memory(self.transformer, self.adapters, cost, self.size, self.frames, layout, beside)

    @property
    def encoding(self) -> float:
        """Operations of one sample's autoencoder in every step: of an adapter that sees signals through it, and what
        they are compared with, a black video (made for one sample of a batch)."""
        seen = any(adapter.uses_autoencoder for adapter in self.adapters.values())
        return 2 * self.encoding_once * seen

    @property
    def encoding_once(self) -> float:
        """Operations of one sample's video in the autoencoder, once, for the cache."""
        return ENCODE[self.shape.transformer] * self.frames * self.size[0] * self.size[1]


def planned(recipe: Any) -> Planned:
    """What a recipe trains, from its settings alone.

    Args:
        recipe: of a published backbone, such as `recipes.control.Recipe` or `recipes.lora.Recipe`.

    Raises:
        ValueError: a recipe or backbone whose size nothing is known of.
        ModuleNotFoundError: a LoRA without the package peft.
    """
    model = getattr(recipe, "model", None)
    weights = getattr(model, "weights", None)
    if model is None or weights is None or not hasattr(model, "checkpointing"):
        raise ValueError(
            "--estimate is for recipes on a published backbone: control and the papers' own, and lora"
        )
    shape = shape_of(weights)
    if shape.experts > 1:
        raise ValueError(f"{weights} has two transformers, and training knows one")
    if shape.transformer not in ENCODE:
        raise ValueError(f"{weights} is a {shape.transformer}: estimates are made for {', '.join(ENCODE)}")
    config = dict(shape.config)
    if getattr(model, "picture", "own") != "own":
        config["in_channels"] = 2 * int(shape.full_config["in_channels"])
    kind = getattr(import_module("diffusers"), shape.transformer)
    method = getattr(model, "adapter", None)
    with torch.device("meta"):
        transformer = kind(**config).requires_grad_(getattr(model, "train_backbone", "") == "all")
        adapter = None if method is None else _adapter(model, transformer)
        if method is None or model.train_backbone == "lora":
            put_lora(transformer, model.rank if method is None else model.lora_rank)
    if getattr(model, "picture", "own") != "own":
        _patch_embedding(transformer).requires_grad_(True)
    if adapter is not None:
        attach(transformer, adapter)
    data, track = recipe.data, getattr(getattr(recipe, "objectives", None), "track", None)
    return Planned(
        shape,
        transformer,
        {} if adapter is None else {adapter.adapter_name: adapter},
        data.size or shape.size,
        data.frames or shape.frames,
        data.batch,
        recipe.trainer.steps,
        bool(track and track.weight),
    )


def beside_of(
    encoders: float,
    adapters: Mapping[str, ControlAdapter],
    shape: ModelShape,
    size: tuple[int, int],
    frames: int,
    *,
    track: bool,
) -> Beside:
    """What a run has beside transformer and adapter.

    Args:
        encoders: bytes of the encoders.
        adapters: by name.
        shape: of the backbone.
        size: (width, height) in pixels.
        frames: of a sample.
        track: whether a loss looks at decoded pixels.
    """
    scale = 1.0 if shape.vae.float32 else 0.5
    seen = any(adapter.uses_autoencoder for adapter in adapters.values())
    encoding = shape.vae.encode * scale * size[0] * size[1] * seen
    decoded = DECODED[shape.transformer] * scale * frames * CROP * CROP * track
    return Beside(encoders, encoding, decoded)


def _adapter(model: Any, transformer: nn.Module) -> ControlAdapter:
    """A new adapter as `training.frozen.make_adapter` makes it, without weights."""
    method = adapter_class(model.adapter)
    options = dict(model.options)
    tokens = getattr(model, "tokenizer", None)
    if tokens is not None and "tokenizer" in signature(method.for_transformer).parameters:
        options.setdefault("code_dim", int(read_json(Path(tokens) / "config.json")["code_dim"]))
    if "latent_channels" in signature(method.for_transformer).parameters:
        options.setdefault("latent_channels", 16)
    return method.for_transformer(transformer, **options)


def _patch_embedding(transformer: Any) -> nn.Module:
    holds = spec_of(transformer).name == "cogvideox"
    layer: nn.Module = transformer.patch_embed.proj if holds else transformer.patch_embedding
    return layer
