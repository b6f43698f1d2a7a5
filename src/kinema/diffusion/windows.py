"""Long sequences in windows that share their ends."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Windows:
    """How a sequence is cut: windows of `length` each, sharing `overlap` with the one before.

    Args:
        count: how many.
        length: of each.
        overlap: shared by two neighbours.

    Raises:
        ValueError: windows too short for their overlap.
    """

    count: int
    length: int
    overlap: int

    @classmethod
    def covering(cls, total: int, length: int, overlap: int) -> Windows:
        """The fewest windows that cover `total`.

        Raises:
            ValueError: nothing to cover, or windows too short for their overlap.
        """
        if total < 1:
            raise ValueError(f"there is nothing to cut into windows: {total}")
        if total <= length:
            return cls(1, length, overlap)
        step = length - overlap
        if step < 1:
            raise ValueError(f"windows of {length} are too short to go on: they share {overlap}")
        return cls(-(-(total - overlap) // step), length, overlap)

    @property
    def starts(self) -> list[int]:
        """Where each window begins."""
        return [index * (self.length - self.overlap) for index in range(self.count)]

    @property
    def total(self) -> int:
        """What the windows cover together."""
        return self.starts[-1] + self.length
