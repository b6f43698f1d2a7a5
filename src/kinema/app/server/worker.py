"""The process that makes things: of one lane on one device, models loaded once, one job at a time.

`python -m kinema.app.server.worker NAME LANE DEVICE PARENT PIPE` takes jobs until its parent is gone. A lock on a file
keeps a second worker out while an orphan of a killed server is still at work. A full disk or a held database ends
neither the worker nor its job: what must be written waits until it can be.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from kinema.app.console import USER_ERRORS, describe
from kinema.app.server.config import ServerConfig
from kinema.app.server.disk import STORAGE_ERRORS, free_bytes, trouble
from kinema.app.server.locks import alone
from kinema.app.server.loops import Backoff
from kinema.app.server.making import Engine, Superseded
from kinema.app.server.monitoring import log_as_json
from kinema.app.server.pulse import Pulse
from kinema.app.server.shelf import Shelf
from kinema.app.server.store import LANES, Job, JobStore

logger = logging.getLogger("kinema.worker")
_PAUSE = 0.1  # seconds between looks at an empty queue
_REPORTS = 0.2  # seconds between reports of one job
_WARM = {
    "motions": 0.0,
    "films": 5.0,
}  # seconds without work after which torch is loaded: first what is asked first
_FILMS_NICE = 5  # films leave the processor to motions, for which somebody waits at the page


class Worker:
    """Takes the jobs of one lane.

    Args:
        config: of the server.
        name: under which jobs are claimed.
        lane: see LANES.
        device: where models work.
        parent: number of the server's process.
        pulse: tells the server how it goes.
    """

    def __init__(
        self, config: ServerConfig, name: str, lane: str, device: str, parent: int, pulse: Pulse
    ) -> None:
        self.config, self.name, self.lane, self.parent, self.pulse = config, name, lane, parent, pulse
        self.device = device
        self.shelf = Shelf(config.root)
        self.store = JobStore(self.shelf.database)
        self.engine = Engine(config, self.store, self.shelf, device)
        self._warm_at: float | None = time.monotonic() + _WARM[lane]

    def work(self) -> None:
        """Takes jobs until the parent process is gone or the process is asked to end."""
        with alone(self.config.root, self.lane, self.device, self.parent_lives):
            self.insist(
                lambda: self.store.requeue(f".{self.lane}.{self.device}", False, self.config.attempts)
            )
            logger.info("ready", extra={"worker": self.name})
            self.pulse.ready()
            backoff = Backoff()
            while self.parent_lives():
                try:
                    self._turn()
                except STORAGE_ERRORS as error:
                    if trouble(error) is None:
                        raise
                    pause = backoff.next()
                    logger.warning("waits for the disk", extra={"reason": str(error), "pause_s": pause})
                    time.sleep(pause)
                else:
                    backoff.reset()

    def parent_lives(self) -> bool:
        return os.getppid() == self.parent

    def insist(self, write: Callable[[], Any]) -> Any:
        """Writes, if need be again and again until the disk or the database lets it."""
        backoff = Backoff()
        while True:
            try:
                return write()
            except STORAGE_ERRORS as error:
                if trouble(error) is None:
                    raise
                logger.warning("waits to write", extra={"reason": str(error)})
                if not self.parent_lives():
                    raise SystemExit(0) from None  # the next server makes it again
                self.pulse.moved()  # waiting for the disk is not being stuck
                time.sleep(backoff.next())

    def _turn(self) -> None:
        room = free_bytes(self.config.root) >= self.config.least_free
        job = self.store.claim(self.name, LANES[self.lane]) if room else None
        if job is not None:
            with self.pulse.making(job):
                self._make(job)
        elif self._warm_at is not None and time.monotonic() >= self._warm_at:
            self._warm_at = None
            with suppress(ImportError):  # whoever needs it says so
                import kinema.motion.motion_pipeline  # noqa: F401  # with torch: the first job need not wait for it
        elif self.engine.release():
            logger.info("models released", extra={"worker": self.name})
        else:
            time.sleep(_PAUSE)

    def _make(self, job: Job) -> None:
        """One job, to its end: every outcome is written to the table.

        Raises:
            OSError, sqlite3.Error: the disk or the database was in the way; the job waits again.
        """
        store, shelf = self.store, self.shelf
        began = time.monotonic()
        facts = {"job": job.id, "claim": job.claim}
        try:
            result = self.engine.make(job, shelf.bench(job), self._reports(job))
            result["folder"], size = shelf.publish(job)
            if not self.insist(lambda: store.complete(job, result, size)):
                raise Superseded(job.id)
            shelf.forget(job)  # what the job had made before it was edited
            logger.info("completed", extra={**facts, "seconds": round(time.monotonic() - began, 3)})
            return
        except Superseded:
            logger.info("no longer wanted", extra=facts)
        except Exception as error:
            if trouble(error) is not None:
                shelf.withdraw(job)
                self.insist(lambda: store.give_back(job))
                raise
            self._failed(job, error, facts)
        shelf.withdraw(job)

    def _failed(self, job: Job, error: Exception, facts: dict[str, Any]) -> None:
        if isinstance(error, USER_ERRORS):
            code, reason = "invalid_request", self.shelf.without_paths(describe(error), job, self.store.file)
            logger.info("failed", extra={**facts, "reason": reason})
        else:
            code = "internal_error"
            reason = "something went wrong while making this; the server's log says what"
            logger.error("failed", exc_info=error, extra=facts)
        self.insist(lambda: self.store.fail(job, code, reason))

    def _reports(self, job: Job) -> Callable[[float, str], None]:
        """What the engine calls as it gets on; a report that cannot be written now is left out."""
        told = 0.0
        last: tuple[int, str] | None = None

        def report(share: float, stage: str) -> None:
            nonlocal told, last
            now = time.monotonic()
            if (round(1000 * share), stage) != last:
                last = round(1000 * share), stage
                self.pulse.moved()
            if now - told < _REPORTS and share > 0:
                return
            told = now
            try:
                wanted = self.store.report(job, round(100 * share), stage)
            except STORAGE_ERRORS as error:
                if trouble(error) is None:
                    raise
                return
            if not wanted:
                raise Superseded(job.id)

        return report


def _end(number: int, frame: FrameType | None) -> None:
    """SIGTERM and SIGINT: the job at hand is dropped where it stands and made anew by the next worker."""
    raise SystemExit(0)


def main(arguments: list[str]) -> None:
    """The process: its configuration comes as JSON on standard input."""
    name, lane, device, parent, pipe = arguments
    pulse = Pulse(int(pipe))
    told = json.loads(sys.stdin.readline())
    library = None if told["library"] is None else Path(told["library"])
    lists = {each: tuple(told[each]) for each in ("devices", "hosts", "proxies")}
    config = ServerConfig(**{**told, **lists, "root": Path(told["root"]), "library": library})
    log_as_json()
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    if lane == "films":
        os.nice(_FILMS_NICE)
    Worker(config, name, lane, device, int(parent), pulse).work()


if __name__ == "__main__":
    main(sys.argv[1:])
