"""How gently does control degrade? The same takes, told by an ever more careless detector, against the true render."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

import kinema
from kinema.data.motion_library import MotionLibrary
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.metrics.iou import silhouette_iou
from kinema.evaluation.metrics.pck import pck
from kinema.evaluation.protocols.control_clips import ControlClip, choose_clips
from kinema.evaluation.protocols.control_scores import ALPHA
from kinema.evaluation.protocols.pipelines import film_form, generate, load_system, sampling
from kinema.evaluation.statistics import clip_bootstrap, derangement
from kinema.scene import Motion, Scene
from kinema.scene.formats.files import atomic_write
from kinema.video.registry import EMBEDDED

PROTOCOL = "robustness-1"
STRENGTHS: dict[str, tuple[float, ...]] = {
    "missing joints": (0.1, 0.25, 0.5),
    "swapped people": (0.1, 0.25, 0.5),
    "jitter": (0.02, 0.05, 0.1),
    "dropped frames": (0.25, 0.5, 0.75),
}
"""Share of joints lost, of frames in which somebody else stands in the person's place, metres of tremble (standard
deviation per axis), and share of frames without anybody."""


def missing_joints(motion: Motion, share: float, rng: np.random.Generator) -> Motion:
    """Loses joints, each joint of each frame by itself."""
    lost = rng.random(motion.joints.shape[:2]) < share
    return replace(motion, confidence=np.where(lost, 0.0, 1.0))


def swapped_people(motion: Motion, other: Motion, share: float, rng: np.random.Generator) -> Motion:
    """In some frames the other person, at the first one's place: what a tracker that confuses people says."""
    frames = motion.frames
    theirs = other.joints[np.minimum(np.arange(frames), other.frames - 1)]
    theirs = theirs + (motion.joints[:, :1] - theirs[:, :1]) * [1.0, 0.0, 1.0]
    wrong = _some(frames, share, rng)
    return Motion(np.where(wrong[:, None, None], theirs, motion.joints), motion.fps, motion.skeleton)


def jitter(motion: Motion, metres: float, rng: np.random.Generator) -> Motion:
    """Trembles, each joint of each frame by itself."""
    noise = rng.normal(0, metres, motion.joints.shape)
    return Motion(motion.joints + noise, motion.fps, motion.skeleton)


def dropped_frames(motion: Motion, share: float, rng: np.random.Generator) -> Motion:
    """Sees nobody in some frames."""
    lost = np.repeat(_some(motion.frames, share, rng)[:, None], motion.joints.shape[1], axis=1)
    return replace(motion, confidence=np.where(lost, 0.0, 1.0))


def corrupted_scenes(clips: Sequence[ControlClip], kind: str, strength: float, seed: int = 0) -> list[Scene]:
    """What a generator is told of the clips by a careless detector.

    Args:
        clips: the takes.
        kind: one of STRENGTHS.
        strength: see STRENGTHS.
        seed: of the mistakes.

    Raises:
        ValueError: no such kind.
    """
    if kind not in STRENGTHS:
        raise ValueError(f"no corruption {kind!r}: there are {', '.join(STRENGTHS)}")
    others = derangement(len(clips), seed)
    plain: dict[str, Callable[[Motion, float, np.random.Generator], Motion]] = {
        "missing joints": missing_joints,
        "jitter": jitter,
        "dropped frames": dropped_frames,
    }
    scenes = []
    for number, clip in enumerate(clips):
        rng = np.random.default_rng([seed, number, list(STRENGTHS).index(kind)])
        motion = clip.film.scene.people[0]
        if kind in plain:
            worse = plain[kind](motion, strength, rng)
        else:
            worse = swapped_people(motion, clips[others[number]].film.scene.people[0], strength, rng)
        scenes.append(replace(clip.film.scene, people=(worse, *clip.film.scene.people[1:])))
    return scenes


def evaluate_robustness(
    *,
    clips: int = 16,
    seed: int = 0,
    steps: int | None = None,
    adapters: Sequence[str] = ("tokenmotion",),
    out: str | Path | None = None,
    progress: bool = True,
    pipeline: str | Path = EMBEDDED,
    judge: str | Path | None = None,
    library: str | Path | None = None,
) -> dict[str, Any]:
    """Robustness curves: PCK@0.1H and IoU against the true render, at growing strengths of each corruption.

    Args:
        clips: how many takes, at least 2; those of `evaluate_control`.
        seed: of takes, noise and mistakes.
        steps: denoising steps; the pipeline's default where None.
        adapters: control methods; several joined by a comma work together.
        out: folder for `robustness.json`, with intervals.
        progress: bars on stderr.
        pipeline: a backbone that `kinema models` lists, or a folder of weights.
        judge: folder of a keypoint network; the one in the package where None.
        library: folder of the motion library; its default place where None.

    Returns:
        Per adapter: `clean` and `shuffled` (judged against other takes: where control is lost) with pck and iou, and
        per kind of corruption a list of {strength, pck, iou}.

    Raises:
        FileNotFoundError: no motion library, no weights or no judge.
        ValueError: fewer than two clips, no adapter or an unknown one, or not enough clips that move.
    """
    if not adapters:
        raise ValueError("name at least one adapter to evaluate")
    shuffle = derangement(clips, seed)
    network = KeypointNetworkJudge(judge)
    motions = MotionLibrary.open(library)
    system = load_system(pipeline, adapters[0])
    form = film_form(system.video_model)
    takes = choose_clips(motions, clips, seed=seed, progress=progress, **form)
    results: dict[str, Any] = {}
    intervals: dict[str, Any] = {}
    for index, adapter in enumerate(adapters):
        if index:
            system = load_system(pipeline, adapter)
        seen = [network.watch_all(video) for video in generate(system, takes, steps, progress)]
        curves: dict[str, Any] = {
            "clean": _figures(seen, takes),
            "shuffled": _figures(seen, [takes[other] for other in shuffle]),
        }
        for kind, strengths in STRENGTHS.items():
            curves[kind] = []
            for strength in strengths:
                told = corrupted_scenes(takes, kind, strength, seed)
                videos = generate(system, takes, steps, progress, scenes=told)
                figures = _figures([network.watch_all(video) for video in videos], takes)
                curves[kind].append({"strength": strength, **figures})
        intervals[adapter] = curves
        results[adapter] = _means(curves)
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        report = {
            "protocol": PROTOCOL,
            "kinema": kinema.__version__,
            "settings": {
                **form,
                "clips": clips,
                "seed": seed,
                **sampling(system.video_model, steps),
                "strengths": STRENGTHS,
            },
            "judges": {network.name: network.settings()},
            "adapters": intervals,
        }
        with atomic_write(Path(out) / "robustness.json") as path:
            path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return results


def table(results: dict[str, Any]) -> str:
    """The curves as text."""
    lines = []
    for adapter, curves in results.items():
        lines.append(f"{adapter:<24}{'strength':>10}{'PCK@0.1H':>10}{'IoU':>8}")
        for kind, points in curves.items():
            for point in points if isinstance(points, list) else [points]:
                strength = f"{point['strength']:g}" if "strength" in point else "-"
                lines.append(f"  {kind:<22}{strength:>10}{point['pck']:>10.3f}{point['iou']:>8.3f}")
    return "\n".join(lines)


def _figures(seen: Sequence[Any], clips: Sequence[ControlClip]) -> dict[str, Any]:
    pairs = list(zip(seen, clips, strict=True))
    values = {
        "pck": [pck(sighting.points, clip.truth, ALPHA) for (sighting, _), clip in pairs],
        "iou": [silhouette_iou(silhouette, clip.mask) for (_, silhouette), clip in pairs],
    }
    return {name: asdict(clip_bootstrap(each)) for name, each in values.items()}


def _means(curves: Any) -> Any:
    """The curves with means in the place of intervals."""
    if isinstance(curves, list):
        return [_means(point) for point in curves]
    if "mean" in curves:
        return round(curves["mean"], 4)
    return {key: _means(each) if isinstance(each, (dict, list)) else each for key, each in curves.items()}


def _some(count: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """That share of so many things, chosen at random, bool [count]."""
    chosen = np.zeros(count, bool)
    chosen[rng.permutation(count)[: round(share * count)]] = True
    return chosen
