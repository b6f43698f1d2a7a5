"""Judges of real people: MediaPipe Pose, or DWPose, RTMW and RTMPose from the user's ONNX file, several people a frame.

They find people in photographs and films, where the embedded keypoint network, trained on the stage, means little.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kinema.capture.detectors.detector import DetectorUnavailable, open_detector

MEDIAPIPE = "mediapipe"
PEOPLE = 4
"""People that are looked for at most (ours)."""

_COCO17 = tuple(range(17))
_MEDIAPIPE17 = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
_BODY = {"coco17": _COCO17, "coco_wholebody133": _COCO17, "mediapipe33": _MEDIAPIPE17}
"""Which keypoints of a detector's set are the 17 of COCO's body; hands and faces are left out (ours)."""


@dataclass(frozen=True, eq=False)
class PeopleSeen:
    """Everybody in a video, frame by frame and in no particular order.

    Args:
        points: the 17 keypoints of COCO's body, pixels [T, P, 17, 2]; NaN where not seen, and beyond who is there.
        confidence: [T, P, 17], 0 where not seen.
        boxes: left, top, right, bottom [T, P, 4]; NaN beyond who is there.
        count: people in each frame, int [T].
    """

    points: np.ndarray
    confidence: np.ndarray
    boxes: np.ndarray
    count: np.ndarray


@dataclass(frozen=True)
class PeopleJudge:
    """Finds people in every frame of a video; a new video is looked at afresh.

    Args:
        which: "mediapipe"; or FILE.onnx, a pose network of 17 or 133 keypoints; or FILE.onnx,BOXES.onnx with a YOLOX that
            finds people. Without one MediaPipe does, so that DetErr is then MediaPipe's.
        people: how many are looked for at most.

    Raises:
        DetectorUnavailable: a package or file is missing.
        FormatError: a file is no such network.
    """

    which: str = MEDIAPIPE
    people: int = PEOPLE
    facts: dict[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        with self._detector() as detector:
            if detector.layout not in _BODY:
                raise DetectorUnavailable(
                    f"{self.which}: its keypoints, {detector.layout}, are none of {', '.join(_BODY)}"
                )
            self.facts.update(_without_places(detector.settings()))

    @property
    def name(self) -> str:
        """Of the judge in a metric's name."""
        return MEDIAPIPE if self.which == MEDIAPIPE else "onnx"

    def watch(self, frames: np.ndarray) -> PeopleSeen:
        """Everybody in frames uint8 [T, H, W, 3]."""
        with self._detector() as detector:
            body = list(_BODY[detector.layout])
            seen = detector.detect(frames)
        most = max(1, *(len(people) for people in seen)) if seen else 1
        points = np.full((len(frames), most, len(body), 2), np.nan)
        confidence, boxes = np.zeros(points.shape[:3]), np.full((len(frames), most, 4), np.nan)
        for t, people in enumerate(seen):
            for p, person in enumerate(people):
                points[t, p], boxes[t, p] = person.points[body], person.box
                confidence[t, p] = np.where(np.isfinite(points[t, p, :, 0]), person.confidence[body], 0.0)
        return PeopleSeen(points, confidence, boxes, np.array([len(people) for people in seen], int))

    def settings(self) -> dict[str, Any]:
        """Everything that decides what is found; of files the SHA-256, not the place."""
        return {**self.facts, "people": self.people, "keypoints": "COCO 17"}

    def _detector(self) -> Any:
        if self.which == MEDIAPIPE:
            return open_detector(MEDIAPIPE, people=self.people)
        model, _, boxes = self.which.partition(",")
        return open_detector("wholebody-onnx", model=model, people=self.people, boxes=boxes or MEDIAPIPE)


def names_people_judge(text: str) -> bool:
    """Whether a judge that is named is one of people, and no folder of a keypoint network."""
    return text == MEDIAPIPE or Path(text.partition(",")[0]).suffix.lower() == ".onnx"


def _without_places(settings: Any) -> Any:
    if isinstance(settings, dict):
        return {
            name: _without_places(each)
            for name, each in settings.items()
            if name != "model" or "sha256" not in settings
        }
    return settings
