"""Generators of motion: what the app, the server and the evaluation ask of one, and how it is found.

A published method plugs in from above with a part of the kind `generator`; a folder of weights names its generator in
`pipeline.json`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    import torch
    from torch import nn

    from kinema.motion.constraints import Constraint
    from kinema.motion.representation import MotionRepresentation
    from kinema.scene.motion import Motion

EMBEDDED = "text-to-motion"
"""The generator whose weights are in the package."""

GENERATORS = {EMBEDDED: "kinema.motion.motion_pipeline:TextToMotionPipeline"}
"""Name of each generator of this room, and where its class is."""

PLUGINS = ("kinema.papers",)
"""Packages that bring more of them, with `names(kind)` and `find(kind, name)` as in `video.registry`."""

SETTINGS = "pipeline.json"
"""File of a generator's folder: settings, and under `generator` its name; the embedded one's without."""


class MotionGenerator(ABC):
    """Makes the motion of one body from words, with what must hold given as constraints.

    Attributes:
        representation: the body, frame rate and features that it speaks.
        styles: names that `style` may have.
        hears_words: whether a prompt means anything to it.
    """

    hears_words: ClassVar[bool] = True
    representation: MotionRepresentation
    styles: tuple[str, ...] = ()

    @classmethod
    @abstractmethod
    def from_pretrained(cls, folder: str | Path | None = None) -> Self:
        """The generator of a folder; of the embedded weights where None.

        Raises:
            FileNotFoundError: there are no weights.
        """

    @abstractmethod
    def __call__(
        self,
        prompt: str | Sequence[str],
        seconds: float | Sequence[float] | None = None,
        seed: int = 0,
        style: str | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        constraints: Sequence[Constraint] = (),
        clean: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> Motion:
        """Makes one motion.

        Args:
            prompt: what the body does; a list is one step each. The empty prompt gives any motion.
            seconds: of the whole, or of each step.
            seed: of the noise; the same seed gives the same motion on the same machine.
            style: one of `styles`, or None for what the text says.
            steps: of sampling; the generator's own where None.
            guidance: how much the text counts; the generator's own where None.
            constraints: what must hold: Known frames or parts, a RootPath, JointTargets.
            clean: pin standing feet to the floor.
            progress: called with (passes done, passes in all).

        Returns:
            The motion on the representation's skeleton with rotations, round(fps * seconds) + 1 frames.

        Raises:
            ValueError: what was asked for cannot be made; the message says why.
        """

    @abstractmethod
    def stream(
        self,
        prompt: str | Iterable[str],
        chunk_seconds: float = 1.6,
        seed: int = 0,
        style: str | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        clean: bool = True,
    ) -> Iterator[Motion]:
        """Makes motion without end, chunk by chunk; memory does not grow.

        Args:
            prompt: one text for ever, or an iterator that gives the text of each chunk and ends the stream.
            chunk_seconds: how much each result holds.
            seed, style, steps, guidance, clean: see `__call__`.

        Yields:
            Motions that continue each other in one world.
        """

    def to(self, device: str | torch.device) -> Self:
        """Moves the networks."""
        for network in self.networks().values():
            network.to(device)
        return self

    def networks(self) -> Mapping[str, nn.Module]:
        """What it computes with, by name."""
        return {}

    def settings(self) -> dict[str, Any]:
        """Its own settings of sampling, as JSON types."""
        return {}

    def mean_features(self) -> torch.Tensor | None:
        """The average frame of what it was trained on, [W]: the baseline that hears no text; None where unknown."""
        return None


def generator_names() -> list[str]:
    """Names of the generators that are installed, the embedded one first."""
    return [*GENERATORS, *(name for plugin in PLUGINS for name in import_module(plugin).names("generator"))]


def generator_class(name: str) -> type[MotionGenerator]:
    """A generator by name.

    Raises:
        ValueError: no generator of that name.
    """
    if name in GENERATORS:
        module, _, kind = GENERATORS[name].partition(":")
        found: type[MotionGenerator] = getattr(import_module(module), kind)
        return found
    for plugin in PLUGINS:
        if name in import_module(plugin).names("generator"):
            return import_module(plugin).find("generator", name)
    raise ValueError(f"no motion generator {name!r}: there are {', '.join(generator_names())}")


def load_motion_generator(
    folder: str | Path | None = None, device: str | torch.device = "cpu"
) -> MotionGenerator:
    """The generator of a folder, or the embedded one.

    Args:
        folder: made by a recipe, or a published one in the form that its class reads.
        device: for its networks.

    Raises:
        FileNotFoundError: there are no weights.
        ValueError: a generator that is not installed.
    """
    return generator_in(folder).from_pretrained(folder).to(device)


def generator_in(folder: str | Path | None) -> type[MotionGenerator]:
    """The generator whose weights a folder holds; the embedded one where None.

    Raises:
        ValueError: a generator that is not installed.
    """
    settings = generator_folder(folder) / SETTINGS
    content = json.loads(settings.read_text()) if settings.is_file() else {}
    return generator_class(content.get("generator", EMBEDDED))


def generator_folder(folder: str | Path | None) -> Path:
    """A folder of weights; the embedded one where None."""
    return Path(str(files("kinema") / "weights" / "motion")) if folder is None else Path(folder)
