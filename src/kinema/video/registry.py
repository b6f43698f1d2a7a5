"""Families of video models and control adapters, found by name, so that no general file names one of them.

Families are listed here. Adapters belong to published methods, which plug in from above: every package in `PLUGINS` has
a function `find(kind, name)` and one `names(kind)`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.video.models.published import EMBEDDED_INDEX, find_backbone, index_of

if TYPE_CHECKING:
    import torch

    from kinema.video.adapters.adapter import ControlAdapter
    from kinema.video.models.video_model import VideoFormat, VideoModel
    from kinema.video.whole import WholeModel

FAMILIES = {
    "cogvideox": "kinema.video.models.cogvideox_family",
    "wan": "kinema.video.models.wan_family",
    "vace": "kinema.video.models.vace",
    "wan-fun": "kinema.video.models.wan_fun_family",
    "wan-animate": "kinema.video.models.wan_animate",
    "wan-animate-2": "kinema.video.models.wan_animate_2",
    "ltx2": "kinema.video.models.ltx2",
    "mini": "kinema.video.models.mini.model",
}
"""Name of each family, and the module that has its `FAMILY`."""

TRANSFORMERS = {
    "CogVideoXTransformer3DModel": "kinema.video.models.cogvideox",
    "WanTransformer3DModel": "kinema.video.models.wan",
}
"""Class name of each transformer that adapters can be attached to, and the module that describes it."""

EMBEDDED = "mini"
"""The family whose weights are in the package: the default backbone."""

PLUGINS = ("kinema.papers",)
"""Packages that bring adapters and other parts of published methods."""


@dataclass(frozen=True)
class LoadOptions:
    """How a video model is loaded.

    Args:
        name: as settings show it.
        dtype: of its weights.
        changes: fields of the video format that shall differ from what it was trained on.
        settings: what only some families have, by names of their `Family.settings`.
        base: folder whose other parts a transformer of its own uses; for families with `takes_base`.
    """

    name: str
    dtype: torch.dtype
    changes: dict[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    base: Path | None = None


class Family(ABC):
    """How a family of video models is read from a folder.

    Attributes:
        name: of the family.
        pipelines: class names of diffusers pipelines whose folders it reads; none for an embedded family.
        settings: names of `LoadOptions.settings` that it understands; others are refused.
        takes_base: whether its folders hold transformers alone, whose other parts come from a base.
        replaces: the recipe that keeps a film's room and puts somebody into it, "" where that needs no recipe; None of a
            family that cannot.
        whole: whether its models are sampled by a pipeline of diffusers as it is, see `kinema.video.whole`.
        exports_whole: whether training exports whole pipelines, not adapters alone: the family's models are small.
    """

    name: str
    pipelines: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    replaces: str | None = None
    whole: bool = False
    exports_whole: bool = False
    takes_base: bool = False

    def reads(self, folder: Path) -> bool:
        """Whether a folder without an index holds one of the family's models; for published transformers alone."""
        return False

    @abstractmethod
    def form(self, folder: Path, options: LoadOptions) -> VideoFormat:
        """The videos that the model of a folder makes with these changes, said before its weights are read.

        Raises:
            ValueError: changes that it cannot make; the message says what it can.
        """

    @abstractmethod
    def load(self, folder: Path, options: LoadOptions) -> VideoModel | WholeModel:
        """The model of a folder.

        Raises:
            ValueError: a model of this family that is not supported, or changes that it cannot make.
        """

    def check_settings(self, options: LoadOptions) -> None:
        """Refuses what the family does not have.

        Raises:
            ValueError: a setting of another family.
        """
        for name in options.settings:
            if name not in self.settings:
                raise ValueError(f"{options.name} has no {name.replace('_', ' ')}: leave it out")

    def save_rest(self, model: VideoModel, folder: Path) -> None:  # noqa: B027  # most have nothing more
        """Writes what `load` reads of a folder beside the transformer and adapters; nothing for most families."""

    @abstractmethod
    def lora_loader(self) -> Any:
        """diffusers' loader of LoRA files for the family's transformer."""


def family(name: str) -> Family:
    """A family by name.

    Raises:
        ValueError: no such family.
    """
    if name not in FAMILIES:
        raise ValueError(f"no family of video models {name!r}: there are {', '.join(FAMILIES)}")
    return import_module(FAMILIES[name]).FAMILY


def embedded_format() -> VideoFormat:
    """The videos that the embedded model makes, without loading it."""
    from kinema.video.models.video_model import VideoFormat

    saved = json.loads((find_backbone(EMBEDDED) / EMBEDDED_INDEX).read_text(encoding="utf-8"))
    return VideoFormat(**saved["format"])


def family_of_pipeline(kind: str) -> Family | None:
    """The family that reads folders of a diffusers pipeline class; None where none does."""
    known = {pipeline: each for each in map(family, FAMILIES) for pipeline in each.pipelines}
    return known.get(kind)


def adapter_names() -> list[str]:
    """Names of the control adapters that are installed, the default one first."""
    return [name for plugin in PLUGINS for name in import_module(plugin).names("adapter")]


def adapter_class(name: str) -> type[ControlAdapter]:
    """The class of a control adapter.

    Raises:
        ValueError: no adapter of that name.
    """
    for plugin in PLUGINS:
        if name in import_module(plugin).names("adapter"):
            return import_module(plugin).find("adapter", name)
    raise ValueError(f"no control method {name!r}: there are {', '.join(adapter_names())}")


def film_guiders() -> list[str]:
    """Names of the control methods that follow a film of what shall happen while a model samples."""
    return [name for plugin in PLUGINS for name in import_module(plugin).names("guider.film")]


def film_guider(name: str) -> Any:
    """The class of a control method that follows a film: a `Guider` with `from_film` and `check`.

    Raises:
        ValueError: there is none of that name.
    """
    for plugin in PLUGINS:
        if name in import_module(plugin).names("guider.film"):
            return import_module(plugin).find("guider.film", name)
    raise ValueError(f"no control method {name!r} follows a film: there are {', '.join(film_guiders())}")


def control_methods() -> list[str]:
    """Names of all control methods: adapters, the default one first, and those that follow a film."""
    return [*adapter_names(), *film_guiders()]


def split_controls(
    controls: Sequence[str] | None,
) -> tuple[tuple[str, ...] | None, tuple[tuple[str, str], ...]]:
    """Control methods as (adapters, for `load_pipeline`; names and words of those that follow a film).

    Args:
        controls: e.g. ("tokenmotion:camera", "time-to-move:0.98+0.95"); None where nothing is said.
    """
    if controls is None:
        return None, ()
    films = film_guiders()
    named = [(each, *each.partition(":")[::2]) for each in controls]
    followed = tuple((name, words) for _, name, words in named if name in films)
    return tuple(each for each, name, _ in named if name not in films), followed


def video_model(name: str) -> Any:
    """The class of a video model that a published method brings, with `of(model)`, which makes it of a backbone.

    Raises:
        ValueError: no method that brings one.
    """
    for plugin in PLUGINS:
        if name in import_module(plugin).names("video_model"):
            return import_module(plugin).find("video_model", name)
    raise ValueError(f"no method {name!r} with a video model of its own")


GENERAL = ("memory", "fp8", "attention")
"""Options of `load_pipeline` that every reader of published files is told."""


class CheckpointReader(ABC):
    """Reads the published files of one method, which come with their own transformer.

    Attributes:
        name: of the method.
        title: for messages, e.g. "MTVCraft as published".
        takes: options of `load_pipeline` that it understands beside `GENERAL`, device and size: base (name or folder),
            checkpoint (files), loras (`Lora`s), fast (`Fast`), frames, quantise (name). Others are refused.
    """

    name: str
    title: str
    takes: frozenset[str] = frozenset()

    @abstractmethod
    def reads(self, folder: Path) -> bool:
        """Whether a folder holds them."""

    @abstractmethod
    def load(self, folder: Path, *, size: tuple[int, int] | None, **options: Any) -> Any:
        """The pipeline.

        Args:
            folder: that `reads` knows.
            size: (width, height) of the videos; as published where None.
            options: memory, fp8, attention, device, and cache and compile_blocks where they are asked for: see
                `kinema.video.memory.place`; and those of `takes` that are asked for.
        """


def checkpoint_reader(folder: Path) -> CheckpointReader | None:
    """The method whose published files a folder holds; None where it is a backbone."""
    if index_of(folder) is not None or (folder / EMBEDDED_INDEX).is_file():
        return None
    for plugin in PLUGINS:
        package = import_module(plugin)
        for name in package.names("checkpoint"):
            reader: CheckpointReader = package.find("checkpoint", name)()
            if reader.reads(folder):
                return reader
    return None
