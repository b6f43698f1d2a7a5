"""`kinema preview`: films a motion or scene file on the stage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kinema.app.commands.shared import (
    CAMERA_READING,
    CRF,
    FORCE,
    FPS,
    JSON,
    PART,
    READING,
    TRACKING,
    VIDEO_HELP,
    reads_camera,
    reads_motion,
    takes_part,
)
from kinema.app.console import note, progress, result

if TYPE_CHECKING:
    from kinema.scene.formats.camera_reading import CameraReading
    from kinema.scene.formats.reading import MotionReading
    from kinema.scene.lasting import Part


@reads_motion
@reads_camera
@takes_part
def preview(
    scene: Path = typer.Argument(
        ..., help="A scene (.npz), any motion file (BVH, GLB, AMASS, HumanML3D), or a video."
    ),
    output: str = typer.Option(
        ..., "--output", "-o", help=f"The video: {VIDEO_HELP} Or its first frame: .png."
    ),
    camera: str | None = typer.Option(
        None,
        help="The camera in words, e.g. 'arc left 60deg', or a camera file. Default: the scene's own.",
    ),
    tracking: str = TRACKING,
    size: str | None = typer.Option(
        None,
        help="Width x height in pixels. Default: 512x512, or as many in the shape of the scene's own camera.",
    ),
    fps: float | None = FPS,
    part: Part = PART,
    person: int = typer.Option(0, help="Whom the camera frames, counted from 0."),
    fov: float = typer.Option(40.0, help="Vertical field of view in degrees."),
    standing: bool = typer.Option(
        False, "--standing", help="Stand relaxed instead of moving: a character picture for `kinema animate`."
    ),
    transparent: bool = typer.Option(
        False, "--transparent", help="The people alone, without a studio: not as .mp4."
    ),
    seed: int = typer.Option(0, help="Chooses the actors, their clothes and the studio."),
    crf: int = CRF,
    reading: MotionReading = READING,
    camera_reading: CameraReading = CAMERA_READING,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Film a motion or scene on the stage."""
    from kinema.app.capturing import say_sticks, scene_of
    from kinema.app.inputs import asked_camera, check_output, check_video, parse_size, said_camera
    from kinema.app.progress import Bars
    from kinema.app.request import FromFile, only_part
    from kinema.media.video_kinds import padded, video_target
    from kinema.scene.cast import check_drawn, for_stage
    from kinema.scene.framing import frame_count, given_camera, in_step, same_aspect, scene_camera, unseen

    place = Path(output)
    picture = place.suffix.lower() == ".png" and "%" not in place.name
    if picture:
        check_output(place, force=force)
    else:
        place = check_video(output, force=force, transparent=transparent)
    width_height = (512, 512) if size is None else parse_size(size)
    asked = part
    filmed_by = asked_camera(camera, camera_reading)
    given = None if filmed_by is None else given_camera(filmed_by)
    source, part = only_part(FromFile.read_as(scene, reading), part)
    play = for_stage(scene_of(source, Bars(), everybody=True), others=True)
    check_drawn(play)
    say_sticks(play, Bars())
    if (shorter := part.shortfall(play.duration)) is not None and not picture:
        note(shorter)
    play = part.of(play)
    if size is None and given is None and play.camera is not None:
        width_height = same_aspect(play.camera.size, width_height)
    rate = min(play.fps, 30.0) if fps is None else fps
    frames = 1 if picture else frame_count(play, rate, part.seconds)
    path = scene_camera(
        play,
        given,
        size=width_height,
        fps=rate,
        frames=frames,
        person=person,
        fov=fov,
        tracking=tracking,
        say=note,
    )
    play = in_step(play, path)
    for line in unseen(play):
        note(line)

    from kinema.app.filming import relaxed
    from kinema.media.pictures import write_picture
    from kinema.media.video import open_video
    from kinema.stage.filming import casting, film

    settings = {
        "command": "preview",
        "scene": scene.name,
        "camera": said_camera(filmed_by),
        "tracking": tracking,
        "size": width_height,
        "fps": rate,
        "frames": frames,
        **{"from": asked.start, "to": asked.stop, "seconds": asked.seconds, "beyond": asked.beyond},
        "person": person,
        "fov": fov,
        "standing": standing,
        "transparent": transparent,
        "seed": seed,
    }
    cast, world = casting(seed, play)
    if standing:
        play = relaxed(play)
    if picture:
        take = next(film(play, cast, world, transparent=transparent))
        write_picture(place, take.pictures[0])
    else:
        with (
            progress("filming", frames) as advance,
            open_video(output, rate, settings, crf=crf) as video,
        ):
            for take in film(play, cast, world, transparent=transparent, on_frames=advance):
                video.write(take.pictures)
        if (sides := padded(video_target(output), width_height)) is not None:
            note(sides)
    width, height = width_height
    said = f"{output}: {frames} frames at {rate:g} fps, {width}x{height}"
    result({"output": str(place), **settings}, said, as_json)
