"""`kinema preview`: films a motion or scene file on the stage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kinema.app.commands.shared import CRF, JSON, READING, TRACKING, reads_motion
from kinema.app.console import progress, result

if TYPE_CHECKING:
    from kinema.scene.formats.reading import MotionReading


@reads_motion
def preview(
    scene: Path = typer.Argument(
        ..., help="A scene (.npz), any motion file (BVH, GLB, AMASS, HumanML3D), or a video."
    ),
    output: Path = typer.Option(..., "--output", "-o", help="The video (.mp4), or its first frame (.png)."),
    camera: str | None = typer.Option(
        None,
        help="The camera in words, e.g. 'arc left 60deg', or a camera file. Default: the scene's own.",
    ),
    tracking: str = TRACKING,
    size: str = typer.Option("512x512", help="Width x height in pixels."),
    fps: float | None = typer.Option(None, help="Frames per second. Default: the motion's own, at most 30."),
    seconds: float | None = typer.Option(None, help="Film only so much from the start."),
    person: int = typer.Option(0, help="Whom the camera frames, counted from 0."),
    fov: float = typer.Option(40.0, help="Vertical field of view in degrees."),
    standing: bool = typer.Option(
        False, "--standing", help="Stand relaxed instead of moving: a character picture for `kinema animate`."
    ),
    seed: int = typer.Option(0, help="Chooses the actors, their clothes and the studio."),
    crf: int = CRF,
    reading: MotionReading = READING,
    as_json: bool = JSON,
) -> None:
    """Film a motion or scene on the stage."""
    from kinema.app.capturing import scene_of
    from kinema.app.inputs import check_output, parse_size
    from kinema.app.progress import Bars
    from kinema.app.request import FromFile
    from kinema.scene.framing import for_stage, frame_count, in_step, scene_camera

    check_output(output, ".mp4", ".png")
    picture = output.suffix.lower() == ".png"
    width_height = parse_size(size)
    play = for_stage(scene_of(FromFile.read_as(scene, reading), Bars()))
    rate = min(play.fps, 30.0) if fps is None else fps
    frames = 1 if picture else frame_count(play, rate, seconds)
    path = scene_camera(
        play,
        camera,
        size=width_height,
        fps=rate,
        frames=frames,
        person=person,
        fov=fov,
        tracking=tracking,
    )
    play = in_step(play, path)

    from kinema.app.filming import casting, film, relaxed
    from kinema.media.pictures import write_picture
    from kinema.media.video import open_video

    settings = {
        "command": "preview",
        "scene": scene.name,
        "camera": camera,
        "tracking": tracking,
        "size": width_height,
        "fps": rate,
        "frames": frames,
        "person": person,
        "fov": fov,
        "standing": standing,
        "seed": seed,
    }
    cast, world = casting(seed, play)
    if standing:
        play = relaxed(play)
    if picture:
        take = next(film(play, cast, world))
        write_picture(output, take.rgb[0])
    else:
        with (
            progress("filming", frames) as advance,
            open_video(output, rate, settings, crf=crf) as video,
        ):
            for take in film(play, cast, world, on_frames=advance):
                video.write(take.rgb)
    result({"output": str(output), **settings}, f"{output}: {frames} frames at {rate:g} fps, {size}", as_json)
