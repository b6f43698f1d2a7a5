"""`kinema camera`: a camera path from words, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kinema.app.commands.shared import FORCE, FPS, JSON, READING, reads_motion
from kinema.app.console import result

FORMATS = {".json": "json", ".txt": "realestate10k", ".tum": "tum"}

if TYPE_CHECKING:
    from kinema.scene.formats.reading import MotionReading


@reads_motion
def camera(
    text: str = typer.Argument(
        ..., help="The camera in words, e.g. 'arc left 60deg then hold 1s', or a camera file."
    ),
    output: Path = typer.Option(..., "--output", "-o", help="The file: .json, .txt (RealEstate10K) or .tum."),
    kind: str | None = typer.Option(
        None, "--format", help="json, realestate10k or tum, whatever the suffix."
    ),
    motion: Path | None = typer.Option(
        None, help="A motion or scene file, or a video: the camera frames this person."
    ),
    person: int = typer.Option(0, help="Which person of the scene, counted from 0."),
    reading: MotionReading = READING,
    frames: int | None = typer.Option(None, help="Number of frames. Default: the motion's length, or 49."),
    seconds: str | None = typer.Option(None, help="Length, instead of --frames."),
    fps: float | None = FPS,
    size: str = typer.Option("512x512", help="Width x height in pixels, for the intrinsics."),
    fov: float = typer.Option(40.0, help="Vertical field of view in degrees."),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Write a camera path described in words."""
    from kinema.app.capturing import person_of
    from kinema.app.inputs import check_output, parse_seconds, parse_size
    from kinema.app.progress import Bars
    from kinema.app.request import FromFile
    from kinema.scene.camera_language import camera_path
    from kinema.scene.formats import camera_json, read_camera, realestate10k, tum
    from kinema.scene.framing import fit_camera, frame_count

    writers = {"json": camera_json.write, "realestate10k": realestate10k.write, "tum": tum.write}
    kind = kind or FORMATS.get(output.suffix.lower())
    if kind not in writers:
        raise ValueError(f"{output}: name it .json, .txt or .tum, or choose --format {', '.join(writers)}")
    check_output(output, force=force)
    length = parse_seconds(seconds, "--seconds")
    if length is not None and frames is not None:
        raise ValueError("give either --frames or --seconds")
    subject = None
    if motion is not None:
        subject = person_of(FromFile.read_as(motion, reading), person, Bars()).to_smpl24()
        fps = subject.fps if fps is None else fps
        frames = frame_count(subject, fps) if frames is None else frames
    if length is not None:
        frames = int(length * (fps or 24.0) + 1e-6) + 1
    fps, frames = 24.0 if fps is None else fps, 49 if frames is None else frames
    given = read_camera(text, parse_size(size))
    if given is not None:
        path = fit_camera(given, size=parse_size(size), fps=fps, frames=frames)
    else:
        path = camera_path(text, size=parse_size(size), fps=fps, frames=frames, subject=subject, fov=fov)
    writers[kind](output, path)
    facts = {"output": str(output), "format": kind, "frames": frames, "fps": fps, "size": path.size}
    result(facts, f"{output}: {frames} camera poses at {fps:g} fps ({kind})", as_json)
