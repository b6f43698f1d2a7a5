"""What the commands read: scenes from any motion file, cameras from words or files, pictures, sizes."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.formats.errors import FormatError

if TYPE_CHECKING:
    from PIL import Image

VIDEO_SUFFIXES = {".mp4", ".mov", ".webm", ".mkv", ".avi"}
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


def read_scene(path: str | os.PathLike[str]) -> Scene:
    """A scene file, or any motion file as a scene of one person without a camera.

    Raises:
        FormatError: not a motion or scene file, or damaged.
        FileNotFoundError: there is no such file.
    """
    from kinema.scene.formats import read_motion

    if not Path(path).is_file():
        raise FileNotFoundError(f"{os.fspath(path)}: no such motion file")
    if Path(path).suffix.lower() in VIDEO_SUFFIXES:
        raise FormatError(
            path,
            "is a video; reading motion from videos is not built yet",
            hint="give a motion file such as .bvh",
        )
    if Scene.is_file(path):
        return Scene.load(path)
    motion = read_motion(path)
    return Scene((motion,), None, motion.fps)


def for_stage(scene: Scene) -> Scene:
    """The scene with every person on SMPL-24 joints, as stage and control read them.

    Raises:
        ValueError: a person whose joints have no known mapping to SMPL-24.
    """
    return replace(scene, people=tuple(as_smpl24(person) for person in scene.people))


def as_smpl24(motion: Motion) -> Motion:
    """The motion on SMPL-24 joints, with the confidence of the mapping.

    Raises:
        ValueError: no known mapping from its skeleton.
    """
    from kinema.scene.mappings import smpl24_mapping
    from kinema.scene.skeleton import SMPL24

    if motion.skeleton.same_tree(SMPL24):
        return motion
    joints, confidence = smpl24_mapping(motion.skeleton).apply(motion.joints, motion.confidence)
    return Motion(joints, motion.fps, SMPL24, confidence=confidence)


def scene_camera(
    scene: Scene,
    text: str | None,
    *,
    size: tuple[int, int],
    fps: float,
    frames: int,
    person: int = 0,
    fov: float = 40.0,
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

    Raises:
        ValueError: words that are not in the camera language, or no such person.
        FormatError: a damaged camera file.
    """
    from kinema.scene.camera_language import camera_path

    if scene.people and not 0 <= person < len(scene.people):
        raise ValueError(f"--person {person}: the scene has {len(scene.people)} people, counted from 0")
    given = scene.camera if text is None else read_camera(text)
    if given is not None:
        return fit_camera(given, size=size, fps=fps, frames=frames)
    subject = scene.people[person] if scene.people else None
    return camera_path(text or "static", size=size, fps=fps, frames=frames, subject=subject, fov=fov)


def read_camera(text: str) -> CameraPath | None:
    """The camera file that `text` names, or None where it names no file and is to be read as words."""
    from kinema.scene.formats import read_camera as read

    try:
        is_file = Path(text).is_file()
    except (OSError, ValueError):
        return None
    return read(text) if is_file else None


def fit_camera(camera: CameraPath, *, size: tuple[int, int], fps: float, frames: int) -> CameraPath:
    """The camera at another size (crop to fill) and frame rate, cut to `frames` frames or held at its end."""
    from kinema.control.sampling import sample_scene

    fitted = sample_scene(Scene((), camera, fps), size=size, fps=fps, frames=frames).camera
    assert fitted is not None
    return fitted


def frame_count(scene: Scene | Motion, fps: float, seconds: float | None = None) -> int:
    """Frames of a scene or motion at `fps`, at most `seconds` of it.

    Raises:
        ValueError: a frame rate or length out of range.
    """
    if not 0 < fps <= 240:
        raise ValueError(f"--fps {fps:g}: give between 0 and 240 frames per second")
    if seconds is not None and not 0 < seconds <= 3600:
        raise ValueError(f"--seconds {seconds:g}: give a length above 0 and at most 3600")
    duration = scene.duration if seconds is None else min(seconds, scene.duration)
    frames = int(duration * fps + 1e-6) + 1
    if frames > MAX_VIDEO_FRAMES:
        raise ValueError(
            f"{frames} frames are more than {MAX_VIDEO_FRAMES}; take a part with --seconds, or a lower --fps"
        )
    return frames


def in_step(scene: Scene, camera: CameraPath) -> Scene:
    """The scene seen by `camera`, with every person at the camera's frame rate and number of frames."""
    from kinema.control.sampling import sample_scene

    return sample_scene(replace(scene, camera=camera, fps=camera.fps), frames=camera.frames, fps=camera.fps)


def read_person(path: str | os.PathLike[str], person: int = 0) -> Motion:
    """One person of a motion or scene file.

    Raises:
        ValueError: the file has no such person.
        FormatError, FileNotFoundError: as `read_scene`.
    """
    people = read_scene(path).people
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
