"""`kinema evaluate videos`: a folder of generated clips measured, beside floors, nulls and what each metric is worth."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import kinema
from kinema.evaluation.protocols.videos_bench import Bench, Options, SeenSet, open_bench
from kinema.evaluation.protocols.videos_ladder import run_ladder
from kinema.evaluation.protocols.videos_metric import ClipMetric, SetMetric
from kinema.evaluation.protocols.videos_sets import set_score
from kinema.evaluation.statistics import clip_bootstrap
from kinema.scene.formats.files import atomic_write

PROTOCOL = "videos-1"
LADDER_CLIPS = 24


def evaluate_videos(
    generated: str | Path,
    options: Options,
    *,
    reference: str | Path | None = None,
    manifest: str | Path | None = None,
    ladder: int = LADDER_CLIPS,
    out: str | Path | None = None,
    html: str | Path | None = None,
    bench: Bench | None = None,
) -> dict[str, Any]:
    """Measures a folder of generated clips.

    Args:
        generated: folder of videos or of PNG folders.
        options: how to read and measure.
        reference: folder of the clips they should be like, with the same names.
        manifest: which clips there must be, and what is known about them.
        ladder: clips of the sanity ladder at most; 0 for none.
        out: folder for `videos.json`.
        html: file for the report.
        bench: opened already with the same arguments, to be used further.

    Returns:
        protocol, settings, failures (clip -> why), metrics (name -> figures), sets, skipped, ladder, clips.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: clips, references, manifest or weights do not fit; nothing was scored.
    """
    bench = bench or open_bench(reference, manifest, options, generated)
    clips, failures = bench.open(generated)
    seen = bench.look(clips, failures, "the generated clips")
    scores = bench.score(seen, "the generated clips")
    rungs = run_ladder(bench, ladder)
    report: dict[str, Any] = {
        "protocol": PROTOCOL,
        "kinema": kinema.__version__,
        "settings": {"generated": str(clips.folder), **bench.settings()},
        "failures": failures,
        "metrics": {m.name: _figures(m, scores[m.name], bench, rungs) for m in bench.metrics},
        "sets": {
            m.name: _set_figures(m, seen, bench, rungs) for m in bench.sets if bench.references is not None
        },
        "skipped": bench.skipped,
        "ladder": rungs,
        "clips": per_clip(bench, {"generated": scores}, failures),
    }
    report = plain_json(report)
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        write_report_json(Path(out) / "videos.json", report)
    if html is not None:
        from kinema.evaluation.report import write_html

        columns = {} if bench.references is None else {"reference": bench.true}
        write_html(html, report, {**columns, "generated": seen})
    return report


def describe(metric: ClipMetric | SetMetric, rungs: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a metric beside its figures."""
    return {
        "label": metric.label,
        "better": metric.better,
        "says": metric.says,
        "unit": getattr(metric, "unit", ""),
        **rungs["verdicts"][metric.name],
    }


def per_clip(
    bench: Bench, scores: Mapping[str, Mapping[str, np.ndarray]], failures: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Everything measured, clip by clip: column -> metric -> value."""
    return [
        {
            "clip": name,
            "failed": failures.get(name),
            "group": None if bench.groups is None else bench.groups[index],
            "scores": {
                column: {metric: float(values[index]) for metric, values in named.items()}
                for column, named in scores.items()
            },
        }
        for index, name in enumerate(bench.names)
    ]


def table(report: Mapping[str, Any]) -> str:
    """The figures as text."""
    clips = report["settings"]["clips"]
    lines = [f"{clips} clips, {len(report['failures'])} failed"]
    lines += [f"  failed: {name}: {why}" for name, why in report["failures"].items()]
    lines.append(f"{'metric':<44}{'mean':>10}{'95 % over clips':>22}{'clips':>7}  admitted by the ladder")
    for name, row in report["metrics"].items():
        interval = f"[{number(row['low'])}, {number(row['high'])}]"
        lines.append(
            f"{name:<44}{number(row['mean']):>10}{interval:>22}{row['clips']:>7}  {row['status']}: {row['why']}"
        )
    for name, row in report["sets"].items():
        lines.append(
            f"{name:<44}{number(row['value']):>10}{'':>22}{row['clips']:>7}  {row['status']}: {row['why']}"
        )
        if row.get("half"):
            half = row["half"]
            lines.append(
                f"    of {half['clips']} clips each: generated to real {number(half['made_real'])}, real to real "
                f"{number(half['real_real'])} [{number(half['real_real_low'])}, {number(half['real_real_high'])}]; "
                f"p of being one distribution {number(row['p_differs'])}"
            )
    return "\n".join([*lines, *report["skipped"].values()])


def number(value: float | None) -> str:
    """Four digits that matter; a dash where there is none."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.4g}"


def plain_json(value: Any) -> Any:
    """The value with NumPy numbers as plain ones, and null where a number is not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain_json(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain_json(inner) for inner in value]
    if isinstance(value, (np.bool_, bool)):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value


def write_report_json(path: Path, report: Mapping[str, Any]) -> None:
    """Writes a report completely or not at all; NaN cannot get into it."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _figures(
    metric: ClipMetric, values: np.ndarray, bench: Bench, rungs: Mapping[str, Any]
) -> dict[str, Any]:
    interval = clip_bootstrap(values, seed=bench.options.seed, clusters=bench.groups)
    return {**asdict(interval), **describe(metric, rungs), "definition": metric.settings}


def _set_figures(metric: SetMetric, seen: SeenSet, bench: Bench, rungs: Mapping[str, Any]) -> dict[str, Any]:
    figures = set_score(metric, seen, bench.true, seed=bench.options.seed)
    missing = len(bench.expected) - figures["clips"]
    return {
        **figures,
        "missing": missing,
        **describe(metric, rungs),
        "definition": metric.extractor.settings(),
    }
