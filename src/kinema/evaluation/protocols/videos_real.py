"""Metrics of films of real people and places: PoseErr and DetErr by a judge of people, camera errors by pycolmap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kinema.evaluation.judges.people import PeopleJudge
from kinema.evaluation.judges.solved_camera import CameraSolver
from kinema.evaluation.metrics import camera_error as camera
from kinema.evaluation.metrics.keypoint_error import COUNTED_CONFIDENCE, detection_error
from kinema.evaluation.metrics.people_error import PAPER_SIZE, at_paper_size, people_pose_error
from kinema.evaluation.protocols.videos_manifest import Known
from kinema.evaluation.protocols.videos_metric import ClipMetric, Need, Score
from kinema.evaluation.protocols.videos_seen import Seen

WORST_POSE = 0.5  # of the reference person's height: where PoseErr is cut, and what a miss costs (ours)

Errors = Callable[[np.ndarray, np.ndarray], float]


def people_metrics(judge: PeopleJudge) -> list[ClipMetric]:
    """PoseErr in two readings, and DetErr."""
    settings = {"judge": judge.settings(), "counted": COUNTED_CONFIDENCE, "matched": "Hungarian, each frame"}
    paired: Any = {"needs": frozenset({"reference"})}

    def pose_error(worst: float | None) -> Score:
        def score(made: Seen, true: Seen | None, known: Known) -> float:
            assert true is not None
            mine, theirs = made.people, true.people
            assert mine is not None
            assert theirs is not None
            pixels = people_pose_error(mine.points, mine.confidence, theirs.points, theirs.confidence, worst)
            return at_paper_size(pixels, made.size)

        return score

    def detections(made: Seen, true: Seen | None, known: Known) -> float:
        assert true is not None
        assert made.people is not None
        assert true.people is not None
        return 100 * detection_error(made.people.count, true.people.count)

    size = {"pixels of": list(PAPER_SIZE)}
    return [
        ClipMetric(
            "pose-err",
            f"{judge.name}-found",
            "lower",
            "TokenMotion's PoseErr: mean keypoint distance of matched people, in pixels of 384x256; what is not found "
            "is left out, so that a video without people has none.",
            pose_error(None),
            settings | size | {"missed": "left out"},
            tells=("shuffled", "frozen"),
            unit="px of 384x256",
            **paired,
        ),
        ClipMetric(
            "pose-err",
            judge.name,
            "lower",
            "The same, but a keypoint or person that is not found costs half the reference person's height (ours).",
            pose_error(WORST_POSE),
            settings | size | {"worst": WORST_POSE},
            tells=("shuffled", "frozen"),
            unit="px of 384x256",
            **paired,
        ),
        ClipMetric(
            "det-err",
            judge.name,
            "lower",
            "TokenMotion's DetErr: percentage of frames whose number of people differs from the reference's.",
            detections,
            settings,
            tells=("blurred",),
            unit="%",
            **paired,
        ),
    ]


def camera_metrics(solver: CameraSolver) -> list[ClipMetric]:
    """RotErr, TransErr and CamMC against the set's own cameras, and against the reference solved alike; failures."""
    published = {
        "rot-err": ("RotErr[sum-rad]", "sum over frames of the angle to the true rotation", "rad"),
        "trans-err": ("TransErr[own-max-sum]", "sum of distances, each path divided by its own largest", ""),
        "cam-mc": ("CamMC[own-max-sum]", "sum of Frobenius distances of [R|t], scaled so", ""),
    }
    rows: list[tuple[str, str, Errors, str, str]] = [
        (base, "sum", lambda a, b, key=key: camera.published_camera_errors(a, b)[key], says, unit)  # type: ignore[misc]
        for base, (key, says, unit) in published.items()
    ]
    rows += [
        (
            "rot-err",
            "mean-deg",
            lambda a, b: camera.camera_error(a, b).rotation_deg,
            "mean angle over frames",
            "deg",
        ),
        (
            "trans-err",
            "best-scale",
            lambda a, b: camera.camera_error(a, b, still=0.0).translation_scaled_m,
            "mean distance once the estimate has the best single scale, in the set's unit (ours)",
            "",
        ),
    ]
    metrics = [
        ClipMetric(
            "colmap-failed",
            "pycolmap",
            "lower",
            "Percentage of videos that structure from motion could not solve; published means mostly leave them out.",
            lambda made, true, known: 100.0 * (made.camera is None or made.camera.c2w is None),
            solver.settings(),
            tells=("blurred",),
            unit="%",
        )
    ]
    truths: list[tuple[str, Callable[[Seen | None, Known], np.ndarray | None], Need]] = [
        ("set", _camera_of_set, "scene"),
        ("both", _camera_of_reference, "reference"),
    ]
    for variant, truth, need in truths:
        told = "the set's own cameras" if variant == "set" else "the reference's, solved the same way"
        for base, how, errors, says, unit in rows:
            metrics.append(
                ClipMetric(
                    base,
                    f"colmap-{variant}-{how}",
                    "lower",
                    f"Camera by pycolmap against {told}: {says}. Failures are left out here, see colmap-failed.",
                    _against(truth, errors),
                    solver.settings() | {"truth": told, "how": how},
                    needs=frozenset({need}),
                    tells=("shuffled",),
                    unit=unit,
                )
            )
    return metrics


def _against(truth: Callable[[Seen | None, Known], np.ndarray | None], errors: Errors) -> Score:
    def score(made: Seen, true: Seen | None, known: Known) -> float:
        path = truth(true, known)
        if path is None or made.camera is None or made.camera.c2w is None:
            return float("nan")
        return errors(made.camera.c2w, path)

    return score


def _camera_of_set(true: Seen | None, known: Known) -> np.ndarray | None:
    return None if known.scene is None or known.scene.camera is None else known.scene.camera.c2w


def _camera_of_reference(true: Seen | None, known: Known) -> np.ndarray | None:
    return None if true is None or true.camera is None else true.camera.c2w
