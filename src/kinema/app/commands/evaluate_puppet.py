"""`kinema evaluate puppet`: how like the truth rough takes are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from kinema.app.commands.shared import FORCE, JSON
from kinema.app.console import result
from kinema.app.inputs import check_report, parse_size

_COLUMNS = ("psnr_person", "psnr_both", "ssim", "iou", "holes", "identity_iou", "standing_sole_m")


def puppet(
    takes: int = typer.Option(12, min=1, max=12, help="How many of the protocol's takes, from the first."),
    size: str = typer.Option("512x768", help="Width x height in pixels."),
    seed: int = typer.Option(0, help="Chooses actors and worlds."),
    output: Path | None = typer.Option(None, "--out", "-o", help="Folder for the full report, take by take."),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Are rough takes like the truth? Stage actors from one picture each, beside a frozen picture and a flat cut-out."""
    check_report(output, "puppet.json", force=force)
    width_height = parse_size(size)
    from kinema.evaluation.puppet import TAKES, puppet_protocol
    from kinema.scene.formats.files import atomic_write

    rows = puppet_protocol(TAKES[:takes], width_height, seed)
    means = {method: _means(rows, method) for method in dict.fromkeys(row["method"] for row in rows)}
    facts = {"takes": takes, "size": width_height, "seed": seed, "methods": means}
    if output is not None:
        with atomic_write(output / "puppet.json") as temporary:
            temporary.write_text(json.dumps({**facts, "rows": rows}, indent=1), encoding="utf-8")
    lines = [f"{'method':<10}" + "".join(f"{name:>17}" for name in _COLUMNS)]
    for method, values in means.items():
        lines.append(
            f"{method:<10}" + "".join(f"{values[n]:>17.4g}" if n in values else f"{'':>17}" for n in _COLUMNS)
        )
    result(facts, "\n".join(lines), as_json)


def _means(rows: list[dict[str, Any]], method: str) -> dict[str, float]:
    """Means over the takes in which a method has a figure."""
    own = [row for row in rows if row["method"] == method]
    known = {name: [row[name] for row in own if name in row] for name in _COLUMNS}
    return {name: sum(values) / len(values) for name, values in known.items() if values}
