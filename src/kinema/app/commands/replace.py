"""`kinema replace`: somebody in a film becomes the character of a picture; the film's room, camera and sound stay."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kinema.app.commands import video_options as options
from kinema.app.commands.shared import CRF, FORCE, JSON, PART, VIDEO_HELP, takes_part

if TYPE_CHECKING:
    from kinema.scene.lasting import Part


@takes_part
@options.runs_fast
def replace(
    video: str = typer.Argument(
        help="The film: a video file, or a folder or pattern of numbered pictures; best with a still background."
    ),
    picture: Path = typer.Option(
        ..., "--with", help="A picture of who shall be in it, as a whole if possible."
    ),
    output: str = typer.Option(..., "--output", "-o", help=f"The video: {VIDEO_HELP}"),
    prompt: str = typer.Option("", help="What is seen, in words: who it is, and the film's room."),
    negative_prompt: str = options.NEGATIVE_PROMPT,
    backbone: str | None = typer.Option(
        None,
        help="A video model that keeps a film's room: vace-1.3b, vace-14b, vace-2.2, or a folder of such a one. Default: "
        "the first of them on this machine.",
    ),
    recipe: str | None = typer.Option(
        None, help="More of the model's recipe, e.g. background,control=depth. Default: background."
    ),
    control_strength: float | None = options.CONTROL_STRENGTH,
    lora: list[str] | None = options.LORA,
    size: str | None = typer.Option(
        None, help="WxH in pixels. Default: about as many as the model's own, in the film's shape."
    ),
    fps: float | None = options.FPS,
    window: int | None = options.WINDOW,
    seed: int = typer.Option(0, help="Of the noise; the same seed gives the same video."),
    steps: int | None = options.STEPS,
    guidance_text: str | None = options.GUIDANCE_TEXT,
    shift: float | None = options.SHIFT,
    part: Part = PART,
    person: list[str] | None = typer.Option(
        None, help="Who of the film is replaced, counted from 0; repeatable, or all. Default: the largest."
    ),
    scene: Path | None = options.SCENE_FILE,
    memory: str = options.MEMORY,
    fp8: bool = options.FP8,
    attention: str | None = options.ATTENTION,
    speed: dict[str, Any] = options.SPEED,
    score: bool = options.SCORE,
    takes: int = options.TAKES,
    keep: str = options.KEEP,
    sound: bool = typer.Option(
        False, "--sound", help="Keep the film's sound (.mp4, .mov, .webm). Default: silent."
    ),
    crf: int = CRF,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Put the character of a picture into a film, in place of who moves there."""
    from kinema.app.inputs import check_output, people_named
    from kinema.app.replacing import check_replacement, default_replacer
    from kinema.app.request import Direction, FromFile, RoughLook, VideoRequest

    options.check_result(output, RoughLook(), force=force)
    if scene is not None:
        check_output(scene, ".npz", force=force)
    request = VideoRequest(
        picture=picture,
        motion=FromFile(video),
        prompt=prompt,
        replace=True,
        direction=Direction(
            people=people_named(person),
            seconds=part.seconds,
            start=part.start,
            stop=part.stop,
            beyond=part.beyond,
        ),
        model=options.model_choice(
            backbone or default_replacer(),
            None,
            None,
            lora,
            size,
            fps,
            window,
            memory,
            fp8,
            attention,
            {**speed, "recipe": recipe, "control_strength": control_strength},
        ),
        sampling=options.sampling(
            seed, steps, (guidance_text, None, None), shift, negative_prompt, takes, score
        ),
    )
    check_replacement(request)
    options.make_video(
        request,
        "replace",
        output,
        scene=scene,
        audio=sound,
        side_by_side=False,
        scale=1,
        crf=crf,
        as_json=as_json,
        keep=keep,
    )
