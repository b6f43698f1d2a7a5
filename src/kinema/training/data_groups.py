"""Groups of settings about data, for the recipes that learn from the motion library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kinema.data.motion_library import MotionLibrary
from kinema.data.takes import Film, Reservoir


@dataclass(frozen=True)
class LibraryData:
    """Which motion is learned from.

    Args:
        library: folder of the motion library; the default place where none.
        licence: `commercial` leaves out motion that may not be used commercially.
    """

    library: str | None = None
    licence: Literal["any", "commercial"] = "any"

    def training_clips(self) -> MotionLibrary:
        """The clips of the train split under that licence."""
        return MotionLibrary.open(self.library).split("train").licensed(self.licence)


@dataclass(frozen=True)
class FilmedData(LibraryData):
    """Films or windows that are made while training, and the batches drawn from them.

    Args:
        batch: samples a step.
        frames: of each film; few at a low rate hold more different poses.
        fps: frames per second of the films.
        capacity: how many films are held, see Reservoir.
        reuse: how often a film is used on average.
        workers: filming processes; 0 for none beside this one.
    """

    batch: int = 32
    frames: int = 9
    fps: float = 6.0
    capacity: int = 1024
    reuse: float = 60.0
    workers: int = 0

    def reservoir(self, film: Film, seed: int) -> Reservoir:
        """Batches of films."""
        return Reservoir(film, self.capacity, self.batch, self.reuse, seed, self.workers)
