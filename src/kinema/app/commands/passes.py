"""`kinema passes`: what a published video model reads of a scene, as films and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kinema.app.commands.shared import (
    CAMERA_READING,
    FORCE,
    JSON,
    PART,
    READING,
    TRACKING,
    reads_camera,
    reads_motion,
    takes_part,
)
from kinema.app.console import result

if TYPE_CHECKING:
    from kinema.scene.formats.camera_reading import CameraReading
    from kinema.scene.formats.reading import MotionReading
    from kinema.scene.lasting import Part


@reads_motion
@reads_camera
@takes_part
def passes(
    scene: Path | None = typer.Argument(
        None,
        help="A scene (.npz), any motion file, a video, or OpenPose JSON. Without it the models are listed.",
    ),
    model: str | None = typer.Option(
        None, "--for", help="The model that will read them; listed where left out."
    ),
    output: Path | None = typer.Option(None, "--output", "-o", help="The folder, new or of earlier passes."),
    picture: Path | None = typer.Option(None, help="The character: becomes the model's reference picture."),
    camera: str | None = typer.Option(
        None,
        help="The camera in words, e.g. 'arc left 60deg', or a camera file. Default: the scene's own.",
    ),
    tracking: str = TRACKING,
    size: str | None = typer.Option(
        None,
        help="Width x height in pixels. Default: the model's, in the shape of the scene's own camera, or of --picture.",
    ),
    fps: float | None = typer.Option(None, help="Frames per second. Default: the model's."),
    part: Part = PART,
    person: list[str] | None = typer.Option(
        None,
        help="Who is there, counted from 0; repeatable, or all. Default: as many as the model tells apart.",
    ),
    parts: str | None = typer.Option(
        None,
        help="Of drawn skeletons, e.g. body,hands: of body, hands, face, toes. Default: as the model was trained.",
    ),
    replace: bool = typer.Option(
        False,
        "--replace",
        help="Passes that put the character in the person's place and keep the film: the video's own, or the stage's.",
    ),
    set_: list[str] | None = typer.Option(
        None, "--set", help="What one model alone understands, e.g. recipe=background; repeatable."
    ),
    as_: str = typer.Option(
        "mp4", "--as", help="Films as mp4 (H.264), lossless (FFV1 in .mkv), or png (folders of pictures)."
    ),
    seed: int = typer.Option(0, help="Chooses the stage's actors and studio."),
    reading: MotionReading = READING,
    camera_reading: CameraReading = CAMERA_READING,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Write what a published video model reads of a scene: skeletons, depth, masks, faces, films."""
    if scene is None and model is None and output is None:
        models(as_json)
        return
    if scene is None or model is None or output is None:
        missing = "SCENE" if scene is None else "--for MODEL" if model is None else "-o FOLDER"
        raise ValueError(
            f"{missing} is missing: kinema passes SCENE --for MODEL -o FOLDER; alone it lists the models"
        )
    from kinema.app.inputs import asked_camera, parse_size, people_named
    from kinema.app.passing import PassRequest, passes_of
    from kinema.app.progress import Bars
    from kinema.app.request import FromFile
    from kinema.passes.files import check_folder, check_kind

    check_kind(as_)
    check_folder(output, force=force)
    made = passes_of(
        PassRequest(
            FromFile.read_as(scene, reading),
            model,
            camera=asked_camera(camera, camera_reading),
            tracking=tracking,
            picture=picture,
            size=None if size is None else parse_size(size),
            fps=fps,
            part=part,
            people=people_named(person),
            parts=None if parts is None else tuple(name.strip() for name in parts.split(",")),
            replace=replace,
            extra=settings_of(set_ or []),
            actor=seed,
        ),
        Bars(),
    )
    files = made.save(output, as_, force=force)  # type: ignore[arg-type]  # checked
    width, height = made.size
    said = (
        f"{output}: {', '.join(files)} for {made.model}; {made.frames} frames at {made.fps:g} fps, {width}x{height}; "
        "README.txt says where each goes"
    )
    facts = {
        "output": str(output),
        "model": made.model,
        "files": files,
        "size": list(made.size),
        "frames": made.frames,
        "fps": made.fps,
        "notes": list(made.notes),
    }
    result(facts, said, as_json)


def models(as_json: bool) -> None:
    """Lists the models, what each follows of a scene, and its size, rate and lengths."""
    from kinema.passes.profile import PROFILES

    rows = [PROFILES[name].facts() for name in PROFILES]
    lines = [f"{'--for':<17}{'size':<11}{'fps':<5}{'frames':<9}{'people':<8}{'follows':<28}--set"]
    for row in rows:
        step = row["frame_step"]
        lines.append(
            f"{row['model']:<17}{'{}x{}'.format(*row['size']):<11}{row['fps']:<5g}"
            f"{'any' if step == 1 else f'{step}k + 1':<9}{row['people'] or 'any':<8}{', '.join(row['follows']):<28}"
            f"{'  '.join('{}={}'.format(key, '|'.join(values) or '...') for key, values in row['set'].items())}"
        )
    result({"models": rows}, "\n".join(lines), as_json)


def settings_of(words: Sequence[str]) -> dict[str, str]:
    """`--set name=value`, each once.

    Raises:
        ValueError: no = in it, or a name twice.
    """
    settings: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise ValueError(f"--set {word}: give name=value, e.g. recipe=background")
        if name.strip() in settings:
            raise ValueError(f"--set {name.strip()} is given twice")
        settings[name.strip()] = value.strip()
    return settings
