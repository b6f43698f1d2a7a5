"""The detector of skeletons that were drawn: films for pose-conditioned models, read back by their colours."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any

import numpy as np

from kinema.capture.detectors.detector import check_frames
from kinema.capture.drawn_limbs import DrawnPerson, colour_order, read_skeletons
from kinema.capture.observation import Observation
from kinema.signals.skeleton_map import LIMBS


class DrawnSkeleton:
    """The detector "drawn-skeleton": OpenPose's 18 points from limbs and joints in OpenPose's colours on black."""

    name = "drawn-skeleton"
    layout = "openpose18"

    def __init__(self, people: int) -> None:
        self.people = people
        self._order: tuple[int, int, int] | None = None

    def detect(self, frames: np.ndarray) -> list[list[Observation]]:
        """See `Detector.detect`."""
        self._order = self._order or colour_order(check_frames(frames))
        found = [read_skeletons(frame[..., self._order or (0, 1, 2)]) for frame in frames]
        return [[_observed(person) for person in people[: self.people]] for people in found]

    def settings(self) -> dict[str, Any]:
        """See `Detector.settings`."""
        return {"detector": self.name, "people": self.people}

    def close(self) -> None:
        """Nothing to free."""

    def __enter__(self) -> DrawnSkeleton:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_drawn(*, model: str | os.PathLike[str] | None = None, people: int = 1) -> DrawnSkeleton:
    """Opens the reader of drawn skeletons.

    Args:
        model: it has none.
        people: how many at most.

    Raises:
        ValueError: a model is given.
    """
    if model is not None:
        raise ValueError("drawn skeletons are read without a model; leave it out")
    return DrawnSkeleton(people)


def _observed(person: DrawnPerson) -> Observation:
    low, high = np.nanmin(person.points, axis=0), np.nanmax(person.points, axis=0)
    return Observation(
        person.points, person.confidence, np.concatenate([low, high]), person.limbs / len(LIMBS)
    )
