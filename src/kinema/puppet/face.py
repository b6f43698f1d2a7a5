"""Faces: where the picture's is, and how the driver's changes, as seven numbers that a face of any size can follow.

The driver's 68 points have no depth. What is read off them is relative to lengths of the same face along the same
axis, so that turning and nodding change little of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter1d

from kinema.capture.detectors.litert import Network, bundled
from kinema.capture.detectors.mediapipe_holistic import around_mesh, face_region
from kinema.puppet.find import Found
from kinema.scene.keypoints import Keypoints
from kinema.scene.skeleton import skeleton

CHANGES = ("close_right", "close_left", "raise_right", "raise_left", "open", "widen", "lift")
"""What changes in a face: eyelids (1 is closed), brows, lips apart, width of the mouth, its corners up.

Brows, lips and corners in lengths of the nose, the mouth's width in distances between the eyes' outer corners."""

LEAST_HEIGHT = 48.0
"""Pixels from the brows to the chin below which a picture's face stays as it is (ours)."""

_FIRST = "right_jaw_0"  # of the 68 points that COCO-WholeBody's layouts have in a row
_NETWORK = "face_landmark/face_landmark.tflite"
_SURE = 10.0  # logit of the face network; photographs have 13 to 32, cartoons -1 to 8, whose eyes it misplaces (ours)
_DRIVER_LEAST = (
    40.0  # pixels from between the eyes to the chin below which a driver's face tells nothing (ours)
)
_ASIDE = (
    0.22  # of the eyes' distance: how far the nose's tip may lie aside of its root (ours: about 35 degrees)
)
_SHUT = 0.58  # of an open eye's ratio of height to width that a shut eye has (ours, on two speakers)
_RELAXED = (
    10.0  # percentile of a driver's opening of the mouth that counts as shut: most drivers speak (ours)
)
_STEADY = 0.03  # seconds over which changes are smoothed; a blink lasts 0.15 (ours)
_FADE = 0.15  # seconds in which a face that gets lost becomes calm (ours)
_BROWS = 0.7  # of what brows seem to move: some of it is nodding (ours)
_LEAST, _MOST = (
    np.array([-0.25, -0.25, -0.12, -0.12, -0.15, -0.12, -0.1]),
    np.array([1.0, 1.0, 0.14, 0.14, 0.5, 0.08, 0.12]),
)  # of each change (ours)
_QUIET = np.array(
    [0.12, 0.12, 0.01, 0.01, 0.012, 0.01, 0.01]
)  # changes below are the network's tremor (ours)


@dataclass(frozen=True, eq=False)
class PictureFace:
    """A face in a picture.

    Args:
        points: MediaPipe's face mesh, pixels, [468, 2]; the first pixel's centre at 0.5.
    """

    points: np.ndarray

    @property
    def height(self) -> float:
        """Pixels from the brows to the chin."""
        brows = self.points[[66, 296]].mean(axis=0)
        return float(np.linalg.norm(self.points[152] - brows))


def find_face(picture: np.ndarray, found: Found | None) -> PictureFace | None:
    """The face of a picture's person, where it is large enough, turned to us, and the network is sure.

    Args:
        picture: uint8 [H, W, 3].
        found: the person as the networks see them; None where nobody is sure, as on drawings.

    Raises:
        DetectorUnavailable: mediapipe or ai-edge-litert is missing.
    """
    if found is None or found.confidence[0] < 0.3 or not np.isfinite(found.points[:11]).all():
        return None
    network = Network(bundled(_NETWORK)[0], _NETWORK, 2)
    picture = np.ascontiguousarray(picture)
    region = face_region(found.points)
    points, logit = found.points, 0.0
    for _ in range(2):  # the body tells roughly where the face is: look again
        outputs = network(region.crop(picture, network.side))
        logit = float(min(outputs, key=lambda output: output.size).ravel()[0])
        unit = max(outputs, key=lambda output: output.size).reshape(-1, 3)[:468, :2] / network.side
        points = region.to_picture(unit.astype(np.float64))
        region = around_mesh(points)
    if logit < _SURE:
        return None
    face = PictureFace(points)
    width = np.linalg.norm(points[263] - points[33])
    aside = abs(float((points[4] - points[168]) @ (points[263] - points[33]))) / max(float(width**2), 1e-9)
    return face if face.height >= LEAST_HEIGHT and aside < _ASIDE else None


def face_changes(seen: Keypoints | None) -> np.ndarray | None:
    """How a driver's face changes against its own calm one, [T, 7], see `CHANGES`; None where none is seen well enough.

    Args:
        seen: of the driver; a layout without a face tells nothing.
    """
    names = skeleton(seen.layout).names if seen is not None else ()
    if seen is None or _FIRST not in names:
        return None
    first = names.index(_FIRST)
    face = np.asarray(seen.points[:, first : first + 68])
    there = np.isfinite(face).all(axis=(1, 2))
    if not there.any():
        return None
    tall = np.linalg.norm(face[there, 27] - face[there, 8], axis=1)
    if np.median(tall) < _DRIVER_LEAST:
        return None
    measures, aside = _measures(face)
    there &= np.abs(np.nan_to_num(aside, nan=1.0)) < _ASIDE
    if not there.any():
        return None
    calm = np.median(measures[there], axis=0)
    calm[4] = np.percentile(measures[there, 4], _RELAXED)
    changes = measures - calm
    changes[:, :2] = (1 - measures[:, :2] / np.maximum(calm[:2], 1e-6)) / (1 - _SHUT)
    changes[:, 2:4] *= _BROWS
    changes = np.where(there[:, None], changes, 0.0)
    changes = gaussian_filter1d(changes, max(_STEADY * seen.fps, 1e-3), axis=0, mode="nearest")
    changes = calm_where_lost(changes, there, seen.fps)
    changes = np.sign(changes) * np.maximum(np.abs(changes) - _QUIET, 0)
    return np.asarray(np.clip(changes, _LEAST, _MOST))


def calm_where_lost(changes: np.ndarray, there: np.ndarray, fps: float) -> np.ndarray:
    """Changes that die down before frames in which nothing is seen, and begin softly after them.

    Args:
        changes: [T, ...], 0 at rest.
        there: where something is seen, bool [T].
        fps: frames per second.
    """
    if there.all():
        return changes
    away = distance_transform_edt(np.pad(there, 1, mode="edge"))[1:-1]
    share = np.clip(away / max(_FADE * fps, 1), 0, 1)
    return np.asarray(changes * share.reshape(-1, *[1] * (changes.ndim - 1)))


def _measures(face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `CHANGES` is made of, absolute, [T, 7], and how far the nose's tip lies aside, [T]; 68 points, [T, 68, 2]."""

    def apart(a: int, b: int) -> np.ndarray:
        return np.asarray(np.linalg.norm(face[:, a] - face[:, b], axis=1))

    across = face[:, 45] - face[:, 36]
    wide = np.maximum(np.linalg.norm(across, axis=1), 1e-6)
    across = across / wide[:, None]
    down = np.stack([-across[:, 1], across[:, 0]], axis=1)
    nose = np.maximum(apart(27, 33), 1e-6)

    def above(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
        return np.asarray(((lower - upper) * down).sum(axis=1) / nose)

    return np.stack(
        [
            (apart(37, 41) + apart(38, 40)) / 2 / np.maximum(apart(36, 39), 1e-6),
            (apart(43, 47) + apart(44, 46)) / 2 / np.maximum(apart(42, 45), 1e-6),
            above(face[:, 17:22].mean(axis=1), face[:, [36, 39]].mean(axis=1)),
            above(face[:, 22:27].mean(axis=1), face[:, [42, 45]].mean(axis=1)),
            (apart(61, 67) + apart(62, 66) + apart(63, 65)) / 3 / nose,
            apart(48, 54) / wide,
            above(face[:, [48, 54]].mean(axis=1), face[:, 51]),
        ],
        axis=1,
    ), ((face[:, 30] - face[:, 27]) * across).sum(axis=1) / wide
