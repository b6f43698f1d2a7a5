"""Motions of a library by text. The index lives in a process of its own (librarian.py): the server stays small."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.app.server.asked_process import AskedProcess
from kinema.app.server.errors import Refused

if TYPE_CHECKING:
    from kinema.data.motion_library import MotionLibrary

logger = logging.getLogger("kinema.library")
ABSENT = (
    "There is no motion library on this server. Start it with --library FOLDER, or set KINEMA_MOTION_DATA: a folder of "
    "motion files with captions will do (docs/data.md says how it looks)."
)


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
        self.folder = folder
        self._lock = threading.Lock()
        self._librarian = AskedProcess("kinema.app.server.librarian", str(folder), str(idle))
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
            answer = self._librarian.ask({"query": query, "limit": limit, "after": after})
        answer = answer or {"wrong": "the librarian ended twice while it was asked"}
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
            self._librarian.stop()
