"""Kept clips packed into shards: WebDataset tars or Parquet, the same bytes for the same clips.

    0001.mp4  0001.txt  0001.json  0001.scene.npz  0001.latents.safetensors  0001.text.safetensors

Which clips make which shard is decided first and written down; then shards are packed, each by itself.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kinema.data import video_shards
from kinema.data.curation.captions import CAPTION
from kinema.data.curation.capturing import SCENE
from kinema.data.curation.clip_folder import ClipFolder, sha256, write_json
from kinema.data.curation.encoding import LATENTS, TEXT
from kinema.data.curation.stage import Walked, folder_of
from kinema.data.video_tables import COLUMNS
from kinema.scene.formats.files import atomic_write, read_text

ShardFormat = Literal["webdataset", "parquet"]
ENDINGS: dict[str, str] = {"webdataset": ".tar", "parquet": ".parquet"}
MEMBERS = {SCENE: video_shards.SCENES[0], LATENTS: video_shards.LATENTS, TEXT: video_shards.TEXT}
"""Files that stages make, and their endings in a shard."""


@dataclass(frozen=True)
class Packer:
    """Packs shards; picklable.

    Args:
        out: folder of the shards.
        work: folder of the work.
        form: what shards are.
        stages: whose findings go into a clip's `.json`.
    """

    out: Path
    work: Path
    form: ShardFormat
    stages: tuple[str, ...]

    def __call__(self, name: str) -> Walked:
        """Packs the shard of that name, unless it is there already."""
        begun = time.perf_counter()
        told = json.loads(read_text(self._list(name)))
        shard, record = self.out / f"{name}{ENDINGS[self.form]}", self.work / "shards" / f"{name}.done.json"
        done = json.loads(read_text(record)) if record.is_file() else {}
        if not (
            done.get("list") == _digest(told) and shard.is_file() and shard.stat().st_size == done["bytes"]
        ):
            with atomic_write(shard) as temporary:
                {"webdataset": self._tar, "parquet": self._parquet}[self.form](temporary, told["clips"])
            facts = {"name": shard.name, "clips": len(told["clips"]), "bytes": shard.stat().st_size}
            write_json(record, {**facts, "sha256": sha256(shard), "list": _digest(told)})
        return Walked(name, {"shards": time.perf_counter() - begun})

    def plan(self, clips: Sequence[ClipFolder], most: int) -> list[str]:
        """Writes down which clips make which shard; their names. Shards that are none any more are removed.

        Args:
            clips: kept ones, in order.
            most: bytes of a shard, about.
        """
        groups: list[list[str]] = []
        room = 0
        for clip in clips:
            files = [clip.video, *(clip.path / name for name in MEMBERS)]
            size = sum(path.stat().st_size for path in files if path.is_file())
            if not groups or size > room:
                groups.append([])
                room = most
            groups[-1].append(clip.id)
            room -= size
        names = [f"shard-{number:06d}" for number in range(len(groups))]
        for name, group in zip(names, groups, strict=True):
            listed = [[each, self._identity(folder_of(self.work / "clips", each))] for each in group]
            write_json(self._list(name), {"form": self.form, "clips": listed})
        for old in self.out.glob("shard-*"):
            if old.suffix in ENDINGS.values() and old.name not in {f"{n}{ENDINGS[self.form]}" for n in names}:
                old.unlink()
        return names

    def done(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Name, clips, bytes and SHA-256 of packed shards."""
        told = [json.loads(read_text(self.work / "shards" / f"{name}.done.json")) for name in names]
        return [{name: value for name, value in each.items() if name != "list"} for each in told]

    def _list(self, name: str) -> Path:
        return self.work / "shards" / f"{name}.json"

    def _identity(self, clip: ClipFolder) -> str:
        """A hash of everything of a clip that goes into a shard."""
        files = [record.files for stage in self.stages if (record := clip.record(stage)) is not None]
        return _digest([self._facts(clip), files])

    def _facts(self, clip: ClipFolder) -> dict[str, Any]:
        """What a clip's `.json` says."""
        facts = clip.facts
        for stage in self.stages:
            record = clip.record(stage)
            facts |= {stage: record.facts} if record is not None and record.facts else {}
        return {**facts, "caption": self._caption(clip)}

    def _caption(self, clip: ClipFolder) -> str:
        path = clip.path / CAPTION
        return path.read_text("utf-8") if path.is_file() else str(clip.facts["caption"])

    def _members(self, clip: ClipFolder) -> Iterator[tuple[str, bytes]]:
        """(ending, content) of a clip, in order; what stages of this plan have not made is left alone."""
        records = (clip.record(stage) for stage in self.stages)
        made = {name for record in records if record is not None for name in record.files}
        yield ".mp4", clip.video.read_bytes()
        yield ".txt", self._caption(clip).encode()
        yield ".json", json.dumps(self._facts(clip), sort_keys=True, ensure_ascii=False).encode()
        for name, ending in MEMBERS.items():
            if name in made:
                yield ending, (clip.path / name).read_bytes()

    def _tar(self, path: Path, clips: Sequence[Sequence[str]]) -> None:
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
            for name, _ in clips:
                for ending, content in self._members(folder_of(self.work / "clips", name)):
                    member = tarfile.TarInfo(name + ending)
                    member.size, member.mode = len(content), 0o644
                    archive.addfile(member, io.BytesIO(content))

    def _parquet(self, path: Path, clips: Sequence[Sequence[str]]) -> None:
        """A row for each clip, in a row group of its own: `id`, and a column for each ending, see `video_tables`."""
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ModuleNotFoundError:
            raise ModuleNotFoundError("Parquet needs pyarrow: pip install 'kinema[curate]'") from None
        texts = ("id", "txt", "json")
        schema = pa.schema([(name, pa.string() if name in texts else pa.binary()) for name in COLUMNS])
        with pq.ParquetWriter(path, schema, compression="none") as writer:
            for name, _ in clips:
                row: dict[str, Any] = {"id": name}
                for ending, content in self._members(folder_of(self.work / "clips", name)):
                    column = ending[1:].replace(".", "_")
                    row[column] = content.decode() if column in texts else content
                columns = [pa.array([row.get(each)], schema.field(each).type) for each in COLUMNS]
                writer.write_table(pa.table(columns, schema=schema))


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
