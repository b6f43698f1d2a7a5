"""`kinema compare`: which of two folders of videos is better, or that it cannot be said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kinema.app.commands.shared import FORCE, JSON
from kinema.app.console import result
from kinema.app.inputs import check_output, check_report

if TYPE_CHECKING:
    from kinema.evaluation.protocols.videos_bench import Options

REFERENCE: Path | None = typer.Option(
    None, help="Folder of the videos they should be like, with the same names."
)
MANIFEST: Path | None = typer.Option(
    None, help="A manifest: clips, their form, sha256s, prompts, masks, scenes (docs/evaluation.md)."
)
WEIGHTS: list[str] = typer.Option(
    [], help="NAME=PATH or NAME=PATH@sha256 of a network that is not in the package; repeatable."
)
ALLOW_CODE: bool = typer.Option(
    False,
    "--allow-code",
    help="Run TorchScript archives among the weights: they are programs. Needs their sha256.",
)
JUDGE: str | None = typer.Option(
    None,
    help="Of films of people: mediapipe, or FILE.onnx (DWPose, RTMW; FILE.onnx,YOLOX.onnx) adds PoseErr and DetErr of "
    "matched people. Of films of the stage: folder of a keypoint network. Default: the embedded one.",
)
CAMERAS: bool = typer.Option(
    False,
    "--cameras",
    help="Also RotErr, TransErr and CamMC by pycolmap, seconds a video; its failures are counted.",
)
LEGACY: bool = typer.Option(
    False, "--legacy", help="Also the scores of published TikTok tables, mistakes included, named so."
)
LADDER: int = typer.Option(24, min=0, help="Clips of the sanity ladder at most; 0 for none.")
WORKERS: int = typer.Option(1, min=1, max=256, help="Threads. Figures do not depend on it.")
SEED: int = typer.Option(0, help="Of resampling and of shuffled clips.")
FPS: float | None = typer.Option(None, help="Frames per second of PNG frames, which state none.")
HTML: Path | None = typer.Option(None, help="File for one self-contained report with the videos (.html).")
OUT: Path | None = typer.Option(None, "--out", "-o", help="Folder for everything measured, clip by clip.")


def compare(
    a: Path = typer.Argument(..., help="Folder of videos or of PNG folders."),
    b: Path = typer.Argument(..., help="Another, of the same clips."),
    reference: Path | None = REFERENCE,
    manifest: Path | None = MANIFEST,
    weights: list[str] = WEIGHTS,
    allow_code: bool = ALLOW_CODE,
    judge: str | None = JUDGE,
    cameras: bool = CAMERAS,
    legacy: bool = LEGACY,
    ladder: int = LADDER,
    workers: int = WORKERS,
    seed: int = SEED,
    fps: float | None = FPS,
    html: Path | None = HTML,
    output: Path | None = OUT,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Compare two folders of videos of the same clips, pair by pair: A better, B better, or undecidable."""
    from kinema.evaluation.protocols.compare import compare_videos, table

    check_report(output, "compare.json", force=force)
    if html is not None:
        check_output(html, ".html", ".htm", force=force)
    report = compare_videos(
        a,
        b,
        video_options(weights, allow_code, judge, cameras, legacy, workers, seed, fps),
        reference=reference,
        manifest=manifest,
        ladder=ladder,
        out=output,
        html=html,
    )
    result(brief(report), table(report), as_json)


def video_options(
    weights: list[str],
    allow_code: bool,
    judge: str | None,
    cameras: bool,
    legacy: bool,
    workers: int,
    seed: int,
    fps: float | None,
) -> Options:
    """What `evaluate videos` and `compare` say in the same way."""
    from kinema.evaluation.judges.people import names_people_judge
    from kinema.evaluation.protocols.videos_bench import Options

    of_people = judge is not None and names_people_judge(judge)
    return Options(
        fps=fps,
        weights=weights,
        allow_code=allow_code,
        judge=None if of_people else judge,
        people=judge if of_people else None,
        cameras=cameras,
        legacy=legacy,
        workers=workers,
        seed=seed,
        progress=True,
    )


def brief(report: dict[str, Any]) -> dict[str, Any]:
    """The report without what only files need: the clips one by one."""
    return {key: value for key, value in report.items() if key != "clips"}
