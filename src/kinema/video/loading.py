"""From a name or folder to a pipeline: the backbone, a LoRA, trained adapters, and where they work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from kinema.video.adapters.adapter import ControlAdapter
from kinema.video.adapters.attach import attach
from kinema.video.guided import CONDITIONS
from kinema.video.memory import Memory, best_device, place
from kinema.video.models.published import (
    EMBEDDED_INDEX,
    INDEX,
    find_backbone,
    index_of,
    local_backbone,
)
from kinema.video.models.video_model import VideoModel
from kinema.video.pipeline import KinemaPipeline
from kinema.video.registry import (
    EMBEDDED,
    FAMILIES,
    Family,
    LoadOptions,
    adapter_class,
    adapter_names,
    checkpoint_reader,
    family,
    family_of_pipeline,
)
from kinema.video.whole import WholeModel, WholePipeline

BACKBONE = "_kinema_backbone"
"""Key of an exported adapter's config under which its backbone's name stands; diffusers passes over it."""


def load_pipeline(
    name: str | Path = EMBEDDED,
    adapters: Sequence[str] | None = None,
    *,
    adapter_weights: str | Path | None = None,
    lora: str | Path | None = None,
    size: tuple[int, int] | None = None,
    frames: int | None = None,
    fps: float | None = None,
    settings: Mapping[str, Any] | None = None,
    memory: Memory = "high",
    fp8: bool = False,
    attention: str | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> KinemaPipeline | WholePipeline:
    """Loads a pipeline.

    Args:
        name: the embedded backbone, a published one (`kinema models` lists them), or a folder: in diffusers layout, as
            the embedded one is saved, or published files that one of the papers reads.
        adapters: control methods to attach, e.g. `tokenmotion`; `tokenmotion:camera` lets it see the camera alone.
            Empty for none; by default the first that has trained weights for this backbone.
        adapter_weights: folder of a trained adapter, or of one such folder per adapter; by default those beside the
            backbone's own parts.
        lora: a LoRA for the transformer (.safetensors), in a layout that diffusers reads.
        size: (width, height) of the videos; by default what the backbone was trained on.
        frames: of one window, 4k + 1; by default what the backbone was trained on.
        fps: frames per second; by default what the backbone was trained on.
        settings: what only some families have: `recipe` and `control_strength` of VACE.
        memory, fp8, attention: see `kinema.video.memory.place`.
        device: where to work; by default the CPU for the embedded backbone, else the accelerator where there is one.
        dtype: of the weights; by default bfloat16 on an accelerator and float32 on the CPU. The embedded one is float32.

    Raises:
        FileNotFoundError: the backbone or an adapter's trained weights are not here.
        ValueError: an unknown name, or what does not fit together.

    Example:
        >>> pipeline = kinema.load_pipeline()
        >>> pipeline.size, pipeline.fps
        ((96, 128), 12.0)
    """
    drives = None if adapters is None else dict(_drive(each) for each in adapters)
    folder = find_backbone(name)
    published = checkpoint_reader(folder)
    if published is not None:
        named = (adapters is None or list(drives or {}) == [published.name]) and not adapter_weights
        if not named or lora or frames or fps or settings:
            raise ValueError(f"{folder} is {published.title}: it comes with its own control, length and rate")
        return published.load(folder, size=size, memory=memory, fp8=fp8, attention=attention, device=device)
    embedded = (folder / EMBEDDED_INDEX).is_file()
    where = torch.device(device) if device is not None else torch.device("cpu") if embedded else best_device()
    if embedded:
        dtype = torch.float32
    elif dtype is None:
        dtype = torch.float32 if where.type == "cpu" else torch.bfloat16
    model = _load(name, dtype, _changes(size, frames, fps), settings)
    if lora is not None:
        load_lora(model, lora)
    if drives is None and model.follows:
        drives = {}
    elif drives == {}:
        model.follow_nothing()
    elif drives and not model.takes_adapters:
        raise ValueError(
            f"{model.name} follows scenes by itself and has no {', '.join(drives)}: leave out --control"
        )
    elif drives is None and isinstance(model, WholeModel):
        raise ValueError(
            f"{model.name} follows no scene as it is: {model.follows_with}, or take no control (--control none)"
        )
    elif drives is None:
        drives = {_first_trained(folder, adapter_weights, model.name): frozenset(CONDITIONS)}
    elif drives and adapter_weights is not None:
        _check_given(adapter_weights, list(drives))
    loaded = {each: load_adapter(each, folder, adapter_weights, model.name, dtype) for each in drives}
    for each, adapter in loaded.items():
        try:
            for denoiser in model.denoisers:
                attach(denoiser, adapter, each)
        except ValueError as error:
            trained_on = adapter.config.get(BACKBONE, model.name)
            hint = (
                "" if trained_on == model.name else f": it was trained on {trained_on}, not on {model.name}"
            )
            raise ValueError(f"{error}{hint}") from None
    pipeline = (
        WholePipeline(model) if isinstance(model, WholeModel) else KinemaPipeline(model, loaded, drives)
    )
    place(pipeline, memory, device=where, fp8=fp8, attention=attention)
    return pipeline


def check_form(
    name: str | Path,
    size: tuple[int, int] | None = None,
    frames: int | None = None,
    fps: float | None = None,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Says before anything heavy is read what videos a backbone cannot make; silent where its files are not here yet.

    Args:
        name, size, frames, fps, settings: as in `load_pipeline`.

    Raises:
        ValueError: it cannot make them; the message says what it can.
    """
    changes = _changes(size, frames, fps)
    folder = local_backbone(name)
    if (changes or settings) and folder is not None and checkpoint_reader(folder) is None:
        shown = folder.name if Path(name).is_dir() else str(name)
        options = LoadOptions(shown, torch.float32, changes, dict(settings or {}))
        found = _family_of(folder)
        found.check_settings(options)
        found.form(folder, options)


def load_model(
    name: str | Path,
    dtype: torch.dtype | None = None,
    changes: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> VideoModel:
    """A backbone alone, on the CPU.

    Args:
        name: as in `load_pipeline`; published files of papers are none.
        dtype: of its weights; float32 where None.
        changes: fields of its format that shall differ.
        settings: as in `load_pipeline`.

    Raises:
        FileNotFoundError: it is not here.
        ValueError: an unknown name, a model that no family reads or whose own pipeline makes the video, or changes that
            it cannot make.
    """
    model = _load(name, dtype, changes, settings)
    if isinstance(model, WholeModel):
        raise ValueError(
            f"{model.name} makes videos by a pipeline of its own: it has no window or denoising step to work on"
        )
    return model


def _load(
    name: str | Path,
    dtype: torch.dtype | None,
    changes: Mapping[str, Any] | None,
    settings: Mapping[str, Any] | None,
) -> VideoModel | WholeModel:
    """As `load_model`, for every family."""
    folder = find_backbone(name)
    shown = folder.name if Path(name).is_dir() else str(name)
    options = LoadOptions(shown, dtype or torch.float32, dict(changes or {}), dict(settings or {}))
    found = _family_of(folder)
    found.check_settings(options)
    return found.load(folder, options)


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


def load_lora(model: VideoModel | WholeModel, file: str | Path) -> None:
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
    loader = family(model.family).lora_loader()
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
    if isinstance(model, WholeModel):
        with safe_open(path, framework="pt") as opened:
            model.took_lora(path.name, opened.metadata() or {})


def _changes(size: tuple[int, int] | None, frames: int | None, fps: float | None) -> dict[str, Any]:
    """Fields of a format that shall differ."""
    changed = {"width": size and size[0], "height": size and size[1], "frames": frames, "fps": fps}
    return {key: value for key, value in changed.items() if value is not None}


def _family_of(folder: Path) -> Family:
    """Which family reads a folder, by its index."""
    if (folder / EMBEDDED_INDEX).is_file():
        named = json.loads((folder / EMBEDDED_INDEX).read_text(encoding="utf-8")).get("backbone")
        if named is None:
            raise ValueError(f"{folder} holds no video backbone: its {EMBEDDED_INDEX} names none")
        return family(named)
    index = index_of(folder)
    if index is None:
        raise FileNotFoundError(f"{folder} is no backbone: it has neither {INDEX} nor {EMBEDDED_INDEX}")
    kind = json.loads(index.read_text(encoding="utf-8")).get("_class_name")
    found = family_of_pipeline(kind)
    if found is None:
        known = [pipeline for each in FAMILIES for pipeline in family(each).pipelines]
        raise ValueError(f"{folder} is a {kind}; backbones are {', '.join(known)}")
    return found


def _drive(text: str) -> tuple[str, frozenset[str]]:
    """`tokenmotion:camera` as name and signals; without a colon all of them."""
    name, _, words = text.partition(":")
    if name not in adapter_names():
        raise ValueError(f"no control method {name!r}: there are {', '.join(adapter_names())}")
    signals = frozenset(words.split("+")) if words else frozenset(CONDITIONS)
    if not signals <= set(CONDITIONS):
        raise ValueError(
            f"{text}: a control method may see {' or '.join(CONDITIONS)}, e.g. {name}:{CONDITIONS[0]}"
        )
    return name, signals


def _adapter_folder(adapter: str, backbone: Path, weights: str | Path | None) -> Path | None:
    """Where trained weights of a method are: among those given, or beside the backbone."""
    given = None if weights is None else _trained_in(Path(weights), adapter)
    return given or _trained_in(backbone, adapter)


def _trained_in(folder: Path, adapter: str) -> Path | None:
    """Where a folder holds trained weights of a method: in a subfolder of its name, or itself."""
    return next((each for each in (folder / adapter, folder) if _is_trained(each, adapter)), None)


def _is_trained(folder: Path, adapter: str) -> bool:
    config = folder / "config.json"
    return (
        config.is_file()
        and _class_name(config) == adapter_class(adapter).__name__
        and any(folder.glob("*.safetensors"))
    )


def _check_given(weights: str | Path, adapters: Sequence[str]) -> None:
    """Weights that are given are used: those beside the backbone do not take their place unseen.

    Raises:
        FileNotFoundError: no such folder, or it has weights for none of the methods.
    """
    if not Path(weights).is_dir():
        raise FileNotFoundError(f"{weights}: no such folder of adapter weights")
    if not any(_trained_in(Path(weights), each) for each in adapters):
        raise FileNotFoundError(f"there are no trained weights for {' or '.join(adapters)} in {weights}")


def _class_name(config: Path) -> str:
    facts: Mapping[str, Any] = json.loads(config.read_text(encoding="utf-8"))
    return str(facts.get("_class_name"))


def _first_trained(backbone: Path, weights: str | Path | None, name: str) -> str:
    """The first method that has trained weights: among those given, or else beside the backbone."""
    if weights is not None:
        _check_given(weights, adapter_names())
    for adapter in adapter_names():
        if _trained_in(backbone if weights is None else Path(weights), adapter) is not None:
            return adapter
    raise FileNotFoundError(
        f"{name} has no trained adapter and would not follow a motion: give the folder of one "
        "(--adapter-weights), or take no control (--control none)"
    )
