"""From judged rows to tables: means, and what became of each published ordering."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinema.evaluation.orderings import CrossedMean, crossed_mean, judge_ordering
from kinema.evaluation.protocols.ablation_rows import SYSTEMS, Row, System
from kinema.evaluation.statistics import holm

MEASURES = {"pck": True, "iou": True, "error": False}
"""What is measured, and whether more is better; the first one decides. `error` is the squared error in the
autoencoder's latents relative to that of the first frame held still, which sees the whole picture."""


def summarise(name: str, folder: Path) -> dict[str, Any]:
    """What a folder of judged rows says.

    Args:
        name: of the system.
        folder: holds ROW-SEED.json, each with MEASURES, pck_shuffled and iou_shuffled per clip; floors.json and
            settings.json where they are there.

    Returns:
        settings; floors; rows (mean and interval over seeds and clips, shuffled means, processor seconds of
        training); orderings (per measure the difference, p, smallest visible effect and verdict; p_holm of the first
        measure over all orderings); not_measured (what -> why). JSON-ready.
    """
    system = SYSTEMS[name]
    settings, floors = (_read(folder / f"{part}.json") for part in ("settings", "floors"))
    takes = floors.get("takes", [])
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for row in system.rows:
        files_of_row = folder.glob(f"{row.name}-*.json")
        results = [json.loads(file.read_text()) for file in files_of_row]
        if results:
            found[row.name] = {each["seed"]: each for each in sorted(results, key=lambda each: each["seed"])}
    rows = {row.name: _row(row, found[row.name], takes) for row in system.rows if row.name in found}
    orderings = [_ordering(system, pair, found, takes) for pair in system.orderings]
    tested = [each for each in orderings if each["verdict"] and each["pck"]["p"] is not None]
    for each, p in zip(tested, holm([each["pck"]["p"] for each in tested]), strict=True):
        each["p_holm"] = p
    return {
        "settings": settings,
        "floors": _floor_means(floors),
        "rows": rows,
        "orderings": orderings,
        "not_measured": system.absent
        | {row.says: "not run yet" for row in system.rows if row.name not in found and not row.ours},
    }


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.exists() else {}


def _values(
    results: dict[int, dict[str, Any]], measure: str, seeds: Sequence[int], takes: Sequence[str]
) -> np.ndarray:
    """[seeds, motions], NaN where a motion has no value; takes of one motion are no independent samples."""
    table = np.array([results[seed][measure] for seed in seeds], dtype=np.float64)
    if not takes:
        return table
    named = np.asarray(takes)
    return np.stack([table[:, named == motion].mean(axis=1) for motion in dict.fromkeys(takes)], axis=1)


def _row(row: Row, results: dict[int, dict[str, Any]], takes: Sequence[str]) -> dict[str, Any]:
    seeds = list(results)
    costs = [each["train_cpu_seconds"] for each in results.values() if "train_cpu_seconds" in each]
    measured = {name: _figures(crossed_mean(_values(results, name, seeds, takes))) for name in MEASURES}
    shuffled = {
        name: round(float(np.nanmean(_values(results, name, seeds, takes))), 4)
        for name in ("pck_shuffled", "iou_shuffled")
    }
    facts = {"says": row.says, "ours": row.ours, "fvd": row.fvd, "seeds": seeds}
    return {
        **facts,
        **measured,
        **shuffled,
        "train_cpu_seconds": round(float(np.mean(costs))) if costs else 0,
    }


def _ordering(
    system: System, pair: tuple[str, str], found: dict[str, dict[int, dict[str, Any]]], takes: Sequence[str]
) -> dict[str, Any]:
    better, worse = (found.get(name, {}) for name in pair)
    seeds = sorted(set(better) & set(worse))
    published = [system.row(name).fvd for name in pair]
    result: dict[str, Any] = {"better": pair[0], "worse": pair[1], "published_fvd": published, "seeds": seeds}
    if not seeds:
        return result | {"verdict": None}
    for name, higher in MEASURES.items():
        judged = judge_ordering(
            _values(better, name, seeds, takes), _values(worse, name, seeds, takes), higher_is_better=higher
        )
        weighed = _plain({"p": judged.difference.p, "smallest": judged.difference.smallest})
        result[name] = {"verdict": judged.verdict, **_figures(judged.difference), **weighed}
    return result | {"verdict": result["pck"]["verdict"]}


def _figures(found: CrossedMean) -> dict[str, Any]:
    """Mean and interval, JSON-ready."""
    numbers = {"mean": found.mean, "low": found.low, "high": found.high}
    return {**_plain(numbers), "clips": found.clips, "missing": found.missing}


def _plain(numbers: dict[str, float]) -> dict[str, float | None]:
    return {key: None if np.isnan(value) else round(value, 5) for key, value in numbers.items()}


def _floor_means(floors: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {
        name: {key: round(float(np.nanmean(np.array(scores[key], float))), 4) for key in MEASURES}
        for name, scores in floors.items()
        if name not in ("takes", "films")
    }


def markdown(name: str, summary: dict[str, Any]) -> str:
    """The tables of a system, from what `summarise` returns."""
    settings = summary["settings"]
    lines = [
        f"## {name}: {settings.get('steps')} steps of {settings.get('batch')} takes, {settings.get('clips')} clips",
        "",
        "| row | published FVD | PCK@0.1H | shuffled | IoU | shuffled | latent error | seeds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, row in summary["rows"].items():
        published = "ours" if row["ours"] else _number(row["fvd"], "{:g}")
        lines.append(
            f"| {row['says']} (`{key}`) | {published} | {_interval(row['pck'])} | {row['pck_shuffled']:.3f} "
            f"| {_interval(row['iou'])} | {row['iou_shuffled']:.3f} | {_interval(row['error'])} "
            f"| {len(row['seeds'])} |"
        )
    for key, floor in summary["floors"].items():
        lines.append(f"| {key} | | {floor['pck']:.3f} | | {floor['iou']:.3f} | | {floor['error']:.3f} | |")
    lines += [
        "",
        "| published | by | better by | p (Holm) | smallest visible | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for each in summary["orderings"]:
        fvd = " < ".join(_number(value, "{:g}") for value in each["published_fvd"])
        said = f"`{each['better']}` over `{each['worse']}`" + ("" if "?" in fvd else f" ({fvd})")
        if each["verdict"] is None:
            lines.append(f"| {said} | | | | | not run yet |")
            continue
        for measure in MEASURES:
            found = each[measure]
            p = _number(found["p"], "{:.3f}")
            adjusted = each.get("p_holm") if measure == "pck" else None
            p += "" if adjusted is None else f" ({adjusted:.3f})"
            told = found["verdict"] + (" (one seed)" if len(each["seeds"]) < 2 else "")
            told = f"**{told}**" if measure == "pck" else told
            smallest = _number(found["smallest"], "{:.3f}")
            lines.append(f"| {said} | {measure} | {_interval(found, '+')} | {p} | {smallest} | {told} |")
            said = ""
    lines += ["", "Not measured here:", ""]
    lines += [f"- {what}: {why}" for what, why in summary["not_measured"].items()]
    return "\n".join([*lines, ""])


def _number(value: float | None, form: str) -> str:
    return "?" if value is None else form.format(value)


def _interval(found: dict[str, Any], sign: str = "") -> str:
    low, high = (_number(found[key], f"{{:{sign}.3f}}") for key in ("low", "high"))
    return f"{_number(found['mean'], f'{{:{sign}.3f}}')} [{low}, {high}]"
