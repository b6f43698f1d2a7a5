"""`kinema evaluate control`, `bench`, `robustness` and `shapes`: is the scene followed, and nothing else moved?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from kinema.app.commands.shared import FORCE, JSON
from kinema.app.console import result
from kinema.app.inputs import check_report
from kinema.video.registry import EMBEDDED

COLUMNS = ("render", "roundtrip", "generated", "shuffled", "frozen")

ADAPTER = typer.Option(
    ["tokenmotion"],
    "--control",
    "--adapter",
    help="The control method to judge; repeatable. Several joined by a comma work together: mosa,tokenmotion:camera. "
    "`plates`, the room without people that the model starts from, is judged like one.",
)
SEED = typer.Option(0, help="Chooses clips, films and noise.")
STEPS = typer.Option(None, help="Denoising steps. Default: the model's own.")
BACKBONE = typer.Option(EMBEDDED, help="A name that `kinema models` lists, or a folder of weights.")
JUDGE = typer.Option(None, help="Folder of a keypoint network. Default: the embedded one.")
LIBRARY = typer.Option(None, help="Folder of the motion library. Default: $KINEMA_MOTION_DATA.")
OUT = typer.Option(None, "--out", "-o", help="Folder for the full report.")


def control(
    clips: int = typer.Option(32, min=2, help="How many unseen motions."),
    joint: int = typer.Option(
        16, min=0, help="How many of them are also made with pose alone, camera alone and neither. 0: none."
    ),
    bases: int = typer.Option(
        4, min=0, help="Films whose edits give the disentanglement matrix, 21 videos each. 0: leave it out."
    ),
    seed: int = SEED,
    steps: int | None = STEPS,
    adapter: list[str] = ADAPTER,
    backbone: str = BACKBONE,
    judge: Path | None = JUDGE,
    library: Path | None = LIBRARY,
    output: Path | None = OUT,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Is the control followed? Pose and camera by independent judges, on unseen motions."""
    from kinema.evaluation.protocols.control import evaluate_control
    from kinema.media.video import write_video

    check_report(output, "control.json", force=force)
    figures = evaluate_control(
        clips=clips,
        joint=joint,
        bases=bases,
        seed=seed,
        steps=steps,
        adapters=adapter,
        out=output,
        pipeline=backbone,
        judge=judge,
        library=library,
        write_video=write_video,
    )
    lines = [f"{'':<34}" + "".join(f"{column:>11}" for column in COLUMNS)]
    for name, scores in figures.items():
        lines += _rows(name, scores)
    result(figures, "\n".join(lines), as_json)


def bench(
    bases: int = typer.Option(12, min=2, help="Films that are edited, 21 videos each."),
    seed: int = SEED,
    steps: int | None = STEPS,
    adapter: list[str] = ADAPTER,
    backbone: str = BACKBONE,
    judge: Path | None = JUDGE,
    library: Path | None = LIBRARY,
    output: Path | None = OUT,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Does every control move its own thing only? The disentanglement matrix, beside the renderer's."""
    from kinema.evaluation.protocols.bench import evaluate_bench, table

    check_report(output, "bench.json", force=force)
    figures = evaluate_bench(
        bases=bases,
        seed=seed,
        steps=steps,
        adapters=adapter,
        out=output,
        pipeline=backbone,
        judge=judge,
        library=library,
    )
    result(figures, table(figures), as_json)


def robustness(
    clips: int = typer.Option(16, min=2, help="How many unseen motions."),
    seed: int = SEED,
    steps: int | None = STEPS,
    adapter: list[str] = ADAPTER,
    backbone: str = BACKBONE,
    judge: Path | None = JUDGE,
    library: Path | None = LIBRARY,
    output: Path | None = OUT,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """How gently does control degrade? Missing joints, swapped people, jitter and dropped frames, ever stronger."""
    from kinema.evaluation.protocols.robustness import evaluate_robustness, table

    check_report(output, "robustness.json", force=force)
    figures = evaluate_robustness(
        clips=clips,
        seed=seed,
        steps=steps,
        adapters=adapter,
        out=output,
        pipeline=backbone,
        judge=judge,
        library=library,
    )
    result(figures, table(figures), as_json)


def shapes(
    clips: int = typer.Option(16, min=1, help="How many unseen motions; four bodies take turns."),
    seed: int = SEED,
    steps: int | None = STEPS,
    adapter: list[str] = ADAPTER,
    backbone: str = BACKBONE,
    judge: Path | None = JUDGE,
    library: Path | None = LIBRARY,
    output: Path | None = OUT,
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Is a motion taken over by a character of another build, or the driver's body with it?"""
    from kinema.evaluation.protocols.body_shapes import evaluate_shapes, table

    check_report(output, "shapes.json", force=force)
    figures = evaluate_shapes(
        clips=clips,
        seed=seed,
        steps=steps,
        adapters=adapter,
        out=output,
        pipeline=backbone,
        judge=judge,
        library=library,
    )
    result(figures, table(figures), as_json)


def _rows(adapter: str, scores: dict[str, Any]) -> list[str]:
    """One line per judge; the first figure of a judge is that of the generated videos."""
    judges = {"keypoint network, PCK@0.1H": scores, "MediaPipe, PCK@0.1H": scores["mediapipe"]}
    rows = [f"{adapter}, {scores['takes']} takes"]
    for judge, values in judges.items():
        if isinstance(values, str):
            rows.append(f"  {judge:<32}{values}")
            continue
        keys = ["pck" if column == "generated" else f"pck_{column}" for column in COLUMNS]
        rows.append(f"  {judge:<32}" + "".join(_cell(values.get(key)) for key in keys))
    for title, name in (("PCK, left and right exchanged", "either_side"), ("silhouette IoU", "iou")):
        rows.append(f"  {title:<32}" + "".join(_cell(scores[name].get(column)) for column in COLUMNS))
    camera = scores["camera"]
    for judge in ("align", "follow"):
        keys = ["rotation_deg" if column == "generated" else f"{column}_deg" for column in COLUMNS]
        title = f"camera by {judge}, degrees off"
        rows.append(f"  {title:<32}" + "".join(_cell(camera[judge].get(key)) for key in keys))
    rows.append(
        f"  {camera['takes']} takes turn the camera; in the {camera['still_takes']} others the picture turns by "
        f"{_plain(camera['align']['still_deg'])} degrees"
    )
    if "joint" in scores:
        joint = scores["joint"]
        for name in ("both", "pose_only", "camera_only", "none"):
            row = joint[name]
            title = f"signals: {name.replace('_', ' ')}"
            rows.append(
                f"  {title:<32}PCK {_plain(row['pck'])}  IoU {_plain(row['iou'])}  "
                f"camera {_plain(row['camera_rotation_deg'])} degrees off ({joint['takes']} takes)"
            )
        ladder = scores["ladder"]
        steps = " ".join(f"{rung} {value:.2f}" for rung, value in ladder["pck"].items())
        rows.append(
            f"  ladder of PCK: {steps}; metrics {'admitted' if ladder['admitted'] else 'NOT admitted'}"
        )
    if "bench" in scores:
        gains = ", ".join(f"{name} {_plain(value)}" for name, value in scores["bench"]["gain"].items())
        rows.append(f"  gains: {gains}")
        rows.append(f"  largest leak {_plain(scores['leak_max'])} ({scores['bench']['leak_max_at']})")
    return rows


def _cell(value: float | None) -> str:
    return f"{'-':>11}" if value is None else f"{value:>11.3f}"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
