"""Skeleton maps draw hands and faces where the scene has them, and nothing else than before where it has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from tests.signals.fingers import body_with_fingers

from kinema.scene import CameraPath, Keypoints, Motion, Scene
from kinema.scene.camera import intrinsics_from_fov, look_at
from kinema.scene.mappings import smpl24_to_openpose18
from kinema.scene.skeleton import DWPOSE134, SMPL24
from kinema.signals.control_signals import SignalOptions, control_signals

SIZE, FPS, FRAMES = (192, 256), 10.0, 5
BODY = SignalOptions(parts=("body",))


def camera(side: float = 0.0, size: tuple[int, int] = SIZE) -> CameraPath:
    pose = look_at(np.array([[3.0 * np.sin(side), 1.2, 3.0 * np.cos(side)]]), (0.0, 1.0, 0.0))[0]
    return CameraPath.static(pose, intrinsics_from_fov(45, size), size, FPS, FRAMES)


def still(joints: np.ndarray, skeleton) -> Motion:
    return Motion(np.repeat(joints[None], FRAMES, axis=0), FPS, skeleton)


def skeletons(scene: Scene, options: SignalOptions | None = None, size=SIZE) -> torch.Tensor:
    return control_signals(scene, size=size, names=("skeletons",), options=options).skeletons[0]


def captured(view: CameraPath, noise: float = 0.0) -> Scene:
    """A person without fingers, and what a detector saw of them in the pictures of this camera: face and hands too."""
    body = smpl24_to_openpose18(SMPL24.rest)
    whole = DWPOSE134.rest.copy()
    whole[:18] = body
    pixels, _ = view.project(np.repeat(whole[None], FRAMES, axis=0))
    pixels += np.random.default_rng(0).normal(0, noise, pixels.shape)
    found = Keypoints(pixels, np.ones(pixels.shape[:2]), "dwpose134", FPS, view.size)
    return Scene((still(SMPL24.rest, SMPL24),), view, FPS, keypoints=(found,))


def test_a_scene_without_hands_is_drawn_as_before():
    scene = Scene((still(SMPL24.rest, SMPL24),), camera(), FPS)
    assert torch.equal(skeletons(scene), skeletons(scene, BODY))


def test_fingers_of_a_skeleton_are_drawn_as_dwpose_draws_hands():
    body = body_with_fingers()
    with_fingers = Scene((still(body.rest, body),), camera(), FPS)
    without = Scene((still(SMPL24.rest, SMPL24),), camera(), FPS)
    maps, plain = skeletons(with_fingers), skeletons(without)
    assert torch.equal(skeletons(with_fingers, BODY), plain)
    added = (maps != plain).any(1)[0].numpy()
    rows, columns = np.nonzero(added)
    pixels, _ = camera().project(np.repeat(DWPOSE134.rest[92:][None], FRAMES, axis=0))
    off = np.linalg.norm(np.stack([columns, rows], -1)[:, None] + 0.5 - pixels[0][None], axis=-1).min(1)
    assert len(off) > 60
    assert off.max() < 6  # nothing but hands
    for name in ("left_middle_3", "right_index_2"):
        place = pixels[0, DWPOSE134.index(name) - 92]
        column, row = np.floor(place).astype(int)
        assert maps[0, 2, row, column] > 0.9  # joints are blue discs
        assert maps[0, :2, row, column].max() < 0.5


def test_detected_hands_and_faces_are_drawn_where_the_camera_saw_them():
    scene = captured(camera(), noise=0.5)
    maps, plain = skeletons(scene), skeletons(scene, BODY)
    assert torch.equal(plain, skeletons(replace(scene, keypoints=None)))
    face, _ = camera().project(np.repeat(DWPOSE134.rest[24:92][None], FRAMES, axis=0))
    added = (maps != plain).any(1)[0]
    rows, columns = np.floor(face[0, :, 1]).astype(int), np.floor(face[0, :, 0]).astype(int)
    white = (maps[0] > 0.9).all(0)
    assert white[rows, columns].float().mean() > 0.6
    hands = skeletons(scene, SignalOptions(parts=("body", "hands")))
    assert 0 < (hands != plain).any(1)[0].sum() < added.sum()


def test_they_go_along_with_the_size_of_the_picture():
    scene = captured(camera())
    small, _ = (
        camera(size=SIZE).resize(96, 96).project(np.repeat(DWPOSE134.rest[24:92][None], FRAMES, axis=0))
    )
    maps = skeletons(scene, size=(96, 96)) - skeletons(scene, BODY, size=(96, 96))
    rows, columns = np.nonzero(maps[0].numpy().min(0) > 0.4)
    assert len(rows)
    assert abs(columns.mean() + 0.5 - small[0, :, 0].mean()) < 2
    assert abs(rows.mean() + 0.5 - small[0, :, 1].mean()) < 3


def test_another_camera_did_not_see_them():
    scene = captured(camera()).with_camera(camera(side=2.0))
    assert torch.equal(skeletons(scene), skeletons(scene, BODY))
