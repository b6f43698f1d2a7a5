"""One record for a video of any data set, and one way to its frames: from a file, a shard, or a folder of pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kinema.scene import CameraPath, Scene
from kinema.scene.camera import invert_rigid
from kinema.scene.formats.errors import FormatError

CONDITIONS = ("pose", "camera")
"""What a clip may give beside its video."""

MAX_VIDEO_BYTES = 4 << 30
"""Largest video inside a shard, 4 GiB (ours)."""

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
TABLE_FIELDS: dict[str, tuple[str, ...]] = {
    "video": ("video", "path", "file", "file_name"),
    "caption": ("caption", "text", "prompt"),
    "scene": ("scene",),
    "licence": ("licence", "license"),
    "source": ("source",),
}
"""What a clip's facts are called in tables and shards; the first name that is there counts."""


@dataclass(frozen=True)
class PackedFile:
    """A file inside a larger one: `size` bytes from `offset` on; `name` says what it is called there."""

    path: Path
    offset: int
    size: int
    name: str

    def read(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)

    @contextmanager
    def unpacked(self) -> Iterator[Path]:
        """The file by itself, for readers that want a path; what is wrong in it is said of the larger file.

        Raises:
            FormatError: the reader's, naming file and member.
        """
        with tempfile.NamedTemporaryFile(suffix=Path(self.name).suffix) as file:
            file.write(self.read())
            file.flush()
            try:
                yield Path(file.name)
            except FormatError as error:
                raise FormatError(self.path, error.message, f"member {self.name}") from None


@dataclass(frozen=True)
class PackedCell(PackedFile):
    """A file in a cell of a Parquet file: `offset` is its row group, of one row; `column` its column."""

    column: str = ""

    def read(self) -> bytes:
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path) as table:
            return bytes(table.read_row_group(self.offset, columns=[self.column])[self.column][0].as_py())


@dataclass(frozen=True)
class VideoClip:
    """A video and what is known of it.

    Args:
        id: unique in its data set, the same whenever it is read.
        video: an encoded file, one inside a shard, or pictures in their order.
        caption: what happens; may be empty.
        fps: frames per second of the video.
        size: (width, height) in pixels, upright.
        camera: its path, where it is known.
        scene: people and camera, where they are known; frame t stands at t / fps seconds of the video.
        licence: as the data set states it; empty where it does not.
        source: the data set, or the address the video is from.
        gives: which of CONDITIONS are trained; the others are withheld, also where they are known.
        latents, text: what encoders have made of video and caption, see `encoded_clips`; None where nobody has.
    """

    id: str
    video: Path | PackedFile | tuple[Path, ...]
    caption: str
    fps: float
    size: tuple[int, int]
    camera: CameraPath | None = None
    scene: Scene | None = None
    licence: str = ""
    source: str = ""
    gives: frozenset[str] = frozenset(CONDITIONS)
    latents: PackedFile | None = None
    text: PackedFile | None = None


class Frames(Protocol):
    """An opened video: what `kinema.capture` reads, too."""

    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def fps(self) -> float: ...
    @property
    def frames(self) -> int: ...
    @property
    def focal(self) -> float | None: ...
    def chunks(self, count: int = 32) -> Iterator[np.ndarray]: ...


class Capture(Protocol):
    """`kinema.capture.capture.capture`, or anything that finds a scene in a video."""

    def __call__(self, video: Any) -> Any:
        """Reads `video` (a path or Frames) and returns something with a `scene`; ValueError where nobody is found."""


@dataclass(frozen=True)
class PictureSequence:
    """Pictures as a video; other rates are made by time, the nearest picture for each moment.

    Args:
        paths: in their order.
        size: (width, height) of the frames given.
        fps: frames per second given.
        file_fps: frames per second at which the pictures were taken.
    """

    paths: tuple[Path, ...]
    size: tuple[int, int]
    fps: float
    file_fps: float
    focal: float | None = None

    @property
    def frames(self) -> int:
        return max(1, int(np.floor((len(self.paths) - 1) / self.file_fps * self.fps + 1e-6)) + 1)

    def chunks(self, count: int = 32) -> Iterator[np.ndarray]:
        """Frames in order of time, `count` at a time, uint8 [N, H, W, 3].

        Raises:
            FormatError: a picture cannot be read, or has another size than the first.
        """
        moments = np.rint(np.arange(self.frames) / self.fps * self.file_fps).astype(int)
        first = picture_size(self.paths[0])
        for begin in range(0, self.frames, count):
            part = [self.paths[i] for i in moments[begin : begin + count].clip(max=len(self.paths) - 1)]
            yield np.stack([_picture(path, first, self.size) for path in part])


@contextmanager
def open_clip(clip: VideoClip, *, fps: float | None = None, max_side: int | None = None) -> Iterator[Frames]:
    """Opens a clip's video.

    Args:
        clip: whose.
        fps: frames per second to give, by time; the video's own where None.
        max_side: pixels; larger frames are made smaller.

    Raises:
        FormatError: the video is damaged or none.
        FileNotFoundError: it is not there.
    """
    from kinema.media.decoding import open_video

    if isinstance(clip.video, tuple):
        scale = 1.0 if max_side is None else min(1.0, max_side / max(clip.size))
        size = (max(1, round(clip.size[0] * scale)), max(1, round(clip.size[1] * scale)))
        yield PictureSequence(clip.video, size, fps or clip.fps, clip.fps)
    elif isinstance(clip.video, PackedFile):
        with clip.video.unpacked() as path, open_video(path, fps=fps, max_side=max_side) as source:
            yield source
    else:
        with open_video(clip.video, fps=fps, max_side=max_side) as source:
            yield source


def probe(video: Path) -> tuple[float, tuple[int, int]]:
    """(frames per second, (width, height)) of a video file.

    Raises:
        FormatError: not a video.
        FileNotFoundError: there is none.
    """
    from kinema.media.decoding import open_video

    with open_video(video) as source:
        return source.fps, source.size


def with_scene(clip: VideoClip, capture: Capture | None) -> VideoClip:
    """The clip with a scene: its own, one captured from the video, or its camera alone; as it is where nothing is known.

    A scene is moved frame by frame into the clip's own camera path, where there is one: people stay where the scene's
    camera saw them. Nobody is looked for in clips that do not give the pose.
    """
    scene = clip.scene
    if scene is None and capture is not None and "pose" in clip.gives:
        with open_clip(clip) as frames:
            try:
                scene = capture(clip.video if isinstance(clip.video, Path) else frames).scene
            except FormatError:
                raise
            except ValueError:  # nobody was found: a video without people is no mistake
                scene = None
    if scene is not None and scene.camera is not None and clip.camera is not None:
        scene = seen_by(scene, clip.camera)
    if scene is None and clip.camera is not None:
        scene = Scene((), clip.camera, clip.camera.fps)
    elif scene is not None and scene.camera is None and clip.camera is not None:
        scene = scene.with_camera(clip.camera)
    return replace(clip, scene=scene)


def seen_by(scene: Scene, camera: CameraPath) -> Scene:
    """The scene's people moved, frame by frame, so that `camera` sees them as the scene's own camera did."""
    assert scene.camera is not None
    scene, camera = scene.at(scene.fps), camera.resample(scene.fps)
    assert scene.camera is not None
    frames = min(scene.frames, camera.frames)
    change = camera.c2w[:frames] @ invert_rigid(scene.camera.c2w[:frames])
    people = tuple(
        replace(
            person,
            joints=np.einsum("tij,tkj->tki", change[:, :3, :3], person.joints[:frames])
            + change[:, None, :3, 3],
            rotations=None,
            confidence=None if person.confidence is None else person.confidence[:frames],
        )
        for person in scene.people
    )
    camera = replace(camera, c2w=camera.c2w[:frames], intrinsics=camera.intrinsics[:frames])
    return replace(scene, people=people, camera=camera)


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) of a picture file.

    Raises:
        FormatError: it is none.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            return picture.size
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise FormatError(path, f"is not a readable picture ({error})") from None


def _picture(path: Path, expected: Sequence[int], size: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    if picture_size(path) != tuple(expected):
        raise FormatError(
            path,
            f"is {picture_size(path)}, the first picture {tuple(expected)}",
            hint="the pictures of a video are of one size",
        )
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BOX))
    except OSError as error:
        raise FormatError(path, f"is not a readable picture ({error})") from None
