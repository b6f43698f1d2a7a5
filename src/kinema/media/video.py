"""Videos written and read. MP4 files play in a browser: H.264, yuv420p, BT.709, index first; the name decides the kind.

The settings are one JSON object in the container's comment tag, repeated in a sidecar, e.g. `NAME.mp4.json`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kinema import __version__
from kinema.media import decoding
from kinema.media.encoders import Encoder, FilmForm
from kinema.media.sound import Sound, put_under
from kinema.media.video_kinds import SETTINGS_NAME, VideoTarget, check_alpha, check_sound, video_target
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.files import atomic_folder, atomic_write, read_text

MAX_FRAMES_BYTES = 4 << 30
"""Default limit on the decoded frames that `read_video` holds, 4 GiB (ours)."""

_MAX_SIDECAR = 1 << 24


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

    def __init__(self, target: VideoTarget, path: Path, facts: _Facts) -> None:
        self.frames_written = 0
        self._target, self._path, self._facts = target, path, facts
        self._shape: tuple[int, ...] | None = None
        self._encoder: Encoder | None = None

    def write(self, frames: np.ndarray) -> None:
        """Appends frames.

        Args:
            frames: uint8 [H, W, 3] or [N, H, W, 3], or with alpha as a fourth channel where the first had one; all
                frames of a video have one size.

        Raises:
            ValueError: another type, shape or size, or alpha in a file that has none.
        """
        frames = np.asarray(frames)
        if frames.dtype != np.uint8 or frames.ndim not in (3, 4) or frames.shape[-1] not in (3, 4):
            raise ValueError(f"frames must be uint8 [T, H, W, 3], not {frames.dtype} {list(frames.shape)}")
        for frame in frames if frames.ndim == 4 else frames[None]:
            if self._shape is None:
                self._shape = frame.shape
            if self._shape != frame.shape:
                was, now = ((shape[1], shape[0], shape[2]) for shape in (self._shape, frame.shape))
                raise ValueError(f"frame {self.frames_written} is {now}, the first was {was}")
            prepared = self._prepare(frame)
            if self._encoder is None:
                self._encoder = self._opened(prepared)
            self._encoder.add(prepared, self.frames_written)
            self.frames_written += 1

    def finish(self) -> None:
        """Encodes what the encoder still holds.

        Raises:
            ValueError: no frame was written.
        """
        if self._encoder is None:
            raise ValueError("a video needs at least one frame")
        self._encoder.finish()

    def close(self) -> None:
        """Lets go of the file."""
        if self._encoder is not None:
            self._encoder.close()

    def envelope(self) -> dict[str, Any]:
        """What is kept in the file and in the sidecar."""
        return {
            "kinema": __version__,
            "fps": self._facts.fps,
            "size": None if self._shape is None else [self._shape[1], self._shape[0]],
            "scale": self._facts.scale,
            "settings": self._facts.settings,
        }

    def _opened(self, frame: np.ndarray) -> Encoder:
        """The encoder for frames like this one."""
        height, width, channels = frame.shape
        if channels == 4:
            check_alpha(self._target)
        comment = json.dumps(self.envelope(), ensure_ascii=False)
        facts = self._facts
        form = FilmForm(width, height, facts.fps, channels == 4, facts.crf, comment, self._target.frame_name)
        return self._target.kind.open(self._path, form)

    def _prepare(self, frame: np.ndarray) -> np.ndarray:
        """Enlarged, and where sides must be even, padded on the right and below."""
        if self._facts.scale > 1:
            frame = enlarged(frame[None], self._facts.scale)[0]
        height, width = frame.shape[:2]
        if self._target.kind.even and (height % 2 or width % 2):
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        return np.ascontiguousarray(frame)


@dataclass(frozen=True)
class _Facts:
    """What a writer is told."""

    fps: float
    crf: int
    scale: int
    settings: dict[str, Any]


@contextmanager
def open_video(
    path: str | os.PathLike[str],
    fps: float,
    settings: Mapping[str, Any] | None = None,
    *,
    crf: int = 18,
    scale: int = 1,
    sound: Sound | None = None,
) -> Iterator[VideoWriter]:
    """Opens a video to write frame by frame; it appears, complete, when the block ends well.

    Args:
        path: a file ending in .mp4, .mov, .webm, .gif, .apng or .webp; or a folder of numbered PNGs: a name that ends
            in /, a folder that is there (empty, or of an earlier video), or a pattern like `frames/%04d.png`.
        fps: frames per second.
        settings: JSON-able settings, kept in the file where it has a place for them, and beside it in `NAME.json`; of
            a folder in its settings.json.
        crf: quality, 0 (lossless) to 51, as x264 counts it; 18 is visually clean.
        scale: how many times each side is enlarged, smoothly, for viewing small videos.
        sound: of another video, put under the pictures.

    Raises:
        ValueError: no such name; no frames; no sound in such a file; frames with alpha for a file that has none; a frame
            rate, quality or scale out of range.
        OSError: the file cannot be written, or the folder holds something else.
    """
    target = video_target(path)
    if not (math.isfinite(fps) and 0 < fps <= 1000):
        raise ValueError(f"frames per second must lie between 0 and 1000, not {fps}")
    if not 0 <= crf <= 51:
        raise ValueError(f"crf must lie between 0 (lossless) and 51, not {crf}")
    if not 1 <= scale <= 16:
        raise ValueError(f"scale must lie between 1 and 16, not {scale}")
    if target.foreign:
        raise FileExistsError(
            f"{target.path} holds other files ({target.foreign[0]}): give the pictures a folder of their own"
        )
    if sound is not None:
        check_sound(target)
    facts = _Facts(fps, crf, scale, json_ready(settings or {}))

    with (atomic_folder if target.is_folder else atomic_write)(target.path) as temporary:
        writer = VideoWriter(target, temporary, facts)
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()
        if sound is not None and target.kind.sound is not None:
            put_under(temporary, sound, target.kind.sound, target.path.suffix[1:].lower())
        if target.is_folder:
            write_json(temporary / SETTINGS_NAME, writer.envelope())
    if not target.is_folder:
        write_json(target.sidecar, writer.envelope())


def write_video(
    path: str | os.PathLike[str],
    frames: np.ndarray,
    fps: float,
    settings: Mapping[str, Any] | None = None,
    *,
    crf: int = 18,
    scale: int = 1,
    sound: Sound | None = None,
) -> None:
    """Writes frames, uint8 [T, H, W, 3], or [T, H, W, 4] with alpha, as what the name says; see `open_video`.

    `out.mp4`, `.mov`, `.webm`, `.gif`, `.apng`, `.webp`, or `frames/` for numbered PNGs. An interrupted or failed write
    leaves what was there.

    Raises:
        ValueError: not frames, no frames, or arguments out of range.
        OSError: it cannot be written.

    Example:
        >>> kinema.write_video("grey.mp4", numpy.full((3, 32, 32, 3), 128, "uint8"), fps=24, crf=0)
        >>> kinema.write_video("grey.gif", numpy.full((3, 32, 32, 3), 128, "uint8"), fps=24)
    """
    with open_video(path, fps, settings, crf=crf, scale=scale, sound=sound) as writer:
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
        envelope = _envelope(path, source.metadata)
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
        return dict(_envelope(path, container.metadata).get("settings", {}))


def enlarged(frames: np.ndarray, scale: int) -> np.ndarray:
    """Frames uint8 [T, H, W, 3 or 4], each side `scale` times as long, smoothly."""
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


def _envelope(path: str | os.PathLike[str], metadata: Mapping[str, str]) -> dict[str, Any]:
    """Our own JSON from the comment of a file, or beside it where it has no place for comments; {} for others."""
    comments = [text for key, text in metadata.items() if key.lower() == "comment"]
    if comments or not sidecar(path).is_file():
        return _envelope_of("".join(comments))
    try:
        return _envelope_of(read_text(sidecar(path), _MAX_SIDECAR))
    except FormatError:
        return {}


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
