"""Heads that the picture shows stay in view of the first camera: people keep further away from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from kinema.puppet.body import PictureBody
from kinema.puppet.mesh import Mesh
from kinema.puppet.placing import Placed, bone_maps

# All limits are ours.
_BACK = 1.0  # of its distance: how far the camera goes back for somebody low in the picture who stands up
_LOW = 0.85  # of the standing height: who is lower in the picture crouches or sits
_MARGIN = 0.01  # of the picture's height, free above a head, where the picture leaves that much
_TOP = 0.98  # quantile of a head's heights that counts as its top
_AWAY, _APPROACH = 0.25, 2.0  # distances of the camera by which somebody tall and somebody near is kept away
_SOON = 0.12  # seconds over which the latter is smoothed


def kept_in_view(place: Placed, body: PictureBody, mesh: Mesh) -> Placed:
    """The same person, whose head does not leave the picture at the top while the first camera stands still.

    Who stretches or jumps is further away throughout, who comes near comes less near. Only for somebody low in the
    picture who stands up the camera begins further back.

    Args:
        place: on the scene's motion.
        body: joints in the picture.
        mesh: of the person.
    """
    heads = np.flatnonzero((mesh.bones[:, 0] == 15) & (mesh.weights[:, 0] > 0.5))
    if not heads.size:
        return place
    highest = float(mesh.pixels[heads, 1].min())
    if highest < 1:
        return place
    rest = place.vertices[heads].astype(np.float64)
    rest = rest[rest[:, 1] >= np.quantile(rest[:, 1], _TOP)].mean(axis=0)
    maps = bone_maps(place.joints, place.motion.joints)[:, 15]
    tops = maps[..., :3] @ rest + maps[..., 3]
    room = place.lens[3] - min(_MARGIN * place.size[1], 0.5 * highest)
    slope, distance = place.lens[1] / room, place.lens[1] / body.metre
    come = (place.motion.joints[:, 0] - place.motion.joints[0, 0]) @ place.camera[:3, 2]
    there = tops - come[:, None] * place.camera[:3, 2]
    tall = max(float(_missing(place.camera, there, slope).max()), 0.0)
    camera = place.camera.copy()
    if _is_low(body):
        back = min(tall, _BACK * distance)
        camera[:3, 3] -= back * camera[:3, 2]
        tall -= back
    tall = min(tall, _AWAY * distance)
    near = np.clip(_missing(camera, tops, slope) - tall, 0, _APPROACH * distance)
    if near.max() > 0 and place.motion.frames > 1:
        soon = _SOON * place.motion.fps
        held = maximum_filter1d(near, 2 * int(np.ceil(2 * soon)) + 1, mode="nearest")
        near = gaussian_filter1d(held, soon, mode="nearest", truncate=2.0)
    joints = place.motion.joints + (tall + near)[:, None, None] * camera[:3, 2]
    return replace(place, camera=camera, motion=replace(place.motion, joints=joints, rotations=None))


def _missing(camera: np.ndarray, points: np.ndarray, slope: float) -> np.ndarray:
    """Metres by which points [T, 3] are too near to a level camera to be seen below its upper edge, [T]."""
    local = (points - camera[:3, 3]) @ camera[:3, :3]
    return np.asarray(-local[:, 1] * slope - local[:, 2])


def _is_low(body: PictureBody) -> bool:
    rows = body.pixels[:, 1]
    tall = float(body.lengths[[3, 6, 9, 12, 15, 4, 7]].sum()) * body.metre
    return float(rows.max() - rows.min()) < _LOW * tall
