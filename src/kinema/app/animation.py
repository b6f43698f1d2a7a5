"""A picture, a motion and a camera through the video pipeline: the one place where the app calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from kinema.app.console import note
from kinema.app.filming import casting, film
from kinema.app.inputs import frame_count, in_step, scene_camera
from kinema.media.pictures import side_by_side
from kinema.media.video import enlarged
from kinema.papers.mtvcraft.motion import centred
from kinema.scene import Scene
from kinema.signals.control_signals import control_signals
from kinema.video.pipeline import KinemaPipeline


def direct(
    pipeline: KinemaPipeline,
    scene: Scene,
    person: int,
    camera: str | None,
    tracking: str,
    seconds: float | None,
    centre: bool = False,
) -> Scene:
    """One person of the scene and a camera, on the pipeline's frames.

    Args:
        pipeline: decides size and frame rate.
        scene: whose motion drives the character.
        person: who of the scene, counted from 0.
        camera: the camera in words or a camera file; the scene's own, or a static one, where None.
        tracking: how a camera in words keeps the person in view, see `scene_camera`.
        seconds: length; the scene's where None.
        centre: move the person along the floor to the middle of the first camera's view.

    Raises:
        ValueError: no such person, words outside the camera language, a length out of range.
    """
    if not 0 <= person < len(scene.people):
        raise ValueError(f"--person {person}: the scene has {len(scene.people)} people, counted from 0")
    alone = Scene((scene.people[person].to_smpl24(),), scene.camera, scene.fps, scene.text)
    frames = frame_count(alone, pipeline.fps, seconds)
    path = scene_camera(alone, camera, size=pipeline.size, fps=pipeline.fps, frames=frames, tracking=tracking)
    directed = in_step(alone, path)
    return centred(directed) if centre else directed


def generate(
    pipeline: KinemaPipeline,
    picture: Image.Image | None,
    scene: Scene,
    *,
    prompt: str,
    seed: int,
    guidance: Mapping[str, float | None],
    **options: Any,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Frames, uint8 [T, H, W, 3], and the settings that make them again; says what will not be followed well.

    Args:
        pipeline: makes them.
        picture: the character, for models that read one.
        scene: as directed.
        prompt: what happens.
        seed: of the noise.
        guidance: scales by signal; the model's own where None.
        options: other arguments of the pipeline's call; the model's own where None.
    """
    scales: dict[str, Any] = {name: scale for name, scale in guidance.items() if scale is not None}
    output = pipeline(
        prompt=prompt,
        image=picture,
        scene=scene,
        frames=scene.frames,
        seed=seed,
        guidance=pipeline.video_model.defaults.guidance.replace(**scales),
        **options,
    )
    for line in output.notes:
        note(line)
    return output.frames, output.settings


def control_names(words: Sequence[str] | None) -> list[str] | None:
    """The control methods of repeated or comma-separated `--control` options; [] for none, None where not said.

    Raises:
        ValueError: `none` beside a method.
    """
    if not words:
        return None
    names = [name.strip() for word in words for name in word.split(",") if name.strip()]
    if "none" in names and len(names) > 1:
        raise ValueError(f"--control {','.join(names)}: either none, or methods")
    return [] if names == ["none"] else names


def with_controls(
    frames: np.ndarray, picture: Image.Image | None, scene: Scene, seed: int, scale: int
) -> np.ndarray:
    """The video beside its reference picture, the skeleton it was given and a preview of the scene.

    Args:
        frames: uint8 [T, H, W, 3].
        picture: the character, or None where the model read none.
        scene: as directed, T frames.
        seed: chooses the preview's actor and studio.
        scale: how many times each side is enlarged; picture and preview are sharp at that size.

    Returns:
        uint8 [T, H', W', 3].
    """
    assert scene.camera is not None
    signals = control_signals(scene, size=scene.camera.size)
    assert signals.skeletons is not None
    skeletons = (signals.skeletons[0].permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    width, height = (side * scale for side in scene.camera.size)
    cast, world = casting(seed, scene)
    near = scene.with_camera(scene.camera.resize(width, height))
    preview = np.concatenate([take.rgb for take in film(near, cast, world)])
    clips = {
        "skeleton": enlarged(skeletons[: len(frames)], scale),
        "preview": preview,
        "video": enlarged(frames, scale),
    }
    if picture is not None:
        clips = {"picture": np.asarray(ImageOps.fit(picture, (width, height)))[None], **clips}
    return side_by_side(list(clips.values()), list(clips), gap=4 * scale)
