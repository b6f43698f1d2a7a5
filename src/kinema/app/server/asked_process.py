"""A process of its own that is asked in lines of JSON and answers in lines of JSON, so that the server stays small."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from kinema.app.server.config import TOKEN_VARIABLE

Row = dict[str, Any]
_PATIENCE = 120.0  # seconds for an answer: the librarian's first one waits until all captions are read
_ENDING = 5.0  # seconds that it has to end when it is asked to


class AskedProcess:
    """Starts the process with the first question, and anew where it has gone, idle or killed. One question at a time.

    Args:
        module: run as `python -m module *arguments`; it calls `answer_lines`.
        arguments: of the process.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = (sys.executable, "-m", module, *arguments)
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, question: Row) -> Row | None:
        """The answer to a question; None where the process ended twice while it was asked, or gave no answer."""
        for _ in range(2):
            process = self._running()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps(question).encode() + b"\n")
                process.stdin.flush()
                line = process.stdout.readline() if self._hears(process) else b""
            except BrokenPipeError:
                line = b""
            if line.endswith(b"\n"):
                answer: Row = json.loads(line)
                return answer
            self.stop()
        return None

    def _hears(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether an answer begins in time; a process that gives none is killed."""
        if select.select([process.stdout], [], [], _PATIENCE)[0]:  # type: ignore[type-var]  # it is a pipe
            return True
        process.kill()
        return False

    def stop(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # it had gone with a question unread
                    pipe.close()
        try:
            process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.stop()
            environment = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
            )
        return self._process


def answer_lines(
    idle: float, answer: Callable[[Row], Row], after: Callable[[Row], None] | None = None
) -> None:
    """The other side: answers until there is nobody to answer to, or nobody has asked for `idle` seconds.

    Args:
        idle: seconds.
        answer: from a question to an answer.
        after: told the answer once it is sent, for work that may wait.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server ends it
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    # Unbuffered: nothing may wait where select sees nothing.
    questions = os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
    while select.select([questions], [], [], idle)[0]:
        line = questions.readline()
        if not line:
            return
        said = answer(json.loads(line))
        print(json.dumps(said), file=answers, flush=True)
        if after is not None:
            after(said)
