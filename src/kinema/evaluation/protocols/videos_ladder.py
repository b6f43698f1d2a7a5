"""The sanity ladder: a metric is admitted where it can tell the reference from what is surely worse.

Rungs are made of the reference alone: itself, its round trip through a codec, other clips in its place, its first
frame held still, and itself blurred beyond recognition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from kinema.evaluation.metrics.frechet import frechet_distance
from kinema.evaluation.protocols.videos_bench import Bench, SeenSet
from kinema.evaluation.protocols.videos_metric import ClipMetric, SetMetric
from kinema.evaluation.protocols.videos_sets import paired_features, set_swap_test
from kinema.evaluation.statistics import derangement, sign_flip_test

LEVEL = 0.05
RESAMPLES = 500
TRUTH = "ground truth"


def run_ladder(bench: Bench, clips: int) -> dict[str, Any]:
    """Scores the rungs on the first clips of the reference.

    Args:
        bench: with references.
        clips: how many at most; 0 for no ladder.

    Returns:
        rungs (how each is made), means (metric -> rung -> mean), verdicts (metric -> status and why): `admitted`,
        `not admitted`, `undecided` (too few clips), `untested` (no rung tests it) or `descriptive`.
    """
    if bench.references is None or clips <= 0:
        why = (
            "no ladder: it needs a reference"
            if bench.references is None
            else "no ladder: it was switched off"
        )
        names = [m.name for m in bench.metrics] + [m.name for m in bench.sets]
        return {
            "clips": 0,
            "rungs": {},
            "means": {},
            "verdicts": {n: {"status": "untested", "why": why} for n in names},
        }
    names = bench.names[:clips]
    small = Bench(**{**vars(bench), "expected": {name: bench.expected[name] for name in names}})
    small.true = {name: bench.true[name] for name in names}
    sets: dict[str, SeenSet] = {}
    scores: dict[str, dict[str, np.ndarray]] = {}
    made_by: dict[str, str] = {}
    for rung, description, make in _rungs(small):
        seen = make()
        scores[rung], made_by[rung] = small.score(seen, f"the rung {rung}"), description
        sets[rung] = {
            name: replace(each, frames=_gone) for name, each in seen.items()
        }  # room for the next rung
    verdicts = {
        m.name: _admit(m, {r: s[m.name] for r, s in scores.items()}, small.groups) for m in small.metrics
    }
    means = {m.name: {rung: _mean(s[m.name]) for rung, s in scores.items()} for m in small.metrics}
    for metric in small.sets:
        means[metric.name], verdicts[metric.name] = _admit_set(metric, sets, bench.options.seed)
    return {"clips": len(names), "rungs": made_by, "means": means, "verdicts": verdicts}


def _rungs(bench: Bench) -> Iterator[tuple[str, str, Callable[[], SeenSet]]]:
    """Name, how it is made, and what makes it."""
    names, true = bench.names, bench.true
    codec, description = round_trip_codec(bench)
    yield TRUTH, "the reference itself", lambda: true
    yield "round trip", description, lambda: _altered(bench, codec, "round trip")
    if len(names) > 1 and len(set(bench.expected.values())) == 1:
        order = derangement(len(names), bench.options.seed)
        moved = {name: true[names[other]] for name, other in zip(names, order, strict=True)}
        yield "shuffled", "another clip of the reference in the place of each", lambda: moved
    held = "the reference's first frame held still"
    yield "frozen", held, lambda: _altered(bench, lambda x: np.repeat(x[:1], len(x), axis=0), "frozen")
    blurred = "the reference under a Gaussian of an eighth of its shorter side"
    yield "blurred", blurred, lambda: _altered(bench, _blurred, "blurred")


def round_trip_codec(bench: Bench) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """The embedded model's autoencoder where sides are multiples of 8 and lengths 4k + 1, else JPEG at quality 50."""
    fits = all(
        form.frames % 4 == 1 and form.size[0] % 8 == 0 and form.size[1] % 8 == 0
        for form in bench.expected.values()
    )
    if not fits:
        return _jpeg, "the reference through JPEG at quality 50"
    from kinema.evaluation.protocols.pipelines import round_trip
    from kinema.video.loading import in_our_loop, load_pipeline

    model = in_our_loop(load_pipeline(adapters=())).video_model
    return lambda frames: round_trip(model, frames), f"the reference through {model.name}'s autoencoder"


def _altered(bench: Bench, change: Callable[[np.ndarray], np.ndarray], what: str) -> SeenSet:
    def watch(name: str) -> Any:
        seen = bench.true[name]
        video = change(seen.frames())
        return bench.watcher.watch(lambda: video, seen.fps, bench.known(name))

    return dict(zip(bench.names, bench.map(watch, bench.names, f"making {what}"), strict=True))


def _gone() -> np.ndarray:
    raise AssertionError("a rung's frames are not kept once it is scored")


def _jpeg(frames: np.ndarray) -> np.ndarray:
    restored = []
    for frame in frames:
        code = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
        restored.append(np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR)))
    return np.stack(restored)


def _blurred(frames: np.ndarray) -> np.ndarray:
    sigma = min(frames.shape[1:3]) / 8
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])


def _admit(metric: ClipMetric, scores: dict[str, np.ndarray], groups: Sequence[str] | None) -> dict[str, str]:
    """Is the reference better than every rung that the metric must tell from it, clip by clip?"""
    if not metric.better:
        return _verdict("descriptive", "no way of it is better")
    if np.isnan(scores[TRUTH]).all():
        return _verdict("not admitted", "the reference itself gives no value")
    tested = [rung for rung in metric.tells if rung in scores]
    if not tested:
        return _verdict("untested", "no rung of this ladder tests it")
    sign = 1.0 if metric.better == "higher" else -1.0
    few = False
    for rung in tested:
        worse = sign * (scores[TRUTH] - scores[rung])
        count = int(np.sum(~np.isnan(worse)))
        p = sign_flip_test(worse, clusters=groups)
        right = count > 0 and np.nanmean(worse) > 0
        if right and p < LEVEL:
            continue
        if right and 2.0 ** (1 - count) >= LEVEL:
            few = True
            continue
        return _verdict("not admitted", f"cannot tell {rung} from ground truth on these clips (p {p:.2g})")
    if few:
        return _verdict("undecided", "too few clips to tell anything at the 5 % level")
    return _verdict("admitted", f"tells {', '.join(tested)} from ground truth")


def _admit_set(
    metric: SetMetric, sets: dict[str, SeenSet], seed: int
) -> tuple[dict[str, float | None], dict[str, str]]:
    name = metric.extractor.name
    means: dict[str, float | None] = {}
    for rung, seen in sets.items():
        made, true, _ = paired_features(seen, sets[TRUTH], name)
        means[rung] = (
            frechet_distance(made, true, metric.extractor.covariance)
            if min(len(made), len(true)) > 1
            else None
        )
    if means[TRUTH] is None:
        return means, _verdict("not admitted", "too few windows: it takes at least two")
    if (
        means.get("shuffled", 0.0) is None
        or (means.get("shuffled") or 0.0) > 1e-6 * (means["blurred"] or 1.0) + 1e-9
    ):
        return means, _verdict("not admitted", "depends on the order of clips")
    if len(sets[TRUTH]) < 6:
        return means, _verdict("undecided", "too few clips to tell anything at the 5 % level")
    for rung in ("frozen", "blurred"):
        _, p, _ = set_swap_test(sets[rung], sets[TRUTH], None, name, resamples=RESAMPLES, seed=seed)
        if p >= LEVEL:
            return means, _verdict(
                "not admitted", f"cannot tell {rung} from ground truth on these clips (p {p:.2g})"
            )
    return means, _verdict("admitted", "tells frozen and blurred from ground truth, and is blind to order")


def _verdict(status: str, why: str) -> dict[str, str]:
    return {"status": status, "why": why}


def _mean(values: np.ndarray) -> float | None:
    return None if np.isnan(values).all() else float(np.nanmean(values))
