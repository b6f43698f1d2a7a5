"""What a worker says of itself, twice a second through a pipe, so that its server knows that it lives and gets on."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from kinema.app.server.store import Job, Kind

_EVERY = 0.5  # seconds between beats


@dataclass(frozen=True)
class Beat:
    """What a worker is at.

    Args:
        ready: it takes jobs; before that it loads, or waits for a worker of an earlier server to end.
        job, claim, kind: what it makes; "" for nothing.
        working: seconds since it began that.
        still: seconds since it last got on with it.
    """

    ready: bool = False
    job: str = ""
    claim: int = 0
    kind: Kind = "motion"
    working: float = 0.0
    still: float = 0.0


class Pulse:
    """Sends beats from a thread of its own for as long as somebody listens.

    Args:
        pipe: number of the file to write to.
    """

    def __init__(self, pipe: int) -> None:
        os.set_inheritable(pipe, False)
        self._pipe = pipe
        self._ready = False
        self._job: Job | None = None
        self._began = self._moved = time.monotonic()
        threading.Thread(target=self._send, name="pulse", daemon=True).start()

    def ready(self) -> None:
        """From now on the worker takes jobs."""
        self._ready = True

    def moved(self) -> None:
        """The job got on."""
        self._moved = time.monotonic()

    @contextmanager
    def making(self, job: Job) -> Iterator[None]:
        """While a job is made."""
        self._began = self._moved = time.monotonic()
        self._job = job
        try:
            yield
        finally:
            self._job = None

    def _beat(self) -> Beat:
        job, now = self._job, time.monotonic()
        if job is None:
            return Beat(self._ready)
        return Beat(self._ready, job.id, job.claim, job.kind, now - self._began, now - self._moved)

    def _send(self) -> None:
        with contextlib.suppress(OSError):  # the server is gone
            while True:
                os.write(self._pipe, json.dumps(asdict(self._beat())).encode() + b"\n")
                time.sleep(_EVERY)


class Listener:
    """The server's end of a pulse: the last beat, and when it was heard."""

    def __init__(self) -> None:
        self._pipe, self.far_end = os.pipe()
        os.set_blocking(self._pipe, False)
        self._rest = b""
        self.beat: Beat | None = None  # until the first is heard
        self.heard = time.monotonic()

    def listen(self) -> None:
        """Takes what has come."""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self._pipe, 1 << 16):
                *lines, self._rest = (self._rest + piece).split(b"\n")
                if lines:
                    self.beat = Beat(**json.loads(lines[-1]))
                    self.heard = time.monotonic()

    @property
    def silent(self) -> float:
        """Seconds without a beat."""
        return time.monotonic() - self.heard

    def close_far_end(self) -> None:
        """Once the worker has it."""
        if self.far_end >= 0:
            os.close(self.far_end)
            self.far_end = -1

    def close(self) -> None:
        self.close_far_end()
        os.close(self._pipe)
