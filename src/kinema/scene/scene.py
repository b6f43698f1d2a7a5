"""The scene: people, a camera and time. Everything upstream makes scenes, everything downstream reads them."""

from __future__ import annotations

from dataclasses import dataclass

from kinema.scene.camera import CameraPath
from kinema.scene.motion import Motion


@dataclass(frozen=True)
class Scene:
    """Who moves how, seen from where.

    Args:
        people: one motion per person.
        camera: the camera path, or None where nobody has chosen one yet.
        fps: the time base that people and camera are sampled at when they are read together.
        text: the prompt, if any.
    """

    people: tuple[Motion, ...]
    camera: CameraPath | None
    fps: float
    text: str | None = None
