"""The scene: people, a camera and time. All that is upstream makes scenes, all downstream reads them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kinema.scene.camera import CameraPath
from kinema.scene.motion import Motion


@dataclass(frozen=True, eq=False)
class Scene:
    """Who moves how, seen from where.

    People and camera may have their own frame rates; `at(fps)` puts all of them on one time base. A motion or
    camera of one frame is a still that holds for the whole scene.

    Args:
        people: one motion per person.
        camera: the camera path, or None where nobody has chosen one yet.
        fps: the time base that people and camera are read at together.
        text: the prompt, if any.

    Raises:
        ValueError: nobody and no camera, or a wrong type or frame rate.
    """

    people: tuple[Motion, ...]
    camera: CameraPath | None
    fps: float
    text: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "people", tuple(self.people))
        for number, person in enumerate(self.people):
            if not isinstance(person, Motion):
                raise ValueError(f"person {number} is a {type(person).__name__}; give a Motion")
        if self.camera is not None and not isinstance(self.camera, CameraPath):
            raise ValueError(f"the camera is a {type(self.camera).__name__}; give a CameraPath or None")
        if not self.people and self.camera is None:
            raise ValueError("a scene needs a person or a camera")
        if not (np.isscalar(self.fps) and np.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"fps is {self.fps!r}; give a positive number of frames per second")
        if self.text is not None and not isinstance(self.text, str):
            raise ValueError(f"the text is a {type(self.text).__name__}; give a string or None")
        object.__setattr__(self, "fps", float(self.fps))

    @property
    def duration(self) -> float:
        """Seconds for which everybody and the camera are there: the shortest of those that move."""
        parts = [*self.people, *([self.camera] if self.camera is not None else [])]
        return min((part.duration for part in parts if len(part.times) > 1), default=0.0)

    @property
    def frames(self) -> int:
        """Number of frames at `fps`, the first at time 0."""
        return int(np.floor(self.duration * self.fps + 1e-6)) + 1

    def with_camera(self, camera: CameraPath | None) -> Scene:
        """The same people seen by another camera."""
        return replace(self, camera=camera)
