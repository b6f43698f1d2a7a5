"""ReCamMaster (2503.11647): a film, and the camera from which it shall be seen instead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kinema.passes.profile import Pass, PassForm, PassOptions, Profile, register
from kinema.passes.shot import Shot
from kinema.stage.filming import casting, film

EVERY = 4
"""Frames from one pose to the next."""


@register
class ReCamMaster(Profile):
    """The film is the footage; without one the stage's, seen by a camera that stays where this one begins."""

    name = "recammaster"
    title = "ReCamMaster on Wan2.1-T2V-1.3B"
    source = "KwaiVGI/ReCamMaster: inference_recammaster.py (get_relative_pose)"
    form = PassForm((832, 480), 16.0, multiple=16, frame_step=80, longest=81)
    follows = frozenset({"camera", "room"})
    needs_scene = True

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        assert shot.camera is not None
        return [
            Pass("source", "film", self._source(shot), "the video of metadata.csv"),
            Pass(
                "camera",
                "array",
                relative_poses(shot.camera.c2w),
                "data['camera'] of the pipeline: 21 poses, 3x4 row by row, relative to the first",
            ),
        ]

    def guide(self, options: PassOptions) -> list[str]:
        return [
            "81 frames of 832x480, to which its code crops other films. The 21 poses are camera-to-world in OpenCV's "
            "axes relative to the first, in metres: what its code makes of Unreal's axes and centimetres.",
            "The new camera begins where the film's does.",
        ]

    def notes(self, shot: Shot, options: PassOptions) -> list[str]:
        if shot.footage is None:
            return ["no footage: the film is the stage's, seen by a camera that stands still"]
        return []

    def _source(self, shot: Shot) -> np.ndarray:
        if shot.footage is not None:
            return shot.footage.frames
        scene = shot.scene
        assert scene.camera is not None
        stands = np.repeat(scene.camera.c2w[:1], shot.frames, axis=0)
        held = scene.with_camera(replace(scene.camera, c2w=stands))
        cast, world = casting(shot.actor, scene)
        return np.concatenate([take.rgb for take in film(held, cast, world)])


def relative_poses(c2w: np.ndarray) -> np.ndarray:
    """Every fourth pose relative to the first, 3x4 row by row, float32 [1 + (T - 1) / 4, 12].

    Unreal's left-handed world drops out of relative poses, so that they are the true ones (inference_recammaster.py).

    Args:
        c2w: camera-to-world, OpenCV axes, metres, [T, 4, 4].
    """
    relative = np.linalg.inv(c2w[0]) @ c2w[::EVERY]
    return relative[:, :3].reshape(-1, 12).astype(np.float32)
