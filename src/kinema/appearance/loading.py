"""From a name or folder to a pipeline: the backbone, a LoRA, trained adapters, and where they work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline, WanTransformer3DModel
from diffusers.loaders import CogVideoXLoraLoaderMixin, WanLoraLoaderMixin
from torch import nn

from kinema.appearance.adapters import ADAPTERS, adapter_class
from kinema.appearance.adapters.adapter import ControlAdapter
from kinema.appearance.adapters.attach import attach
from kinema.appearance.autoencoder import AutoencoderPatchPCA
from kinema.appearance.backbones.cogvideox_video import COGVIDEOX_FORMAT, CogVideoXVideo
from kinema.appearance.backbones.mini import MiniFormat
from kinema.appearance.backbones.mini_video import MiniVideo
from kinema.appearance.backbones.published import EMBEDDED_INDEX, INDEX, find_backbone
from kinema.appearance.backbones.video_model import VideoFormat, VideoModel
from kinema.appearance.backbones.wan_video import WAN_FORMAT, WanVideo
from kinema.appearance.conditions import SIGNALS
from kinema.appearance.memory import Memory, best_device, place
from kinema.appearance.pipeline import KinemaPipeline

_FAMILIES: dict[str, tuple[type[CogVideoXVideo | WanVideo], VideoFormat]] = {
    "CogVideoXPipeline": (CogVideoXVideo, COGVIDEOX_FORMAT),
    "CogVideoXImageToVideoPipeline": (CogVideoXVideo, COGVIDEOX_FORMAT),
    "WanPipeline": (WanVideo, WAN_FORMAT),
    "WanImageToVideoPipeline": (WanVideo, WAN_FORMAT),
}
"""Pipelines of diffusers whose folders can be read."""

_MTVCRAFT = "MV-DiT"
"""The folder of MTVCraft's published transformers."""

_LORA_LOADERS = {"cogvideox": CogVideoXLoraLoaderMixin, "wan": WanLoraLoaderMixin, "mini": WanLoraLoaderMixin}


def load_pipeline(
    name: str | Path = "mini",
    adapters: Sequence[str] | None = None,
    *,
    adapter_weights: str | Path | None = None,
    lora: str | Path | None = None,
    size: tuple[int, int] | None = None,
    frames: int | None = None,
    memory: Memory = "high",
    fp8: bool = False,
    attention: str | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> KinemaPipeline:
    """Loads a pipeline.

    Args:
        name: `mini`, a published backbone (`kinema models` lists them), or a folder: in diffusers layout, as mini is
            saved, or `MV-DiT/CogVideoX` or `MV-DiT/Wan-2-1` of MTVCraft's published files.
        adapters: control methods to attach, e.g. `tokenmotion`; `tokenmotion:camera` lets it see the camera alone.
            Empty for none; by default the first that has trained weights for this backbone.
        adapter_weights: folder of a trained adapter, or of one such folder per adapter; by default those beside the
            backbone's own parts.
        lora: a LoRA for the transformer (.safetensors), in a layout that diffusers reads.
        size: (width, height) of the videos; by default what the backbone was trained on.
        frames: of one window, 4k + 1; by default what the backbone was trained on.
        memory, fp8, attention: see `kinema.appearance.memory.place`.
        device: where to work; by default the CPU for mini, and the accelerator for the others where there is one.
        dtype: of the weights; by default bfloat16 on an accelerator and float32 on the CPU. mini is float32.

    Raises:
        FileNotFoundError: the backbone or an adapter's trained weights are not here.
        ValueError: an unknown name, or what does not fit together.
    """
    drives = None if adapters is None else dict(_drive(each) for each in adapters)
    folder = find_backbone(name)
    if folder.parent.name == _MTVCRAFT:
        if (adapters is not None and list(drives or {}) != ["mtvcraft"]) or adapter_weights or lora or frames:
            raise ValueError(f"{folder} is MTVCraft as published: it comes with its own control and length")
        return _load_published_mtvcraft(
            folder, size, memory=memory, fp8=fp8, attention=attention, device=device
        )
    embedded = (folder / EMBEDDED_INDEX).is_file()
    where = torch.device(device) if device is not None else torch.device("cpu") if embedded else best_device()
    if embedded:
        dtype = torch.float32
    elif dtype is None:
        dtype = torch.float32 if where.type == "cpu" else torch.bfloat16
    changed = {"width": size and size[0], "height": size and size[1], "frames": frames}
    changes = {key: value for key, value in changed.items() if value is not None}
    if embedded:
        model: VideoModel = _load_mini(folder, changes)
    else:
        model = _load_published(folder, folder.name if Path(name).is_dir() else str(name), dtype, changes)
    if lora is not None:
        load_lora(model, lora)
    if drives is None:
        drives = {_first_trained(folder, adapter_weights, model.name): frozenset(SIGNALS)}
    loaded = {each: load_adapter(each, folder, adapter_weights, model.name, dtype) for each in drives}
    for each, adapter in loaded.items():
        attach(model.transformer, adapter, each)
    pipeline = KinemaPipeline(model, loaded, drives)
    place(pipeline, memory, device=where, fp8=fp8, attention=attention)
    return pipeline


def load_adapter(
    adapter: str, backbone: Path, weights: str | Path | None, name: str, dtype: torch.dtype
) -> ControlAdapter:
    """A trained adapter; never an untrained one.

    Args:
        adapter: name of the method.
        backbone: folder of the backbone, which may hold the adapter.
        weights: folder of the adapter, or of several.
        name: of the backbone, for messages.
        dtype: of its weights.

    Raises:
        FileNotFoundError: there are no trained weights.
        ValueError: no such method.
    """
    kind = adapter_class(adapter)
    folder = _adapter_folder(adapter, backbone, weights)
    if folder is None:
        raise FileNotFoundError(
            f"{name} has no trained weights for {adapter}"
            + (f" in {weights}" if weights is not None else "")
            + ": give their folder (--adapter-weights), or take no control (--control none)"
        )
    return kind.from_pretrained(folder, dtype=dtype).eval()


def load_lora(model: VideoModel, file: str | Path) -> None:
    """Loads a LoRA into the transformer, before adapters are attached.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a LoRA, one for another model, or the package `peft` is missing.
    """
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such LoRA")
    if path.suffix != ".safetensors":
        raise ValueError(
            f"{path}: give a LoRA as .safetensors; other files could run code when they are read"
        )
    loader = _LORA_LOADERS[model.family]
    state = loader.lora_state_dict(path)
    try:
        loader.load_lora_into_transformer(dict(state), transformer=model.transformer)
    except (RuntimeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} does not fit {model.name}: {error}") from None
    # diffusers only warns of keys that it has no place for, and half a LoRA looks like a whole one.
    found = sum("lora_" in key for key, _ in model.transformer.named_parameters())
    wanted = sum("lora_" in key for key in state)
    if not wanted or found != wanted:
        raise ValueError(
            f"{path} is no LoRA for {model.name}: {found} of its {wanted} matrices have a place there"
        )


def _load_mini(folder: Path, changes: dict[str, Any]) -> MiniVideo:
    saved = json.loads((folder / EMBEDDED_INDEX).read_text(encoding="utf-8"))
    if changes:
        raise ValueError(f"mini makes videos of one size and window only, {saved['format']}")
    load = {"dtype": torch.float32}
    return MiniVideo(
        WanTransformer3DModel.from_pretrained(folder / "transformer", **load).eval(),
        AutoencoderPatchPCA.from_pretrained(folder / "autoencoder", **load).eval(),
        MiniFormat(**saved["format"]),
    )


def _load_published(folder: Path, name: str, dtype: torch.dtype, changes: dict[str, Any]) -> VideoModel:
    if not (folder / INDEX).is_file():
        raise FileNotFoundError(f"{folder} is no backbone: it has neither {INDEX} nor {EMBEDDED_INDEX}")
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    kind = index.get("_class_name")
    if kind not in _FAMILIES:
        raise ValueError(f"{folder} is a {kind}; backbones are {', '.join(_FAMILIES)}")
    if index.get("boundary_ratio") is not None or index.get("expand_timesteps"):
        raise ValueError(f"{folder} is a Wan 2.2, which denoises in another way; take a Wan 2.1")
    _check_tokenizer(folder)
    family, form = _FAMILIES[kind]
    # Wan's autoencoder loses visible quality in 16 bits; diffusers' documentation keeps it in 32, too.
    types = {"default": dtype, "vae": torch.float32 if family is WanVideo else dtype}
    parts = DiffusionPipeline.from_pretrained(folder, dtype=types, local_files_only=True).components
    parts = {key: part for key, part in parts.items() if part is not None and key != "transformer_2"}
    for part in parts.values():
        if isinstance(part, nn.Module):
            part.eval().requires_grad_(False)
    return family(**parts, form=replace(form, **changes), name=name)


def _load_published_mtvcraft(folder: Path, size: tuple[int, int] | None, **options: Any) -> KinemaPipeline:
    """MTVCraft from its published files, with the autoencoder and encoders of the backbone that it was made from."""
    from kinema.appearance.mtvcraft_loading import load_mtvcraft
    from kinema.structure.tokenizer import MotionTokenizer

    top = folder.parent.parent
    tokenizer = MotionTokenizer.from_published(
        top / "4DMoT" / "mp_rank_00_model_states.pt", top / "data" / "mean.npy", top / "data" / "std.npy"
    )
    backbone = "cogvideox-5b" if "cogvideox" in folder.name.lower() else "wan2.1-14b"
    if size is not None:
        options["size"] = size
    return load_mtvcraft(folder, tokenizer, backbone, **options)


def _check_tokenizer(folder: Path) -> None:
    """CogVideoX's tokenizer is a SentencePiece file alone, and without that package transformers fails obscurely."""
    plain = (folder / "tokenizer" / "tokenizer.json").is_file()
    if not plain and (folder / "tokenizer" / "spiece.model").is_file():
        missing = [name for name in ("sentencepiece", "google.protobuf") if find_spec(name) is None]
        if missing:
            raise ModuleNotFoundError(
                f"the tokenizer in {folder} needs `pip install sentencepiece==0.2.0 protobuf`"
            )


def _drive(text: str) -> tuple[str, frozenset[str]]:
    """`tokenmotion:camera` as name and signals; without a colon all of them."""
    name, _, words = text.partition(":")
    if name not in ADAPTERS:
        raise ValueError(f"no control method {name!r}: there are {', '.join(ADAPTERS)}")
    signals = frozenset(words.split("+")) if words else frozenset(SIGNALS)
    if not signals <= set(SIGNALS):
        raise ValueError(f"{text}: a control method may see {' or '.join(SIGNALS)}, e.g. {name}:{SIGNALS[0]}")
    return name, signals


def _adapter_folder(adapter: str, backbone: Path, weights: str | Path | None) -> Path | None:
    """Where trained weights of a method are: the folder itself, a subfolder of its name, or beside the backbone."""
    given = [] if weights is None else [Path(weights) / adapter, Path(weights)]
    for folder in [*given, backbone / adapter]:
        config = folder / "config.json"
        if (
            config.is_file()
            and _class_name(config) == ADAPTERS[adapter]
            and any(folder.glob("*.safetensors"))
        ):
            return folder
    return None


def _class_name(config: Path) -> str:
    facts: Mapping[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    return str(facts.get("_class_name"))


def _first_trained(backbone: Path, weights: str | Path | None, name: str) -> str:
    for adapter in ADAPTERS:
        if _adapter_folder(adapter, backbone, weights) is not None:
            return adapter
    raise FileNotFoundError(
        f"{name} has no trained adapter and would not follow a motion: give the folder of one "
        "(--adapter-weights), or take no control (--control none)"
    )
