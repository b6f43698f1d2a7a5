"""SteadyDancer (2511.19320): skeletons as they are, and the same out of shape, which guidance leads away from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kinema.passes.drawing import seen_keypoints
from kinema.passes.profile import Pass, PassForm, PassOptions, Profile, filled, register
from kinema.passes.shot import Shot
from kinema.signals.skeleton_map import SkeletonStyle, skeleton_map

LINE_WIDTH = 4
"""Pixels of DWPose's drawing, which is made at twice the picture's size."""

SCALE, ASPECT = (0.7, 1.3), (0.6, 1.4)
"""Ranges of the negative's size and width, drawn anew for every frame (preprocess/pose_align_withdiffaug.py)."""

_NECK = 1


@register
class SteadyDancer(Profile):
    """`seed`: of the negative's distortion."""

    name = "steadydancer"
    title = "SteadyDancer-14B"
    source = "MCG-NJU/SteadyDancer: preprocess/pose_align_withdiffaug.py, utils_aug.py, generate_dancer.py"
    form = PassForm((1024, 576), 16.0, multiple=16, frame_step=4, people=1, longest=81)
    follows = frozenset({"pose"})
    parts = ("body", "hands")
    extra = {"seed": ()}  # noqa: RUF012  # as the class it overrides

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        style = replace(SkeletonStyle.dwpose(LINE_WIDTH, swapped=True), shrunk=2.0)
        parts = self.shown(options)
        keypoints, hands = seen_keypoints(shot, people=1)
        if "body" not in parts:
            keypoints = np.full_like(keypoints, np.nan)
        hands = hands if "hands" in parts else None
        rng = np.random.default_rng(int(options.extra.get("seed", "0")))
        scale, aspect = (rng.uniform(*span, size=shot.frames) for span in (SCALE, ASPECT))
        factor = np.stack([scale * aspect, scale], axis=-1)[:, None, None]
        neck = keypoints[:, :, _NECK : _NECK + 1]
        away = neck + (keypoints - neck) * factor
        far = None if hands is None else neck[:, :, None] + (hands - neck[:, :, None]) * factor[:, None]

        def film(points: np.ndarray, palms: np.ndarray | None) -> np.ndarray:
            return skeleton_map(points, None, shot.size, style=style, hands=palms)

        made = [
            Pass("positive", "jpegs", film(keypoints, hands), "--cond_pos_folder of generate_dancer.py"),
            Pass("negative", "jpegs", film(away, far), "--cond_neg_folder of generate_dancer.py"),
        ]
        if shot.picture is not None:
            made.append(
                Pass(
                    "reference", "picture", filled(shot.picture, shot.size), "--image: it is the first frame"
                )
            )
        return made

    def check_extra(self, options: PassOptions) -> None:
        super().check_extra(options)
        if not options.extra.get("seed", "0").isdecimal():
            raise ValueError(f"steadydancer: seed is a whole number, not {options.extra['seed']!r}")

    def notes(self, shot: Shot, options: PassOptions) -> list[str]:
        lines = ["steadydancer sees the camera in the skeletons alone"]
        if shot.picture is None:
            lines.append(
                "no picture: steadydancer begins with one, which has to stand as the first skeleton does"
            )
        return lines

    def guide(self, options: PassOptions) -> list[str]:
        return [
            "--size 1024*576, 81 frames; guidance 5, condition_guide_scale 1, end_cond_cfg 0.4, 40 steps, shift 5.",
            "The picture is the first frame and is kept: it has to stand as the first skeleton does.",
            "Red and blue are swapped, as the weights saw them; points of hands are red.",
        ]
