"""What several profiles draw: skeletons in a model's style, films of depth, regions round people."""

from __future__ import annotations

import cv2
import numpy as np

from kinema.passes.shot import Shot
from kinema.signals.depth_map import inverse_depth
from kinema.signals.skeleton_map import SkeletonStyle, skeleton_map

# Ours: nose and eyes are not drawn of a head that looks this far away from the camera, nor an ear on its far side.
# Detectors, from whose finds models were trained, do not see them either.
_LOOKS_AWAY, _FAR_SIDE = np.cos(np.radians(110)), np.cos(np.radians(130))
_NOSE, _EYES, _EARS = 0, [14, 15], [16, 17]


def skeletons(
    shot: Shot, style: SkeletonStyle, parts: tuple[str, ...], *, people: int | None = None
) -> np.ndarray:
    """Skeletons on black, uint8 [T, H, W, 3], of a face that is turned away without nose and eyes.

    Args:
        shot: T frames.
        style: widths and channel order.
        parts: of "body", "hands", "face", "toes".
        people: the first ones alone, where a model tells no more apart.
    """
    drawn, first = shot.drawn(), slice(None, people)

    def frames(array: np.ndarray | None) -> np.ndarray | None:
        return None if array is None else array[: shot.frames, first]

    keypoints, hands = seen_keypoints(shot, people=people)
    return skeleton_map(
        keypoints if "body" in parts else np.full_like(keypoints, np.nan),
        None,
        shot.size,
        style=style,
        hands=hands if "hands" in parts else None,
        face=frames(drawn.face) if "face" in parts else None,
        toes=frames(drawn.toes) if "toes" in parts and "body" in parts else None,
    )


def seen_keypoints(shot: Shot, *, people: int | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """OpenPose-18 keypoints in pixels, NaN of a face that is turned away, [T, P, 18, 2], and hands, [T, P, 2, 21, 2].

    Args:
        shot: T frames.
        people: the first ones alone.
    """
    drawn, first = shot.drawn(), slice(None, people)
    if drawn.keypoints is None:
        return np.zeros((shot.frames, 0, 18, 2)), None
    keypoints = drawn.keypoints[: shot.frames, first]
    if drawn.joints is not None and drawn.camera is not None:
        hidden = turned_away(drawn.joints[: shot.frames, first], drawn.camera.c2w[: shot.frames])
        keypoints = np.where(hidden[..., None], np.nan, keypoints)
    return keypoints, None if drawn.hands is None else drawn.hands[: shot.frames, first]


def turned_away(joints: np.ndarray, c2w: np.ndarray) -> np.ndarray:
    """Which OpenPose-18 points of a head the camera does not see, as the head itself hides them, bool [T, P, 18].

    Args:
        joints: SMPL-24 in the world, metres, [T, P, 24, 3].
        c2w: poses of the camera, [T, 4, 4].
    """
    from kinema.scene.mappings import smpl24_to_openpose18

    points = smpl24_to_openpose18(joints)
    hidden = np.zeros(points.shape[:3], bool)
    head = points[:, :, _EARS].mean(axis=2)
    to_camera = _unit(c2w[:, None, :3, 3] - head)
    forward = _unit(points[:, :, _NOSE] - head)
    away = (forward * to_camera).sum(-1) < _LOOKS_AWAY
    hidden[:, :, [_NOSE, *_EYES]] = away[..., None]
    for ear, other in (_EARS, _EARS[::-1]):
        outward = _unit(points[:, :, ear] - points[:, :, other])
        hidden[:, :, ear] = (outward * to_camera).sum(-1) < _FAR_SIDE
    return hidden


def inverse_depth_of(shot: Shot) -> np.ndarray:
    """One over depth of people, things and floor, 1/m, 0 where nothing is, float32 [T, H, W].

    Raises:
        ValueError: only keypoints are known.
    """
    camera = shot.scene.camera
    assert camera is not None
    return inverse_depth(shot.depth, camera)


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask widened by a square of that many pixels to each side, bool [T, H, W]."""
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return np.stack([cv2.dilate(frame.astype(np.uint8), kernel) for frame in mask]).astype(bool)


def white(mask: np.ndarray) -> np.ndarray:
    """A mask as pixels: 255 where it is true, else 0, uint8 [T, H, W]."""
    return mask.astype(np.uint8) * np.uint8(255)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
