"""`kinema edit`: a motion changed as it is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kinema.app.commands.shared import FORCE, JSON, READING, reads_motion
from kinema.app.console import note, result, work

if TYPE_CHECKING:
    from kinema.scene import Motion
    from kinema.scene.formats.reading import MotionReading


_BY_MODEL = "is made by a model, which knows styles best: the whole body may change"
_UNKNOWN = (
    "is no edit that the model has learned: what comes out will be something else. It knows styles (like an old man, "
    "proudly); rules change speed (slower, at half speed), sides (mirrored), turns (turn less, in a straight line) and "
    "time (in reverse), and arms move besides (also wave with the left hand)"
)


@reads_motion
def edit(
    source: Path = typer.Argument(..., help="The motion or scene file to change, or a video."),
    change: str = typer.Argument(
        ...,
        metavar="CHANGE",
        help='What shall be changed, e.g. "slower", "twice as fast and mirrored", "turn less", "in reverse", "also wave '
        'with the left hand", "like an old man".',
    ),
    output: Path = typer.Option(..., "--output", "-o", help="The new file: .bvh, .glb, .npy or .npz."),
    editor: Path | None = typer.Option(
        None,
        "--with",
        help="The folder of an editor from `kinema train edit`, for what no rule makes. Default: the embedded one.",
    ),
    everything: bool = typer.Option(
        False, "--learned", help="Give the whole text to the editor, also what rules would make exactly."
    ),
    seed: int = typer.Option(0, help="Of the noise, where something is generated."),
    steps: int | None = typer.Option(None, min=1, max=200, help="Sampling steps. Default: the model's."),
    guidance: float = typer.Option(2.0, min=0, max=20, help="How much the text counts for an editor."),
    kind: str | None = typer.Option(
        None, "--format", help="For .npz: kinema, amass or kimodo. Default: what the suffix says."
    ),
    person: int | None = typer.Option(
        None, min=0, help="Of several people, counted from 0. Default: all that the new file can hold."
    ),
    reading: MotionReading = READING,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Change a motion as a text says; what is not named stays as it is."""
    from kinema.app.capturing import scene_of
    from kinema.app.converting import only_who_fits
    from kinema.app.motion_facts import facts_of, words_of
    from kinema.app.progress import Bars
    from kinema.app.request import FromFile
    from kinema.app.text_motion import check_motion_output, motion_model, write_scene_or_motion
    from kinema.motion.edit_rules import EditPlan, add_arms, plan_edit
    from kinema.scene import Scene

    check_motion_output(output, kind, force=force)
    plan = EditPlan(rest=change) if everything else plan_edit(change)
    progress = Bars()
    scene = scene_of(FromFile.read_as(source, reading), progress)
    scene = only_who_fits(scene, output, kind, person, progress)
    if scene.camera is not None:
        note("the camera of the scene is left out: it does not know of the change")
    generator: Any = motion_model(None) if plan.arms else None
    learned: Any = None
    if plan.rest:
        from kinema.motion.editor import MotionEditor

        learned = MotionEditor.from_pretrained(editor)
        note(f'"{plan.rest}" {_BY_MODEL if learned.knows(plan.rest) else _UNKNOWN}')

    def changed(motion: Motion) -> Motion:
        motion = plan(motion)
        for action in plan.arms:
            motion = add_arms(generator, motion, action, seed=seed, steps=steps)
        if learned is not None:
            motion = learned(motion, plan.rest, seed=seed, steps=steps, guidance=guidance)
        return motion

    people = tuple(changed(motion) for motion in scene.people)
    told = [*plan.told, *plan.arms]
    if learned is not None:
        told.append(f"{plan.rest} (by {learned.context})")
    settings: dict[str, Any] = {
        "command": "edit",
        "source": source.name,
        "change": change,
        "made": told,
        "seed": seed,
        "steps": steps,
        "guidance": guidance if learned is not None else None,
        "editor": None if learned is None else learned.context,
    }
    write_scene_or_motion(output, Scene(people, None, people[0].fps, scene.text), kind, settings)
    work.written.append(str(output))
    said = "\n".join([f"{output}: {'; '.join(told)}", *(words_of(motion) for motion in people)])
    result({"output": str(output), **settings, **facts_of(people[0])}, said, as_json)
