"""Videos of any kind as upright frames at a constant rate, decoded once, in time and in flat memory.

Frames are chosen by their presentation times, so that files with a variable rate keep their tempo; rotation flags
and oblong pixels are undone. Numbered and animated pictures are videos too (stills.py).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kinema.media.stills import is_animated, is_still, open_animated, open_numbered, picture_files
from kinema.media.video_source import VideoSource
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
class FileVideo(VideoSource):
    """A video that FFmpeg decodes.

    Args:
        tempo: seconds given for each second of the file's own clock.
    """

    tempo: float = 1.0

    def _decoded(self) -> Iterator[tuple[float, float, Any]]:
        """(begin, end in seconds of the file, frame) of the stored frames, from about `start` on."""
        reached = 0.0
        with container(self.path) as opened:
            stream = video_stream(opened, self.path)
            stream.thread_type = "AUTO"
            unit, step = float(stream.time_base or 0), 1 / self.file_fps
            origin = begins_at(stream)
            if self.start > 2.0:
                own = (self.start - 0.5) / self.tempo + origin
                opened.seek(int(own / unit), stream=stream, backward=True)
            previous = -math.inf
            try:
                for frame in opened.decode(stream):
                    after = previous + step if previous > -math.inf else 0.0
                    time = after if frame.pts is None else (frame.pts * unit - origin) * self.tempo
                    if time <= previous:
                        continue
                    previous = time
                    lasts = frame.duration * unit * self.tempo if frame.duration else step
                    reached = time + lasts
                    yield time, reached, frame
                    if self._stop is not None and time > self._stop + step:
                        return
            except _ffmpeg_error() as error:
                raise self._broken(reached, error.strerror) from None
            stated = _stated_duration(opened, stream) * self.tempo
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

        turns = round(frame.rotation / 90)  # a damaged file may say 45 degrees
        size = self.size if turns % 2 == 0 else self.size[::-1]
        exact = size == (frame.width, frame.height)
        pixels = frame.to_ndarray(format="rgb24", **({"interpolation": exact_colours()} if exact else {}))
        if not exact:
            smaller = size[0] <= frame.width and size[1] <= frame.height
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
        return np.rot90(pixels, turns)  # both count against the clock


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether there is a video: a file by its suffix, a picture that moves, a folder or pattern of pictures.

    Raises:
        FormatError: a folder with two series of pictures.
        FileNotFoundError: a pattern that no picture fits.
    """
    return Path(path).suffix.lower() in VIDEO_SUFFIXES or is_animated(path) or bool(picture_files(path))


@contextmanager
def open_video(
    path: str | os.PathLike[str],
    *,
    start: float | None = None,
    stop: float | None = None,
    fps: float | None = None,
    max_side: int | None = None,
    max_fps: float = MAX_FPS,
    source_fps: float | None = None,
) -> Iterator[VideoSource]:
    """Opens a video of any kind that FFmpeg knows, an animated picture, or numbered pictures.

    Args:
        path: the file, a folder of pictures, or a pattern of them: `frames/%04d.png`, `frames/*.png`.
        start: seconds of the video at which to begin; its beginning by default.
        stop: seconds of the video at which to end; its end by default.
        fps: frames per second to give, by time; by default the video's own average rate, at most `max_fps`.
        max_side: pixels; larger frames are made smaller, so that their longer side is this long.
        max_fps: cap on the default rate.
        source_fps: the video's own frames per second where it does not say them, as numbered pictures, or says them
            wrong. Of numbered pictures `fps`, or 30, where None.

    Raises:
        FormatError: not a video, only sound, no frames, too large, broken, pictures of several sizes, or nothing lies
            in the range.
        FileNotFoundError: there is no such file.
        ValueError: a range, rate or size that makes no sense.
    """
    begin = 0.0 if start is None else float(start)
    if not (math.isfinite(begin) and begin >= 0):
        raise ValueError(f"a video starts at 0 s or later, not at {start} s")
    if stop is not None and not (math.isfinite(stop) and stop > begin):
        raise ValueError(f"the part must end after it starts at {begin:g} s, not at {stop} s")
    for rate in (fps, source_fps):
        if rate is not None and not (math.isfinite(rate) and 0 < rate <= _MAX_RATE):
            raise ValueError(f"frames per second must lie between 0 and {_MAX_RATE:g}, not {rate}")
    if max_side is not None and max_side < 16:
        raise ValueError(f"the longer side must be at least 16 pixels, not {max_side}")
    whole, stated = _whole(path, fps, source_fps)
    if stated and begin >= stated:
        raise FormatError(path, f"lasts {stated:.2f} s; nothing starts at {begin:g} s")
    given = float(fps) if fps is not None else min(whole.file_fps, max_fps)
    length = max(0.0, (stated if stop is None else min(stop, stated or stop)) - begin)
    frames = math.ceil(length * given - 1e-6)
    if frames > MAX_FRAMES:
        raise FormatError(
            path,
            f"makes {frames} frames at {given:g} fps; the limit is {MAX_FRAMES}",
            hint="take a part of it",
        )
    yield replace(whole.shrunk(max_side), fps=given, frames=frames, start=begin, _stop=stop)


def _whole(
    path: str | os.PathLike[str], fps: float | None, source_fps: float | None
) -> tuple[VideoSource, float]:
    """The whole video at its own rate and size, and the seconds it claims to last; 0 where it does not say."""
    if files := picture_files(path):
        numbered = open_numbered(path, files, fps, source_fps)
        return numbered, numbered.begins[-1]
    if is_animated(path) or is_still(path):
        animated = open_animated(path, source_fps)
        return animated, animated.begins[-1]
    with container(path) as opened:
        stream = video_stream(opened, path)
        first = _first_frame(opened, stream, path)
        own = float(stream.average_rate or stream.guessed_rate or 0)
        if not 0 < own <= 1e6:
            raise FormatError(path, "states no frame rate", where="video stream", hint="say it: source_fps")
        size, focal = _shown_size(first, stream), None
        stated = _stated_duration(opened, stream) or float(opened.duration or 0) / 1e6
        equivalent = focal_35mm({**opened.metadata, **stream.metadata})
        if equivalent is not None:
            focal = equivalent / _FULL_FRAME_DIAGONAL * math.hypot(*size)
        rate = own if source_fps is None else source_fps
        stored = (first.width, first.height)
        tags = dict(opened.metadata)
    source = FileVideo(Path(path), size, rate, 0, 0.0, stored, rate, focal, tags, tempo=own / rate)
    return source, stated * source.tempo


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
        with av.open(os.path.abspath(path), metadata_errors="replace") as opened:
            yield opened
    except av.error.FFmpegError as error:
        raise FormatError(
            path, f"cannot be decoded ({error.strerror})", hint="is it a complete video?"
        ) from None


def video_stream(opened: Any, path: str | os.PathLike[str]) -> Any:
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


def _shown_size(frame: Any, stream: Any) -> tuple[int, int]:
    ratio = float(stream.sample_aspect_ratio or 1) or 1.0
    width, height = round(frame.width * ratio), frame.height
    return (height, width) if round(frame.rotation / 90) % 2 else (width, height)


def begins_at(stream: Any) -> float:
    """Seconds of the stream's own clock at which the video begins."""
    return float((stream.start_time or 0) * (stream.time_base or 0))


def _stated_duration(opened: Any, stream: Any) -> float:
    """Seconds of video that the file claims to hold; 0 where it does not say.

    Matroska says when the video ends by a clock that may begin late, as it does in a part cut out of a longer film.
    """
    if stream.duration:
        return float(stream.duration * stream.time_base)
    whole = float(opened.duration or 0) / 1e6
    late = begins_at(stream) if "matroska" in opened.format.name else 0.0
    clock = stream.metadata.get("DURATION", "").split(":")  # Matroska: hours:minutes:seconds
    try:
        hours, minutes, seconds = (float(part) for part in clock)
    except ValueError:
        alone = not opened.streams.audio  # sound may last longer than the pictures
        return max(0.0, whole - late) if alone else 0.0
    own = 3600 * hours + 60 * minutes + seconds
    return max(0.0, (min(own, whole) if whole else own) - late)  # a tag may be that of the uncut film


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
