"""`kinema evaluate`: figures, beside their floors and zeros."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from kinema.app.commands import compare as common
from kinema.app.commands.evaluate_capture import capture as capture_command
from kinema.app.commands.shared import JSON
from kinema.app.console import result

app = typer.Typer(help="Measure the models; every figure beside its floors and zeros.", no_args_is_help=True)

COLUMNS = ("render", "roundtrip", "generated", "shuffled", "frozen")


@app.callback()
def protocols() -> None:
    """Measure the models; every figure beside its floors and zeros."""


@app.command()
def control(
    clips: int = typer.Option(32, help="How many unseen motions."),
    seed: int = typer.Option(0, help="Chooses clips, films and noise."),
    steps: int | None = typer.Option(None, help="Denoising steps. Default: the model's own."),
    adapter: list[str] = typer.Option(
        ["tokenmotion"], "--control", "--adapter", help="The control method to judge; repeatable."
    ),
    backbone: str = typer.Option("mini", help="An embedded model, or a folder."),
    judge: Path | None = typer.Option(None, help="Folder of a keypoint network. Default: the embedded one."),
    library: Path | None = typer.Option(
        None, help="Folder of the motion library. Default: $KINEMA_MOTION_DATA."
    ),
    output: Path | None = typer.Option(None, "--out", "-o", help="Folder for the full report and pictures."),
    as_json: bool = JSON,
) -> None:
    """Is the control followed? Three judges on unseen motions."""
    from kinema.evaluation.protocols.control import evaluate_control

    figures = evaluate_control(
        clips=clips,
        seed=seed,
        steps=steps,
        adapters=adapter,
        out=output,
        pipeline=backbone,
        judge=judge,
        library=library,
    )
    lines = [f"{'':<34}" + "".join(f"{column:>11}" for column in COLUMNS)]
    for name, scores in figures.items():
        lines += _rows(name, scores)
    result(figures, "\n".join(lines), as_json)


@app.command()
def judges(
    clips: int = typer.Option(32, help="How many unseen motions."),
    seed: int = typer.Option(0, help="Chooses clips and films."),
    judge: Path | None = typer.Option(None, help="Folder of a keypoint network. Default: the embedded one."),
    library: Path | None = typer.Option(
        None, help="Folder of the motion library. Default: $KINEMA_MOTION_DATA."
    ),
    output: Path | None = typer.Option(None, "--out", "-o", help="File for the figures (.json)."),
    as_json: bool = JSON,
) -> None:
    """What are the judges worth? Their figures on renders that are blurred, noisy, smeared or empty."""
    from kinema.evaluation.protocols.judges import evaluate_judges

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
    as_json: bool = JSON,
) -> None:
    """Does motion do what the text says, and does it look real? Measured, and by a learned judge."""
    from kinema.evaluation.protocols.motion import evaluate_motion
    from kinema.evaluation.protocols.motion_report import table
    from kinema.structure.motion_pipeline import TextToMotionPipeline

    figures = evaluate_motion(
        TextToMotionPipeline.from_pretrained(model),
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
    judge: Path | None = common.JUDGE,
    legacy: bool = common.LEGACY,
    ladder: int = common.LADDER,
    workers: int = common.WORKERS,
    seed: int = common.SEED,
    fps: float | None = common.FPS,
    html: Path | None = common.HTML,
    output: Path | None = common.OUT,
    as_json: bool = JSON,
) -> None:
    """Measure a folder of videos, with or without references; what each metric is worth stands beside it."""
    from kinema.evaluation.protocols.videos import evaluate_videos, table

    report = evaluate_videos(
        generated,
        common.video_options(weights, allow_code, judge, legacy, workers, seed, fps),
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
    as_json: bool = JSON,
) -> None:
    """Write the manifest of a test set: names, lengths, sizes, rates and sha256s of its reference videos."""
    from kinema.evaluation.protocols.videos_folder import ClipFolder
    from kinema.evaluation.protocols.videos_manifest import write_manifest

    clips = write_manifest(output, ClipFolder(reference, common.read, fps), fps)["clips"]
    result({"output": str(output), "clips": len(clips)}, f"{output}: {len(clips)} clips", as_json)


app.command("capture")(capture_command)


def _rows(adapter: str, scores: dict[str, Any]) -> list[str]:
    """One line per judge; the first figure of a judge is that of the generated videos."""
    judges = {"keypoint network, PCK@0.1H": scores, "MediaPipe, PCK@0.1H": scores["mediapipe"]}
    rows = [f"{adapter}, {scores['clips']} clips"]
    for judge, values in judges.items():
        if isinstance(values, str):
            rows.append(f"  {judge:<32}{values}")
            continue
        keys = ["pck" if column == "generated" else f"pck_{column}" for column in COLUMNS]
        rows.append(f"  {judge:<32}" + "".join(_cell(values.get(key)) for key in keys))
    return [*rows, f"  {'silhouette IoU':<32}" + "".join(_cell(scores["iou"].get(c)) for c in COLUMNS)]


def _cell(value: float | None) -> str:
    return f"{'-':>11}" if value is None else f"{value:>11.3f}"
