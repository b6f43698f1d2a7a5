"""The figures of `kinema evaluate motion`: means with intervals, what is wanted of them, and a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kinema.evaluation.protocols.control_scores import Gate
from kinema.evaluation.protocols.motion_prompts import by_prompt
from kinema.evaluation.statistics import clip_bootstrap

_QUESTIONS = {
    "turn_sign": "turn",
    "laterality": "hand",
    "distance_within_25": "metres",
    "angle_within_25": "angle",
}
_RETRIEVED = ("r1", "r2", "r3", "style", "content", "side", "distance", "diversity")
_SHOWN = (
    "turn_sign_real",
    "laterality_real",
    "between_jerk",
    "between_jerk_real",
    "path_slide_ratio",
    "transition_real",
    "track_ratio",
    "stream_ratio",
    "transition_worst",
    "jerk_peak",
    "jerk_peak_real",
    "penetration_real_cm",
    "bone_spread_cm",
    "memorisation",
)


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of one report; see docs/evaluation_motion.md for what each means."""
    figures: dict[str, Any] = _retrieval(report)
    for name, kind in _QUESTIONS.items():
        interval = clip_bootstrap(by_prompt(report["prompts"], kind))
        figures[name] = _rounded(interval.mean)
        figures[f"{name}_interval"] = [_rounded(interval.low), _rounded(interval.high)]
        if kind in report["prompts_real"]:
            figures[f"{name}_real"] = _rounded(np.mean(report["prompts_real"][kind]))
    figures |= _constraints(report["constraints"])
    ratios = [row["ratio"] for row in report["transitions"]]
    figures["transition_ratio"] = _rounded(np.mean(ratios))
    figures["transition_worst"] = _rounded(np.max(ratios))
    figures["transition_real"] = (
        _rounded(np.mean(report["transitions_real"])) if report["transitions_real"] else None
    )
    figures["track_ratio"] = _rounded(np.mean([row["ratio"] for row in report["tracks"]]))
    figures["stream_ratio"] = _rounded(np.mean(report["stream"]))
    figures |= _physics([row for rows in report["clips"].values() for row in rows])
    figures |= _memorisation(report["memorisation"])
    figures["judge"] = report["judge"] if isinstance(report["judge"], str) else report["judge"]["sha256"]
    return figures


def gates(figures: Mapping[str, Any]) -> list[Gate]:
    """What is wanted of the figures that are there."""
    wanted = [
        Gate("turns to the side that was said", figures["turn_sign"], 0.90),
        Gate("the hand that was said is up", figures["laterality"], 0.90),
        Gate("metres within 25 %", figures["distance_within_25"], 0.75),
        Gate("degrees within 25", figures["angle_within_25"], 0.9),
        *(
            Gate(f"{what}, worst error in cm", figures[name], 3.0, below=True)
            for name, what in (("between_error_cm", "given ends"), ("path_error_cm", "root paths"),
                               ("joint_error_cm", "joint targets"))
            if figures[name] is not None
        ),
        Gate("constraints that could not be met", figures["constraints_failed"], 0.0, below=True),
        Gate("feet slide in contact, against real", figures["slide_ratio"], 1.5, below=True),
        Gate("jerk against real", figures["jerk_ratio"], 1.3, below=True),
        Gate("deepest under the floor, cm", figures["penetration_cm"], 1.0, below=True),
        Gate("jerk at transitions against the rest", figures["transition_ratio"], 1.0, below=True),
        Gate("jerk at transitions against the roughest moment of real clips", figures["transition_ratio"],
             figures["jerk_peak_real"], below=True, aim=True),
    ]  # fmt: skip
    if figures["r3"] is not None:
        wanted.insert(0, Gate("R@3 against 0.8 of real", figures["r3"], 0.8 * figures["r3_real"]))
    return wanted


def table(figures: Mapping[str, Any]) -> str:
    """The figures as text."""
    lines = [f"{'32-way, by the learned judge':<30}" + "".join(f"{name:>11}" for name in _RETRIEVED)]
    if figures["r3"] is None:
        lines.append(f"  {figures['judge']}")
    for split, found in figures["retrieval"].items():
        for name, entry in found.items():
            cells = "".join(
                f"{entry[key]:>11.3f}" if entry.get(key) is not None else f"{'-':>11}" for key in _RETRIEVED
            )
            lines.append(f"  {f'{split}, {name}':<28}" + cells)
    lines += [str(gate) for gate in gates(figures)]
    return "\n".join([*lines, *(f"{name}: {figures[name]}" for name in _SHOWN)])


def plain(value: Any) -> Any:
    """A report as JSON can hold it: numbers to four digits, and null where there is none."""
    if isinstance(value, Mapping):
        return {name: plain(entry) for name, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(entry) for entry in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, float | np.floating):
        return _rounded(value) if np.isfinite(value) else None
    return value


def _retrieval(report: Mapping[str, Any]) -> dict[str, Any]:
    """R@k of test and, as `*_combo`, of unseen pairs, with those of the baselines."""
    figures: dict[str, Any] = {"r3": None, "r3_real": None, "retrieval": report["retrieval"]}
    for split, ending in (("test", ""), ("test_combo", "_combo")):
        found = report["retrieval"].get(split)
        if found is None:
            continue
        for key in _RETRIEVED:
            figures[key + ending] = found["generated"][key]
            for baseline in ("real", "shuffled", "mean_pose", "nearest_train"):
                if key in found.get(baseline, {}):
                    figures[f"{key}_{baseline}{ending}"] = found[baseline][key]
        figures[f"r3_interval{ending}"] = found["generated"]["r3_interval"]
        figures[f"r3_of_real{ending}"] = _rounded(found["generated"]["r3"] / max(found["real"]["r3"], 1e-9))
    return figures


def _constraints(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Worst errors over the clips, and how many the pipeline refused."""
    figures: dict[str, Any] = {}
    failed = 0
    for name in ("between", "path", "joint"):
        errors = [row[f"{name}_cm"] for row in rows if not isinstance(row[f"{name}_cm"], str)]
        failed += len(rows) - len(errors)
        figures[f"{name}_error_cm"] = _rounded(max(errors)) if errors else None
        figures[f"{name}_error_mean_cm"] = _rounded(np.mean(errors)) if errors else None
    figures["constraints_asked"], figures["constraints_failed"] = 3 * len(rows), failed
    for name in ("between_jerk", "between_jerk_real"):
        values = [row[name] for row in rows if name in row]
        figures[name] = _rounded(np.mean(values)) if values else None
    slides = np.array([(row["path_slide"], row["path_slide_real"]) for row in rows if "path_slide" in row])
    figures["path_slide_ratio"] = _ratio(slides[:, 0], slides[:, 1]) if len(slides) else None
    return figures


def _physics(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was generated against the real clips of the same captions and lengths."""

    def values(name: str, kind: str) -> np.ndarray:
        return np.array([
            x for row in rows for x in ([row["real"][name]] if kind == "real" else [g[name] for g in row["generated"]])
        ])  # fmt: skip

    deepest, real = values("penetration", "generated"), values("penetration", "real")
    return {
        **{f"{name}_ratio": _ratio(values(name, "generated"), values(name, "real"))
           for name in ("slide", "slide_speed", "jerk")},
        "jerk_peak": _rounded(values("jerk_peak", "generated").mean()),
        "jerk_peak_real": _rounded(values("jerk_peak", "real").mean()),
        "slide": _rounded(np.nanmean(values("slide", "generated"))),
        "slide_real": _rounded(np.nanmean(values("slide", "real"))),
        "penetration_cm": _rounded(100 * deepest.max()),
        "penetration_mean_cm": _rounded(100 * deepest.mean()),
        "penetration_real_cm": _rounded(100 * real.max()),
        "penetration_share_beyond_1cm": _rounded((deepest > 0.01).mean()),
        "bone_spread_cm": _rounded(100 * values("bone_spread", "generated").max()),
    }  # fmt: skip


def _memorisation(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Distance to the training split, generated over real: much under 1 is learned by heart."""
    made, real = np.array([row["generated"] for row in rows]), np.array([row["real"] for row in rows])
    return {
        "memorisation": _rounded(made.mean() / real.mean()),
        "nearest_train_degrees": _rounded(made.mean()),
        "nearest_train_degrees_real": _rounded(real.mean()),
        "nearer_than_5_percent_of_real": _rounded((made < np.quantile(real, 0.05)).mean()),
    }


def _ratio(made: np.ndarray, real: np.ndarray) -> float:
    return _rounded(np.nanmean(made) / max(float(np.nanmean(real)), 1e-9))


def _rounded(value: Any) -> float:
    return round(float(value), 4)
