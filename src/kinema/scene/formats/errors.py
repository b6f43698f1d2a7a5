"""The one error that every reader and writer raises: it names the file, the place in it and the remedy."""

from __future__ import annotations

import os


class FormatError(ValueError):
    """A file is not what it says it is.

    The text reads ``file.bvh: line 12: what is wrong; what to do``.

    Args:
        path: the file.
        message: what is wrong, in plain words.
        where: the place in the file (a line, a field, an array name).
        hint: what the user can do about it.
    """

    def __init__(
        self, path: str | os.PathLike[str], message: str, where: str | None = None, hint: str | None = None
    ) -> None:
        self.path = os.fspath(path)
        self.message = message
        self.where = where
        self.hint = hint
        place = f"{where}: " if where else ""
        remedy = f"; {hint}" if hint else ""
        super().__init__(f"{self.path}: {place}{message}{remedy}")
