"""Floating-point operations and activations of a video transformer, counted from its shape: nothing is run.

A matrix of K x M weights costs 2 K M operations for each token, and attention of N over S tokens 4 N S D for the width D
(Kaplan et al., arXiv 2001.08361, Sec. 2.1; PaLM, arXiv 2204.02311, App. B, with D = heads x head size). Backward, the
gradient of a layer's input costs as much as forward, and so does that of its weights where they train. Norms, softmax,
rotations and sums are left out, as there. Letters: N video tokens, L text tokens, D width, F of the feed-forward.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

TEXT_TOKENS = 512
"""Of Wan, whose pipelines pad every prompt to so many."""

CLIP_TOKENS = 257
"""Of the picture encoder that Wan's image-to-video models read."""


@dataclass(frozen=True)
class Tokens:
    """What a transformer is given of one sample.

    Args:
        grid: video tokens along time, rows and columns.
        text: text tokens.
        frames: of the video, in pixels.
    """

    grid: tuple[int, int, int]
    text: int
    frames: int

    @property
    def video(self) -> int:
        """Video tokens."""
        return math.prod(self.grid)


@dataclass(frozen=True)
class Work:
    """Operations of one forward pass of one sample, by what its backward pass costs.

    Args:
        linear: of layers whose input follows from what trains: backward they cost as much again for their input's
            gradient, and once more for their weights' where these train.
        constant: of layers whose input is given (text, pixels, times): backward for their weights alone.
        told: of layers whose input follows from such layers alone (keys of the text, modulations): nothing backward
            while these are frozen, else as `linear`.
        attention: of both products of an attention whose queries, keys and values all have gradients: twice backward.
        asking: of an attention to keys and values that are given: once backward, twice where their weights train.
        entry: the part of `linear` that reads a block's input first (queries, keys and values).
    """

    linear: float = 0.0
    constant: float = 0.0
    told: float = 0.0
    attention: float = 0.0
    asking: float = 0.0
    entry: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.linear + other.linear,
            self.constant + other.constant,
            self.told + other.told,
            self.attention + other.attention,
            self.asking + other.asking,
            self.entry + other.entry,
        )

    def __mul__(self, times: float) -> Work:
        return Work(
            self.linear * times,
            self.constant * times,
            self.told * times,
            self.attention * times,
            self.asking * times,
            self.entry * times,
        )

    @property
    def forward(self) -> float:
        """Operations forward."""
        return self.linear + self.constant + self.told + self.attention + self.asking

    @property
    def through(self) -> float:
        """Operations backward through layers that are frozen."""
        return self.linear + 2 * self.attention + self.asking

    @property
    def trained(self) -> float:
        """Operations backward where every weight trains."""
        return 2 * (self.linear + self.told + self.attention + self.asking) + self.constant


@dataclass(frozen=True)
class TransformerWork:
    """A transformer's parts.

    Args:
        outside: what stands around the blocks: embeddings of latents, text, picture and time, and the output.
        attention: one block up to its feed-forward layer.
        feed: one block's feed-forward layer.
        blocks: how many.
    """

    outside: Work
    attention: Work
    feed: Work
    blocks: int

    @property
    def block(self) -> Work:
        """One whole block."""
        return self.attention + self.feed

    @property
    def whole(self) -> Work:
        """Everything."""
        return self.outside + self.block * self.blocks


def transformer_work(kind: str, config: Mapping[str, Any], tokens: Tokens) -> TransformerWork:
    """The work of a transformer of diffusers.

    Args:
        kind: its class, `CogVideoXTransformer3DModel` or `WanTransformer3DModel`.
        config: its arguments, all of them.
        tokens: of a sample.

    Raises:
        ValueError: another class.
    """
    if kind == "CogVideoXTransformer3DModel":
        return _cogvideox(config, tokens)
    if kind == "WanTransformer3DModel":
        return _wan(config, tokens)
    raise ValueError(f"the work of a {kind} is not known: there are formulas for CogVideoX and Wan")


@dataclass(frozen=True)
class Activations:
    """Bytes of one sample that wait for the backward pass.

    Args:
        kept: from the forward pass on.
        block: of the one block that is run again, at its worst moment; nothing without checkpointing.
    """

    kept: float
    block: float = 0.0

    def __add__(self, other: Activations) -> Activations:
        return Activations(self.kept + other.kept, max(self.block, other.block))


def transformer_activations(
    kind: str, config: Mapping[str, Any], tokens: Tokens, number: float = 2.0, checkpointing: bool = True
) -> Activations:
    """What a transformer keeps for the backward pass.

    What autograd saves in one block was counted on blocks of both classes at full width: queries, keys and values with
    and without their norms, the attention's result, and the feed-forward layer's inside. Attention is that of a fused
    kernel, which keeps no N x N matrix. With checkpointing a block keeps its input alone.

    Args:
        kind, config, tokens: see `transformer_work`.
        number: bytes of a number where it is in the type that is computed in; Wan's norms are in 32 bits anyway.
        checkpointing: whether blocks are run again.

    Raises:
        ValueError: another class.
    """
    width, blocks = _width(config), int(config["num_layers"])
    if kind == "CogVideoXTransformer3DModel":
        rows, feed, text = float(tokens.video + tokens.text), 4 * width, 0.0
        saved = rows * number * (8.1 * width + feed)
        outside = 1.2 * number * rows * width
    elif kind == "WanTransformer3DModel":
        rows, feed, text = float(tokens.video), float(config["ffn_dim"]), float(tokens.text)
        saved = rows * ((24 + 6 * number) * width + number * feed) + 2 * number * text * width
        outside = 7.7 * rows * width
    else:
        raise ValueError(f"what a {kind} keeps is not known: there are formulas for CogVideoX and Wan")
    # Backward a block has the gradients of its widest layer, before and after, beside what it saved.
    gradients = rows * number * (2 * feed + 4 * width)
    if not checkpointing:
        return Activations(outside + blocks * saved, gradients)
    return Activations(outside + blocks * rows * number * width, saved + gradients)


def text_tokens(kind: str, config: Mapping[str, Any]) -> int:
    """Text tokens that a transformer's pipeline gives it."""
    return int(config["max_text_seq_length"]) if kind.startswith("CogVideoX") else TEXT_TOKENS


def token_grid(
    config: Mapping[str, Any], size: tuple[int, int], frames: int, spatial: int = 8
) -> tuple[int, int, int]:
    """Video tokens along time, rows and columns.

    Args:
        config: of the transformer.
        size: (width, height) in pixels.
        frames: 4k + 1.
        spatial: pixels per latent.
    """
    patch = config["patch_size"]
    side = int(patch[1]) if isinstance(patch, (tuple, list)) else int(patch)
    across = int(config.get("patch_size_t") or 1)
    latent = 1 + math.ceil((frames - 1) / 4)
    return math.ceil(latent / across), size[1] // spatial // side, size[0] // spatial // side


def linear_work(tokens: float, sizes: Iterable[tuple[float, float]]) -> Work:
    """Layers of so many inputs and outputs, each for every token."""
    return Work(linear=sum(2.0 * tokens * inside * outside for inside, outside in sizes))


def _cogvideox(config: Mapping[str, Any], tokens: Tokens) -> TransformerWork:
    """Video and text attend together; both go through one feed-forward layer of four times the width."""
    width, time = _width(config), float(config["time_embed_dim"])
    together, video = float(tokens.video + tokens.text), float(tokens.video)
    patch, across = int(config["patch_size"]), int(config.get("patch_size_t") or 1)
    cell = patch * patch * across
    modulation = Work(told=2.0 * time * 6 * width)
    attention = linear_work(together, [(width, 4 * width)]) + modulation
    attention += Work(attention=4.0 * together**2 * width, entry=2.0 * together * width * 3 * width)
    feed = linear_work(together, [(width, 8 * width)]) + modulation
    given = tokens.text * float(config["text_embed_dim"]) * width
    given += video * float(config["in_channels"]) * cell * width + width * time
    told = time * time + time * 2 * width  # of the time, and of the last norm
    outside = Work(constant=2.0 * given, told=2.0 * told)
    outside += linear_work(video, [(width, float(config["out_channels"]) * cell)])
    return TransformerWork(outside, attention, feed, int(config["num_layers"]))


def _wan(config: Mapping[str, Any], tokens: Tokens) -> TransformerWork:
    """Video attends to itself, then to the text (and to the picture's tokens), whose keys and values are given."""
    width, feed_width = _width(config), float(config["ffn_dim"])
    video, text = float(tokens.video), float(tokens.text)
    cell = math.prod(config["patch_size"])
    pictured = float(CLIP_TOKENS) if config.get("image_dim") else 0.0
    keys = pictured if config.get("added_kv_proj_dim") else 0.0
    attention = linear_work(
        video, [(width, 6 * width)]
    )  # four of its own, the question and answer to the text
    attention += Work(
        told=2.0 * (text + keys) * width * 2 * width,
        attention=4.0 * video**2 * width,
        asking=4.0 * video * (text + keys) * width,
        entry=2.0 * video * width * 3 * width,
    )
    feed = linear_work(video, [(width, feed_width), (feed_width, width)])
    given = video * float(config["in_channels"]) * cell * width
    given += text * float(config["text_dim"]) * width + float(config["freq_dim"]) * width
    image = float(config.get("image_dim") or 0)
    given += pictured * image * image
    told = text * width * width + width * 7 * width + pictured * image * width
    outside = Work(constant=2.0 * given, told=2.0 * told)
    outside += linear_work(video, [(width, float(config["out_channels"]) * cell)])
    return TransformerWork(outside, attention, feed, int(config["num_layers"]))


def _width(config: Mapping[str, Any]) -> float:
    return float(config["num_attention_heads"]) * float(config["attention_head_dim"])
