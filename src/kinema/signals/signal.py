"""What a signal is, and the registry of all that are known.

A signal is one file: a subclass of `Signal`, registered. Files of this room are found by themselves; a paper or another
package registers its own where its file is imported. Nothing else has to know them: `ControlSignals` holds whatever is
registered, `control_signals` makes it, and models and adapters name what they read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, ClassVar

import kinema.signals

if TYPE_CHECKING:
    import torch

    from kinema.signals.frames import SceneFrames


class Signal(ABC):
    """One kind of tensor that models read of a scene.

    Attributes:
        name: under which it is declared, made and held.
        shape: its axes; a number is a length, a letter an axis that all signals share: B samples, T frames, P people,
            H rows and W columns of the picture.
        exact: its type does not follow a model's: masks stay bool, metres stay float32.
        common: made where nobody says which signals are wanted. Signals that few read are only made by name.
    """

    name: ClassVar[str]
    shape: ClassVar[tuple[str | int, ...]]
    exact: ClassVar[bool] = False
    common: ClassVar[bool] = False

    @abstractmethod
    def of(self, frames: SceneFrames) -> torch.Tensor | None:
        """The signal of one scene, B = 1; None where the scene does not tell."""

    def window(
        self, tensor: torch.Tensor, start: int, frames: int, reference: torch.Tensor | None = None
    ) -> torch.Tensor:
        """A part of it along time; for what has no time axis all of it.

        Args:
            tensor: this signal.
            start, frames: of the part; they lie within.
            reference: pose of the part's first camera in the frame of the first one, [4, 4] or [B, 4, 4].
        """
        return tensor.narrow(self.shape.index("T"), start, frames) if "T" in self.shape else tensor

    def stack(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        """One batch from several; people are padded with NaN to the largest number."""
        import torch

        if "P" in self.shape:
            axis = self.shape.index("P")
            most = max(tensor.shape[axis] for tensor in tensors)
            tensors = [_padded(tensor, axis, most) for tensor in tensors]
        return torch.cat(list(tensors))

    def blank(self, lengths: Mapping[str, int]) -> torch.Tensor:
        """What stands in a batch for a sample that does not have it: NaN for people, else zero.

        Args:
            lengths: of the axes that have letters.
        """
        import torch

        shape = [lengths[side] if isinstance(side, str) else side for side in self.shape]
        return torch.full(shape, torch.nan if "P" in self.shape else 0.0)

    def check(self, tensor: torch.Tensor, known: dict[str, tuple[int, str]]) -> None:
        """Compares the shape with that of the signals before, whose axes are `known`: length and whose it is.

        Raises:
            ValueError: another shape, or another length of a shared axis.
        """
        shape = tuple(tensor.shape)
        if len(shape) != len(self.shape) or any(
            isinstance(want, int) and want != have for want, have in zip(self.shape, shape, strict=True)
        ):
            raise ValueError(f"{self.name} must have the shape {list(self.shape)}, got {list(shape)}")
        for want, have in zip(self.shape, shape, strict=True):
            if isinstance(want, str) and known.setdefault(want, (have, self.name))[0] != have:
                first, other = known[want]
                raise ValueError(f"{self.name} has {want} = {have}, but {other} has {want} = {first}")


class _Registry(Mapping[str, Signal]):
    """Signals by name, in the order of their names; this room's files are read at the first look."""

    def __init__(self) -> None:
        self._signals: dict[str, Signal] = {}
        self._complete = False

    def add(self, signal: Signal) -> None:
        """Registers a signal.

        Raises:
            ValueError: another class has that name.
        """
        other = self._signals.get(signal.name)
        if other is not None and _place(other) != _place(signal):
            raise ValueError(f"two signals are called {signal.name!r}: {_place(other)}, {_place(signal)}")
        self._signals[signal.name] = signal

    def _all(self) -> dict[str, Signal]:
        if not self._complete:
            for module in iter_modules(kinema.signals.__path__):
                import_module(f"{kinema.signals.__name__}.{module.name}")
            self._complete = True
        return self._signals

    def __getitem__(self, name: str) -> Signal:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._all()))

    def __len__(self) -> int:
        return len(self._all())


SIGNALS = _Registry()
"""Every registered signal by name."""


def register(signal: type[Signal]) -> type[Signal]:
    """Class decorator: makes a signal known.

    Raises:
        ValueError: another class has its name.
    """
    SIGNALS.add(signal())
    return signal


def check_names(names: Sequence[str]) -> None:
    """Refuses names of no signal.

    Raises:
        ValueError: a name of no signal; the message lists those there are.
    """
    for name in names:
        if name not in SIGNALS:
            raise ValueError(f"no signal {name!r}: there are {', '.join(SIGNALS)}")


def _place(signal: Signal) -> str:
    return f"{type(signal).__module__}.{type(signal).__qualname__}"


def _padded(tensor: torch.Tensor, axis: int, length: int) -> torch.Tensor:
    import torch

    shape = list(tensor.shape)
    shape[axis] = length - shape[axis]
    return torch.cat([tensor, tensor.new_full(shape, torch.nan)], dim=axis)
