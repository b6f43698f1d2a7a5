"""`kinema evaluate`: figures, beside their floors and zeros."""

from __future__ import annotations

from pathlib import Path

import typer

from kinema.app.commands import compare as common
from kinema.app.commands import evaluate_control
from kinema.app.commands.evaluate_capture import capture as capture_command
from kinema.app.commands.evaluate_protocol import protocol as protocol_command
from kinema.app.commands.evaluate_puppet import puppet as puppet_command
from kinema.app.commands.shared import FORCE, JSON
from kinema.app.console import result
from kinema.app.inputs import check_output, check_report

app = typer.Typer(help="Measure the models; every figure beside its floors and zeros.", no_args_is_help=True)


@app.callback()
def protocols() -> None:
    """Measure the models; every figure beside its floors and zeros."""


app.command("control")(evaluate_control.control)
app.command("bench")(evaluate_control.bench)
app.command("robustness")(evaluate_control.robustness)
app.command("shapes")(evaluate_control.shapes)


@app.command()
def judges(
    clips: int = typer.Option(32, help="How many unseen motions."),
    seed: int = typer.Option(0, help="Chooses clips and films."),
    judge: Path | None = typer.Option(None, help="Folder of a keypoint network. Default: the embedded one."),
    library: Path | None = typer.Option(
        None, help="Folder of the motion library. Default: $KINEMA_MOTION_DATA."
    ),
    output: Path | None = typer.Option(None, "--out", "-o", help="File for the figures (.json)."),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """What are the judges worth? Their figures on renders that are blurred, noisy, smeared or empty."""
    from kinema.evaluation.protocols.judges import evaluate_judges

    if output is not None:
        check_output(output, force=force)
    figures = evaluate_judges(clips=clips, seed=seed, judge=judge, library=library, out=output)
    lines = []
    for name, values in figures.items():
        lines.append(f"{name}: somebody is seen in {values['nobody']:.3f} of empty frames")
        for degradation, scores in values.items():
            if isinstance(scores, dict) and "pck" in scores:
                lines.append(
                    f"  {degradation:<12}"
                    + "".join(f"{key:>10} {value:.3f}" for key, value in scores.items())
                )
    result(figures, "\n".join(lines), as_json)


@app.command()
def motion(
    model: Path | None = typer.Option(
        None, help="Folder of a text-to-motion model. Default: the embedded one."
    ),
    clips: int = typer.Option(64, help="How many unseen clips of each test split."),
    seeds: int = typer.Option(3, help="How many motions of each prompt."),
    seed: int = typer.Option(0, help="Chooses clips, captions and pools."),
    constrained: int = typer.Option(16, help="How many clips give constraints."),
    judge: Path | None = typer.Option(None, help="Folder of a motion judge. Default: the embedded one."),
    library: Path | None = typer.Option(
        None, help="Folder of the motion library. Default: $KINEMA_MOTION_DATA."
    ),
    output: Path | None = typer.Option(None, "--out", "-o", help="Folder for the full report, clip by clip."),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Does motion do what the text says, and does it look real? Measured, and by a learned judge."""
    from kinema.evaluation.protocols.motion import evaluate_motion
    from kinema.evaluation.protocols.motion_report import table
    from kinema.motion.generator import load_motion_generator

    check_report(output, "motion.json", force=force)
    figures = evaluate_motion(
        load_motion_generator(model),
        clips=clips,
        seeds=seeds,
        seed=seed,
        constrained=constrained,
        judge=judge,
        library=library,
        out=output,
    )
    result(figures, table(figures), as_json)


@app.command()
def videos(
    generated: Path = typer.Argument(..., help="Folder of videos or of PNG folders."),
    reference: Path | None = common.REFERENCE,
    manifest: Path | None = common.MANIFEST,
    weights: list[str] = common.WEIGHTS,
    allow_code: bool = common.ALLOW_CODE,
    judge: str | None = common.JUDGE,
    cameras: bool = common.CAMERAS,
    legacy: bool = common.LEGACY,
    ladder: int = common.LADDER,
    workers: int = common.WORKERS,
    seed: int = common.SEED,
    fps: float | None = common.FPS,
    html: Path | None = common.HTML,
    output: Path | None = common.OUT,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Measure a folder of videos, with or without references; what each metric is worth stands beside it."""
    from kinema.evaluation.protocols.videos import evaluate_videos, table

    check_report(output, "videos.json", force=force)
    if html is not None:
        check_output(html, ".html", ".htm", force=force)
    report = evaluate_videos(
        generated,
        common.video_options(weights, allow_code, judge, cameras, legacy, workers, seed, fps),
        reference=reference,
        manifest=manifest,
        ladder=ladder,
        out=output,
        html=html,
    )
    result(common.brief(report), table(report), as_json)


@app.command()
def manifest(
    reference: Path = typer.Argument(..., help="Folder of reference videos or of PNG folders."),
    output: Path = typer.Option(..., "--output", "-o", help="The manifest (.json)."),
    fps: float | None = common.FPS,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Write the manifest of a test set: names, lengths, sizes, rates and sha256s of its reference videos."""
    from kinema.evaluation.protocols.videos_folder import ClipFolder
    from kinema.evaluation.protocols.videos_manifest import write_manifest

    check_output(output, force=force)
    clips = write_manifest(output, ClipFolder(reference, fps), fps)["clips"]
    result({"output": str(output), "clips": len(clips)}, f"{output}: {len(clips)} clips", as_json)


app.command("capture")(capture_command)
app.command("puppet")(puppet_command)
app.command("protocol")(protocol_command)
