"""What a detector is, and how one is opened by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from kinema.capture.observation import Observation

# Where each detector lives; imported when it is opened, because each needs libraries of its own.
_DETECTORS = {
    "mediapipe": "kinema.capture.detectors.mediapipe_pose:open_mediapipe",
    "mediapipe-holistic": "kinema.capture.detectors.mediapipe_holistic:open_holistic",
    "wholebody-onnx": "kinema.capture.detectors.wholebody_onnx:open_wholebody",
    "nlf": "kinema.capture.detectors.nlf:open_nlf",
    "drawn-skeleton": "kinema.capture.detectors.drawn_skeleton:open_drawn",
}
DETECTORS = tuple(_DETECTORS)


class DetectorUnavailable(ValueError):
    """A detector that cannot run here; the message says why and what to install or give."""


class Detector(AbstractContextManager, Protocol):  # type: ignore[type-arg]
    """Finds people in the frames of one video, given in order of time.

    A detector may follow people from one frame to the next; the same frames from the beginning give the same
    observations. Who is who is decided by `kinema.capture.people.People`.
    """

    name: str
    layout: str
    """The keypoint set, one of `kinema.scene.skeleton.skeleton(name)`."""

    def detect(self, frames: np.ndarray) -> list[list[Observation]]:
        """The people in each of the next frames, in no particular order.

        Args:
            frames: uint8 [N, H, W, 3], sRGB.

        Raises:
            ValueError: frames of another shape or type.
        """
        ...

    def settings(self) -> dict[str, Any]:
        """Everything that decides what is found, JSON-able: for reports and for the cache."""
        ...

    def close(self) -> None:
        """Frees the models."""
        ...


def open_detector(
    name: str = "mediapipe", *, model: str | os.PathLike[str] | None = None, people: int = 1, **options: Any
) -> Detector:
    """Opens a detector.

    Args:
        name: one of `DETECTORS`.
        model: the model file; "mediapipe" and "mediapipe-holistic" bring their own with mediapipe 0.10.21.
        people: how many people to look for at most.
        options: further options of that detector.

    Raises:
        DetectorUnavailable: a library or the model file is missing.
        ValueError: no such detector.
        FormatError: the model file is not what it should be.
    """
    if name not in _DETECTORS:
        raise ValueError(f"there is no detector {name!r}; choose one of {', '.join(DETECTORS)}")
    if not 1 <= people <= 64:
        raise ValueError(f"a detector looks for 1 to 64 people, not {people}")
    module, function = _DETECTORS[name].split(":")
    opener: Callable[..., Detector] = getattr(import_module(module), function)
    return opener(model=model, people=people, **options)


def check_frames(frames: np.ndarray) -> np.ndarray:
    """The frames, if they are uint8 [N, H, W, 3].

    Raises:
        ValueError: they are not.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"expected uint8 frames [N, H, W, 3], got {frames.dtype} {list(frames.shape)}")
    return frames
