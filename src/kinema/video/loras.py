"""LoRAs: several at once, each with its strength, into every denoiser of a model or into the expert that it is for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from kinema.video.checkpoints import expert_of, shapes_in
from kinema.video.models.published import read_json
from kinema.video.models.video_model import VideoModel
from kinema.video.registry import family

if TYPE_CHECKING:
    from kinema.video.registry import Family
    from kinema.video.whole import WholeModel

EXPERTS = ("high", "low")
"""Of a model of two experts: the one of the first, noisy steps, and the one of the others."""


@dataclass(frozen=True)
class Lora:
    """A LoRA and how much of it is added.

    Args:
        file: .safetensors, in a layout that diffusers reads.
        strength: 1 as it was trained.
        expert: of two experts the one it is for: high, low, or both; as its name says where None, else both.
    """

    file: Path
    strength: float = 1.0
    expert: str | None = None

    @classmethod
    def of(cls, given: str | Path | Lora) -> Lora:
        """`style.safetensors`, `style.safetensors:0.8` or `style.safetensors:0.8:high`.

        Raises:
            ValueError: a strength that is no number.
        """
        if not isinstance(given, str):
            return given if isinstance(given, Lora) else cls(given)
        named, dot, rest = given.partition(".safetensors:")
        if not dot:
            return cls(Path(given))
        strength, expert = 1.0, None
        for word in rest.split(":"):
            if word in (*EXPERTS, "both"):
                expert = word
                continue
            try:
                strength = float(word)
            except ValueError:
                strength = math.nan
            if not math.isfinite(strength):
                raise ValueError(f"--lora {given}: {word!r} is neither a strength nor high, low or both")
        return cls(Path(f"{named}.safetensors"), strength, expert)

    def check(self) -> None:
        """Says what can be said by the file's header.

        Raises:
            FileNotFoundError: no such file.
            ValueError: no .safetensors, or a file that is cut short.
        """
        if not self.file.is_file():
            raise FileNotFoundError(f"{self.file}: no such LoRA")
        if self.file.suffix != ".safetensors":
            raise ValueError(
                f"{self.file}: give a LoRA as .safetensors; other files could run code when they are read"
            )
        shapes_in(self.file)

    def settings(self) -> dict[str, Any]:
        """As JSON types, to be written down beside a video."""
        said: dict[str, Any] = {"file": self.file.name, "strength": self.strength}
        return said | ({} if self.expert is None else {"expert": self.expert})


LoraChoice = str | Path | Lora | Sequence[str | Path | Lora] | None
"""One LoRA or several, as they may be given."""


def loras_of(given: LoraChoice) -> tuple[Lora, ...]:
    """LoRAs as they were given, one or several."""
    if given is None:
        return ()
    if isinstance(given, (str, Path, Lora)):
        return (Lora.of(given),)
    return tuple(Lora.of(each) for each in given)


def load_loras(model: VideoModel | WholeModel, loras: Sequence[Lora]) -> None:
    """Loads LoRAs into the denoisers, before adapters are attached.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a LoRA, one for another model, one of which only a part fits, or the package `peft` is missing.
    """
    strengths: dict[int, dict[str, float]] = {}
    for number, lora in enumerate(loras):
        lora.check()
        name = f"{re.sub(r'[^0-9a-zA-Z]+', '_', lora.file.stem)}_{number}"
        for index in _denoisers_for(lora, model):
            _load(model, model.denoisers[index], lora.file, name)
            strengths.setdefault(index, {})[name] = lora.strength
    for index, named in strengths.items():
        model.denoisers[index].set_adapters(list(named), list(named.values()))


def check_places(loras: Sequence[Lora], folder: Path, kind: Family) -> None:
    """Whether LoRAs have their places in a folder's transformer, by its config and their own names and shapes alone.

    Args:
        loras: with good headers, see `Lora.check`.
        folder: in diffusers layout.
        kind: of its models.

    Raises:
        ValueError: one of another model, or of which only a part fits.
    """
    config = folder / "transformer" / "config.json"
    if not loras or not config.is_file():
        return
    named = read_json(config)
    transformer = getattr(import_module("diffusers"), str(named.get("_class_name")), None)
    if transformer is None:
        return
    with torch.device("meta"):
        modules = dict(transformer.from_config(named).named_modules())
    for lora in loras:
        try:
            state = kind.lora_loader().lora_state_dict(lora.file)
        except (RuntimeError, KeyError, TypeError, ValueError, IndexError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{lora.file} does not fit {folder.name}: {reason}") from None
        wanted = [key for key in state if "lora_" in key]
        found = sum(_has_place(key, state[key], modules) for key in wanted)
        if not wanted or found != len(wanted):
            raise ValueError(
                f"{lora.file} is no LoRA for {folder.name}: {found} of its {len(wanted)} matrices have a place there"
            )


def _has_place(key: str, matrix: torch.Tensor, modules: Mapping[str, nn.Module]) -> bool:
    """Whether a matrix of a LoRA belongs to a layer, and reads or writes as many numbers as that does."""
    name, _, rest = key.removeprefix("transformer.").partition(".lora_")
    weight = getattr(modules.get(name), "weight", None)
    if weight is None or weight.ndim < 2:
        return False
    return bool(
        matrix.shape[1] == weight.shape[1] if rest.startswith("A.") else matrix.shape[0] == weight.shape[0]
    )


def _denoisers_for(lora: Lora, model: VideoModel | WholeModel) -> range | tuple[int, ...]:
    """Which denoisers of a model a LoRA goes into."""
    count = len(model.denoisers)
    if count == 1:
        if lora.expert in EXPERTS:
            raise ValueError(
                f"{lora.file}: {model.name} has no {lora.expert} noise expert, but one transformer"
            )
        return (0,)
    expert = lora.expert or expert_of(lora.file)
    return (EXPERTS.index(expert),) if expert in EXPERTS else range(count)


def _load(model: VideoModel | WholeModel, transformer: nn.Module, path: Path, name: str) -> None:
    loader = family(model.family).lora_loader()
    try:
        state, metadata = loader.lora_state_dict(path, return_lora_metadata=True)
        loader.load_lora_into_transformer(
            dict(state), transformer=transformer, adapter_name=name, metadata=metadata
        )
    except (RuntimeError, KeyError, TypeError, ValueError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} does not fit {model.name}: {reason}") from None
    # diffusers only warns of keys that it has no place for, and half a LoRA looks like a whole one.
    found = sum("lora_" in key and f".{name}." in key for key, _ in transformer.named_parameters())
    wanted = sum("lora_" in key for key in state)
    if not wanted or found != wanted:
        raise ValueError(
            f"{path} is no LoRA for {model.name}: {found} of its {wanted} matrices have a place there"
        )
