"""A test set with its reference, manifest, metrics and judges: looks at folders of videos and scores them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from kinema.evaluation.features.extractor import FeatureExtractor
from kinema.evaluation.features.own import KeypointTrunkFeatures, SpaceTimeFeatures
from kinema.evaluation.features.picture_networks import video_figures
from kinema.evaluation.features.video_networks import set_features
from kinema.evaluation.features.weights import Weights, parse_weights, skipped
from kinema.evaluation.judges.keypoint_network import KeypointNetworkJudge
from kinema.evaluation.judges.people import PeopleJudge
from kinema.evaluation.judges.solved_camera import CameraSolver
from kinema.evaluation.metrics.keypoint_error import miss_threshold
from kinema.evaluation.protocols.videos_folder import (
    ClipFolder,
    ClipForm,
    check_hashes,
    check_made,
    expected_forms,
)
from kinema.evaluation.protocols.videos_manifest import NOTHING, Known, Manifest
from kinema.evaluation.protocols.videos_metric import ClipMetric, Need, SetMetric
from kinema.evaluation.protocols.videos_metrics import clip_metrics
from kinema.evaluation.protocols.videos_real import camera_metrics, people_metrics
from kinema.evaluation.protocols.videos_seen import Seen, Watcher

SeenSet = dict[str, Seen]
"""Clip -> what was seen in it; failed clips are not in it."""

_OUTSIDE = {
    "fvd": ("i3d-torchscript",),
    "fid-vid": ("resnet3d-50",),
    "fid": ("inception-torchscript",),
    "lpips": ("vgg16", "lpips-vgg"),
    "clipsim, background-consistency[vbench]": ("clip",),
    "subject-consistency[vbench]": ("dino",),
    "motion-smoothness[vbench]": ("interpolator",),
    "dynamic-degree[vbench]": ("flow",),
    "imaging-quality[vbench]": ("quality",),
}
_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Options:
    """How videos are read and measured.

    Args:
        fps: of PNG frames, which state none.
        weights: `NAME=PATH[@sha256]`, see `features/weights.py`.
        allow_code: TorchScript archives among the weights may be run.
        judge: folder of a keypoint network; the one in the package where None.
        people: a judge of people on film, see `PeopleJudge`; none where None.
        cameras: camera errors by structure from motion as well; it takes seconds a video.
        legacy: the TikTok scripts' modes as well.
        workers: threads; figures do not depend on it.
        seed: of everything random.
        progress: bars on stderr.
    """

    fps: float | None = None
    weights: Sequence[str] = ()
    allow_code: bool = False
    judge: str | Path | None = None
    people: str | None = None
    cameras: bool = False
    legacy: bool = False
    workers: int = 1
    seed: int = 0
    progress: bool = False


@dataclass
class Bench:
    """A test set ready to measure; made by `open_bench`.

    Args:
        options: as given.
        expected: what every clip must be like, in order of names.
        references: the folder of reference clips.
        manifest: the manifest.
        watcher: looks at videos.
        metrics: of single clips.
        sets: Fréchet distances.
        skipped: metric -> why it is not measured.
        true: what was seen in the references.
        threshold: the judge's confidence that loses 1 % of the reference's keypoints.
        weights: of the user's networks.
    """

    options: Options
    expected: dict[str, ClipForm]
    references: ClipFolder | None
    manifest: Manifest | None
    watcher: Watcher
    metrics: list[ClipMetric]
    sets: list[SetMetric]
    skipped: dict[str, str]
    true: SeenSet
    threshold: float
    weights: dict[str, Weights] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The clips, sorted."""
        return list(self.expected)

    @property
    def groups(self) -> list[str] | None:
        """Which clips are drawn together; None where every clip is for itself."""
        if self.manifest is None or not any("group" in clip for clip in self.manifest.clips.values()):
            return None
        return [self.manifest.clips[name].get("group", f"clip {name}") for name in self.names]

    def known(self, name: str) -> Known:
        """What the manifest knows about a clip."""
        return NOTHING if self.manifest is None else self.manifest.known(name)

    def open(self, folder: str | Path) -> tuple[ClipFolder, dict[str, str]]:
        """A folder of generated clips, checked before scoring, and its failures: clip -> why."""
        clips = ClipFolder(folder, self.options.fps)
        failures = check_made(clips, self.expected)
        if self.manifest is not None:
            check_hashes(clips, self.manifest.hashes("generated"), "generated")
        return clips, failures

    def look(self, clips: ClipFolder, failures: Iterable[str], what: str) -> SeenSet:
        """What is to be seen in a folder's clips, except for failures."""
        names = [name for name in self.names if name not in set(failures)]

        def watch(name: str) -> Seen:
            fps = self.expected[name].fps or clips.form(name).fps
            assert fps is not None
            return self.watcher.watch(partial(_frames, clips, name), fps, self.known(name))

        return dict(zip(names, self.map(watch, names, f"looking at {what}"), strict=True))

    def score(
        self, seen: Mapping[str, Seen], what: str, against: Mapping[str, Seen] | None = None
    ) -> dict[str, np.ndarray]:
        """Every clip metric's values in order of `names`, NaN for clips that failed or have none.

        Args:
            seen: the videos.
            what: for the bar.
        """

        def one(name: str) -> list[float]:
            if name not in seen:
                return [float("nan")] * len(self.metrics)
            known = self.known(name)
            return [metric.score(seen[name], self.true.get(name), known) for metric in self.metrics]

        rows = np.array(self.map(one, self.names, f"scoring {what}"), np.float64)
        return {metric.name: rows[:, number] for number, metric in enumerate(self.metrics)}

    def map(self, function: Callable[[_T], _R], items: Sequence[_T], what: str) -> list[_R]:
        """The function of every item, in order, in as many threads as wanted."""
        hidden = not self.options.progress
        if self.options.workers <= 1:
            return [function(item) for item in tqdm(items, desc=what, unit="clip", disable=hidden)]
        with ThreadPoolExecutor(self.options.workers) as pool:
            return list(
                tqdm(pool.map(function, items), total=len(items), desc=what, unit="clip", disable=hidden)
            )

    def settings(self) -> dict[str, Any]:
        """What the report records."""
        return {
            "reference": None if self.references is None else str(self.references.folder),
            "manifest": None if self.manifest is None else str(self.manifest.path),
            "clips": len(self.expected),
            "seed": self.options.seed,
            "judge": self.watcher.judge.settings(),
            "people": None if self.watcher.people is None else self.watcher.people.settings(),
            "cameras": None if self.watcher.cameras is None else self.watcher.cameras.settings(),
            "detection_threshold": None if np.isnan(self.threshold) else self.threshold,
            "weights": {name: weights.sha256 for name, weights in self.weights.items()},
        }


def open_bench(
    reference: str | Path | None, manifest: str | Path | None, options: Options, fallback: str | Path
) -> Bench:
    """Checks references and manifest, looks at the references, and decides which metrics can be measured.

    Args:
        reference: folder of reference clips; metrics that need them are skipped without.
        manifest: a manifest file.
        options: how to measure.
        fallback: folder whose clips are the test set where there is neither reference nor manifest.

    Raises:
        FileNotFoundError: a file or folder is missing.
        ValueError: references, manifest or weights are not what they should be; before anything is scored.
    """
    listed = None if manifest is None else Manifest(manifest)
    references = None if reference is None else ClipFolder(reference, options.fps)
    expected = expected_forms(references, None if listed is None else listed.forms())
    if expected is None:
        expected = _readable(ClipFolder(fallback, options.fps))
    expected = dict(sorted(expected.items()))
    if references is not None and listed is not None:
        check_hashes(references, listed.hashes("reference"), "reference")
    timeless = [name for name, form in expected.items() if not (form.fps or options.fps)]
    if timeless:
        raise ValueError(f"{timeless[0]}: PNG frames state no frame rate; give --fps or a manifest")
    weights = parse_weights(options.weights, allow_code=options.allow_code)
    judge = KeypointNetworkJudge(options.judge)
    extractors: list[FeatureExtractor] = [
        SpaceTimeFeatures(),
        KeypointTrunkFeatures(judge.network, judge.sha256),
        *set_features(weights),
    ]
    bench = Bench(
        options=options,
        expected=expected,
        references=references,
        manifest=listed,
        watcher=Watcher(
            judge,
            extractors,
            video_figures(weights),
            None if options.people is None else PeopleJudge(options.people),
            CameraSolver() if options.cameras else None,
        ),
        metrics=[],
        sets=[],
        skipped={},
        true={},
        threshold=float("nan"),
        weights=weights,
    )
    for metric, needed in _OUTSIDE.items():
        line = skipped(metric, needed, weights)
        if line is not None and not (metric == "fvd" and "i3d-400" in weights):
            bench.skipped[metric] = line
    if references is not None:
        bench.true = bench.look(references, (), "the reference")
        bench.threshold = miss_threshold(
            np.concatenate([seen.confidence.ravel() for seen in bench.true.values()])
        )
    _choose(bench)
    return bench


def _choose(bench: Bench) -> None:
    """Keeps the metrics whose needs are met; the others are skipped, with a line."""
    clips = [] if bench.manifest is None else list(bench.manifest.clips.values())
    there: dict[Need, bool] = {
        "reference": bench.references is not None,
        "parts": any("truth" in clip for clip in clips),
        "scene": any("scene" in clip for clip in clips),
        "prompt": any("prompt" in clip for clip in clips),
    }
    asks: dict[Need, str] = {
        "reference": "reference clips; give --reference FOLDER",
        "parts": "exact body parts: `truth` with `part_ids` in a --manifest",
        "scene": "the scene: `scene` in a --manifest",
        "prompt": "prompts: `prompt` in a --manifest",
    }
    judge = bench.watcher.judge.settings()
    metrics = clip_metrics(judge, bench.threshold, bench.weights, legacy_modes=bench.options.legacy)
    if bench.watcher.people is not None:
        metrics += people_metrics(bench.watcher.people)
    if bench.watcher.cameras is not None:
        metrics += camera_metrics(bench.watcher.cameras)
    for metric in metrics:
        missing = [asks[need] for need in sorted(metric.needs) if not there[need]]
        if missing:
            bench.skipped[metric.label] = f"skipped: {metric.label} needs {'; and '.join(missing)}"
        else:
            bench.metrics.append(metric)
    for extractor in bench.watcher.extractors:
        convention = f"covariance by {extractor.covariance}"
        says = f"Fréchet distance of {extractor.name} features between the two sets, {convention}."
        bench.sets.append(SetMetric(extractor, says))
        if bench.references is None:
            label = bench.sets[-1].label
            bench.skipped[label] = f"skipped: {label} needs {asks['reference']}"


def _readable(clips: ClipFolder) -> dict[str, ClipForm]:
    """The forms of a folder's readable clips; of the others the form of the first, so that they count as failures."""
    forms: dict[str, ClipForm | None] = {}
    for name in clips.paths:
        try:
            forms[name] = clips.form(name)
        except (ValueError, OSError):
            forms[name] = None
    first = next((form for form in forms.values() if form is not None), None)
    if first is None:
        raise ValueError(f"{clips.folder}: none of its {len(forms)} clips can be read")
    return {name: form or first for name, form in forms.items()}


def _frames(clips: ClipFolder, name: str) -> np.ndarray:
    return clips.load(name)[0]
