"""Where the takes of mini's recipes come from: filmed while training, or encoded videos; and those held out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from kinema.data.latent_cache import CachedBatches, LatentCache
from kinema.data.takes import Reservoir
from kinema.training import ranks
from kinema.training.filmed import TakeFilm
from kinema.video.models.mini.autoencoder import AutoencoderPatchPCA
from kinema.video.models.mini.network import MiniFormat

EncodeVideos = Callable[[str, Path, AutoencoderPatchPCA, MiniFormat, bool], tuple[LatentCache, list[str]]]
"""(folder, table or shards of videos, cache folder, autoencoder, format, whether to capture what is missing) -> a
latent cache and the names of its entries: the application brings what reads videos."""

_HELD_OUT = 20  # one clip in so many is not trained on


class Source(Protocol):
    """Takes by step, and some that are never trained on."""

    def batches(self, first_step: int) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """(step, takes of this process) from `first_step` on."""

    def held_out(self, count: int) -> list[dict[str, Any]]:
        """The same takes for every run."""


@dataclass(frozen=True)
class FilmedTakes:
    """Takes of the train split, filmed in worker processes; those of the validation split are held out.

    Args:
        film: films the train split.
        capacity, batch, reuse, workers: see Reservoir.
    """

    film: TakeFilm
    capacity: int
    batch: int
    reuse: float
    workers: int

    def batches(self, first_step: int) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        part = ranks.rank(), ranks.world()
        reservoir = Reservoir(
            self.film, self.capacity, self.batch, self.reuse, self.film.seed, self.workers, part
        )
        return reservoir.batches(first_step)

    def held_out(self, count: int) -> list[dict[str, Any]]:
        film = replace(self.film, split="val", seed=0, late=0.0, corrupt=0.0, company=0.0)
        return [film(number) for number in range(count)]


@dataclass(frozen=True)
class CachedTakes:
    """Windows of encoded videos, of at least five frames; about one clip in twenty is held out, one at least.

    Args:
        cache: where they are.
        names: of the entries.
        batch: samples per step.
        seed: of the order.
    """

    cache: LatentCache
    names: Sequence[str]
    batch: int
    seed: int

    def batches(self, first_step: int) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        part = ranks.rank(), ranks.world()
        return CachedBatches(self.cache, self._split()[0], self.batch, self.seed, part).batches(first_step)

    def held_out(self, count: int) -> list[dict[str, Any]]:
        return [self.cache.take(name) for name in self._split()[1][:count]]

    def _split(self) -> tuple[list[str], list[str]]:
        """(trained on, held out): whole clips, chosen by their hashes."""
        windows = [name for name in self.names if self.cache.entries[name].bucket[0] >= 5]
        drawn = {clip: hashlib.sha256(clip.encode()).digest() for clip in {_clip(name) for name in windows}}
        apart = {clip for clip, digest in drawn.items() if digest[0] < 256 / _HELD_OUT}
        if not apart and len(drawn) > 1:
            apart = {min(drawn, key=lambda clip: drawn[clip])}
        return (
            [name for name in windows if _clip(name) not in apart],
            [name for name in windows if _clip(name) in apart],
        )


def cached_takes(
    videos: str,
    folder: Path,
    autoencoder: AutoencoderPatchPCA,
    form: MiniFormat,
    batch: int,
    seed: int,
    encode_videos: EncodeVideos | None,
    capture: bool = False,
) -> CachedTakes:
    """Takes from videos, encoded where they are not yet; the first process does it while the others wait.

    Args:
        videos: folder, table or shards.
        folder: of the latent caches.
        autoencoder, form: encode them.
        batch, seed: see CachedTakes.
        encode_videos: reads and encodes.
        capture: find people and camera in videos that come without.

    Raises:
        ValueError: nobody brought what reads videos.
    """
    if encode_videos is None:
        raise ValueError(
            "videos=...: `kinema train` brings what reads videos; in Python, pass `encode_videos`"
        )
    made = encode_videos(videos, folder, autoencoder, form, capture) if ranks.rank() == 0 else None
    place, names = ranks.from_first(None if made is None else (made[0].folder, made[1]))
    return CachedTakes(LatentCache(place), names, batch, seed)


def _clip(name: str) -> str:
    return name.rpartition("-")[0]
