"""Locks on files of the server's folder; the system frees those of a process that is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_LOOK = 0.2  # seconds between attempts
_PATIENCE = 900.0  # seconds that a worker of an earlier server has to finish what it is at


@contextmanager
def owned(root: Path) -> Iterator[None]:
    """Makes this process the one server of a folder.

    Raises:
        OSError: another server has it.
    """
    with (root / "server.lock").open("a+") as file:
        if not _lock(file.fileno()):
            file.seek(0)
            raise OSError(
                f"{root}: another server (process {file.read().strip() or 'unknown'}) works in this folder; "
                "stop it, or take another folder with --root"
            )
        _sign(file.fileno())
        yield


@contextmanager
def alone(root: Path, lane: str, device: str, parent_lives: Callable[[], bool]) -> Iterator[None]:
    """Waits until no other worker of this lane and device runs: an orphan of a killed server finishes what it has.

    One that is stopped, or that takes longer than a quarter of an hour, is ended.
    """
    with lock_of(root, lane, device).open("a+") as file:
        began = time.monotonic()
        while not _lock(file.fileno()):
            if not parent_lives():
                raise SystemExit(0)
            file.seek(0)
            _end_if_stuck(file.read().strip(), time.monotonic() - began)
            time.sleep(_LOOK)
        _sign(file.fileno())
        yield


def is_free(path: Path) -> bool:
    """Whether nobody has a lock; where there is no such file nobody has."""
    with contextlib.suppress(FileNotFoundError), path.open("r+") as file:
        return _lock(file.fileno())
    return True


def lock_of(root: Path, lane: str, device: str) -> Path:
    """The file that a worker locks."""
    return root / f"worker-{lane}-{device.replace(':', '-')}.lock"


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(file: int) -> None:
    """Leaves the process's number; on a full disk there is none, and nobody is the worse for it."""
    with contextlib.suppress(OSError):
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())


def _end_if_stuck(number: str, waited: float) -> None:
    """Ends the worker process of that number if it is stopped, or has had its time."""
    if not number.isdigit():
        return
    process = Path("/proc") / number
    try:
        is_worker = b"kinema.app.server.worker" in (process / "cmdline").read_bytes()
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return  # it is gone, or this system does not say
    if is_worker and (state in "Tt" or waited > _PATIENCE):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(int(number), signal.SIGKILL)
