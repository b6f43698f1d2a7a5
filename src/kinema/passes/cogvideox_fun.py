"""CogVideoX-Fun V1.1 pose and control, in diffusers' CogVideoXFunControlPipeline: a control film, no picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from kinema.passes.fun_control import control_films, control_goes
from kinema.passes.profile import Pass, PassForm, PassOptions, Profile, register
from kinema.passes.shot import Shot


@register
class CogVideoXFun(Profile):
    """`control`: pose (the -Pose weights), or depth (the -Control weights)."""

    name = "cogvideox-fun"
    title = "CogVideoX-Fun V1.1 2b and 5b, Pose and Control"
    source = (
        "aigc-apps/VideoX-Fun: comfyui/annotator/nodes.py, dwpose_utils/util.py, asset/pose.mp4; diffusers: "
        "CogVideoXFunControlPipeline"
    )
    form = PassForm((720, 480), 8.0, multiple=16, frame_step=8, longest=49)
    follows = frozenset({"pose", "depth"})
    parts = ("body", "hands", "face")
    extra: ClassVar[Mapping[str, tuple[str, ...]]] = {"control": ("pose", "depth")}

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        control = options.extra.get("control", "pose")
        films = control_films(shot, self.shown(options), control)
        goes = control_goes(
            "control_video= of CogVideoXFunControlPipeline; control_video of VideoX-Fun's nodes", control
        )
        return [Pass(name, "film", film, goes[name]) for name, film in films.items()]

    def notes(self, shot: Shot, options: PassOptions) -> list[str]:
        lines = []
        if shot.picture is not None:
            lines.append("cogvideox-fun reads no picture of the character: the prompt alone says who it is")
        if options.extra.get("control", "pose") == "pose":
            lines.append(
                "cogvideox-fun sees the camera in the skeletons alone: the room does not turn with it"
            )
        return lines

    def guide(self, options: PassOptions) -> list[str]:
        return [
            "height=480, width=720, as many frames as the film has; 50 steps, guidance 6, DDIM.",
            "Skeletons are plain RGB: shoulders are red.",
        ]
