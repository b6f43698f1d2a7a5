"""What long work says while it runs. The work knows `Progress` alone; whoever waits decides how it is shown."""

from __future__ import annotations

import sys
from typing import Any


class Progress:
    """Says nothing; those who show something override these. What they raise ends the work.

    Example:
        >>> class Lines(kinema.Progress):
        ...     def note(self, line):
        ...         print(line)
        >>> request = kinema.VideoRequest(camera="static", sampling=kinema.Sampling(steps=1))
        >>> video = kinema.fulfil(request, Lines())
    """

    def stage(self, name: str) -> None:
        """Something begins that cannot be counted."""

    def step(self, name: str, done: int, total: int) -> None:
        """So much of a stage is done; a total of 0 is unknown."""

    def note(self, line: str) -> None:
        """Something that a person should know; the work goes on."""


class Notes(Progress):
    """Keeps the notes, and passes everything on.

    Args:
        to: shows it.
    """

    def __init__(self, to: Progress) -> None:
        self.to = to
        self.lines: list[str] = []

    def stage(self, name: str) -> None:
        self.to.stage(name)

    def step(self, name: str, done: int, total: int) -> None:
        self.to.step(name, done, total)

    def note(self, line: str) -> None:
        self.lines.append(line)
        self.to.note(line)


class Bars(Progress):
    """A bar for each stage and a line for each note, on standard error."""

    def __init__(self) -> None:
        self._name = ""
        self._bar: Any = None

    def stage(self, name: str) -> None:
        self.close()

    def step(self, name: str, done: int, total: int) -> None:
        from tqdm import tqdm

        from kinema.app.console import work

        work.at(name, done, total)
        if name != self._name:
            self.close()
            self._name = name
            work.end_bar = self.close
            self._bar = tqdm(desc=name, file=sys.stderr, dynamic_ncols=True, mininterval=0.2)
        if self._bar is None:
            return
        self._bar.total = total or None
        self._bar.update(max(0, done - self._bar.n))
        if total and done >= total:
            self._bar.close()
            self._bar = None

    def note(self, line: str) -> None:
        from kinema.app.console import note

        if self._bar is not None:
            self._bar.clear()
        note(line)

    def close(self) -> None:
        """Ends the bar that is shown."""
        if self._bar is not None:
            self._bar.close()
        self._name, self._bar = "", None
