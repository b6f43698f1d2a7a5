"""Camera paths of videos by structure from motion (pycolmap), with its failures told apart from its answers."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np

from kinema.capture.camera_mapping import INSTALL
from kinema.capture.camera_watch import CameraWatch


@dataclass(frozen=True, eq=False)
class SolvedCamera:
    """What structure from motion makes of a video.

    Args:
        c2w: camera to the first frame's camera, OpenCV axes, in a unit of its own, [T, 4, 4]; None where it failed.
        why: it failed, in words; empty where it did not.
    """

    c2w: np.ndarray | None
    why: str = ""


class CameraSolver:
    """pycolmap on points that are followed through the background; the same for every video that is compared.

    COLMAP cannot solve a camera that stands or only turns, a picture of plain walls, or a video whose room is not one
    room: that is a failure, counted as such.

    Raises:
        ModuleNotFoundError: pycolmap is not installed.
    """

    def __init__(self) -> None:
        if importlib.util.find_spec("pycolmap") is None:
            raise ModuleNotFoundError(
                f"cameras of videos are found by pycolmap, which is not installed: {INSTALL}"
            )

    def solve(
        self, frames: np.ndarray, fps: float, *, focal: float | None = None, boxes: np.ndarray | None = None
    ) -> SolvedCamera:
        """The camera of a video.

        Args:
            frames: uint8 [T, H, W, 3].
            fps: frames per second.
            focal: pixels, where the reference's camera tells it; refined from a guess where None.
            boxes: of people, who are no background, [T, P, 4]; NaN for nobody.
        """
        height, width = frames.shape[1:3]
        watch = CameraWatch((width, height), fps, focal=focal)
        people = np.zeros((len(frames), 0, 4)) if boxes is None else boxes
        watch.add(frames, [each[np.isfinite(each).all(axis=-1)] for each in people])
        solution = watch.solve("moving")
        if solution.kind != "moving":
            return SolvedCamera(None, "; ".join(solution.notes) or f"the camera is {solution.kind}")
        return SolvedCamera(solution.c2w)

    def settings(self) -> dict[str, Any]:
        """What decides its answers."""
        return {"solver": "pycolmap of followed points", "masks": "boxes of people, where they are judged"}
