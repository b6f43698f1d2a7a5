"""VACE (2503.07598): one control film, a mask of what is made anew, pictures of the character; on Wan 2.1 and 2.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from kinema.passes.drawing import grown, inverse_depth_of, skeletons, white
from kinema.passes.profile import (
    Pass,
    PassForm,
    PassOptions,
    Profile,
    check_picture,
    filled,
    letterboxed,
    register,
)
from kinema.passes.shot import Shot
from kinema.signals.depth_map import relative_depth_film
from kinema.signals.skeleton_map import SkeletonStyle

DRAWN_AT = 1024
"""Pixels of the short side at which its annotator draws, before it shrinks the map (vace/annotators/pose.py)."""
LINE_WIDTH = 4
"""Pixels there (vace/annotators/dwpose/util.py)."""

GREY = 128
"""Of pixels of which nothing is known: 127.5 in [0, 255], diffusers' zeros in [-1, 1]."""
WHITE = 255
"""Ground of pictures of the character (WanVACEPipeline.preprocess_conditions)."""

KEPT = 13
"""Frames of the footage that `extend` keeps where nobody says (ours): three latent frames and the first."""
_SAME_SHAPE = 0.02  # by which aspects may differ and nothing be said of it (ours)
_GROWN = 1 / 40  # of the short side (ours), by which the region of a person that is made anew is widened
RECIPES = ("pose", "first-frame", "background", "pose-and-depth", "extend")
CONTROLS = ("pose", "depth", "both", "none")


@register
class Vace(Profile):
    """Recipes, chosen by `recipe`:

    pose: the control in every frame, everything is made anew.
    first-frame: the same, but frame 0 is the picture and is kept; it must stand as the skeleton does.
    background: the footage, or the stage without people, is kept; the control stands in a region round the people.
    pose-and-depth: as pose, with `control` both.
    extend: the first frames of the footage, or of the stage's film, are kept (`keep` of them), the control goes on.

    `control` is pose; depth; both: skeletons where people are and depth elsewhere; or none: grey.
    """

    name = "vace"
    title = "Wan2.1-VACE 1.3B and 14B, Wan2.2-VACE-Fun A14B"
    source = "ali-vilab/VACE: vace/annotators/pose.py, dwpose/util.py, depth.py; diffusers: WanVACEPipeline"
    form = PassForm((832, 480), 16.0, multiple=16, frame_step=4, longest=81)
    crops_picture = False
    follows = frozenset({"pose", "depth"})
    parts = ("body", "face")
    extra: ClassVar[Mapping[str, tuple[str, ...]]] = {"recipe": RECIPES, "control": CONTROLS, "keep": ()}
    replaces = True

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        recipe, control = self._chosen(options)
        check_picture(self, shot, options)
        films = self._films(shot, options, control)
        told = self._control(shot, films, control)
        mask = np.ones(told.shape[:3], bool)
        if recipe == "first-frame":
            assert shot.picture is not None  # checked
            told, mask[0] = told.copy(), False
            told[0] = filled(shot.picture, shot.size)
        elif recipe == "background":
            mask = self._region(shot, films)
            told = np.where(mask[..., None], told, shot.room)
        elif recipe == "extend":
            kept = self._kept(shot, options)
            told, mask[:kept] = told.copy(), False
            told[:kept] = shot.film[:kept]
        made = [
            Pass("control", "film", told, "video= of WanVACEPipeline; control_video of WanVaceToVideo"),
            Pass(
                "mask",
                "mask",
                white(mask),
                "mask= of WanVACEPipeline; control_masks of WanVaceToVideo; white is made anew, black is kept",
            ),
        ]
        if shot.picture is not None:
            made.append(
                Pass(
                    "reference",
                    "picture",
                    letterboxed(shot.picture, shot.size, WHITE),
                    "reference_images=[...] of WanVACEPipeline; reference_image of WanVaceToVideo",
                )
            )
        for name, film in films.items():
            made.append(Pass(name, "film", film, f"the {name} alone, instead of control where wanted"))
        return made

    def notes(self, shot: Shot, options: PassOptions) -> list[str]:
        recipe, control = self._chosen(options)
        lines = []
        if recipe != "background" and control in ("pose", "none"):
            lines.append(
                "vace sees the camera in the skeletons alone; control=both tells it by the room's depth, too"
            )
        if recipe == "first-frame" and shot.picture is not None:
            (height, width), (wide, high) = shot.picture.shape[:2], shot.size
            if abs(width * high / (height * wide) - 1) > _SAME_SHAPE:
                lines.append(f"the picture of {width}x{height} is cropped to the shape of {wide}x{high}")
        if shot.picture is None:
            lines.append("no picture: the prompt alone says who it is")
        return lines

    def guide(self, options: PassOptions) -> list[str]:
        recipe, control = self._chosen(options)
        return [
            f"Recipe {recipe}, control {control}.",
            "Call the pipeline with exactly this height, width and number of frames: a control of another size is not "
            "enlarged but padded, without an error.",
            "81 frames at 16 fps; 832x480 (1.3B, 14B) or 1280x720 (14B).",
            "UniPC, flow shift 3 at 480p and 5 at 720p, 50 steps, guidance 5. Wan 2.2: 40 steps, guidance 3.5, "
            "boundary_ratio 0.875.",
            "Skeletons have red and blue swapped, as the weights saw them: shoulders are blue. Do not swap them back.",
            "The picture should show the character as tall and at the place where the skeleton stands.",
            "Depth of the stage is that of people, things and the floor; what is above the horizon is infinitely far.",
        ]

    def check_extra(self, options: PassOptions) -> None:
        super().check_extra(options)
        keep = options.extra.get("keep")
        if keep is not None and not (keep.isdecimal() and int(keep) > 0):
            raise ValueError(f"vace: keep is a number of frames from 1 on, not {keep!r}")
        if keep is not None and self._chosen(options)[0] != "extend":
            raise ValueError("vace: keep goes with recipe=extend")

    def needs_picture(self, options: PassOptions) -> bool:
        return self._chosen(options)[0] == "first-frame"

    def _chosen(self, options: PassOptions) -> tuple[str, str]:
        """Recipe and control.

        Raises:
            ValueError: two that contradict each other.
        """
        recipe = options.extra.get("recipe", "background" if options.replace else "pose")
        control = options.extra.get("control")
        if options.replace and recipe != "background":
            raise ValueError(f"vace: replacing a person is recipe=background, not {recipe}")
        if recipe != "pose-and-depth":
            return recipe, control or "pose"
        if control not in (None, "both"):
            raise ValueError(f"vace: recipe=pose-and-depth is control=both, not {control}")
        return "pose", "both"

    def _films(self, shot: Shot, options: PassOptions, control: str) -> dict[str, np.ndarray]:
        """Pose and, where the scene is known in 3D, depth by themselves."""
        style = SkeletonStyle.dwpose(LINE_WIDTH, swapped=True, shrunk=DRAWN_AT / min(shot.size))
        films = {"pose": skeletons(shot, style, self.shown(options))}
        if shot.camera is not None or control in ("depth", "both"):
            films["depth"] = relative_depth_film(inverse_depth_of(shot))
        return films

    def _control(self, shot: Shot, films: dict[str, np.ndarray], control: str) -> np.ndarray:
        if control == "none":
            return np.full_like(films["pose"], GREY)
        if control != "both":
            return films[control]
        return np.where(self._region(shot, films)[..., None], films["pose"], films["depth"])

    def _region(self, shot: Shot, films: dict[str, np.ndarray]) -> np.ndarray:
        """Round people and what is drawn of them, bool [T, H, W]."""
        drawn = films["pose"].any(axis=-1)
        return grown(shot.person_mask | drawn, max(1, round(_GROWN * min(shot.size))))

    def _kept(self, shot: Shot, options: PassOptions) -> int:
        kept = int(options.extra.get("keep", min(KEPT, max(1, shot.frames - 1))))
        if kept >= shot.frames:
            raise ValueError(f"vace: keep={kept} of {shot.frames} frames leaves nothing to make")
        return kept
