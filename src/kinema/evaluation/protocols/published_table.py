"""A protocol's result: ours beside what papers printed, floors beside both; under it every convention that differs."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from kinema.evaluation.protocols.published import Protocol
from kinema.evaluation.protocols.videos import number
from kinema.scene.formats.files import atomic_write

OURS = "ours"


def build_table(
    protocol: Protocol,
    columns: Mapping[str, Mapping[str, float | None]],
    skipped: Mapping[str, str],
    failures: Mapping[str, int],
    judge: str | None,
) -> list[dict[str, Any]]:
    """The rows.

    Args:
        protocol: whose.
        columns: column -> our metric's label -> figure; the first is ours.
        skipped: metric, or what its name begins with -> why it was not measured.
        failures: column -> clips that failed.
        judge: name of the judge of people; None where there was none.

    Returns:
        title, metric, values (column -> figure or None), printed (system -> number), why (where ours is missing), note.
    """
    rows = []
    for figure in protocol.figures:
        label = figure.label.replace("JUDGE", judge or "mediapipe")
        values = {name: _times(found.get(label), figure.factor) for name, found in columns.items()}
        why = "" if values[OURS] is not None else _why(label, skipped, judge is not None)
        rows.append(
            {
                "title": figure.title,
                "metric": label,
                "values": values,
                "printed": dict(figure.printed),
                "why": why,
                "note": figure.note,
            }
        )
    return rows


def figures_of(report: Mapping[str, Any]) -> dict[str, float | None]:
    """Label -> mean, of a report of `evaluate_videos`."""
    found = {row["label"]: row["mean"] for row in report["metrics"].values()}
    return found | {row["label"]: row["value"] for row in report["sets"].values()}


def rung_of(report: Mapping[str, Any], rung: str) -> dict[str, float | None]:
    """Label -> mean on a rung of the report's ladder."""
    labels = {name: row["label"] for part in ("metrics", "sets") for name, row in report[part].items()}
    means = report["ladder"]["means"]
    return {labels[name]: each.get(rung) for name, each in means.items() if name in labels}


def means_of(scores: Mapping[str, np.ndarray], labels: Mapping[str, str]) -> dict[str, float | None]:
    """Label -> mean over the clips that have a value."""
    return {
        labels[name]: None if np.isnan(values).all() else float(np.nanmean(values))
        for name, values in scores.items()
    }


def text_table(result: Mapping[str, Any]) -> str:
    """The table as text, with what stands under it."""
    columns = list(result["columns"])
    head = ["", *columns, "printed by papers"]
    body = [
        [
            row["title"],
            *(number(row["values"][name]) for name in columns),
            ", ".join(_printed(row)),
        ]
        for row in result["rows"]
    ]
    widths = [max(len(line[k]) for line in [head, *body]) for k in range(len(head))]
    lines = [result["title"], ""]
    for line in [head, *body]:
        lines.append(
            "  ".join(
                cell.ljust(width) if k in (0, len(head) - 1) else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
        )
    return "\n".join([*lines, "", *_under(result)])


def write_html(path: Path, result: Mapping[str, Any]) -> None:
    """The table as one file that loads nothing."""
    columns = list(result["columns"])
    cells = ["<th></th>", *(f"<th>{escape(name)}</th>" for name in columns), "<th>printed by papers</th>"]
    body = []
    for row in result["rows"]:
        line = [f"<td>{escape(row['title'])}<br><code>{escape(row['metric'])}</code></td>"]
        line += [f'<td class="n">{number(row["values"][name])}</td>' for name in columns]
        line.append(f'<td class="p">{"<br>".join(escape(each) for each in _printed(row))}</td>')
        body.append(f"<tr>{''.join(line)}</tr>")
    under = "".join(f"<li>{escape(line)}</li>" for line in _under(result) if line)
    page = _PAGE.format(title=escape(result["title"]), head="".join(cells), body="\n".join(body), under=under)
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Kinema: {title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 24px auto; max-width: 1240px; padding: 0 24px; font: 14px/1.45 system-ui, sans-serif; }}
h1 {{ font-size: 21px; }} .scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 5px 14px 5px 0; border-bottom: 1px solid #8884; text-align: left; vertical-align: top; }}
th {{ white-space: nowrap; }} td.n {{ text-align: right; }} .p {{ color: #888; }}
code {{ font-size: 11.5px; color: #888; white-space: nowrap; }} li {{ margin: 3px 0; }}
</style></head><body>
<h1>{title}</h1>
<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>
{body}
</tbody></table></div>
<ul>{under}</ul>
</body></html>
"""


def _under(result: Mapping[str, Any]) -> list[str]:
    """Everything that stands under the table."""
    split = result["split"]
    form = split["form"]
    lines = [
        f"{split['clips']} clips of {form['frames']} frames, {form['size'][0]}x{form['size'][1]} at {form['fps']:g} fps; "
        f"which: {split['rule']}."
    ]
    if split.get("short"):
        lines.append(
            f"{len(split['short'])} clips were too short for that and were passed over: named in split.json."
        )
    failed = {name: count for name, count in result["failures"].items() if count}
    lines += [f"{name}: {count} clips failed; means leave them out." for name, count in failed.items()]
    lines += [f"{name}: {says}." for name, says in result["columns"].items() if says]
    lines += [f"{row['title']}: {row['note']}" for row in result["rows"] if row["note"]]
    lines += [f"Differs: {each}" for each in result["conventions"]]
    missing: dict[str, list[str]] = {}
    for row in result["rows"]:
        if row["why"]:
            missing.setdefault(row["why"], []).append(row["title"])
    lines += [f"Not measured: {', '.join(titles)}: {why}" for why, titles in missing.items()]
    return lines


def _printed(row: Mapping[str, Any]) -> list[str]:
    """Systems and their numbers, digit by digit as papers print them."""
    return [f"{name} {value:g}" for name, value in row["printed"].items()]


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None or not np.isfinite(value) else value * factor


def _why(label: str, skipped: Mapping[str, str], judged: bool) -> str:
    """Why a figure is not there."""
    base = label.partition("[")[0]
    for name, line in skipped.items():
        if name == label or base in [part.strip().partition("[")[0] for part in name.split(",")]:
            return line.removeprefix("skipped: ")
    if base in ("pose-err", "det-err"):
        return (
            "nobody was found" if judged else "no judge of people was named: --judge mediapipe or FILE.onnx"
        )
    if base in ("rot-err", "trans-err", "cam-mc", "colmap-failed"):
        return "no camera could be solved"
    return "no clip has a value"
