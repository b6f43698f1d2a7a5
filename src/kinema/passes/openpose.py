"""OpenPose JSON for whatever reads it: BODY_25, hands and face of each frame, one file per frame."""

from __future__ import annotations

import numpy as np

from kinema.passes.profile import Pass, PassForm, PassOptions, Profile, register
from kinema.passes.shot import Shot
from kinema.scene.formats.openpose import BODY25_TO_OPENPOSE18, KeypointSequence, frame_objects

_MIDDLE_HIP, _LEFT_BIG_TOE, _RIGHT_BIG_TOE = 8, 19, 22  # of BODY_25
_HIPS = [9, 12]
_FACE_POINTS = 70  # of OpenPose: 68 and the pupils


@register
class OpenPose(Profile):
    """Points that are not known have x = y = confidence = 0."""

    name = "openpose"
    title = "OpenPose JSON (BODY_25, hands, face)"
    source = "CMU-Perceptual-Computing-Lab/openpose: doc/02_output.md"
    form = PassForm((1280, 720), 30.0, multiple=1, frame_step=1)
    follows = frozenset({"pose"})
    parts = ("body", "hands", "face", "toes")

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        frames = frame_objects(keypoint_sequence(shot, self.shown(options)))
        return [
            Pass(
                "openpose",
                "json",
                frames,
                "a folder of frames: pose editors and ControlNet tools read it; kinema animate --motion, too",
            )
        ]

    def guide(self, options: PassOptions) -> list[str]:
        return [
            "x and y in pixels, pixel centres at +0.5; confidence 1 where a point is known, 0 where it is not.",
            "Of a scene in 3D the big toe is the ball of the foot; small toes and heels are not known.",
        ]


def keypoint_sequence(shot: Shot, parts: tuple[str, ...]) -> KeypointSequence:
    """People of a shot on its frames; parts that are not asked for are missing."""
    drawn, count = shot.drawn(), shot.frames
    points = np.full((count, 0, 18, 2), np.nan) if drawn.keypoints is None else drawn.keypoints[:count]
    people = points.shape[1]
    body = np.full((count, people, 25, 2), np.nan)
    if "body" in parts:
        body[:, :, BODY25_TO_OPENPOSE18] = points
        body[:, :, _MIDDLE_HIP] = body[:, :, _HIPS].mean(axis=2)
    if "toes" in parts and drawn.toes is not None:
        body[:, :, [_LEFT_BIG_TOE, _RIGHT_BIG_TOE]] = drawn.toes[:count]
    face = left = right = None
    if "face" in parts and drawn.face is not None:
        face = np.full((count, people, _FACE_POINTS, 2), np.nan)
        face[:, :, :68] = drawn.face[:count]
    if "hands" in parts and drawn.hands is not None:
        left, right = drawn.hands[:count, :, 0], drawn.hands[:count, :, 1]
    return KeypointSequence(
        _sure(body),
        "body25",
        shot.fps,
        shot.size,
        face=None if face is None else _sure(face),
        left_hand=None if left is None else _sure(left),
        right_hand=None if right is None else _sure(right),
        tracked=True,
    )


def _sure(points: np.ndarray) -> np.ndarray:
    """Points with a confidence of 1 where they are known, 0 where not, [..., 3]."""
    known = np.isfinite(points).all(axis=-1, keepdims=True)
    return np.concatenate([np.where(known, points, np.nan), known], axis=-1)
