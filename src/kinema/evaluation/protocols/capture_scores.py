"""What a capture is worth against the exact truth of its take, and the floors that perfect input would leave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kinema.capture.capture import lifted_or_missing
from kinema.capture.observation import CameraKind, CameraSolution, Capture, PersonTrack
from kinema.capture.placing import place
from kinema.evaluation.judges.judge import COMMON_JOINTS
from kinema.evaluation.metrics.camera_error import camera_error, relative_to_first
from kinema.evaluation.metrics.identity import Matching, match_people
from kinema.evaluation.metrics.motion import slide_speed
from kinema.evaluation.metrics.pck import KeypointTruth, pck
from kinema.evaluation.metrics.pose3d import mpjpe_mm, pa_mpjpe_mm
from kinema.evaluation.protocols.capture_takes import CaptureTake
from kinema.scene import CameraPath, Motion
from kinema.scene.mappings import smpl24_mapping

ALPHA = 0.1
SEEN_LEAST = (
    0.5  # share of the common keypoints that must be visible for somebody to count as there to be found
)
SIDES = ("capture", "exact_camera", "exact")
"""Whose keypoints and camera: the capture's own; detected keypoints with the true camera in its true place; and exact
keypoints with the exact movement of the camera, which is what lifting and placing lose by themselves."""

_KINDS: dict[str, CameraKind] = {"static": "static", "pan": "turning"}
_UNIT = (
    0.4  # metres per unit of the exact camera's translations: like a solved one it does not know its scale
)


@dataclass(frozen=True)
class TakeVideo:
    """A take's pictures as a video to capture.

    Args:
        pixels: uint8 [T, H, W, 3].
        fps: frames per second.
        focal: focal length in pixels, as metadata tell it, or None.
    """

    pixels: np.ndarray
    fps: float
    focal: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.pixels.shape[2], self.pixels.shape[1]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.pixels)

    def chunks(self, count: int) -> Iterator[np.ndarray]:
        """The frames, `count` at a time."""
        for start in range(0, len(self.pixels), count):
            yield self.pixels[start : start + count]


@dataclass(frozen=True)
class Lifted:
    """People and camera of one of the SIDES.

    Args:
        joints: of each true person, world of `camera`, metres, [P, T, 24, 3]; NaN where nobody was found.
        camera: placed in the world, T frames.
    """

    joints: np.ndarray
    camera: CameraPath


def video_of(take: CaptureTake) -> TakeVideo:
    """What capture is shown, with the focal length where the conditions make it known."""
    known = take.conditions.lens == "known"
    focal = float(take.camera.intrinsics[0, 1]) if known else None
    return TakeVideo(take.take.rgb, take.conditions.fps, focal)


def match(take: CaptureTake, tracks: Sequence[PersonTrack]) -> tuple[Matching, np.ndarray]:
    """Which track stands for whom, and the tracks' common keypoints in pixels, [N, T, 12, 2]."""
    points = np.full((len(tracks), take.take.frames, len(COMMON_JOINTS), 2), np.nan)
    for number, track in enumerate(tracks):
        mapped, _ = smpl24_mapping(track.layout).apply(track.points, track.confidence)
        points[number] = mapped[:, COMMON_JOINTS]
    truth = take.take.keypoints[:, :, COMMON_JOINTS].astype(np.float64)
    return match_people(points, truth, take.height), points


def seen_scores(take: CaptureTake, made: Capture | None) -> dict[str, float]:
    """What the eyes are worth: detection, false people, PCK and identity; a capture that failed saw nobody."""
    matching, points = match(take, made.tracks if made else ())
    height, width = take.take.rgb.shape[1:3]
    truth = take.take.keypoints[:, :, COMMON_JOINTS].astype(np.float64)
    with np.errstate(invalid="ignore"):
        inside = np.all((truth >= 0) & (truth < [width, height]), axis=-1)
    counted = take.take.visibility[:, :, COMMON_JOINTS] & inside
    there = counted.mean(-1) >= SEEN_LEAST
    found = matching.track >= 0
    correct = []
    for person in range(len(truth)):
        own = np.full(truth.shape[1:], np.nan)
        frames = np.flatnonzero(found[person])
        own[frames] = points[matching.track[person, frames], frames]
        correct.append(pck(own, KeypointTruth(truth[person], counted[person], take.height[person]), ALPHA))
    return {
        "detection": float((found & there).sum() / there.sum()) if there.any() else float("nan"),
        "false_people": float(matching.false_people.mean()),
        "pck": _mean(correct),
        "id_switches": float(matching.switches()),
        "tracks": float(len(made.tracks) if made else 0),
    }


def sides(take: CaptureTake, made: Capture | None, floors: bool = True) -> dict[str, Lifted | None]:
    """People and cameras of the SIDES; None where the capture found nothing to lift.

    Args:
        take: as filmed.
        made: the capture, or None where it failed.
        floors: all SIDES; else the capture alone.
    """
    found: dict[str, Lifted | None] = {"capture": None}
    main = []
    if made is not None and made.scene.camera is not None:
        matching, _ = match(take, made.tracks)
        main = [matching.main_track(person) for person in range(len(take.take.scene.people))]
        joints = np.stack([_joints(motion) for motion in made.scene.people])
        found["capture"] = Lifted(_of_people(joints, main), made.scene.camera)
    if not floors:
        return found
    found["exact_camera"] = None
    if made is not None and max(main, default=-1) >= 0:
        seen = sorted({row for row in main if row >= 0})
        again = _lift([made.tracks[row] for row in seen], take.camera).joints
        rows = [seen.index(row) if row >= 0 else -1 for row in main]
        found["exact_camera"] = Lifted(_of_people(again, rows), take.camera)
    exact = exact_tracks(take)
    placed = place(exact, exact_camera(take), take.conditions.fps, camera_size(take))
    return found | {"exact": _lift(exact, placed.camera)}


def lifted_scores(take: CaptureTake, lifted: Lifted | None) -> dict[str, float]:
    """Errors of the joints and of the camera; all NaN where there is nothing.

    Poses are compared in the axes of the camera, as the field does: a turn of the world is no error of theirs.
    `coverage` is the share of person-frames that have joints; joint errors are over those. `world_m` is the distance
    of pelvises once the first cameras coincide: depth, scale and path together. `foot_slide` is the mean speed of feet
    on the floor; the true people's is in `take_facts`.
    """
    if lifted is None:
        return {**dict.fromkeys(_LIFTED, float("nan")), "coverage": 0.0}
    truth = take.joints
    pairs = list(zip(_seen_by(lifted.camera, lifted.joints), _seen_by(take.camera, truth), strict=True))
    to_true = take.camera.c2w[0] @ np.linalg.inv(lifted.camera.c2w[0])
    placed = lifted.joints[:, :, 0] @ to_true[:3, :3].T + to_true[:3, 3]
    motions = [
        Motion(joints, take.conditions.fps, person.skeleton)
        for joints, person in zip(lifted.joints, take.take.scene.people, strict=True)
    ]
    error = camera_error(lifted.camera.c2w, take.camera.c2w)
    scores = {
        "coverage": float(np.isfinite(lifted.joints[:, :, 0, 0]).mean()),
        "mpjpe_mm": _mean([mpjpe_mm(a, b) for a, b in pairs]),
        "pa_mpjpe_mm": _mean([pa_mpjpe_mm(a, b) for a, b in pairs]),
        "pa_mpjpe_24_mm": _mean([pa_mpjpe_mm(a, b, tuple(range(24))) for a, b in pairs]),
        "world_m": _mean(np.linalg.norm(placed - truth[:, :, 0], axis=-1).ravel()),
        "foot_slide": _mean([slide_speed(motion) for motion in motions]),
        "camera_rotation_deg": error.rotation_deg,
        "camera_direction_deg": error.direction_deg,
        "camera_m": error.translation_m,
        "camera_scaled_m": error.translation_scaled_m,
        "focal_ratio": float(np.median(lifted.camera.intrinsics[:, 1] / take.camera.intrinsics[:, 1])),
    }
    assert tuple(scores) == _LIFTED
    return scores


_LIFTED = (
    "coverage", "mpjpe_mm", "pa_mpjpe_mm", "pa_mpjpe_24_mm", "world_m", "foot_slide", "camera_rotation_deg",
    "camera_direction_deg", "camera_m", "camera_scaled_m", "focal_ratio",
)  # fmt: skip


def take_facts(take: CaptureTake) -> dict[str, Any]:
    """What a report says of a take besides scores."""
    extent = camera_error(take.camera.c2w, take.camera.c2w)
    return {
        "take": take.number,
        "clips": take.clips,
        "conditions": take.conditions.facts(),
        "frames": take.take.frames,
        "fov": round(take.fov, 2),
        "camera_turns_deg": round(extent.extent_deg, 2),
        "camera_moves_m": round(extent.extent_m, 3),
        "foot_slide_truth": _mean([slide_speed(person) for person in take.take.scene.people]),
        "person_pixels": round(float(np.median(take.height)), 1),
    }


def exact_tracks(take: CaptureTake) -> list[PersonTrack]:
    """Perfect 2D input: every joint in the picture, hidden or not, where it is."""
    height, width = take.take.rgb.shape[1:3]
    tracks = []
    for number, points in enumerate(take.take.keypoints.astype(np.float64)):
        with np.errstate(invalid="ignore"):
            inside = np.all((points >= 0) & (points < [width, height]), axis=-1)
        points = np.where(inside[..., None], points, np.nan)
        some = inside.sum(-1) >= 2
        boxes = np.full((len(points), 4), np.nan)
        boxes[some] = np.concatenate([np.nanmin(points[some], 1), np.nanmax(points[some], 1)], axis=-1)
        tracks.append(
            PersonTrack(
                number, "smpl24", take.conditions.fps, (width, height), points, inside.astype(float), boxes
            )
        )
    return tracks


def exact_camera(take: CaptureTake) -> CameraSolution:
    """The true movement as the best of solvers would tell it: from its first frame, and without scale."""
    kind = _KINDS.get(take.conditions.camera, "moving")
    c2w = relative_to_first(take.camera.c2w)
    c2w[:, :3, 3] *= 0.0 if kind in ("static", "turning") else 1 / _UNIT
    return CameraSolution(kind, c2w, np.array(take.camera.intrinsics))


def camera_size(take: CaptureTake) -> tuple[int, int]:
    """(width, height) of the pictures."""
    return take.take.rgb.shape[2], take.take.rgb.shape[1]


def dropped(track: PersonTrack, share: float, rng: np.random.Generator) -> PersonTrack:
    """A track in which a share of the keypoints were not seen, at random."""
    lost = rng.random(track.confidence.shape) < share
    return replace(
        track,
        points=np.where(lost[..., None], np.nan, track.points),
        confidence=np.where(lost, 0.0, track.confidence),
    )


def _lift(tracks: Sequence[PersonTrack], camera: CameraPath) -> Lifted:
    return Lifted(np.stack([_joints(lifted_or_missing(track, camera).motion) for track in tracks]), camera)


def _joints(motion: Motion) -> np.ndarray:
    return np.where(motion.missing[..., None], np.nan, motion.joints)


def _seen_by(camera: CameraPath, joints: np.ndarray) -> np.ndarray:
    """World joints [P, T, J, 3] in the axes of each frame's camera."""
    return np.einsum("tji,ptnj->ptni", camera.c2w[:, :3, :3], joints - camera.positions[:, None])


def _of_people(joints: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    """The joints of each true person, NaN for those without a track."""
    nobody = np.full(joints.shape[1:], np.nan)
    return np.stack([joints[row] if row >= 0 else nobody for row in rows])


def _mean(values: Sequence[float] | np.ndarray) -> float:
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    return float(finite.mean()) if len(finite) else float("nan")
