"""How far one video followed its scene: what users are told after a generation, and what the best of several is.

Capture looks at the finished frames alone: a detector that knows nothing of the scene finds people, and the background
says how the camera moved. Both stand beside what a still picture would have scored, which needs no model at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from kinema.capture.camera_watch import CameraWatch
from kinema.capture.detectors.detector import Detector, open_detector
from kinema.capture.observation import Observation
from kinema.evaluation.judges.judge import COMMON_JOINTS
from kinema.evaluation.metrics.camera_error import camera_error
from kinema.evaluation.metrics.pck import KeypointTruth, frozen_pck, pck, projected_height
from kinema.scene import CameraPath, DetectedPeople, Scene
from kinema.scene.mappings import JointMapping, joint_mapping
from kinema.signals.frames import DetectedFrames, SceneFrames
from kinema.signals.person_mask import person_mask

ALPHA = 0.1
"""A joint counts as followed within this share of the person's height."""

TURNS, LEAVES = 3.0, 0.1
"""Degrees and metres under which a camera path is still and there is nothing to follow (ours)."""

_OPENPOSE = (5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)  # COMMON_NAMES among OpenPose-18
_CHUNK = 32


@dataclass(frozen=True)
class Followed:
    """What was found in a video, against its scene.

    Args:
        pose: share of the scene's joints in the picture that were found where they belong; a joint that was not found is
            wrong. None where nobody is in the scene.
        pose_still: what the first frame, held still, would score where every joint is seen.
        found: share of frames in which somebody was found for each person.
        turned_off: degrees by which the camera's turning is off on average; None of a camera that does not turn, or
            where the background did not tell.
        turned_still: the same for a camera that stands still: the path's own turning.
        moved_off: degrees between the way that the camera went and the scene's; None as for `turned_off`.
        camera: how the background was read: static, turning, moving, unknown; None without a camera.
    """

    pose: float | None
    pose_still: float | None
    found: float | None
    turned_off: float | None
    turned_still: float | None
    moved_off: float | None
    camera: str | None

    @property
    def score(self) -> float:
        """0 to 1 for choosing among takes (ours): the mean of the pose and of what of the camera was followed."""
        parts = [] if self.pose is None else [self.pose]
        if self.turned_still is not None:
            off = self.turned_still if self.turned_off is None else self.turned_off
            parts.append(max(0.0, 1.0 - off / self.turned_still))
        if self.moved_off is not None:
            parts.append(max(0.0, 1.0 - self.moved_off / 90.0))
        return float(np.mean(parts)) if parts else 0.0

    def as_json(self) -> dict[str, Any]:
        """As JSON types, with the score."""
        return {**asdict(self), "score": self.score}

    def lines(self) -> list[str]:
        """For people, a sentence each."""
        said = []
        if self.pose is not None and self.found is not None and self.pose_still is not None:
            said.append(
                f"pose: {self.pose:.0%} of the joints are where the motion has them "
                f"(a still first frame: {self.pose_still:.0%}); people found in {self.found:.0%} of the frames"
            )
        if self.turned_still is not None:
            turned = (
                "the background does not tell"
                if self.turned_off is None
                else f"off by {self.turned_off:.1f} degrees on average"
            )
            said.append(f"camera's turning: {turned} (a still camera: {self.turned_still:.1f})")
        if self.moved_off is not None:
            said.append(
                f"camera's way: {self.moved_off:.0f} degrees off the scene's (one that stands still: 90)"
            )
        return said or ["nobody is in the scene and its camera is still: there is nothing to follow"]


def followed(frames: np.ndarray, fps: float, scene: Scene | DetectedPeople) -> Followed:
    """How far a video followed its scene.

    Args:
        frames: uint8 [T, H, W, 3].
        fps: frames per second.
        scene: as the model was shown it, on the video's frames; of keypoints alone only the pose is judged.

    Raises:
        ValueError: mediapipe, which finds the people, is not installed.
    """
    size = frames.shape[2], frames.shape[1]
    if isinstance(scene, DetectedPeople):
        truths = _detected_truths(scene, size, len(frames), fps)
        return Followed(*_pose(frames, truths), None, None, None, None)
    seen = SceneFrames(scene, size, len(frames), fps)
    pose, still, found = _pose(frames, _truths(seen, len(frames), size))
    return Followed(pose, still, found, *_camera(frames, fps, seen))


def _truths(seen: SceneFrames, frames: int, size: tuple[int, int]) -> list[KeypointTruth]:
    if seen.joint_pixels is None or seen.joints is None or seen.camera is None:
        return []
    pixels, depth = (each[:frames] for each in seen.joint_pixels)
    truths = []
    for number in range(pixels.shape[1]):
        points = pixels[:, number, COMMON_JOINTS]
        ahead = depth[:, number, COMMON_JOINTS] > 0
        height = projected_height(
            seen.joints[:frames, number], seen.camera.intrinsics[:frames, 1], depth[:, number, 0]
        )
        truths.append(KeypointTruth(points, _inside(points, size) & ahead & (height > 0)[:, None], height))
    return truths


def _detected_truths(
    people: DetectedPeople, size: tuple[int, int], frames: int, fps: float
) -> list[KeypointTruth]:
    """Of people without depth, how tall somebody stands is the tallest that they are seen (ours)."""
    points = DetectedFrames(people, size, frames, fps).keypoints[:frames]
    truths = []
    for own in np.moveaxis(points[:, :, _OPENPOSE], 1, 0):
        rows = own[..., 1]
        known = np.isfinite(rows)
        tall = np.where(known, rows, -np.inf).max(axis=1) - np.where(known, rows, np.inf).min(axis=1)
        height = np.full(frames, max(0.0, float(tall.max(initial=0.0))))
        truths.append(KeypointTruth(own, _inside(own, size), height))
    return truths


def _inside(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    known = np.isfinite(points).all(axis=-1)
    return known & ((np.nan_to_num(points, nan=-1.0) >= 0) & (points < size)).all(axis=-1)


def _pose(
    frames: np.ndarray, truths: Sequence[KeypointTruth]
) -> tuple[float | None, float | None, float | None]:
    """Share of joints in their places, the same of a still first frame, share of frames with everybody found."""
    counted = [int(truth.counted.sum()) for truth in truths]
    if not sum(counted):
        return None, None, None
    with open_detector("mediapipe", people=len(truths)) as detector:
        found = _found(frames, truths, detector)
    there = np.array([np.isfinite(points).any(axis=(1, 2)).mean() for points in found])

    def mean(scores: Sequence[float]) -> float:
        return float(np.average(np.nan_to_num(scores), weights=counted))

    return (
        mean([pck(points, truth, ALPHA) for points, truth in zip(found, truths, strict=True)]),
        mean([frozen_pck(truth, ALPHA) for truth in truths]),
        float(there.mean()),
    )


def _found(frames: np.ndarray, truths: Sequence[KeypointTruth], detector: Detector) -> list[np.ndarray]:
    """Whom the detector found for each person, [T, 12, 2] each: frame by frame whoever is nearest (ours)."""
    mapping = joint_mapping(detector.layout, "openpose18")
    found = [np.full(truth.points.shape, np.nan) for truth in truths]
    for start in range(0, len(frames), _CHUNK):
        for offset, people in enumerate(detector.detect(frames[start : start + _CHUNK])):
            frame = start + offset
            points = [_common(each, mapping) for each in people]
            apart = np.array([[_apart(each, truth.points[frame]) for each in points] for truth in truths])
            if apart.size:
                for person, other in zip(*linear_sum_assignment(apart), strict=True):
                    found[person][frame] = points[other]
    return found


def _common(person: Observation, mapping: JointMapping) -> np.ndarray:
    points, _ = mapping.apply(person.points, person.confidence)
    return points[list(_OPENPOSE)]


def _apart(points: np.ndarray, truth: np.ndarray) -> float:
    off = np.linalg.norm(points - truth, axis=-1)
    return float(np.median(off[np.isfinite(off)])) if np.isfinite(off).any() else 1e6


def _camera(
    frames: np.ndarray, fps: float, seen: SceneFrames
) -> tuple[float | None, float | None, float | None, str | None]:
    """Degrees off in turning, the same of a still camera, degrees off in the way it went, what the background shows."""
    path: CameraPath | None = seen.camera
    if path is None or len(frames) < 2:
        return None, None, None, None
    truth = path.c2w[: len(frames)]
    still = camera_error(np.broadcast_to(np.eye(4), truth.shape), truth)
    turns, leaves = still.extent_deg > TURNS, still.extent_m > LEAVES
    watch = CameraWatch(seen.size, fps, focal=float(path.intrinsics[0, 1]))
    people = np.zeros(frames.shape[:3], bool)
    if seen.joint_pixels is not None:
        people = person_mask(seen.joint_pixels[0][: len(frames)], seen.size)
    watch.add_masked(frames, ~people)
    solved = watch.solve()
    if solved.kind == "unknown":
        return None, still.rotation_deg if turns else None, 90.0 if leaves else None, solved.kind
    off = camera_error(solved.c2w, truth)
    return (
        off.rotation_deg if turns else None,
        still.rotation_deg if turns else None,
        off.direction_deg if leaves else None,
        solved.kind,
    )
