"""The parts of a published backbone from its folder in diffusers layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from kinema.video.models.published import INDEX, index_of, read_json

_given: ContextVar[Mapping[str, Any] | None] = ContextVar("_given", default=None)


@contextmanager
def parts_given(parts: Mapping[str, Any]) -> Iterator[None]:
    """Within it, `load_parts` takes these parts, e.g. a transformer of a single file, or None for no part, instead of
    reading the folder's."""
    before = _given.set(parts)
    try:
        yield
    finally:
        _given.reset(before)


def load_parts(folder: Path, dtype: dict[str, torch.dtype] | torch.dtype) -> dict[str, Any]:
    """Every part by the name that diffusers gives it, frozen.

    Args:
        folder: in diffusers layout.
        dtype: of the weights, or of some parts by name with `default` for the others.

    Raises:
        ModuleNotFoundError: a package that its tokenizer needs.
        ValueError: weights that are missing, of another shape, or cannot be read; the message names part and weight.
    """
    import diffusers

    _check_tokenizer(folder)
    # Its own class: the general one passes over given parts that are optional in it.
    kind = getattr(diffusers, read_index(folder)["_class_name"], diffusers.DiffusionPipeline)
    given = dict(_given.get() or {})
    given = {**_networks(folder, dtype, given), **given}
    parts = kind.from_pretrained(folder, dtype=dtype, local_files_only=True, **given).components
    parts = {name: part for name, part in parts.items() if part is not None}
    for part in parts.values():
        if isinstance(part, nn.Module):
            part.eval().requires_grad_(False)
    return parts


def _networks(
    folder: Path, dtype: dict[str, torch.dtype] | torch.dtype, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Every network of a folder but the given ones, none with a weight that is not in its files.

    Both libraries fill what is missing with random numbers, or leave it without memory, and only warn.
    """
    from importlib import import_module

    made = {}
    for name, entry in read_index(folder).items():
        if name in given or not isinstance(entry, list) or entry[0] not in ("diffusers", "transformers"):
            continue
        if not (folder / name / "config.json").is_file():
            continue
        kind = getattr(import_module(entry[0]), entry[1])
        if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
            continue
        kept = dtype if isinstance(dtype, torch.dtype) else dtype.get(name, dtype["default"])
        try:
            network, told = kind.from_pretrained(  # type: ignore[attr-defined]
                folder / name, dtype=kept, local_files_only=True, output_loading_info=True
            )
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            why = " ".join(str(error).split())[:200]
            raise ValueError(f"{folder / name} cannot be read as {entry[1]}: {why}") from None
        missing = [*told["missing_keys"], *(each[0] for each in told.get("mismatched_keys", ()))]
        if missing:
            raise ValueError(
                f"{folder / name} is no whole {entry[1]}: {len(missing)} weights are missing or of another shape, e.g. "
                f"{sorted(missing)[0]}; fetch it again"
            )
        made[name] = network
    return made


def modular_parts(pipeline: Any, folder: Path, dtype: dict[str, torch.dtype]) -> None:
    """Loads the parts of a modular pipeline from its folder and nowhere else, frozen.

    Args:
        pipeline: made from the folder.
        folder: with all parts.
        dtype: of the weights, with `default` for what is not named.

    Raises:
        FileNotFoundError: a part that is not in the folder.
    """
    lacking = [name for name in pipeline.pretrained_component_names if not (folder / name).is_dir()]
    if lacking:
        raise FileNotFoundError(f"{folder} is not complete: there is no {', '.join(lacking)}")
    pipeline.load_components(dtype=dtype, local_files_only=True)
    if pipeline.null_component_names:
        broken = ", ".join(pipeline.null_component_names)
        raise FileNotFoundError(f"{folder} is not complete: {broken} cannot be read; fetch it again")
    for part in pipeline.components.values():
        if isinstance(part, nn.Module):
            part.eval().requires_grad_(False)


def read_index(folder: Path) -> dict[str, Any]:
    """The folder's index."""
    path = index_of(folder)
    if path is None:
        raise FileNotFoundError(f"{folder} has no {INDEX}")
    return read_json(path)


def read_config(folder: Path, part: str) -> dict[str, Any]:
    """The config of one part.

    Raises:
        FileNotFoundError: there is none.
    """
    file = folder / part / "config.json"
    if not file.is_file():
        raise FileNotFoundError(f"{folder} is not complete: there is no {part}/config.json; fetch it again")
    return read_json(file)


def _check_tokenizer(folder: Path) -> None:
    """CogVideoX's tokenizer is a SentencePiece file alone, and without that package transformers fails obscurely."""
    plain = (folder / "tokenizer" / "tokenizer.json").is_file()
    if not plain and (folder / "tokenizer" / "spiece.model").is_file():
        missing = [name for name in ("sentencepiece", "google.protobuf") if find_spec(name) is None]
        if missing:
            raise ModuleNotFoundError(
                f"the tokenizer in {folder} needs `pip install sentencepiece==0.2.0 protobuf`"
            )
