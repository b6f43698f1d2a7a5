"""Videos of a data set encoded into a latent cache: decoded once, cut into windows, with the scenes that they show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from kinema.data.encoded_clips import WindowReader
from kinema.data.latent_cache import (
    MAX_BYTES,
    PICTURE,
    TRACK,
    Entry,
    LatentCache,
    cache_key,
    clip_hash,
    packed_picture,
    scene_tensors,
)
from kinema.data.video_clips import CONDITIONS, Capture, PackedFile, VideoClip, open_clip, with_scene
from kinema.data.video_sets import read_videos
from kinema.scene import Scene
from kinema.video.models.video_model import VideoFormat, VideoModel
from kinema.video.pixels import from_uint8

_CODE = (
    "kinema.data.video_latents",
    "kinema.data.video_clips",
    "kinema.media.decoding",
)


class Follow(Protocol):
    """Follows points through a window.

    Attributes:
        key: says how; part of the cache's key.
    """

    key: str

    def __call__(self, video: np.ndarray, scene: Scene | None) -> dict[str, np.ndarray]:
        """Points of a window, uint8 [T, H, W, 3], whose scene is known or not: `queries` [N, 3] (frame, x, y), `tracks`
        [T, N, 2] and `tracked` [T, N], as `Take.point_tracks` gives them."""


@dataclass(frozen=True)
class WindowFormat:
    """How videos are cut.

    Args:
        size: (width, height) whose area every picture has, about; sides are multiples of 16.
        frames: of a window, 4k + 1. What remains at a clip's end makes shorter windows.
        fps: frames per second.
        aspects: width over height of the buckets; a video is cropped to the nearest one.
        step: n, where windows have nk + 1 frames; a multiple of 4.
    """

    size: tuple[int, int] = (96, 128)
    frames: int = 17
    fps: float = 12.0
    aspects: tuple[float, ...] = (9 / 16, 3 / 4, 1.0, 4 / 3, 16 / 9)
    step: int = 4

    def __post_init__(self) -> None:
        if self.frames % self.step != 1:
            raise ValueError(f"windows have {self.step}k + 1 frames, not {self.frames}")

    def picture(self, size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) of the bucket for a video of this size."""
        shape = size[0] / size[1]
        aspect = min(self.aspects, key=lambda each: abs(np.log(each / shape)))
        area = self.size[0] * self.size[1]
        width = max(1, round(np.sqrt(area * aspect) / 16)) * 16
        return width, max(1, round(area / width / 16)) * 16

    def lengths(self, frames: int) -> list[int]:
        """Lengths of the windows of what remains at a clip's end; few different ones, so that buckets are few."""
        lengths = []
        length = self.frames
        while length >= 5:
            length = (length - 1) // 8 * 4 + 1
            if 5 <= length <= frames and length % self.step == 1:
                lengths.append(length)
                frames -= length
        return lengths


def window_format(model: VideoModel, form: VideoFormat | None = None) -> WindowFormat:
    """How videos are cut for a model.

    Args:
        model: that reads them.
        form: size, frames and rate of the windows; the model's own where None.
    """
    form = form or model.form
    windows = WindowFormat(form.size, form.frames, form.fps, step=model.frame_step)
    if not model.any_size:
        windows = replace(windows, aspects=(form.width / form.height,))
    return windows


def made_ahead(model: VideoModel, form: WindowFormat) -> WindowReader:
    """The reader of what was encoded ahead for a model."""
    text = model.components.get("text_encoder")
    facts = {**asdict(form), "model": type(model).__name__}
    encoder = text if isinstance(text, nn.Module) else None
    return WindowReader(encoders_of(model), encoder, facts, model.form.text_tokens)


def encode_videos(
    source: str | Iterable[VideoClip],
    folder: str | Path,
    model: VideoModel,
    form: WindowFormat | None = None,
    *,
    kind: str = "auto",
    capture: Capture | None = None,
    follow: Follow | None = None,
    max_bytes: int = MAX_BYTES,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
    part: tuple[int, int] = (0, 1),
    wait: Callable[[], None] = lambda: None,
) -> tuple[LatentCache, list[str]]:
    """Encodes what is not yet in the cache, and gives the cache and the names of this data set's entries.

    A stopped run goes on where it was; damaged entries are made again. Videos too short for a window of five frames
    give a single picture.

    Args:
        source: what `read_videos` reads, or the clips themselves.
        folder: of the caches; each key has its own folder in it.
        model: encodes; the weights of its encoders are part of the key.
        form: of the windows.
        kind: of the source, see `read_videos`.
        capture: finds people and camera in videos that come without a scene; without it such clips train without.
        follow: follows points through each window, for losses that look at movement; kept beside the latents.
        max_bytes: bound of the cache.
        progress: wraps the list of clips, for a progress bar.
        part: (rank, world): of several processes each encodes its share of the clips.
        wait: until all of them are there.

    Raises:
        FormatError: a file is not what it says.
        ValueError: no videos, or the cache is full.
        OSError: it cannot be written.
    """
    form = form or WindowFormat()
    clips = list(read_videos(source, kind) if isinstance(source, str) else source)
    if not clips:
        raise ValueError("there are no videos to encode")
    rank, world = part
    encoded: WindowReader | None = None
    if follow is None and any(clip.latents is not None for clip in clips):
        encoded = made_ahead(model, form)
    text = encoded.text_key if encoded is not None and any(clip.text is not None for clip in clips) else None
    place = Path(folder) / _key(model, form, capture is not None, follow, text)
    cache = LatentCache(place, max_bytes, part)
    if rank == 0:
        cache.repair()
    wait()
    if world > 1:  # as the first process has left it
        cache = LatentCache(place, max_bytes, part)
    hashes = [_identity(clip) for clip in clips]
    shares = list(zip(clips, hashes, strict=True))[rank::world]
    for clip, name in progress(shares):
        if not cache.complete(name):
            ahead = None if encoded is None else encoded.entries(clip, name)
            made = ahead or encode_clip(with_scene(clip, capture), name, model, form, follow)
            for entry, tensors in made:
                cache.add(entry, tensors)
            cache.flush()
    wait()
    whole = cache if world == 1 else LatentCache(place, max_bytes)
    return whole, whole.names(hashes)


def _key(
    model: VideoModel, form: WindowFormat, captured: bool, follow: Follow | None, text: str | None = None
) -> str:
    """The name of the cache of these encoders and windows, and of the text encoder whose states it keeps, if any."""
    encoders = encoders_of(model)
    facts = {**asdict(form), "capture": captured, "model": type(model).__name__}
    facts |= {} if follow is None else {"follow": follow.key}
    facts |= {} if text is None else {"text": text}
    weights = {
        f"{part}.{name}": tensor
        for part, encoder in encoders.items()
        for name, tensor in encoder.state_dict().items()
    }
    modules = [*_CODE, type(model).__module__, *(type(encoder).__module__ for encoder in encoders.values())]
    code = [Path(str(import_module(name).__file__)) for name in modules]
    return cache_key(facts, weights, code)


def encoders_of(model: VideoModel) -> dict[str, nn.Module]:
    """What a model looks at videos and pictures with."""
    others = {"transformer", "text_encoder"}
    parts = {name: part for name, part in model.components.items() if name not in others}
    return {name: part for name, part in parts.items() if isinstance(part, nn.Module)}


def _identity(clip: VideoClip) -> str:
    """A hash of the clip and of what is known of it; a file that has changed is another clip."""
    files: tuple[Path, ...]
    if isinstance(clip.video, PackedFile):
        files, place = (clip.video.path,), f"{clip.video.offset}+{clip.video.size}"
    else:
        files, place = (clip.video if isinstance(clip.video, tuple) else (clip.video,)), ""
    stamps = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    known = [np.ascontiguousarray(array).tobytes().hex() for array in _arrays(clip)]
    gives = sorted(clip.gives)
    return clip_hash(clip.id, clip.caption, clip.licence, clip.source, place, *gives, *stamps, *known)


def _arrays(clip: VideoClip) -> Iterator[np.ndarray]:
    cameras = [clip.camera, clip.scene.camera if clip.scene is not None else None]
    for camera in cameras:
        if camera is not None:
            yield from (camera.c2w, camera.intrinsics)
    for person in clip.scene.people if clip.scene is not None else ():
        yield person.joints


@torch.no_grad()
def encode_clip(
    clip: VideoClip, name: str, model: VideoModel, form: WindowFormat, follow: Follow | None = None
) -> Iterator[tuple[Entry, dict[str, torch.Tensor]]]:
    """The entries of a clip whose hash is `name`. The video is read once; one window at a time is in memory."""
    size = form.picture(clip.size)
    scene = None if clip.scene is None else clip.scene.at(form.fps)
    device = next(
        tensor.device for part in encoders_of(model).values() for tensor in part.state_dict().values()
    )
    with open_clip(clip, fps=form.fps) as frames:
        start = 0
        for number, (window, last) in enumerate(_windows(cropped_pictures(frames, size), form)):
            video = from_uint8(window).to(device)
            encoded = model.encode_window(video, video[:, :, :1])
            entry = Entry(
                id=f"{name}-{number}",
                clip=clip.id,
                window=number,
                last=last,
                bucket=(len(window), size[1], size[0]),
                caption=clip.caption,
                fps=form.fps,
                licence=clip.licence,
                source=clip.source,
                checksum=0,
                withheld=tuple(sorted(set(CONDITIONS) - clip.gives)),
            )
            tensors = {key: tensor[0].half().cpu() for key, tensor in encoded.items()}
            tensors[PICTURE] = packed_picture(window[0])
            part = scene_part(scene, start, len(window), size)
            points = {} if follow is None or len(window) < 5 else follow(window, part)
            tensors |= {f"{TRACK}{key}": torch.from_numpy(array) for key, array in points.items()}
            yield entry, tensors | scene_tensors(part)
            start += len(window)


def _windows(pictures: Iterator[np.ndarray], form: WindowFormat) -> Iterator[tuple[np.ndarray, bool]]:
    """(frames [T, H, W, 3], whether they are the last) one after the other; a clip of under five frames gives one."""
    waiting: np.ndarray | None = None
    while held := list(islice(pictures, form.frames)):
        lengths = [len(held)] if len(held) == form.frames else form.lengths(len(held))
        if not lengths and waiting is None:
            lengths = [1]
        begin = 0
        for length in lengths:
            if waiting is not None:
                yield waiting, False
            waiting = np.stack(held[begin : begin + length])
            begin += length
    if waiting is not None:
        yield waiting, True


def cropped_pictures(frames: Any, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Frames cropped to fill (width, height), uint8 [H, W, 3]."""
    import cv2

    for chunk in frames.chunks(32):
        for picture in chunk:
            height, width = picture.shape[:2]
            scale = max(size[0] / width, size[1] / height)
            across, down = min(width, round(size[0] / scale)), min(height, round(size[1] / scale))
            left, top = (width - across) // 2, (height - down) // 2
            part = np.ascontiguousarray(picture[top : top + down, left : left + across])
            yield cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale <= 1 else cv2.INTER_CUBIC)


def scene_part(scene: Scene | None, start: int, length: int, size: tuple[int, int]) -> Scene | None:
    """Frames of a scene at one rate, held at its last one, its camera at the pictures' size."""
    if scene is None or scene.camera is None:
        return None
    rows = np.arange(start, start + length)
    at = rows.clip(max=scene.camera.frames - 1)
    camera = replace(scene.camera, c2w=scene.camera.c2w[at], intrinsics=scene.camera.intrinsics[at])
    people = []
    for person in scene.people:
        at = rows.clip(max=person.frames - 1)
        confidence = None if person.confidence is None else person.confidence[at]
        people.append(replace(person, joints=person.joints[at], rotations=None, confidence=confidence))
    return Scene(tuple(people), camera.resize(*size), scene.fps)
