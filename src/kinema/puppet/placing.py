"""Putting the picture's person into the scene: their bones on its motion, the picture's view as its first camera."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from kinema.puppet.body import PictureBody
from kinema.puppet.gaze import faces_kept, head_turns, necks_bent, turned_heads, wrapped
from kinema.puppet.mesh import Mesh
from kinema.puppet.staying import on_still_hips
from kinema.scene.camera import CameraPath, intrinsics_from_fov
from kinema.scene.camera_follow import about_y, follow
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24
from kinema.stage.rig import segment_rotations

FOV = 40.0
"""Degrees, vertical; of a picture whose lens nobody knows."""

SEEN = 0.3
"""Confidence from which on a joint counts as seen."""

_TURNED = np.radians(25.0)  # a body turned by less is taken to face the camera (ours)
_FACE = np.radians(110.0)  # a head turned by less shows its face (ours)
_STRETCH = (0.75, 1.6)  # of a segment of the picture on the scene's bones (ours)
_LEGS = (1, 2, 4, 5, 7, 8, 10, 11)
_FEET = (7, 8, 10, 11)
_LIFT = 0.25  # metres by which soles may be wrong (ours)
_STANDS = 0.03  # metres above a motion's lowest joints up to which one stands (ours)
_STEADY = 0.04  # seconds over which soles are smoothed (ours)


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
        start: the picture's pose in the scene, where the first camera sees it as the picture does, [24, 3].
        looks: yaw of head and trunk in the picture, radians to the picture's left, where the head is turned against the
            trunk; else None: the head goes with the trunk.
        face: whether the picture shows it.
    """

    vertices: np.ndarray
    joints: np.ndarray
    motion: Motion
    camera: np.ndarray
    lens: np.ndarray
    size: tuple[int, int]
    start: np.ndarray
    looks: tuple[float, float] | None = None
    face: bool = False

    @property
    def motions(self) -> tuple[Motion, ...]:
        """Of everybody who moves."""
        return (self.motion,)

    @property
    def subject(self) -> Motion:
        """What cameras are about."""
        return self.motion

    def maps(self, cameras: np.ndarray | None = None) -> np.ndarray:
        """The affine map of every bone from the picture's pose to each frame's, [T, 24, 3, 4].

        Args:
            cameras: that film, camera to world, [T, 4, 4], the last one to the end: faces turn no further from them than
                the picture shows them; the first one of the picture where None.
        """
        posed = self.motion.joints
        maps, posed = necks_bent(bone_maps(self.joints, posed), self.joints, posed)
        if self.looks is not None:
            turn = head_turns(self.motion, self.camera, *self.looks)
            maps = turned_heads(maps, turn, self.joints, posed)
        if self.face:
            away = self.start[15] - self.camera[:3, 3]
            view = np.diag([1.0, -1.0, -1.0]) @ self.camera[:3, :3].T @ away
            poses = (
                self.camera[None]
                if cameras is None
                else cameras[np.minimum(np.arange(len(posed)), len(cameras) - 1)]
            )
            maps = faces_kept(maps, self.joints, posed, view / np.linalg.norm(view), poses[:, :3, 3])
        return maps


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


def placed(
    body: PictureBody,
    mesh: Mesh,
    view: View,
    motion: Motion,
    staying: tuple[bool, bool] | None = None,
) -> Placed:
    """The person on the scene's motion.

    Args:
        body: joints in the picture.
        mesh: of the person.
        view: of the picture.
        motion: of the scene's person, SMPL-24, complete.
        staying: of somebody whose hips and legs stay where the picture has them: whether left and right arm move.
    """
    vertices = view.world(mesh.pixels, mesh.depth)
    joints = view.world(body.pixels, body.depth)
    if staying is not None:
        return _placed_still(body, vertices, joints, view, motion, staying)
    own = _grounded(motion.retarget(SMPL24.with_bone_lengths(body.lengths)), vertices, joints, mesh)
    turn = heading(own) + (
        body.yaw if abs(body.yaw) > _TURNED else 0.0
    )  # in the picture's world they face -yaw
    matrix = np.eye(4)
    matrix[:3, :3] = about_y(turn)
    feet = max(body.confidence[[7, 8]]) > SEEN
    anchor = 0 if feet else 15  # of half bodies the head stays where the picture has it
    matrix[:3, 3] = own.joints[0, anchor] - matrix[:3, :3] @ joints[anchor]
    if feet:
        matrix[1, 3] = 0.0  # both stand on the floor
    camera = matrix @ view.c2w
    shown = camera @ np.linalg.inv(view.c2w)
    start = joints @ shown[:3, :3].T + shown[:3, 3]
    return Placed(
        vertices.astype(np.float32),
        joints,
        own,
        camera,
        view.lens,
        view.size,
        start,
        _looks(body),
        _has_face(body),
    )


def _placed_still(
    body: PictureBody,
    vertices: np.ndarray,
    joints: np.ndarray,
    view: View,
    motion: Motion,
    arms: tuple[bool, bool],
) -> Placed:
    """Somebody whose hips and legs stay, where the scene's person begins."""
    own = motion.retarget(SMPL24.with_bone_lengths(body.lengths))
    turn = heading(own) + body.yaw
    moved = on_still_hips(own, joints, turn, arms)
    matrix = np.eye(4)
    matrix[:3, :3] = about_y(turn)
    matrix[:3, 3] = own.joints[0, 0] - matrix[:3, :3] @ joints[0]
    matrix[1, 3] = 0.0
    there = moved.joints @ matrix[:3, :3].T + matrix[:3, 3]
    start = joints @ matrix[:3, :3].T + matrix[:3, 3]
    return Placed(
        vertices.astype(np.float32),
        joints,
        Motion(there, motion.fps, motion.skeleton),
        matrix @ view.c2w,
        view.lens,
        view.size,
        start,
        _looks(body),
        _has_face(body),
    )


def _has_face(body: PictureBody) -> bool:
    """Whether the picture shows the person's face, from the front or from the side."""
    return abs(float(wrapped(body.yaw if body.gaze is None else body.gaze))) < _FACE


def _looks(body: PictureBody) -> tuple[float, float] | None:
    """Yaw of head and trunk in the picture, where they differ."""
    if body.gaze is None or abs(wrapped(body.gaze - body.yaw)) <= _TURNED:
        return None
    return body.gaze, body.yaw


def follow_camera(place: Placed, before: Motion, camera: CameraPath) -> CameraPath:
    """A scene's own camera begun where the picture was taken from; its movement follows in proportion.

    Args:
        place: of the person that the camera films.
        before: the motion as the scene had it.
        camera: the scene's.
    """
    picture = CameraPath.static(place.camera, place.lens.tolist(), place.size, camera.fps, 1)
    after = place.motion
    frames = min(camera.frames, after.frames)
    return follow(camera, place.camera, picture, before, after, frames, camera.fps)


def own_pose(body: PictureBody, mesh: Mesh, size: tuple[int, int]) -> Placed:
    """The person as the picture shows them, before the camera that took it."""
    view = view_of(body, mesh, size, max(body.confidence[[7, 8]]) > SEEN)
    joints = view.world(body.pixels, body.depth)
    vertices = view.world(mesh.pixels, mesh.depth).astype(np.float32)
    still = Motion(joints[None], 1.0, SMPL24)
    return Placed(vertices, joints, still, view.c2w, view.lens, view.size, joints)


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


def heading(motion: Motion) -> float:
    """Which way the scene's person faces at first, radians about +Y from +Z."""
    facing = motion.facing()
    known = facing[np.isfinite(facing).all(axis=1)]
    return float(np.arctan2(known[0, 0], known[0, 2])) if len(known) else 0.0


def _grounded(motion: Motion, vertices: np.ndarray, joints: np.ndarray, mesh: Mesh) -> Motion:
    """The motion with the soles on the floor whenever the scene's person stands on it; jumps stay as high as they are.

    Motion files put joints on the floor, now the ankle's and now the toes', and soles lie beneath either.
    """
    legs = np.flatnonzero(np.isin(mesh.bones[:, 0], _FEET))
    if not legs.size:
        return motion
    rest, bones, weights = vertices[legs], mesh.bones[legs], mesh.weights[legs, :, None]
    lowest = np.empty(motion.frames)
    for frame, maps in enumerate(bone_maps(joints, motion.joints)):
        moved = np.einsum("vkab,vb->vka", maps[bones][..., :3], rest) + maps[bones][..., 3]
        lowest[frame] = (weights * moved).sum(axis=1)[:, 1].min()
    under = motion.joints[:, _FEET, 1].min(axis=1)
    stands = np.flatnonzero(under - np.quantile(under, 0.1) < _STANDS)
    lift = np.clip(-np.interp(np.arange(motion.frames), stands, lowest[stands]), -_LIFT, _LIFT)
    if motion.frames > 1:
        lift = gaussian_filter1d(lift, _STEADY * motion.fps, mode="nearest")
    offset = np.zeros((motion.frames, 1, 3))
    offset[:, 0, 1] = lift
    return replace(motion, joints=motion.joints + offset, rotations=None)


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
    return replace(whole, joints=joints, confidence=None, rotations=None)
