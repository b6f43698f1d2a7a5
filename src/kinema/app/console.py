"""What the commands say: results on standard output, progress on standard error, errors in one place."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Work:
    """How far the command of this process is, for whoever stops it.

    Args:
        name: of what is counted, e.g. filming.
        done, total: so much of it.
        promised: what the command shall write.
        written: what of that is there.
        end_bar: ends the progress bar that is shown, so that what is said next has its own line.
    """

    name: str = ""
    done: int = 0
    total: int = 0
    promised: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    end_bar: Callable[[], None] = lambda: None

    def at(self, name: str, done: int, total: int) -> None:
        """So much of something is done."""
        self.name, self.done, self.total = name, done, total

    def stopped(self) -> str:
        """What is said to whoever stops the command, on a line of its own."""
        self.end_bar()
        place = f" at {self.name}, {self.done} of {self.total}" if self.total else ""
        kept = f"; {', '.join(self.written)} written before that" if self.written else "; nothing was written"
        return f"stopped{place}{kept if self.promised else ''}"


work = Work()

DEBUG_VARIABLE = "KINEMA_DEBUG"
USER_ERRORS = (ValueError, OSError, ModuleNotFoundError, FloatingPointError)
"""What a user can mend: wrong values and files, missing packages, networks of NaN. The rest is a bug: traceback."""


def result(facts: Mapping[str, Any], text: str, as_json: bool) -> None:
    """Prints what a command did: `facts` as one line of JSON, or `text` for people."""
    print(json.dumps(facts, default=str) if as_json else text)


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; yields a function that advances it."""
    from tqdm import tqdm

    with tqdm(total=total, desc=label, file=sys.stderr, dynamic_ncols=True, mininterval=0.2) as bar:
        work.at(label, 0, total)

        def advance(steps: int) -> None:
            bar.update(steps)
            work.at(label, work.done + steps, total)

        yield advance


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turns errors that a user can mend into one line and exit code 2; KINEMA_DEBUG=1 shows the traceback."""
    try:
        yield
    except KeyboardInterrupt:
        fail(work.stopped(), code=130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except USER_ERRORS as error:
        if os.environ.get(DEBUG_VARIABLE, "0") not in ("", "0"):
            raise
        fail(describe(error))


def describe(error: BaseException) -> str:
    """The error in words; that of an OSError names the file, without its number."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror.lower()}"
    return str(error) or type(error).__name__


def note(message: str) -> None:
    """Says on standard error what a user should know, and goes on."""
    print(f"kinema: note: {message}", file=sys.stderr)


def fail(message: str, code: int = 2) -> None:
    """Says what is wrong on standard error and ends."""
    print(f"kinema: {message}", file=sys.stderr)
    sys.exit(code)
