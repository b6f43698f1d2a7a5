"""What a head hides of itself, and faces that were seen from another side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.passes.shots import scene, shot

from kinema.passes.drawing import grown, skeletons, turned_away
from kinema.passes.shot import Shot
from kinema.scene import Keypoints
from kinema.scene.framing import in_step, scene_camera
from kinema.signals.skeleton_map import COLOURS, SkeletonStyle

NOSE, EYES, EARS = 0, [14, 15], [16, 17]


def hidden(words):
    """Which points a camera does not see when it has gone its way."""
    seen = shot(frames=3, camera=words)
    drawn = seen.drawn()
    return turned_away(drawn.joints[:3], drawn.camera.c2w[:3])[-1, 0]


def test_a_head_from_behind_has_no_nose_and_no_eyes():
    """What a detector finds of a head from behind: the ears (kijai/ComfyUI-WanVideoWrapper#530)."""
    front, back, side = hidden("static"), hidden("arc left 180deg"), hidden("arc left 90deg")
    assert not front.any()
    assert back[[NOSE, *EYES]].all()
    assert not back[EARS].any()
    assert not side[[NOSE, *EYES]].any()
    assert side[EARS].sum() == 1
    assert not back[1:14].any()  # the body is drawn


def test_what_is_hidden_is_not_drawn():
    seen = shot((240, 240), frames=3, camera="arc left 180deg")
    film = skeletons(seen, SkeletonStyle.dwpose(1), ("body",))
    nose = (film == COLOURS[NOSE]).all(axis=-1).any(axis=(1, 2))
    eye = (film == COLOURS[EYES[0]]).all(axis=-1).any(axis=(1, 2))
    assert (eye[0], eye[-1]) == (True, False)
    assert nose[0]


def test_faces_are_drawn_as_long_as_the_head_is_seen_from_the_side_it_was_seen_from():
    size, frames, fps = (240, 240), 9, 16.0
    play = scene()
    front = scene_camera(play, "static", size=size, fps=fps, frames=frames)
    body = Shot(in_step(play, front), size, frames, fps).drawn().keypoints[:, 0]
    points = np.full((len(body), 134, 2), np.nan)
    points[:, :18] = body
    points[:, 24:92] = body[:, :1] + np.random.default_rng(0).normal(0, 2, (68, 2))
    seen = Keypoints(points, np.isfinite(points).all(-1).astype(float), "dwpose134", fps, size)
    captured = replace(in_step(play, front), keypoints=(seen,))
    for words, drawn in (("static", True), ("arc left 5deg", True), ("arc left 60deg", False)):
        camera = scene_camera(captured, words, size=size, fps=fps, frames=frames)
        face = Shot(in_step(captured, camera), size, frames, fps).drawn().face
        assert face is not None
        assert np.isfinite(face[0]).all()
        assert np.isfinite(face[frames - 1]).all() == drawn


def test_regions_grow_by_squares():
    mask = np.zeros((1, 9, 9), bool)
    mask[0, 4, 4] = True
    assert grown(mask, 2).sum() == 25
