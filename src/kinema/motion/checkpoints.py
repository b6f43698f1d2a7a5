"""Foreign weights, read safely and loaded whole or not at all.

Reads flat safetensors files, diffusers folders (one file or shards with an index) and original .pt/.pth/.bin files;
nothing is unpickled beyond tensors and plain containers.
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

_PICKLED = (".pt", ".pth", ".bin", ".ckpt")
_INDEX = ".index.json"
_WRAPPERS = ("module", "state_dict")  # DeepSpeed's and Lightning's names for the weights among other things
_LISTED = 8


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or does not fit the model; the message says what is wrong where."""


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """Reads the weights of a file or folder, on the CPU, memory-mapped where the format allows it.

    Args:
        path: a .safetensors file; a .pt, .pth, .bin or .ckpt file, whose weights may lie under "module" (DeepSpeed) or
            "state_dict"; or a folder in diffusers layout, with one such file or with shards and an index.

    Raises:
        FileNotFoundError: there is nothing at this path, or a shard of the index is missing.
        CheckpointError: not a checkpoint, damaged, ambiguous, or it holds more than tensors and plain containers.
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path)
    if not path.exists():
        raise FileNotFoundError(f"no weights at {path}: give a weights file or a folder in diffusers layout")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error
    if path.suffix in _PICKLED:
        return _read_pickled(path)
    raise CheckpointError(
        f"{path} is not a weights file by its name; known are .safetensors, {', '.join(_PICKLED)}"
    )


def load_exactly(
    module: nn.Module, state: Mapping[str, torch.Tensor], source: str | Path, assign: bool = False
) -> None:
    """Loads a state dict that fits key by key and shape by shape; otherwise loads nothing.

    Args:
        module: keeps its own dtype and device, unless `assign`.
        state: weights by the module's own key names.
        source: where they come from, for the message.
        assign: make the given tensors the module's own instead of copying, for modules without memory (meta device).

    Raises:
        CheckpointError: keys are missing or unexpected, or shapes differ; the message counts and names them.
    """
    wanted = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in state.items()}
    misshaped = [
        f"{key}: {list(given[key])} in the file, {list(shape)} in the model"
        for key, shape in wanted.items()
        if key in given and given[key] != shape
    ]
    problems = [
        _listing("missing", [key for key in wanted if key not in given]),
        _listing("unexpected", [key for key in given if key not in wanted]),
        _listing("wrongly shaped", misshaped),
    ]
    if any(problems):
        raise CheckpointError(
            f"the weights of {source} do not fit {type(module).__name__} ({len(wanted)} keys), nothing was loaded.\n"
            + "\n".join(problem for problem in problems if problem)
            + "\nCheck that this is the file of this model, and that the model's configuration is the file's."
        )
    module.load_state_dict(state, assign=assign)


def _listing(what: str, entries: list[str]) -> str:
    if not entries:
        return ""
    rest = len(entries) - _LISTED
    return f"{len(entries)} {what}: " + "; ".join(entries[:_LISTED]) + (f"; and {rest} more" * (rest > 0))


def _read_folder(folder: Path) -> dict[str, torch.Tensor]:
    indices = sorted(folder.glob("*" + _INDEX))
    if indices:
        return _read_shards(_preferred(folder, indices))
    files = sorted(file for file in folder.iterdir() if file.suffix in (".safetensors", *_PICKLED))
    if not files:
        raise CheckpointError(f"the folder {folder} holds no weights file and no index of shards")
    return read_state_dict(_preferred(folder, files))


def _preferred(folder: Path, files: list[Path]) -> Path:
    """The one file to read: safetensors before pickles, and never a guess between two."""
    chosen = [file for file in files if ".safetensors" in file.suffixes] or files
    if len(chosen) > 1:
        raise CheckpointError(
            f"the folder {folder} holds several weights ({', '.join(file.name for file in chosen[:_LISTED])}); "
            "name the file to read"
        )
    return chosen[0]


def _read_shards(index: Path) -> dict[str, torch.Tensor]:
    promised = _weight_map(index)
    merged: dict[str, torch.Tensor] = {}
    for name in sorted(set(promised.values())):
        merged |= read_state_dict(index.parent / name)
    missing = [key for key in promised if key not in merged]
    if missing:
        raise CheckpointError(f"the shards of {index} lack keys it promises. {_listing('missing', missing)}")
    return merged


def _weight_map(index: Path) -> dict[str, str]:
    """The file of each key, by an index; all files must lie beside it."""
    try:
        names = dict(json.loads(index.read_text())["weight_map"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{index} is not an index of shards: it has no `weight_map`") from error
    for name in names.values():
        if not isinstance(name, str) or Path(name).name != name or Path(name).suffix == ".json":
            raise CheckpointError(f"{index} names the shard {name!r}, which is not a weights file beside it")
    return names


def _read_pickled(path: Path) -> dict[str, torch.Tensor]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0][:200] or type(error).__name__
        raise CheckpointError(
            f"{path} cannot be read safely: it is damaged, or holds Python objects beside tensors ({reason})"
        ) from error
    while isinstance(content, dict):
        inner = next((content[name] for name in _WRAPPERS if isinstance(content.get(name), dict)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not weights by name")
    strange = [str(key) for key, value in content.items() if not isinstance(value, torch.Tensor)]
    if strange:
        raise CheckpointError(
            f"{path} holds more than weights. {_listing('entries that are no tensor', strange)}"
        )
    return content
