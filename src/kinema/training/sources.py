"""Where the samples of video recipes come from: filmed while training, or encoded videos; and those held out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from kinema.data.data_file import clips_of, read_data_file
from kinema.data.latent_cache import CachedBatches, LatentCache
from kinema.data.mixture import MixedBatches, MixtureOrder, by_bucket
from kinema.data.sample import Conditioner, Sample
from kinema.data.takes import Reservoir
from kinema.data.video_clips import VideoClip
from kinema.training import ranks, whereabouts
from kinema.training.filmed import TakeFilm
from kinema.video.models.video_model import VideoFormat, VideoModel

if TYPE_CHECKING:
    from kinema.data.video_latents import Follow

_HELD_OUT = 20  # one clip in so many is not trained on


@dataclass(frozen=True)
class VideoData:
    """What a video model is trained on: takes of the stage, or videos of one's own.

    Args:
        batch: samples a step, of all processes together.
        frames: of each sample, 4k + 1; fewer train faster. The model's own window where none.
        size: width and height in pixels that the model is loaded for; its own where none.
        library: folder of the motion library; the default place where none.
        licence: of the motion, `any` or `commercial`.
        company: share of films with a second person.
        corrupt: share of films whose scene is as a careless detector sees it.
        corruptions: what it may do, see data.corruption; `all` for every kind.
        capacity: how many films are held, see Reservoir.
        reuse: how often a film is used on average.
        workers: processes that film, or read and draw what is cached; 0 for none beside this one.
        videos: data.toml, folder, .csv table, clip list or shards of videos to train on instead of filming, see
            docs/training.md.
        cache: folder of encoded videos; `latents` in the run's folder where none.
        cache_gib: bound of the cache, GiB.
        capture: find people and camera in videos that come without.
        check: hold a data.toml against its videos before anything is encoded.
        held_out: samples that are validated on.

    Raises:
        ValueError: a number that nothing can be trained with.
    """

    batch: int = 16
    frames: int | None = None
    size: tuple[int, int] | None = None
    library: str | None = None
    licence: str = "any"
    company: float = 0.0
    corrupt: float = 0.15
    corruptions: str = "careless"
    capacity: int = 768
    reuse: float = 4.0
    workers: int = 1
    videos: str | None = None
    cache: str | None = None
    cache_gib: float = 16.0
    capture: bool = False
    check: bool = True
    held_out: int = 8

    def __post_init__(self) -> None:
        for name, least in {"batch": 1, "capacity": 1, "workers": 0, "held_out": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"data.{name} is at least {least}, not {getattr(self, name)}")

    def form(self, model: VideoModel) -> VideoFormat:
        """The samples' format: the model's, with as many frames as asked for.

        Raises:
            ValueError: not 4k + 1.
        """
        if self.frames is not None and (self.frames < 1 or self.frames % 4 != 1):
            raise ValueError(f"data.frames={self.frames}: give 4k + 1 frames, e.g. 5, 9 or 17")
        return replace(model.form, frames=self.frames or model.form.frames)


class Source(Protocol):
    """Samples by step, and some that are never trained on.

    Attributes:
        order: of the batches, where checkpoints have to keep its state; None where step and seed tell everything.
    """

    @property
    def order(self) -> MixedBatches | None: ...

    def batches(self, first_step: int) -> Iterator[tuple[int, list[Sample]]]:
        """(step, samples of this process) from `first_step` on."""

    def held_out(self, count: int) -> list[Sample]:
        """The same samples for every run."""


@dataclass(frozen=True)
class FilmedTakes:
    """Takes of the train split, filmed in worker processes; those of the validation split are held out.

    Args:
        film: films the train split.
        data: batch, capacity, reuse and workers, see Reservoir.
    """

    film: TakeFilm
    data: VideoData
    order: ClassVar[None] = None

    def batches(self, first_step: int) -> Iterator[tuple[int, list[Sample]]]:
        part, data = (ranks.rank(), ranks.world()), self.data
        reservoir = Reservoir(
            self.film, data.capacity, data.batch, data.reuse, self.film.seed, data.workers, part
        )
        return reservoir.batches(first_step)

    def held_out(self, count: int) -> list[Sample]:
        film = replace(self.film, split="val", seed=0, late=0.0, corrupt=0.0, company=0.0)
        return [film(number) for number in range(count)]


@dataclass(frozen=True)
class CachedTakes:
    """Windows of encoded videos, of at least five frames; about one clip in twenty is held out, one at least.

    Args:
        cache: where they are.
        names: of the entries.
        data: batch and workers.
        seed: of the order.
        conditioner: of the model that is trained.
    """

    cache: LatentCache
    names: Sequence[str]
    data: VideoData
    seed: int
    conditioner: Conditioner | None = None
    order: ClassVar[None] = None

    def batches(self, first_step: int) -> Iterator[tuple[int, list[Sample]]]:
        part, data = (ranks.rank(), ranks.world()), self.data
        batches = CachedBatches(
            self.cache, self._split()[0], data.batch, self.seed, part, data.workers, self.conditioner
        )
        return batches.batches(first_step)

    def held_out(self, count: int) -> list[Sample]:
        return [self.cache.sample(name) for name in self._split()[1][:count]]

    def _split(self) -> tuple[list[str], list[str]]:
        return split_clips(self.cache, self.names)


@dataclass(frozen=True)
class MixedTakes:
    """Windows of the sets of a data file, drawn by their weights; held out is about one clip in twenty of each.

    Args:
        cache: where they are.
        sets: names of the entries of each set.
        weights: of the sets.
        data: batch and workers.
        seed: of the order.
        conditioner: of the model that is trained.
    """

    cache: LatentCache
    sets: Mapping[str, Sequence[str]]
    weights: Mapping[str, float]
    data: VideoData
    seed: int
    conditioner: Conditioner | None = None

    @cached_property
    def order(self) -> MixedBatches:
        """The batches, and the state of their order."""
        entries = self.cache.entries
        kept = {
            name: by_bucket(entries, split_clips(self.cache, each)[0]) for name, each in self.sets.items()
        }
        mixture = MixtureOrder(kept, self.weights, self.data.batch, self.seed)
        part = (ranks.rank(), ranks.world())
        return MixedBatches(self.cache, mixture, part, self.data.workers, self.conditioner)

    def batches(self, first_step: int) -> Iterator[tuple[int, list[Sample]]]:
        return self.order.batches(first_step)

    def held_out(self, count: int) -> list[Sample]:
        apart = [split_clips(self.cache, each)[1] for each in self.sets.values()]
        mixed = [name for row in zip_longest(*apart) for name in row if name is not None]
        return [self.cache.sample(name) for name in mixed[:count]]


def split_clips(cache: LatentCache, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """(trained on, held out): whole clips, chosen by their hashes; of several at least one each."""
    windows = [name for name in names if cache.entries[name].bucket[0] >= 5]
    drawn = {clip: hashlib.sha256(clip.encode()).digest() for clip in {_clip(name) for name in windows}}
    apart = {clip for clip, digest in drawn.items() if digest[0] < 256 / _HELD_OUT}
    if len(apart) in (0, len(drawn)):
        apart = {min(drawn, key=lambda clip: drawn[clip])} if len(drawn) > 1 else set()
    return (
        [name for name in windows if _clip(name) not in apart],
        [name for name in windows if _clip(name) in apart],
    )


def source_of(
    data: VideoData, model: VideoModel, out: Path, seed: int, points: int = 0, follow: Follow | None = None
) -> Source:
    """The samples that a recipe is told to train on.

    Args:
        data: filmed or cached.
        model: what is trained; it encodes videos.
        out: folder of the run.
        seed: of everything random.
        points: followed exactly through each film.
        follow: follows points through videos, see `encode_videos`.

    Raises:
        FormatError: videos that cannot be read.
        ValueError: unknown corruptions, or no videos.
    """
    if data.videos is None:
        film = TakeFilm(
            data.form(model),
            seed,
            data.library,
            data.licence,
            company=data.company,
            corrupt=data.corrupt,
            corruptions=data.corruptions,
            points=points,
            conditioner=model.conditioner,
        )
        return FilmedTakes(film, data)
    folder = Path(data.cache) if data.cache else out / "latents"
    if not data.videos.endswith(".toml"):
        cache, names = _encoded(data, data.videos, model, folder, data.capture, follow)
        return CachedTakes(cache, names, data, seed, model.conditioner)
    file = read_data_file(data.videos)
    clips = [clip for _, each in clips_of(file) for clip in each]
    cache, names = _encoded(data, clips, model, folder, data.capture or file.capture, follow)
    sets: dict[str, list[str]] = {each.name: [] for each in file.sets}
    for name in names:
        sets[cache.entries[name].clip.partition("/")[0]].append(name)
    weights = {each.name: each.weight for each in file.sets}
    return MixedTakes(cache, sets, weights, data, seed, model.conditioner)


def check_videos(data: VideoData) -> None:
    """Holds a data file against its videos, before a model is loaded; of several processes the first one does it.

    Raises:
        DataError: with everything that is wrong.
        ValueError: the same, in the other processes.
    """
    if data.videos is None or not data.videos.endswith(".toml"):
        return
    file = read_data_file(data.videos)
    if not data.check:
        return
    from tqdm import tqdm

    from kinema.data.data_check import DataError, check_data

    report = None
    if ranks.rank() == 0:
        whereabouts.doing("checks the data")
        report = check_data(file, progress=partial(tqdm, unit="set", desc="checking", leave=False))
    whereabouts.wait("checking the data")
    (sound,) = ranks.decided_by_first(report is None or not report.problems)
    if report is not None and not sound:
        raise DataError(report)
    if not sound:
        raise ValueError(f"{file.path} has mistakes: the first process names them")


def _encoded(
    data: VideoData,
    source: str | list[VideoClip],
    model: VideoModel,
    folder: Path,
    capture: bool,
    follow: Follow | None,
) -> tuple[LatentCache, list[str]]:
    """Videos encoded where they are not yet, each process its share; the cache and the entries' names."""
    from tqdm import tqdm

    from kinema.data.video_latents import encode_videos, window_format

    windows = window_format(model, data.form(model))
    finder = None
    if capture:
        from kinema.capture import capture as capturing

        finder = capturing.capture
    return encode_videos(
        source,
        folder,
        model,
        windows,
        capture=finder,
        follow=follow,
        max_bytes=int(data.cache_gib * 2**30),
        progress=lambda clips: whereabouts.telling(
            tqdm(clips, unit="clip", desc="encoding", disable=ranks.rank() > 0), "encodes its clip"
        ),
        part=(ranks.rank(), ranks.world()),
        wait=partial(whereabouts.wait, "encoding videos"),
    )


def _clip(name: str) -> str:
    return name.rpartition("-")[0]
