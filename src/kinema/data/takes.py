"""An endless, reproducible stream of filmed takes, and the reservoir from which training batches are drawn.

Take number i depends on (settings, seed, i) alone. Worker processes film ahead, the reservoir holds the last `capacity`
takes, and step s draws from the takes that have arrived by then: how many is fixed by s, not by the clock. So a run
that stops at step s and starts again films its reservoir anew and goes on with the very same batches.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

Film = Callable[[int], Any]
"""Films a take, given its number; what comes back is whatever the training task reads."""


class _Takes(Dataset):
    def __init__(self, film: Film) -> None:
        self.film = film

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, index: int) -> Any:
        return self.film(index)


class _From:
    """Sampler: start, start + 1, ..."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        index = self.start
        while True:
            yield index
            index += 1


def take_stream(film: Film, start: int = 0, workers: int = 1) -> Iterator[Any]:
    """Takes `start`, `start + 1`, ... in order, filmed by worker processes (0: in this process).

    Args:
        film: picklable function from a take's number to its arrays.
    """
    loader = DataLoader(
        _Takes(film),
        batch_size=None,
        sampler=_From(start),
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
    """

    film: Film
    capacity: int
    batch: int
    reuse: float
    seed: int
    workers: int = 1

    def __post_init__(self) -> None:
        if self.capacity < self.batch or self.reuse < 1:
            raise ValueError("a reservoir holds at least one batch, and a take is used at least once")

    def batches(self, first_step: int = 0) -> Iterator[tuple[int, list[Any]]]:
        """(step, takes of the batch) from `first_step` on."""
        arrived = self._arrived(first_step)
        begin = max(0, arrived - self.capacity)
        stream = take_stream(self.film, begin, self.workers)
        held = [next(stream) for _ in range(arrived - begin)]
        oldest = begin
        step = first_step
        while True:
            for _ in range(self._arrived(step) - oldest - len(held)):
                held.append(next(stream))
            surplus = len(held) - self.capacity
            if surplus > 0:
                held = held[surplus:]
                oldest += surplus
            rng = np.random.default_rng([self.seed, step])
            picked = rng.choice(len(held), size=self.batch, replace=len(held) < self.batch)
            yield step, [held[i] for i in picked]
            step += 1

    def _arrived(self, step: int) -> int:
        """Takes that have arrived before step `step` draws."""
        return int(2 * self.batch + step * self.batch / self.reuse)
