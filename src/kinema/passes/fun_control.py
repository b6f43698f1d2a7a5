"""Control films as VideoX-Fun's annotators make them: DWPose drawn at a short side of 512, ZoeDepth by percentiles."""

from __future__ import annotations

import numpy as np

from kinema.passes.drawing import inverse_depth_of, skeletons
from kinema.passes.shot import Shot
from kinema.signals.depth_map import metric_depth_film
from kinema.signals.skeleton_map import SkeletonStyle

DRAWN_AT = 512
"""Pixels of the short side at which the annotators draw; the film is then resized (comfyui/annotator/nodes.py)."""
LINE_WIDTH = 4
"""Pixels there (dwpose_utils/util.py)."""


def control_films(shot: Shot, parts: tuple[str, ...], control: str) -> dict[str, np.ndarray]:
    """The control first, then the other one where the scene is known in 3D, uint8 [T, H, W, 3] by name.

    Raises:
        ValueError: depth of a scene of which only keypoints are known.
    """
    names = ["pose", "depth"] if control == "depth" or shot.camera is not None else ["pose"]
    return {name: control_film(shot, parts, name) for name in sorted(names, key=lambda name: name != control)}


def control_film(shot: Shot, parts: tuple[str, ...], control: str) -> np.ndarray:
    """One of them, "pose" or "depth", uint8 [T, H, W, 3].

    Raises:
        ValueError: as `control_films`.
    """
    if control == "depth":
        return metric_depth_film(inverse_depth_of(shot))
    style = SkeletonStyle.dwpose(LINE_WIDTH, shrunk=DRAWN_AT / min(shot.size))
    return skeletons(shot, style, parts)


def control_goes(place: str, control: str) -> dict[str, str]:
    """Where each film goes: the control to its place, the other one there instead."""
    other = {"pose": "depth", "depth": "pose"}[control]
    return {control: place, other: f"instead of {control}, with weights that read it"}
