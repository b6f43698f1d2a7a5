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
    from kinema.app.request import ModelChoice, RoughLook, Sampling, VideoRequest
    from kinema.scene.formats.camera_reading import CameraReading


@reads_camera
@looks_rough
@chooses_model()
@samples()
def generate(
    prompt: str | None = typer.Argument(
        None, help="What the person does, and what the camera does: 'a person waves, the camera orbits left'."
    ),
    output: str = typer.Option(
        ..., "--output", "-o", help=f"The video: {VIDEO_HELP} With --list a folder of videos."
    ),
    list_file: Path | None = typer.Option(
        None,
        "--list",
        help="Make many videos: a .csv or .jsonl whose columns are words of the options of generate and animate, and "
        "name. What is there already is kept.",
    ),
    list_part: str | None = typer.Option(
        None,
        "--part",
        help="With --list: N/M, every M-th row from row N on, counted from 0. Default: torchrun's.",
    ),
    written_as: str = typer.Option(
        "mp4", "--as", help="With --list: mp4, or png for folders of pictures, webm, ..."
    ),
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

    if list_file is None:
        if prompt is None:
            raise ValueError("give a prompt, or a list of videos (--list)")
        if list_part is not None:
            raise ValueError("--part is of a --list")
        options.check_result(output, look, force=force, side_by_side=side_by_side)
    if scene is not None:
        check_output(scene, ".npz", force=force)
    length = parse_seconds(seconds, "--seconds")
    request = VideoRequest(
        picture=options.pictures(image),
        motion=FromPrompt(length, style, motion_model, endpoint, endpoint_model),
        camera=asked_camera(camera, camera_reading),
        prompt=prompt or "",
        actor=actor,
        direction=Direction(tracking=tracking),
        model=model,
        sampling=sampling,
        rough=look,
    )
    if list_file is not None:
        if scene is not None or side_by_side or scale > 1 or keep != "best":
            raise ValueError(
                "--scene, --side-by-side, --scale and --keep are of one video: leave them out with --list"
            )
        _make_list(list_file, request, camera_reading, output, list_part, written_as, crf, force, as_json)
        return
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


def _make_list(
    list_file: Path,
    defaults: VideoRequest,
    camera_reading: CameraReading,
    output: str,
    part: str | None,
    written_as: str,
    crf: int,
    force: bool,
    as_json: bool,
) -> None:
    """Makes the videos of a list; ends with code 2 where some failed, 1 where that is nobody's mistake."""
    from kinema.app.batch import make_videos
    from kinema.app.console import result
    from kinema.app.list_rows import read_list
    from kinema.app.progress import Bars

    if getattr(defaults.model, "parallel", None) is not None:
        raise ValueError("--parallel shares out one video, and a list its rows: leave it out with --list")
    rows = read_list(list_file, defaults, camera_reading)
    share = None if part is None else parse_part(part)
    report = make_videos(
        rows, output, written_as=written_as, part=share, crf=crf, force=force, progress=Bars()
    )
    result(report.facts(), report.text, as_json)
    if report.failed:
        raise typer.Exit(2 if all(each.mendable for each in report.failed) else 1)


def parse_part(text: str) -> tuple[int, int]:
    """`2/8` as (2, 8).

    Raises:
        ValueError: another form, or no such part.
    """
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and int(number) < int(count)):
        raise ValueError(f"--part {text}: give N/M with N from 0 to M - 1, e.g. 2/8")
    return int(number), int(count)
