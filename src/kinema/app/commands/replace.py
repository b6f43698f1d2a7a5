"""`kinema replace`: somebody in a film becomes the character of a picture; the film's room, camera and sound stay."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kinema.app.commands import video_options as options
from kinema.app.commands.model_options import MODEL, SAMPLING, chooses_model, samples
from kinema.app.commands.shared import CRF, FORCE, JSON, PART, VIDEO_HELP, takes_part

if TYPE_CHECKING:
    from kinema.app.request import ModelChoice, Sampling
    from kinema.scene.lasting import Part


@takes_part
@chooses_model(
    without=("control", "adapter_weights"),
    instead={
        "backbone": typer.Option(
            None,
            help="A video model that keeps a film's room: vace-1.3b, vace-14b, vace-2.2, wan-animate, or a folder of "
            "such a one. Default: the first of them on this machine.",
        ),
        "recipe": typer.Option(
            None, help="More of VACE's recipe, e.g. background,control=depth. Default: background."
        ),
        "size": typer.Option(
            None, help="WxH in pixels. Default: about as many as the model's own, in the film's shape."
        ),
    },
)
@samples(without=("guidance_pose", "guidance_camera"))
def replace(
    video: str = typer.Argument(
        help="The film: a video file, or a folder or pattern of numbered pictures; best with a still background."
    ),
    picture: Path = typer.Option(
        ..., "--with", help="A picture of who shall be in it, as a whole if possible."
    ),
    output: str = typer.Option(..., "--output", "-o", help=f"The video: {VIDEO_HELP}"),
    prompt: str = typer.Option("", help="What is seen, in words: who it is, and the film's room."),
    model: ModelChoice = MODEL,
    sampling: Sampling = SAMPLING,
    part: Part = PART,
    person: list[str] | None = typer.Option(
        None, help="Who of the film is replaced, counted from 0; repeatable, or all. Default: the largest."
    ),
    scene: Path | None = options.SCENE_FILE,
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
        model=dataclasses.replace(model, backbone=model.backbone or default_replacer()),
        sampling=sampling,
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
