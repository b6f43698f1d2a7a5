"""A figure of thick lines that needs no network: its picture, its cut-out and its joints."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from kinema.puppet.body import PictureBody
from kinema.scene.skeleton import SMPL24

SHIRT, TROUSERS, SKIN, WALL = (200, 60, 50), (40, 60, 150), (225, 180, 150), (235, 235, 230)

PLACES: dict[str, tuple[float, float]] = {
    "pelvis": (120, 176), "left_hip": (134, 182), "right_hip": (106, 182), "spine1": (120, 160),
    "left_knee": (140, 244), "right_knee": (100, 244), "spine2": (120, 140), "left_ankle": (144, 304),
    "right_ankle": (96, 304), "spine3": (120, 122), "left_foot": (150, 314), "right_foot": (90, 314),
    "neck": (120, 92), "left_collar": (128, 98), "right_collar": (112, 98), "head": (120, 70),
    "left_shoulder": (144, 102), "right_shoulder": (96, 102), "left_elbow": (172, 138), "right_elbow": (68, 138),
    "left_wrist": (196, 172), "right_wrist": (44, 172), "left_hand": (203, 182), "right_hand": (37, 182),
}  # fmt: skip


def places(**changed: tuple[float, float]) -> np.ndarray:
    """Joints in pixels, [24, 2]."""
    return np.array([{**PLACES, **changed}[name] for name in SMPL24.names], float)


def body(pixels: np.ndarray | None = None) -> PictureBody:
    pixels = places() if pixels is None else pixels
    return PictureBody(pixels, np.zeros(24), np.ones(24), metre=165.0)


def figure(pixels: np.ndarray | None = None, skirt: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A picture of 240 x 340 pixels, uint8 [H, W, 3], and the cut-out, float32 [H, W]."""
    at = np.round(places() if pixels is None else pixels).astype(int)
    picture = np.full((340, 240, 3), WALL, np.uint8)
    mask = np.zeros((340, 240), np.uint8)

    def draw(chain: list[str], width: int, colour: tuple[int, int, int]) -> None:
        points = [tuple(at[SMPL24.index(name)].tolist()) for name in chain]
        for canvas, tone in ((picture, colour), (mask, (1,))):
            for a, b in pairwise(points):
                cv2.line(canvas, a, b, tone, width)

    for side in ("left", "right"):
        leg = [f"{side}_hip", f"{side}_knee", f"{side}_ankle", f"{side}_foot"]
        draw(leg, 24, SKIN if skirt else TROUSERS)
    trunk = at[[SMPL24.index(n) for n in ("left_shoulder", "right_shoulder", "right_hip", "left_hip")]]
    trunk = (trunk + (trunk - trunk.mean(0)) * 0.12).round().astype(np.int32)
    head = tuple((at[15] - [0, 10]).tolist())
    for canvas, shirt, skin in ((picture, SHIRT, SKIN), (mask, (1,), (1,))):
        cv2.fillConvexPoly(canvas, trunk, shirt)
        cv2.circle(canvas, head, 22, skin, -1)
    draw(["neck", "head"], 16, SKIN)
    if skirt:
        cloth = np.array([(98, 172), (142, 172), (172, 262), (68, 262)], np.int32)
        cv2.fillConvexPoly(picture, cloth, TROUSERS)
        cv2.fillConvexPoly(mask, cloth, (1,))
    for side in ("left", "right"):
        draw([f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"], 16, SHIRT)
        draw([f"{side}_wrist", f"{side}_hand"], 13, SKIN)
    return picture, mask.astype(np.float32)


def real_pictures() -> Path:
    """The folder of real pictures; the test is skipped where it is absent."""
    from tests.conftest import REPOSITORY

    folder = Path(os.environ.get("KINEMA_REAL_CASES") or REPOSITORY.parent / "shared" / "real_cases")
    if not (folder / "pictures").is_dir():
        pytest.skip("the real cases are not on this machine")
    return folder / "pictures"
