"""Where heads look: as in the picture while the trunk allows it, and never so far round that the face is lost."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.scene.motion import Motion

_BENDS, _GIVES = np.radians([15.0, 15.0])  # of a neck: freely, and how much further at most (ours)
_NECK = np.radians(60.0)  # how far a head turns against its trunk (ours)
_FACE = np.radians(45.0)  # from the picture's view, as far as a face can be seen from (ours)
_HOLDS = np.radians(110.0)  # of the trunk's turn, up to which it is held there (ours)
_SWINGS = np.radians(35.0)  # over which it then goes round to show the back (ours)


def wrapped(angle: np.ndarray | float) -> np.ndarray:
    """The same angle between -pi and pi."""
    return np.asarray((np.asarray(angle) + np.pi) % (2 * np.pi) - np.pi)


def necks_bent(maps: np.ndarray, joints: np.ndarray, posed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bone maps whose necks bend little further than in the picture, and the joints with the heads that come of it.

    A head that leans in the picture keeps leaning against its trunk: set upright, the neck would be drawn out.

    Args:
        maps: from the picture's pose to each frame's, [T, 24, 3, 4].
        joints: in the picture's pose, [24, 3].
        posed: of the motion, [T, 24, 3].
    """
    chest = Rotation.from_matrix(maps[:, 9, :, :3])
    bent = (chest.inv() * Rotation.from_matrix(maps[:, 12, :, :3])).as_rotvec()
    angle = np.linalg.norm(bent, axis=1)
    share = np.tanh(np.maximum(angle - _BENDS, 0) / _GIVES) * _GIVES + np.minimum(angle, _BENDS)
    kept = Rotation.from_rotvec(bent * (share / np.maximum(angle, 1e-9))[:, None])
    back = (chest * kept * Rotation.from_rotvec(-bent) * chest.inv()).as_matrix()
    maps, posed = maps.copy(), posed.copy()
    posed[:, 15] = posed[:, 12] + np.einsum("tab,tb->ta", back, posed[:, 15] - posed[:, 12])
    for joint in (12, 15):
        linear = back @ maps[:, joint, :, :3]
        maps[:, joint, :, :3] = linear
        maps[:, joint, :, 3] = posed[:, joint] - linear @ joints[joint]
    return maps, posed


def head_turns(motion: Motion, camera: np.ndarray, gaze: float, yaw: float) -> np.ndarray:
    """How much further than in the picture the head is turned against the trunk, radians to the picture's left, [T].

    It looks where it looks in the picture as long as the trunk's turn allows that, and goes with a trunk that turns away.

    Args:
        motion: of the scene.
        camera: the first, [4, 4].
        gaze, yaw: of head and trunk in the picture.
    """
    facing = motion.facing()
    toward = np.arctan2(-camera[0, 2], -camera[2, 2])
    trunk = toward - np.arctan2(facing[:, 0], facing[:, 2])
    apart = wrapped(gaze - np.nan_to_num(trunk))
    gives_up = np.clip((2 * _NECK - np.abs(apart)) / _NECK, 0, 1)
    return np.asarray(np.clip(apart, -_NECK, _NECK) * gives_up - wrapped(gaze - yaw))


def shown_side(angle: np.ndarray) -> np.ndarray:
    """How far from the picture's view a head is seen that would be seen from `angle`, radians.

    A face is held at the furthest that its texture allows, until the trunk turns so far away that the back shows.
    """
    size = np.abs(wrapped(angle))
    swing = np.clip((size - _HOLDS) / _SWINGS, 0, 1)
    swing = swing * swing * (3 - 2 * swing)
    held = np.minimum(size, _FACE) + swing * (np.maximum(size, _HOLDS + _SWINGS) - _FACE)
    return np.asarray(np.sign(wrapped(angle)) * np.where(size > _HOLDS + _SWINGS, size, held))


def faces_kept(
    maps: np.ndarray, joints: np.ndarray, posed: np.ndarray, view: np.ndarray, eyes: np.ndarray
) -> np.ndarray:
    """Bone maps whose heads show no more of a side than `shown_side`; the neck takes half of the turn.

    Args:
        maps: from the picture's pose to each frame's, [T, 24, 3, 4].
        joints: in the picture's pose, [24, 3].
        posed: of the motion, [T, 24, 3].
        view: from the picture's camera to the head, unit length, in the picture's world, [3].
        eyes: of the camera in each frame, [T, 3].
    """
    axis = _unit(posed[:, 15] - posed[:, 12])
    seen = maps[:, 15, :, :3] @ view
    now = posed[:, 15] - eyes
    flat = [each - (each * axis).sum(axis=1, keepdims=True) * axis for each in (now, seen)]
    angle = np.arctan2((axis * np.cross(*flat)).sum(axis=1), (flat[0] * flat[1]).sum(axis=1))
    amount = shown_side(angle) - angle
    maps = maps.copy()
    for joint, share in ((12, 0.5), (15, 1.0)):
        maps[:, joint] = _turned(
            maps[:, joint], axis * (share * amount)[:, None], joints[joint], posed[:, joint]
        )
    return maps


def turned_heads(maps: np.ndarray, turn: np.ndarray, joints: np.ndarray, posed: np.ndarray) -> np.ndarray:
    """Bone maps whose heads are turned against their trunks by `turn`, radians to the picture's left, [T]."""
    axis = _unit(posed[:, 15] - posed[:, 12])
    maps = maps.copy()
    maps[:, 15] = _turned(maps[:, 15], axis * -turn[:, None], joints[15], posed[:, 15])
    return maps


def _turned(maps: np.ndarray, vector: np.ndarray, joint: np.ndarray, there: np.ndarray) -> np.ndarray:
    """One bone's maps turned further about its joint, [T, 3, 4]."""
    linear = Rotation.from_rotvec(vector).as_matrix() @ maps[:, :, :3]
    return np.concatenate([linear, (there - linear @ joint)[:, :, None]], axis=2)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))
