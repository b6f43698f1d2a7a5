"""`kinema motion`: makes motions from text, converts motion files and says what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from kinema.app.commands.shared import (
    ENDPOINT,
    ENDPOINT_MODEL,
    FORCE,
    FPS,
    JSON,
    PART,
    READING,
    VIDEO_HELP,
    reads_motion,
    takes_part,
)
from kinema.app.console import note, result, work

if TYPE_CHECKING:
    from kinema.scene import Motion
    from kinema.scene.formats.reading import MotionReading
    from kinema.scene.lasting import Part


class PromptOrCommand(TyperGroup):
    """A group whose first word is one of its commands, or else belongs to the command `create`."""

    default = "create"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=PromptOrCommand,
    help="Make a motion from text, convert motion files, and see what is in them. "
    'The first word is a command below, or what the person does: `kinema motion "a person waves" -o wave.bvh` '
    "(`create` may be left out; its options: `kinema motion create --help`).",
    no_args_is_help=True,
)


@app.command()
def create(
    source: str | None = typer.Argument(
        None,
        metavar="PROMPT",
        help='What the person does; parts after "then" follow each other. A file that exists, or a single word that '
        "ends like one (.bvh, .glb, .npz, .npy), is converted instead; everything else is a prompt.",
    ),
    output: Path = typer.Option(
        ..., "--output", "-o", help="The file: .bvh, .glb, .npy (HumanML3D) or .npz (a Kinema scene)."
    ),
    kind: str | None = typer.Option(
        None, "--format", help="For .npz: kinema, amass or kimodo. Default: what the suffix says."
    ),
    seconds: str | None = typer.Option(None, help="Length. Default: what the text says, or 4 s a part."),
    fps: float | None = FPS,
    seed: int = typer.Option(0, help="Of the noise; the same seed gives the same motion."),
    timeline: Path | None = typer.Option(
        None,
        help="A timeline file (.json) instead of a prompt: blocks of text with start, end and body parts.",
    ),
    style: str | None = typer.Option(None, help="How it is done, e.g. happy, elderly, exhausted."),
    steps: int | None = typer.Option(None, min=1, max=200, help="Sampling steps. Default: the model's."),
    guidance: float | None = typer.Option(
        None, min=0, max=20, help="How much the text counts; 1 is twice as fast. Default: the model's."
    ),
    preview: str | None = typer.Option(None, help=f"Also film it on the stage: {VIDEO_HELP}"),
    camera: str | None = typer.Option(None, help="The preview's camera in words, or a camera file."),
    size: str = typer.Option(
        "384x384", help="Of the preview and the scene's camera, width x height in pixels."
    ),
    model: Path | None = typer.Option(None, help="A folder with a motion model. Default: the embedded one."),
    endpoint: str | None = ENDPOINT,
    endpoint_model: str = ENDPOINT_MODEL,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Make a motion from text."""
    from kinema.app.inputs import check_camera, check_video, parse_seconds, parse_size
    from kinema.app.text_motion import (
        check_motion_output,
        counting,
        film_preview,
        motion_model,
        names_a_file,
        sampling_settings,
        seen_by,
        split,
        write_scene_or_motion,
    )
    from kinema.motion.timeline import Timeline
    from kinema.scene import Scene

    if (source is None) == (timeline is None):
        raise ValueError("give either a prompt (or a file to convert), or --timeline")
    if source is not None and names_a_file(source):
        _refuse_text_options(seconds=seconds, style=style, steps=steps, preview=preview, camera=camera)
        check_motion_output(output, kind, force=force)
        _convert(Path(source), output, kind, fps, as_json)
        return
    check_motion_output(output, kind, force=force)
    length = parse_seconds(seconds, "--seconds")
    preview_size = parse_size(size)
    if preview is not None:
        check_video(preview, force=force)
    if camera is not None:
        check_camera(camera)
    options: dict[str, Any] = {"seed": seed, "style": style, "steps": steps, "guidance": guidance}
    told: dict[str, Any]
    if timeline is not None:
        if seconds is not None:
            raise ValueError("--seconds: a timeline says itself how long it is")
        plan = Timeline.load(timeline)
        text = "; ".join(block.text for block in plan.blocks)
        told = {"timeline": plan.document()}
        pipeline = motion_model(model)
        from kinema.motion import timeline_motion

        with counting("making the motion") as on:
            motion = timeline_motion.make_timeline(pipeline, plan, progress=on, **options)
    else:
        assert source is not None
        parts, text = split(source, endpoint, endpoint_model), source
        camera = parts.camera if camera is None else camera
        told = {"prompt": source, "motion_prompt": parts.motion, "seconds": length}
        pipeline = motion_model(model)
        with counting("making the motion") as on:
            motion = pipeline(parts.motion, length, progress=on, **options)
    if fps is not None:
        motion = motion.resample(fps)
    settings: dict[str, Any] = {
        "command": "motion",
        **told,
        "camera": camera,
        "seed": seed,
        "style": style,
        **sampling_settings(pipeline, steps=steps, guidance=guidance),
        "model": "embedded" if model is None else model.name,
    }
    scene = seen_by(Scene((motion,), None, motion.fps, text), camera, preview_size)
    write_scene_or_motion(output, scene, kind, settings)
    work.written.append(str(output))
    if preview is not None:
        film_preview(preview, scene, preview_size, seed, settings)
        settings["preview"] = preview
    said = f"{output}: {_words(motion)}" + ("" if preview is None else f"\n{preview}: the preview")
    result({"output": str(output), **settings, **_facts(motion)}, said, as_json)


def _refuse_text_options(**options: object) -> None:
    """Options of making motion say nothing about a file that is converted."""
    for name, value in options.items():
        if value is not None:
            raise ValueError(
                f"--{name} is for prompts, and a file is converted here; `kinema motion convert` has options for files"
            )


def _convert(source: Path, target: Path, kind: str | None, fps: float | None, as_json: bool) -> None:
    from kinema.app.capturing import person_of
    from kinema.app.progress import Bars
    from kinema.scene.formats import write_motion

    motion = person_of(source, 0, Bars())
    motion = motion if fps is None else motion.resample(fps)
    write_motion(target, motion, format=kind)
    result({"output": str(target), **_facts(motion)}, f"{target}: {_words(motion)}", as_json)


@app.command()
@reads_motion
@takes_part
def convert(
    source: Path = typer.Argument(..., help="The motion file to read, or a video."),
    target: Path = typer.Argument(..., help="The file to write; its suffix decides the format."),
    fps: float | None = FPS,
    skeleton: str | None = typer.Option(None, "--as", help="Convert to this skeleton; 'smpl24' is known."),
    mirror: bool = typer.Option(False, "--mirror", help="Swap left and right."),
    part: Part = PART,
    kind: str | None = typer.Option(
        None, "--format", help="For .npz: kinema, amass or kimodo. Default: kinema."
    ),
    reading: MotionReading = READING,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Convert a motion file into another format."""
    from kinema.app.capturing import person_of
    from kinema.app.progress import Bars
    from kinema.app.request import FromFile, only_part
    from kinema.app.text_motion import check_motion_output
    from kinema.scene import Scene
    from kinema.scene.formats import write_motion

    check_motion_output(target, kind, force=force)
    narrowed, part = only_part(FromFile.read_as(source, reading), part)
    motion = person_of(narrowed, 0, Bars())
    if (shorter := part.shortfall(motion.duration)) is not None:
        note(shorter)
    motion = part.of(Scene((motion,), None, motion.fps)).people[0]
    if part.seconds is not None and motion.duration > part.seconds:
        motion = motion.crop(0.0, part.seconds)
    if fps is not None:
        motion = motion.resample(fps)
    if skeleton is not None:
        if skeleton != "smpl24":
            raise ValueError(f"--as {skeleton}: only smpl24 is known")
        motion = motion.to_smpl24()
    if mirror:
        motion = motion.mirror()
    write_motion(target, motion, format=kind)
    result({"output": str(target), **_facts(motion)}, f"{target}: {_words(motion)}", as_json)


@app.command()
@reads_motion
def info(
    file: Path = typer.Argument(..., help="A motion or scene file, or a video."),
    reading: MotionReading = READING,
    as_json: bool = JSON,
) -> None:
    """Say what is in a motion or scene file."""
    from kinema.app.capturing import scene_of
    from kinema.app.progress import Bars
    from kinema.app.request import FromFile

    scene = scene_of(FromFile.read_as(file, reading), Bars())
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
