"""Motions of a library by text. The index lives in a process of its own (librarian.py): the server stays small."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.app.server.config import TOKEN_VARIABLE
from kinema.app.server.errors import Refused

if TYPE_CHECKING:
    from kinema.data.motion_library import MotionLibrary

logger = logging.getLogger("kinema.library")
ABSENT = (
    "There is no motion library on this server. Start it with --library FOLDER, or set KINEMA_MOTION_DATA: a folder of "
    "motion files with captions will do (docs/data.md says how it looks)."
)
_PATIENCE = 120.0  # seconds for an answer: the first one waits until all captions are read
_ENDING = 5.0  # seconds that the librarian has to end when it is asked to


def open_library(folder: Path) -> MotionLibrary:
    """The library in a folder: one with `clips.jsonl`, or motion files with captions.

    Raises:
        FileNotFoundError: there is none.
        FormatError: a file is not what it says.
    """
    if (folder / "clips.jsonl").is_file():
        from kinema.data.motion_library import MotionLibrary

        return MotionLibrary.open(folder)
    from kinema.data.user_motions import open_motion_folder

    return open_motion_folder(folder)


class Library:
    """Answers searches and knows the ids of clips.

    Args:
        folder: of the library, or None where there is none.
        idle: seconds without a search after which the index is given back.
    """

    def __init__(self, folder: Path | None, idle: float) -> None:
        self.folder, self.idle = folder, idle
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ids: frozenset[str] | None = None

    def has(self, clip: str) -> bool:
        """Whether there is a clip of that id."""
        if self.folder is None:
            return False
        with self._lock:
            if self._ids is None:
                try:
                    self._ids = frozenset(each.id for each in open_library(self.folder))
                except (ValueError, OSError):
                    logger.exception("the library cannot be read")
                    return False
            return clip in self._ids

    def search(self, query: str, limit: int, after: str | None) -> dict[str, Any]:
        """A page of the clips that fit a text, the best first, or of all where there is no text.

        Args:
            query: what people do.
            limit: at most so many.
            after: the id of the last clip of the page before.

        Returns:
            `data`, a list of clips, `has_more`, and a `note` where there is no library.

        Raises:
            Refused: a text that the encoder does not read, an `after` that is not among what fits, or a library that
                cannot be read.
        """
        if self.folder is None:
            return {"data": [], "has_more": False, "note": ABSENT}
        with self._lock:
            answer = self._ask({"query": query, "limit": limit, "after": after})
        if "lost" in answer:
            raise Refused(404, "not_found", "nothing that fits has the id of `after`", "after")
        if "unfit" in answer:
            raise Refused(422, "invalid_request", f"q: {answer['unfit']}"[:500], "q")
        if "wrong" in answer:
            logger.error("the library cannot be searched", extra={"reason": answer["wrong"]})
            text = "the motion library cannot be searched; the server's log says why"
            raise Refused(503, "library_unreadable", text, headers={"retry-after": "60"})
        return answer

    def stop(self) -> None:
        """Ends the librarian."""
        with self._lock:
            self._end()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """One line to the librarian and one back; one that has gone, idle or killed, is started anew."""
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
                answer: dict[str, Any] = json.loads(line)
                return answer
            self._end()
        return {"wrong": "the librarian ended twice while it was asked, or gave no answer"}

    def _hears(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether an answer begins in time; a librarian that gives none is killed."""
        assert process.stdout is not None
        if select.select([process.stdout], [], [], _PATIENCE)[0]:
            return True
        process.kill()
        return False

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            command: Sequence[str] = (
                sys.executable,
                "-m",
                "kinema.app.server.librarian",
                str(self.folder),
                str(self.idle),
            )
            environment = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
            )
        return self._process

    def _end(self) -> None:
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
