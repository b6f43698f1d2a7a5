"""The parts of a published backbone from its folder in diffusers layout."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from kinema.video.models.published import INDEX

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
    """
    import diffusers

    _check_tokenizer(folder)
    # Its own class: the general one passes over given parts that are optional in it.
    kind = getattr(diffusers, read_index(folder)["_class_name"], diffusers.DiffusionPipeline)
    given = dict(_given.get() or {})
    parts = kind.from_pretrained(folder, dtype=dtype, local_files_only=True, **given).components
    parts = {name: part for name, part in parts.items() if part is not None}
    for part in parts.values():
        if isinstance(part, nn.Module):
            part.eval().requires_grad_(False)
    return parts


def read_index(folder: Path) -> dict[str, Any]:
    """The folder's index."""
    return json.loads((folder / INDEX).read_text(encoding="utf-8"))


def read_config(folder: Path, part: str) -> dict[str, Any]:
    """The config of one part.

    Raises:
        FileNotFoundError: there is none.
    """
    file = folder / part / "config.json"
    if not file.is_file():
        raise FileNotFoundError(f"{folder} is not complete: there is no {part}/config.json; fetch it again")
    return json.loads(file.read_text(encoding="utf-8"))


def _check_tokenizer(folder: Path) -> None:
    """CogVideoX's tokenizer is a SentencePiece file alone, and without that package transformers fails obscurely."""
    plain = (folder / "tokenizer" / "tokenizer.json").is_file()
    if not plain and (folder / "tokenizer" / "spiece.model").is_file():
        missing = [name for name in ("sentencepiece", "google.protobuf") if find_spec(name) is None]
        if missing:
            raise ModuleNotFoundError(
                f"the tokenizer in {folder} needs `pip install sentencepiece==0.2.0 protobuf`"
            )
