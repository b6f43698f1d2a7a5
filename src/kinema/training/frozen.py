"""A frozen transformer, its autoencoder, and the control adapter that shall learn to steer it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel

from kinema.motion.tokenizer import MotionTokenizer
from kinema.video.adapters.adapter import ControlAdapter
from kinema.video.adapters.attach import attach
from kinema.video.models.mini.autoencoder import AutoencoderPatchPCA
from kinema.video.registry import adapter_class

_FOR_MINI: dict[str, dict[str, Any]] = {
    "tokenmotion": {"motion_width": 128, "heads": 4, "first_width": 64, "rank": 128},
}
"""Ours: the methods' own sizes are made for backbones of 2 to 14 billion parameters, mini has 7 million."""


@dataclass(frozen=True)
class Frozen:
    """What a control recipe trains with; the adapter is attached, and nothing else requires gradients."""

    transformer: WanTransformer3DModel
    autoencoder: AutoencoderPatchPCA
    adapter: ControlAdapter


def load_frozen(
    weights: str | Path,
    adapter: str,
    *,
    start_from: str | Path | None = None,
    tokenizer: str | Path | None = None,
    options: str = "",
) -> Frozen:
    """Loads a pipeline folder's transformer and autoencoder and makes an adapter for them.

    Args:
        weights: folder with `transformer/` and `autoencoder/`.
        adapter: name of the control method.
        start_from: a pipeline folder whose adapter the training starts from; a new one where None.
        tokenizer: folder of a trained motion tokenizer, for methods that read motion tokens.
        options: JSON object of the adapter's arguments that shall differ: from those for mini, or from those that
            it was saved with.

    Raises:
        FileNotFoundError: a folder is not what it should be.
        ValueError: no such method, options that it does not have, or a tokenizer that it needs or does not read.
    """
    folder = Path(weights)
    for part in ("transformer", "autoencoder"):
        if not (folder / part / "config.json").is_file():
            raise FileNotFoundError(f"{folder} holds no {part}/: give a folder exported by recipe `mini`")
    load: dict[str, Any] = {"dtype": torch.float32}
    transformer = WanTransformer3DModel.from_pretrained(folder / "transformer", **load)
    transformer.requires_grad_(False)
    autoencoder = AutoencoderPatchPCA.from_pretrained(folder / "autoencoder")
    method = adapter_class(adapter)
    if start_from is not None:
        made = method.from_pretrained(Path(start_from) / adapter, **load, **_read_options(options, method))
    else:
        arguments = {**_FOR_MINI.get(adapter, {}), **_read_options(options, method)}
        reads_tokens = "tokenizer" in signature(method.for_transformer).parameters
        if reads_tokens and tokenizer is None:
            raise ValueError(f"{adapter} reads motion tokens: give the folder of a tokenizer as `tokenizer`")
        if tokenizer is not None and not reads_tokens:
            raise ValueError(f"{adapter} reads no motion tokens: leave `tokenizer` out")
        if tokenizer is not None:
            arguments["tokenizer"] = MotionTokenizer.from_pretrained(tokenizer)
        made = method.for_transformer(transformer, **arguments)
    attach(transformer, made)
    return Frozen(transformer, autoencoder, made)


def _read_options(text: str, method: type[ControlAdapter]) -> dict[str, Any]:
    try:
        options = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise ValueError(f"options={text!r}: not JSON ({error.msg})") from error
    if not isinstance(options, dict):
        raise ValueError(f'options={text!r}: expected a JSON object, such as {{"rank": 64}}')
    known = {*signature(method.for_transformer).parameters, *signature(method).parameters}
    known -= {"transformer", "tokenizer", "options"}
    unknown = set(options) - known
    if unknown:
        raise ValueError(
            f"{method.adapter_name} has no option {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}"
        )
    return options
