"""Does the person keep their colours? Each body part's colour and texture, compared between two videos.

Parts come from exact part masks where there are some, else from a silhouette and keypoints: a pixel of the
silhouette belongs to the nearest bone. Each video is cut into its own parts, so that another pose or another
place in the picture costs nothing (ours).
"""

from __future__ import annotations

import cv2
import numpy as np

from kinema.evaluation.metrics.image import cielab

# Of the keypoint network's 18 points: (name, the bones of the part). Left and right belong together.
BONES: dict[str, tuple[tuple[int, int], ...]] = {
    "head": ((10, 11),),
    "torso": ((0, 9), (9, 10), (1, 12), (2, 13)),
    "upper arms": ((12, 14), (13, 15)),
    "forearms": ((14, 16), (15, 17)),
    "thighs": ((1, 3), (2, 4)),
    "shins": ((3, 5), (4, 6), (5, 7), (6, 8)),
}
# The same parts as segments of SMPL joints, whose part ids are joint + 1.
SEGMENTS: dict[str, tuple[int, ...]] = {
    "head": (12, 15),
    "torso": (0, 3, 6, 9, 13, 14),
    "upper arms": (16, 17),
    "forearms": (18, 19, 20, 21, 22, 23),
    "thighs": (1, 2),
    "shins": (4, 5, 7, 8, 10, 11),
}
LEAST_PIXELS = (
    20  # a part counts where a video shows at least so many pixels a frame of it, on average (ours)
)
_CUT = 0.05  # at either end of the sorted values, so that wrong pixels at borders cost little (ours)
_WORST = 100.0  # CIELAB units: what a part costs that is not there


def parts_of_segments(part_ids: np.ndarray) -> np.ndarray:
    """Parts from exact part ids (0 nobody, j + 1 the segment of SMPL joint j), int [T, H, W], -1 outside."""
    table = np.full(256, -1, np.int8)
    for part, joints in enumerate(SEGMENTS.values()):
        table[np.array(joints) + 1] = part
    return table[part_ids]


def parts_of_silhouette(silhouette: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Parts from a silhouette and keypoints: the part of the nearest bone.

    Args:
        silhouette: bool [T, H, W].
        points: pixels [T, 18, 2], NaN where not seen; bones with an unseen end do not count.

    Returns:
        int8 [T, H, W], -1 outside the silhouette and in frames without a bone.
    """
    parts = np.full(silhouette.shape, -1, np.int8)
    bones = [(part, ends) for part, pairs in enumerate(BONES.values()) for ends in pairs]
    for frame, mask in enumerate(silhouette):
        rows, columns = np.nonzero(mask)
        seen = [(p, points[frame, list(e)]) for p, e in bones if np.isfinite(points[frame, list(e)]).all()]
        if not len(rows) or not seen:
            continue
        pixels = np.stack([columns + 0.5, rows + 0.5], axis=-1)
        distance = np.stack([_to_segment(pixels, ends) for _, ends in seen])
        parts[frame, rows, columns] = np.array([part for part, _ in seen], np.int8)[distance.argmin(axis=0)]
    return parts


def part_looks(frames: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Colour and texture of each part in a video.

    Args:
        frames: uint8 [T, H, W, 3].
        parts: int [T, H, W], see `parts_of_silhouette`.

    Returns:
        [6, 4]: CIELAB L, a, b (trimmed means) and the mean size of the gradient of L per pixel; NaN for parts
        that are hardly seen.
    """
    looks = np.full((len(BONES), 4), np.nan)
    rows, columns = (np.flatnonzero((parts >= 0).any(axis=axes)) for axes in ((0, 2), (0, 1)))
    if not len(rows):
        return looks
    near = np.s_[:, max(0, rows[0] - 2) : rows[-1] + 3, max(0, columns[0] - 2) : columns[-1] + 3]
    frames, parts = frames[near], parts[near]
    lab = cielab(frames)
    texture = np.stack(
        [
            np.hypot(cv2.Sobel(x[..., 0], cv2.CV_32F, 1, 0), cv2.Sobel(x[..., 0], cv2.CV_32F, 0, 1)) / 8
            for x in lab
        ]
    )
    for part in range(len(BONES)):
        mask = parts == part
        if mask.sum() < LEAST_PIXELS * len(frames):
            continue
        values = np.sort(lab[mask].astype(np.float64), axis=0)
        cut = int(len(values) * _CUT)
        looks[part, :3] = values[cut : len(values) - cut].mean(axis=0)
        inner = np.stack([cv2.erode(m.astype(np.uint8), np.ones((3, 3), np.uint8)) for m in mask]).astype(
            bool
        )
        if inner.any():
            looks[part, 3] = texture[inner].mean(dtype=np.float64)
    return looks


def colour_error(made: np.ndarray, true: np.ndarray) -> float:
    """Mean over the reference's parts of the CIELAB distance (CIE76, 2.3 is just noticeable); a missing part costs 100.

    Args:
        made: `part_looks` of the one video; true: of the reference.

    Returns:
        NaN where the reference shows no part.
    """
    return _over_parts(np.linalg.norm(made[:, :3] - true[:, :3], axis=1), true[:, 0])


def texture_error(made: np.ndarray, true: np.ndarray) -> float:
    """Mean over the reference's parts of the difference of `part_looks`' texture; a missing part costs 100."""
    return _over_parts(np.abs(made[:, 3] - true[:, 3]), true[:, 3])


def _over_parts(errors: np.ndarray, true: np.ndarray) -> float:
    counted = np.isfinite(true)
    if not counted.any():
        return float("nan")
    return float(np.where(np.isfinite(errors), np.minimum(errors, _WORST), _WORST)[counted].mean())


def _to_segment(pixels: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Distance of pixels [N, 2] to a segment [2, 2], [N]."""
    way = ends[1] - ends[0]
    share = np.clip((pixels - ends[0]) @ way / max(float(way @ way), 1e-9), 0, 1)
    return np.linalg.norm(pixels - ends[0] - share[:, None] * way, axis=1)
