"""`kinema animate`: a character picture, a motion file and a camera become a video."""

from __future__ import annotations

from pathlib import Path

import typer

from kinema.app.commands.shared import CRF, JSON, TRACKING, UNIT
from kinema.app.console import result


def animate(
    image: Path = typer.Argument(..., help="A picture of the character, standing, seen from the front."),
    motion: Path = typer.Option(..., help="The driving motion: any motion file, or a scene (.npz)."),
    output: Path = typer.Option(..., "--output", "-o", help="The video (.mp4)."),
    camera: str | None = typer.Option(
        None,
        help="The camera in words, e.g. 'dolly in 1m', or a camera file. Default: the scene's own.",
    ),
    tracking: str = TRACKING,
    prompt: str = typer.Option("", help="What happens, in words."),
    backbone: str = typer.Option("mini", help="An embedded model (see `kinema models`), or a folder."),
    seed: int = typer.Option(0, help="Of the noise; the same seed gives the same video."),
    steps: int = typer.Option(2, min=1, max=1000, help="Denoising steps; few beat many while mini is young."),
    guidance_text: float = typer.Option(1.0, help="How much the prompt counts; 0 leaves it out."),
    guidance_pose: float = typer.Option(1.0, help="How much the motion counts; 0 leaves it out."),
    guidance_camera: float = typer.Option(1.0, help="How much the camera counts; 0 leaves it out."),
    seconds: float | None = typer.Option(None, help="Length. Default: the motion's."),
    person: int = typer.Option(0, help="Who of the scene moves the character, counted from 0."),
    side_by_side: bool = typer.Option(
        False, "--side-by-side", help="Show skeleton and preview beside the video."
    ),
    scale: int = typer.Option(1, min=1, max=16, help="Enlarge the picture so many times, for viewing."),
    crf: int = CRF,
    unit: str = UNIT,
    as_json: bool = JSON,
) -> None:
    """Make the character in a picture move like a motion file, seen by a camera."""
    from kinema.app.catalogue import check_backbone
    from kinema.app.inputs import check_output, read_picture, read_scene

    check_output(output, ".mp4")
    picture = read_picture(image)
    scene = read_scene(motion, unit)
    check_backbone(backbone)

    from kinema.app.animation import direct, fingerprint, generate, with_controls
    from kinema.app.video import write_video
    from kinema.appearance.guidance import Guidance
    from kinema.appearance.loading import load_pipeline

    pipeline = load_pipeline(backbone)
    directed = direct(pipeline, scene, person=person, camera=camera, tracking=tracking, seconds=seconds)
    guidance = Guidance(text=guidance_text, pose=guidance_pose, camera=guidance_camera)
    frames, settings = generate(
        pipeline, picture, directed, prompt=prompt, seed=seed, steps=steps, guidance=guidance
    )
    settings |= {
        "command": "animate",
        "image": fingerprint(image),
        "motion": fingerprint(motion),
        "camera": camera,
        "tracking": tracking,
        "person": person,
        "seconds": seconds,
    }
    if side_by_side:
        frames, scale = with_controls(frames, picture, directed, seed, scale), 1
    write_video(output, frames, pipeline.fps, settings, crf=crf, scale=scale)
    said = f"{output}: {len(frames)} frames at {pipeline.fps:g} fps, {frames.shape[2]}x{frames.shape[1]}"
    result({"output": str(output), **settings}, said, as_json)
