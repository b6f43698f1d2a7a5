"""`kinema describe`: what a motion shows, in words."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kinema.app.commands.shared import JSON, READING, reads_motion
from kinema.app.console import result

if TYPE_CHECKING:
    from kinema.scene.formats.reading import MotionReading


@reads_motion
def describe(
    source: Path = typer.Argument(..., help="A motion or scene file, or a video, which is captured first."),
    person: int | None = typer.Option(
        None, min=0, help="Of several people, counted from 0. Default: everybody."
    ),
    reading: MotionReading = READING,
    as_json: bool = JSON,
) -> None:
    """Say in words what people in a motion file or video do."""
    from kinema.app.capturing import scene_of
    from kinema.app.progress import Bars
    from kinema.app.request import FromFile
    from kinema.evaluation.captions import MotionDescriber, sentence
    from kinema.scene.cast import check_person

    scene = scene_of(FromFile.read_as(source, reading), Bars())
    if not scene.people:
        raise ValueError(f"{source}: a camera and nobody to describe")
    if person is not None:
        check_person(scene, person)
    tell = MotionDescriber()
    told = {
        number: tell(motion.fill_missing())
        for number, motion in enumerate(scene.people)
        if person in (None, number)
    }
    lines = []
    for number, parts in told.items():
        lines.append((f"person {number}: " if len(told) > 1 else "") + sentence(parts))
        lines += [
            f"  {part.start:.1f} to {part.end:.1f} s: {part.text} (likeness {part.likeness:.2f})"
            for part in parts
            if len(parts) > 1
        ]
    people = [
        {"person": number, "text": sentence(parts), "parts": [asdict(part) for part in parts]}
        for number, parts in told.items()
    ]
    result({"file": str(source), "people": people}, "\n".join(lines), as_json)
