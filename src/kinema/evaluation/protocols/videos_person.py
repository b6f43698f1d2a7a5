"""Metrics of single clips that look at the person, the background and motion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from kinema.evaluation.metrics import background, temporal
from kinema.evaluation.metrics import keypoint_error as pose
from kinema.evaluation.metrics.part_colours import colour_error, texture_error
from kinema.evaluation.protocols.videos_manifest import Known
from kinema.evaluation.protocols.videos_metric import ClipMetric, Score
from kinema.evaluation.protocols.videos_seen import Seen, looks_in_masks

PERSON_SHARE = 0.5  # of the judge's keypoints that must be found where a person is detected (ours)
WORST_POSE = 0.5  # of the reference person's height: where PoseErr is cut, and what a miss costs (ours)
_ANKLES = ((5, 7), (6, 8))  # the network's left and right ankle, and the SMPL-24 joints they are
STANDS_BELOW, STANDS_UNDER = 0.12, 0.2  # metres over the floor, m/s: an ankle that stands by the scene (ours)


def person_metrics(judge: Mapping[str, Any], threshold: float) -> list[ClipMetric]:
    """Pose, detection, foot slide, background, identity and motion.

    Args:
        judge: the keypoint network's settings.
        threshold: its confidence that loses 1 % of the reference's keypoints; NaN without a reference.
    """
    return [*_pose(judge, threshold), *_background(judge), *_identity(judge), *_motion(judge)]


def _pose(judge: Mapping[str, Any], threshold: float) -> list[ClipMetric]:
    settings = {
        "judge": dict(judge),
        "counted": pose.COUNTED_CONFIDENCE,
        "threshold": None if np.isnan(threshold) else round(threshold, 6),
    }
    paired: Any = {"needs": frozenset({"reference"}), "tells": ("shuffled", "frozen")}

    def pose_error(made: Seen, true: Seen | None, known: Known) -> float:
        assert true is not None
        counted = true.confidence >= pose.COUNTED_CONFIDENCE
        worst = WORST_POSE * true.height
        return pose.pose_error(made.points, made.found(threshold), true.points, counted, worst)

    def detection_error(made: Seen, true: Seen | None, known: Known) -> float:
        assert true is not None
        there, wanted = (
            (each.confidence >= pose.COUNTED_CONFIDENCE).mean(axis=1) >= PERSON_SHARE for each in (made, true)
        )
        return pose.detection_error(there.astype(int), wanted.astype(int))

    def missed_keypoints(made: Seen, true: Seen | None, known: Known) -> float:
        assert true is not None
        return pose.missed_keypoints(made.found(threshold), true.confidence >= pose.COUNTED_CONFIDENCE)

    return [
        ClipMetric(
            "pose-err",
            "keypoints",
            "lower",
            "Mean distance of the reference's keypoints; one that is not found costs half a body height.",
            pose_error,
            settings | {"worst": WORST_POSE},
            unit="px",
            **paired,
        ),
        ClipMetric(
            "det-err",
            "one-person",
            "lower",
            "Share of frames whose number of detected people differs from the reference's; this judge sees one or none.",
            detection_error,
            {"judge": dict(judge), "counted": pose.COUNTED_CONFIDENCE, "person": PERSON_SHARE},
            needs=frozenset({"reference"}),
        ),
        ClipMetric(
            "missed",
            "keypoints",
            "lower",
            "Share of the reference's keypoints that are not found, at the confidence that loses 1 % of its own.",
            missed_keypoints,
            settings | {"misses": 0.01},
            needs=frozenset({"reference"}),
            tells=("blurred",),
        ),
        ClipMetric(
            "foot-slide",
            "scene",
            "lower",
            "Speed in the picture of ankles that stand by the scene, against where the scene's camera sees them.",
            _foot_slide,
            settings | {"below": STANDS_BELOW, "under": STANDS_UNDER, "median over": "quarters of a second"},
            needs=frozenset({"scene"}),
            tells=("shuffled",),
            unit="m/s",
        ),
    ]


def _foot_slide(made: Seen, true: Seen | None, known: Known) -> float:
    scene = known.scene
    if scene is None or scene.camera is None or not scene.people:
        return float("nan")
    joints = scene.people[0].to_smpl24().joints[:, [joint for _, joint in _ANKLES]]
    exact, depth = scene.camera.project(joints)
    speed = np.linalg.norm(np.diff(joints, axis=0, prepend=joints[:1]), axis=-1) * made.fps
    standing = (joints[..., 1] < STANDS_BELOW) & (speed < STANDS_UNDER)
    columns = [point for point, _ in _ANKLES]
    sure = made.confidence[:, columns] >= pose.COUNTED_CONFIDENCE
    points = np.where(sure[..., None], made.points[:, columns], np.nan)
    metres = depth / scene.camera.intrinsics[:, :1]
    return pose.foot_slide(points, exact, standing, metres, made.fps)


def _background(judge: Mapping[str, Any]) -> list[ClipMetric]:
    settings = {"dilation": background.DILATION, "cap": background.CAP, "people": dict(judge)}

    def against_reference(made: Seen, true: Seen | None, known: Known) -> float:
        assert true is not None
        exact = true.silhouette if known.masks is None else known.masks
        masks = background.dilated(made.silhouette | exact)
        return background.background_psnr(made.frames(), true.frames(), masks)

    def static(made: Seen, true: Seen | None, known: Known) -> float:
        if known.scene is not None and known.scene.camera is not None and _moves(known):
            return float("nan")
        return background.static_background_psnr(made.frames(), background.dilated(made.silhouette))

    def warped(made: Seen, true: Seen | None, known: Known) -> float:
        if known.scene is None or known.scene.camera is None or known.depth is None or not _moves(known):
            return float("nan")
        masks = made.silhouette if known.masks is None else made.silhouette | known.masks
        camera = known.scene.camera
        return background.warped_background_psnr(
            made.frames(), background.dilated(masks), known.depth, camera.c2w, camera.intrinsics
        )

    return [
        ClipMetric(
            "background-psnr",
            "reference",
            "higher",
            "PSNR outside the people of either video, against the reference's same frame.",
            against_reference,
            settings,
            needs=frozenset({"reference"}),
            tells=("shuffled",),
            unit="dB",
        ),
        ClipMetric(
            "background-psnr",
            "static",
            "higher",
            "PSNR outside people against the video's own first frame; only where the camera stands still. A frozen "
            "video wins.",
            static,
            settings,
            tells=("frozen",),
            unit="dB",
        ),
        ClipMetric(
            "background-psnr",
            "warped",
            "higher",
            "PSNR outside people against the video's own first frame, carried along by the true camera and depth; "
            "only where the camera moves.",
            warped,
            settings,
            needs=frozenset({"scene"}),
            tells=("frozen",),
            unit="dB",
        ),
    ]


def _moves(known: Known) -> bool:
    assert known.scene is not None
    assert known.scene.camera is not None
    camera = known.scene.camera
    return bool(
        np.abs(camera.c2w - camera.c2w[:1]).max() > 1e-6 or np.ptp(camera.intrinsics, axis=0).max() > 1e-6
    )


def _identity(judge: Mapping[str, Any]) -> list[ClipMetric]:
    settings = {"parts": "nearest bone inside the silhouette", "judge": dict(judge)}
    paired: Any = {"needs": frozenset({"reference"}), "tells": ("shuffled",)}

    def in_masks(error: Callable[[np.ndarray, np.ndarray], float]) -> Score:
        def score(made: Seen, true: Seen | None, known: Known) -> float:
            assert true is not None
            if known.parts is None:
                return float("nan")
            return error(looks_in_masks(made, known.parts), looks_in_masks(true, known.parts))

        return score

    def by_keypoints(error: Callable[[np.ndarray, np.ndarray], float]) -> Score:
        def score(made: Seen, true: Seen | None, known: Known) -> float:
            assert true is not None
            return error(made.looks, true.looks)

        return score

    metrics = []
    for what, error, says in (
        ("colour", colour_error, "CIELAB distance of body parts' colours (2.3 is just noticeable)"),
        ("texture", texture_error, "difference of the strength of edges inside body parts"),
    ):
        metrics += [
            ClipMetric(
                f"identity-{what}",
                "keypoint-parts",
                "lower",
                f"The {says}; parts by each video's own keypoints. A missing part costs 100.",
                by_keypoints(error),
                settings,
                **paired,
            ),
            ClipMetric(
                f"identity-{what}",
                "exact-parts",
                "lower",
                f"The {says}; inside the manifest's part masks, so that a wrong pose costs as well.",
                in_masks(error),
                {"parts": "part_ids of the manifest"},
                needs=frozenset({"reference", "parts"}),
                tells=("shuffled",),
            ),
        ]
    return metrics


def _motion(judge: Mapping[str, Any]) -> list[ClipMetric]:
    flow = {
        "flow": "cv2 DIS medium",
        "fps": temporal.FLOW_FPS,
        "threshold": temporal.FLOW_THRESHOLD,
        "share": temporal.FLOW_SHARE,
    }

    def mean_speed(seen: Seen) -> float:
        return float(seen.speeds.mean()) if len(seen.speeds) else float("nan")

    figures: list[tuple[str, str, Callable[[Seen], float], dict[str, Any], str, str]] = [
        (
            "flicker",
            "luminance",
            lambda s: s.flicker,
            {},
            "the second difference of luminance in time",
            "levels",
        ),
        (
            "jerk",
            "keypoints",
            lambda s: s.jerk,
            {"judge": dict(judge)},
            "the third derivative of keypoints",
            "heights/s^3",
        ),
        (
            "speed",
            "dis-flow",
            mean_speed,
            flow,
            "the fastest twentieth of the picture's motion",
            "sides/step",
        ),
    ]
    metrics = [
        ClipMetric(
            "dynamic-degree",
            "dis-flow",
            "",
            "Share of steps at 8 fps in which the fastest twentieth moves by more than 6/256 of the shorter side (ours).",
            lambda made, true, known: temporal.dynamic_degree(made.speeds),
            flow,
        )
    ]
    for base, variant, figure, settings, says, unit in figures:
        metrics += [
            ClipMetric(
                base,
                variant,
                "",
                f"Size of {says}. Descriptive: a frozen video has none.",
                partial(_own, figure),
                settings,
                unit=unit,
            ),
            ClipMetric(
                f"{base}-off",
                variant,
                "lower",
                f"How far the size of {says} is from the reference's: |log ratio|.",
                partial(_off, figure),
                settings | {"compared": "absolute log ratio"},
                needs=frozenset({"reference"}),
                tells=("frozen",),
            ),
        ]
    return metrics


def _own(figure: Callable[[Seen], float], made: Seen, true: Seen | None, known: Known) -> float:
    return figure(made)


def _off(figure: Callable[[Seen], float], made: Seen, true: Seen | None, known: Known) -> float:
    assert true is not None
    return temporal.off_reference(figure(made), figure(true))
