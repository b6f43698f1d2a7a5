"""MediaPipe Pose as a judge: pretrained on photographs, so it knows nothing of the stage.

Optional: `pip install mediapipe`, a release that still has `solutions.pose` (0.10.21 does).
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import cv2
import numpy as np

from kinema.evaluation.judges.judge import Sighting

_LANDMARKS = (11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)  # BlazePose indices of the common keypoints
_WORKING_HEIGHT = 512  # small pictures are enlarged to this: the person detector expects photographs


class JudgeUnavailable(RuntimeError):
    """A judge that cannot run here; the message says why."""


class MediaPipePose:
    """MediaPipe Pose, each frame by itself, no tracking; a landmark of a found person is always a detection.

    Args:
        confidence: least confidence of the person detector; 0.5 is MediaPipe's default.

    Raises:
        JudgeUnavailable: mediapipe is not installed, or this release has no `solutions.pose`.
    """

    name = "mediapipe"

    def __init__(self, confidence: float = 0.5) -> None:
        try:
            import mediapipe
            from mediapipe.python.solutions import pose
        except ImportError as error:
            raise JudgeUnavailable(f"mediapipe with solutions.pose is not installed ({error})") from error
        self.version = mediapipe.__version__
        self.confidence = confidence
        self._pose: Any = pose.Pose(
            static_image_mode=True, model_complexity=1, min_detection_confidence=confidence
        )

    def watch(self, frames: np.ndarray) -> Sighting:
        """Judges every frame by itself.

        Args:
            frames: uint8 [T, H, W, 3].
        """
        height, width = frames.shape[1:3]
        scale = max(1.0, _WORKING_HEIGHT / height)
        size = (round(width * scale), round(height * scale))
        points = np.full((len(frames), len(_LANDMARKS), 2), np.nan)
        detected = np.zeros(len(frames), bool)
        for index, frame in enumerate(frames):
            enlarged = cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) if scale > 1 else frame
            found = self._pose.process(np.ascontiguousarray(enlarged)).pose_landmarks
            if found is not None:
                landmarks = [found.landmark[i] for i in _LANDMARKS]
                points[index] = [(mark.x * width, mark.y * height) for mark in landmarks]
                detected[index] = True
        return Sighting(points, detected)

    def settings(self) -> dict[str, Any]:
        """What the report records of this judge."""
        return {"version": self.version, "confidence": self.confidence, "working_height": _WORKING_HEIGHT}

    def close(self) -> None:
        """Frees the detector."""
        self._pose.close()

    def __enter__(self) -> MediaPipePose:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
