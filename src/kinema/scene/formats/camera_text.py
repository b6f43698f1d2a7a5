"""What the line-based camera formats share: lines of numbers, quaternions, and time stamps."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.camera import MAX_FRAMES, CameraPath, invert_rigid
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import read_text

MAX_BYTES = 64 << 20
MAX_LINES = 1_000_000  # with blank lines and comments
MAX_LINE = 4096
MAX_METRES = 1e9
MAX_FRACTION = 1000.0  # of a picture's side, of focal lengths and middles
SHORTEST_STEP, LONGEST_STEP = 1e-5, 1e3  # seconds between two frames

_LOST = re.compile(r"[-+]?(nan(\(\w*\))?|inf(inity)?|1\.#(inf|ind|[qs]nan)\d*)", re.IGNORECASE)
_COMMENT = re.compile(r"(?<!1\.)#")  # not that of 1.#INF

Path = str | os.PathLike[str]
CheckHeader = Callable[[Path, str], None]


@dataclass(frozen=True)
class NumberLines:
    """Lines of numbers: values [N, C], the line number of each, from 1, and how many were left out as lost."""

    path: Path
    values: np.ndarray
    lines: Sequence[int]
    lost: int = 0

    def error(self, row: int, message: str, hint: str | None = None) -> FormatError:
        return FormatError(self.path, message, where=f"line {self.lines[row]}", hint=hint)


def read_number_lines(
    path: Path,
    layout: Sequence[str],
    *,
    optional: Sequence[str] = (),
    header: CheckHeader | None = None,
    commas: bool = False,
    lost: bool = False,
) -> NumberLines:
    """Read a file whose lines all hold the same numbers; blank lines and lines from "#" on are skipped.

    Args:
        path: the file.
        layout: the name of each number, for the errors.
        optional: names of numbers that may be left out at the end of a line; NaN where they are.
        header: where the first line is not numbers: what looks at it instead, and may raise.
        commas: whether commas and semicolons may part the numbers, too.
        lost: leave out lines with a NaN or infinity, which trackers write where they lost the camera.

    Raises:
        FormatError: naming the line and the field.
    """
    names = (*layout, *optional)
    rows: list[list[float]] = []
    lines: list[int] = []
    gone = 0
    for number, line in _lines(path, read_text(path, MAX_BYTES), header=header):
        where = f"line {number}"
        if len(rows) == MAX_FRAMES:
            raise FormatError(path, f"more than {MAX_FRAMES} frames", where=where)
        words = (line.replace(",", " ").replace(";", " ") if commas else line).split()
        if lost and is_lost(words):
            gone += 1
            continue
        if not len(layout) <= len(words) <= len(names):
            wanted = f"{len(layout)}" + (f" or {len(names)}" if optional else "")
            raise FormatError(
                path,
                f"{len(words)} numbers where {wanted} are expected",
                where=where,
                hint=f"a line holds {' '.join(names)}",
            )
        row = [_number(path, word, where, name) for word, name in zip(words, names, strict=False)]
        rows.append(row + [np.nan] * (len(names) - len(row)))
        lines.append(number)
    if not rows:
        never = ": the camera was lost in every frame" if gone else ""
        raise FormatError(path, f"holds no camera pose{never}", hint=f"a line holds {' '.join(names)}")
    return NumberLines(path, np.array(rows), lines, gone)


def is_lost(words: Sequence[str]) -> bool:
    """Whether one of the numbers of a line is NaN or infinite, in any program's spelling: nan, -1.#INF, 1.#QNAN."""
    return any(_LOST.fullmatch(word) for word in words)


def poses_from_quaternions(table: NumberLines, translations: np.ndarray, xyzw: np.ndarray) -> np.ndarray:
    """Poses [N, 4, 4] from translations [N, 3] and unit quaternions xyzw [N, 4]."""
    with np.errstate(over="ignore"):
        length = np.linalg.norm(xyzw, axis=1)
    wrong = np.flatnonzero(np.abs(length - 1) > 0.01)
    if wrong.size:
        raise table.error(
            wrong[0], f"qx qy qz qw have length {length[wrong[0]]:.4g}", hint="a rotation has length 1"
        )
    poses = np.tile(np.eye(4), (len(xyzw), 1, 1))
    poses[:, :3, :3] = Rotation.from_quat(xyzw).as_matrix()
    poses[:, :3, 3] = check_metres(table, translations)
    return poses


def poses_from_rows(table: NumberLines, rows: np.ndarray) -> np.ndarray:
    """Poses [N, 4, 4] from their upper three rows [N, 3, 4]; rounded rotations are made exact again."""
    return rigid(table.path, rows, lambda row: f"line {table.lines[row]}")


def rigid(path: Path, rows: np.ndarray, where: Callable[[int], str], *, scaled: bool = False) -> np.ndarray:
    """Poses [N, 4, 4] from their upper three rows [N, 3, 4]; rounded rotations are made exact again.

    Args:
        path: for the errors.
        rows: the matrices.
        where: the place in the file of one of them.
        scaled: whether a common scale of the three axes is taken out, as Blender and game engines write it.

    Raises:
        FormatError: a matrix that is no rotation and translation, or is absurdly far away.
    """
    rotation = rows[:, :, :3]
    if scaled:
        with np.errstate(over="ignore"):
            length = np.linalg.norm(rotation, axis=1, keepdims=True)
        rotation = rotation / np.where((length > 1e-9) & (length < MAX_METRES), length, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        skew = np.abs(rotation.transpose(0, 2, 1) @ rotation - np.eye(3)).max(axis=(1, 2))
        turned = np.linalg.det(rotation) > 0
    wrong = np.flatnonzero(~((skew < 1e-2) & turned))
    if wrong.size:
        raise FormatError(
            path,
            "the 3x3 part of the matrix is not a rotation",
            where=where(int(wrong[0])),
            hint="row-major, unscaled",
        )
    wrong = np.flatnonzero(~(np.abs(rows[:, :, 3]) <= MAX_METRES).all(axis=1))
    if wrong.size:
        raise FormatError(path, f"the translation is larger than {MAX_METRES:g}", where=where(int(wrong[0])))
    left, _, right = np.linalg.svd(rotation)
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, :3, :3] = left @ right
    poses[:, :3, 3] = rows[:, :, 3]
    return poses


OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
"""Takes camera axes of OpenGL and Blender (y up, looking along -z) to OpenCV's, and back: c2w @ OPENGL."""


def check_focal(table: NumberLines, column: int, name: str) -> None:
    """Refuses focal lengths, as fractions of the picture's side, that no camera has.

    Raises:
        FormatError: naming the line.
    """
    values = table.values[:, column]
    wrong = np.flatnonzero(~((values > 0) & (values < MAX_FRACTION)))
    if wrong.size:
        raise table.error(
            wrong[0],
            f"{name} is {values[wrong[0]]:g}",
            hint="a focal length is a positive fraction of the picture's side",
        )


def check_metres(table: NumberLines, translations: np.ndarray) -> np.ndarray:
    """The translations [N, 3], refused where they are absurdly large."""
    wrong = np.flatnonzero(~(np.abs(translations) <= MAX_METRES).all(axis=1))
    if wrong.size:
        raise table.error(wrong[0], f"the translation is larger than {MAX_METRES:g}")
    return translations


def timed_path(
    table: NumberLines,
    times: np.ndarray,
    c2w: np.ndarray,
    intrinsics: np.ndarray,
    size: tuple[int, int],
    fps: float | None,
    *,
    tick: float,
) -> CameraPath:
    """A path from time stamps in seconds, good to `tick` seconds.

    Where `fps` is given, every line is one frame at that rate. Otherwise the rate is that of the stamps, and
    where they are uneven the path is resampled by time.
    """
    if fps is not None:
        return built(table.path, c2w, intrinsics, size, fps)
    if len(times) < 2:
        raise FormatError(
            table.path, "one time stamp does not tell the frame rate", hint="give the frame rate (fps)"
        )
    steps = np.diff(times)
    wrong = np.flatnonzero(steps <= 0)
    if wrong.size:
        raise table.error(
            int(wrong[0]) + 1,
            "the time stamp is not later than the one before",
            hint="where lines are simply frames, give the frame rate (fps)",
        )
    step = float(np.median(steps))
    if not SHORTEST_STEP <= step <= LONGEST_STEP:
        raise FormatError(
            table.path,
            f"the time stamps lie {step:g} s apart",
            hint="they may be in another unit; give the frame rate (fps) to take every line as a frame",
        )
    rate = frame_rate(times, tick)
    even = np.abs(times - times[0] - np.arange(len(times)) / rate).max() <= max(2 * tick, 0.1 / rate)
    if even:
        return built(table.path, c2w, intrinsics, size, rate)
    return resampled(table, times, c2w, intrinsics, size, 1 / step)


def resampled(
    table: NumberLines,
    times: np.ndarray,
    c2w: np.ndarray,
    intrinsics: np.ndarray,
    size: tuple[int, int],
    fps: float,
) -> CameraPath:
    """A path from poses at uneven moments (seconds), resampled by time."""
    try:
        return CameraPath.from_times(times, c2w, intrinsics, size, fps)
    except ValueError as error:
        raise FormatError(table.path, str(error), hint="look for a gap in the time stamps") from None


def built(
    path: Path, c2w: np.ndarray, intrinsics: np.ndarray, size: tuple[int, int], fps: float
) -> CameraPath:
    """The path; what it refuses is an error in the file."""
    try:
        return CameraPath(c2w, intrinsics, size, fps)
    except ValueError as error:
        raise FormatError(path, str(error)) from None


def check_arguments(size: tuple[int, int], fps: float | None) -> None:
    """Refuse a bad size or fps as the caller's mistake, before the file is blamed for it."""
    CameraPath.static(np.eye(4), (1.0, 1.0, 0.0, 0.0), size, 1.0 if fps is None else fps, 1)


def quaternions_xyzw(poses: np.ndarray) -> np.ndarray:
    """Unit quaternions xyzw with w >= 0, [N, 4]."""
    return Rotation.from_matrix(poses[:, :3, :3]).as_quat(canonical=True)


def to_c2w(poses: np.ndarray, convention: str) -> np.ndarray:
    """Poses [N, 4, 4] given as "w2c" or "c2w", as camera-to-world."""
    if convention not in ("w2c", "c2w"):
        raise ValueError(f'convention must be "w2c" or "c2w", got {convention!r}')
    return invert_rigid(poses) if convention == "w2c" else poses


def frame_rate(times: np.ndarray, tick: float) -> float:
    """The rate of even time stamps: a round one (or n/1.001) where it explains them to within a tick."""
    rate = float((len(times) - 1) / (times[-1] - times[0]))
    for candidate in (round(rate), round(rate * 1.001) / 1.001, round(rate, 2)):
        if candidate > 0 and abs((len(times) - 1) / candidate - (times[-1] - times[0])) <= 1.5 * tick:
            return float(candidate)
    return rate


def _lines(path: Path, text: str, *, header: CheckHeader | None) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(io.StringIO(text), start=1):
        if number > MAX_LINES:
            raise FormatError(path, f"more than {MAX_LINES} lines")
        if len(line) > MAX_LINE:
            raise FormatError(path, f"longer than {MAX_LINE} characters", where=f"line {number}")
        if header is not None and number == 1:
            header(path, line.rstrip("\r\n"))
            continue
        line = _COMMENT.split(line, maxsplit=1)[0].strip()
        if line:
            yield number, line


def _number(path: Path, word: str, where: str, name: str) -> float:
    try:
        value = float(word) if "_" not in word else np.nan
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise FormatError(path, f"{name} is {word[:40]!r}, not a finite number", where=where)
    return value
