"""MediaPipe Pose with hands and face: 133 keypoints in the order of COCO-WholeBody, offline.

The hand and face networks of MediaPipe (Apache-2.0) look where the body's landmarks say, or where the hand or face
was in the last frame. Small toes are not among MediaPipe's landmarks and stay missing.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np

from kinema.capture.detectors.blaze import Body, Region
from kinema.capture.detectors.detector import check_frames
from kinema.capture.detectors.litert import Network, bundled, from_task
from kinema.capture.detectors.mediapipe_pose import (
    MediaPipePose,
    PoseFollower,
    hints,
    landmarks,
    observed,
    open_follower,
)
from kinema.capture.observation import Observation
from kinema.scene.formats.errors import FormatError
from kinema.scene.skeleton import skeleton

_BUNDLED = (
    "hand_landmark/hand_landmark_full.tflite",
    "face_landmark/face_landmark.tflite",
)
_IN_TASK = (
    "hand_landmarks_detector.tflite",
    "face_landmarks_detector.tflite",
)
_LAYOUT = "coco_wholebody133"
_HAND_LEAST, _FACE_LEAST = 0.5, 0.5  # scores below which there is no hand or face; MediaPipe's own
_WRIST_LEAST = 0.1  # confidence of a wrist from which on a hand is looked for there (ours)

# The points of MediaPipe's face mesh that lie where the 68 of iBUG do, in their order.
_MESH_68 = (
    *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)
_EYES_OF_MESH = (33, 263)
_FACE = slice(23, 91)
_HANDS = {"left": slice(91, 112), "right": slice(112, 133)}


class MediaPipeHolistic(MediaPipePose):
    """The detector "mediapipe-holistic": body, feet, face and hands."""

    name = "mediapipe-holistic"
    layout = _LAYOUT

    def __init__(self, follower: PoseFollower, hand: Network, face: Network) -> None:
        super().__init__(follower)
        self._hand, self._face = hand, face
        self._last: list[tuple[Body, dict[str, Region]]] = []

    def detect(self, frames: np.ndarray) -> list[list[Observation]]:
        """See `Detector.detect`."""
        seen, found = [], []
        for frame in check_frames(frames):
            frame = np.ascontiguousarray(frame)
            bodies = self._follower.follow(frame)
            now = [(body, self._regions_before(body)) for body in bodies]
            seen.append([self._whole(frame, body, regions) for body, regions in now])
            found.append(bodies)
            self._last = now
        joints = iter(hints([body for bodies in found for body in bodies]))
        return [[replace(one, joints=next(joints)) for one in people] for people in seen]

    def settings(self) -> dict[str, Any]:
        """See `Detector.settings`."""
        settings = super().settings()
        return {**settings, "sha256": [*settings["sha256"], self._hand.sha256, self._face.sha256]}

    def close(self) -> None:
        """Frees the networks."""
        super().close()
        del self._hand, self._face

    def observe(self, frame: np.ndarray, body: Body) -> Observation:
        """One body of a picture with its face and its hands, which are looked for longer than in a video.

        Args:
            frame: uint8 [H, W, 3].
            body: found in it already.
        """
        seen = self._whole(frame, body, {})
        points, confidence = seen.points.copy(), seen.confidence.copy()
        _, sure = landmarks(body)
        for side, part in _HANDS.items():
            elbow, wrist, pinky, index = (
                _BODY_INDEX[f"{side}_{name}"] for name in ("elbow", "wrist", "pinky", "index")
            )
            if confidence[part].any() or sure[[wrist, pinky, index]].min() <= _WRIST_LEAST:
                continue
            guess = hand_region(*(body.points[k] for k in (wrist, index, pinky)))
            first = self._hand_in(frame, guess)[1]
            again = hand_region(first[0], first[5], first[17], first)
            for region in (again, _beyond_wrist(body.points[elbow], body.points[wrist], guess.side)):
                score, found = self._hand_in(frame, region)
                if score >= _HAND_LEAST:
                    points[part], confidence[part] = found, score
                    break
        return replace(seen, points=points, confidence=confidence)

    def _regions_before(self, body: Body) -> dict[str, Region]:
        """Where the hands and the face of this body were in the last frame, if it was followed there."""
        for before, regions in self._last:
            if np.linalg.norm(before.points[33] - body.points[33]) < 0.05 * body.region.side:
                return dict(regions)
        return {}

    def _whole(self, frame: np.ndarray, body: Body, regions: dict[str, Region]) -> Observation:
        """Body, face and hands; `regions` are brought up to date."""
        base = observed(frame, body, None)
        points33, confidence33 = landmarks(body)
        points, confidence = np.full((133, 2), np.nan), np.zeros(133)
        points[_FROM_BODY[:, 0]] = points33[_FROM_BODY[:, 1]]
        confidence[_FROM_BODY[:, 0]] = confidence33[_FROM_BODY[:, 1]]
        for side, part in _HANDS.items():
            wrist, pinky, index = (
                _BODY_INDEX[name] for name in (f"{side}_wrist", f"{side}_pinky", f"{side}_index")
            )
            guess = hand_region(*(body.points[k] for k in (wrist, index, pinky)))
            sure = confidence33[[wrist, pinky, index]].min() > _WRIST_LEAST
            found = self._at_hand(frame, guess, regions.pop(side, None)) if sure else None
            if found is not None:
                score, points[part], regions[side] = found
                confidence[part] = score
        guess = face_region(body.points)
        sure = confidence33[_BODY_INDEX["nose"]] > 0.3
        found = self._at_face(frame, guess, regions.pop("face", None)) if sure else None
        if found is not None:
            score, points[_FACE], regions["face"] = found
            confidence[_FACE] = score
        return replace(base, points=points, confidence=confidence)

    def _at_hand(
        self, frame: np.ndarray, guess: Region, before: Region | None
    ) -> tuple[float, np.ndarray, Region] | None:
        """Score, 21 points in pixels and the region for the next frame; None where there is no hand."""
        for region in _first(before, guess, 0.5):
            score, points = self._hand_in(frame, region)
            if score >= _HAND_LEAST:
                return score, points, hand_region(points[0], points[5], points[17], points)
        return None

    def _hand_in(self, frame: np.ndarray, region: Region) -> tuple[float, np.ndarray]:
        """Score and 21 points in pixels of what the network takes for a hand there."""
        outputs = self._hand(region.crop(frame, self._hand.side))
        unit = outputs[_of_size(self._hand, 63)].reshape(21, 3)[:, :2] / self._hand.side
        return float(outputs[_of_size(self._hand, 1)].ravel()[0]), region.to_picture(unit)

    def _at_face(
        self, frame: np.ndarray, guess: Region, before: Region | None
    ) -> tuple[float, np.ndarray, Region] | None:
        """Score, 68 points in pixels and the region for the next frame; None where there is no face."""
        tries = _first(before, guess, 0.3)
        for region in tries:
            found = self._mesh(frame, region)
            if found is not None and len(tries) == 1:  # the body tells roughly where the face is: look again
                found = self._mesh(frame, around_mesh(found[1]))
            if found is not None:
                score, mesh = found
                return score, mesh[list(_MESH_68)], around_mesh(mesh)
        return None

    def _mesh(self, frame: np.ndarray, region: Region) -> tuple[float, np.ndarray] | None:
        outputs = self._face(region.crop(frame, self._face.side))
        logit = float(outputs[_of_size(self._face, 1)].ravel()[0])
        score = 1 / (1 + float(np.exp(-np.clip(logit, -50, 50))))
        if score < _FACE_LEAST:
            return None
        numbers = max(outputs, key=lambda output: output.size).reshape(-1, 3)
        return score, region.to_picture(numbers[:, :2].astype(np.float64) / self._face.side)


def open_holistic(
    *,
    model: str | os.PathLike[str] | None = None,
    people: int = 1,
    confidence: float = 0.5,
    tracking: float = 0.5,
    threads: int = 2,
) -> MediaPipeHolistic:
    """Opens MediaPipe's body, hand and face networks: those of mediapipe 0.10.21, or of a `.task` file.

    Args:
        model: MediaPipe's `holistic_landmarker.task`.
        people, confidence, tracking, threads: see `open_mediapipe`.

    Raises:
        DetectorUnavailable: mediapipe or ai-edge-litert is missing.
        FormatError: the model file is not what it should be.
    """
    source = "bundled" if model is None else os.fspath(model)
    networks = bundled(*_BUNDLED) if model is None else from_task(model, *_IN_TASK)
    hand, face = (Network(content, source, threads) for content in networks)
    if not {63, 1} <= _sizes(hand):
        raise FormatError(source, "its hand network is not that of MediaPipe Hands")
    if 1 not in _sizes(face) or not _sizes(face) & {1404, 1434}:
        raise FormatError(source, "its face network is not that of MediaPipe Face Mesh")
    follower = open_follower(model, people=people, confidence=confidence, tracking=tracking, threads=threads)
    return MediaPipeHolistic(follower, hand, face)


def hands_and_face(follower: PoseFollower) -> MediaPipeHolistic:
    """The networks for hands and face that come with mediapipe, beside a follower of bodies.

    Raises:
        DetectorUnavailable: this release of mediapipe brings none.
    """
    hand, face = (Network(content, "bundled", 2) for content in bundled(*_BUNDLED))
    return MediaPipeHolistic(follower, hand, face)


def hand_region(
    wrist: np.ndarray, index: np.ndarray, pinky: np.ndarray, points: np.ndarray | None = None
) -> Region:
    """The region of a hand, its fingers up: from three landmarks of the body, or from the hand's own 21.

    From the body's landmarks it is 2.7 times as large as the circle around the palm, as in MediaPipe's holistic
    graph; from the hand's own it is 1.6 times its extent (ours: with all 21 points the fingers are in it).
    """
    middle = (2 * index + pinky) / 3
    across, down = middle - wrist
    angle = float(np.arctan2(across, -down))
    up = np.array([np.sin(angle), -np.cos(angle)])
    if points is None:
        side = 2.7 * 2 * float(np.hypot(across, down))
        return Region(middle + 0.1 * side * up, max(side, 4.0), angle)
    low, high, turn = _extent(points, angle)
    side = 1.6 * float((high - low).max())
    return Region(turn @ (low + high) / 2 + 0.05 * side * up, max(side, 4.0), angle)


def _beyond_wrist(elbow: np.ndarray, wrist: np.ndarray, side: float) -> Region:
    """The region of a hand that goes on as the forearm does (ours), beside one of that side from the hand's landmarks."""
    across, down = wrist - elbow
    way = np.array([across, down]) / max(float(np.hypot(across, down)), 1e-6)
    return Region(wrist + 0.125 * side * way, max(0.67 * side, 4.0), float(np.arctan2(across, -down)))


def face_region(points: np.ndarray) -> Region:
    """The region of a face, eyes level, from the body's 33 landmarks (ours): 1.5 times the face's extent."""
    left, right = points[_BODY_INDEX["left_eye"]], points[_BODY_INDEX["right_eye"]]
    mouth = (points[_BODY_INDEX["mouth_left"]] + points[_BODY_INDEX["mouth_right"]]) / 2
    eyes = (left + right) / 2
    across, down = left - right
    angle = float(np.arctan2(down, across))
    ears = points[_BODY_INDEX["left_ear"]] - points[_BODY_INDEX["right_ear"]]
    extent = max(
        2.4 * float(np.hypot(*(eyes - mouth))), 2 * float(np.hypot(across, down)), float(np.hypot(*ears))
    )
    return Region(eyes + 0.4 * (mouth - eyes), max(1.5 * extent, 4.0), angle)


def around_mesh(mesh: np.ndarray) -> Region:
    """The region of a face from its mesh: 1.5 times its extent with level eyes, as in MediaPipe."""
    right, left = mesh[_EYES_OF_MESH[0]], mesh[_EYES_OF_MESH[1]]
    angle = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
    low, high, turn = _extent(mesh, angle)
    return Region(turn @ (low + high) / 2, max(1.5 * float((high - low).max()), 4.0), angle)


def _extent(points: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lowest and highest coordinates along turned axes, and the turn back to the picture's, [2, 2]."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = points @ turn
    return turned.min(axis=0), turned.max(axis=0), turn


def _first(before: Region | None, guess: Region, most: float) -> list[Region]:
    """Where to look: where it was, if that is still near to where the body says it is, then where the body says."""
    if before is None or np.linalg.norm(before.centre - guess.centre) > most * guess.side:
        return [guess]
    return [before, guess]


def _sizes(network: Network) -> set[int]:
    return {int(np.prod(shape)) for shape in network.shapes}


def _of_size(network: Network, size: int) -> int:
    """The first output of so many numbers."""
    return next(k for k, shape in enumerate(network.shapes) if int(np.prod(shape)) == size)


_BODY_INDEX = {name: k for k, name in enumerate(skeleton("mediapipe33").names)}


def _from_body() -> np.ndarray:
    """(index among the 133, index among MediaPipe's 33) of the points in both, [N, 2]."""
    alike = {f"{side}_big_toe": f"{side}_foot_index" for side in ("left", "right")}
    pairs = [
        (k, _BODY_INDEX[alike.get(name, name)])
        for k, name in enumerate(skeleton(_LAYOUT).names[:23])
        if alike.get(name, name) in _BODY_INDEX
    ]
    return np.array(pairs)


_FROM_BODY = _from_body()
