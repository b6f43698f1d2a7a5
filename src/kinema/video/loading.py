"""From a name or folder to a pipeline: the backbone, a LoRA, trained adapters, and where they work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from kinema.video.caching import CacheChoice
from kinema.video.checkpoints import metadata_in, shapes_in
from kinema.video.few_steps import Fast, fast_of, loras_for, sample_as_trained
from kinema.video.guided import CONDITIONS
from kinema.video.loras import Lora, LoraChoice, check_places, load_loras, loras_of
from kinema.video.memory import Memory, best_device, place
from kinema.video.model_loading import ALONE, family_of_folder, format_changes, load_any_model
from kinema.video.models.published import DENOISERS, EMBEDDED_INDEX, find_backbone
from kinema.video.models.video_model import VideoModel
from kinema.video.parallel import Parallel, join, own_device, share_out
from kinema.video.pipeline import KinemaPipeline
from kinema.video.quantisation import quantisation
from kinema.video.registry import EMBEDDED, GENERAL, CheckpointReader, checkpoint_reader
from kinema.video.sixteen_bit import copies_folder, sixteen_bit_copy
from kinema.video.trained_adapters import (
    attach_trained,
    check_given,
    first_trained,
    load_adapter,
    parse_drive,
)
from kinema.video.trained_backbone import has_trained_backbone, put_trained_backbone, trained_lora
from kinema.video.whole import AnyPipeline, WholeModel, WholePipeline


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
    drives = None if adapters is None else dict(parse_drive(each) for each in adapters)
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
        others = drives is not None and list(drives) != [published.name]
        if others or adapter_weights or fps or settings:
            raise ValueError(f"{folder} is {published.title}: it comes with its own control and rate")
        asked = {"base": base, "checkpoint": files, "loras": loras, "fast": few, "frames": frames}
        pipeline = _read_checkpoint(
            published, folder, {**asked, "quantise": quantise}, placing, size=size, device=device
        )
        pipeline.loaded_with = {**pipeline.loaded_with, **_said(files, loras, few, quantise, chosen)}
        if parallel is not None:
            share_out(pipeline, parallel, where)
        return pipeline
    if embedded:
        dtype = torch.float32
    elif dtype is None:
        dtype = torch.float32 if where.type == "cpu" else torch.bfloat16
    if not embedded and family_of_folder(folder).whole:
        _check_whole(Path(name).name, control=drives, fast=few, cache=chosen)
    if not embedded and not files:
        check_places(loras, folder, family_of_folder(folder))
    if has_trained_backbone(adapter_weights) and quantise is not None:
        raise ValueError(
            f"--quantise: {adapter_weights} holds a trained backbone, which is loaded unquantised"
        )
    lean = memory == "low" and where.type != "cpu" and not embedded
    model = load_any_model(
        name,
        dtype,
        format_changes(size, frames, fps),
        settings,
        base=base,
        source=sixteen_bit_copy(folder, dtype, copies_folder()) if lean and not files else folder,
        checkpoint=files,
        quantise=quantise,
        device=where,
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
    said = _said(files, loras, few, quantise, chosen)
    if drives == {}:
        model.follow_nothing()
    drives = _methods(model, drives, folder, adapter_weights)
    if isinstance(model, WholeModel):
        whole = WholePipeline(model, said)
        place(whole, device=where, **placing)
        model.placed(where)
        return whole
    loaded = {each: load_adapter(each, folder, adapter_weights, model.name, dtype) for each in drives}
    attach_trained(model, loaded)
    pipeline = KinemaPipeline(model, loaded, drives)
    pipeline.fast = few
    pipeline.loaded_with = said
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
        raise ValueError(ALONE.format(pipeline.video_model.name))
    return pipeline


def _read_checkpoint(
    reader: CheckpointReader,
    folder: Path,
    asked: Mapping[str, Any],
    placing: Mapping[str, Any],
    *,
    size: tuple[int, int] | None,
    device: torch.device | str | None,
) -> KinemaPipeline:
    """The pipeline of published files that a paper reads, given what its reader knows of what was asked for.

    Raises:
        ValueError: something that it does not know.
    """
    given = {option: each for option, each in asked.items() if each}
    if useless := [option for option in given if option not in reader.takes]:
        raise ValueError(f"{folder} is {reader.title}, which knows no {' or '.join(useless)}: leave it out")
    general = {option: each for option, each in placing.items() if option in GENERAL or each}
    return reader.load(folder, size=size, device=device, **general, **given)


def _methods(
    model: VideoModel | WholeModel,
    asked: dict[str, frozenset[str]] | None,
    folder: Path,
    weights: str | Path | None,
) -> dict[str, frozenset[str]]:
    """Which control methods a model gets, and what each sees of a scene.

    Args:
        model: as it is read.
        asked: the methods that were asked for; None where that is open.
        folder: of the model, which may hold trained adapters.
        weights: as `--adapter-weights`.

    Raises:
        FileNotFoundError: none of them is trained.
        ValueError: the model takes no such method, or nothing reads the weights.
    """
    chosen = {} if asked is None else asked
    if chosen and not model.takes_adapters:
        raise ValueError(
            f"{model.name} follows scenes by itself and has no {', '.join(chosen)}: leave out --control"
        )
    if chosen and weights is not None:
        check_given(weights, list(chosen))
    if asked is None and not model.follows:
        if isinstance(model, WholeModel):
            raise ValueError(
                f"{model.name} follows no scene as it is: {model.follows_with}, or take no control (--control none)"
            )
        chosen = {first_trained(folder, weights, model.name): frozenset(CONDITIONS)}
    read = bool(chosen) or trained_lora(weights) is not None or has_trained_backbone(weights)
    if weights is not None and not read:
        raise ValueError(
            f"--adapter-weights: no control method of {model.name} reads {weights}; leave it out"
        )
    return chosen


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
