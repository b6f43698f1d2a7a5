"""`kinema generate`: a prompt becomes a motion, a scene with a camera, and a video."""

from __future__ import annotations

from pathlib import Path

import typer

from kinema.app.commands.shared import CRF, ENDPOINT, ENDPOINT_MODEL, JSON, TRACKING
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


def generate(
    prompt: str = typer.Argument(
        ..., help="What the person does, and what the camera does: 'a person waves, the camera orbits left'."
    ),
    output: Path = typer.Option(..., "--output", "-o", help="The video (.mp4)."),
    camera: str | None = typer.Option(
        None,
        help="The camera in words, or a camera file. Default: what the prompt says of it, else a still one.",
    ),
    tracking: str = TRACKING,
    seconds: float | None = typer.Option(None, help="Length. Default: what the prompt says, or 4 s a part."),
    image: Path | None = typer.Option(
        None,
        help="A picture of the character, standing, seen from the front. Default: an actor of the stage.",
    ),
    actor: int | None = typer.Option(None, min=0, help="Chooses the actor of the stage. Default: by --seed."),
    style: str | None = typer.Option(None, help="How it is done, e.g. happy, elderly, exhausted."),
    scene: Path | None = typer.Option(None, help="Also keep the scene: motion and camera (.npz)."),
    seed: int = typer.Option(0, help="Of everything random; the same seed gives the same video."),
    motion_model: Path | None = typer.Option(
        None, help="A folder with a motion model. Default: the embedded one."
    ),
    endpoint: str | None = ENDPOINT,
    endpoint_model: str = ENDPOINT_MODEL,
    negative_prompt: str = NEGATIVE_PROMPT,
    backbone: str = BACKBONE,
    control: list[str] | None = CONTROL,
    adapter_weights: Path | None = ADAPTER_WEIGHTS,
    lora: Path | None = LORA,
    size: str | None = SIZE,
    steps: int | None = STEPS,
    guidance_text: float | None = GUIDANCE_TEXT,
    guidance_pose: float | None = GUIDANCE_POSE,
    guidance_camera: float | None = GUIDANCE_CAMERA,
    shift: float | None = SHIFT,
    memory: str = MEMORY,
    fp8: bool = FP8,
    attention: str | None = ATTENTION,
    side_by_side: bool = SIDE_BY_SIDE,
    scale: int = SCALE,
    crf: int = CRF,
    as_json: bool = JSON,
) -> None:
    """Make a video from a prompt: text becomes motion, motion and camera a scene, the scene a video."""
    from kinema.app.catalogue import check_backbone
    from kinema.app.inputs import check_output, fingerprint, parse_size, read_camera, read_picture
    from kinema.scene.camera_language import parse_camera

    check_output(output, ".mp4")
    if scene is not None:
        check_output(scene, ".npz")
    if image is not None and actor is not None:
        raise ValueError("--image and --actor: either a picture, or an actor of the stage")
    picture = None if image is None else read_picture(image)
    check_backbone(backbone)
    wanted_size = None if size is None else parse_size(size)
    if camera is not None and read_camera(camera, (16, 16)) is None:
        parse_camera(camera)

    from kinema.app.animation import (
        control_names,
        direct,
        with_controls,
    )
    from kinema.app.animation import (
        generate as generate_video,
    )
    from kinema.app.filming import actor_picture
    from kinema.app.text_motion import counting, split
    from kinema.app.text_motion import motion_model as load_motion_model
    from kinema.media.video import write_video
    from kinema.scene import Scene
    from kinema.video.loading import load_pipeline

    parts = split(prompt, endpoint, endpoint_model)
    camera = parts.camera if camera is None else camera
    motions = load_motion_model(motion_model)
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
    with counting("making the motion") as on:
        motion = motions(parts.motion, seconds, seed=seed, style=style, progress=on)
    made = Scene((motion,), None, motion.fps, prompt)
    directed = direct(pipeline, made, person=0, camera=camera, tracking=tracking, seconds=None)
    if scene is not None:
        made.with_camera(directed.camera).save(scene)
    actor = seed if actor is None else actor
    if picture is None and pipeline.video_model.reads_picture:
        picture = actor_picture(directed, actor)
    frames, settings = generate_video(
        pipeline,
        picture,
        directed,
        prompt=parts.motion,
        negative_prompt=negative_prompt,
        seed=seed,
        steps=steps,
        shift=shift,
        guidance={"text": guidance_text, "pose": guidance_pose, "camera": guidance_camera},
    )
    settings |= {
        "command": "generate",
        "full_prompt": prompt,
        "motion_seconds": seconds,
        **{f"motion_{name}": value for name, value in motions.settings().items()},
        "motion_model": "embedded" if motion_model is None else motion_model.name,
        "style": style,
        "image": None if image is None else fingerprint(image),
        "actor": actor if image is None else None,
        "camera": camera,
        "tracking": tracking,
        "lora": None if lora is None else fingerprint(lora),
        "memory": memory,
        "fp8": fp8,
        "attention": attention,
    }
    if side_by_side:
        frames, scale = with_controls(frames, picture, directed, actor, scale), 1
    write_video(output, frames, pipeline.fps, settings, crf=crf, scale=scale)
    said = f"{output}: {len(frames)} frames at {pipeline.fps:g} fps, {frames.shape[2]}x{frames.shape[1]}"
    if scene is not None:
        said += f"\n{scene}: the scene"
    result({"output": str(output), "scene": None if scene is None else str(scene), **settings}, said, as_json)
