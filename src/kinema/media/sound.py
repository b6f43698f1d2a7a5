"""The sound of one video put under the pictures of another, in step with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kinema.media.decoding import begins_at, container, video_stream
from kinema.scene.formats.errors import FormatError

RATE = 48_000
"""Samples per second that are written: all encoders used here have it."""

_SECONDS = 3600.0  # that are read at most, as of a motion


@dataclass(frozen=True)
class Sound:
    """The sound of a video from some moment on.

    Args:
        path: the video.
        start: second of its pictures at which the sound begins.
    """

    path: str | os.PathLike[str]
    start: float = 0.0

    def check(self) -> None:
        """Whether there is any.

        Raises:
            FormatError, FileNotFoundError: no video, or one without sound.
        """
        with container(self.path) as opened:
            _stream(opened, self.path)


def put_under(film: Path, sound: Sound, codec: str, format: str) -> None:
    """Adds sound to a film that has none; its pictures stay as they are, to the bit.

    Args:
        film: is replaced.
        sound: is cut to the film's length; where it ends sooner, silence follows.
        codec: FFmpeg's name of the encoder.
        format: FFmpeg's name of the container.

    Raises:
        FormatError: the sound cannot be read.
    """
    import av

    both = film.with_name(f"{film.name}.sound")
    options = {"movflags": "+faststart"} if format in ("mp4", "mov") else {"fflags": "+bitexact"}
    try:
        with (
            av.open(str(film.absolute())) as silent,
            av.open(str(both.absolute()), "w", format=format, options=options) as out,
        ):
            pictures = silent.streams.video[0]
            copied = out.add_stream_from_template(pictures)
            heard: Any = out.add_stream(codec, rate=RATE)
            heard.layout = "stereo"
            for key, value in silent.metadata.items():
                if key.lower() == "comment":
                    out.metadata["comment"] = value
            packets = (packet for packet in silent.demux(pictures) if packet.dts is not None)
            lasts, pending = 0.0, next(packets, None)
            length = _length(silent, pictures)
            for block in _blocks(sound, length):
                while pending is not None and float((pending.dts or 0) * pending.time_base) <= lasts:
                    pending.stream = copied
                    out.mux(pending)
                    pending = next(packets, None)
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
                frame.sample_rate = RATE
                frame.pts = round(lasts * RATE)
                out.mux(heard.encode(frame))
                lasts += block.shape[1] / RATE
            while pending is not None:
                pending.stream = copied
                out.mux(pending)
                pending = next(packets, None)
            out.mux(heard.encode(None))
        os.replace(both, film)
    finally:
        both.unlink(missing_ok=True)


def _blocks(sound: Sound, seconds: float) -> Iterator[np.ndarray]:
    """Stereo float32 [2, N], one after the other: exactly so many seconds from the sound's start on."""
    import av

    wanted = round(min(seconds, _SECONDS) * RATE)
    given = 0
    with container(sound.path) as opened:
        stream = _stream(opened, sound.path)
        begin = sound.start + (begins_at(video_stream(opened, sound.path)) if opened.streams.video else 0.0)
        if begin > 2.0:
            opened.seek(int((begin - 1.0) / stream.time_base), stream=stream, backward=True)
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)
        for decoded in _decoded(opened, stream):
            for frame in resampler.resample(decoded):
                block: np.ndarray = frame.to_ndarray()
                at = round((float((frame.pts or 0) * (frame.time_base or 0)) - begin) * RATE)
                if at < given:
                    block = block[:, given - at :]
                elif at > given + RATE // 100:
                    silence = np.zeros((2, min(at, wanted) - given), np.float32)
                    given += silence.shape[1]
                    if silence.shape[1]:
                        yield silence
                block = np.ascontiguousarray(block[:, : wanted - given])
                given += block.shape[1]
                if block.shape[1]:
                    yield block
            if given >= wanted:
                return
    if given < wanted:
        yield np.zeros((2, wanted - given), np.float32)


def _decoded(opened: Any, stream: Any) -> Iterator[Any]:
    """Frames with a time; what is damaged is passed over."""
    import av

    for packet in opened.demux(stream):
        try:
            yield from (frame for frame in packet.decode() if frame.pts is not None)
        except av.error.InvalidDataError:
            continue


def _stream(opened: Any, path: str | os.PathLike[str]) -> Any:
    if not opened.streams.audio:
        raise FormatError(path, "has no sound")
    return opened.streams.audio[0]


def _length(film: Any, pictures: Any) -> float:
    """Seconds of a film of ours."""
    if pictures.duration:
        return float(pictures.duration * pictures.time_base)
    return float(film.duration or 0) / 1e6
