"""Is a video read rightly? Unseen motions filmed under crossed conditions, captured, and compared with exact truth.

Every figure stands beside its floor: the same lifting and placing on exact keypoints and the exact camera.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import kinema
from kinema.capture.capture import NobodyFoundError, capture
from kinema.capture.observation import Capture
from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.protocols.capture_scores import (
    ALPHA,
    SEEN_LEAST,
    SIDES,
    TakeVideo,
    lifted_scores,
    seen_scores,
    sides,
    take_facts,
    video_of,
)
from kinema.evaluation.protocols.capture_takes import FACTORS, CaptureTake, design, film_takes
from kinema.evaluation.protocols.control_scores import Gate
from kinema.evaluation.statistics import Interval, clip_bootstrap
from kinema.scene.formats.files import atomic_write

PROTOCOL = "capture-1"
FLOORS_EVERY = 2
"""Floors are taken on every second take (ours): lifting the same people three times over is most of the time."""

PERSON = ("pa_mpjpe_mm", "mpjpe_mm", "pa_mpjpe_24_mm", "world_m", "foot_slide", "coverage")
CAMERA = ("camera_rotation_deg", "camera_direction_deg", "camera_scaled_m", "camera_m", "focal_ratio")
EYES = ("detection", "pck", "false_people", "id_switches")


@dataclass(frozen=True)
class Judged:
    """One take, captured and compared.

    Args:
        facts: what was filmed.
        scores: measure -> value by the capture; measure@side for the other SIDES.
        seconds: that the capture took, by the clock.
        cpu_seconds: of this process, all threads together: what it takes on a machine that does nothing else.
        kind: how the camera was found to move.
        notes: the capture's own.
        failed: why there is no capture, or "".
    """

    facts: dict[str, Any]
    scores: dict[str, float]
    seconds: float
    cpu_seconds: float
    kind: str
    notes: tuple[str, ...]
    failed: str = ""


def evaluate_capture(
    *,
    takes: int = 64,
    seed: int = 0,
    detector: str = "mediapipe",
    model: str | Path | None = None,
    out: str | Path | None = None,
    progress: bool = True,
    library: str | Path | None = None,
) -> dict[str, Any]:
    """Films takes of the test split, captures them and measures how right that is.

    Detection, PCK@0.1H and identity are over all people of a take, PCK with the height of metrics/pck.py; MPJPE over
    the 14 joints of metrics/pose3d.py in mm; camera errors as in metrics/camera_error.py. Figures are means over
    takes; what was not found is counted as such: it lowers `detection`, `pck` and `coverage`, and a take whose capture
    failed is in `failed`.

    Args:
        takes: how many.
        seed: of conditions, clips, actors, worlds and cameras.
        detector: see `capture`.
        model: the detector's file.
        out: folder for `capture.json`: every take, intervals, conditions, aims; and `capture_takes.jsonl`, a line as
            soon as a take is judged.
        progress: a bar and the tables on stderr.
        library: folder of the motion library; its default place where None.

    Returns:
        `takes`, `detection`, `pck`, `pa_mpjpe_mm`, `mpjpe_mm`, `foot_slide`, `camera_rotation_deg`,
        `camera_direction_deg`, `id_switches` (all takes together), `fps` (frames per second of the whole capture),
        `fps_cpu` (the same per second of processor time), `failed`, `floors` (the same by other
        SIDES), `one_unoccluded`, `textured`, `conditions` and `aims`.

    Raises:
        FileNotFoundError: no motion library or model file.
        ValueError: an option out of range, or a detector that cannot run here.
    """
    motions = MotionLibrary.open(library)
    conditions = design(takes, seed)
    judged: list[Judged] = []
    with ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=takes, desc="takes", unit="take", disable=not progress))
        if out is not None:
            Path(out).mkdir(parents=True, exist_ok=True)
            lines = stack.enter_context(open(Path(out) / "capture_takes.jsonl", "w", encoding="utf-8"))
        for take in film_takes(motions, conditions, seed):
            judged.append(judge(take, detector=detector, model=model, floors=not take.number % FLOORS_EVERY))
            if out is not None:
                print(json.dumps(_plain(asdict(judged[-1]))), file=lines, flush=True)
            bar.update()
    figures = summarise(judged)
    if progress:
        print(table(judged), file=sys.stderr)
    if out is not None:
        settings = {
            "takes": takes,
            "seed": seed,
            "detector": detector,
            "factors": FACTORS,
            "alpha": ALPHA,
            "seen_least": SEEN_LEAST,
        }
        write_report(Path(out) / "capture.json", settings, figures, judged)
    return figures


def judge(
    take: CaptureTake,
    *,
    detector: str = "mediapipe",
    model: str | Path | None = None,
    video: TakeVideo | None = None,
    change: Callable[[Capture], Capture] | None = None,
    floors: bool = True,
) -> Judged:
    """Captures a take and compares it with the truth.

    Args:
        take: as filmed.
        detector, model: see `capture`.
        video: what is captured instead of the take's own pictures, of any size.
        change: made to the capture before it is judged.
        floors: also what exact keypoints and an exact camera would give.
    """
    count = len(take.take.scene.people)
    made, failed = None, ""
    begun, worked = time.perf_counter(), time.process_time()
    try:
        made = capture(
            video or video_of(take),
            detector=detector,
            model=model,
            people=count,
            follow="all",
        )
    except NobodyFoundError as error:
        failed = str(error)
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - worked
    if made is not None and change is not None:
        made = change(made)
    scores = seen_scores(take, made)
    for side, lifted in sides(take, made, floors).items():
        suffix = "" if side == "capture" else f"@{side}"
        scores |= {f"{name}{suffix}": value for name, value in lifted_scores(take, lifted).items()}
    return Judged(
        take_facts(take),
        scores,
        seconds,
        cpu_seconds,
        made.camera.kind if made else "failed",
        made.notes if made else (),
        failed,
    )


def summarise(judged: Sequence[Judged]) -> dict[str, Any]:
    """The figures in the form of the last line of `kinema evaluate capture --json`."""
    frames = sum(one.facts["frames"] for one in judged)
    figures: dict[str, Any] = {"takes": len(judged)}
    figures |= {name: _rounded(column(judged, name).mean) for name in (*EYES[:3], *PERSON, *CAMERA)}
    figures["id_switches"] = int(sum(one.scores["id_switches"] for one in judged))
    figures["fps"] = round(frames / sum(one.seconds for one in judged), 2)
    figures["fps_cpu"] = round(frames / sum(one.cpu_seconds for one in judged), 2)
    figures["failed"] = sum(bool(one.failed) for one in judged)
    figures["foot_slide_truth"] = _rounded(_mean([one.facts["foot_slide_truth"] for one in judged]))
    figures["floors"] = {
        side: {name: _rounded(column(judged, f"{name}@{side}").mean) for name in (*PERSON, *CAMERA)}
        for side in SIDES[1:]
    }
    figures["one_unoccluded"] = _part(judged, people="one", occlusion="none")
    figures["textured"] = _part(judged, world="textured")
    figures["conditions"] = {
        factor: {level: _part(judged, **{factor: level}) for level in _levels(judged, factor)}
        for factor in FACTORS
    }
    figures["aims"] = [{**asdict(aim), "passed": aim.passed} for aim in aims(judged)]
    return figures


def aims(judged: Sequence[Judged]) -> list[Gate]:
    """What capture is to reach; a part of the takes each."""
    alone = select(judged, people="one", occlusion="none")
    apart = [one for one in judged if one.facts["conditions"]["people"] != "crossing"]
    return [
        Gate(
            "PA-MPJPE in mm, one unoccluded person",
            column(alone, "pa_mpjpe_mm").mean,
            60.0,
            below=True,
            aim=True,
        ),
        Gate(
            "camera rotation in degrees, textured",
            column(select(judged, world="textured"), "camera_rotation_deg").mean,
            2.0,
            below=True,
            aim=True,
        ),
        Gate(
            "id switches without crossings",
            float(sum(one.scores["id_switches"] for one in apart)),
            0.0,
            below=True,
            aim=True,
        ),
    ]


def select(judged: Sequence[Judged], **levels: Any) -> list[Judged]:
    """The takes filmed under these levels."""
    return [
        one for one in judged if all(one.facts["conditions"][name] == level for name, level in levels.items())
    ]


def column(judged: Sequence[Judged], name: str) -> Interval:
    """A measure's mean over takes with its interval."""
    return clip_bootstrap([one.scores.get(name, float("nan")) for one in judged], resamples=2000)


def table(judged: Sequence[Judged]) -> str:
    """Figures with intervals beside their floors, then by condition."""
    lines = [f"{'':<22}" + "".join(f"{side:>28}" for side in SIDES)]
    for name in (*PERSON, *CAMERA):
        beside = [column(judged, name if side == "capture" else f"{name}@{side}") for side in SIDES]
        lines.append(f"{name:<22}" + "".join(f"{interval!s:>28}" for interval in beside))
    lines += [f"{name:<22}{column(judged, name)!s:>28}" for name in EYES]
    shown = ("detection", "pck", "pa_mpjpe_mm", "pa_mpjpe_mm@exact", *CAMERA[:2], "id_switches")
    lines += ["", f"{'':<26}{'takes':>6}" + "".join(f"{name[-22:]:>24}" for name in shown)]
    for factor in FACTORS:
        for level in _levels(judged, factor):
            part = select(judged, **{factor: level})
            cells = "".join(f"{column(part, name).mean:>24.3f}" for name in shown)
            lines.append(f"{factor + ' ' + str(level):<26}{len(part):>6}{cells}")
    failures = [one for one in judged if one.failed]
    lines += [f"take {one.facts['take']}: {one.failed}" for one in failures]
    return "\n".join([*lines, "", *(str(aim) for aim in aims(judged))])


def write_report(
    path: Path, settings: Mapping[str, Any], figures: Mapping[str, Any], judged: Sequence[Judged]
) -> None:
    """Everything measured, take by take, with intervals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = dict.fromkeys(name for one in judged for name in one.scores)
    report = {
        "protocol": PROTOCOL,
        "kinema": kinema.__version__,
        "settings": settings,
        "figures": figures,
        "intervals": {name: asdict(column(judged, name)) for name in names},
        "takes": [asdict(one) for one in judged],
    }
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(_plain(report), indent=1) + "\n", encoding="utf-8")


def _levels(judged: Sequence[Judged], factor: str) -> list[Any]:
    """The levels of a factor that were filmed, in the order of FACTORS."""
    met = {one.facts["conditions"][factor] for one in judged}
    named = ["{}x{}".format(*level) if isinstance(level, tuple) else level for level in FACTORS[factor]]
    return [level for level in dict.fromkeys(named) if level in met]


def _part(judged: Sequence[Judged], **levels: Any) -> dict[str, Any]:
    part = select(judged, **levels)
    names = ("detection", "pck", "pa_mpjpe_mm", "pa_mpjpe_mm@exact", *CAMERA[:2])
    return {
        "takes": len(part),
        **{name: _rounded(column(part, name).mean) for name in names},
        "id_switches": int(sum(one.scores["id_switches"] for one in part)),
    }


def _plain(value: Any) -> Any:
    """JSON types, with null for what is no number."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")
