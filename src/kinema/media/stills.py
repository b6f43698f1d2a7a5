"""Pictures as a video: numbered ones of a folder or a pattern, and animated ones (GIF, WebP, AVIF, APNG)."""

from __future__ import annotations

import glob
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kinema.media.video_source import VideoSource
from kinema.scene.formats.errors import FormatError
from kinema.scene.timing import MAX_FRAMES

STILL_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".gif", ".jxl", ".ppm"}
"""Of files in a folder that are taken for pictures."""

STILL_FPS = 30.0
"""Frames per second of numbered pictures of which nobody says (ours)."""

_PRINTF = re.compile(r"%0?(\d*)d")
_HOLES = 4  # times as many numbers as pictures, up to which missing numbers are moments (ours)
_UNSAID = 0.1  # seconds for which players show a frame that says 0
_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
_ORIENTATION = 274


@dataclass(frozen=True)
class PictureVideo(VideoSource):
    """Pictures that stand at moments of their own.

    Args:
        files: one for each frame; empty where one animated picture has them all.
        begins: seconds at which each frame begins, and at which the last one ends, [N + 1].
    """

    files: tuple[Path, ...] = field(default=(), repr=False)
    begins: tuple[float, ...] = field(default=(), repr=False)

    def _decoded(self) -> Iterator[tuple[float, float, Any]]:
        pictures = _pages(self.path) if not self.files else (_picture(file) for file in self.files)
        for picture, begin, end in zip(pictures, self.begins, self.begins[1:], strict=False):
            yield begin, end, picture

    def _upright(self, frame: Any) -> np.ndarray:
        import cv2

        pixels = np.asarray(frame)
        if (pixels.shape[1], pixels.shape[0]) == self.size:
            return pixels
        return np.asarray(cv2.resize(pixels, self.size, interpolation=cv2.INTER_AREA))


def picture_files(path: str | os.PathLike[str]) -> list[Path] | None:
    """The pictures of a folder or of a pattern in the order of their numbers; None of anything else.

    Of a folder those that are numbered alike; `frames/%04d.png` and `frames/*.png` are patterns.

    Raises:
        FormatError: a folder with two series of pictures.
        FileNotFoundError: a pattern that nothing fits.
    """
    place = Path(path)
    if place.is_dir():
        files = [each for each in place.iterdir() if is_picture_name(each)]
        return _series(place, files) or None
    if place.exists() or not (_PRINTF.search(place.name) or glob.has_magic(os.fspath(path))):
        return None
    files = [each for each in _fitting(place) if each.is_file()]
    if not files:
        raise FileNotFoundError(f"{os.fspath(path)}: no picture fits this pattern")
    return sorted(files, key=_natural)


def is_animated(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a picture of several frames, whatever its name."""
    header = _header(path)
    return header is not None and header.moves


def is_still(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a picture by its name and its beginning."""
    return Path(path).suffix.lower() in STILL_SUFFIXES and _header(path) is not None


def open_numbered(
    path: str | os.PathLike[str], files: Sequence[Path], fps: float | None, source_fps: float | None
) -> PictureVideo:
    """Numbered pictures; where numbers are left out the nearest picture stands.

    Args:
        path: the folder or the pattern.
        files: in their order.
        fps: frames per second to give, which is also the pictures' own rate where nothing else says it.
        source_fps: the pictures' own rate.

    Raises:
        FormatError: not pictures, or of several sizes; the file is named.
    """
    if len(files) > MAX_FRAMES:
        raise FormatError(path, f"holds {len(files)} pictures; the limit is {MAX_FRAMES}")
    size = _common_size(files)
    rate = source_fps or fps or STILL_FPS
    at, gaps = _moments(files)
    notes = []
    if not (source_fps or fps) and len(files) > 1:
        notes.append(
            f"{len(files)} numbered pictures do not say how fast they run: {STILL_FPS:g} per second are assumed; "
            "say it with --source-fps"
        )
    if gaps:
        notes.append(f"{gaps} numbers have no picture: the nearest one stands there")
    if Path(path).is_dir() and (
        others := sum(map(is_picture_name, Path(path).iterdir())) - len(files)
    ):  # found again: they are few
        notes.append(f"{others} pictures of other names were left out")
    begins = tuple((at / rate).tolist())
    return _source(path, size, begins, rate, tuple(notes), tuple(files))


def open_animated(path: str | os.PathLike[str], source_fps: float | None) -> PictureVideo:
    """An animated picture, whose frames say how long they stand; or a still one, as one frame.

    Args:
        path: the file.
        source_fps: its rate, whatever the frames say.

    Raises:
        FormatError: not a picture, or damaged.
    """
    lasts, size = [], (0, 0)
    for picture in _pages(path):
        size = picture.size
        lasts.append((picture.info.get("duration") or 0) / 1000 or _UNSAID)
        if len(lasts) > MAX_FRAMES:
            raise FormatError(path, f"has more than {MAX_FRAMES} frames")
    if source_fps is not None or len(lasts) == 1:
        lasts = [1 / (source_fps or STILL_FPS)] * len(lasts)
    begins = (0.0, *np.cumsum(lasts).tolist())
    return _source(path, size, begins, round(len(lasts) / begins[-1], 6), (), ())


def _source(
    path: str | os.PathLike[str],
    size: tuple[int, int],
    begins: tuple[float, ...],
    rate: float,
    notes: tuple[str, ...],
    files: tuple[Path, ...],
) -> PictureVideo:
    frames = math.ceil(begins[-1] * rate - 1e-6)
    return PictureVideo(
        Path(path), size, rate, frames, 0.0, size, rate, None, {}, notes, files=files, begins=begins
    )


def is_picture_name(file: Path) -> bool:
    """Whether a file is named as a picture, and is not hidden."""
    return file.suffix.lower() in STILL_SUFFIXES and not file.name.startswith(".")


def _natural(file: Path) -> tuple[list[int], str]:
    """Sorts 2 before 10."""
    return [int(number) for number in re.findall(r"\d+", file.name)], file.name


def _series(folder: Path, files: list[Path]) -> list[Path]:
    """Those of a folder that are named alike but for their numbers; all of them where none are."""
    alike: dict[str, list[Path]] = {}
    for file in files:
        alike.setdefault(re.sub(r"\d+", "#", file.name), []).append(file)
    series = sorted((each for each in alike.values() if len(each) > 1), key=len, reverse=True)
    if not series:
        return sorted(files, key=_natural)
    if len(series) > 1 and len(series[1]) > len(series[0]) / 2:
        one, other = (min(each, key=_natural) for each in series[:2])
        raise FormatError(
            folder,
            f"holds two series of pictures, from {one.name} and from {other.name} on",
            hint=f"name one by a pattern, e.g. {folder / _starred(one.name)}",
        )
    return sorted(series[0], key=_natural)


def _starred(name: str) -> str:
    return re.sub(r"\d+(?=\D*$)", "*", name)


def _fitting(pattern: Path) -> list[Path]:
    """What fits a pattern in printf's or the shell's way."""
    if _PRINTF.search(pattern.name):
        text, last = "", 0
        for number in _PRINTF.finditer(pattern.name):
            digits = f"\\d{{{number[1]},}}" if number[1] else "\\d+"
            text += re.escape(pattern.name[last : number.start()]) + digits
            last = number.end()
        shape = re.compile(text + re.escape(pattern.name[last:]))
        return [each for each in _inside(pattern.parent) if shape.fullmatch(each.name)]
    if pattern.parent.is_dir():
        return [each for each in _inside(pattern.parent) if fnmatch(each.name, pattern.name)]
    return [Path(each) for each in glob.glob(os.fspath(pattern), recursive=True)]


def _inside(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _moments(files: Sequence[Path]) -> tuple[np.ndarray, int]:
    """Where each picture begins and the last one ends, in steps, [N + 1]; and how many numbers have no picture."""
    numbers = [_natural(file)[0] for file in files]
    even = np.arange(len(files) + 1.0)
    if len({len(each) for each in numbers}) > 1 or len(files) < 3:
        return even, 0
    table = np.array([[float(each) for each in row] for row in numbers]).reshape(len(files), -1)
    if not table.size or len(varying := np.flatnonzero(np.ptp(table, axis=0) > 0)) != 1:
        return even, 0
    steps = np.diff(table[:, varying[0]])
    step = steps.min()
    at = (table[:, varying[0]] - table[0, varying[0]]) / step if step > 0 else even[:-1]
    if not np.allclose(at, np.rint(at)) or at[-1] > _HOLES * len(files):
        return even, 0
    return np.append(at, at[-1] + 1), int(at[-1] + 1 - len(files))


def _common_size(files: Sequence[Path]) -> tuple[int, int]:
    """The upright size of all the pictures."""
    sizes = [_size_of(file) for file in files]
    size = Counter(sizes).most_common(1)[0][0]
    odd = [(file, other) for file, other in zip(files, sizes, strict=True) if other != size]
    if odd:
        more = f", and {len(odd) - 1} more are not either" if len(odd) > 1 else ""
        raise FormatError(
            odd[0][0],
            f"is {odd[0][1][0]}x{odd[0][1][1]} pixels, the pictures beside it are {size[0]}x{size[1]}{more}",
            hint="take it out, or give all of them one size",
        )
    return size


def _size_of(file: Path) -> tuple[int, int]:
    header = _header(file)
    if header is None:
        raise FormatError(file, "is not a picture", hint="take it out")
    return header.size


class _Header(NamedTuple):
    """(width, height) upright, and whether there are several frames."""

    size: tuple[int, int]
    moves: bool


def _header(path: str | os.PathLike[str]) -> _Header | None:
    """What the beginning of a picture says; None where it is none."""
    from PIL import Image

    if not Path(path).is_file():
        return None
    try:
        with Image.open(path) as picture:
            sideways = picture.getexif().get(_ORIENTATION) in _SIDEWAYS
            size = picture.size[::-1] if sideways else picture.size
            return _Header(size, bool(getattr(picture, "is_animated", False)))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _picture(file: Path) -> Any:
    from kinema.media.pictures import read_picture

    return read_picture(file)


def _pages(path: str | os.PathLike[str]) -> Iterator[Any]:
    """The frames of an animated picture, RGB, on white where they are transparent; each keeps its `info`."""
    from PIL import Image, ImageSequence, UnidentifiedImageError

    from kinema.media.picture_files import MAX_PICTURE_PIXELS

    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > MAX_PICTURE_PIXELS:
                raise FormatError(path, f"{opened.width}x{opened.height} pixels are too many")
            for page in ImageSequence.Iterator(opened):
                page.load()  # says how long it stands only then
                info = dict(page.info)
                if page.has_transparency_data:
                    clear = page.convert("RGBA")
                    white = Image.new("RGBA", clear.size, "white")
                    page = Image.alpha_composite(white, clear)
                flat = page.convert("RGB")
                flat.info = info
                yield flat
    except UnidentifiedImageError:
        raise FormatError(path, "is not a picture", hint="give a GIF, WebP, AVIF or PNG file") from None
    except FormatError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise FormatError(path, f"cannot be decoded ({error})", hint="it may be truncated") from None
