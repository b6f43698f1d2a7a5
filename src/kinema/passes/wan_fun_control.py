"""Wan2.1-Fun and Wan2.2-Fun Control (VideoX-Fun): a control film, a picture of the character, a first frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from kinema.passes.fun_control import control_films, control_goes
from kinema.passes.profile import Pass, PassForm, PassOptions, Profile, check_picture, filled, register
from kinema.passes.shot import Shot


@register
class WanFunControl(Profile):
    """`control`: pose or depth. `picture`: reference, of the character; or start, the first frame of the film."""

    name = "wan-fun-control"
    title = "Wan2.1-Fun V1.1 and Wan2.2-Fun Control"
    source = "aigc-apps/VideoX-Fun: comfyui/annotator/nodes.py, dwpose_utils/util.py, pipeline_wan2_2_fun_control.py"
    form = PassForm((832, 480), 16.0, multiple=16, frame_step=4, longest=81)
    follows = frozenset({"pose", "depth"})
    parts = ("body", "hands", "face")
    extra: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "control": ("pose", "depth"),
        "picture": ("reference", "start"),
    }

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        check_picture(self, shot, options)
        control = options.extra.get("control", "pose")
        films = control_films(shot, self.shown(options), control)
        goes = control_goes(
            "control_video= of the pipeline; control_video of WanFunControlToVideo, of 2.2 Wan22FunControlToVideo",
            control,
        )
        made = [Pass(name, "film", film, goes[name]) for name, film in films.items()]
        if shot.picture is not None:
            use = options.extra.get("picture", "reference")
            where = {
                "reference": "ref_image= of the pipeline; ref_image of Wan22FunControlToVideo (2.1: --set picture=start)",
                "start": "start_image= of the pipeline; start_image of WanFunControlToVideo (2.1)",
            }
            made.append(Pass(use, "picture", filled(shot.picture, shot.size), where[use]))
        return made

    def needs_picture(self, options: PassOptions) -> bool:
        return "picture" in options.extra

    def notes(self, shot: Shot, options: PassOptions) -> list[str]:
        if options.extra.get("control", "pose") == "depth":
            return []
        return ["wan-fun-control sees the camera in the skeletons alone; control=depth tells it by the room"]

    def guide(self, options: PassOptions) -> list[str]:
        return [
            "81 frames at 16 fps; of Wan2.2-Fun-5B 121 frames at 24 fps (--fps 24). Sides of 512, 768 or 1024 as base.",
            "50 steps, guidance 6, shift 3 at 480p and 5 at 720p; Wan 2.2 A14B: boundary 0.875.",
            "Skeletons are plain RGB: shoulders are red.",
        ]
