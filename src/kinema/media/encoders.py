"""How frames become a file: films by FFmpeg, animated GIFs, and folders of PNGs. Which is which: `video_kinds`."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from kinema.media.decoding import exact_colours

GIF_MOST_FPS = 50
"""GIF counts time in hundredths of a second, and browsers slow down frames that last but one of them."""

_BT709 = 1
_LIMITED_RANGE = 1


@dataclass(frozen=True)
class FilmForm:
    """What an encoder is told before the first frame.

    Args:
        width, height: of the frames.
        fps: frames per second.
        transparent: whether frames have a fourth channel, alpha, not multiplied into the colours.
        crf: quality, 0 (lossless) to 51, of encoders that lose any.
        comment: kept in files that have a place for it.
        frame_name: of each picture of a folder, e.g. %05d.png.
        threads: of H.264; its bytes depend on them. As many as there are cores where 0.
    """

    width: int
    height: int
    fps: float
    transparent: bool
    crf: int
    comment: str
    frame_name: str
    threads: int = 0


class Encoder(ABC):
    """Writes the frames of one video, uint8 [H, W, 3] or with alpha [H, W, 4]."""

    @abstractmethod
    def add(self, frame: np.ndarray, number: int) -> None:
        """Takes the next frame."""

    @abstractmethod
    def finish(self) -> None:
        """Writes what is still held."""

    def close(self) -> None:  # noqa: B027  # most hold nothing open
        """Lets go of files, finished or not."""


class Film(Encoder):
    """A file that FFmpeg writes while frames come."""

    def __init__(
        self, path: Path, form: FilmForm, container: str, codec: Codec, options: Mapping[str, str]
    ) -> None:
        import av

        self._codec = codec
        # By its whole path: FFmpeg takes what stands before a colon of a name for a protocol.
        self._container = av.open(str(path.absolute()), "w", format=container, options=dict(options))
        stream: Any = self._container.add_stream(codec.name, rate=Fraction(form.fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = form.width, form.height, codec.pixels
        stream.options = codec.options(form)
        if codec.video:
            context = stream.codec_context
            context.color_primaries = context.color_trc = context.colorspace = _BT709
            context.color_range = _LIMITED_RANGE
            self._container.metadata["comment"] = form.comment
        self._stream = stream

    def add(self, frame: np.ndarray, number: int) -> None:
        import av

        if self._codec.bleeds and frame.shape[2] == 4:
            frame = bled(frame)
        picture = av.VideoFrame.from_ndarray(frame, format="rgba" if frame.shape[2] == 4 else "rgb24")
        if self._codec.video:
            picture = picture.reformat(
                format=self._codec.pixels, dst_colorspace="ITU709", interpolation=exact_colours()
            )
        else:
            picture = picture.reformat(format=self._codec.pixels)
        picture.pts = number
        self._container.mux(self._stream.encode(picture))

    def finish(self) -> None:
        self._container.mux(self._stream.encode(None))

    def close(self) -> None:
        self._container.close()


@dataclass(frozen=True)
class Codec:
    """An encoder of FFmpeg.

    Args:
        name: FFmpeg's.
        pixels: pixel format.
        options: of a form.
        video: whether it has brightness and colour apart (BT.709) and a place for a comment.
        bleeds: whether what is hidden shows at edges, because colours have a lower resolution than alpha or suffer.
    """

    name: str
    pixels: str
    options: Callable[[FilmForm], dict[str, str]] = field(default=lambda form: {})
    video: bool = True
    bleeds: bool = False


class Gif(Encoder):
    """An animated GIF that repeats for ever: one palette of all frames, chosen when all are known."""

    def __init__(self, path: Path, form: FilmForm) -> None:
        import av

        self._path, self._form = path, form
        self._format = "rgba" if form.transparent else "rgb24"
        self._held: list[tuple[int, bytes]] = []
        graph = av.filter.Graph()
        self._source = self._input(graph)
        palette = graph.add("palettegen", f"reserve_transparent={int(form.transparent)}")
        self._palette = graph.add("buffersink")
        self._source.link_to(palette)
        palette.link_to(self._palette)
        graph.configure()
        self._graph = graph

    def add(self, frame: np.ndarray, number: int) -> None:
        time = round(100 * number / self._form.fps)
        if self._held and time - self._held[-1][0] < 100 // GIF_MOST_FPS:
            return
        self._source.push(self._picture(frame, time))
        self._held.append((time, zlib.compress(frame.tobytes(), 1)))

    def finish(self) -> None:
        import av

        form = self._form
        self._source.push(None)
        palette: Any = self._palette.pull()
        graph = av.filter.Graph()
        source = self._input(graph)
        colours = graph.add_buffer(
            width=palette.width, height=palette.height, format=palette.format, time_base=Fraction(1, 100)
        )
        # Ordered dither: what does not change between frames does not change in the file either.
        use = graph.add("paletteuse", "dither=bayer:bayer_scale=4:diff_mode=rectangle:alpha_threshold=128")
        sink = graph.add("buffersink")
        source.link_to(use, 0, 0)
        colours.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        colours.push(palette)
        colours.push(None)
        last = round(100 * len(self._held) / form.fps) - self._held[-1][0] if form.fps <= GIF_MOST_FPS else 2
        options = {"loop": "0", "final_delay": str(max(last, 1))}
        with av.open(str(self._path.absolute()), "w", format="gif", options=options) as container:
            stream: Any = container.add_stream("gif", rate=100)
            stream.width, stream.height, stream.pix_fmt = form.width, form.height, "pal8"
            shape = (form.height, form.width, len(self._format) if form.transparent else 3)

            def write() -> None:
                while True:
                    try:
                        picture = sink.pull()
                    except (BlockingIOError, EOFError):
                        return
                    container.mux(stream.encode(picture))

            for time, packed in self._held:
                frame = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape)
                source.push(self._picture(frame, time))
                write()
            source.push(None)
            write()
            container.mux(stream.encode(None))

    def _input(self, graph: Any) -> Any:
        form = self._form
        return graph.add_buffer(
            width=form.width, height=form.height, format=self._format, time_base=Fraction(1, 100)
        )

    def _picture(self, frame: np.ndarray, time: int) -> Any:
        import av

        picture = av.VideoFrame.from_ndarray(frame, format=self._format)
        picture.pts, picture.time_base = time, Fraction(1, 100)
        return picture


class PictureFolder(Encoder):
    """Numbered PNGs in a folder."""

    def __init__(self, folder: Path, form: FilmForm) -> None:
        self._folder, self._name = folder, form.frame_name

    def add(self, frame: np.ndarray, number: int) -> None:
        from PIL import Image

        Image.fromarray(frame).save(self._folder / (self._name % number), format="PNG")

    def finish(self) -> None:
        pass


def bled(frame: np.ndarray) -> np.ndarray:
    """A frame [H, W, 4] whose colours go on a little where nothing is seen: encoders mix neighbouring pixels."""
    import cv2

    alpha = frame[..., 3:].astype(np.float32) / 255
    weight = cv2.blur(alpha[..., 0], (17, 17))[..., None]
    near = cv2.blur(frame[..., :3] * alpha, (17, 17)) / np.maximum(weight, 1e-4)
    colours = np.where(alpha > 0, frame[..., :3], np.where(weight > 1e-3, near, 0)).clip(0, 255)
    return np.concatenate([colours.round().astype(np.uint8), frame[..., 3:]], axis=2)
