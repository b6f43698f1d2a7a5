"""WebDataset shards: plain tar files whose members share a name up to the first dot (`0001.mp4`, `0001.txt`).

Videos stay where they are; a clip only remembers their place. Nothing is unpickled, and no address is fetched.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from kinema.data.video_clips import (
    MAX_VIDEO_BYTES,
    TABLE_FIELDS,
    VIDEO_SUFFIXES,
    PackedFile,
    VideoClip,
    probe,
)
from kinema.scene import Scene
from kinema.scene.formats.errors import FormatError

SCENES = (".scene.npz", ".npz")
LATENTS, TEXT = ".latents.safetensors", ".text.safetensors"
"""Endings of a clip's members beside its video."""

MAX_SCENE_BYTES = 256 << 20
_MAX_TEXT_BYTES = 1 << 20
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


def read_shards(
    source: str | os.PathLike[str], *, report: Callable[[FormatError], None]
) -> Iterator[VideoClip]:
    """The clips of shards, in order.

    Args:
        source: a .tar, a folder of them, or a name with a range such as `clips-{00000..00011}.tar`. Captions are in
            `.txt` or in the field caption, text or prompt of `.json`; `licence` (or license) and `source` are read
            from there, too. A Kinema scene may be in `.npz` or `.scene.npz`, and what encoders have made in
            `.latents.safetensors` and `.text.safetensors`.
        report: told what is wrong with a clip, which is left out, or with a shard, whose rest is.

    Raises:
        FileNotFoundError: a shard is not there.
        FormatError: naming shard and member.
    """
    for shard in shard_paths(source):
        try:
            with tarfile.open(shard, "r:") as archive:
                yield from _samples(shard, archive, report)
        except tarfile.TarError as error:
            report(FormatError(shard, f"is not a readable tar ({error})", hint="plain, not compressed"))


def shard_paths(source: str | os.PathLike[str]) -> list[Path]:
    """The shards that a name stands for.

    Raises:
        FileNotFoundError: one of them is not there.
    """
    text = os.fspath(source)
    if Path(text).is_dir():
        names = [str(path) for path in sorted(Path(text).glob("*.tar"))]
        if not names:
            raise FileNotFoundError(f"{text}: there are no .tar shards in this folder")
    elif match := _RANGE.search(text):
        first, last = match.groups()
        numbers = range(int(first), int(last) + 1)
        names = [text[: match.start()] + f"{n:0{len(first)}d}" + text[match.end() :] for n in numbers]
    else:
        names = [text]
    for name in names:
        if not Path(name).is_file():
            raise FileNotFoundError(f"{name}: there is no such shard")
    return [Path(name) for name in names]


def _samples(
    shard: Path, archive: tarfile.TarFile, report: Callable[[FormatError], None]
) -> Iterator[VideoClip]:
    def read(key: str, members: dict[str, tarfile.TarInfo]) -> Iterator[VideoClip]:
        try:
            yield from list(_clip(shard, archive, key.strip("/"), members))
        except FormatError as problem:
            report(problem)

    key: str | None = None
    members: dict[str, tarfile.TarInfo] = {}
    for member in archive:
        if not member.isfile():
            continue
        folder, name = os.path.split(member.name)
        stem, _, ending = name.partition(".")
        if (place := f"{folder}/{stem}") != key:
            if key is not None:
                yield from read(key, members)
            key, members = place, {}
        members[f".{ending.lower()}"] = member
    if key is not None:
        yield from read(key, members)


def _clip(
    shard: Path, archive: tarfile.TarFile, key: str, members: dict[str, tarfile.TarInfo]
) -> Iterator[VideoClip]:
    """The clip of one group of members; nothing where there is no video among them."""
    video = next((members[suffix] for suffix in VIDEO_SUFFIXES if suffix in members), None)
    if video is None:
        return
    where = f"member {video.name}"
    if video.size > MAX_VIDEO_BYTES:
        raise FormatError(shard, f"is {video.size} bytes; the limit is {MAX_VIDEO_BYTES}", where=where)
    if video.issparse():
        raise FormatError(shard, "is stored sparsely", where=where, hint="pack the shard anew")
    packed = _packed(shard, video)
    facts = _facts(shard, archive, members)
    with packed.unpacked() as path:
        fps, size = probe(path)
    yield VideoClip(
        f"{shard.name}/{key}",
        packed,
        facts.get("caption", ""),
        fps,
        size,
        scene=_scene(shard, members),
        licence=facts.get("licence", ""),
        source=facts.get("source", shard.stem),
        latents=None if LATENTS not in members else _packed(shard, members[LATENTS]),
        text=None if TEXT not in members else _packed(shard, members[TEXT]),
    )


def _packed(shard: Path, member: tarfile.TarInfo) -> PackedFile:
    return PackedFile(shard, member.offset_data, member.size, member.name)


def _scene(shard: Path, members: dict[str, tarfile.TarInfo]) -> Scene | None:
    member = next((members[ending] for ending in SCENES if ending in members), None)
    if member is None:
        return None
    if member.size > MAX_SCENE_BYTES:
        raise FormatError(
            shard, f"is {member.size} bytes; the limit is {MAX_SCENE_BYTES}", f"member {member.name}"
        )
    with _packed(shard, member).unpacked() as path:
        return Scene.load(path)


def _facts(shard: Path, archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> dict[str, str]:
    facts: dict[str, str] = {}
    if ".json" in members:
        try:
            told = json.loads(_text(shard, archive, members[".json"]))
        except json.JSONDecodeError as error:
            where = f"member {members['.json'].name}, line {error.lineno}"
            raise FormatError(shard, f"not JSON ({error.msg})", where=where) from None
        if not isinstance(told, dict):
            raise FormatError(shard, "is not an object", where=f"member {members['.json'].name}")
        named = {name: text.strip() for name, text in told.items() if isinstance(text, str)}
        for field in ("caption", "licence", "source"):
            found = next((named[name] for name in TABLE_FIELDS[field] if name in named), None)
            if found is not None:
                facts[field] = found
    if ".txt" in members:
        facts["caption"] = _text(shard, archive, members[".txt"]).strip()
    return facts


def _text(shard: Path, archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    where = f"member {member.name}"
    if member.size > _MAX_TEXT_BYTES:
        raise FormatError(shard, f"is {member.size} bytes; the limit is {_MAX_TEXT_BYTES}", where=where)
    file = archive.extractfile(member)
    assert file is not None
    try:
        return file.read().decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError(shard, "is not UTF-8 text", where=where) from None
