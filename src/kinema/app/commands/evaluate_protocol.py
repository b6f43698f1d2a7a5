"""`kinema evaluate protocol`: a paper's test set, videos and table, in one command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from kinema.app.commands import compare as common
from kinema.app.commands.model_options import MODEL, SAMPLING, chooses_model, samples
from kinema.app.commands.shared import JSON
from kinema.app.console import result

if TYPE_CHECKING:
    from kinema.app.request import ModelChoice, Sampling


@chooses_model(without=("backbone", "parallel"))
@samples(without=("takes", "score"))
def protocol(
    name: str = typer.Argument(..., help="tiktok, humanvid, re10k or mosa-prompts."),
    backbone: str = typer.Option(
        ..., "--model", help="Whose videos: a name that `kinema models` lists, or a folder."
    ),
    output: Path = typer.Option(
        ..., "--out", "-o", help="Folder of test set, videos and figures; the same command goes on with it."
    ),
    data: Path | None = typer.Option(
        None,
        help="Your copy of the set in its own layout, or a data.toml; of re10k also a .json list, of prompts a .txt.",
    ),
    convention: str | None = typer.Option(None, help="Of HumanVid's cameras: c2w (web) or w2c (rendered)."),
    ids: Path | None = typer.Option(None, help="File with names of clips, a line each, instead of the rule."),
    scenes: Path | None = typer.Option(
        None, help="Folder of NAME.npz by `kinema capture`, for sets that have no people in their files."
    ),
    reference: Path | None = typer.Option(
        None, help="Of mosa-prompts: folder of real videos for FVD, named 0000, 0001, ..."
    ),
    limit: int | None = typer.Option(None, min=1, help="Clips at most, for a trial."),
    frames: int | None = typer.Option(None, min=1, help="Frames of a clip. Default: the model's own window."),
    capture: bool = typer.Option(
        True, "--capture/--no-capture", help="Find people in clips that come without a scene, on the CPU."
    ),
    floors: bool = typer.Option(
        True, "--floors/--no-floors", help="Also the first frame held, and rough takes where people move."
    ),
    model: ModelChoice = MODEL,
    sampling: Sampling = SAMPLING,
    weights: list[str] = common.WEIGHTS,
    allow_code: bool = common.ALLOW_CODE,
    judge: str | None = typer.Option(
        None,
        help="Of people: mediapipe, FILE.onnx or FILE.onnx,YOLOX.onnx; else PoseErr and DetErr are missing.",
    ),
    ladder: int = common.LADDER,
    workers: int = common.WORKERS,
    list_part: str | None = typer.Option(
        None, "--part", help="N/M: make this part of the videos alone; without it afterwards for the figures."
    ),
    as_json: bool = JSON,
) -> None:
    """Run a paper's protocol: its test set from your copy, its videos, its table beside the paper's numbers."""
    from kinema.app.batch import BatchReport
    from kinema.app.commands.generate import parse_part
    from kinema.app.progress import Bars
    from kinema.app.protocol import ProtocolAsked, run_protocol
    from kinema.evaluation.protocols.published_split import SplitAsked
    from kinema.evaluation.protocols.published_table import text_table

    options = common.video_options(weights, allow_code, judge, True, True, workers, sampling.seed, None)
    if options.people is None and judge is not None:
        raise ValueError(f"--judge {judge}: give mediapipe, or an .onnx file")
    made = run_protocol(
        ProtocolAsked(
            name,
            SplitAsked(data, convention, ids, scenes, sampling.seed, limit),
            output,
            replace(model, backbone=backbone),
            sampling,
            options,
            reference=reference,
            frames=frames,
            capture=capture,
            floors=floors,
            ladder=ladder,
            part=None if list_part is None else parse_part(list_part),
        ),
        Bars(),
    )
    if isinstance(made, BatchReport):
        said = "once all parts are made, the same command without --part or torchrun makes the figures"
        result(made.facts(), f"{made.text}\n{said}", as_json)
        if made.failed:
            raise typer.Exit(2 if all(each.mendable for each in made.failed) else 1)
        return
    report: dict[str, Any] = made
    result(report, f"{text_table(report)}\n\n{output / 'protocol.html'}: the table", as_json)
