"""Loops in the background that nothing ends but their owner: a failure is logged, and tried again after a while."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger("kinema.loops")


class Backoff:
    """Pauses that double from one failure to the next.

    Args:
        first, most: seconds.
    """

    def __init__(self, first: float = 0.25, most: float = 5.0) -> None:
        self.first, self.most = first, most
        self._pause = first

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        pause, self._pause = self._pause, min(2 * self._pause, self.most)
        return pause

    def reset(self) -> None:
        self._pause = self.first


class Loop:
    """A thread that does something again and again, whatever happens to it.

    Args:
        name: for the log.
        turn: what is done; whatever it raises is logged.
        every: seconds between turns; the first is at once.
        after: done once, in the thread, when the loop ends.
    """

    def __init__(
        self, name: str, turn: Callable[[], None], every: float, after: Callable[[], None] = lambda: None
    ) -> None:
        self._name, self._turn, self._every, self._after = name, turn, every, after
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Ends the loop after its turn; waits so long for that."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        backoff = Backoff()
        pause = 0.0
        while not self._stop.wait(pause):
            try:
                self._turn()
            except BaseException as error:  # even SystemExit: who watches the others may not end
                pause = max(self._every, backoff.next())
                logger.error(
                    "a loop has failed and goes on",
                    exc_info=error,
                    extra={"loop": self._name, "pause_s": pause},
                )
            else:
                backoff.reset()
                pause = self._every
        self._after()
