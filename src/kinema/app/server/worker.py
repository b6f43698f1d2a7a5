"""The process that makes things: one per device, models loaded once, one job at a time.

`python -m kinema.app.server.worker ROOT DEVICE` takes jobs until its parent is gone. A lock on a file of its device
keeps a second worker out while an orphan of a killed server is still at work.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from kinema.app.console import USER_ERRORS, describe
from kinema.app.server.config import ServerConfig
from kinema.app.server.making import Engine, Superseded
from kinema.app.server.monitoring import log_as_json
from kinema.app.server.shelf import Shelf
from kinema.app.server.store import Job, JobStore

logger = logging.getLogger("kinema.worker")
_PAUSE = 0.1  # seconds between looks at an empty queue
_REPORTS = 0.2  # seconds between reports of one job


def work(config: ServerConfig, device: str, parent: int) -> None:
    """Takes jobs until the parent process is gone or the process is asked to end."""
    shelf = Shelf(config.root)
    store = JobStore(shelf.database)
    engine = Engine(config, store, shelf, device)
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    with _alone(config.root, device):
        store.requeue(device, crashed=False, attempts=config.attempts)
        shelf.sweep(store.folders())
        logger.info("ready", extra={"device": device})
        warm = False
        while os.getppid() == parent:
            job = store.claim(device)
            if job is not None:
                _make(engine, job)
            elif not warm:
                warm = True
                import kinema.motion.motion_pipeline  # noqa: F401  # with torch: the first job need not wait for it
            elif engine.release():
                logger.info("models released", extra={"device": device})
            else:
                time.sleep(_PAUSE)


def _make(engine: Engine, job: Job) -> None:
    """One job, to its end: every outcome is written to the table."""
    store, shelf = engine.store, engine.shelf
    began = time.monotonic()
    told = 0.0

    def report(share: float, stage: str) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < _REPORTS and share > 0:
            return
        told = now
        if not store.report(job, round(100 * share), stage):
            raise Superseded(job.id)

    facts = {"job": job.id, "claim": job.claim}
    try:
        result = engine.make(job, shelf.bench(job), report)
        result["folder"], size = shelf.publish(job)
        if not store.complete(job, result, size):
            raise Superseded(job.id)
        shelf.forget(job)  # what the job had made before it was edited
        logger.info("completed", extra={**facts, "seconds": round(time.monotonic() - began, 3)})
        return
    except Superseded:
        logger.info("no longer wanted", extra=facts)
    except USER_ERRORS as error:
        reason = describe(error).replace(f"{shelf.uploads}{os.sep}", "")
        store.fail(job, "invalid_request", reason)
        logger.info("failed", extra={**facts, "reason": reason})
    except Exception:
        store.fail(
            job, "internal_error", "something went wrong while making this; the server's log says what"
        )
        logger.exception("failed", extra=facts)
    shelf.withdraw(job)


def _end(number: int, frame: FrameType | None) -> None:
    """SIGTERM and SIGINT: the job at hand is dropped where it stands and made anew by the next worker."""
    raise SystemExit(0)


@contextmanager
def _alone(root: Path, device: str) -> Iterator[None]:
    """Waits until no other worker of this device runs; the system frees the lock of one that is killed."""
    with (root / f"worker-{device.replace(':', '-')}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(arguments: list[str]) -> None:
    """The process: its configuration comes as JSON on standard input."""
    device, parent = arguments
    told = json.loads(sys.stdin.readline())
    library = None if told["library"] is None else Path(told["library"])
    config = ServerConfig(
        **{**told, "root": Path(told["root"]), "library": library, "devices": tuple(told["devices"])}
    )
    log_as_json()
    work(config, device, int(parent))


if __name__ == "__main__":
    main(sys.argv[1:])
