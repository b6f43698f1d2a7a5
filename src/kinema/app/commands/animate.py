"""`kinema animate`: a character picture, a motion file and a camera become a video."""

from __future__ import annotations

from pathlib import Path

import typer

from kinema.app.commands.shared import CRF, JSON, TRACKING, UNIT
from kinema.app.console import result


def animate(
    image: Path | None = typer.Argument(
        None,
        help="A picture of the character, standing, seen from the front. Backbones from text alone take none.",
    ),
    motion: Path = typer.Option(..., help="The driving motion: any motion file, or a scene (.npz)."),
    output: Path = typer.Option(..., "--output", "-o", help="The video (.mp4)."),
    camera: str | None = typer.Option(
        None,
        help="The camera in words, e.g. 'dolly in 1m', or a camera file. Default: the scene's own.",
    ),
    tracking: str = TRACKING,
    prompt: str = typer.Option("", help="What happens, in words."),
    negative_prompt: str = typer.Option("", help="What guidance on the text leads away from."),
    backbone: str = typer.Option("mini", help="A name that `kinema models` lists, or a folder."),
    control: list[str] | None = typer.Option(
        None,
        help="How the motion is followed: tokenmotion, mtvcraft, mosa, or none; repeatable. tokenmotion:camera lets "
        "it see the camera alone. Default: the first that has trained weights.",
    ),
    adapter_weights: Path | None = typer.Option(
        None, help="Folder of trained control weights. Default: beside the backbone's."
    ),
    lora: Path | None = typer.Option(None, help="A LoRA for the backbone (.safetensors)."),
    size: str | None = typer.Option(None, help="WxH in pixels. Default: the backbone's own."),
    seed: int = typer.Option(0, help="Of the noise; the same seed gives the same video."),
    steps: int | None = typer.Option(
        None,
        min=1,
        max=1000,
        help="Denoising steps. Default: the backbone's; few beat many while mini is young.",
    ),
    guidance_text: float | None = typer.Option(None, help="How much the prompt counts; 0 leaves it out."),
    guidance_pose: float | None = typer.Option(None, help="How much the motion counts; 0 leaves it out."),
    guidance_camera: float | None = typer.Option(None, help="How much the camera counts; 0 leaves it out."),
    shift: float | None = typer.Option(
        None, min=0.01, max=100, help="Above 1 spends more steps near the noise. Default: the backbone's."
    ),
    seconds: float | None = typer.Option(None, help="Length. Default: the motion's."),
    person: int = typer.Option(0, help="Who of the scene moves the character, counted from 0."),
    memory: str = typer.Option(
        "high", help="Of the accelerator: high; medium (one model at a time); low (one block at a time)."
    ),
    fp8: bool = typer.Option(False, "--fp8", help="Keep the backbone's weights in 8 bits."),
    attention: str | None = typer.Option(
        None, help="An attention back-end of diffusers, e.g. flash or sage."
    ),
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
    from kinema.app.inputs import check_output, parse_size, read_picture, read_scene

    check_output(output, ".mp4")
    picture = None if image is None else read_picture(image)
    scene = read_scene(motion, unit)
    check_backbone(backbone)
    wanted_size = None if size is None else parse_size(size)

    from kinema.app.animation import control_names, direct, fingerprint, generate, with_controls
    from kinema.app.video import write_video
    from kinema.appearance.loading import load_pipeline

    pipeline = load_pipeline(
        backbone,
        control_names(control),
        adapter_weights=adapter_weights,
        lora=lora,
        size=wanted_size,
        memory=memory,  # type: ignore[arg-type]  # checked there
        fp8=fp8,
        attention=attention,
    )
    directed = direct(pipeline, scene, person=person, camera=camera, tracking=tracking, seconds=seconds)
    frames, settings = generate(
        pipeline,
        picture,
        directed,
        prompt=prompt,
        negative_prompt=negative_prompt,
        seed=seed,
        steps=steps,
        shift=shift,
        guidance={"text": guidance_text, "pose": guidance_pose, "camera": guidance_camera},
    )
    settings |= {
        "command": "animate",
        "image": None if image is None else fingerprint(image),
        "motion": fingerprint(motion),
        "camera": camera,
        "tracking": tracking,
        "person": person,
        "seconds": seconds,
        "lora": None if lora is None else fingerprint(lora),
        "memory": memory,
        "fp8": fp8,
        "attention": attention,
    }
    if side_by_side:
        frames, scale = with_controls(frames, picture, directed, seed, scale), 1
    write_video(output, frames, pipeline.fps, settings, crf=crf, scale=scale)
    said = f"{output}: {len(frames)} frames at {pipeline.fps:g} fps, {frames.shape[2]}x{frames.shape[1]}"
    result({"output": str(output), **settings}, said, as_json)
