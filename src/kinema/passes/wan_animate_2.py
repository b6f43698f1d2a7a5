"""Wan-Animate-2: a driving film as it was shot; here the stage's, whose camera may be directed."""

from __future__ import annotations

from kinema.passes.profile import Pass, PassForm, PassOptions, Profile, register
from kinema.passes.shot import Shot


@register
class WanAnimate2(Profile):
    """The driving film and the picture as it is."""

    name = "wan-animate-2"
    title = "Wan2.2-Animate-2 14B, also distilled"
    source = "diffusers: modular_pipelines/wan_animate_2 (encoders.py, before_denoise.py)"
    form = PassForm((640, 800), 24.0, multiple=16, frame_step=1, people=1)
    crops_picture = False
    follows = frozenset({"pose", "camera"})
    needs_scene = True

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        made = [
            Pass(
                "driving",
                "film",
                shot.film,
                f"driving_video= of WanAnimate2ModularPipeline, with driving_video_fps={shot.fps:g} and fps={shot.fps:g}",
            )
        ]
        if shot.picture is not None:
            made.append(Pass("reference", "picture", shot.picture, "image= of WanAnimate2ModularPipeline"))
        return made

    def notes(self, shot: Shot, options: PassOptions) -> list[str]:
        if shot.picture is None:
            return ["no picture: wan-animate-2 needs one of the character as image="]
        width, height = shot.size
        if abs(width * shot.picture.shape[0] / (height * shot.picture.shape[1]) - 1) > 0.05:
            return [
                "wan-animate-2 gives the film the picture's shape: the driving film is fitted into it with borders"
            ]
        return []

    def guide(self, options: PassOptions) -> list[str]:
        return [
            "40 steps and guidance 3; distilled: 10 steps without guidance. segment_frame_length 81, "
            "prev_segment_conditioning_frames 1, compile_repeated_blocks().",
            "height and width say an area alone; the shape is the picture's.",
            "The camera of the driving film is the only camera there is.",
            "prompt: 人物外观描述：… (looks) 背景描述：… (background); prompt_ref: 人物动作的参考视频",
        ]
