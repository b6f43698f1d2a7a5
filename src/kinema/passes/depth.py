"""Depth for whatever reads it: metres in 16 bits, and a film in which near is white."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from kinema.passes.drawing import inverse_depth_of
from kinema.passes.profile import Pass, PassForm, PassOptions, Profile, register
from kinema.passes.shot import Shot
from kinema.signals.depth_map import relative_depth_film

MILLIMETRES = 1000.0


@register
class Depth(Profile):
    """`range`: frame, each frame from its farthest to its nearest; or film, all frames alike."""

    name = "depth"
    title = "depth maps"
    source = (
        "16 bits: millimetres, 0 unknown (as in ScanNet); 8 bits: ali-vilab/VACE, vace/annotators/depth.py"
    )
    form = PassForm((1280, 720), 30.0, multiple=2, frame_step=1)
    follows = frozenset({"pose", "camera", "depth", "room"})
    extra: ClassVar[Mapping[str, tuple[str, ...]]] = {"range": ("frame", "film")}
    needs_scene = True

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        inverse = inverse_depth_of(shot)
        if options.extra.get("range") == "film":
            grey = relative_depth_film(inverse.reshape(1, -1, shot.size[0])).reshape(*inverse.shape, 3)
        else:
            grey = relative_depth_film(inverse)
        return [
            Pass("depth", "film", grey, "depth ControlNets and video models that read depth; near is white"),
            Pass(
                "depth16",
                "depth16",
                millimetres(inverse),
                "compositing and reconstruction: millimetres along the optical axis, 0 where nothing is",
            ),
        ]

    def guide(self, options: PassOptions) -> list[str]:
        return [
            "Depth is that of people, things and the floor; above the horizon nothing is.",
            "8 bits show inverse depth, stretched from the farthest, black, to the nearest, white.",
        ]


def millimetres(inverse: np.ndarray) -> np.ndarray:
    """Depth in millimetres, uint16 [T, H, W]; 0 where nothing is or what is farther than 65.535 m.

    Args:
        inverse: one over depth, 1/m, [T, H, W].
    """
    known = inverse > MILLIMETRES / np.iinfo(np.uint16).max
    depth = MILLIMETRES / np.where(known, inverse, 1.0)
    return np.where(known, np.rint(depth), 0).astype(np.uint16)
