"""Who waits for whom: what each process is doing, on a board that all can read, and a wait that needs no collective.

A collective that one process reaches late ends the run with a timeout that names nobody. So long work (checking and
encoding videos, writing an export) ends in `wait`, which asks the store that the processes met at, for as long as it
takes; and whoever waits for more than a minute is told for whom, and what they do there.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch.distributed as dist

T = TypeVar("T")

logger = logging.getLogger(__name__)

SILENCE = 60.0
"""Seconds after which a wait is spoken of, and between two such lines (ours)."""
_FIRST, _LONGEST = 0.002, 0.5  # seconds between two looks at the store


@dataclass
class Board:
    """What each process says that it does, in the store that the processes met at.

    Args:
        store: of the process group.
        rank: of this process.
        world: number of processes.
        silence: seconds, see SILENCE.
    """

    store: Any
    rank: int
    world: int
    silence: float = SILENCE
    _waits: int = 0
    _stopped: threading.Event = field(default_factory=threading.Event)

    def doing(self, what: str, waits: bool = False) -> None:
        """Says what this process does from now on; `waits` where it only waits for the others."""
        self.store.set(f"doing/{self.rank}", json.dumps([what, time.time(), waits]))

    def wait(self, what: str) -> None:
        """Until every process has come here; who is missing is told to whoever waits for long.

        Args:
            what: has just been done, in words.
        """
        key = f"wait/{self._waits}"
        self._waits += 1
        self.doing(f"waits for the others after {what}", waits=True)
        self.store.set(f"{key}/{self.rank}", b"here")
        self.store.add(key, 1)
        begun = spoken = time.monotonic()
        pause = _FIRST
        while self.store.add(key, 0) < self.world:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST)
            if time.monotonic() - spoken > self.silence:
                spoken = time.monotonic()
                missing = [rank for rank in range(self.world) if not self.store.check([f"{key}/{rank}"])]
                if missing:
                    logger.warning(
                        "process %d waits since %s after %s for %s",
                        self.rank,
                        _span(spoken - begun),
                        what,
                        "; ".join(self.said(rank) for rank in missing[:8]),
                    )
        self.doing(f"goes on after {what}")

    def said(self, rank: int) -> str:
        """What a process does, in words."""
        if not self.store.check([f"doing/{rank}"]):
            return f"process {rank}, which has not begun"
        what, since, _ = json.loads(self.store.get(f"doing/{rank}"))
        return f"process {rank} ({what}, since {_span(time.time() - since)})"

    def behind(self) -> str | None:
        """Who works while the others wait, for longer than `silence`; None where nobody waits that long."""
        states = {
            rank: json.loads(self.store.get(f"doing/{rank}"))
            for rank in range(self.world)
            if self.store.check([f"doing/{rank}"])
        }
        now = time.time()
        waiting = [rank for rank, (_, since, waits) in states.items() if waits and now - since > self.silence]
        working = [rank for rank, (_, _, waits) in states.items() if not waits]
        if not waiting or not working:
            return None
        return (
            f"{len(waiting)} of {self.world} processes wait: {self.said(waiting[0])} waits for "
            + "; ".join(self.said(rank) for rank in working[:8])
        )

    def watch(self) -> None:
        """Speaks in a thread of its own, while collectives wait where nobody could."""
        threading.Thread(target=self._watch, daemon=True, name="whereabouts").start()

    def _watch(self) -> None:
        mine = Board(self.store.clone(), self.rank, self.world, self.silence)
        while not self._stopped.wait(self.silence):
            try:
                told = mine.behind()
            except (RuntimeError, ValueError):  # the store has gone: the run is over
                return
            if told:
                logger.warning("%s", told)

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()


_BOARDS: dict[int, Board] = {}


def board() -> Board | None:
    """This run's board; None where one process is alone. The first process watches it."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return None
    store = dist.distributed_c10d._get_default_store()
    if id(store) not in _BOARDS:
        _BOARDS.clear()
        made = Board(dist.PrefixStore("kinema", store), dist.get_rank(), dist.get_world_size())
        _BOARDS[id(store)] = made
        if made.rank == 0:
            made.watch()
    return _BOARDS[id(store)]


def close() -> None:
    """Takes the board down, before the processes part."""
    for each in _BOARDS.values():
        each.stop()
    _BOARDS.clear()


def doing(what: str, waits: bool = False) -> None:
    """Says what this process does from now on, see `Board.doing`; silent where it is alone."""
    own = board()
    if own is not None:
        own.doing(what, waits)


def wait(what: str) -> None:
    """Until every process has come here, see `Board.wait`."""
    own = board()
    if own is not None:
        own.wait(what)


def telling(each: Iterable[T], what: str) -> Iterator[T]:
    """Goes through work while the board says how far: `what` 1, `what` 2, ..."""
    for number, item in enumerate(each, 1):
        doing(f"{what} {number}")
        yield item


def _span(seconds: float) -> str:
    """A length of time in words."""
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
