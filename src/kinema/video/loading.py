"""From a name or folder to a pipeline: the backbone, a LoRA, trained adapters, and where they work."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from kinema.video.adapters.adapter import ControlAdapter
from kinema.video.adapters.attach import attach
from kinema.video.caching import CacheChoice
from kinema.video.checkpoints import given_denoisers, metadata_in, shapes_in
from kinema.video.few_steps import Fast, fast_of, loras_for, sample_as_trained
from kinema.video.guided import CONDITIONS
from kinema.video.loras import Lora, LoraChoice, check_places, load_loras, loras_of
from kinema.video.memory import Memory, best_device, place
from kinema.video.models.published import (
    DENOISERS,
    EMBEDDED_INDEX,
    INDEX,
    find_backbone,
    index_of,
    local_backbone,
)
from kinema.video.models.published_parts import parts_given
from kinema.video.models.video_model import VideoFormat, VideoModel
from kinema.video.parallel import Parallel, join, own_device, share_out
from kinema.video.pipeline import KinemaPipeline
from kinema.video.quantisation import quantisation
from kinema.video.registry import (
    EMBEDDED,
    FAMILIES,
    GENERAL,
    Family,
    LoadOptions,
    adapter_class,
    adapter_names,
    checkpoint_reader,
    control_methods,
    family,
    family_of_pipeline,
    film_guiders,
)
from kinema.video.sixteen_bit import sixteen_bit_copy
from kinema.video.trained_backbone import has_trained_backbone, put_trained_backbone, trained_lora
from kinema.video.whole import AnyPipeline, WholeModel, WholePipeline

BACKBONE = "_kinema_backbone"
"""Key of an exported adapter's config under which its backbone's name stands; diffusers passes over it."""

_ALONE = "{} makes videos by a pipeline of its own: it has no window or denoising step to work on"


def load_pipeline(
    name: str | Path = EMBEDDED,
    adapters: Sequence[str] | None = None,
    *,
    adapter_weights: str | Path | None = None,
    base: str | Path | None = None,
    checkpoint: str | Path | Sequence[str | Path] | None = None,
    lora: LoraChoice = None,
    fast: str | Path | Sequence[str | Path] | None = None,
    size: tuple[int, int] | None = None,
    frames: int | None = None,
    fps: float | None = None,
    settings: Mapping[str, Any] | None = None,
    memory: Memory = "high",
    fp8: bool = False,
    quantise: str | None = None,
    attention: str | None = None,
    cache: str | None = None,
    compile_blocks: bool = False,
    parallel: Parallel | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> AnyPipeline:
    """Loads a pipeline.

    Args:
        name: the embedded backbone, a published one (`kinema models` lists them), or a folder: in diffusers layout, as
            the embedded one is saved, or published files that one of the papers reads.
        adapters: control methods to attach, e.g. `tokenmotion`; `tokenmotion:camera` lets it see the camera alone.
            Empty for none; by default the first that has trained weights for this backbone.
        adapter_weights: folder of a trained adapter, or of one such folder per adapter; by default those beside the
            backbone's own parts.
        base: of published files of a method: the backbone, by name or folder, whose other parts they use.
        checkpoint: the transformer as one file (.safetensors or .gguf) instead of the folder's; of a model of two experts
            both, the high noise one first. The folder then needs no transformer but its configuration.
        lora: LoRAs for the transformer (.safetensors), in a layout that diffusers reads: `style.safetensors:0.8` adds so
            much of one, `style.safetensors:0.8:high` to one of two experts.
        fast: sample in few steps as a distilled model was trained: `lightx2v`, `causvid`, `fastwan`, or a LoRA of theirs.
        size: (width, height) of the videos; by default what the backbone was trained on.
        frames: of one window, 4k + 1; by default what the backbone was trained on.
        fps: frames per second; by default what the backbone was trained on.
        settings: what only some families have: `recipe` and `control_strength` of VACE.
        memory, fp8, attention, compile_blocks: see `kinema.video.memory.place`.
        quantise: how the transformer's weights are kept, see `kinema.video.quantisation.WAYS`.
        cache: what leaves out work that changes little from step to step, see `kinema.video.caching.CacheChoice.of`.
        parallel: how processes that torchrun started share out what this one then does with them, see
            `kinema.video.parallel`; all load the same and make the same calls.
        device: where to work; by default the CPU for the embedded backbone, else the accelerator where there is one.
        dtype: of the weights; by default bfloat16 on an accelerator and float32 on the CPU. The embedded one is float32.

    Raises:
        FileNotFoundError: the backbone, a file, or an adapter's trained weights are not here.
        ModuleNotFoundError: a package that is needed for what was asked for is not installed.
        ValueError: an unknown name, or what does not fit together.

    Example:
        >>> pipeline = kinema.load_pipeline()
        >>> pipeline.size, pipeline.fps
        ((96, 128), 12.0)
    """
    drives = None if adapters is None else dict(_drive(each) for each in adapters)
    files = _files(checkpoint)
    folder = find_backbone(name, DENOISERS if files else ())
    published = checkpoint_reader(folder)
    embedded = (folder / EMBEDDED_INDEX).is_file()
    if parallel is not None:
        join(parallel)
        device = own_device("cpu" if device is None and embedded else device)
    where = torch.device(device) if device is not None else torch.device("cpu") if embedded else best_device()
    chosen, few, loras = check_asked(
        checkpoint=files, lora=lora, fast=fast, quantise=quantise, cache=cache, device=where, weights=folder
    )
    placing: dict[str, Any] = {"memory": memory, "fp8": fp8, "attention": attention}
    placing |= {"cache": chosen, "compile_blocks": compile_blocks}
    if published is not None:
        named = (adapters is None or list(drives or {}) == [published.name]) and not adapter_weights
        if not named or fps or settings:
            raise ValueError(f"{folder} is {published.title}: it comes with its own control and rate")
        asked = {"base": base, "checkpoint": files, "loras": loras, "fast": few, "frames": frames}
        asked = {option: given for option, given in {**asked, "quantise": quantise}.items() if given}
        if useless := [option for option in asked if option not in published.takes]:
            raise ValueError(
                f"{folder} is {published.title}, which knows no {' or '.join(useless)}: leave it out"
            )
        general = {option: given for option, given in placing.items() if option in GENERAL or given}
        pipeline = published.load(folder, size=size, device=device, **general, **asked)
        pipeline.loaded_with = {**pipeline.loaded_with, **_said(files, loras, few, quantise, chosen)}
        if parallel is not None:
            share_out(pipeline, parallel, where)
        return pipeline
    if embedded:
        dtype = torch.float32
    elif dtype is None:
        dtype = torch.float32 if where.type == "cpu" else torch.bfloat16
    if not embedded and _family_of(folder).whole:
        _check_whole(Path(name).name, control=drives, fast=few, cache=chosen)
    if not embedded and not files:
        check_places(loras, folder, _family_of(folder))
    lean = memory == "low" and where.type != "cpu" and not embedded
    source = sixteen_bit_copy(folder, dtype, _copies()) if lean and not files else folder
    model = _load(
        name,
        dtype,
        _changes(size, frames, fps),
        settings,
        base=base,
        source=source,
        checkpoint=files,
        quantise=quantise,
        device=where,
    )
    if has_trained_backbone(adapter_weights) and quantise is not None:
        raise ValueError(
            f"--quantise: {adapter_weights} holds a trained backbone, which is loaded unquantised"
        )
    if not isinstance(model, WholeModel):
        model = put_trained_backbone(model, adapter_weights)
    if (own := trained_lora(adapter_weights)) is not None:
        loras = (Lora(own), *loras)
    if few is not None:
        assert not isinstance(model, WholeModel)
        loras = (*loras_for(few, model, [*files, folder]), *loras)
        sample_as_trained(model, few.preset)
    load_loras(model, loras)
    if isinstance(model, WholeModel):
        model.took_loras({each.file.name: metadata_in(each.file) for each in loras})
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
    if (
        adapter_weights is not None
        and not drives
        and own is None
        and not has_trained_backbone(adapter_weights)
    ):
        raise ValueError(
            f"--adapter-weights: no control method of {model.name} reads {adapter_weights}; leave it out"
        )
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
    if isinstance(model, WholeModel):
        whole = WholePipeline(model, _said(files, loras, None, quantise, None))
        place(whole, device=where, **placing)
        model.placed(where)
        return whole
    pipeline = KinemaPipeline(model, loaded, drives)
    pipeline.fast = few
    pipeline.loaded_with = _said(files, loras, few, quantise, chosen)
    place(pipeline, device=where, **placing)
    if parallel is not None:
        share_out(pipeline, parallel, where)
    return pipeline


def check_asked(
    *,
    checkpoint: Sequence[Path] = (),
    lora: LoraChoice = None,
    fast: str | Path | Sequence[str | Path] | None = None,
    quantise: str | None = None,
    cache: str | None = None,
    device: torch.device | None = None,
    weights: Path | None = None,
) -> tuple[CacheChoice | None, Fast | None, tuple[Lora, ...]]:
    """What is meant by options of `load_pipeline`, said before anything heavy is read.

    Args:
        checkpoint, lora, fast, quantise, cache: as in `load_pipeline`.
        device: where it will work.
        weights: the model's folder, whose name may say that it is distilled.

    Raises:
        FileNotFoundError, ModuleNotFoundError, ValueError: what cannot be.
    """
    chosen = None if cache is None else CacheChoice.of(cache)
    few = fast_of(fast, [*checkpoint, *([] if weights is None else [weights])])
    loras = loras_of(lora)
    for each in (*loras, *(few.loras if few else ())):
        each.check()
    if quantise is not None:
        quantisation(quantise, device or best_device())
    for file in checkpoint:
        shapes_in(file)
    return chosen, few, loras


def in_our_loop(pipeline: AnyPipeline) -> KinemaPipeline:
    """A pipeline whose windows and denoising steps are ours, for work on those.

    Raises:
        ValueError: its model makes videos by a pipeline of its own.
    """
    if isinstance(pipeline, WholePipeline):
        raise ValueError(_ALONE.format(pipeline.video_model.name))
    return pipeline


def check_form(
    name: str | Path,
    size: tuple[int, int] | None = None,
    frames: int | None = None,
    fps: float | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    checkpoint: bool = False,
) -> None:
    """Says before anything heavy is read what videos a backbone cannot make; silent where its files are not here yet.

    Args:
        name, size, frames, fps, settings: as in `load_pipeline`.
        checkpoint: whether its transformer comes from elsewhere.

    Raises:
        ValueError: it cannot make them; the message says what it can.
    """
    changes = _changes(size, frames, fps)
    folder = local_backbone(name, DENOISERS if checkpoint else ())
    if (changes or settings) and folder is not None and checkpoint_reader(folder) is None:
        shown = folder.name if Path(name).is_dir() else str(name)
        options = LoadOptions(shown, torch.float32, changes, dict(settings or {}))
        found = _family_of(folder)
        found.check_settings(options)
        found.form(folder, options)


def format_of(
    name: str | Path,
    size: tuple[int, int] | None = None,
    frames: int | None = None,
    fps: float | None = None,
) -> tuple[VideoFormat, int]:
    """The videos that a backbone makes, and of what the sides are multiples, before its weights are read.

    Args:
        name, size, frames, fps: as in `load_pipeline`.

    Raises:
        FileNotFoundError, ValueError: as `load_model`.
    """
    folder = find_backbone(name)
    shown = folder.name if Path(name).is_dir() else str(name)
    options = LoadOptions(shown, torch.float32, _changes(size, frames, fps))
    return _family_of(folder).form(folder, options), VideoModel.size_multiple


def family_of(name: str | Path) -> Family:
    """The family that reads a backbone.

    Raises:
        FileNotFoundError, ValueError: as `load_model`.
    """
    return _family_of(find_backbone(name))


def load_model(
    name: str | Path,
    dtype: torch.dtype | None = None,
    changes: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    base: str | Path | None = None,
    source: Path | None = None,
    checkpoint: Sequence[Path] = (),
    quantise: str | None = None,
    device: torch.device | None = None,
) -> VideoModel:
    """A backbone alone, on the CPU.

    Args:
        name: as in `load_pipeline`; published files of papers are none.
        dtype: of its weights; float32 where None.
        changes: fields of its format that shall differ.
        settings, base: as in `load_pipeline`.
        source: the folder that is read, where it is another than the name's.
        checkpoint, quantise: as in `load_pipeline`.
        device: where it will work, which says what can be quantised.

    Raises:
        FileNotFoundError: it is not here.
        ValueError: an unknown name, a model that no family reads or whose own pipeline makes the video, or changes that
            it cannot make.
    """
    model = _load(
        name,
        dtype,
        changes,
        settings,
        base=base,
        source=source,
        checkpoint=checkpoint,
        quantise=quantise,
        device=device,
    )
    if isinstance(model, WholeModel):
        raise ValueError(_ALONE.format(model.name))
    return model


def _load(
    name: str | Path,
    dtype: torch.dtype | None = None,
    changes: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    *,
    base: str | Path | None = None,
    source: Path | None = None,
    checkpoint: Sequence[Path] = (),
    quantise: str | None = None,
    device: torch.device | None = None,
) -> VideoModel | WholeModel:
    """As `load_model`, for every family."""
    folder = source or find_backbone(name, DENOISERS if checkpoint else ())
    shown = Path(name).name if Path(name).is_dir() else str(name)
    dtype = dtype or torch.float32
    found = _family_of(folder)
    if base is not None and not found.takes_base:
        raise ValueError(f"--base: {folder} is a backbone, which brings its own parts; leave it out")
    beside = None if base is None else find_backbone(base, DENOISERS)
    options = LoadOptions(shown, dtype, dict(changes or {}), dict(settings or {}), beside)
    found.check_settings(options)
    if not checkpoint and quantise is None:
        return found.load(folder, options)
    if not found.pipelines:
        raise ValueError(f"--checkpoint and --quantise are for published models, not for {shown}")
    found.form(folder, options)
    way = None if quantise is None else quantisation(quantise, device or best_device())
    parts = given_denoisers(folder, checkpoint, way, dtype)
    with parts_given(parts):
        model = found.load(folder, options)
    if not all(any(part is each for each in model.denoisers) for part in parts.values()):
        raise ValueError(f"--checkpoint and --quantise: {shown} reads its transformer in its own way")
    return model


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


def _check_whole(name: str, **asked: Any) -> None:
    """Refuses for pipelines of diffusers what works in our own loop alone.

    Args:
        name: of the model.
        asked: options with what was given; none where that is None or empty.

    Raises:
        ValueError: any of it was asked for.
    """
    if useless := [f"--{option}" for option, given in asked.items() if given]:
        raise ValueError(
            f"{name} is sampled by a pipeline of its own, which knows no {' or '.join(useless)}: leave it out"
        )


def _files(checkpoint: str | Path | Sequence[str | Path] | None) -> tuple[Path, ...]:
    """Files of `--checkpoint`, one or several."""
    if checkpoint is None:
        return ()
    return tuple(map(Path, [checkpoint] if isinstance(checkpoint, (str, Path)) else checkpoint))


def _said(
    files: Sequence[Path],
    loras: Sequence[Lora],
    few: Fast | None,
    quantise: str | None,
    cache: CacheChoice | None,
) -> dict[str, Any]:
    """What settings say about how a pipeline was loaded; nothing where it was loaded plainly."""
    said: dict[str, Any] = {"checkpoint": [each.name for each in files]} if files else {}
    said |= {"loras": [each.settings() for each in loras]} if loras else {}
    said |= {} if few is None else few.settings()
    said |= {} if quantise is None else {"quantise": quantise}
    return said | ({} if cache is None else cache.settings())


def _copies() -> Path:
    """Where 16-bit copies of weights are kept."""
    from kinema.capture.cache import cache_folder

    return cache_folder() / "16bit"


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
        for each in map(family, FAMILIES):
            if each.reads(folder):
                return each
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
    if name in film_guiders():
        raise ValueError(f"{name} is no adapter: it follows a film, and is given to a call as its guidance")
    if name not in adapter_names():
        raise ValueError(f"no control method {name!r}: there are {', '.join(control_methods())}")
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
