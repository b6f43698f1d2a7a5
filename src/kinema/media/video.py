"""MP4 files that play in a browser and carry their settings: H.264, yuv420p, BT.709, index first.

The settings are one JSON object in the container's comment tag, repeated in a sidecar `NAME.mp4.json`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from kinema import __version__
from kinema.media import decoding
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_write

MAX_FRAMES_BYTES = 4 << 30
"""Default limit on the decoded frames that `read_video` holds, 4 GiB (ours)."""

_BT709 = 1
_LIMITED_RANGE = 1


@dataclass(frozen=True)
class Video:
    """Frames with their time base and the settings they were made with.

    Args:
        frames: uint8 [T, H, W, 3], sRGB.
        fps: frames per second.
        settings: what the file says it was made with; empty for files of other makers.
    """

    frames: np.ndarray
    fps: float
    settings: Mapping[str, Any] = field(default_factory=dict)


class VideoWriter:
    """Takes the frames of one video; made by `open_video`."""

    def __init__(self, container: Any, fps: float, settings: dict[str, Any], crf: int, scale: int) -> None:
        self.fps, self.crf, self.scale, self.settings = fps, crf, scale, settings
        self.frames_written = 0
        self._container = container
        self._size: tuple[int, int] | None = None
        self._stream: Any = None

    def write(self, frames: np.ndarray) -> None:
        """Appends frames.

        Args:
            frames: uint8 [H, W, 3] or [N, H, W, 3]; all frames of a video have one size.

        Raises:
            ValueError: another type, shape or size.
        """
        import av

        frames = np.asarray(frames)
        if frames.dtype != np.uint8 or frames.ndim not in (3, 4) or frames.shape[-1] != 3:
            raise ValueError(f"frames must be uint8 [T, H, W, 3], not {frames.dtype} {list(frames.shape)}")
        for frame in frames if frames.ndim == 4 else frames[None]:
            size = (frame.shape[1], frame.shape[0])
            if self._stream is None:
                self._start(size)
            if self._size != size:
                raise ValueError(f"frame {self.frames_written} is {size}, the first was {self._size}")
            picture = av.VideoFrame.from_ndarray(self._prepare(frame), format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", interpolation=decoding.exact_colours()
            )
            picture.pts = self.frames_written
            self._container.mux(self._stream.encode(picture))
            self.frames_written += 1

    def finish(self) -> None:
        """Encodes what the encoder still holds.

        Raises:
            ValueError: no frame was written.
        """
        if self._stream is None:
            raise ValueError("a video needs at least one frame")
        self._container.mux(self._stream.encode(None))

    def envelope(self) -> dict[str, Any]:
        """What is kept in the file and in the sidecar."""
        return {
            "kinema": __version__,
            "fps": self.fps,
            "size": self._size,
            "scale": self.scale,
            "settings": self.settings,
        }

    def _start(self, size: tuple[int, int]) -> None:
        self._size = size
        rate = Fraction(self.fps).limit_denominator(1001)
        stream = self._container.add_stream("libx264", rate=rate)
        stream.width, stream.height = (math.ceil(side * self.scale / 2) * 2 for side in size)
        stream.pix_fmt = "yuv420p"
        # Without x264's macroblock tree: its AVX-512 code now and then gives equal frames other quantisers, so that
        # one seed would make two files. What that costs: 3 to 30 % more bytes at the same crf (measured).
        stream.options = {"crf": str(self.crf), "preset": "fast", "mbtree": "0"}
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED_RANGE
        self._stream = stream
        self._container.metadata["comment"] = json.dumps(self.envelope(), ensure_ascii=False)

    def _prepare(self, frame: np.ndarray) -> np.ndarray:
        """Enlarged, and padded on the right and below to even sides, as 4:2:0 needs."""
        if self.scale > 1:
            frame = enlarged(frame[None], self.scale)[0]
        height, width = frame.shape[:2]
        if height % 2 or width % 2:
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        return np.ascontiguousarray(frame)


@contextmanager
def open_video(
    path: str | os.PathLike[str],
    fps: float,
    settings: Mapping[str, Any] | None = None,
    *,
    crf: int = 18,
    scale: int = 1,
) -> Iterator[VideoWriter]:
    """Opens a video to write frame by frame; the file appears, complete, when the block ends well.

    Args:
        path: the file, ending in .mp4.
        fps: frames per second.
        settings: JSON-able settings, kept in the file and in the sidecar.
        crf: quality of x264, 0 (lossless) to 51; 18 is visually clean.
        scale: how many times each side is enlarged, smoothly, for viewing small videos.

    Raises:
        ValueError: not an .mp4 name; no frames; a frame rate, quality or scale out of range.
        OSError: the file cannot be written.
    """
    import av

    target = Path(path)
    if target.suffix.lower() != ".mp4":
        raise ValueError(f"{target}: videos are written as MP4; name the file {target.stem}.mp4")
    if not (math.isfinite(fps) and 0 < fps <= 1000):
        raise ValueError(f"frames per second must lie between 0 and 1000, not {fps}")
    if not 0 <= crf <= 51:
        raise ValueError(f"crf must lie between 0 (lossless) and 51, not {crf}")
    if not 1 <= scale <= 16:
        raise ValueError(f"scale must lie between 1 and 16, not {scale}")
    with atomic_write(target) as temporary:
        options = {"movflags": "+faststart"}
        with av.open(str(temporary), "w", format="mp4", options=options) as container:
            writer = VideoWriter(container, fps, json_ready(settings or {}), crf, scale)
            yield writer
            writer.finish()
    write_json(sidecar(target), writer.envelope())


def write_video(
    path: str | os.PathLike[str],
    frames: np.ndarray,
    fps: float,
    settings: Mapping[str, Any] | None = None,
    *,
    crf: int = 18,
    scale: int = 1,
) -> None:
    """Writes frames, uint8 [T, H, W, 3], as H.264 MP4 with a sidecar; see `open_video`.

    An interrupted or failed write leaves the old file.

    Raises:
        ValueError: not frames, no frames, or arguments out of range.
        OSError: the file cannot be written.

    Example:
        >>> kinema.write_video("grey.mp4", numpy.full((3, 32, 32, 3), 128, "uint8"), fps=24, crf=0)
    """
    with open_video(path, fps, settings, crf=crf, scale=scale) as writer:
        writer.write(frames)


def read_video(path: str | os.PathLike[str], max_bytes: int = MAX_FRAMES_BYTES) -> Video:
    """Reads a video file of any kind that FFmpeg knows, at its own average rate.

    Padding and enlargement of our own files are undone, so that frames come back at the size they had.

    Args:
        path: the file.
        max_bytes: limit on the decoded frames.

    Raises:
        FormatError: no video in it, damaged, or larger than `max_bytes` once decoded.
        FileNotFoundError: there is no such file.

    Example:
        >>> kinema.write_video("grey.mp4", numpy.full((3, 32, 32, 3), 128, "uint8"), fps=24)
        >>> kinema.read_video("grey.mp4").frames.shape
        (3, 32, 32, 3)
    """
    with decoding.open_video(path, max_fps=math.inf) as source:
        envelope = _envelope_of(source.metadata.get("comment", ""))
        frames: list[np.ndarray] = []
        room = max_bytes
        for chunk in source.chunks(8):
            room -= chunk.nbytes
            if room < 0:
                raise FormatError(
                    path,
                    f"decodes to more than the limit of {max_bytes} bytes",
                    hint="cut or shrink it first",
                )
            frames += [_original(frame, envelope) for frame in chunk]
    return Video(np.stack(frames), source.fps, envelope.get("settings", {}))


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings a video of ours was made with; empty for others.

    Raises:
        FormatError: not a video.
        FileNotFoundError: there is no such file.
    """
    with decoding.container(path) as container:
        return dict(_envelope_of(container.metadata.get("comment", "")).get("settings", {}))


def enlarged(frames: np.ndarray, scale: int) -> np.ndarray:
    """Frames uint8 [T, H, W, 3], each side `scale` times as long, smoothly."""
    from PIL import Image

    size = (frames.shape[2] * scale, frames.shape[1] * scale)
    resized = [Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS) for frame in frames]
    return np.stack([np.asarray(frame) for frame in resized])


def sidecar(path: str | os.PathLike[str]) -> Path:
    """Where the settings of an output file stand: `out.mp4` has `out.mp4.json`."""
    return Path(f"{os.fspath(path)}.json")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes a JSON file completely or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(json_ready(value), indent=2) + "\n", encoding="utf-8")


def json_ready(value: Any) -> Any:
    """The value with NumPy scalars, arrays, paths and tuples as plain JSON types."""
    return json.loads(json.dumps(value, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} cannot be kept among a video's settings")


def _envelope_of(comment: str) -> dict[str, Any]:
    """Our own JSON from a comment tag; anything else counts as no settings."""
    try:
        envelope = json.loads(comment)
    except ValueError:
        return {}
    ours = isinstance(envelope, dict) and "kinema" in envelope and isinstance(envelope.get("settings"), dict)
    return envelope if ours else {}


def _original(frame: np.ndarray, envelope: Mapping[str, Any]) -> np.ndarray:
    """Undoes enlargement (mean over each enlarged pixel) and padding."""
    scale, size = envelope.get("scale", 1), envelope.get("size")
    if not (isinstance(size, list) and len(size) == 2 and all(isinstance(n, int) for n in (scale, *size))):
        return frame
    width, height = size
    if not (0 < height * scale <= frame.shape[0] <= height * scale + 1):
        return frame
    if not (0 < width * scale <= frame.shape[1] <= width * scale + 1):
        return frame
    cells = frame[: height * scale, : width * scale].reshape(height, scale, width, scale, 3)
    return cells.mean(axis=(1, 3)).round().astype(np.uint8) if scale > 1 else cells[:, 0, :, 0]
