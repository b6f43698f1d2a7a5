"""Batches of several sets by their weights: an endless order that depends on seed and step alone.

A batch is of one bucket (length and size). The bucket is drawn by how much of each set lies in it, then a set for each
sample; of a set's windows in a bucket, all are shown before one is shown again. So every set has its share whatever its
size, and neither workers nor processes change the order: each process is given its rows of the same batches.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from kinema.data.latent_cache import Entry, LatentCache, Reader
from kinema.data.sample import Conditioner, Sample
from kinema.data.takes import take_stream

Bucket = tuple[int, int, int]
_KEPT = 4  # states of the last steps, of which a checkpoint wants one


@dataclass
class MixtureOrder:
    """Which entries make the batch of each step.

    Args:
        sets: names of the entries of each set, by set and bucket.
        weights: of the sets.
        batch: samples a step.
        seed: of the order.

    Raises:
        ValueError: a set without entries, which would silently be left out.
    """

    sets: Mapping[str, Mapping[Bucket, Sequence[str]]]
    weights: Mapping[str, float]
    batch: int
    seed: int
    _shown: dict[tuple[str, Bucket], int] = field(default_factory=dict)
    _mixed: dict[tuple[str, Bucket], tuple[int, np.ndarray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = {name: sum(map(len, buckets.values())) for name, buckets in self.sets.items()}
        if empty := [name for name, size in sizes.items() if not size]:
            raise ValueError(
                f"there is nothing to train on in {', '.join(empty)}: its videos are too short for a window of five "
                "frames, or all of them are held out"
            )
        self._buckets = sorted({bucket for buckets in self.sets.values() for bucket in buckets})
        self._names = list(self.sets)
        share = np.array(
            [[len(self.sets[name].get(b, ())) / sizes[name] for b in self._buckets] for name in self._names]
        )
        self._share = share * np.array([self.weights[name] for name in self._names])[:, None]
        self._share /= self._share.sum()

    def next(self, step: int) -> list[str]:
        """The entries of a step; steps are asked for one after the other."""
        rng = np.random.default_rng([self.seed, step])
        at = int(rng.choice(len(self._buckets), p=self._share.sum(0)))
        chances = self._share[:, at] / self._share[:, at].sum()
        drawn = rng.choice(len(self._names), size=self.batch, p=chances)
        return [self._of(self._names[row], self._buckets[at]) for row in drawn]

    def _of(self, name: str, bucket: Bucket) -> str:
        """The next entry of a set in a bucket."""
        key, entries = (name, bucket), self.sets[name][bucket]
        shown = self._shown.get(key, 0)
        self._shown[key] = shown + 1
        turn, place = divmod(shown, len(entries))
        if self._mixed.get(key, (-1, None))[0] != turn:
            stream = zlib.crc32(repr(key).encode())
            order = np.random.default_rng([self.seed, stream, turn]).permutation(len(entries))
            self._mixed[key] = turn, order
        return entries[int(self._mixed[key][1][place])]

    @property
    def shown(self) -> dict[str, int]:
        """How many entries were shown of each set and bucket, by `set|frames|height|width`."""
        return {"|".join(map(str, (name, *bucket))): number for (name, bucket), number in self._shown.items()}

    @shown.setter
    def shown(self, told: Mapping[str, int]) -> None:
        self._shown = {}
        for text, number in told.items():
            name, *bucket = text.rsplit("|", 3)
            frames, height, width = map(int, bucket)
            self._shown[name, (frames, height, width)] = int(number)

    @property
    def fingerprint(self) -> str:
        """Of what the order is made of: sets, entries, weights, batch and seed."""
        facts = [self.batch, self.seed, sorted(self.weights.items())]
        facts += [(name, sorted((b, list(e)) for b, e in each.items())) for name, each in self.sets.items()]
        return f"{zlib.crc32(repr(facts).encode()):08x}"


@dataclass
class MixedBatches:
    """Batches of a mixture, read by workers, and what a checkpoint keeps of the order.

    Args:
        cache: where the entries are.
        order: of the entries.
        part: (rank, world), see Reservoir.
        workers: processes that read ahead; they do not change the order.
        conditioner: of the model that is trained, see `CachedBatches`.
    """

    cache: LatentCache
    order: MixtureOrder
    part: tuple[int, int] = (0, 1)
    workers: int = 0
    conditioner: Conditioner | None = None
    _states: dict[int, dict[str, int]] = field(default_factory=dict)
    _begin: int = 0

    def __post_init__(self) -> None:
        if self.order.batch % self.part[1]:
            raise ValueError(
                f"a batch of {self.order.batch} cannot be divided among {self.part[1]} processes"
            )

    def state(self, step: int) -> dict[str, Any]:
        """What a checkpoint of a step keeps: before that step's batch is drawn."""
        return {"order": self.order.fingerprint, "step": step, "shown": self._states.get(step, {})}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where a checkpoint was.

        Raises:
            ValueError: the sets, their weights, the batch or the seed have changed since.
        """
        if state["order"] != self.order.fingerprint:
            raise ValueError(
                "the data set has changed since the run began (videos, weights, batch or seed): it cannot be resumed "
                "digit by digit; put the data back, or begin anew in another folder with --set model.start_from"
            )
        self.order.shown = state["shown"]
        self._begin = int(state["step"])

    def batches(self, first_step: int = 0) -> Iterator[tuple[int, list[Sample]]]:
        """(step, samples of this part of the batch) from `first_step` on."""
        for step in range(self._begin, first_step):
            self.order.next(step)
        self._states[first_step] = self.order.shown
        rank, world = self.part
        rows = self.order.batch // world

        def names() -> Iterator[str]:
            for step in count(first_step):
                drawn = self.order.next(step)
                self._states[step + 1] = self.order.shown
                yield from drawn[rank * rows : (rank + 1) * rows]

        samples = take_stream(Reader(self.cache, self.conditioner), workers=self.workers, numbers=names())
        for step in count(first_step):
            batch = [next(samples) for _ in range(rows)]
            for old in [each for each in self._states if each < step - _KEPT]:
                del self._states[old]
            yield step, batch


def by_bucket(entries: Mapping[str, Entry], names: Sequence[str]) -> dict[Bucket, list[str]]:
    """Names of entries by their bucket, in order."""
    buckets: dict[Bucket, list[str]] = {}
    for name in sorted(names):
        buckets.setdefault(entries[name].bucket, []).append(name)
    return buckets
