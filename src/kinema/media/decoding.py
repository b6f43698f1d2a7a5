"""Videos of any kind as upright frames at a constant rate, decoded once, in time and in flat memory.

Frames are chosen by their presentation times, so that files with a variable rate keep their tempo; rotation flags
and oblong pixels are undone.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kinema.scene.formats.errors import FormatError
from kinema.scene.timing import MAX_FRAMES

VIDEO_SUFFIXES = {".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi"}
"""Of files that are taken for videos; whatever FFmpeg reads can be opened."""

MAX_PIXELS = 1 << 26
"""Largest picture that is decoded, 64 million pixels (ours): 8K, and twice that."""

MAX_FPS = 60.0
"""Default cap on the rate at which frames are given (ours): faster files are for slow motion."""

_MAX_RATE = 1000.0
_SHORT_OF = 0.5  # seconds that may be missing at the end before a file counts as truncated (ours)
_FULL_FRAME_DIAGONAL = math.hypot(36.0, 24.0)
_FOCAL_TAGS = ("com.apple.quicktime.camera.focal_length.35mm_equivalent", "focal_length_in_35mm_format")


@dataclass(frozen=True)
class VideoSource:
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
    _stop: float | None = None

    @property
    def duration(self) -> float:
        """Seconds from the first frame's beginning to the last one's end, as expected."""
        return self.frames / self.fps

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

    def _decoded(self) -> Iterator[tuple[float, float, Any]]:
        """(begin, end in seconds of the file, frame) of the stored frames, from about `start` on."""
        reached = 0.0
        with container(self.path) as opened:
            stream = _video_stream(opened, self.path)
            stream.thread_type = "AUTO"
            unit, step = float(stream.time_base or 0), 1 / self.file_fps
            origin = _origin(stream)
            if self.start > 2.0:
                opened.seek(int((self.start - 0.5 + origin) / unit), stream=stream, backward=True)
            previous = -math.inf
            try:
                for frame in opened.decode(stream):
                    after = previous + step if previous > -math.inf else 0.0
                    time = after if frame.pts is None else frame.pts * unit - origin
                    if time <= previous:
                        continue
                    previous = time
                    lasts = frame.duration * unit if frame.duration else step
                    reached = time + lasts
                    yield time, reached, frame
                    if self._stop is not None and time > self._stop + step:
                        return
            except _ffmpeg_error() as error:
                raise self._broken(reached, error.strerror) from None
            stated = _stated_duration(opened, stream)
            due = stated if self._stop is None else min(self._stop, stated)
            if previous > -math.inf and reached < due - max(_SHORT_OF, 0.02 * due):
                raise self._broken(reached, f"it states {stated:.1f} s")

    def _broken(self, reached: float, why: str) -> FormatError:
        hint = (
            f"take the part that is there: stop at {math.floor(reached * 10) / 10:g} s" if reached else None
        )
        return FormatError(self.path, f"breaks off at {reached:.2f} s ({why})", hint=hint)

    def _upright(self, frame: Any) -> np.ndarray:
        import cv2

        size = self.size if frame.rotation % 180 == 0 else self.size[::-1]
        exact = size == (frame.width, frame.height)
        pixels = frame.to_ndarray(format="rgb24", **({"interpolation": exact_colours()} if exact else {}))
        if not exact:
            smaller = size[0] <= frame.width and size[1] <= frame.height
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
        return np.rot90(pixels, frame.rotation // 90)  # both count against the clock


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a video by its suffix."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


@contextmanager
def open_video(
    path: str | os.PathLike[str],
    *,
    start: float | None = None,
    stop: float | None = None,
    fps: float | None = None,
    max_side: int | None = None,
    max_fps: float = MAX_FPS,
) -> Iterator[VideoSource]:
    """Opens a video of any kind that FFmpeg knows.

    Args:
        path: the file.
        start: seconds of the file at which to begin; its beginning by default.
        stop: seconds of the file at which to end; its end by default.
        fps: frames per second to give, by time; by default the file's own average rate, at most `max_fps`.
        max_side: pixels; larger frames are made smaller, so that their longer side is this long.
        max_fps: cap on the default rate.

    Raises:
        FormatError: not a video, only sound, no frames, too large, broken, or nothing lies in the range.
        FileNotFoundError: there is no such file.
        ValueError: a range, rate or size that makes no sense.
    """
    begin = 0.0 if start is None else float(start)
    if not (math.isfinite(begin) and begin >= 0):
        raise ValueError(f"a video starts at 0 s or later, not at {start} s")
    if stop is not None and not (math.isfinite(stop) and stop > begin):
        raise ValueError(f"the part must end after it starts at {begin:g} s, not at {stop} s")
    if fps is not None and not (math.isfinite(fps) and 0 < fps <= _MAX_RATE):
        raise ValueError(f"frames per second must lie between 0 and {_MAX_RATE:g}, not {fps}")
    if max_side is not None and max_side < 16:
        raise ValueError(f"the longer side must be at least 16 pixels, not {max_side}")
    with container(path) as opened:
        stream = _video_stream(opened, path)
        first = _first_frame(opened, stream, path)
        file_fps = float(stream.average_rate or stream.guessed_rate or 0)
        if not 0 < file_fps <= 1e6:
            raise FormatError(path, "states no frame rate", where="video stream")
        rate = float(fps) if fps is not None else min(file_fps, max_fps)
        size, focal = _shown_size(first, stream, max_side), None
        stated = _stated_duration(opened, stream) or float(opened.duration or 0) / 1e6
        if stated and begin >= stated:
            raise FormatError(path, f"lasts {stated:.2f} s; nothing starts at {begin:g} s")
        equivalent = focal_35mm({**opened.metadata, **stream.metadata})
        if equivalent is not None:
            focal = equivalent / _FULL_FRAME_DIAGONAL * math.hypot(*size)
        length = max(0.0, (stated if stop is None else min(stop, stated or stop)) - begin)
        frames = math.ceil(length * rate - 1e-6)
        metadata = dict(opened.metadata)
    if frames > MAX_FRAMES:
        raise FormatError(
            path,
            f"makes {frames} frames at {rate:g} fps; the limit is {MAX_FRAMES}",
            hint="take a part of it",
        )
    yield VideoSource(
        Path(path), size, rate, frames, begin, (first.width, first.height), file_fps, focal, metadata, stop
    )


@contextmanager
def container(path: str | os.PathLike[str]) -> Iterator[Any]:
    """A media file opened by FFmpeg; what it cannot read is one FormatError.

    Raises:
        FormatError: not a media file, or damaged.
        FileNotFoundError: there is no such file.
    """
    import av

    if not Path(path).is_file():
        raise FileNotFoundError(f"{os.fspath(path)}: no such video file")
    try:
        # By its whole path: FFmpeg takes what stands before a colon of a name for a protocol.
        with av.open(os.path.abspath(path)) as opened:
            yield opened
    except av.error.FFmpegError as error:
        raise FormatError(
            path, f"cannot be decoded ({error.strerror})", hint="is it a complete video?"
        ) from None


def _video_stream(opened: Any, path: str | os.PathLike[str]) -> Any:
    """The video stream; a cover picture of a song is none."""
    moving = [s for s in opened.streams.video if "attached_pic" not in str(s.disposition)]
    if not moving:
        sound = "; it only has sound" if opened.streams.audio else ""
        raise FormatError(path, f"has no video stream{sound}", hint="give a video")
    stream = moving[0]
    codec = stream.codec_context
    if codec is None:
        raise FormatError(path, "is stored in a way that cannot be decoded", where="video stream")
    if (codec.width or 0) * (codec.height or 0) > MAX_PIXELS:
        raise FormatError(
            path,
            f"has frames of {codec.width} x {codec.height} pixels; the limit is {MAX_PIXELS} pixels",
            hint="make it smaller first",
        )
    return stream


def _first_frame(opened: Any, stream: Any, path: str | os.PathLike[str]) -> Any:
    for frame in opened.decode(stream):
        return frame
    raise FormatError(path, "has no frames", where="video stream", hint="is it a complete video?")


def _shown_size(frame: Any, stream: Any, max_side: int | None) -> tuple[int, int]:
    ratio = float(stream.sample_aspect_ratio or 1) or 1.0
    width, height = frame.width * ratio, float(frame.height)
    if frame.rotation % 180:
        width, height = height, width
    scale = 1.0 if max_side is None else min(1.0, max_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _origin(stream: Any) -> float:
    """Seconds of the stream's own clock at which the video begins."""
    return float((stream.start_time or 0) * (stream.time_base or 0))


def _stated_duration(opened: Any, stream: Any) -> float:
    """Seconds of video that the file claims to hold; 0 where it does not say."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    clock = stream.metadata.get("DURATION", "").split(":")  # Matroska: hours:minutes:seconds
    try:
        hours, minutes, seconds = (float(part) for part in clock)
    except ValueError:
        alone = not opened.streams.audio  # sound may last longer than the pictures
        return float(opened.duration or 0) / 1e6 if alone else 0.0
    return 3600 * hours + 60 * minutes + seconds


def focal_35mm(tags: Mapping[str, str]) -> float | None:
    """The focal length as on 35 mm film, in millimetres, from a file's tags."""
    for name in _FOCAL_TAGS:
        try:
            value = float(tags[name])
        except (KeyError, ValueError):
            continue
        if 4 <= value <= 2000:
            return value
    return None


def exact_colours() -> int:
    """Flags for colour conversion; without accurate rounding every channel darkens by one level."""
    from av.video.reformatter import Interpolation

    return int(Interpolation.LANCZOS | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT)


def _ffmpeg_error() -> Any:
    import av

    return av.error.FFmpegError
