"""UniAnimate-DiT (2504.11289): skeletons with feet and hands, and the skeleton of the picture."""

from __future__ import annotations

from kinema.passes.drawing import skeletons
from kinema.passes.profile import Pass, PassForm, PassOptions, Profile, filled, register
from kinema.passes.shot import Shot
from kinema.signals.skeleton_map import SkeletonStyle, Toes

DRAWN_AT, LINE_WIDTH = 512, 4
"""Pixels of the short side at which it draws (512x768), and its stickwidth there; then resized to the video."""

TOES = Toes(limbs=((255, 0, 85), (170, 255, 255)), points=((170, 255, 255), (255, 255, 0)))
"""RGB, left and right: limb i and point i share the table's colour i, and limbs count from 0 as points do."""


@register
class UniAnimate(Profile):
    """The picture has to stand as the first skeleton does, unless its own is drawn by UniAnimate's script."""

    name = "unianimate"
    title = "UniAnimate-DiT 14B"
    source = "ali-vilab/UniAnimate-DiT: run_align_pose.py (cv2.imwrite of an RGB drawing), dwpose/util.py"
    form = PassForm((480, 832), 15.0, multiple=16, frame_step=4, people=1, longest=81)
    follows = frozenset({"pose"})
    parts = ("body", "hands", "toes")

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        style = SkeletonStyle.dwpose(LINE_WIDTH, swapped=True, shrunk=DRAWN_AT / min(shot.size), toes=TOES)
        film = skeletons(shot, style, self.shown(options), people=1)
        made = [
            Pass("pose", "jpegs", film, "the folder of pose frames, read in the order of their names"),
            Pass("reference_pose", "picture", film[0], "pose.jpg: the skeleton of the picture"),
        ]
        if shot.picture is not None:
            made.append(
                Pass("reference", "picture", filled(shot.picture, shot.size), "the reference picture")
            )
        return made

    def notes(self, shot: Shot, options: PassOptions) -> list[str]:
        return [
            "unianimate compares the picture with reference_pose, which is the first skeleton: the picture must stand so",
            "unianimate sees the camera in the skeletons alone",
        ]

    def guide(self, options: PassOptions) -> list[str]:
        return [
            "81 frames at 15 fps, upright: 480x832, as it was trained, or 720x1280.",
            "Red and blue are swapped, as the weights saw them: shoulders are blue, points of hands red.",
            "Its repository has no licence file: ask before you use the weights for more than trying.",
        ]
