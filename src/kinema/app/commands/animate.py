"""`kinema animate`: a character picture, a motion file and a camera become a video."""

from __future__ import annotations

from pathlib import Path

import typer

from kinema.app.commands.shared import CRF, JSON, TRACKING, UNIT
from kinema.app.commands.video_options import (
    ADAPTER_WEIGHTS,
    ATTENTION,
    BACKBONE,
    CONTROL,
    FP8,
    GUIDANCE_CAMERA,
    GUIDANCE_POSE,
    GUIDANCE_TEXT,
    LORA,
    MEMORY,
    NEGATIVE_PROMPT,
    SCALE,
    SHIFT,
    SIDE_BY_SIDE,
    SIZE,
    STEPS,
)
from kinema.app.console import result


def animate(
    image: Path | None = typer.Argument(
        None,
        help="A picture of the character, standing, seen from the front. Backbones from text alone take none.",
    ),
    motion: Path = typer.Option(..., help="The driving motion: any motion file, a scene (.npz), or a video."),
    output: Path = typer.Option(..., "--output", "-o", help="The video (.mp4)."),
    camera: str | None = typer.Option(
        None,
        help="The camera in words, e.g. 'dolly in 1m', or a camera file. Default: the scene's own.",
    ),
    tracking: str = TRACKING,
    prompt: str = typer.Option("", help="What happens, in words."),
    negative_prompt: str = NEGATIVE_PROMPT,
    backbone: str = BACKBONE,
    control: list[str] | None = CONTROL,
    adapter_weights: Path | None = ADAPTER_WEIGHTS,
    lora: Path | None = LORA,
    size: str | None = SIZE,
    seed: int = typer.Option(0, help="Of the noise; the same seed gives the same video."),
    steps: int | None = STEPS,
    guidance_text: float | None = GUIDANCE_TEXT,
    guidance_pose: float | None = GUIDANCE_POSE,
    guidance_camera: float | None = GUIDANCE_CAMERA,
    shift: float | None = SHIFT,
    seconds: float | None = typer.Option(None, help="Length. Default: the motion's."),
    person: int = typer.Option(0, help="Who of the scene moves the character, counted from 0."),
    centre: bool = typer.Option(
        False, "--centre", help="Move the person to the middle of the first camera's view."
    ),
    retarget: bool | None = typer.Option(
        None,
        "--retarget/--no-retarget",
        help="Give the motion the proportions of the picture's person and its camera the picture's place. "
        "Default: where the motion is a video.",
    ),
    aligned: Path | None = typer.Option(
        None, help="Before sampling, show the retargeted skeleton on the picture (.png)."
    ),
    memory: str = MEMORY,
    fp8: bool = FP8,
    attention: str | None = ATTENTION,
    side_by_side: bool = SIDE_BY_SIDE,
    scale: int = SCALE,
    crf: int = CRF,
    unit: str = UNIT,
    as_json: bool = JSON,
) -> None:
    """Make the character in a picture move like a motion file, seen by a camera."""
    from kinema.app.capturing import matched_to_picture, video_as_motion
    from kinema.app.catalogue import check_backbone
    from kinema.app.inputs import (
        check_output,
        fingerprint,
        is_video,
        parse_size,
        read_picture,
        read_scene,
    )
    from kinema.media.pictures import write_picture

    check_output(output, ".mp4")
    if image is None and (retarget or aligned is not None):
        raise ValueError("--retarget and --aligned need a picture of the character")
    if aligned is not None:
        check_output(aligned, ".png")
        if retarget is False:
            raise ValueError("--aligned shows the retargeted skeleton; leave out --no-retarget")
    picture = None if image is None else read_picture(image)
    check_backbone(backbone)
    wanted_size = None if size is None else parse_size(size)
    scene = read_scene(motion, unit, video=video_as_motion)
    if retarget is None:
        retarget = aligned is not None or is_video(motion)
    matched = matched_to_picture(scene, picture, person) if picture is not None and retarget else None
    if matched is not None:
        scene = matched.scene
        if aligned is not None:
            write_picture(aligned, matched.preview)

    from kinema.app.animation import control_names, direct, generate, with_controls
    from kinema.media.video import write_video
    from kinema.video.loading import load_pipeline

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
    directed = direct(
        pipeline, scene, person=person, camera=camera, tracking=tracking, seconds=seconds, centre=centre
    )
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
        "centre": centre,
        "retarget": matched is not None,
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
