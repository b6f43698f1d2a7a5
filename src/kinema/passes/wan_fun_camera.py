"""Wan2.1-Fun and Wan2.2-Fun Camera (VideoX-Fun): the camera as a text file of poses, and a first frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np

from kinema.passes.profile import Pass, PassForm, PassOptions, Profile, filled, register
from kinema.passes.shot import Shot
from kinema.scene.camera import CameraPath
from kinema.signals.grouped_rays import grouped_rays, in_model_units

ORIGINAL = (1280, 720)
"""Pixels for which `process_pose_file` takes a file to be written, unless it is told otherwise."""


@register
class WanFunCamera(Profile):
    """`strength`: times the reach of the published example paths. `original`: default, for readers that take the file for
    one of a 1280x720 video as VideoX-Fun does; or own, for those that are told this video's size. `rays`: yes writes the
    24 channels that the network reads, a large file."""

    name = "wan-fun-camera"
    title = "Wan2.1-Fun V1.1 and Wan2.2-Fun Control-Camera"
    source = "aigc-apps/VideoX-Fun: videox_fun/data/utils.py (process_pose_file, ray_condition), asset/Pan_Left.txt"
    form = PassForm((832, 480), 16.0, multiple=16, frame_step=4, longest=81)
    follows = frozenset({"camera"})
    extra: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "strength": (),
        "original": ("default", "own"),
        "rays": ("no", "yes"),
    }
    needs_scene = True

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        assert shot.camera is not None
        path = in_model_units(shot.camera, float(options.extra.get("strength", "1")))
        own = options.extra.get("original") == "own"
        size = (
            f"original_pose_width={shot.size[0]}, original_pose_height={shot.size[1]}"
            if own
            else "its defaults"
        )
        made = [
            Pass(
                "camera",
                "text",
                pose_file(path, None if own else ORIGINAL),
                f"control_camera_txt of predict_v2v_control_camera.py, read by process_pose_file with {size}",
            )
        ]
        if options.extra.get("rays") == "yes":
            made.append(
                Pass(
                    "rays",
                    "array",
                    grouped_rays(path),
                    "control_camera_video of the pipeline, without the batch: component * 4 + time on the channels",
                )
            )
        if shot.picture is not None:
            first = filled(shot.picture, shot.size)
            made.append(Pass("start", "picture", first, "start_image; start_image of WanCameraImageToVideo"))
        return made

    def check_extra(self, options: PassOptions) -> None:
        super().check_extra(options)
        try:
            strength = float(options.extra.get("strength", "1"))
        except ValueError:
            strength = 0.0
        if not 0 < strength < np.inf:
            raise ValueError(
                f"wan-fun-camera: strength is a number above 0, not {options.extra['strength']!r}"
            )

    def notes(self, shot: Shot, options: PassOptions) -> list[str]:
        if shot.people:
            return ["wan-fun-camera follows the camera alone: what people do is left to the prompt"]
        return []

    def guide(self, options: PassOptions) -> list[str]:
        return [
            "81 frames at 16 fps; of Wan2.2-Fun-5B 121 frames at 24 fps (--fps 24).",
            "A line for each frame after the first line: 0 fx fy cx cy 0 0 and world-to-camera, three rows of four; the "
            "lens in fractions of the picture.",
            "Distances are not metres: the farthest point lies 1.5 units from the start, as in the published examples "
            "(--set strength=2 doubles that). What is right depends on the picture.",
        ]


def pose_file(camera: CameraPath, original: tuple[int, int] | None) -> str:
    """The text that `process_pose_file` reads.

    It takes the fractions for those of a video of `original` size, which it thinks filled and cropped to this one: fx is
    multiplied by what is cropped in width, or fy by what is cropped in height. That is undone here beforehand.

    Args:
        camera: T frames, positions in the model's units.
        original: (width, height) that the reader takes it to be written for; None: this video's.
    """
    width, height = camera.size
    lens = camera.intrinsics / np.array([width, height, width, height], np.float64)
    if original is not None:
        taken, shown = original[0] / original[1], width / height
        if taken > shown:
            lens[:, 0] *= shown / taken
        else:
            lens[:, 1] *= taken / shown
    path = replace(camera, c2w=camera.relative().c2w)
    lines = ["kinema"]
    for row, pose in zip(lens, path.w2c, strict=True):
        lines.append(" ".join(["0", *(f"{number:.9g}" for number in [*row, 0, 0, *pose[:3].ravel()])]))
    return "\n".join(lines) + "\n"
