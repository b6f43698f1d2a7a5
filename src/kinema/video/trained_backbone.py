"""What a training has changed of a backbone, beside the adapter's weights: `backbone.safetensors`, and a LoRA.

An adapter that was trained together with them is nothing without them, so they are loaded with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from kinema.video.models.video_model import VideoModel
from kinema.video.registry import video_model

CHANGED = "backbone.safetensors"
LORA = "lora.safetensors"
_CHANNELS = "in_channels"
_METHOD = "video_model"


def save_trained_backbone(
    tensors: Mapping[str, torch.Tensor], folder: Path, channels: int, method: str | None = None
) -> None:
    """Writes changed tensors of a transformer, how many channels it reads, and the method whose video model it is of."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {_CHANNELS: str(channels)} | ({} if method is None else {_METHOD: method})
    save_file(dict(tensors), folder / CHANGED, metadata=facts)


@torch.no_grad()
def put_trained_backbone(model: VideoModel, folder: str | Path | None) -> VideoModel:
    """The model with what a folder has of a trained backbone, before LoRAs and adapters; itself where there is nothing.

    Raises:
        ValueError: it is of another backbone, or cannot be read.
    """
    path = None if folder is None else Path(folder) / CHANGED
    if path is None or not path.is_file():
        return model
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            channels = int(facts[_CHANNELS])
            if _METHOD in facts:
                model = video_model(facts[_METHOD]).of(model)
            elif channels != model.transformer.config.in_channels:
                model.widen_for_picture()
            places = dict(model.transformer.named_parameters())
            for name in file.keys():  # noqa: SIM118
                tensor = file.get_tensor(name)
                if name not in places or places[name].shape != tensor.shape:
                    raise ValueError(f"{path} does not fit {model.name}: it has no place for {name}")
                places[name].copy_(tensor.to(places[name]))
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"{path} is no changed backbone ({str(error).splitlines()[0]})") from None
    return model


def has_trained_backbone(folder: str | Path | None) -> bool:
    """Whether a folder has tensors of a trained backbone."""
    return folder is not None and (Path(folder) / CHANGED).is_file()


def trained_lora(folder: str | Path | None) -> Path | None:
    """The LoRA that was trained together with an adapter; None where there is none."""
    path = None if folder is None else Path(folder) / LORA
    return path if path is not None and path.is_file() else None
