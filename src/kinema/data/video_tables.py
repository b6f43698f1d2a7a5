"""Parquet shards as `kinema curate --format parquet` writes them: a row for each clip, each in a row group of its own.

Columns are what members of WebDataset shards are called, with `_` for a dot; values are the files themselves. So one
clip is read without its neighbours.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kinema.data.video_clips import TABLE_FIELDS, PackedCell, VideoClip, probe
from kinema.scene import Scene
from kinema.scene.formats.errors import FormatError

COLUMNS = ("id", "mp4", "txt", "json", "scene_npz", "latents_safetensors", "text_safetensors")
_TOLD = ("id", "txt", "json")


def read_tables(
    source: str | os.PathLike[str], *, report: Callable[[FormatError], None]
) -> Iterator[VideoClip]:
    """The clips of Parquet shards, in order.

    Args:
        source: a .parquet, or a folder of them.
        report: told what is wrong with a clip or a shard, which is left out.

    Raises:
        FileNotFoundError: it is not there.
        ModuleNotFoundError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise ModuleNotFoundError("Parquet needs pyarrow: pip install 'kinema[curate]'") from None
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such shard")
    for shard in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        try:
            with pq.ParquetFile(shard) as table:
                if missing := {"id", "mp4"} - set(table.schema_arrow.names):
                    raise FormatError(shard, f"has no column {', '.join(sorted(missing))}")
                if table.metadata.num_rows != table.num_row_groups:
                    raise FormatError(shard, "has several clips in a row group", hint="write one for each")
                for row in range(table.num_row_groups):
                    try:
                        yield _clip(shard, table, row)
                    except FormatError as problem:
                        report(problem)
        except pa.ArrowException as error:
            report(FormatError(shard, f"is not a readable Parquet file ({str(error).splitlines()[0]})"))
        except FormatError as problem:
            report(problem)


def _clip(shard: Path, table: Any, row: int) -> VideoClip:
    where = f"row {row}"
    there = set(table.schema_arrow.names)
    read = table.read_row_group(row, columns=[name for name in _TOLD if name in there]).to_pylist()[0]
    sizes = _sizes(table, row)

    def cell(column: str) -> PackedCell | None:
        size = sizes.get(column, 0)
        name = f"{read['id']}.{column.replace('_', '.')}"
        return PackedCell(shard, row, size, name, column) if size else None

    video = cell("mp4")
    if video is None:
        raise FormatError(shard, "has no video", where)
    try:
        told = json.loads(read.get("json") or "{}")
    except ValueError:
        raise FormatError(shard, "is not JSON", f"{where}, column json") from None
    facts = {
        field: next((str(told[name]) for name in TABLE_FIELDS[field] if name in told), "")
        for field in ("caption", "licence", "source")
    }
    with video.unpacked() as path:
        fps, size = probe(path)
    known = None
    if (scene := cell("scene_npz")) is not None:
        with scene.unpacked() as path:
            known = Scene.load(path)
    return VideoClip(
        f"{shard.name}/{read['id']}",
        video,
        (read.get("txt") or facts["caption"]).strip(),
        fps,
        size,
        scene=known,
        licence=facts["licence"],
        source=facts["source"] or shard.stem,
        latents=cell("latents_safetensors"),
        text=cell("text_safetensors"),
    )


def _sizes(table: Any, row: int) -> dict[str, int]:
    """Bytes of each column of a row, about; none where it is null."""
    group = table.metadata.row_group(row)
    found = {}
    for number in range(group.num_columns):
        column = group.column(number)
        null = column.statistics is not None and column.statistics.null_count == column.num_values
        found[column.path_in_schema] = 0 if null else column.total_uncompressed_size
    return found
