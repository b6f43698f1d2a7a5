"""`kinema library`: finds motions by text in a library of captured clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kinema.app.commands.shared import FORCE, JSON
from kinema.app.console import result

if TYPE_CHECKING:
    from kinema.data.motion_library import MotionLibrary


def library(
    query: str | None = typer.Argument(
        None, help="What people do, e.g. 'waves the left hand'. Without it: what the library holds."
    ),
    data: Path | None = typer.Option(
        None,
        help="The library: a folder with clips.jsonl, or motion files with captions (captions.jsonl, .csv, .txt, or "
        "NAME.txt beside each). Default: $KINEMA_MOTION_DATA.",
    ),
    humanml3d: Path | None = typer.Option(
        None, help="HumanML3D's folder (index.csv, texts/); --data is then AMASS' folder."
    ),
    split: str | None = typer.Option(None, help="Only this split: train, val, test or test_combo."),
    licence: str = typer.Option("any", help="any, or commercial: without non-commercial clips."),
    top: int = typer.Option(5, min=1, max=1000, help="How many clips."),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="Write the best one, as `kinema motion`."
    ),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Find motions by text in a motion library."""
    from kinema.app.text_motion import check_motion_output, counting

    if output is not None:
        check_motion_output(output, None, force=force)
        if query is None:
            raise ValueError("--output needs a query: say which motion to write")
    clips = _open(data, humanml3d).licensed(licence)
    clips = clips if split is None else clips.split(split)
    if query is None:
        _describe(clips, as_json)
        return

    from kinema.data.motion_search import MotionSearch
    from kinema.scene.formats import write_motion

    with counting("reading captions") as on:
        search = MotionSearch(clips, progress=on)
    found = search(query, top)
    rows = [
        {
            "id": one.clip.id,
            "caption": one.caption,
            "score": round(one.score, 4),
            "mirrored": one.mirrored,
            "seconds": round(one.clip.seconds, 2),
            "licence": one.clip.licence,
        }
        for one in found
    ]
    lines = [
        f"{one.score:5.2f}  {one.clip.seconds:5.1f} s  {one.clip.id}"
        f"{' (mirrored)' if one.mirrored else ''}: {one.caption}"
        for one in found
    ]
    if output is not None:
        if not found:
            raise ValueError(f"nothing in the library fits {query!r}")
        write_motion(output, found[0].motion())
        lines.append(f"{output}: the first of them")
    result(
        {"query": query, "found": rows, "output": None if output is None else str(output)},
        "\n".join(lines) or "nothing fits",
        as_json,
    )


def _open(data: Path | None, humanml3d: Path | None) -> MotionLibrary:
    """The library that the options name."""
    from kinema.data.humanml3d_set import open_humanml3d
    from kinema.data.motion_library import MotionLibrary
    from kinema.data.user_motions import open_motion_folder

    if humanml3d is not None:
        if data is None:
            raise ValueError("--humanml3d holds texts alone; give AMASS' folder with --data")
        return open_humanml3d(humanml3d, data)
    if data is None or (data / "clips.jsonl").is_file():
        return MotionLibrary.open(data)
    return open_motion_folder(data)


def _describe(clips: MotionLibrary, as_json: bool) -> None:
    """How much there is, by split and licence."""
    from collections import Counter

    hours = sum(clip.seconds for clip in clips) / 3600
    splits = Counter(clip.split for clip in clips)
    licences = Counter(clip.licence for clip in clips)
    lines = [f"{len(clips)} clips, {hours:.2f} h"]
    lines += [f"  {name}: {count}" for name, count in sorted(splits.items())]
    lines += [f"  {name}: {count}" for name, count in licences.most_common()]
    result(
        {"clips": len(clips), "hours": round(hours, 4), "splits": splits, "licences": licences},
        "\n".join(lines),
        as_json,
    )
