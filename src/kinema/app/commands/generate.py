"""`kinema generate`: a prompt becomes a motion, a scene with a camera, and a video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kinema.app.commands import video_options as options
from kinema.app.commands.model_options import MODEL, SAMPLING, chooses_model, samples
from kinema.app.commands.shared import (
    CAMERA_READING,
    CRF,
    ENDPOINT,
    ENDPOINT_MODEL,
    FORCE,
    JSON,
    LOOK,
    TRACKING,
    VIDEO_HELP,
    looks_rough,
    reads_camera,
)

if TYPE_CHECKING:
    from kinema.app.request import ModelChoice, RoughLook, Sampling
    from kinema.scene.formats.camera_reading import CameraReading


@reads_camera
@looks_rough
@chooses_model()
@samples()
def generate(
    prompt: str = typer.Argument(
        ..., help="What the person does, and what the camera does: 'a person waves, the camera orbits left'."
    ),
    output: str = typer.Option(..., "--output", "-o", help=f"The video: {VIDEO_HELP}"),
    camera: str | None = typer.Option(
        None,
        help="The camera in words, or a camera file. Default: what the prompt says of it, else a still one.",
    ),
    tracking: str = TRACKING,
    seconds: str | None = typer.Option(None, help="Length. Default: what the prompt says, or 4 s a part."),
    image: list[Path] | None = typer.Option(
        None, help=f"{options.IMAGE_HELP} Rough take: repeatable, several are several people."
    ),
    actor: int | None = options.ACTOR,
    style: str | None = typer.Option(None, help="How it is done, e.g. happy, elderly, exhausted."),
    scene: Path | None = options.SCENE_FILE,
    motion_model: Path | None = typer.Option(
        None, help="A folder with a motion model. Default: the embedded one."
    ),
    endpoint: str | None = ENDPOINT,
    endpoint_model: str = ENDPOINT_MODEL,
    look: RoughLook = LOOK,
    model: ModelChoice = MODEL,
    sampling: Sampling = SAMPLING,
    keep: str = options.KEEP,
    side_by_side: bool = options.SIDE_BY_SIDE,
    scale: int = options.SCALE,
    crf: int = CRF,
    camera_reading: CameraReading = CAMERA_READING,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Make a video from a prompt: text becomes motion, motion and camera a scene, the scene a video."""
    from kinema.app.inputs import asked_camera, check_output, parse_seconds
    from kinema.app.request import Direction, FromPrompt, VideoRequest

    options.check_result(output, look, force=force, side_by_side=side_by_side)
    if scene is not None:
        check_output(scene, ".npz", force=force)
    length = parse_seconds(seconds, "--seconds")
    request = VideoRequest(
        picture=options.pictures(image),
        motion=FromPrompt(length, style, motion_model, endpoint, endpoint_model),
        camera=asked_camera(camera, camera_reading),
        prompt=prompt,
        actor=actor,
        direction=Direction(tracking=tracking),
        model=model,
        sampling=sampling,
        rough=look,
    )
    options.make_video(
        request,
        "generate",
        output,
        scene=scene,
        keep=keep,
        side_by_side=side_by_side,
        scale=scale,
        crf=crf,
        as_json=as_json,
    )
