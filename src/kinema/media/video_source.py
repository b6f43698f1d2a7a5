"""A video opened for reading: frames at a constant rate, chosen by when they stand, whatever they are stored in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from kinema.scene.formats.errors import FormatError
from kinema.scene.timing import MAX_FRAMES


@dataclass(frozen=True)
class VideoSource(ABC):
    """A video opened for reading; made by `open_video`.

    Args:
        path: the file.
        size: (width, height) of the frames given, upright, with square pixels, after `max_side`.
        fps: frames per second given; frame t stands at `start` + t / fps seconds of the file.
        frames: how many frames to expect, from what the file says of itself; 0 where it says nothing.
        start: seconds of the file at which the first frame stands.
        file_size: (width, height) as stored, before rotation and scaling.
        file_fps: the file's own average rate.
        focal: focal length in pixels of `size`, from metadata; None where the file does not say.
        metadata: the tags of the container.
        notes: sentences for people: what had to be assumed.
    """

    path: Path
    size: tuple[int, int]
    fps: float
    frames: int
    start: float
    file_size: tuple[int, int]
    file_fps: float
    focal: float | None
    metadata: Mapping[str, str] = field(repr=False)
    notes: tuple[str, ...] = ()
    _stop: float | None = None

    @property
    def duration(self) -> float:
        """Seconds from the first frame's beginning to the last one's end, as expected."""
        return self.frames / self.fps

    def shrunk(self, max_side: int | None) -> Self:
        """The same with frames whose longer side has at most so many pixels."""
        scale = 1.0 if max_side is None else min(1.0, max_side / max(self.size))
        width, height = (max(1, round(side * scale)) for side in self.size)
        focal = None if self.focal is None else self.focal * scale
        return replace(self, size=(width, height), focal=focal)

    def chunks(self, count: int = 32) -> Iterator[np.ndarray]:
        """The frames in order of time, `count` at a time; every call decodes the video once.

        Yields:
            uint8 [N, H, W, 3], sRGB, N = count but for the last.

        Raises:
            FormatError: the file ends or breaks before what it, or the range, says; it names how far it got.
        """
        if count < 1:
            raise ValueError(f"a chunk needs at least one frame, not {count}")
        width, height = self.size
        buffer = np.empty((count, height, width, 3), np.uint8)
        filled = given = 0
        for picture in self._constant_rate():
            buffer[filled] = picture
            filled += 1
            if filled == count:
                yield buffer
                buffer, given, filled = np.empty_like(buffer), given + filled, 0
        if filled:
            yield buffer[:filled]
        elif given == 0:
            raise FormatError(self.path, f"has no frame after {self.start:g} s")

    def _constant_rate(self) -> Iterator[np.ndarray]:
        """At each moment the frame whose time is nearest, the earlier of two equally near."""
        wanted = 0  # number of the next frame to give
        picture: np.ndarray | None = None
        held: Any = None
        end = self.start
        for time, last, frame in self._decoded():
            while held is not None:
                moment = self._moment(wanted)
                if moment is None or moment > (held[0] + time) / 2 + 1e-6:
                    break
                picture = self._upright(held[1]) if picture is None else picture
                yield picture
                wanted += 1
            if (
                held is None and self.start > last + 1e-6
            ):  # the only frame that can lie after the start is later
                continue
            if self._moment(wanted) is None:
                return
            held, end, picture = (time, frame), last, None
        if held is None:
            raise FormatError(self.path, f"has no frame at or after {self.start:g} s", hint="begin earlier")
        while (moment := self._moment(wanted)) is not None and moment < end - 1e-6:
            picture = self._upright(held[1]) if picture is None else picture
            yield picture
            wanted += 1

    def _moment(self, number: int) -> float | None:
        """When a frame stands, in seconds of the file; None from the end of the range on."""
        moment = self.start + number / self.fps
        if self._stop is not None and moment >= self._stop - 1e-6:
            return None
        if number >= MAX_FRAMES:
            raise FormatError(
                self.path,
                f"makes more than {MAX_FRAMES} frames at {self.fps:g} fps",
                hint="take a part of it, or fewer frames per second",
            )
        return moment

    @abstractmethod
    def _decoded(self) -> Iterator[tuple[float, float, Any]]:
        """(begin, end in seconds of the file, frame) of the stored frames, from about `start` on."""

    @abstractmethod
    def _upright(self, frame: Any) -> np.ndarray:
        """A stored frame as it is given, uint8 [H, W, 3]."""
