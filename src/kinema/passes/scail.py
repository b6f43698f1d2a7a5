"""SCAIL (2512.05905): a film of lit 3D cylinders, with hands, face and the head's lines drawn over it."""

from __future__ import annotations

import numpy as np

from kinema.passes.drawing import seen_keypoints
from kinema.passes.profile import Pass, PassForm, PassOptions, Profile, filled, register
from kinema.passes.shot import Shot
from kinema.signals.cylinder_map import PEOPLE, cylinder_map
from kinema.signals.skeleton_map import SkeletonStyle, skeleton_map

HEAD = (0, 14, 15, 16, 17)
"""OpenPose-18 points whose lines are drawn over the cylinders: nose, eyes, ears."""

FACE = (*range(17, 27), *range(36, 68))
"""Of the 68 face points those that are drawn: brows, eyes and mouth."""


@register
class Scail(Profile):
    """Bodies as cylinders of the scene's own joints and camera; hands and faces as far as a detector has seen them."""

    name = "scail"
    title = "SCAIL-Preview 14B"
    source = "zai-org/SCAIL-Pose: NLFPoseExtract/nlf_render.py, render_3d/taichi_cylinder.py, pose_draw/draw_utils.py"
    form = PassForm((896, 512), 16.0, multiple=32, frame_step=4, people=PEOPLE, longest=81, rigid=True)
    follows = frozenset({"pose"})
    parts = ("body", "hands", "face")
    needs_scene = True

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        drawn, parts = shot.drawn(), self.shown(options)
        camera = shot.scene.camera
        assert camera is not None
        width, height = shot.size
        film = np.zeros((shot.frames, height, width, 3), np.uint8)
        if drawn.joints is not None and drawn.keypoints is not None:
            if "body" in parts:
                film = cylinder_map(drawn.joints[: shot.frames, :PEOPLE], camera)
            over = self._lines(shot, parts)
            film = np.where(over > 0, over, film)  # channel by channel, as public code does
        made = [
            Pass(
                "pose",
                "film",
                film,
                "rendered_aligned.mp4 of SCAIL; pose_video of WanSCAILToVideo, which halves it",
            )
        ]
        if shot.picture is not None:
            made.append(
                Pass(
                    "reference",
                    "picture",
                    filled(shot.picture, shot.size),
                    "the reference picture (ref.jpg) of SCAIL; reference_image of WanSCAILToVideo",
                )
            )
        return made

    def notes(self, shot: Shot, options: PassOptions) -> list[str]:
        lines = ["scail sees the camera in the figures alone"]
        if sorted(shot.size) != sorted(self.form.size):
            wide, high = self.form.size
            lines.append(
                f"scail was trained at {wide}x{high} and {high}x{wide}; other sizes are reported to be bad (--size)"
            )
        if shot.picture is None:
            lines.append(
                "no picture: scail needs one of the character, standing where the first frame has them"
            )
        return lines

    def guide(self, options: PassOptions) -> list[str]:
        return [
            "896x512 or 512x896, 81 frames at 16 fps; 50 steps, guidance 4, shift 5.",
            "The picture's person should stand as large and at the place where the first cylinders do.",
            "One person has full colours; of two the first has pale ones.",
            "Lines of the head are drawn wherever the camera sees the face; hands and face points where they are known.",
        ]

    def _lines(self, shot: Shot, parts: tuple[str, ...]) -> np.ndarray:
        """What is drawn over the cylinders: lines and points of heads, hands, face points, on black."""
        seen, hands = seen_keypoints(shot, people=PEOPLE)
        head, face = np.full_like(seen, np.nan), None
        if "face" in parts:
            head[:, :, HEAD] = seen[:, :, HEAD]
            known = shot.drawn().face
            if known is not None:
                known = known[: shot.frames, :PEOPLE]
                face = np.full_like(known, np.nan)
                face[:, :, FACE] = known[:, :, FACE]
        hands = hands if "hands" in parts else None
        return skeleton_map(head, None, shot.size, style=line_style(shot.size), hands=hands, face=face)


def line_style(size: tuple[int, int]) -> SkeletonStyle:
    """How heads, hands and faces are drawn at (width, height): hands and face points thinner than DWPose's."""
    thin = min(max(min(size) // 300, 1), 2)
    return SkeletonStyle(limb=4, joint=4, hand_line=thin, hand_point=thin, face_point=thin)
