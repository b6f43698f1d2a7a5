"""Encoded windows of videos on disk: latents, joints and cameras in safetensors shards, ready for training.

No signals and no plates: they are drawn of the joints when a batch is made, many times larger. A cache folder is good
for one model's encoders, one preprocessing and one version of the code: their hash is its key, and another key is
another folder. Shards appear whole; every entry carries a checksum, and what does not fit it is encoded
again. What the entries are is read from the shards' headers, so nothing else can go stale. A shard that was read whole
and found good is not read again at the next start while its size and time stay the same; a file beside it says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from kinema.data.sample import Conditioner, Sample, conditioned
from kinema.data.sound_shards import call_sound, is_sound, stamp, suspect
from kinema.data.takes import take_stream
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write
from kinema.scene.skeleton import SMPL24
from kinema.signals.control_signals import smpl24_joints

SHARD_BYTES = 64 << 20
MAX_BYTES = 16 << 30
"""Default bound of a cache, 16 GiB (ours)."""

PICTURE = "picture"
SCENE = "scene."
TRACK = "track."
TEXT = "text.states"
"""Tensors of an entry: the reference picture as PNG, the scene's and the points' under names that begin so, the caption's
states where they were made ahead, and what was encoded."""

_ENTRIES = "entries"


@dataclass(frozen=True)
class Entry:
    """One window of a clip, as its shard's header describes it.

    Args:
        id: unique: the clip's hash and the window's number.
        clip: the clip's id in its data set.
        window: its number in the clip.
        last: whether it is the clip's last one.
        bucket: (frames, height, width) in pixels; a batch is of one bucket.
        caption: of the clip.
        fps: frames per second.
        licence, source: as the data set states them.
        checksum: CRC-32 of the tensors.
        withheld: which of pose and camera are not trained, though they may be known.
    """

    id: str
    clip: str
    window: int
    last: bool
    bucket: tuple[int, int, int]
    caption: str
    fps: float
    licence: str
    source: str
    checksum: int
    withheld: tuple[str, ...] = ()


@dataclass
class LatentCache:
    """The entries of one cache folder.

    Args:
        folder: its place; made when the first shard is written.
        max_bytes: more is not written.
        part: (rank, world) of the processes that write at the same time; their shards have different numbers.
    """

    folder: Path
    max_bytes: int = MAX_BYTES
    part: tuple[int, int] = (0, 1)
    entries: dict[str, Entry] = field(default_factory=dict)
    _shards: dict[str, Path] = field(default_factory=dict)
    _waiting: dict[str, tuple[Entry, dict[str, torch.Tensor]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for shard in sorted(self.folder.glob("shard-*.safetensors")):
            for entry in _described(shard):
                self.entries[entry.id] = entry
                self._shards[entry.id] = shard

    @property
    def bytes(self) -> int:
        """Of all shards."""
        return sum(path.stat().st_size for path in self.folder.glob("shard-*.safetensors"))

    def add(self, entry: Entry, tensors: dict[str, torch.Tensor]) -> None:
        """Adds an entry; it is on disk after `flush`, or when a shard is full. Its checksum is computed here.

        Raises:
            ValueError: the cache would grow above its bound.
            OSError: it cannot be written; what was written before stays.
        """
        entry = Entry(**{**asdict(entry), "checksum": _checksum(tensors)})
        self._waiting[entry.id] = (entry, {name: tensor.contiguous() for name, tensor in tensors.items()})
        if _size(self._waiting) >= SHARD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what waits as one shard.

        Raises:
            ValueError, OSError: see `add`.
        """
        if not self._waiting:
            return
        if self.bytes + _size(self._waiting) > self.max_bytes:
            raise ValueError(
                f"the latent cache {self.folder} would grow above {self.max_bytes / 2**30:.1f} GiB: allow more, or "
                "give fewer videos; what it holds is kept"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._claimed()
        tensors = {
            f"{name}/{key}": tensor
            for name, (_, held) in self._waiting.items()
            for key, tensor in held.items()
        }
        entries = json.dumps([asdict(entry) for entry, _ in self._waiting.values()])
        try:
            with atomic_write(path) as temporary:
                save_file(tensors, temporary, metadata={_ENTRIES: entries})
        except OSError:
            path.unlink(missing_ok=True)
            raise
        except SafetensorError as error:
            path.unlink(missing_ok=True)
            raise OSError(f"cannot write {path}: {str(error).splitlines()[0]}") from error
        for name, (entry, _) in self._waiting.items():
            self.entries[name] = entry
            self._shards[name] = path
        self._waiting.clear()

    def _claimed(self) -> Path:
        """A new shard's place, empty, so that another run with this folder takes the next one."""
        rank, world = self.part
        written = [int(path.stem[6:]) for path in self.folder.glob("shard-*.safetensors")]
        for turn in count(max(written, default=-1) // world + 1):
            path = self.folder / f"shard-{turn * world + rank:06d}.safetensors"
            try:
                path.touch(exist_ok=False)
            except FileExistsError:
                continue
            return path
        raise AssertionError

    def read(self, name: str) -> dict[str, torch.Tensor]:
        """The tensors of an entry.

        Raises:
            FormatError: they are damaged.
        """
        path = self._shards[name]
        try:
            with safe_open(path, framework="pt") as file:
                keys = [key for key in file.keys() if key.rpartition("/")[0] == name]  # noqa: SIM118
                tensors = {key.rpartition("/")[2]: file.get_tensor(key) for key in keys}
        except (SafetensorError, OSError) as error:
            suspect(path)
            raise _damaged(path, str(error).splitlines()[0]) from None
        if _checksum(tensors) != self.entries[name].checksum:
            suspect(path)
            raise _damaged(path, f"the checksum of entry {name} is wrong")
        return tensors

    def repair(self) -> int:
        """Removes shards with damaged entries after moving the good ones; how many were bad.

        Reads every shard that is new or has another size or time than when it was read last. What is damaged without
        either is noticed when the entry is read, and its shard is then read at the next start.
        """
        bad = 0
        for path in sorted(self.folder.glob("shard-*.safetensors")):
            if is_sound(path):
                continue
            found = stamp(path)
            for entry in _described(path):  # of another run, too, which has written it since
                self.entries.setdefault(entry.id, entry)
                self._shards.setdefault(entry.id, path)
            names = [name for name, shard in self._shards.items() if shard == path]
            good = self._good(path, names)
            bad += len(names) - len(good)
            if names and len(good) == len(names):
                call_sound(path, found)
                continue
            bad += not names
            kept = {name: self.entries[name] for name in good}
            for name in names:
                del self.entries[name], self._shards[name]
            path.unlink(missing_ok=True)
            suspect(path)
            for name, tensors in good.items():
                self._waiting[name] = (kept[name], tensors)
            self.flush()
        return bad

    def _good(self, path: Path, names: Sequence[str]) -> dict[str, dict[str, torch.Tensor]]:
        """The tensors of those entries of a shard that fit their checksums; the file is gone through once."""
        good: dict[str, dict[str, torch.Tensor]] = {}
        try:
            with safe_open(path, framework="pt") as file:
                held: dict[str, list[str]] = {}
                for key in file.keys():  # noqa: SIM118
                    held.setdefault(key.rpartition("/")[0], []).append(key)
                for name in names:
                    tensors = {key.rpartition("/")[2]: file.get_tensor(key) for key in held.get(name, ())}
                    if _checksum(tensors) == self.entries[name].checksum:
                        good[name] = tensors
        except (SafetensorError, OSError):
            pass  # what was read before is good
        return good

    def complete(self, clip: str) -> bool:
        """Whether all windows of the clip with this hash are there."""
        for number in count():
            entry = self.entries.get(f"{clip}-{number}")
            if entry is None or entry.last:
                return entry is not None
        raise AssertionError

    def sample(self, name: str) -> Sample:
        """An entry as training reads it.

        Raises:
            FormatError: it is damaged.
        """
        entry, tensors = self.entries[name], self.read(name)
        frames, height, width = entry.bucket
        scene, picture = scene_of(tensors, (width, height), entry.fps), tensors.pop(PICTURE)
        text = tensors.pop(TEXT, None)
        return Sample(
            caption=entry.caption,
            scene=scene,
            start=0,
            frames=frames,
            size=(width, height),
            fps=entry.fps,
            picture=unpacked_picture(picture),
            encoded={name: tensor for name, tensor in tensors.items() if not name.startswith((SCENE, TRACK))},
            tracks={
                name.removeprefix(TRACK): tensor.numpy()
                for name, tensor in tensors.items()
                if name.startswith(TRACK)
            },
            withheld=frozenset(entry.withheld),
            text=text,
        )

    def names(self, clips: Iterable[str] | None = None) -> list[str]:
        """Entries in a fixed order; of some clips (by hash) where they are given."""
        wanted = None if clips is None else set(clips)
        return sorted(name for name in self.entries if wanted is None or name.rpartition("-")[0] in wanted)


@dataclass
class CachedBatches:
    """Batches of one bucket each; which, depends on (seed, step) alone.

    Each epoch shows every entry at least once, in an order of its own; a bucket's last batch is filled up with its
    first entries.

    Args:
        cache: where the entries are.
        names: which of them.
        batch: samples per step.
        seed: of the order.
        part: (rank, world), see Reservoir.
        workers: processes that read ahead.
        conditioner: of the model that is trained; what it reads itself is drawn by the workers, too.
    """

    cache: LatentCache
    names: Sequence[str]
    batch: int
    seed: int
    part: tuple[int, int] = (0, 1)
    workers: int = 0
    conditioner: Conditioner | None = None

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("there is nothing to train on: the latent cache has no windows of these videos")
        if self.batch % self.part[1]:
            raise ValueError(f"a batch of {self.batch} cannot be divided among {self.part[1]} processes")
        buckets: dict[tuple[int, int, int], list[str]] = {}
        for name in self.names:
            buckets.setdefault(self.cache.entries[name].bucket, []).append(name)
        self._buckets = [buckets[key] for key in sorted(buckets)]
        self._order: tuple[int, list[list[str]]] = (-1, [])

    def batches(self, first_step: int = 0) -> Iterator[tuple[int, list[Sample]]]:
        """(step, samples of this part of the batch) from `first_step` on."""
        order = (name for step in count(first_step) for name in self._named(step))
        samples = take_stream(Reader(self.cache, self.conditioner), workers=self.workers, numbers=order)
        for step in count(first_step):
            yield step, [next(samples) for _ in self._named(step)]

    def _named(self, step: int) -> list[str]:
        """Entries of this part of a batch."""
        rank, world = self.part
        rows = self.batch // world
        per_epoch = sum(-(-len(bucket) // self.batch) for bucket in self._buckets)
        if step // per_epoch != self._order[0]:
            self._order = step // per_epoch, self._epoch(step // per_epoch)
        return self._order[1][step % per_epoch][rank * rows : (rank + 1) * rows]

    def _epoch(self, epoch: int) -> list[list[str]]:
        rng = np.random.default_rng([self.seed, epoch])
        made: list[list[str]] = []
        for bucket in self._buckets:
            mixed = [bucket[i] for i in rng.permutation(len(bucket))]
            whole = -(-len(mixed) // self.batch) * self.batch
            mixed = [mixed[i % len(mixed)] for i in range(whole)]
            made += [mixed[i : i + self.batch] for i in range(0, whole, self.batch)]
        return [made[i] for i in rng.permutation(len(made))]


@dataclass(frozen=True)
class Reader:
    """Reads entries and draws what the model reads itself; picklable."""

    cache: LatentCache
    conditioner: Conditioner | None

    def __call__(self, name: Any) -> Sample:
        return conditioned(self.cache.sample(name), self.conditioner)


def scene_tensors(scene: Scene | None) -> dict[str, torch.Tensor]:
    """Joints with their confidence, and the camera, of a scene on one time base; nothing for none.

    People on another skeleton are kept as SMPL-24, which is what signals are made of.
    """
    tensors: dict[str, np.ndarray] = {}
    for number, person in enumerate(() if scene is None else scene.people):
        human = person.skeleton.same_tree(SMPL24)
        tensors[f"{SCENE}{number}.joints"] = person.joints if human else smpl24_joints(person)
        if human and person.confidence is not None:
            tensors[f"{SCENE}{number}.confidence"] = person.confidence
    if scene is not None and scene.camera is not None:
        tensors |= {f"{SCENE}c2w": scene.camera.c2w, f"{SCENE}intrinsics": scene.camera.intrinsics}
    return {name: torch.from_numpy(np.array(array, np.float64)) for name, array in tensors.items()}


def scene_of(tensors: Mapping[str, torch.Tensor], size: tuple[int, int], fps: float) -> Scene | None:
    """The scene that `scene_tensors` has kept, with the camera at a picture's size."""
    arrays = {
        name.removeprefix(SCENE): tensor.numpy() for name, tensor in tensors.items() if name.startswith(SCENE)
    }
    if not arrays:
        return None
    camera = None
    if "c2w" in arrays:
        camera = CameraPath(arrays["c2w"], arrays["intrinsics"], size, fps)
    people = tuple(
        Motion(arrays[f"{number}.joints"], fps, SMPL24, confidence=arrays.get(f"{number}.confidence"))
        for number in range(sum(name.endswith(".joints") for name in arrays))
    )
    return Scene(people, camera, fps)


def packed_picture(picture: np.ndarray) -> torch.Tensor:
    """A picture, uint8 [H, W, 3], as the bytes of a PNG file, uint8 [N]."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(picture).save(file, "png")
    return torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)


def unpacked_picture(packed: torch.Tensor) -> np.ndarray:
    """The picture of `packed_picture`."""
    from PIL import Image

    return np.array(Image.open(BytesIO(packed.numpy().tobytes()), formats=["PNG"]))


def cache_key(facts: Mapping[str, Any], weights: Mapping[str, torch.Tensor], sources: Iterable[Path]) -> str:
    """A hash of how entries are made.

    Args:
        facts: of the preprocessing, JSON types.
        weights: of the encoders.
        sources: the files of code that make entries.
    """
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    for path in sources:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:20]


def _described(shard: Path) -> list[Entry]:
    """What a shard says that it holds; nothing where it is damaged."""
    try:
        with safe_open(shard, framework="pt") as file:
            entries = json.loads((file.metadata() or {})[_ENTRIES])
        return [
            Entry(**{**entry, **{name: tuple(entry.get(name, ())) for name in ("bucket", "withheld")}})
            for entry in entries
        ]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        return []


def _damaged(path: Path, why: str) -> FormatError:
    return FormatError(path, why, hint="start the training again: damaged entries are found and encoded anew")


def _checksum(tensors: Mapping[str, torch.Tensor]) -> int:
    checksum = 0
    for name, tensor in sorted(tensors.items()):
        content = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data
        checksum = zlib.crc32(content, zlib.crc32(name.encode(), checksum))
    return checksum


def _size(waiting: Mapping[str, tuple[Entry, dict[str, torch.Tensor]]]) -> int:
    return sum(tensor.nbytes for _, tensors in waiting.values() for tensor in tensors.values())


def clip_hash(*facts: str | os.PathLike[str]) -> str:
    """A short hash of what identifies a clip."""
    return hashlib.sha256("\n".join(os.fspath(fact) for fact in facts).encode()).hexdigest()[:20]
