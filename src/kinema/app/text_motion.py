"""Motion from text for the commands: the model with a progress bar, and the files it is written to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema import __version__
from kinema.app.console import note, progress
from kinema.app.inputs import check_output
from kinema.media.video import sidecar, write_json
from kinema.scene import Scene
from kinema.scene.formats import MOTION_FORMATS, MOTION_SUFFIXES, write_motion
from kinema.scene.framing import frame_count, in_step, scene_camera

if TYPE_CHECKING:
    from kinema.motion.generator import MotionGenerator
    from kinema.motion.prompt import SplitPrompt

PREVIEW_FPS = 20.0
"""Of preview videos: the rate at which the model makes motion."""


def motion_model(folder: Path | None, device: str = "cpu") -> MotionGenerator:
    """The motion generator of a folder, or the embedded one.

    Raises:
        FileNotFoundError: there are no weights.
    """
    from kinema.motion.generator import load_motion_generator

    return load_motion_generator(folder, device)


def sampling_settings(generator: MotionGenerator, **asked: Any) -> dict[str, Any]:
    """The settings that a generator samples with: its own, but for what was asked for."""
    return generator.settings() | {name: value for name, value in asked.items() if value is not None}


def split(prompt: str, endpoint: str | None, model: str, say: Callable[[str], None] = note) -> SplitPrompt:
    """The motion and camera part of a prompt; `say` takes notes on what was not understood.

    Raises:
        ValueError: nothing is said of what people do, or `endpoint` is no address.
    """
    from kinema.motion.prompt_endpoint import Endpoint, split_with
    from kinema.motion.prompt_steps import clean_text

    if not prompt.strip():
        raise ValueError('the prompt is empty; say what the person does, e.g. "a person walks forward"')
    clean_text(prompt)  # too long, or in a script that no model here reads
    where = None if endpoint is None else Endpoint(endpoint, model, os.environ.get("KINEMA_LLM_KEY") or None)
    parts = split_with(where, prompt, say)
    if not parts.motion:
        raise ValueError(
            f"the prompt {prompt[:60]!r} speaks of the camera alone; say what the person does, too"
        )
    for line in parts.notes:
        say(line)
    return parts


@contextmanager
def counting(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar in per cent; yields what the model calls with (windows done, windows in all)."""
    shown = 0
    with progress(label, 100) as advance:

        def on(done: int, total: int) -> None:
            nonlocal shown
            now = max(shown, round(100 * done / total))
            advance(now - shown)
            shown = now

        yield on


def check_motion_output(path: Path, kind: str | None, *, force: bool) -> None:
    """Says before the work what would make writing a motion fail after it.

    Raises:
        ValueError: no such format, or a suffix that is not the format's.
        OSError: as `check_output`.
    """
    if kind is None:
        check_output(path, *dict.fromkeys(suffix for suffix, _ in MOTION_FORMATS.values()), force=force)
        return
    if kind not in MOTION_FORMATS:
        raise ValueError(f"--format {kind}: there are {', '.join(MOTION_FORMATS)}")
    check_output(path, MOTION_FORMATS[kind][0], force=force)


def write_scene_or_motion(path: Path, scene: Scene, kind: str | None, settings: dict[str, Any]) -> None:
    """Writes a scene of one person, and how it was made beside it.

    A Kinema .npz holds the whole scene with its text and camera; the other formats hold the motion alone.

    Args:
        path: the file; its suffix decides where `kind` is None.
        scene: of one person.
        kind: a name of `MOTION_FORMATS`.
        settings: written to `NAME.json` beside the file.
    """
    if kind in (None, "kinema") and path.suffix.lower() == ".npz":
        scene.save(path)
    else:
        write_motion(path, scene.people[0], format=kind)
    write_json(sidecar(path), {"kinema": __version__, "settings": settings})


def seen_by(scene: Scene, camera: str | None, size: tuple[int, int]) -> Scene:
    """The scene with the camera of a prompt or option, at the rate of its people; as it is where there is none.

    Args:
        scene: of one person.
        camera: in words, or a file.
        size: (width, height).
    """
    if camera is None:
        return scene
    frames = frame_count(scene, scene.fps)
    return scene.with_camera(scene_camera(scene, camera, size=size, fps=scene.fps, frames=frames))


def film_preview(path: str, scene: Scene, size: tuple[int, int], seed: int, settings: dict[str, Any]) -> None:
    """Films a scene on the stage, with its camera, or a still one that follows a walker.

    Args:
        path: the video, see `kinema.media.video.open_video`.
        scene: people on SMPL-24.
        size: (width, height).
        seed: of actor and studio.
        settings: kept in the video.
    """
    from kinema.media.video import open_video
    from kinema.stage.filming import casting, film

    frames = frame_count(scene, PREVIEW_FPS)
    scene = in_step(scene, scene_camera(scene, None, size=size, fps=PREVIEW_FPS, frames=frames))
    cast, world = casting(seed, scene)
    with progress("filming", frames) as advance, open_video(path, PREVIEW_FPS, settings) as video:
        for take in film(scene, cast, world, on_frames=advance):
            video.write(take.rgb)


def names_a_file(text: str | os.PathLike[str]) -> bool:
    """Whether a word is a motion file rather than a prompt: it exists, or is one word with a motion file's suffix."""
    words = os.fspath(text)
    try:
        there = Path(words).is_file()
    except (OSError, ValueError):  # longer than a path can be, or a null character
        there = False
    return there or (len(words.split()) == 1 and Path(words).suffix.lower() in MOTION_SUFFIXES)
