"""Wan2.2-Animate (2509.14055): a thin skeleton with toes, the face as a film of its own, room and mask for replacing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import cv2
import numpy as np

from kinema.passes.drawing import skeletons, white
from kinema.passes.profile import Pass, PassForm, PassOptions, Profile, letterboxed, register
from kinema.passes.shot import Shot
from kinema.signals.skeleton_map import SkeletonStyle

FACE_SIDE = 512
FACE_SCALE = 1.3
"""Of the area of the box round the face points that is cut out (`get_face_bboxes`)."""
KERNEL, ITERATIONS = 7, 3
"""Of the dilation of the person's mask (`get_mask_body_img`, as the repository's command has it)."""
BOX, BLOCKS = (1, 1), (10, 20)
"""Cells of the mask across and down (`get_aug_mask`): the command's `--w_len 1 --h_len 1`, and the function's own."""
# Half of a face's height and width, ear to ear and brow to chin, in metres, and in distances from neck to head (ours).
_HALF_FACE, _HALF_FACE_NECKS = 0.075, 0.3
_HEAD = [0, 14, 15, 16, 17]  # of OpenPose-18: nose, eyes, ears


@register
class WanAnimate(Profile):
    """`mask`: box, the rectangle round the person that the repository's command makes; or blocks, 10 x 20 of them."""

    name = "wan-animate"
    title = "Wan2.2-Animate 14B"
    source = (
        "Wan-Video/Wan2.2: wan/modules/animate/preprocess/human_visualization.py (draw_aapose_new, draw_handpose_new), "
        "utils.py (get_face_bboxes, get_aug_mask), process_pipepline.py; diffusers: WanAnimatePipeline"
    )
    form = PassForm((1280, 720), 30.0, multiple=16, frame_step=1, people=1)
    crops_picture = False
    follows = frozenset({"pose", "face"})
    parts = ("body", "hands", "toes")
    extra: ClassVar[Mapping[str, tuple[str, ...]]] = {"mask": ("box", "blocks")}
    replaces = True

    def passes(self, shot: Shot, options: PassOptions) -> list[Pass]:
        made = [
            Pass(
                "pose",
                "film",
                skeletons(shot, style_at(shot.size), self.shown(options), people=1),
                "pose_video= of WanAnimatePipeline; pose_video of WanAnimateToVideo",
            ),
        ]
        if shot.camera is not None:
            made.append(
                Pass(
                    "face",
                    "film",
                    face_film(shot),
                    "face_video= of WanAnimatePipeline; face_video of WanAnimateToVideo",
                )
            )
        if shot.picture is not None:
            made.append(
                Pass(
                    "reference",
                    "picture",
                    letterboxed(shot.picture, shot.size, 0),
                    "image= of WanAnimatePipeline; reference_image of WanAnimateToVideo",
                )
            )
        if options.replace:
            cells = BLOCKS if options.extra.get("mask") == "blocks" else BOX
            mask = np.stack([blocky(frame, cells) for frame in shot.person_ids == 1])
            made += [
                Pass(
                    "background",
                    "film",
                    np.where(mask[..., None], 0, shot.room).astype(np.uint8),
                    "background_video= of WanAnimatePipeline with mode='replace'; background_video of "
                    "WanAnimateToVideo",
                ),
                Pass(
                    "mask",
                    "mask",
                    white(mask),
                    "mask_video= of WanAnimatePipeline with mode='replace'; character_mask of WanAnimateToVideo; "
                    "white is made anew",
                ),
            ]
        return made

    def notes(self, shot: Shot, options: PassOptions) -> list[str]:
        lines = []
        if not options.replace:
            lines.append(
                "wan-animate sees the camera in the skeleton and the face alone: the room does not turn with it"
            )
        if shot.picture is None:
            lines.append("no picture: wan-animate needs one of the character as image=")
        return lines

    def guide(self, options: PassOptions) -> list[str]:
        return [
            "mode='replace'." if options.replace else "mode='animate'.",
            "20 steps, flow shift 5, guidance 1; segment_frame_length 77, prev_segment_conditioning_frames 1 or 5.",
            "Prompt of the original: 视频中的人在做动作",
            "Skeletons are plain RGB: shoulders are red. One person.",
            "The face is cut out of the film; where the film shows no face, from behind, it shows the head as it is.",
        ]


def style_at(size: tuple[int, int]) -> SkeletonStyle:
    """How skeletons are drawn at (width, height): `draw_aapose_new`, `draw_handpose_new`, stick width 'v2'."""
    stick = max(int(min(size) / 200) - 1, 1)
    hand = max(stick // 2, 1)
    return SkeletonStyle(limb=stick, joint=stick, hand_line=hand, hand_point=hand, face_point=1)


def face_film(shot: Shot) -> np.ndarray:
    """The face cut out of the film, uint8 [T, 512, 512, 3], its aspect not kept; black before anybody is seen.

    Boxes come from the 68 face points where they are known, else from the head's keypoints, else from the last frame
    that told.
    """
    boxes = face_boxes(shot)
    film = shot.film
    made = np.zeros((shot.frames, FACE_SIDE, FACE_SIDE, 3), np.uint8)
    for t, (left, right, top, bottom) in enumerate(boxes):
        if right - left >= 1 and bottom - top >= 1:
            cut = np.ascontiguousarray(film[t, top:bottom, left:right])
            made[t] = cv2.resize(cut, (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_LINEAR)
    return made


def face_boxes(shot: Shot) -> np.ndarray:
    """Left, right, top, bottom of the first person's face in whole pixels, int [T, 4]; 0 before anybody is seen."""
    drawn, count = shot.drawn(), shot.frames
    boxes = np.zeros((count, 4), int)
    if drawn.keypoints is None or not drawn.keypoints.shape[1]:
        return boxes
    face = drawn.face if shot.footage is None else drawn.face_seen
    points = np.full((count, 68, 2), np.nan) if face is None else face[:count, 0]
    heads = drawn.keypoints[:count, 0]
    if drawn.camera is not None and drawn.keypoint_depth is not None:
        away = np.maximum(drawn.keypoint_depth[:count, 0][:, _HEAD].mean(axis=-1), 1e-3)
        halves = _HALF_FACE * drawn.camera.intrinsics[:count, 1] / away
    else:
        halves = _HALF_FACE_NECKS * np.linalg.norm(heads[:, _HEAD].mean(axis=1) - heads[:, 1], axis=-1)
    last = np.zeros(4, int)
    for t in range(count):
        known = points[t][np.isfinite(points[t]).all(axis=-1)]
        low_high = (
            (known.min(axis=0), known.max(axis=0)) if len(known) >= 3 else _head_box(heads[t], halves[t])
        )
        if low_high is not None:
            found = face_box(low_high[0], low_high[1], shot.size)
            last = found if found[1] > found[0] and found[3] > found[2] else last
        boxes[t] = last
    return boxes


def face_box(low: np.ndarray, high: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Left, right, top, bottom of what is cut out round face points, `get_face_bboxes` with scale 1.3, int [4].

    The box grows to 1.3 times its area: evenly to the sides, three quarters of its growth in height upwards.

    Args:
        low, high: corners of the box round the points, x and y in pixels.
        size: (width, height) of the picture.
    """
    width, height = np.maximum(high - low, 1e-6)
    grow = np.sqrt(FACE_SCALE) - 1
    aside, above = grow * width / 2, grow * height / 4
    left, right = max(low[0] - aside, 0), min(high[0] + aside, size[0])
    top, bottom = max(low[1] - 3 * above, 0), min(high[1] + above, size[1])
    return np.array([int(left), int(right), int(top), int(bottom)])


def blocky(mask: np.ndarray, cells: tuple[int, int]) -> np.ndarray:
    """A person's mask widened, and in cells of its own box (`get_mask_body_img`, `get_aug_mask`), bool [H, W].

    Args:
        mask: bool [H, W].
        cells: across and down.
    """
    kernel = np.ones((KERNEL, KERNEL), np.uint8)
    body = cv2.dilate(mask.astype(np.uint8), kernel, iterations=ITERATIONS).astype(bool)
    rows, columns = np.nonzero(body)
    if not len(rows):
        return body
    left, right, top, bottom = columns.min(), columns.max(), rows.min(), rows.max()
    wide, high = max(1, (right - left) // cells[0]), max(1, (bottom - top) // cells[1])
    for x in range(left, right, wide):
        for y in range(top, bottom, high):
            cell = np.s_[y : min(y + high, bottom), x : min(x + wide, right)]
            if body[cell].any():
                body[cell] = True
    return body


def _head_box(keypoints: np.ndarray, half: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Corners of the box that 68 face points would have, by a head's OpenPose-18 keypoints; None where unknown."""
    head = keypoints[_HEAD]
    if not (np.isfinite(head).all() and np.isfinite(half)):
        return None
    middle = np.array([head[:, 0].mean(), head[0, 1]])  # from ear to nose, and at the nose's height
    return middle - half, middle + half
