"""An endless, reproducible stream of filmed takes, and the reservoir from which training batches are drawn.

Take number i depends on (settings, seed, i) alone. The reservoir is the last `capacity` takes, and step s draws from
those that have arrived by then: how many is fixed by s, not by the clock. Worker processes film ahead what the coming
steps draw, and nothing else. So a run that stops at step s and starts again goes on with the very same batches, and
each of several processes films only what it needs for its part of them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

Film = Callable[[Any], Any]
"""Films a take, given its number (or reads one, given its name); what comes back is whatever the training task reads."""


class _Takes(Dataset):
    def __init__(self, film: Film) -> None:
        self.film = film

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, index: Any) -> Any:
        return self.film(index)


def take_stream(
    film: Film, start: int = 0, workers: int = 1, numbers: Iterable[Any] | None = None
) -> Iterator[Any]:
    """Takes in order, filmed by worker processes (0: in this process).

    Args:
        film: picklable function from a take's number to its arrays.
        start: the first; the others follow it.
        workers: how many processes.
        numbers: which takes, where it is not `start` and all after it.
    """
    loader = DataLoader(
        _Takes(film),
        batch_size=None,
        sampler=count(start) if numbers is None else numbers,  # type: ignore[arg-type]  # without a length
        num_workers=workers,
        collate_fn=_as_filmed,  # type: ignore[arg-type]  # batch_size is None: one take, not a list
        prefetch_factor=8 if workers else None,
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_settle if workers else None,
    )
    return iter(loader)


def _as_filmed(take: Any) -> Any:
    return take


def _settle(worker: int) -> None:
    """One thread per worker, and none outlives a trainer that was killed: torch's own watch ends the work but then
    waits for ever to hand over its last takes."""
    torch.set_num_threads(1)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(2)
    os._exit(1)


@dataclass
class Reservoir:
    """The last takes of a stream, and batches drawn from them.

    Args:
        film: see take_stream.
        capacity: takes held.
        batch: samples per step.
        reuse: how often a take is used on average; each step brings batch / reuse new takes.
        seed: of the draws.
        workers: filming processes.
        part: (rank, world): the batch is divided among several processes, and this one wants its rank's rows.
    """

    film: Film
    capacity: int
    batch: int
    reuse: float
    seed: int
    workers: int = 1
    part: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        if self.capacity < self.batch or self.reuse < 1:
            raise ValueError("a reservoir holds at least one batch, and a take is used at least once")
        if self.batch % self.part[1]:
            raise ValueError(f"a batch of {self.batch} cannot be divided among {self.part[1]} processes")

    def batches(self, first_step: int = 0) -> Iterator[tuple[int, list[Any]]]:
        """(step, takes of the batch) from `first_step` on."""
        stream = take_stream(self.film, workers=self.workers, numbers=self._first_uses(first_step))
        held: dict[int, Any] = {}
        for step in count(first_step):
            oldest = self._arrived(step)[0]
            held = {number: take for number, take in held.items() if number >= oldest}
            numbers = self._drawn(step)
            for number in numbers:
                if number not in held:
                    held[number] = next(stream)
            yield step, [held[number] for number in numbers]

    def _arrived(self, step: int) -> tuple[int, int]:
        """(oldest, one after the newest) of the takes that step `step` draws from."""
        arrived = int(2 * self.batch + step * self.batch / self.reuse)
        return max(0, arrived - self.capacity), arrived

    def _drawn(self, step: int) -> list[int]:
        """Numbers of the takes of this part of a batch."""
        oldest, end = self._arrived(step)
        rng = np.random.default_rng([self.seed, step])
        picked = rng.choice(end - oldest, size=self.batch, replace=end - oldest < self.batch)
        rank, world = self.part
        rows = self.batch // world
        return [oldest + int(i) for i in picked[rank * rows : (rank + 1) * rows]]

    def _first_uses(self, first_step: int) -> Iterator[int]:
        """Each take that is drawn from `first_step` on, once, in the order in which they are needed."""
        seen: set[int] = set()
        for step in count(first_step):
            oldest = self._arrived(step)[0]
            seen = {number for number in seen if number >= oldest}
            for number in self._drawn(step):
                if number not in seen:
                    seen.add(number)
                    yield number
