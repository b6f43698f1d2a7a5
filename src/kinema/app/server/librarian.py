"""The process that searches the motion library: `python -m kinema.app.server.librarian FOLDER IDLE`.

Questions come as lines of JSON on standard input, answers go out as lines of JSON; it ends with its input, or after
IDLE seconds without a question. Captions are encoded once, after the first answer or for the first text.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from kinema.app.server.asked_process import Row, answer_lines
from kinema.app.server.library import open_library
from kinema.motion.prompt_steps import clean_text

if TYPE_CHECKING:
    from kinema.data.motion_search import MotionSearch


class Librarian:
    """Searches one library.

    Args:
        folder: of the library.
    """

    def __init__(self, folder: Path) -> None:
        self.clips = open_library(folder)
        self._search: MotionSearch | None = None
        self._fitting = lru_cache(maxsize=32)(self._find)

    def answer(self, query: str, limit: int, after: str | None) -> Row:
        """A page of what fits; see `Library.search`. `lost` where `after` is not among it, `unfit` for no text."""
        try:
            rows = self._fitting(clean_text(query))
        except ValueError as error:
            return {"unfit": str(error)}
        start = 0
        if after is not None:
            start = next((number for number, row in enumerate(rows, start=1) if row["id"] == after), 0)
            if not start:
                return {"lost": after}
        return {"data": list(rows[start : start + limit]), "has_more": start + limit < len(rows)}

    def prepare(self) -> MotionSearch:
        """Encodes the captions, the first time."""
        if self._search is None:
            from kinema.data.motion_search import MotionSearch

            self._search = MotionSearch(self.clips)
        return self._search

    def _find(self, query: str) -> tuple[Row, ...]:
        if not query:
            return tuple(
                _row(clip.id, next(iter(clip.captions), ""), clip.seconds, clip.licence, False, None)
                for clip in self.clips
            )
        found = self.prepare()(query, top=len(self.clips))
        return tuple(
            _row(one.clip.id, one.caption, one.clip.seconds, one.clip.licence, one.mirrored, one.score)
            for one in found
        )


def _row(clip: str, caption: str, seconds: float, licence: str, mirrored: bool, score: float | None) -> Row:
    return {
        "id": clip,
        "caption": caption,
        "seconds": round(seconds, 3),
        "licence": licence,
        "mirrored": mirrored,
        "score": None if score is None else round(score, 4),
    }


def main(folder: str, idle: str) -> None:
    """Answers until there is nobody to answer to."""
    librarian: Librarian | None = None

    def answer(question: Row) -> Row:
        nonlocal librarian
        try:
            librarian = librarian or Librarian(Path(folder))
            return librarian.answer(**question)
        except (ValueError, OSError) as error:
            return {"wrong": str(error)}

    def prepare(answered: Row) -> None:
        if librarian is not None and "wrong" not in answered:
            try:
                librarian.prepare()
            except (ValueError, OSError) as error:
                print(f"the captions cannot be encoded: {error}", file=sys.stderr)

    answer_lines(float(idle), answer, prepare)


if __name__ == "__main__":
    main(*sys.argv[1:])
