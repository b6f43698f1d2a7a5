"""Videos of a data set encoded into a latent cache: decoded once, cut into windows, with their control signals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kinema.data.latent_cache import MAX_BYTES, Entry, LatentCache, cache_key, clip_hash
from kinema.data.video_clips import Capture, PackedVideo, VideoClip, open_clip, with_scene
from kinema.data.video_sets import read_videos
from kinema.scene import CameraPath, Scene
from kinema.scene.sampling import sample_scene
from kinema.signals.control_signals import control_signals, smpl24_joints
from kinema.video.models.mini.autoencoder import AutoencoderPatchPCA
from kinema.video.models.mini.backdrop import Backdrop
from kinema.video.pixels import from_uint8

_CODE = (
    "kinema.data.video_latents",
    "kinema.data.video_clips",
    "kinema.video.models.mini.autoencoder",
    "kinema.signals.control_signals",
    "kinema.scene.sampling",
    "kinema.signals.skeleton_map",
    "kinema.signals.person_mask",
    "kinema.media.decoding",
)


@dataclass(frozen=True)
class WindowFormat:
    """How videos are cut.

    Args:
        size: (width, height) whose area every picture has, about; sides are multiples of 16.
        frames: of a window, 4k + 1. What remains at a clip's end makes shorter windows.
        fps: frames per second.
        aspects: width over height of the buckets; a video is cropped to the nearest one.
    """

    size: tuple[int, int] = (96, 128)
    frames: int = 17
    fps: float = 12.0
    aspects: tuple[float, ...] = (9 / 16, 3 / 4, 1.0, 4 / 3, 16 / 9)

    def __post_init__(self) -> None:
        if self.frames % 4 != 1:
            raise ValueError(f"windows have 4k + 1 frames, not {self.frames}")

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
            if 5 <= length <= frames:
                lengths.append(length)
                frames -= length
        return lengths


def encode_videos(
    source: str | Iterable[VideoClip],
    folder: str | Path,
    autoencoder: AutoencoderPatchPCA,
    form: WindowFormat | None = None,
    *,
    kind: str = "auto",
    capture: Capture | None = None,
    max_bytes: int = MAX_BYTES,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> tuple[LatentCache, list[str]]:
    """Encodes what is not yet in the cache, and gives the cache and the names of this data set's entries.

    A stopped run goes on where it was; damaged entries are made again. Videos too short for a window of five frames
    give a single picture.

    Args:
        source: what `read_videos` reads, or the clips themselves.
        folder: of the caches; each key has its own folder in it.
        autoencoder: encodes; its weights are part of the key.
        form: of the windows.
        kind: of the source, see `read_videos`.
        capture: finds people and camera in videos that come without a scene; without it such clips train without.
        max_bytes: bound of the cache.
        progress: wraps the list of clips, for a progress bar.

    Raises:
        FormatError: a file is not what it says.
        ValueError: no videos, or the cache is full.
        OSError: it cannot be written.
    """
    form = form or WindowFormat()
    clips = list(read_videos(source, kind) if isinstance(source, str) else source)
    if not clips:
        raise ValueError("there are no videos to encode")
    facts = {**asdict(form), "capture": capture is not None, "autoencoder": type(autoencoder).__name__}
    code = [Path(str(import_module(name).__file__)) for name in _CODE]
    cache = LatentCache(Path(folder) / cache_key(facts, autoencoder.state_dict(), code), max_bytes)
    cache.repair()
    hashes = []
    for clip in progress(clips):
        name = _identity(clip)
        hashes.append(name)
        if not cache.complete(name):
            for entry, tensors in _encode(with_scene(clip, capture), name, autoencoder, form):
                cache.add(entry, tensors)
            cache.flush()
    return cache, cache.names(hashes)


def _identity(clip: VideoClip) -> str:
    """A hash of the clip and of what is known of it; a file that has changed is another clip."""
    files: tuple[Path, ...]
    if isinstance(clip.video, PackedVideo):
        files, place = (clip.video.path,), f"{clip.video.offset}+{clip.video.size}"
    else:
        files, place = (clip.video if isinstance(clip.video, tuple) else (clip.video,)), ""
    stamps = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    known = [np.ascontiguousarray(array).tobytes().hex() for array in _arrays(clip)]
    return clip_hash(clip.id, clip.caption, clip.licence, clip.source, place, *stamps, *known)


def _arrays(clip: VideoClip) -> Iterator[np.ndarray]:
    cameras = [clip.camera, clip.scene.camera if clip.scene is not None else None]
    for camera in cameras:
        if camera is not None:
            yield from (camera.c2w, camera.intrinsics)
    for person in clip.scene.people if clip.scene is not None else ():
        yield person.joints


@torch.no_grad()
def _encode(
    clip: VideoClip, name: str, autoencoder: AutoencoderPatchPCA, form: WindowFormat
) -> Iterator[tuple[Entry, dict[str, torch.Tensor]]]:
    """The entries of one clip. The video is read in one pass; one window at a time is in memory."""
    size = form.picture(clip.size)
    scene = None if clip.scene is None else clip.scene.at(form.fps)
    device = autoencoder.moving_mean.device
    with open_clip(clip, fps=form.fps) as frames:
        start = 0
        for number, (window, last) in enumerate(_windows(_pictures(frames, size), form)):
            signals, lacks = _signals(scene, start, window, size, form.fps)
            start += len(window)
            video = from_uint8(window).to(device)
            latents, reference = (
                autoencoder.encode(pixels, return_dict=False)[0].mode()[0]
                for pixels in (video, video[:, :, :1])
            )
            entry = Entry(
                id=f"{name}-{number}",
                clip=clip.id,
                window=number,
                last=last,
                bucket=(len(window), size[1], size[0]),
                caption=clip.caption,
                lacks=lacks,
                licence=clip.licence,
                source=clip.source,
                checksum=0,
            )
            yield (
                entry,
                {
                    "latents": latents.half().cpu(),
                    "reference_latents": reference.half().cpu(),
                    **signals,
                },
            )


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


def _pictures(frames: Any, size: tuple[int, int]) -> Iterator[np.ndarray]:
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


def _signals(
    scene: Scene | None, start: int, window: np.ndarray, size: tuple[int, int], fps: float
) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """The control signals of a window, and which of pose and camera are not known."""
    length, (width, height) = len(window), size
    signals = {
        "skeleton": torch.zeros(length, 3, height, width, dtype=torch.uint8),
        "mask": torch.zeros(length, height, width, dtype=torch.uint8),
        "joints": torch.full((1, length, 24, 3), torch.nan),
        "fps": torch.tensor(fps, dtype=torch.float64),
        "backdrop": torch.zeros(length, height, width, 4, dtype=torch.uint8),
    }
    if scene is None or scene.camera is None:
        nowhere = CameraPath.static(np.eye(4), (width, width, width / 2, height / 2), size, fps, length)
        return signals | _poses(nowhere), ("pose", "camera")
    part = _part(scene, start, length)
    assert part.camera is not None
    camera = part.camera.resize(width, height)
    made = control_signals(replace(part, camera=camera), size=size, frames=length)
    people, path = sample_scene(replace(part, camera=camera), size=size, frames=length, pad=True)
    standing = np.stack([smpl24_joints(person)[0] for person in people]) if people else None
    signals["backdrop"] = torch.from_numpy(Backdrop.of(window[0], path, standing).seen_by(path))
    if part.people:
        assert made.skeletons is not None
        assert made.person_mask is not None
        assert made.joints is not None
        signals["skeleton"] = (made.skeletons[0] * 255).round().to(torch.uint8)
        signals["mask"] = made.person_mask[0].to(torch.uint8)
        signals["joints"] = made.joints[0]
    return signals | _poses(camera), () if part.people else ("pose",)


def _part(scene: Scene, start: int, length: int) -> Scene:
    """Frames of a scene at one rate, held at its last one."""
    assert scene.camera is not None
    rows = np.arange(start, start + length)
    at = rows.clip(max=scene.camera.frames - 1)
    camera = replace(scene.camera, c2w=scene.camera.c2w[at], intrinsics=scene.camera.intrinsics[at])
    people = []
    for person in scene.people:
        at = rows.clip(max=person.frames - 1)
        confidence = None if person.confidence is None else person.confidence[at]
        people.append(replace(person, joints=person.joints[at], rotations=None, confidence=confidence))
    return replace(scene, people=tuple(people), camera=camera)


def _poses(camera: CameraPath) -> dict[str, torch.Tensor]:
    return {
        "c2w": torch.from_numpy(np.array(camera.c2w, np.float64)),
        "intrinsics": torch.from_numpy(np.array(camera.intrinsics, np.float64)),
    }
