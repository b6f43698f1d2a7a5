"""`kinema evaluate capture`: how rightly videos are read."""

from __future__ import annotations

from pathlib import Path

import typer

from kinema.app.commands.shared import FORCE, JSON
from kinema.app.console import result
from kinema.app.inputs import check_report


def capture(
    takes: int | None = typer.Option(
        None, min=1, help="How many takes of unseen motions. Default: 64; 3 with --degrade."
    ),
    seed: int = typer.Option(0, help="Chooses conditions, clips, actors, worlds and cameras."),
    degrade: bool = typer.Option(
        False,
        "--degrade",
        help="Instead: noise, blur, low resolution and dropped keypoints in growing strength.",
    ),
    detector: str = typer.Option("mediapipe", help="The detector, as for `kinema capture`."),
    model: Path | None = typer.Option(None, help="The detector's file."),
    library: Path | None = typer.Option(
        None, help="Folder of the motion library. Default: $KINEMA_MOTION_DATA."
    ),
    output: Path | None = typer.Option(None, "--out", "-o", help="Folder for the full report, take by take."),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Are videos read rightly? Takes with exact truth under crossed conditions, beside the floor of perfect input."""
    check_report(output, "capture_degraded.json" if degrade else "capture.json", force=force)
    if degrade:
        from kinema.evaluation.protocols.capture_degrade import degradation_table, evaluate_degradation

        decay = evaluate_degradation(
            takes=takes or 3, seed=seed, detector=detector, model=model, out=output, library=library
        )
        result(decay, degradation_table(decay), as_json)
        return
    from kinema.evaluation.protocols.capture import evaluate_capture

    figures = evaluate_capture(
        takes=takes or 64, seed=seed, detector=detector, model=model, out=output, library=library
    )
    names = ("detection", "pck", "pa_mpjpe_mm", "mpjpe_mm", "camera_rotation_deg", "id_switches", "fps")
    result(figures, "\n".join(f"{name:<22}{figures[name]}" for name in names), as_json)
