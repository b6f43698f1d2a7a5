"""Networks that are saved as diffusers saves them, without importing diffusers.

diffusers' own ModelMixin brings in torch._dynamo, LoRA loaders and transformers, seconds of start-up that a small network
does not need. The layout is the same: `config.json` and safetensors, in shards with an index where they are large. Parts
of a video pipeline stay diffusers' own, whose offloading and placement they need.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, Self

import torch
from torch import nn

_CONFIG = "config.json"
_WEIGHTS = "diffusion_pytorch_model"


class Module(nn.Module):
    """A network whose constructor arguments are its `config`; they must be JSON types or tuples of them."""

    config: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _remembering(cls.__init__)  # type: ignore[method-assign]

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return next(tensor.dtype for tensor in _tensors(self) if tensor.is_floating_point())

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(_tensors(self)).device

    @classmethod
    def from_pretrained(cls, folder: str | Path, dtype: torch.dtype = torch.float32, **changes: Any) -> Self:
        """A network from its folder, in evaluation mode.

        Args:
            folder: with `config.json` and weights.
            dtype: of the weights.
            changes: constructor arguments that shall differ from those that were saved.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file is damaged, or the weights are those of another network.
        """
        place = Path(folder)
        if not (place / _CONFIG).is_file():
            raise FileNotFoundError(f"{place} holds no {_CONFIG}: give the folder of a saved {cls.__name__}")
        saved = _object(place / _CONFIG)
        arguments = {name: saved[name] for name in inspect.signature(cls).parameters if name in saved}
        try:
            with torch.random.fork_rng(devices=[]):  # loading draws nothing from anybody's seed
                made = cls(**{**arguments, **changes})
        except (TypeError, RuntimeError) as error:
            raise ValueError(f"{place / _CONFIG} is not that of a {cls.__name__}: {error}") from error
        state = _read(place)
        try:
            made.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(f"{place}: the weights are not those of this {cls.__name__}: {error}") from None
        return made.to(dtype).eval()

    def save_pretrained(self, folder: str | Path, max_shard_size: str = "5GB") -> None:
        """Writes `config.json` and the weights in their present precision.

        Args:
            folder: made where it does not exist.
            max_shard_size: of each file, e.g. "15MB".
        """
        from huggingface_hub import save_torch_state_dict

        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        facts = {"_class_name": type(self).__name__, **vars(self.config)}
        (place / _CONFIG).write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        state = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        save_torch_state_dict(
            state, place, filename_pattern=_WEIGHTS + "{suffix}.safetensors", max_shard_size=max_shard_size
        )


def _remembering(init: Any) -> Any:
    signature = inspect.signature(init)

    def __init__(self: Module, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments)
        given.pop(next(iter(given)))
        if "config" not in vars(self):
            object.__setattr__(self, "config", _Config(**given))
        init(self, **given)

    __init__.__wrapped__ = init  # type: ignore[attr-defined]  # for inspect.signature
    __init__.__doc__ = init.__doc__
    return __init__


class _Config(SimpleNamespace):
    """Constructor arguments by name; not to be changed."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"the config of a network does not change: {name}")

    def __getitem__(self, name: str) -> Any:
        return vars(self)[name]

    def get(self, name: str, default: Any = None) -> Any:
        """An argument, or the default where there is none of that name."""
        return MappingProxyType(vars(self)).get(name, default)


def _tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def _read(place: Path) -> dict[str, torch.Tensor]:
    """Weights of a folder, one file or shards with an index."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    index = place / f"{_WEIGHTS}.safetensors.index.json"
    names = [f"{_WEIGHTS}.safetensors"]
    if index.is_file():
        shards = _object(index).get("weight_map")
        if not isinstance(shards, dict) or not all(Path(str(name)).name == name for name in shards.values()):
            raise ValueError(f"{index} does not say which files beside it hold the weights")
        names = sorted(set(shards.values()))
    state: dict[str, torch.Tensor] = {}
    for name in names:
        if not (place / name).is_file():
            raise FileNotFoundError(f"{place} holds no {name}: its weights are incomplete")
        try:
            state |= load_file(place / name)
        except SafetensorError as error:
            raise ValueError(f"{place / name} is damaged: {error}") from None
    return state


def _object(file: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ValueError: it holds none.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{file} holds no JSON object")
    return found
