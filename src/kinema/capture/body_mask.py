"""Where people are in a frame, by their keypoints: what lies between arms, legs and boxes is background to follow."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from kinema.capture.observation import Observation
from kinema.scene.mappings import smpl24_mapping
from kinema.scene.skeleton import SMPL24

SIDE = 640
"""Pixels, longer side of the masks of large pictures."""
MARGIN = 0.08
"""Of a box's height, how far it is widened: hair, loose clothes, a shadow at the feet."""
_BONES = [(joint, SMPL24.parents[joint]) for joint in range(1, 24)]
_TRUNK = [1, 2, 16, 17]
_FEET = [7, 8, 10, 11]
# Radii as shares of a standing person's height (ours): with skirts, sleeves and hair.
_LIMB, _LEG, _HEAD, _CHEST, _FOOT, _POINT = 0.055, 0.075, 0.11, 0.07, 0.06, 0.035
_LEGS = (1, 2, 4, 5, 7, 8)
_TALL = 3.3  # heights of the trunk in that of a standing person
_KNOWN = 0.7  # share of the joints below which a person is a box


def background_of(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Where nobody stands: outside the boxes [P, 4], each widened a little; those with NaN are ignored, bool [H, W]."""
    width, height = size
    free = np.ones((height, width), bool)
    for left, top, right, bottom in np.asarray(boxes, np.float64).reshape(-1, 4):
        if not np.isfinite([left, top, right, bottom]).all():
            continue
        margin = MARGIN * max(bottom - top, 1.0)
        columns = np.clip([left - margin, right + margin], 0, width).astype(int)
        rows = np.clip([top - margin, bottom + margin], 0, height).astype(int)
        free[rows[0] : rows[1], columns[0] : columns[1]] = False
    return free


def background_of_people(people: Sequence[Observation], layout: str, size: tuple[int, int]) -> np.ndarray:
    """Where nobody stands: outside thick limbs, trunks and heads, bool [h, w].

    Args:
        people: seen in one frame; of whom few joints were seen, the widened box counts.
        layout: name of their keypoint set.
        size: (width, height) in pixels; of larger pictures than SIDE the mask is a smaller one.
    """
    shrink = min(1.0, SIDE / max(size))
    width, height = (max(1, round(side * shrink)) for side in size)
    hidden = np.zeros((height, width), np.uint8)
    boxes = []
    for person in people:
        joints, _ = smpl24_mapping(layout).apply(person.points[None], person.confidence[None])
        joints = joints[0] * shrink
        seen = np.isfinite(joints).all(-1)
        if seen.mean() < _KNOWN or not seen[_TRUNK].all():
            boxes.append(person.box * shrink)
            continue
        trunk = np.linalg.norm(joints[[1, 2]].mean(0) - joints[[16, 17]].mean(0))
        tall = max(shrink * float(person.box[3] - person.box[1]), _TALL * float(trunk))
        at = {
            joint: tuple(np.round(joints[joint]).astype(int).tolist())
            for joint in np.flatnonzero(seen).tolist()
        }
        for child, parent in _BONES:
            if child in at and parent in at:
                radius = (_LEG if parent in _LEGS else _LIMB) * tall
                cv2.line(hidden, at[child], at[parent], 1, max(1, round(2 * radius)))
        corners = np.array([at[joint] for joint in _TRUNK], np.int32)
        hull = cv2.convexHull(corners)
        cv2.fillConvexPoly(hidden, hull, 1)
        cv2.polylines(hidden, [hull], True, 1, max(1, round(2 * _CHEST * tall)))
        for joint in (15, *_FEET):
            if joint in at:
                cv2.circle(hidden, at[joint], round((_HEAD if joint == 15 else _FOOT) * tall), 1, -1)
        for point in person.points[np.isfinite(person.points).all(-1)]:
            cv2.circle(
                hidden, tuple(np.round(point * shrink).astype(int).tolist()), round(_POINT * tall), 1, -1
            )
    return (hidden == 0) & background_of(np.array(boxes).reshape(-1, 4), (width, height))
