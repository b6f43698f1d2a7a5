"""Which shards were read whole and found good: a small file beside each says its size and time then.

So a cache of many gigabytes is not read at every start. A shard that was changed has another size or time and is read
again. Damage without either is noticed by the checksums when an entry is read, and `suspect` has the shard read again.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from kinema.scene.formats.files import atomic_write

SUFFIX = ".sound"


def stamp(shard: Path) -> str:
    """Size and time of a shard.

    Raises:
        OSError: it is not there.
    """
    said = shard.stat()
    return f"{said.st_size} {said.st_mtime_ns}"


def is_sound(shard: Path) -> bool:
    """Whether a shard is still as it was when it was found good."""
    try:
        return shard.with_suffix(SUFFIX).read_text(encoding="ascii") == stamp(shard)
    except (OSError, ValueError):
        return False


def call_sound(shard: Path, found: str) -> None:
    """Notes that a shard is good; where nothing can be written, it is read again at the next start.

    Args:
        shard: that was read.
        found: its stamp before it was read.
    """
    with suppress(OSError), atomic_write(shard.with_suffix(SUFFIX)) as temporary:
        temporary.write_text(found, encoding="ascii")


def suspect(shard: Path) -> None:
    """Takes the note away: something in the shard is damaged, or it is gone."""
    with suppress(OSError):
        shard.with_suffix(SUFFIX).unlink(missing_ok=True)
