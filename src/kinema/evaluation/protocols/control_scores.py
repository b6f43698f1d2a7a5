"""From videos to figures: what the judges saw, scored per clip, summarised, gated and printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from kinema.evaluation.judges.judge import PoseJudge, Sighting
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.metrics.iou import silhouette_iou
from kinema.evaluation.metrics.pck import pck, pck_of_either_side
from kinema.evaluation.protocols.control_clips import ControlClip
from kinema.evaluation.statistics import clip_bootstrap, paired_bootstrap

ALPHA = 0.1
CONDITIONS = ("render", "roundtrip", "frozen", "generated", "shuffled")
NETWORK = KeypointNetworkJudge.name
IOU = "iou"
EITHER_SIDE = "either_side"
"""The keypoint network, where left and right may be exchanged."""

Scores = dict[
    str, dict[str, np.ndarray]
]  # judge (or "iou", "either_side") -> condition -> one value per clip


@dataclass(frozen=True)
class Watched:
    """What the judges saw in a set of videos.

    Args:
        pose: sightings per judge and video.
        silhouettes: the keypoint network's silhouette of each video, bool [T, H, W].
    """

    pose: dict[str, list[Sighting]]
    silhouettes: list[np.ndarray]


def watch(
    videos: Sequence[np.ndarray],
    judges: Sequence[PoseJudge],
    network: KeypointNetworkJudge,
    *,
    description: str = "judging",
    progress: bool = False,
) -> Watched:
    """Shows a set of videos, uint8 [T, H, W, 3] each, to all judges; of a still one they see a single frame."""
    pose: dict[str, list[Sighting]] = {judge.name: [] for judge in judges}
    silhouettes = []
    for video in tqdm(videos, desc=description, unit="clip", disable=not progress):
        length = len(video)
        shown = video[:1] if (video == video[:1]).all() else video
        again = np.minimum(np.arange(length), len(shown) - 1)
        sighting, silhouette = network.watch_all(shown)
        for judge in judges:
            own = sighting if judge is network else judge.watch(shown)
            pose[judge.name].append(Sighting(own.points[again], own.detected[again]))
        silhouettes.append(silhouette[again])
    return Watched(pose, silhouettes)


def score(watched: Mapping[str, Watched], clips: Sequence[ControlClip], shuffle: np.ndarray) -> Scores:
    """Scores every condition of CONDITIONS, one value per clip.

    Args:
        watched: what was seen in `render`, `roundtrip`, `frozen` and `generated`.
        clips: the clips, in the order of the videos.
        shuffle: for the condition `shuffled`, the clip that each generated video is judged against.
    """
    own = np.arange(len(clips))
    scores: Scores = {}
    for condition in CONDITIONS:
        shuffled = condition == "shuffled"
        seen = watched["generated" if shuffled else condition]
        against = shuffle if shuffled else own
        truths = [clips[int(other)].truth for other in against]
        rows = [(judge, pck, sightings) for judge, sightings in seen.pose.items()]
        for name, metric, sightings in [*rows, (EITHER_SIDE, pck_of_either_side, seen.pose[NETWORK])]:
            scores.setdefault(name, {})[condition] = np.array(
                [
                    metric(sighting.points, truth, ALPHA)
                    for sighting, truth in zip(sightings, truths, strict=True)
                ]
            )
        scores.setdefault(IOU, {})[condition] = np.array(
            [
                silhouette_iou(mask, clips[other].mask)
                for mask, other in zip(seen.silhouettes, against, strict=True)
            ]
        )
    return scores


def detection(watched: Mapping[str, Watched]) -> dict[str, dict[str, float]]:
    """Share of frames in which each judge found a person, per judge and set of videos."""
    return {
        judge: {
            name: float(np.mean([sighting.detected.mean() for sighting in seen.pose[judge]]))
            for name, seen in watched.items()
        }
        for judge in watched["generated"].pose
    }


def summarise(scores: Scores, detected: Mapping[str, Mapping[str, float]], absent: str) -> dict[str, Any]:
    """The figures of one adapter in the form of the last line of `kinema evaluate control --json`.

    Args:
        scores: see `score`.
        detected: see `detection`.
        absent: what stands in the place of MediaPipe's figures where it was not a judge.
    """

    def figures(judge: str) -> dict[str, Any]:
        means = {condition: _mean(scores[judge][condition]) for condition in CONDITIONS}
        return {
            "clips": len(scores[judge]["generated"]),
            "pck": means["generated"],
            **{f"pck_{name}": means[name] for name in ("shuffled", "frozen", "roundtrip", "render")},
        }

    other = [judge for judge in scores if judge not in (NETWORK, IOU, EITHER_SIDE)]
    summary = figures(NETWORK)
    for judge in other:
        summary[judge] = {**figures(judge), "detected": round(detected[judge]["generated"], 4)}
    if not other:
        summary["mediapipe"] = absent
    for row in (IOU, EITHER_SIDE):
        names = ("generated", "shuffled", "frozen", "roundtrip")
        summary[row] = {name: _mean(scores[row][name]) for name in names}
    return summary


@dataclass(frozen=True)
class Gate:
    """A condition on the figures.

    Args:
        name: what is asked, for people.
        value: what was measured.
        bound: the least, or with `below` the largest, value that passes.
        below: the value must not exceed the bound.
        strict: the value must differ from the bound.
        aim: worth reporting, but nothing hangs on it.
    """

    name: str
    value: float
    bound: float
    below: bool = False
    strict: bool = False
    aim: bool = False

    @property
    def passed(self) -> bool:
        sign = -1 if self.below else 1
        margin = sign * (self.value - self.bound)
        return bool(margin > 0 if self.strict else margin >= 0)

    def __str__(self) -> str:
        verdict = "pass" if self.passed else ("not yet" if self.aim else "FAIL")
        relation = ("<" if self.below else ">") + ("" if self.strict else "=")
        kind = "aim " if self.aim else "gate"
        return f"{kind} {verdict:7} {self.name}: {self.value:.3f} {relation} {self.bound:.3f}"


def control_gates(scores: Scores) -> list[Gate]:
    """Gates by the keypoint network, and aims by all judges."""
    mean = {
        judge: {name: _mean(values) for name, values in conditions.items()}
        for judge, conditions in scores.items()
    }
    own = mean[NETWORK]
    gates = [
        Gate("frozen first frame (the clips move)", own["frozen"], 0.35, below=True),
        Gate("round trip against 0.9 of the render", own["roundtrip"], 0.9 * own["render"]),
        Gate("generated above the frozen first frame", own["generated"], own["frozen"], strict=True),
        Gate("own minus shuffled", own["generated"] - own["shuffled"], 0.15),
        Gate("generated against 0.7 of the round trip", own["generated"], 0.7 * own["roundtrip"], aim=True),
    ]
    for judge, figures in mean.items():
        if judge != NETWORK:
            name = f"{judge}: generated above the frozen first frame"
            gates.append(Gate(name, figures["generated"], figures["frozen"], strict=True, aim=True))
    return gates


def aims(figures: Mapping[str, Any]) -> list[Gate]:
    """What a trained model should reach, from the figures of one adapter; what was not measured is left out.

    Pose by the keypoint network at 0.85 of the round trip, the camera within 2 degrees of its floor, either no more
    than a tenth worse where both are given, and no leak above 0.15.
    """
    found = [
        Gate("PCK against 0.85 of the round trip", figures["pck"], 0.85 * figures["pck_roundtrip"], aim=True)
    ]
    angle, floor = figures["camera_rotation_deg"], figures["camera_rotation_floor_deg"]
    if isinstance(angle, float) and isinstance(floor, float):
        found.append(Gate("camera, degrees beyond the floor", angle - floor, 2.0, below=True, aim=True))
    for signal in ("pose", "camera"):
        cost = figures.get("joint", {}).get(f"{signal}_cost")
        if cost is not None:
            found.append(
                Gate(f"what {signal} loses beside the other signal", cost, 0.1, below=True, aim=True)
            )
    if figures.get("leak_max") is not None:
        found.append(Gate("largest leak", figures["leak_max"], 0.15, below=True, aim=True))
    return found


def motions(clips: Sequence[ControlClip]) -> list[str]:
    """The motion of each clip: clips of one motion belong together."""
    return [clip.film.clip_id for clip in clips]


def intervals(scores: Scores, clusters: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    """95 % intervals over motions of every figure, and of own minus shuffled and own minus frozen, in pairs."""
    result = {
        judge: {
            name: asdict(clip_bootstrap(values, clusters=clusters)) for name, values in conditions.items()
        }
        for judge, conditions in scores.items()
    }
    for judge, conditions in scores.items():
        for zero in ("shuffled", "frozen"):
            difference = paired_bootstrap(conditions["generated"], conditions[zero], clusters=clusters)
            result[judge][f"generated_minus_{zero}"] = asdict(difference)
    return result


def table(
    title: str,
    scores: Scores,
    clusters: Sequence[str],
    detected: Mapping[str, Mapping[str, float]],
    gates: Sequence[Gate],
) -> str:
    """The figures with their intervals, the detection rates and the gates, as text."""
    head = f"{title:<12}" + "".join(f"{condition:>22}" for condition in CONDITIONS)
    lines = [head]
    for judge, conditions in scores.items():
        row = "".join(f"{clip_bootstrap(conditions[c], clusters=clusters)!s:>22}" for c in CONDITIONS)
        lines.append(f"{judge:<12}{row}")
    for judge, rates in detected.items():
        row = "".join(f"{rates[c]:>22.3f}" if c in rates else f"{'':>22}" for c in CONDITIONS)
        lines.append(f"{judge + ' found':<12}"[:16] + row)
    return "\n".join([*lines, *(str(gate) for gate in gates)])


def per_clip(clips: Sequence[ControlClip], scores: Scores, shuffle: np.ndarray) -> list[dict[str, Any]]:
    """Everything measured, clip by clip."""
    return [
        {
            "clip": clip.film.clip_id,
            "camera": clip.film.camera,
            "caption": clip.film.caption,
            "seed": clip.seed,
            "frozen_exact": round(clip.frozen, 4),
            "shuffled_with": int(shuffle[index]),
            "scores": {
                judge: {name: _rounded(values[index]) for name, values in conditions.items()}
                for judge, conditions in scores.items()
            },
        }
        for index, clip in enumerate(clips)
    ]


def _mean(values: np.ndarray) -> float:
    return round(float(np.nanmean(values)), 4)


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
