"""Many clients that follow jobs: one look at the table serves all who follow the same job, and there is a most."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from anyio import to_thread

from kinema.app.server.errors import Refused
from kinema.app.server.store import Job, JobStore

_FRESH = 0.1  # seconds for which a look holds
_REMEMBERED = 256  # jobs

Look = tuple[Job | None, int | None]


class Following:
    """Looks at jobs for whoever follows them.

    Args:
        store: of the jobs.
        most: clients at a time.
    """

    def __init__(self, store: JobStore, most: int) -> None:
        self._store, self._most = store, most
        self._count = 0
        self._seen: dict[str, tuple[float, Look]] = {}

    def check(self) -> None:
        """Whether one more may follow.

        Raises:
            Refused: there are too many.
        """
        if self._count >= self._most:
            text = f"{self._most} clients follow jobs already; look at the job now and then instead"
            raise Refused(503, "too_many_followers", text, headers={"retry-after": "10"})

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """While somebody follows."""
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1

    async def look(self, number: str, *, afresh: bool = False) -> Look:
        """A job, and how many wait before it; at most one look each tenth of a second for all.

        Args:
            number: of the job.
            afresh: what was seen a moment ago is not enough: the job may have been edited since.
        """
        found = None if afresh else self._seen.get(number)
        if found is None or time.monotonic() - found[0] > _FRESH:
            if found is not None:  # who comes while this one looks takes what was last seen
                self._seen[number] = (time.monotonic(), found[1])
            found = (time.monotonic(), await to_thread.run_sync(self._look, number))
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            self._seen[number] = found
        return found[1]

    def _look(self, number: str) -> Look:
        job = self._store.get(number)
        return job, self._store.ahead_of(job) if job is not None and job.state == "queued" else None
