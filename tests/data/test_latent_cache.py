import os
import shutil
from dataclasses import replace
from itertools import islice

import pytest
import torch
from tests.data.videos import gliding, make_video
from tests.video import tiny

from kinema.data import latent_cache
from kinema.data.latent_cache import CachedBatches, LatentCache
from kinema.data.sample import masks_of, signals_of
from kinema.data.video_latents import WindowFormat, encode_videos
from kinema.data.video_sets import read_videos
from kinema.scene.formats.errors import FormatError
from kinema.signals.control_signals import control_signals
from kinema.video.models.mini.model import MiniVideo

FORM = WindowFormat(size=(48, 64), frames=9)
ADAPTERS = {"tokenmotion": tiny.adapter()}


def model(autoencoder=None) -> MiniVideo:
    return MiniVideo(tiny.transformer(), autoencoder or tiny.autoencoder(), tiny.FORM)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set") / "videos"
    for number in range(2):
        make_video(folder / f"{number}.mp4", frames=24, seed=number)
        gliding().save(folder / f"{number}.npz")
    make_video(folder / "wide.mp4", frames=11, size=(64, 48))
    (folder / "0.txt").write_text("someone glides")
    return folder


@pytest.fixture(scope="module")
def encoded(videos, tmp_path_factory):
    """A folder with the cache of all videos, in several shards; tests that change it copy it."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latent_cache, "SHARD_BYTES", 20_000)
        encode_videos(str(videos), folder, model(), FORM)
    return folder


def opened(videos, folder):
    """The cache as it is found there by a new run."""
    return encode_videos(str(videos), folder, model(), FORM)


def contents(cache: LatentCache) -> dict[str, dict[str, torch.Tensor]]:
    return {name: {key: tensor.clone() for key, tensor in cache.read(name).items()} for name in cache.names()}


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(
        torch.equal(a[name][key].nan_to_num(-1), b[name][key].nan_to_num(-1)) for name in a for key in a[name]
    )


def test_windows_fall_into_buckets_of_aspect_and_length(videos, encoded):
    cache, names = opened(videos, encoded)
    buckets = sorted(cache.entries[name].bucket for name in names)
    assert buckets == [
        (5, 64, 48),
        (5, 64, 48),
        (9, 48, 64),
        (9, 64, 48),
        (9, 64, 48),
        (9, 64, 48),
        (9, 64, 48),
    ]
    samples = [cache.sample(name) for name in names]
    first = next(each for each in samples if each.caption == "someone glides" and each.frames == 9)
    assert first.encoded["latents"].shape == (tiny.autoencoder().config.latent_channels, 3, 8, 6)
    assert first.scene.camera.frames == 9
    assert first.lacks == frozenset()
    signals = signals_of([first], ADAPTERS)["tokenmotion"]
    assert signals.skeletons.any()
    assert signals.person_mask.any()
    assert masks_of([first]).any()
    (wide,) = (each for each in samples if each.size == (64, 48))
    assert wide.encoded["latents"].shape[-2:] == (6, 8)
    assert wide.lacks == {"pose", "camera"}
    assert not signals_of([wide], ADAPTERS)["tokenmotion"].skeletons.any()
    assert not masks_of([wide]).any()


def test_a_window_takes_hardly_more_room_than_its_latents(videos, encoded):
    """No signals and no plates as pixels: for these, skeletons and masks of 9 frames alone would be 276 kB."""
    cache, names = opened(videos, encoded)
    for name in names:
        tensors = cache.read(name)
        latents = sum(tensor.nbytes for key, tensor in tensors.items() if key.endswith("latents"))
        scene = sum(tensor.nbytes for key, tensor in tensors.items() if key.startswith("scene."))
        frames = cache.entries[name].bucket[0]
        assert scene <= frames * (24 * 3 + 16 + 4) * 8
        assert tensors["picture"].nbytes < 64 * 48 * 3
        assert (
            sum(tensor.nbytes for tensor in tensors.values()) == latents + scene + tensors["picture"].nbytes
        )


def test_signals_of_a_window_are_those_of_its_clip(videos, encoded):
    cache, names = opened(videos, encoded)
    clip = next(clip for clip in read_videos(videos) if clip.caption == "someone glides")
    name = next(name for name in names if cache.entries[name].clip == clip.id and name.endswith("-0"))
    sample = cache.sample(name)
    seen = signals_of([sample], ADAPTERS)["tokenmotion"]
    told = control_signals(clip.scene, size=sample.size, frames=24, fps=12.0).window(0, sample.frames)
    for signal in seen.present:
        assert torch.equal(seen[signal], told[signal]), signal


def test_of_two_processes_each_encodes_its_share(videos, encoded, tmp_path):
    whole, names = opened(videos, encoded)
    for rank in (1, 0):
        cache, shared = encode_videos(str(videos), tmp_path, model(), FORM, part=(rank, 2))
        assert rank == 0 or 0 < len(shared) < len(names)
    assert shared == names
    assert same(contents(cache), contents(whole))


def test_a_stopped_run_goes_on_and_encodes_nothing_twice(videos, encoded, tmp_path):
    whole, _ = opened(videos, encoded)
    cut = shutil.copytree(encoded, tmp_path / "cut")
    folder = cut / whole.folder.name
    for lost in sorted(folder.iterdir())[1:]:
        lost.unlink()
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    grown, names = opened(videos, cut)
    assert len(names) == 7
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert same(contents(whole), contents(grown))


def test_another_autoencoder_or_preprocessing_is_another_cache(videos, tmp_path):
    clips = list(read_videos(videos))[-1:]
    autoencoder, other = tiny.autoencoder(), tiny.autoencoder()
    other.moving_basis.mul_(0.5)
    folders = {
        encode_videos(clips, tmp_path / "cache", *arguments)[0].folder
        for arguments in (
            (model(autoencoder), FORM),
            (model(other), FORM),
            (model(autoencoder), WindowFormat((48, 64), 5)),
        )
    }
    assert len(folders) == 3
    told = [replace(clips[0], caption="someone else glides")]
    cache, names = encode_videos(told, tmp_path / "cache", model(autoencoder), FORM)
    assert {cache.entries[name].caption for name in names} == {"someone else glides"}


@pytest.mark.parametrize("damage", ["truncated", "flipped", "header"])
def test_damaged_entries_are_found_and_encoded_again(videos, encoded, tmp_path, damage):
    cache, _ = opened(videos, shutil.copytree(encoded, tmp_path / "cache"))
    before = contents(cache)
    shards = sorted(cache.folder.iterdir())
    assert len(shards) > 1
    content = bytearray(shards[0].read_bytes())
    if damage == "truncated":
        content = content[:-100]
    else:
        content[-1000 if damage == "flipped" else 20] ^= 0xFF
    shards[0].write_bytes(content)
    if damage == "flipped":
        with pytest.raises(FormatError, match=r"checksum .*start the training again"):
            contents(LatentCache(cache.folder))
    again, _ = opened(videos, tmp_path / "cache")
    assert same(contents(again), before)
    assert not list(again.folder.glob(".*"))


def test_a_cache_is_bounded_and_keeps_what_it_holds(videos, tmp_path):
    with pytest.raises(ValueError, match=r"would grow above .* GiB: allow more, or give fewer videos"):
        encode_videos(str(videos), tmp_path, model(), FORM, max_bytes=60_000)
    (folder,) = tmp_path.iterdir()
    assert LatentCache(folder).entries
    assert LatentCache(folder).bytes <= 60_000


def test_batches_are_of_one_bucket_and_depend_on_the_step_alone(videos, encoded):
    cache, names = opened(videos, encoded)

    def shapes(first, number, part=(0, 1)):
        stream = CachedBatches(cache, names, 2, 3, part).batches(first)
        return [
            (step, [(each.encoded["latents"].shape, _hash(each)) for each in batch])
            for step, batch in islice(stream, number)
        ]

    whole = shapes(0, 12)
    assert shapes(5, 7) == whole[5:]
    halves = [shapes(0, 12, (rank, 2)) for rank in range(2)]
    assert [(step, a + b) for (step, a), (_, b) in zip(*halves, strict=True)] == whole
    for _, batch in whole:
        assert len({shape for shape, _ in batch}) == 1
    epoch = {content for _, batch in whole[:4] for _, content in batch}
    assert len(epoch) == 7
    with pytest.raises(ValueError, match="nothing to train on"):
        CachedBatches(cache, [], 2, 0)


def test_a_clip_too_short_for_a_window_gives_its_first_picture(tmp_path):
    make_video(tmp_path / "videos" / "a.mp4", frames=3)
    cache, (name,) = encode_videos(str(tmp_path / "videos"), tmp_path / "cache", model(), FORM)
    assert cache.entries[name].bucket == (1, 64, 48)
    assert cache.sample(name).encoded["latents"].shape[1] == 1
    assert cache.sample(name).picture.shape == (64, 48, 3)


def _hash(sample) -> int:
    return hash(sample.encoded["latents"].numpy().tobytes())


def test_two_runs_may_write_to_one_folder(videos, encoded, tmp_path):
    """Each shard has a place of its own, and a shard that another run has just written is not damaged."""
    source, names = opened(videos, encoded)
    late, *runs = (LatentCache(tmp_path) for _ in range(3))
    for run, name in zip(runs, names, strict=False):
        run.add(source.entries[name], source.read(name))
    places = [run._claimed() for run in runs]
    assert places[0] != places[1]
    for run in runs:
        run.flush()
    assert late.repair() == len(places)  # those that nobody wrote to
    assert sorted(contents(LatentCache(tmp_path))) == sorted(names[:2])


def reads(monkeypatch) -> list[str]:
    """Names of the entries that are looked through from now on."""
    good, named = LatentCache._good, []

    def look(self, path, names):
        named.extend(names)
        return good(self, path, names)

    monkeypatch.setattr(LatentCache, "_good", look)
    return named


def test_a_start_reads_only_shards_that_are_new_or_changed(videos, encoded, tmp_path, monkeypatch):
    folder = next(shutil.copytree(encoded, tmp_path / "again").iterdir())
    for note in folder.glob("*.sound"):
        note.unlink()
    named = reads(monkeypatch)
    assert LatentCache(folder).repair() == 0
    assert sorted(named) == LatentCache(folder).names()
    named.clear()
    assert LatentCache(folder).repair() == 0
    assert named == []
    shard = sorted(folder.glob("shard-*.safetensors"))[0]
    content = bytearray(shard.read_bytes())
    content[-3] ^= 1
    shard.write_bytes(content)
    assert LatentCache(folder).repair() == 1
    assert 0 < len(set(named)) < 7


def test_damage_that_keeps_size_and_time_is_noticed_when_it_is_read_and_mended_at_the_next_start(
    videos, encoded, tmp_path
):
    folder = next(shutil.copytree(encoded, tmp_path / "rotten").iterdir())
    LatentCache(folder).repair()
    shard = sorted(folder.glob("shard-*.safetensors"))[0]
    before = shard.stat()
    content = bytearray(shard.read_bytes())
    content[-3] ^= 1
    shard.write_bytes(content)
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    cache = LatentCache(folder)
    assert cache.repair() == 0  # nothing tells, as yet
    bad = []
    for name in cache.names():
        try:
            cache.read(name)
        except FormatError:
            bad.append(name)
    assert len(bad) == 1
    assert LatentCache(folder).repair() == 1
    assert bad[0] not in LatentCache(folder).entries
    assert len(opened(videos, folder.parent)[1]) == 7
