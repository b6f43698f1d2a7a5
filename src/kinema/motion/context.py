"""A second motion that the generator reads beside the one it makes, token by token at the same place in time.

A published method says how it is read, as a part of the kind `context.motion`: added to the tokens, or attended to. New
readers are silent, so that the generator's weights stay the starting point.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch

from kinema.diffusion.module import Module

PLUGINS = ("kinema.papers",)
"""Packages that bring readers, as `motion.generator` says."""


@dataclass(frozen=True)
class Heard:
    """What one block attends to beside its own tokens. B samples, H heads, S states of which the first says nothing.

    Args:
        key, value: [B, H, S, D / H]; keys are turned to their places in time.
        sees: which states there are, [B, 1, 1, S] bool.
        gate: of what is read, [D].
    """

    key: torch.Tensor
    value: torch.Tensor
    sees: torch.Tensor
    gate: torch.Tensor


@dataclass(frozen=True)
class Context:
    """A second motion as the transformer takes it.

    Args:
        added: to the tokens, [B, L, D]; or None.
        heard: what each block attends to; or none.
    """

    added: torch.Tensor | None = None
    heard: Sequence[Heard] = ()


class ContextReader(Module):
    """Makes a context of normalised tokens of a second motion.

    Args:
        width, layers, heads: of the transformer that reads it.
        tokens: numbers of a token.
    """

    config: Any

    def __init__(self, width: int = 256, layers: int = 4, heads: int = 4, tokens: int = 488) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, source_BLF: torch.Tensor, present_BL: torch.Tensor) -> Context:
        """The context.

        Args:
            source_BLF: normalised tokens, [B, L, F].
            present_BL: where there are any, bool.
        """

    @abstractmethod
    def start_from(self, tokens_in: torch.nn.Linear) -> None:
        """Takes over how the transformer reads its own tokens."""


@dataclass(frozen=True)
class Source:
    """The second motion of one sample.

    Args:
        reader: that makes a context of it.
        tokens: normalised, [L, F].
        present: where there are any, bool [L].
    """

    reader: ContextReader
    tokens: torch.Tensor
    present: torch.Tensor

    def part(self, begin: int, end: int) -> Source:
        """Tokens begin to end (exclusive)."""
        return Source(self.reader, self.tokens[begin:end], self.present[begin:end])

    def read(self, told: torch.Tensor) -> Context:
        """The context of several passes, of which some (bool [passes]) see the source."""
        kind, device = self.reader.dtype, self.reader.device
        tokens = self.tokens.to(device, kind).expand(len(told), -1, -1)
        return self.reader(tokens, (self.present & told[:, None]).to(device))


def reader_class(name: str) -> type[ContextReader]:
    """A reader by the name of its paper.

    Raises:
        ValueError: no paper of that name has one.
    """
    known = [each for plugin in PLUGINS for each in import_module(plugin).names("context.motion")]
    for plugin in PLUGINS:
        if name in import_module(plugin).names("context.motion"):
            found: type[ContextReader] = import_module(plugin).find("context.motion", name)
            return found
    raise ValueError(f"no context {name!r}: there are {', '.join(known)}")
