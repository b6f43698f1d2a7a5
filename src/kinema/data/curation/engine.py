"""Who runs the stages: this process, or workers of Ray. Both call the same functions, so both write the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from kinema.data.curation.stage import Needs, Walked


@dataclass(frozen=True)
class Pool:
    """Workers that do the same.

    Args:
        call: what each of them does with a name; picklable, networks not opened yet.
        needs: what a worker keeps busy.
    """

    call: Callable[[str], Walked]
    needs: Needs


class Engine(Protocol):
    """Runs pools one behind the other."""

    def run(self, pools: Sequence[Pool], names: Sequence[str]) -> Iterator[Walked]:
        """Sends every name through all pools; what became of it, as soon as it is through, in any order.

        A worker that dies is replaced, and what it was doing is done again.
        """

    def close(self) -> None:
        """Lets go of the workers."""


class LocalEngine:
    """Everything in this process, one name after the other."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def run(self, pools: Sequence[Pool], names: Sequence[str]) -> Iterator[Walked]:
        for name in names:
            walked = Walked(name)
            for pool in pools:
                walked = together(walked, pool.call(name))
            yield walked


def together(first: Walked, second: Walked) -> Walked:
    """What two pools did with one name."""
    return Walked(first.id, {**first.seconds, **second.seconds}, {**first.crashed, **second.crashed})
