"""Room on the disk, and failures of the disk and the database that go away by themselves."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

STORAGE_ERRORS = (sqlite3.Error, OSError)
"""Among these are the failures that `trouble` knows."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Trouble:
    """Why nothing can be stored for now.

    Args:
        status: of HTTP.
        code: a word for machines.
        message: a sentence for people.
    """

    status: int
    code: str
    message: str


FULL = Trouble(507, "disk_full", "the server's disk is full: nothing can be stored until somebody makes room")
BUSY = Trouble(
    503, "database_busy", "the server's database is held by another program; try again in a moment"
)


def free_bytes(root: Path) -> int:
    """Room for the server's files."""
    return shutil.disk_usage(root).free


def trouble(error: BaseException) -> Trouble | None:
    """What of the disk or the database is behind an error; None where the error is another one's."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, OSError) and at.errno in _FULL:
            return FULL
        if isinstance(at, sqlite3.OperationalError):
            said = str(at)
            if any(word in said for word in ("full", "disk I/O", "unable to open")):
                return FULL
            if any(word in said for word in ("locked", "busy", "readonly")):
                return BUSY
        at = at.__cause__ or at.__context__
    return None
