"""`kinema camera`: a camera path from words, or of any camera file, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kinema.app.commands.shared import (
    CAMERA_READING,
    FORCE,
    FPS,
    JSON,
    READING,
    reads_camera,
    reads_motion,
)
from kinema.app.console import result

if TYPE_CHECKING:
    from kinema.scene.camera import CameraPath
    from kinema.scene.formats.camera_reading import CameraFile, CameraReading
    from kinema.scene.formats.reading import Assumption, MotionReading
    from kinema.scene.motion import Motion


@reads_motion
@reads_camera
def camera(
    text: str = typer.Argument(
        ...,
        help="The camera in words, e.g. 'arc left 60deg then hold 1s', or a camera file of any kind: transforms.json, "
        "COLMAP (a file or the folder), KITTI, TUM, RealEstate10K, MotionCtrl, ReCamMaster, glTF, .chan, ...",
    ),
    output: Path | None = typer.Option(
        None,
        "--output",
        "-o",
        help="The file: .json (Kinema), .txt (RealEstate10K), .tum, .kitti, transforms.json (nerfstudio) or images.txt "
        "(COLMAP). Without it a camera file is only described.",
    ),
    kind: str | None = typer.Option(
        None, "--format", help="json, realestate10k, tum, kitti, nerf or colmap, whatever the name."
    ),
    motion: Path | None = typer.Option(
        None, help="A motion or scene file, or a video: the camera frames this person."
    ),
    person: int = typer.Option(0, help="Which person of the scene, counted from 0."),
    reading: MotionReading = READING,
    camera_reading: CameraReading = CAMERA_READING,
    frames: int | None = typer.Option(
        None, help="Number of frames. Default: the motion's length, the file's own, or 49."
    ),
    seconds: str | None = typer.Option(None, help="Length, instead of --frames."),
    fps: float | None = FPS,
    size: str = typer.Option("512x512", help="Width x height in pixels, for the intrinsics."),
    fov: float = typer.Option(40.0, help="Vertical field of view in degrees."),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Write a camera path described in words, or convert a camera file and say what it is."""
    from kinema.app.capturing import person_of
    from kinema.app.inputs import asked_camera, check_output, parse_seconds, parse_size
    from kinema.app.progress import Bars
    from kinema.app.request import FromFile
    from kinema.scene.camera_language import camera_path
    from kinema.scene.formats.camera_reading import CameraFile
    from kinema.scene.formats.cameras import write_camera, written_format
    from kinema.scene.framing import frame_count, given_camera

    if output is not None:
        written_format(output, kind)
        check_output(output, force=force)
    length = parse_seconds(seconds, "--seconds")
    if length is not None and frames is not None:
        raise ValueError("give either --frames or --seconds")
    width_height = parse_size(size)
    asked = asked_camera(text, camera_reading)
    given = given_camera(asked or text)
    if output is None and not isinstance(given, CameraFile):
        raise ValueError("give the file that the camera is written to: --output")
    subject = None
    if motion is not None:
        subject = person_of(FromFile.read_as(motion, reading), person, Bars()).to_smpl24()
        fps = subject.fps if fps is None else fps
        frames = frame_count(subject, fps) if frames is None else frames
    if length is not None:
        own = given.camera.fps if isinstance(given, CameraFile) else 24.0
        frames = int(length * (fps or own) + 1e-6) + 1
    facts: dict[str, Any] = {}
    lines: list[str] = []
    if isinstance(given, CameraFile):
        path, assumed = _of_file(given, subject, width_height, fps, frames, fov)
        facts |= _facts(given, assumed)
        lines = _described(given, assumed)
    else:
        fps, frames = 24.0 if fps is None else fps, 49 if frames is None else frames
        path = camera_path(text, size=width_height, fps=fps, frames=frames, subject=subject, fov=fov)
    if output is not None:
        written = write_camera(output, path, format=kind)
        written = "json" if written == "kinema" else written
        facts |= {
            "output": str(output),
            "format": written,
            "frames": path.frames,
            "fps": path.fps,
            "size": path.size,
        }
        lines.append(f"{output}: {path.frames} camera poses at {path.fps:g} fps ({written})")
    result(facts, "\n".join(lines), as_json)


def _of_file(
    file: CameraFile,
    subject: Motion | None,
    size: tuple[int, int],
    fps: float | None,
    frames: int | None,
    fov: float,
) -> tuple[CameraPath, tuple[Assumption, ...]]:
    """A camera file laid on a person, or on one imagined at the origin; by default on as many frames as it has."""
    from kinema.scene.camera_laying import lay
    from kinema.scene.scene import Scene

    rate = file.camera.fps if fps is None else fps
    if frames is None:
        frames = round(file.camera.duration * rate) + 1
    people = () if subject is None else (subject,)
    scene = Scene(people, file.camera, rate)
    laid = lay(file, scene, size=size, fps=rate, frames=frames, fov=fov)
    return laid.path, laid.assumed


def _facts(file: CameraFile, assumed: tuple[Assumption, ...]) -> dict[str, Any]:
    """What a camera file is, for programs."""
    camera = file.camera
    return {
        "input": file.path,
        "kind": file.kind,
        "poses": camera.frames,
        "file_fps": camera.fps if file.timed else None,
        "seconds": camera.duration if file.timed else None,
        "fov": float(camera.fov_y[0]) if file.lens else None,
        "picture": camera.size if file.lens else None,
        "up": file.up,
        "extent": file.extent,
        "metres": file.metric,
        "absolute": file.placed,
        "cameras": list(file.names),
        "assumed": [str(each) for each in assumed],
    }


def _described(file: CameraFile, assumed: tuple[Assumption, ...]) -> list[str]:
    """The same for people, one line each."""
    camera = file.camera
    time = f"at {camera.fps:.4g} fps, {camera.duration:.1f} s" if file.timed else "without times"
    lens = "no field of view" if file.fov is None else f"{file.fov:g} degrees from top to bottom, as you say"
    if file.lens:
        low, high = float(camera.fov_y.min()), float(camera.fov_y.max())
        angle = f"{low:.1f}" if high - low < 0.1 else f"{low:.1f} to {high:.1f}"
        lens = f"{angle} degrees from top to bottom of {camera.size[0]}x{camera.size[1]}"
    unit = "m" if file.metric else "units (the file has no metres)"
    place = "where they are" if file.placed else "relative: the first is laid in front of the person"
    lines = [
        f"{file.path}: {file.kind}",
        f"  poses: {camera.frames} {time}, {place}",
        f"  lens: {lens}",
        f"  up: {file.up}",
        f"  extent: {file.extent:.3g} {unit}",
    ]
    if file.names:
        lines.append(f"  cameras: {', '.join(file.names[:20])}")
    return lines + [f"  assumed: {each}" for each in assumed]
