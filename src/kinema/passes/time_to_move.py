"""Time-to-Move (2511.08633): a rough film that image-to-video weights follow without training, and where they have to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from kinema.passes.drawing import white
from kinema.passes.profile import Pass, PassForm, PassOptions, Profile, filled, register
from kinema.passes.shot import Shot


@register
class TimeToMove(Profile):
    """`drive`: people, whose region is held longer to the film; or all, the whole picture, for the camera's sake."""

    name = "time-to-move"
    title = "Time-to-Move on Wan 2.2, CogVideoX or SVD image to video"
    source = "time-to-move/TTM: README.md, run_wan.py (first_frame.png, motion_signal.mp4, mask.mp4)"
    form = PassForm((832, 480), 16.0, multiple=16, frame_step=4, longest=81)
    follows = frozenset({"pose", "camera"})
    extra: ClassVar[Mapping[str, tuple[str, ...]]] = {"drive": ("people", "all")}
    needs_scene = True

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        everything = options.extra.get("drive") == "all"
        mask = np.ones(shot.film.shape[:3], bool) if everything else shot.person_mask
        first = shot.film[0] if shot.picture is None else filled(shot.picture, shot.size)
        return [
            Pass("motion_signal", "film", shot.film, "motion_signal.mp4 of --input-path"),
            Pass("mask", "mask", white(mask), "mask.mp4 of --input-path: white follows the film"),
            Pass("first_frame", "picture", first, "first_frame.png of --input-path"),
        ]

    def notes(self, shot: Shot, options: PassOptions) -> list[str]:
        if shot.footage is None and shot.picture is not None:
            return [
                "the film shows the stage's actor, not the picture: a rough take of the picture makes a better one"
            ]
        return []

    def guide(self, options: PassOptions) -> list[str]:
        index = "2 and 5" if options.extra.get("drive") == "all" else "3 and 7"
        return [
            f"tweak-index and tstrong-index {index} of 50 steps on Wan 2.2 (objects 3 and 7, cameras 2 and 5); "
            "CogVideoX 4 and 9, 49 frames at 8 fps; SVD 16 and 21.",
            "The first frame of the film should be the picture.",
            "Here: kinema animate hero.png --motion dance.bvh --control time-to-move --backbone wan2.2-i2v-a14b",
        ]
