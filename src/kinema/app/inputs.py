"""What the commands read: scenes from any motion file, cameras from words or files, pictures, sizes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.formats.errors import FormatError
from kinema.scene.scene import FORMAT as SCENE_FORMAT

if TYPE_CHECKING:
    from PIL import Image

VIDEO_SUFFIXES = {".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi"}
MAX_PICTURE_PIXELS = 1 << 26
MAX_VIDEO_SIDE = 4096
MAX_VIDEO_FRAMES = 20_000
"""Limits (ours) on what the commands read and film; a 4K picture has 2**23 pixels."""


def parse_size(text: str) -> tuple[int, int]:
    """`WxH` as (width, height).

    Raises:
        ValueError: another form, or a side outside 16 to 4096.
    """
    match = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text.strip().lower())
    if not match:
        raise ValueError(f"--size {text}: give width x height in pixels, e.g. 512x512")
    width, height = int(match[1]), int(match[2])
    if not (16 <= width <= MAX_VIDEO_SIDE and 16 <= height <= MAX_VIDEO_SIDE):
        raise ValueError(f"--size {text}: sides must lie between 16 and {MAX_VIDEO_SIDE} pixels")
    return width, height


def check_output(path: Path, *suffixes: str) -> None:
    """Says before the work what would make writing fail after it.

    Raises:
        ValueError: a suffix other than those.
        FileNotFoundError: the folder does not exist.
    """
    if path.suffix.lower() not in suffixes:
        raise ValueError(
            f"{path}: name the result {' or '.join(f'{path.stem}{suffix}' for suffix in suffixes)}"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {path.parent} does not exist; create it first")


def read_scene(
    path: str | os.PathLike[str], unit: str = "auto", *, video: Callable[[Path], Scene] | None = None
) -> Scene:
    """A scene file, or any motion file as a scene of one person without a camera; where it is asked for, a video.

    Args:
        path: the file.
        unit: of lengths in BVH files: a name such as cm, metres per unit as a number, or auto: what makes an
            adult of the figure.
        video: makes a scene of a video, e.g. `kinema.app.capturing.video_as_motion`; None refuses videos.

    Raises:
        FormatError: not a motion or scene file, or damaged.
        FileNotFoundError: there is no such file.
        ValueError: no such unit.
    """
    from kinema.scene.formats import read_motion
    from kinema.scene.formats.files import read_npz

    suffix = Path(path).suffix.lower()
    if not Path(path).is_file():
        raise FileNotFoundError(f"{os.fspath(path)}: no such motion file")
    if is_video(path):
        if video is None:
            raise FormatError(path, "is a video", hint="make a scene of it first: kinema capture")
        return video(Path(path))
    if suffix == ".npz" and str(read_npz(path, names={"format"}).get("format")) == SCENE_FORMAT:
        return Scene.load(path)
    motion = read_motion(path, scale=_unit(unit)) if suffix == ".bvh" else read_motion(path)
    return Scene((motion,), None, motion.fps)


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a video by its suffix."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def _unit(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def for_stage(scene: Scene) -> Scene:
    """The scene with every person on SMPL-24 joints, as stage and control read them.

    Raises:
        ValueError: a person whose joints have no known mapping to SMPL-24.
    """
    return replace(scene, people=tuple(person.to_smpl24() for person in scene.people))


def scene_camera(
    scene: Scene,
    text: str | None,
    *,
    size: tuple[int, int],
    fps: float,
    frames: int,
    person: int = 0,
    fov: float = 40.0,
    tracking: str = "auto",
) -> CameraPath:
    """The camera that a command asks for.

    Args:
        scene: where `text` is None its own camera is taken, or a static one where it has none.
        text: the camera language, or a camera file.
        size: (width, height).
        fps: frames per second.
        frames: number of frames.
        person: whom the camera frames.
        fov: vertical field of view, degrees.
        tracking: none, pan or follow as in the camera language; auto follows a person who walks away.

    Raises:
        ValueError: words that are not in the camera language, or no such person.
        FormatError: a damaged camera file.
    """
    from kinema.scene.camera_language import camera_path

    if not 0 <= person < len(scene.people):
        raise ValueError(f"--person {person}: the scene has {len(scene.people)} people, counted from 0")
    given = scene.camera if text is None else read_camera(text, size)
    if given is not None:
        return fit_camera(given, size=size, fps=fps, frames=frames)
    subject = scene.people[person]
    if tracking == "auto":
        tracking = "follow" if _wanders(subject, frames / fps) else "none"
    return camera_path(
        text or "static",
        size=size,
        fps=fps,
        frames=frames,
        subject=subject,
        fov=fov,
        tracking=tracking,  # type: ignore[arg-type]  # checked there
        keep_in_frame=tracking == "none",
    )


def _wanders(person: Motion, seconds: float) -> bool:
    """Whether someone leaves a circle of a metre round the start (ours): a still camera would lose them."""
    path = person.root_path()[: int(seconds * person.fps) + 1, [0, 2]]
    return bool(np.nanmax(np.linalg.norm(path - path[0], axis=1), initial=0.0) > 1.0)


def read_camera(text: str, size: tuple[int, int]) -> CameraPath | None:
    """The camera file that `text` names, or None where it names no file and is to be read as words.

    Args:
        text: a .json (Kinema), .txt (RealEstate10K) or .tum file, or words.
        size: (width, height) of pictures, for files that do not say.

    Raises:
        FormatError: a damaged file.
    """
    from kinema.scene.formats import camera_json, realestate10k, tum

    readers = {
        ".json": camera_json.read,
        ".txt": lambda path: realestate10k.read(path, size=size),
        ".tum": lambda path: tum.read(path, size=size),
    }
    reader = readers.get(Path(text).suffix.lower())
    return None if reader is None else reader(text)


def fit_camera(camera: CameraPath, *, size: tuple[int, int], fps: float, frames: int) -> CameraPath:
    """The camera at another size (crop to fill) and frame rate, cut to `frames` frames or held at its end."""
    times = np.minimum(np.arange(frames) / fps, camera.duration)
    return camera.resize(*size).resample(fps, times)


def frame_count(scene: Scene | Motion, fps: float, seconds: float | None = None) -> int:
    """Frames of a scene or motion at `fps`, at most `seconds` of it; a still lasts as long as is asked.

    Raises:
        ValueError: a frame rate or length out of range.
    """
    if not 0 < fps <= 240:
        raise ValueError(f"--fps {fps:g}: give between 0 and 240 frames per second")
    if seconds is not None and not 0 < seconds <= 3600:
        raise ValueError(f"--seconds {seconds:g}: give a length above 0 and at most 3600")
    duration = scene.duration if seconds is None else min(seconds, scene.duration or seconds)
    frames = int(duration * fps + 1e-6) + 1
    if frames > MAX_VIDEO_FRAMES:
        raise ValueError(
            f"{frames} frames are more than {MAX_VIDEO_FRAMES}; take a part with --seconds, or a lower --fps"
        )
    return frames


def in_step(scene: Scene, camera: CameraPath) -> Scene:
    """The scene seen by `camera`, with every person at the camera's frame rate and number of frames."""
    return replace(scene, camera=camera, fps=camera.fps).crop(0.0, camera.duration)


def read_person(
    path: str | os.PathLike[str],
    person: int = 0,
    unit: str = "auto",
    *,
    video: Callable[[Path], Scene] | None = None,
) -> Motion:
    """One person of a motion or scene file, or of a video where `video` makes scenes of them.

    Raises:
        ValueError: the file has no such person.
        FormatError, FileNotFoundError: as `read_scene`.
    """
    people = read_scene(path, unit, video=video).people
    if not 0 <= person < len(people):
        raise ValueError(
            f"{os.fspath(path)}: there is no person {person}; it has {len(people)}, counted from 0"
        )
    return people[person]


def read_picture(path: str | os.PathLike[str]) -> Image.Image:
    """A picture, turned upright and without transparency, RGB.

    Raises:
        FormatError: not a picture, damaged, or larger than 2**26 pixels.
        FileNotFoundError: there is no such file.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not Path(path).is_file():
        raise FileNotFoundError(f"{os.fspath(path)}: no such picture")
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MAX_PICTURE_PIXELS:
                raise FormatError(
                    path,
                    f"{picture.width}x{picture.height} pixels are too many",
                    hint="shrink the picture first",
                )
            upright = ImageOps.exif_transpose(picture)
            if "A" in upright.getbands() or "transparency" in upright.info:
                clear = upright.convert("RGBA")
                white = Image.new("RGBA", clear.size, "white")
                return Image.alpha_composite(white, clear).convert("RGB")
            return upright.convert("RGB")
    except UnidentifiedImageError:
        raise FormatError(path, "is not a picture", hint="give a PNG, JPEG or WebP file") from None
    except FormatError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FormatError(path, f"cannot be decoded ({error})", hint="it may be truncated") from None


def fingerprint(path: str | os.PathLike[str]) -> dict[str, str]:
    """Name and SHA-256 of an input file, so that a video says what it was made from."""
    with open(path, "rb") as file:
        return {"name": Path(path).name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
