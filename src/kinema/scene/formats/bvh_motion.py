"""The MOTION part of a BVH file: how many frames, how fast, and the numbers.

What real files get wrong is read as it must be meant, and said: counts of frames, rates in the place of times, commas.
Between the frame time and the end of its line stands, invisibly, the unit of files that Kinema wrote: BVH itself has no
place for it, and every program skips white space there.
"""

from __future__ import annotations

import math
import os
import re
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kinema.scene.formats.bvh_hierarchy import has_decimal_commas, plain_numbers
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.kinematics import MAX_JOINT_FRAMES
from kinema.scene.formats.reading import Assumption

_FRAMES = re.compile(r"frames\s*:?\s*(\S+)", re.IGNORECASE)
_FRAME_TIME = re.compile(r"frame\s*time\s*:?\s*(\S+)", re.IGNORECASE)
_NUMBERS = re.compile(r"[-+.,;\deE\s]+")
_CUT_NUMBER = re.compile(r"[-+]?[\d.,]*([eE][-+]?)?")
_FASTEST = 2000.0  # frames per second that are believed (ours)
_MARK = re.compile(r"\t([ \t]{64})$")


@dataclass(frozen=True, eq=False)
class MotionPart:
    """What stands below the line MOTION.

    Args:
        values: one row a frame, [T, channels].
        fps: frames per second; None where the file does not say.
        unit: metres per unit, of a file that Kinema wrote; else None.
        assumed: what was not taken as it says.
    """

    values: np.ndarray
    fps: float | None
    unit: float | None
    assumed: tuple[Assumption, ...]


def unit_mark(metres: float) -> str:
    """White space that says how many metres a unit is, for the end of the line `Frame Time`: a tab, then the 64 bits of
    the number, a blank for 0 and a tab for 1."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", metres))
    return "\t" + f"{bits:064b}".translate({ord("0"): " ", ord("1"): "\t"})


def parse_motion(
    path: str | os.PathLike[str], text: str, position: int, channels: int, joints: int
) -> MotionPart:
    """The numbers of a BVH file and how fast they follow each other.

    Args:
        path: the file, named in errors.
        text: the file.
        position: where the line MOTION ends in it.
        channels: how many numbers a frame has.
        joints: how many joints it moves; bounds the frames.

    Raises:
        FormatError: no numbers, or numbers that do not fit the channels; the line is named.
    """
    assumed: list[Assumption] = []
    line = text.count("\n", 0, position) + 1
    frames = fps = unit = None
    start = min(text.find("\n", position) + 1 or len(text), len(text))
    line += 1
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        content = text[start : min(end, start + 300)]
        if found := _FRAMES.fullmatch(content.strip()):
            frames = int(found[1]) if found[1].isdecimal() and len(found[1]) < 12 else -1
        elif found := _FRAME_TIME.fullmatch(content.strip()):
            unit = _marked_unit(content)
            fps = _rate(found[1], unit is not None, assumed)
        elif _NUMBERS.fullmatch(content) and content.strip():
            break
        elif content.strip():
            _refuse_line(path, content, line, frames, fps)
        start, line = end + 1, line + 1
    if start >= len(text):
        raise FormatError(
            path, "has no numbers after the line MOTION", f"line {line - 1}", "it may be truncated"
        )
    rows = text.count("\n", start) + 1
    if rows * joints > MAX_JOINT_FRAMES and len(text) - start >= 2 * channels * (MAX_JOINT_FRAMES // joints):
        raise FormatError(path, f"{rows} frames of {joints} joints are more than {MAX_JOINT_FRAMES} joints")
    if "," in text[start:] or ";" in text[start:]:
        if has_decimal_commas(text[start:], channels):
            assumed.append(Assumption("", "decimal commas", "0,5 is read as 0.5", doubtful=True))
        text = text[:start] + plain_numbers(text[start:], channels)
    values = _Numbers(path, text, start, line, channels).read(frames, assumed)
    if frames is not None and len(values) != frames:
        said = f"'Frames:' says {frames}" if frames >= 0 else "'Frames:' says no number"
        assumed.append(Assumption("", f"{len(values)} frames are there and read", said, doubtful=True))
    if len(values) * joints > MAX_JOINT_FRAMES:
        raise FormatError(
            path, f"{len(values)} frames of {joints} joints are more than {MAX_JOINT_FRAMES} joints"
        )
    return MotionPart(values, fps, unit, tuple(assumed))


def _refuse_line(
    path: str | os.PathLike[str], content: str, line: int, frames: int | None, fps: float | None
) -> None:
    """Raise FormatError for a line that is neither a count nor numbers."""
    wanted = "'Frames: N'" if frames is None else "'Frame Time: S'" if fps is None else "numbers"
    raise FormatError(path, f"expected {wanted}, found {content.strip()[:40]!r}", f"line {line}")


def _marked_unit(line: str) -> float | None:
    """The metres per unit that `unit_mark` hid in the line; None where it did not."""
    found = _MARK.search(line)
    if found is None:
        return None
    bits = found[1].translate({ord(" "): "0", ord("\t"): "1"})
    (metres,) = struct.unpack(">d", struct.pack(">Q", int(bits, 2)))
    return metres if math.isfinite(metres) and metres > 0 else None


def _rate(written: str, certain: bool, assumed: list[Assumption]) -> float | None:
    """Frames per second of a frame time as it is written; None where it cannot be meant.

    Five and more seconds a frame are a rate, or milliseconds; one second is what programs write that do not know.

    Args:
        written: in the file.
        certain: whether Kinema wrote it.
        assumed: takes what was not taken as written.
    """
    written = written.replace(",", ".")
    try:
        seconds = float(written)
    except ValueError:
        seconds = math.nan
    if certain and 1e-5 <= seconds <= 1e5:
        return _whole_rate(seconds, written)
    if 5 <= seconds < 1e6:
        milliseconds = seconds != round(seconds) and abs(1000 / seconds - round(1000 / seconds)) < 0.01
        fps = round(1000 / seconds) if milliseconds else seconds
        if fps <= _FASTEST:
            meant = "milliseconds" if milliseconds else "frames per second"
            why = f"'Frame Time: {written[:20]}' must be {meant}"
            assumed.append(Assumption("source_fps", f"{fps:g} fps", why, doubtful=True))
            return float(fps)
    if seconds == 1 or not 1 / _FASTEST <= seconds < 5:
        why = f"'Frame Time: {written[:20]}' is no time"
        assumed.append(Assumption("source_fps", "30 fps", why, doubtful=True))
        return 30.0
    return _whole_rate(seconds, written)


def _whole_rate(seconds: float, written: str) -> float:
    """Frames per second. A whole number of them, where that is what the written decimals can mean."""
    whole = max(round(1 / seconds), 1)
    decimals = len(written.partition(".")[2])
    return float(whole) if round(1 / whole, min(decimals, 12)) == seconds else 1 / seconds


class _Numbers:
    """The lines of numbers in a text, one a frame.

    Args:
        path: the file, named in errors.
        text: the file.
        start: where the numbers begin.
        line: number of the line there.
        channels: how many numbers a frame has.
    """

    def __init__(self, path: str | os.PathLike[str], text: str, start: int, line: int, channels: int) -> None:
        self.path, self.text, self.start, self.first, self.channels = path, text, start, line, channels
        self.end = len(text.rstrip())

    def read(self, frames: int | None, assumed: list[Assumption]) -> np.ndarray:
        """All frames, [T, channels].

        Args:
            frames: how many the file says there are.
            assumed: takes what was left out or put together.

        Raises:
            FormatError: a line does not fit; it is named.
        """
        values = self._table()
        if values is None and (values := self._wrapped(frames)) is not None:
            assumed.append(
                Assumption("", f"{len(values)} frames", "their numbers are spread over lines", doubtful=True)
            )
        if values is None and self._drop_cut_line():
            assumed.append(Assumption("", "the last line is left out", "it is cut short", doubtful=True))
            values = self._table()
        if values is None:
            raise self._problem()
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            numbered = (line for line, content in self._lines() if content.strip())
            place = next(line for index, line in enumerate(numbered) if index == bad[0])
            raise FormatError(self.path, self._complaint(bad[0]), f"line {place}")
        return values

    def _table(self) -> np.ndarray | None:
        """The numbers, where each line has one for each channel."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of nothing but blank lines
                values = np.loadtxt((content for _, content in self._lines()), comments=None, ndmin=2)
        except ValueError:
            return None
        return values if values.shape[1] == self.channels and len(values) else None

    def _lines(self) -> Iterator[tuple[int, str]]:
        """(line number, line)."""
        start, line = self.start, self.first
        while start < self.end:
            end = self.text.find("\n", start, self.end)
            end = self.end if end < 0 else end
            yield line, self.text[start:end]
            start, line = end + 1, line + 1

    def _drop_cut_line(self) -> bool:
        """Leave out the last of several lines if it ends too early; whether it did."""
        last = self.text.rfind("\n", self.start, self.end) + 1
        if last <= self.start:
            return False
        words = self.text[last : self.end].split()
        cut = _CUT_NUMBER.fullmatch(words[-1][:60]) is not None
        if len(words) > self.channels or not cut or (len(words) == self.channels and _is_number(words[-1])):
            return False
        self.end = last
        return True

    def _wrapped(self, frames: int | None) -> np.ndarray | None:
        """The numbers, where a frame takes several lines or a line holds several frames, and all fit exactly."""
        words = self.text[self.start : self.end].split()
        if frames is None or len(words) != frames * self.channels or _bad_word(words):
            return None
        return np.array([float(word) for word in words]).reshape(frames, self.channels)

    def _problem(self) -> FormatError:
        """What is wrong with the first line that does not fit."""
        for line, content in self._lines():
            words = content.split()
            if words and len(words) != self.channels:
                what = f"{len(words)} numbers, but the joints have {self.channels} channels"
            else:
                what = _bad_word(words) or ""
            if what:
                return FormatError(self.path, what, f"line {line}")
        return FormatError(self.path, "has no numbers", f"line {self.first}", "it may be truncated")

    def _complaint(self, row: int) -> str:
        """What is no finite number in a row."""
        rows = (content.split() for _, content in self._lines() if content.strip())
        words = next(words for index, words in enumerate(rows) if index == row)
        return _bad_word(words) or "not a finite number"


def _bad_word(words: list[str]) -> str | None:
    """What is said of the first word that is no finite number."""
    for column, word in enumerate(words):
        if not _is_number(word):
            return f"{word[:40]!r} in column {column + 1} is no finite number"
    return None


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
