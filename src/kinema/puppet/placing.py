"""Putting the picture's person into the scene: their bones on its motion, the picture's view as its first camera."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kinema.puppet.body import PictureBody
from kinema.puppet.mesh import Mesh
from kinema.scene.camera import intrinsics_from_fov
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24
from kinema.stage.rig import segment_rotations

FOV = 40.0
"""Degrees, vertical; of a picture whose lens nobody knows."""

SEEN = 0.3
"""Confidence from which on a joint counts as seen."""

_TURNED = np.radians(25.0)  # a body turned by less is taken to face the camera (ours)
_STRETCH = (0.75, 1.6)  # of a segment of the picture on the scene's bones (ours)
_LEGS = (1, 2, 4, 5, 7, 8, 10, 11)


@dataclass(frozen=True, eq=False)
class View:
    """The camera that took the picture, in a world where the person stands above the origin, the floor at y = 0.

    Args:
        c2w: camera to world, [4, 4].
        lens: fx, fy, cx, cy in pixels of the picture.
        size: (width, height).
        distance: metres from the camera to the person's plane.
    """

    c2w: np.ndarray
    lens: np.ndarray
    size: tuple[int, int]
    distance: float

    def world(self, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Points so far behind the person's plane (metres, [N]) that are seen at pixels [N, 2], in the world, [N, 3]."""
        away = self.distance + depth
        fx, fy, cx, cy = self.lens
        local = np.stack([(pixels[:, 0] - cx) / fx * away, (pixels[:, 1] - cy) / fy * away, away], axis=1)
        return np.asarray(local @ self.c2w[:3, :3].T + self.c2w[:3, 3])


@dataclass(frozen=True, eq=False)
class Placed:
    """The person's mesh in the world of the picture, and the scene's motion with this person's bones.

    Args:
        vertices: in the picture's pose, float32 [V, 3].
        joints: in the picture's pose, [24, 3].
        motion: the scene's, SMPL-24, with the picture's bone lengths, soles on the floor.
        camera: the first one: sees the motion's start as the picture sees the person, [4, 4].
        lens: fx, fy, cx, cy in pixels of the picture.
        size: of the picture.
    """

    vertices: np.ndarray
    joints: np.ndarray
    motion: Motion
    camera: np.ndarray
    lens: np.ndarray
    size: tuple[int, int]


def view_of(body: PictureBody, mesh: Mesh, size: tuple[int, int], feet_seen: bool) -> View:
    """A level camera of 40 degrees that sees the person standing on the floor as the picture shows them."""
    lens = np.array(intrinsics_from_fov(FOV, size))
    distance = float(lens[1]) / body.metre
    turned = np.diag([1.0, -1.0, -1.0])
    c2w = np.eye(4)
    c2w[:3, :3] = turned
    x = (body.pixels[0, 0] - lens[2]) / lens[0] * distance
    c2w[:3, 3] = (-x, 0.0, distance)
    view = View(c2w, lens, size, distance)
    if feet_seen:
        legs = np.isin(mesh.bones[:, 0], _LEGS)
        lowest = view.world(mesh.pixels, mesh.depth)[legs if legs.any() else slice(None), 1].min()
    else:
        lengths = body.lengths
        below = float(lengths[[4, 7]].sum()) + 0.1
        lowest = view.world(body.pixels[[1, 2]], body.depth[[1, 2]])[:, 1].mean() - below
    c2w[1, 3] = -float(lowest)
    return View(c2w, lens, size, distance)


def placed(body: PictureBody, mesh: Mesh, view: View, motion: Motion) -> Placed:
    """The person on the scene's motion.

    Args:
        body: joints in the picture.
        mesh: of the person.
        view: of the picture.
        motion: of the scene's person, SMPL-24, complete.
    """
    vertices = view.world(mesh.pixels, mesh.depth)
    joints = view.world(body.pixels, body.depth)
    own = motion.retarget(SMPL24.with_bone_lengths(body.lengths))
    soles = joints[[10, 11], 1].min() - max(0.0, float(np.quantile(vertices[:, 1], 0.001)))
    stands = float(np.nanquantile(own.joints[:, [10, 11], 1].min(axis=1), 0.05))
    own = own.translate((0.0, float(np.clip(soles - stands, -0.25, 0.25)), 0.0))
    turn = _heading(own) + (body.yaw if abs(body.yaw) > _TURNED else 0.0)  # in the world they face -yaw
    matrix = np.eye(4)
    cosine, sine = np.cos(turn), np.sin(turn)
    matrix[:3, :3] = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    feet = max(body.confidence[[7, 8]]) > SEEN
    anchor = 0 if feet or max(body.confidence[[1, 2]]) > SEEN else 15
    matrix[:3, 3] = own.joints[0, anchor] - matrix[:3, :3] @ joints[anchor]
    if feet:
        matrix[1, 3] = 0.0  # both stand on the floor
    return Placed(vertices.astype(np.float32), joints, own, matrix @ view.c2w, view.lens, view.size)


def own_pose(body: PictureBody, mesh: Mesh, size: tuple[int, int]) -> Placed:
    """The person as the picture shows them, before the camera that took it."""
    view = view_of(body, mesh, size, max(body.confidence[[7, 8]]) > SEEN)
    joints = view.world(body.pixels, body.depth)
    vertices = view.world(mesh.pixels, mesh.depth).astype(np.float32)
    still = Motion(joints[None], 1.0, SMPL24)
    return Placed(vertices, joints, still, view.c2w, view.lens, view.size)


def bone_maps(joints: np.ndarray, posed: np.ndarray) -> np.ndarray:
    """The affine map of every bone from the picture's pose to each frame's, [T, 24, 3, 4].

    Args:
        joints: in the picture's pose, [24, 3].
        posed: of the motion, [T, 24, 3].
    """
    rest = segment_rotations(joints[None])[0]
    turned = segment_rotations(posed)
    maps = np.empty((len(posed), 24, 3, 4))
    for joint in range(24):
        linear = turned[:, joint] @ rest[joint].T
        children = SMPL24.children[joint]
        if len(children) == 1:
            child = children[0]
            bone = joints[child] - joints[joint]
            long = float(np.linalg.norm(bone))
            now = np.linalg.norm(posed[:, child] - posed[:, joint], axis=1)
            if long > 1e-6:
                amount = np.clip(now / long, *_STRETCH) - 1
                along = np.outer(bone, bone) / long**2
                linear = linear @ (np.eye(3) + amount[:, None, None] * along)
        maps[:, joint, :, :3] = linear
        maps[:, joint, :, 3] = posed[:, joint] - np.einsum("tab,b->ta", linear, joints[joint])
    return maps


def _heading(motion: Motion) -> float:
    """Which way the scene's person faces at first, radians about +Y from +Z."""
    facing = motion.facing()
    known = facing[np.isfinite(facing).all(axis=1)]
    return float(np.arctan2(known[0, 0], known[0, 2])) if len(known) else 0.0


def complete(motion: Motion) -> Motion:
    """SMPL-24 with nothing missing: gaps are bridged, what is never seen is as in the rest pose."""
    whole = motion.to_smpl24().fill_missing()
    if not np.isnan(whole.joints).any():
        return whole
    joints = np.array(whole.joints)
    skeleton = whole.skeleton
    for joint in skeleton.order:
        parent = skeleton.parents[joint]
        gone = np.isnan(joints[:, joint, 0])
        base = joints[:, parent] if parent >= 0 else np.zeros((len(joints), 3))
        joints[gone, joint] = (base + skeleton.offsets[joint])[gone]
    return replace(whole, joints=joints)
