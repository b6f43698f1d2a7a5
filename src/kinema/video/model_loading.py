"""From a name or folder to a video model alone: which family reads it, and what videos it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from kinema.video.checkpoints import given_denoisers
from kinema.video.memory import best_device
from kinema.video.models.published import (
    DENOISERS,
    EMBEDDED_INDEX,
    INDEX,
    find_backbone,
    index_of,
    local_backbone,
    read_json,
)
from kinema.video.models.published_parts import parts_given
from kinema.video.models.video_model import VideoFormat, VideoModel
from kinema.video.quantisation import quantisation
from kinema.video.registry import (
    FAMILIES,
    Family,
    LoadOptions,
    checkpoint_reader,
    family,
    family_of_pipeline,
)
from kinema.video.whole import WholeModel

ALONE = "{} makes videos by a pipeline of its own: it has no window or denoising step to work on"


def load_any_model(
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
    """A backbone alone, on the CPU, whoever samples it.

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
        ValueError: an unknown name, a model that no family reads, or changes that it cannot make.
    """
    folder = source or find_backbone(name, DENOISERS if checkpoint else ())
    shown = _shown(name)
    dtype = dtype or torch.float32
    found = family_of_folder(folder)
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


def load_model(
    name: str | Path,
    dtype: torch.dtype | None = None,
    changes: Mapping[str, Any] | None = None,
    **how: Any,
) -> VideoModel:
    """A backbone that our own loop samples, alone, on the CPU.

    Args:
        name, dtype, changes, how: as in `load_any_model`.

    Raises:
        FileNotFoundError, ValueError: as `load_any_model`; or the model's own pipeline makes the video.
    """
    model = load_any_model(name, dtype, changes, **how)
    if isinstance(model, WholeModel):
        raise ValueError(ALONE.format(model.name))
    return model


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
    changes = format_changes(size, frames, fps)
    folder = local_backbone(name, DENOISERS if checkpoint else ())
    if (changes or settings) and folder is not None and checkpoint_reader(folder) is None:
        options = LoadOptions(_shown(name), torch.float32, changes, dict(settings or {}))
        found = family_of_folder(folder)
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
        FileNotFoundError, ValueError: as `load_any_model`.
    """
    folder = find_backbone(name)
    options = LoadOptions(_shown(name), torch.float32, format_changes(size, frames, fps))
    return family_of_folder(folder).form(folder, options), VideoModel.size_multiple


def family_of(name: str | Path) -> Family:
    """The family that reads a backbone.

    Raises:
        FileNotFoundError, ValueError: as `load_any_model`.
    """
    return family_of_folder(find_backbone(name))


def family_of_folder(folder: Path) -> Family:
    """Which family reads a folder, by its index.

    Raises:
        FileNotFoundError: it has no index that a family reads.
        ValueError: its index is damaged, or names another pipeline.
    """
    if (folder / EMBEDDED_INDEX).is_file():
        named = read_json(folder / EMBEDDED_INDEX).get("backbone")
        if named is None:
            raise ValueError(f"{folder} holds no video backbone: its {EMBEDDED_INDEX} names none")
        return family(named)
    index = index_of(folder)
    if index is None:
        for each in map(family, FAMILIES):
            if each.reads(folder):
                return each
        raise FileNotFoundError(f"{folder} is no backbone: it has neither {INDEX} nor {EMBEDDED_INDEX}")
    kind = read_json(index).get("_class_name")
    found = family_of_pipeline(kind)
    if found is None:
        known = [pipeline for each in FAMILIES for pipeline in family(each).pipelines]
        raise ValueError(f"{folder} is a {kind}; backbones are {', '.join(known)}")
    return found


def format_changes(size: tuple[int, int] | None, frames: int | None, fps: float | None) -> dict[str, Any]:
    """Fields of a format that shall differ, for `load_any_model`."""
    changed = {"width": size and size[0], "height": size and size[1], "frames": frames, "fps": fps}
    return {key: value for key, value in changed.items() if value is not None}


def _shown(name: str | Path) -> str:
    """What messages and settings call a backbone."""
    return Path(name).absolute().name if Path(name).is_dir() else str(name)
