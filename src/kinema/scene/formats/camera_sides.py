"""Which way camera matrices go (camera-to-world or its inverse) and whose axes they have, where a file does not say."""

from __future__ import annotations

import numpy as np

from kinema.scene.camera import invert_rigid
from kinema.scene.formats.camera_text import OPENGL
from kinema.scene.formats.reading import Assumption

SIDES = {"c2w": (False, False), "w2c": (True, False), "c2w_gl": (False, True), "w2c_gl": (True, True)}
"""Names of `CAMERA_FORMATS` that say it: whether matrices are world-to-camera, and have OpenGL's axes."""

_CLEAR = 1.5  # how much better one way must be than the other to be believed (ours)
_BEHIND = (
    0.3  # distance of the optical axes from a common point, to that from the cameras, that is an orbit (ours)
)
_WIDE = np.cos(np.radians(20))  # as far must the axes of an orbit be apart (ours)
_LEVEL = 0.7  # how upright cameras are that stand on Z (ours)


def to_opencv(
    poses: np.ndarray, *, inverse: bool | None, asked: str | None = None
) -> tuple[np.ndarray, tuple[Assumption, ...]]:
    """Matrices of a file as camera-to-world with OpenCV's axes, [N, 4, 4], and what was assumed.

    Args:
        poses: as the file has them, rigid, [N, 4, 4].
        inverse: whether they are world-to-camera; None where the file does not say.
        asked: a name of `SIDES`, which decides, or any other.
    """
    if asked in SIDES:
        inverse, opengl = SIDES[asked]
        c2w = invert_rigid(poses) if inverse else poses
        return (c2w @ OPENGL if opengl else c2w), ()
    assumed = []
    if inverse is None:
        forth, back = _oddness(poses), _oddness(invert_rigid(poses))
        inverse = back * _CLEAR < forth
        clear = inverse or forth * _CLEAR < back
        name = "world-to-camera" if inverse else "camera-to-world"
        why = "so the path is smooth and level" if clear else "the file does not say; try w2c, c2w_gl, w2c_gl"
        assumed.append(Assumption("camera_format", f"matrices are {name}", why, doubtful=not clear))
    c2w = invert_rigid(poses) if inverse else poses
    if why := _looks_back(c2w):
        c2w = c2w @ OPENGL
        assumed.append(Assumption("camera_format", "axes are OpenGL's, looking along -z", why, doubtful=True))
    return c2w, tuple(assumed)


def _oddness(c2w: np.ndarray) -> float:
    """How little poses are like a film: a way that goes to and fro, a horizon that tilts, and axes that do not meet."""
    places, right = c2w[:, :3, 3], c2w[:, :3, 0]
    extent = np.linalg.norm(places - places[0], axis=1).max()
    way = np.linalg.norm(np.diff(places, axis=0), axis=1).sum()
    spread = np.linalg.eigvalsh(right.T @ right / len(right))
    tilt = spread[0] / max(float(spread[1]), 1e-3)
    if extent <= 1e-6 * np.linalg.norm(places[0]):  # it stands, and all axes meet in it
        return float(tilt + 0.01)
    return float(way / max(extent, 1e-9) * (tilt + 0.01) * min(_meeting(c2w)[0] + 0.01, 2.0))


def _looks_back(c2w: np.ndarray) -> str:
    """Why cameras must look along -z; "" where nothing tells."""
    upright = c2w[:, 2, 1]  # of the y axis, which is the pictures' bottom in OpenCV
    if len(c2w) > 2 and upright.min() > 0 and upright.mean() > _LEVEL:
        return "else all stood on their heads, Z being up"
    forward = c2w[:, :3, 2]
    if len(c2w) < 3 or (forward @ forward[0]).min() > _WIDE:
        return ""
    apart, ahead = _meeting(c2w)
    return "else all looked away from what they go round" if apart < _BEHIND and ahead < 0.05 else ""


def _meeting(c2w: np.ndarray) -> tuple[float, float]:
    """How far optical axes pass by the point nearest to all, to its distance, and the share that has it ahead."""
    places, forward = c2w[:, :3, 3], c2w[:, :3, 2]
    across = np.eye(3) - forward[:, :, None] * forward[:, None, :]
    point = np.linalg.lstsq(across.sum(axis=0), (across @ places[..., None]).sum(axis=0)[:, 0], rcond=None)[0]
    ahead = ((point - places) * forward).sum(axis=1)
    beside = np.linalg.norm(point - places - ahead[:, None] * forward, axis=1)
    return float(beside.mean() / max(float(np.abs(ahead).mean()), 1e-9)), float((ahead > 0).mean())
