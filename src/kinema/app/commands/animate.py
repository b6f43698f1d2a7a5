"""`kinema animate`: a character picture, a motion and a camera become a video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kinema.app.commands import video_options as options
from kinema.app.commands.model_options import MODEL, SAMPLING, chooses_model, samples
from kinema.app.commands.shared import (
    CAMERA_READING,
    CRF,
    FORCE,
    JSON,
    LOOK,
    PART,
    READING,
    TRACKING,
    VIDEO_HELP,
    looks_rough,
    reads_camera,
    reads_motion,
    takes_part,
)

if TYPE_CHECKING:
    from kinema.app.request import ModelChoice, RoughLook, Sampling
    from kinema.scene.formats.camera_reading import CameraReading
    from kinema.scene.formats.reading import MotionReading
    from kinema.scene.lasting import Part


@reads_motion
@reads_camera
@takes_part
@looks_rough
@chooses_model()
@samples()
def animate(
    image: list[Path] | None = typer.Argument(
        None, help=f"{options.IMAGE_HELP} Rough take: several are several people."
    ),
    motion: str | None = typer.Option(
        None,
        help="The driving motion: any motion file, a scene (.npz), a video, keypoints (OpenPose JSON: a folder or a "
        "file), or words, e.g. 'a person waves'. Without it nobody moves, and the camera alone does.",
    ),
    output: str = typer.Option(..., "--output", "-o", help=f"The video: {VIDEO_HELP}"),
    camera: str | None = typer.Option(
        None,
        help="The camera in words, e.g. 'dolly in 1m', or a camera file. Default: the scene's own.",
    ),
    tracking: str = TRACKING,
    prompt: str = typer.Option("", help="What happens, in words."),
    actor: int | None = options.ACTOR,
    look: RoughLook = LOOK,
    model: ModelChoice = MODEL,
    sampling: Sampling = SAMPLING,
    check: bool = typer.Option(
        False,
        "--check",
        help="Make nothing: say what to expect of the picture, and write its joints beside -o, to be edited for --marks.",
    ),
    part: Part = PART,
    person: list[str] | None = typer.Option(
        None,
        help="Who of the scene is there, counted from 0; repeatable, or all, or none for the camera alone. "
        "Default: the first.",
    ),
    centre: bool = typer.Option(
        False, "--centre", help="Move the people to the middle of the first camera's view."
    ),
    retarget: bool | None = typer.Option(
        None,
        "--retarget/--no-retarget",
        help="Give the motion the proportions of the picture's person and its camera the picture's place. "
        "Default: where somebody is found in the picture.",
    ),
    steady: bool | None = options.STEADY,
    aligned: Path | None = typer.Option(
        None, help="Before sampling, show the retargeted skeleton on the picture (.png)."
    ),
    scene: Path | None = options.SCENE_FILE,
    keep: str = options.KEEP,
    side_by_side: bool = options.SIDE_BY_SIDE,
    scale: int = options.SCALE,
    audio: bool = options.AUDIO,
    crf: int = CRF,
    reading: MotionReading = READING,
    camera_reading: CameraReading = CAMERA_READING,
    keypoints_fps: float = typer.Option(
        30.0, min=0.01, max=1000, help="Frames per second of keypoints; their files do not say."
    ),
    as_keypoints: bool = typer.Option(
        False,
        "--as-keypoints",
        help="Follow the skeletons of a video as they lie in its pictures, e.g. those of a film of drawn skeletons: "
        "without depth, so without a camera and without --retarget.",
    ),
    keypoints_size: str | None = typer.Option(
        None,
        help="WxH of the pictures that keypoints were found in, where their files have no canvas; --size is the "
        "video's.",
    ),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Make the character in a picture move like a motion file, seen by a camera."""
    from kinema.app.inputs import asked_camera, check_output, is_words, parse_size, people_named
    from kinema.app.keypoints import is_keypoints
    from kinema.app.request import Direction, FromFile, FromKeypoints, FromPrompt, VideoRequest

    options.check_result(output, look, force=force, side_by_side=side_by_side)
    if scene is not None:
        check_output(scene, ".npz", force=force)
    source: FromFile | FromKeypoints | FromPrompt | None = None
    if motion is not None and is_words(motion):
        if prompt:
            raise ValueError("--motion says in words what happens: leave out --prompt")
        if part.start is not None or part.stop is not None:
            raise ValueError("--from and --to are seconds of a motion that is there: say --seconds instead")
        source, prompt = FromPrompt(part.seconds), motion
    elif motion is not None:
        source = FromFile.read_as(motion, reading)
    if motion is not None and isinstance(source, FromFile) and (as_keypoints or is_keypoints(motion)):
        if scene is not None:
            raise ValueError("keypoints have no depth: there is no scene to keep; leave out --scene")
        shown = None if keypoints_size is None else parse_size(keypoints_size, "--keypoints-size")
        source = FromKeypoints(motion, keypoints_fps, shown)
    if not image and (retarget or aligned is not None):
        raise ValueError("--retarget and --aligned need a picture of the character")
    if aligned is not None:
        check_output(aligned, ".png", force=force)
        if retarget is False:
            raise ValueError("--aligned shows the retargeted skeleton; leave out --no-retarget")
        retarget = True
    timed = Direction() if isinstance(source, FromPrompt) else part
    request = VideoRequest(
        picture=options.pictures(image),
        motion=source,
        camera=asked_camera(camera, camera_reading),
        prompt=prompt,
        actor=actor,
        direction=Direction(
            people=people_named(person),
            tracking=tracking,
            seconds=timed.seconds,
            start=timed.start,
            stop=timed.stop,
            beyond=timed.beyond,
            centre=centre,
            retarget=retarget,
            steady=steady,
        ),
        model=model,
        sampling=sampling,
        rough=look,
    )
    if check:
        options.check_picture(request, output, force=force, as_json=as_json)
        return
    options.make_video(
        request,
        "animate",
        output,
        scene=scene,
        aligned=aligned,
        audio=audio,
        keep=keep,
        side_by_side=side_by_side,
        scale=scale,
        crf=crf,
        as_json=as_json,
    )
