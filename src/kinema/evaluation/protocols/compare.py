"""`kinema compare A B`: which of two folders of clips is better, metric by metric, or that it cannot be said.

Both hold videos of the same clips, made from the same controls and seeds, so that every comparison is paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import kinema
from kinema.evaluation.metrics.frechet import frechet_distance
from kinema.evaluation.protocols.videos import (
    LADDER_CLIPS,
    describe,
    number,
    per_clip,
    plain_json,
    write_report_json,
)
from kinema.evaluation.protocols.videos_bench import Bench, Options, SeenSet, open_bench
from kinema.evaluation.protocols.videos_folder import ClipFolder
from kinema.evaluation.protocols.videos_ladder import run_ladder
from kinema.evaluation.protocols.videos_metric import ClipMetric, SetMetric
from kinema.evaluation.protocols.videos_sets import paired_features, set_swap_test
from kinema.evaluation.statistics import (
    clip_bootstrap,
    holm,
    paired_bootstrap,
    sign_flip_test,
    smallest_visible,
)

PROTOCOL = "compare-1"
LEVEL = 0.05
RESAMPLES = 1000


def compare_videos(
    a: str | Path,
    b: str | Path,
    options: Options,
    *,
    reference: str | Path | None = None,
    manifest: str | Path | None = None,
    ladder: int = LADDER_CLIPS,
    out: str | Path | None = None,
    html: str | Path | None = None,
) -> dict[str, Any]:
    """Compares two folders of generated clips.

    Args:
        a: the one folder; b: the other, with the same names.
        options: how to read and measure.
        reference: folder of the clips both should be like.
        manifest: which clips there must be, and what is known about them.
        ladder: clips of the sanity ladder at most; 0 for none.
        out: folder for `compare.json`.
        html: file for the report.

    Returns:
        protocol, settings, failures (A and B: clip -> why), metrics (name -> figures and verdict), sets, skipped,
        ladder, clips.

    Raises:
        FileNotFoundError: a folder or file is missing.
        ValueError: clips, references, manifest or weights do not fit; nothing was scored.
    """
    bench = open_bench(reference, manifest, options, a)
    sides: dict[str, ClipFolder] = {}
    failures: dict[str, dict[str, str]] = {}
    for side, folder in (("A", a), ("B", b)):
        sides[side], failures[side] = bench.open(folder)
    seen = {side: bench.look(clips, failures[side], side) for side, clips in sides.items()}
    scores = {side: bench.score(videos, side) for side, videos in seen.items()}
    rungs = run_ladder(bench, ladder)
    metrics = {
        m.name: _paired(m, scores["A"][m.name], scores["B"][m.name], bench, rungs) for m in bench.metrics
    }
    sets = {m.name: _sets(m, seen, bench, rungs) for m in bench.sets}
    _adjust([*metrics.values(), *sets.values()])
    failed = {
        name: " and ".join(s for s in "AB" if name in failures[s]) + " failed"
        for s in "AB"
        for name in failures[s]
    }
    report = plain_json(
        {
            "protocol": PROTOCOL,
            "kinema": kinema.__version__,
            "settings": {
                "A": str(sides["A"].folder),
                "B": str(sides["B"].folder),
                **bench.settings(),
                "level": LEVEL,
                "resamples": RESAMPLES,
            },
            "failures": failures,
            "metrics": metrics,
            "sets": sets,
            "skipped": bench.skipped,
            "ladder": rungs,
            "clips": per_clip(bench, scores, failed),
        }
    )
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        write_report_json(Path(out) / "compare.json", report)
    if html is not None:
        from kinema.evaluation.report import write_html

        columns = {} if bench.references is None else {"reference": bench.true}
        write_html(html, report, {**columns, **seen})
    return report


def table(report: Mapping[str, Any]) -> str:
    """The verdicts as text."""
    failures = report["failures"]
    lines = [f"{report['settings']['clips']} clips; failed: A {len(failures['A'])}, B {len(failures['B'])}"]
    for side in "AB":
        lines += [f"  failed in {side}: {name}: {why}" for name, why in failures[side].items()]
    lines.append(f"{'metric':<44}{'A':>10}{'B':>10}{'A - B':>11}{'95 %':>23}{'p':>8}{'Holm':>8}  verdict")
    for name, row in [*report["metrics"].items(), *report["sets"].items()]:
        interval = "" if row.get("low") is None else f"[{number(row['low'])}, {number(row['high'])}]"
        lines.append(
            f"{name:<44}{number(row['A']):>10}{number(row['B']):>10}{number(row['difference']):>11}{interval:>23}"
            f"{number(row['p']):>8}{number(row['p_holm']):>8}  {row['verdict']}"
        )
    return "\n".join([*lines, *report["skipped"].values()])


def _paired(
    metric: ClipMetric, a: np.ndarray, b: np.ndarray, bench: Bench, rungs: Mapping[str, Any]
) -> dict[str, Any]:
    """Means, their difference with its interval, the sign-flip test and a verdict."""
    both = ~np.isnan(a) & ~np.isnan(b)
    groups, seed = bench.groups, bench.options.seed
    interval = paired_bootstrap(a, b, seed=seed, clusters=groups)
    row = {
        "A": clip_bootstrap(np.where(both, a, np.nan), resamples=1).mean,
        "B": clip_bootstrap(np.where(both, b, np.nan), resamples=1).mean,
        **asdict(interval),
        "difference": interval.mean,
        "p": sign_flip_test(a - b, clusters=groups, seed=seed),
        "smallest_visible": smallest_visible(a - b, groups),
        **describe(metric, rungs),
        "definition": metric.settings,
    }
    del row["mean"]
    return row


def _sets(
    metric: SetMetric, seen: Mapping[str, SeenSet], bench: Bench, rungs: Mapping[str, Any]
) -> dict[str, Any]:
    """Distances to the reference and the paired swap test; without one, the distance of A and B from each other."""
    name, covariance = metric.extractor.name, metric.extractor.covariance
    true = bench.true if bench.references is not None else None
    common = sorted(set(seen["A"]) & set(seen["B"]))
    videos = {side: {n: seen[side][n] for n in common} for side in "AB"}
    row: dict[str, Any] = {"A": None, "B": None, "difference": None, "p": None, "clips": len(common)}
    row |= {"missing": len(bench.expected) - len(common), "smallest_visible": None}
    row |= {**describe(metric, rungs), "definition": metric.extractor.settings()}
    a, b, _ = paired_features(videos["A"], videos["B"], name)
    if min(len(a), len(b)) < 2:
        return row | {"why": "fewer than two windows of 16 frames"}
    _, row["p"], null = set_swap_test(
        videos["A"], videos["B"], true, name, resamples=RESAMPLES, seed=bench.options.seed
    )
    if true is None:
        row["better"] = ""
        row["difference"] = frechet_distance(a, b, covariance)
        row["says"] = f"{metric.says} Without a reference: of A and B from each other."
    else:
        for side in "AB":
            made, real, _ = paired_features(videos[side], true, name)
            row[side] = frechet_distance(made, real, covariance)
        row["difference"] = row["A"] - row["B"]
    critical = float(np.quantile(np.abs(null), 1 - LEVEL))
    row["smallest_visible"] = critical + 0.84 * float(null.std())
    return row


def _adjust(rows: list[dict[str, Any]]) -> None:
    """Adds Holm's p over all rows that were tested, and the verdicts."""
    tested = [row for row in rows if row["p"] is not None and row["clips"]]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = p
    for row in rows:
        row.setdefault("p_holm", None)
        row["verdict"] = verdict(row)


def verdict(row: Mapping[str, Any]) -> str:
    """`A better`, `B better`, `A higher`, `differ`, or `undecidable` with the smallest effect that could have been seen.

    A metric that the ladder did not admit decides nothing: its direction is named, and that it counts for nothing.
    """
    if row["p"] is None or not row["clips"]:
        return "no value"
    seen = f"undecidable (under {number(row['smallest_visible'])} could not have been seen)"
    if row["p"] >= LEVEL or row["difference"] is None:
        return seen
    if not row["better"]:
        if row["A"] is None:
            return "A and B differ"
        return "A higher" if row["difference"] > 0 else "B higher"
    ahead = "A" if (row["difference"] > 0) == (row["better"] == "higher") else "B"
    if row["status"] in ("not admitted", "undecided"):
        return f"{ahead} ahead, but the metric is {row['status']}"
    return f"{ahead} better"
