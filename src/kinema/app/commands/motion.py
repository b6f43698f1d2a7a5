"""`kinema motion`: converts motion files and says what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kinema.app.commands.shared import JSON, UNIT
from kinema.app.console import result

if TYPE_CHECKING:
    from kinema.scene import Motion

app = typer.Typer(help="Convert motion files, and see what is in them.", no_args_is_help=True)


@app.command()
def convert(
    source: Path = typer.Argument(..., help="The motion file to read."),
    target: Path = typer.Argument(..., help="The file to write; its suffix decides the format."),
    fps: float | None = typer.Option(None, help="Resample by time to this frame rate."),
    joints: str | None = typer.Option(None, "--as", help="Convert to this skeleton; 'smpl24' is known."),
    mirror: bool = typer.Option(False, "--mirror", help="Swap left and right."),
    start: float | None = typer.Option(None, "--from", help="Start at this second."),
    end: float | None = typer.Option(None, "--to", help="End at this second."),
    unit: str = UNIT,
    as_json: bool = JSON,
) -> None:
    """Convert a motion file into another format."""
    from kinema.app.inputs import read_person
    from kinema.scene.formats import write_motion

    motion = read_person(source, unit=unit)
    if start is not None or end is not None:
        motion = motion.crop(start or 0.0, motion.duration if end is None else end)
    if fps is not None:
        motion = motion.resample(fps)
    if joints is not None:
        if joints != "smpl24":
            raise ValueError(f"--as {joints}: only smpl24 is known")
        motion = motion.to_smpl24()
    if mirror:
        motion = motion.mirror()
    write_motion(target, motion)
    result({"output": str(target), **_facts(motion)}, f"{target}: {_words(motion)}", as_json)


@app.command()
def info(
    file: Path = typer.Argument(..., help="A motion or scene file."),
    unit: str = UNIT,
    as_json: bool = JSON,
) -> None:
    """Say what is in a motion or scene file."""
    from kinema.app.inputs import read_scene

    scene = read_scene(file, unit)
    facts = {
        "file": str(file),
        "people": [_facts(person) for person in scene.people],
        "camera": None if scene.camera is None else {"frames": scene.camera.frames, "fps": scene.camera.fps},
        "text": scene.text,
    }
    lines = [f"{file}"]
    lines += [f"  person {number}: {_words(person)}" for number, person in enumerate(scene.people)]
    if scene.camera is not None:
        lines.append(f"  camera: {scene.camera.frames} frames at {scene.camera.fps:g} fps")
    if scene.text:
        lines.append(f"  text: {scene.text}")
    result(facts, "\n".join(lines), as_json)


def _facts(motion: Motion) -> dict[str, object]:
    import numpy as np

    root = motion.joints[:, 0]
    steps = np.linalg.norm(np.diff(root, axis=0), axis=1)
    extent = np.nanmax(motion.joints, axis=(0, 1)) - np.nanmin(motion.joints, axis=(0, 1))
    return {
        "frames": motion.frames,
        "fps": motion.fps,
        "seconds": round(motion.duration, 4),
        "joints": len(motion.skeleton),
        "rotations": motion.rotations is not None,
        "missing_share": round(float(motion.missing.mean()), 4),
        "path_m": round(float(np.nansum(steps)), 3),
        "extent_m": [round(float(side), 3) for side in extent],
    }


def _words(motion: Motion) -> str:
    facts = _facts(motion)
    extent = " x ".join(f"{side:.2f}" for side in facts["extent_m"])  # type: ignore[attr-defined]
    missing = f", {facts['missing_share']:.0%} of joints missing" if facts["missing_share"] else ""
    return (
        f"{facts['frames']} frames at {motion.fps:g} fps ({motion.duration:.2f} s), {facts['joints']} joints"
        f"{' with rotations' if facts['rotations'] else ''}, path {facts['path_m']:.2f} m, "
        f"extent {extent} m{missing}"
    )
