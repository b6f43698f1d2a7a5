"""What a moving camera will see of a picture's background, and the picture of it: the backdrop plate (ours).

Published models that condition a video on a reprojected first frame (GEN3C, arXiv 2503.03751; ViewCrafter,
arXiv 2409.02048) lift it with estimated depth. A scene knows its floor and its camera but no depth, so the background
is taken for what is known of any room: a floor at y = 0, and what lies too far away to show parallax. Turning, tilting
and zooming are exact that way, the floor moves as it must, and whatever stands on it is smeared.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit

from kinema.control.checks import check_shape
from kinema.control.person_mask import person_height_pixels
from kinema.scene.camera import NEAR, CameraPath

REACH = 12.0
"""Metres along the floor up to which it is a floor; beyond, it is far away."""

_COLUMN = 0.24  # half the width of somebody who stands, as a share of their stature
_STATURE = 1.28  # to the top of the hair, in lengths of the bones from head joint to ankle


def backdrop_map(camera: CameraPath, standing: np.ndarray | None = None) -> np.ndarray:
    """Where the first frame shows the background that each pixel shows, float32 [T, 2, H, W].

    Args:
        camera: T frames, at the map's size.
        standing: SMPL-24 joints of people in the first frame, metres, [P, 24, 3]; the background in the upright box
            around each is hidden there. NaN: not there.

    Returns:
        x, y in pixels (pixel centres at +0.5); NaN where the first frame does not show it.
    """
    width, height = camera.size
    boxes = np.zeros((0, 4))
    if standing is not None and len(standing):
        boxes = _boxes(camera, check_shape("standing", standing, (None, 24, 3)))
    found = np.empty((len(camera.c2w), 2, height, width), np.float32)
    _look_up(found, camera.c2w, camera.intrinsics, boxes, REACH)
    return found


def backdrop_plate(picture: torch.Tensor, where: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The background of a picture as a moving camera sees it.

    Args:
        picture: pixels of the first frame, [B, 3, H, W].
        where: `backdrop_map` of each, [B, T, 2, H, W].

    Returns:
        (plate [B, 3, T, H, W], seen [B, 1, T, H, W]): what the picture does not show is drawn out along rows from
        its neighbours on both sides, and `seen` is 0 there, else 1.
    """
    frames, _, height, width = where.shape[1:]
    where = where.float()
    seen = torch.isfinite(where).all(2)
    grid = torch.stack([where[:, :, 0] * 2 / width - 1, where[:, :, 1] * 2 / height - 1], dim=-1)
    grid = torch.nan_to_num(grid).flatten(1, 2)  # [B, T * H, W, 2]
    plate = F.grid_sample(picture.float(), grid, padding_mode="border", align_corners=False)
    plate = plate.unflatten(2, (frames, height))
    empty_rows = ~seen.any(-1)
    plate = _drawn_out(plate, seen)
    if empty_rows.any():
        mean = (
            picture.float().mean(3)[:, :, None, :, None].expand_as(plate)
        )  # the picture's rows, as good as any
        plate = torch.where(empty_rows[:, None, :, :, None], mean, plate)
    return plate, seen[:, None].float()


def _drawn_out(plate: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Unseen pixels between the nearest seen ones of their row, linearly; [B, 3, T, H, W] and [B, T, H, W]."""
    width = seen.shape[-1]
    column = torch.arange(width, device=seen.device).expand_as(seen)
    left = torch.where(seen, column, -1).cummax(-1).values
    right = torch.where(seen, column, width).flip(-1).cummin(-1).values.flip(-1)
    share = (column - left).float() / (right - left).clamp(min=1)
    share = torch.where(left < 0, 1.0, torch.where(right >= width, 0.0, share))[:, None]
    left, right = (at.clamp(0, width - 1)[:, None].expand_as(plate) for at in (left, right))
    return plate.gather(-1, left) * (1 - share) + plate.gather(-1, right) * share


def _boxes(camera: CameraPath, standing: np.ndarray) -> np.ndarray:
    """left, top, right, bottom in the first picture of everybody who is there and before the camera, [N, 4]."""
    first = CameraPath(camera.c2w[:1], camera.intrinsics[:1], camera.size, camera.fps)
    boxes = []
    for joints in standing[np.isfinite(standing[:, 0]).all(-1)]:
        one = np.ones((1, 24))  # metres, at focal length and depth one
        stature = _STATURE * float(person_height_pixels(joints[None], one[0, :1], one)[0])
        pole = np.array([[joints[0, 0], 0.0, joints[0, 2]], [joints[0, 0], stature, joints[0, 2]]])
        (foot, top), depth = (each[0] for each in first.project(pole[None]))
        if (depth > NEAR).all():
            half = _COLUMN * stature * first.intrinsics[0, 0] / depth.min()
            middle = (foot[0] + top[0]) / 2
            boxes.append([middle - half, top[1], middle + half, foot[1] + half / 2])
    return np.array(boxes).reshape(-1, 4)


@njit(cache=True)
def _look_up(found: np.ndarray, c2w: np.ndarray, lens: np.ndarray, boxes: np.ndarray, reach: float) -> None:
    frames, _, height, width = found.shape
    first, focus = c2w[0], lens[0]
    for t in range(frames):
        pose, (fx, fy, cx, cy) = c2w[t], lens[t]
        for i in range(height):
            for j in range(width):
                x, y = (j + 0.5 - cx) / fx, (i + 0.5 - cy) / fy
                a = pose[0, 0] * x + pose[0, 1] * y + pose[0, 2]
                b = pose[1, 0] * x + pose[1, 1] * y + pose[1, 2]
                c = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2]
                if b < -1e-9 and pose[1, 3] > 0:
                    s = -pose[1, 3] / b
                    over, along = pose[0, 3] + s * a - first[0, 3], pose[2, 3] + s * c - first[2, 3]
                    if over * over + along * along < reach * reach:
                        a, b, c = over, -first[1, 3], along
                depth = first[0, 2] * a + first[1, 2] * b + first[2, 2] * c
                u = v = np.nan
                if depth > 1e-6:
                    u = (first[0, 0] * a + first[1, 0] * b + first[2, 0] * c) / depth * focus[0] + focus[2]
                    v = (first[0, 1] * a + first[1, 1] * b + first[2, 1] * c) / depth * focus[1] + focus[3]
                    if not (0.0 <= u <= width and 0.0 <= v <= height):
                        u = v = np.nan
                    for box in boxes:
                        if box[0] < u < box[2] and box[1] < v < box[3]:
                            u = v = np.nan
                found[t, 0, i, j] = u
                found[t, 1, i, j] = v
