"""Where several people of a rough take stand: as their one picture has them, or as the scene has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kinema.puppet.gaze import wrapped
from kinema.puppet.placing import SEEN, Placed, complete, heading, own_pose
from kinema.puppet.take import Puppet, place_in
from kinema.scene.camera import CameraPath
from kinema.scene.camera_follow import about_y
from kinema.scene.motion import Motion

_SIZES = (0.5, 1.5)  # of a person beside others in a picture: children, and people on steps (ours)
_ALIKE = 0.5  # length of people's mean heading from which on they face one way (ours)
_OUT = np.radians(
    45.0
)  # away from the camera that people are turned at most as they begin, as actors do (ours)
_APART = 1.2  # metres between people who all do the same, each with a picture of their own (ours)
_MARGIN = 0.92  # of half the frame, that people may fill at first (ours)
_BACK = 3.0  # times its distance that a camera goes back at most, to see everybody (ours)
_LEGS = (1, 2, 4, 5, 7, 8, 10, 11)


def front_of(motions: Sequence[Motion], camera: CameraPath | None = None) -> float:
    """From where people are seen from the front at first, radians about +Y from +Z.

    Where they face different ways it is the side of the scene's camera, or +Z without one.

    Args:
        motions: of everybody.
        camera: the scene's own.
    """
    ways = [heading(complete(motion)) for motion in motions]
    return _common(ways, camera, motions)


def from_the_left(motions: Sequence[Motion], camera: CameraPath | None = None) -> list[int]:
    """Numbers of people as they stand from left to right at first, seen from the front.

    Args:
        motions: of everybody.
        camera: the scene's own.
    """
    right = about_y(front_of(motions, camera))[:, 0]
    columns = [float(complete(motion).joints[0, 0] @ right) for motion in motions]
    return sorted(range(len(motions)), key=columns.__getitem__)


def place_people(
    puppets: Sequence[Puppet], motions: Sequence[Motion], camera: CameraPath | None = None
) -> tuple[Placed, ...]:
    """People of one picture on their motions: each begins where the picture shows them, before one camera.

    The scene is turned as a whole, so that people who face each other in it keep doing so, as far as their pictures
    allow.

    Args:
        puppets: of one picture, as `prepare_people` has them.
        motions: one for all, who then face as in the picture, or one for each.
        camera: the scene's own: it says where the front is, where people face different ways.

    Raises:
        ValueError: neither one motion nor as many as people.
    """
    chosen = _for_each(puppets, motions)
    sized = _on_one_floor(puppets)
    own = [place_in(puppet, motion, keep_in_view=False) for puppet, motion in zip(sized, chosen, strict=True)]
    turns = [float(np.arctan2(-place.camera[0, 2], -place.camera[2, 2])) for place in own]
    if len(motions) > 1:
        front = _common(turns, camera, chosen)
        apart = [float(np.clip(wrapped(turn - front), -_OUT, _OUT)) for turn in turns]
        own = [_turned(place, angle) for place, angle in zip(own, apart, strict=True)]
    first = own[0].camera
    eye = puppets[0].view.c2w[:3, 3]
    places = []
    for puppet, place in zip(sized, own, strict=True):
        matrix = first @ np.linalg.inv(place.camera)
        joints = _through(matrix, place.motion.joints)
        start = _through(first @ np.linalg.inv(puppet.view.c2w), place.joints)
        motion = replace(place.motion, joints=joints, rotations=None)
        places.append(replace(_from_eye(eye, puppet, place), motion=motion, camera=first, start=start))
    return tuple(places)


def place_apart(
    puppets: Sequence[Puppet],
    motions: Sequence[Motion],
    frame: tuple[int, int] | None = None,
    camera: CameraPath | None = None,
) -> tuple[Placed, ...]:
    """People who each have a picture of their own: the scene's distances, on the size of the first.

    The first camera is the first picture's, gone round to the front of them all, aside and back until everybody is in
    its frame.

    Args:
        puppets: each of its own picture; the first one's room is filmed.
        motions: one for all, who stand side by side then, or one for each.
        frame: (width, height) of the result, where it is not the first picture's.
        camera: the scene's own: it says where the front is, where people face different ways.

    Raises:
        ValueError: neither one motion nor as many as people.
    """
    chosen = [complete(motion) for motion in _for_each(puppets, motions)]
    own = [
        place_in(puppet, motion, keep_in_view=False) for puppet, motion in zip(puppets, chosen, strict=True)
    ]
    turns = [float(np.arctan2(-place.camera[0, 2], -place.camera[2, 2])) for place in own]
    front = _common(turns, camera, chosen) if len(motions) > 1 else turns[0]
    first = replace(own[0], camera=_gone_round(own[0], front - turns[0]))
    share = _leg(first.motion) / max(_leg(chosen[0]), 1e-6)
    origin = chosen[0].joints[0, 0]
    right = first.camera[:3, 0]
    moved = []
    for number, (place, motion) in enumerate(zip(own, chosen, strict=True)):
        there = origin + share * (motion.joints[:, 0] - origin)
        if len(motions) == 1:
            there = there + right * _APART * (-1) ** (number + 1) * ((number + 1) // 2)
        offset = there - place.motion.joints[:, 0]
        offset[:, 1] = 0.0
        joints = place.motion.joints + offset[:, None]
        moved.append(replace(place.motion, joints=joints, rotations=None))
    sees = _sees_all(first, moved, frame or first.size)
    return tuple(
        replace(
            _from_eye(puppets[0].view.c2w[:3, 3], puppet, place),
            motion=motion,
            camera=sees,
            lens=first.lens,
            size=first.size,
            start=motion.joints[0],
        )
        for puppet, place, motion in zip(puppets, own, moved, strict=True)
    )


def stand_people(puppets: Sequence[Puppet]) -> tuple[Placed, ...]:
    """People of one picture as it shows them, before the camera that took it."""
    sized = _on_one_floor(puppets)
    camera = sized[0].view.c2w
    places = []
    for puppet in sized:
        own = own_pose(puppet.body, puppet.mesh, puppet.size)
        start = own.joints + camera[:3, 3] - puppet.view.c2w[:3, 3]
        motion = replace(own.motion, joints=start[None])
        place = _from_eye(puppets[0].view.c2w[:3, 3], puppet, own)
        places.append(replace(place, motion=motion, start=start, camera=camera))
    return tuple(places)


def _for_each(puppets: Sequence[Puppet], motions: Sequence[Motion]) -> list[Motion]:
    if len(motions) not in (1, len(puppets)):
        raise ValueError(
            f"{len(motions)} motions for {len(puppets)} people; give one for all or one for each"
        )
    return list(motions) * len(puppets) if len(motions) == 1 else list(motions)


def _on_one_floor(puppets: Sequence[Puppet]) -> list[Puppet]:
    """People of one picture so large that all stand on one floor beneath one camera; who shows no feet stays."""
    heights = [float(puppet.view.c2w[1, 3]) for puppet in puppets]
    grounded = [height for puppet, height in zip(puppets, heights, strict=True) if _stands(puppet)]
    sized = []
    for puppet, height in zip(puppets, heights, strict=True):
        size = 1.0
        if _stands(puppet):
            size = float(np.clip(np.median(grounded) / max(height, 1e-6), *_SIZES))
        body = replace(puppet.body, metre=puppet.body.metre / size, depth=puppet.body.depth * size)
        mesh = replace(puppet.mesh, depth=puppet.mesh.depth * size)
        sized.append(replace(puppet, body=body, mesh=mesh))
    return sized


def _stands(puppet: Puppet) -> bool:
    return bool(max(puppet.body.confidence[[7, 8]]) > SEEN)


def _from_eye(eye: np.ndarray, puppet: Puppet, place: Placed) -> Placed:
    """Somebody's picture pose moved so that the camera which took it stands at `eye`, as that of everybody else."""
    offset = eye - puppet.view.c2w[:3, 3]
    vertices = (place.vertices + offset).astype(np.float32)
    return replace(place, vertices=vertices, joints=place.joints + offset)


def _common(ways: Sequence[float], camera: CameraPath | None, motions: Sequence[Motion]) -> float:
    """The mean of directions, radians about +Y; where they cancel out the camera's side, or +Z."""
    mean = np.mean(np.exp(1j * np.asarray(ways)))
    if abs(mean) > _ALIKE:
        return float(np.angle(mean))
    if camera is None:
        return 0.0
    middle = np.nanmean([motion.joints[0, 0] for motion in motions], axis=0)
    away = camera.positions[0] - middle
    return float(np.arctan2(away[0], away[2]))


def _turned(place: Placed, angle: float) -> Placed:
    """Somebody turned about where they begin, radians about +Y."""
    joints = place.motion.joints
    pivot = joints[0, 0] * [1.0, 0.0, 1.0]
    turned = (joints - pivot) @ about_y(angle).T + pivot
    return replace(place, motion=replace(place.motion, joints=turned, rotations=None))


def _gone_round(place: Placed, angle: float) -> np.ndarray:
    """Somebody's first camera, gone round them, radians about +Y."""
    pivot = place.motion.joints[0, 0] * [1.0, 0.0, 1.0]
    turned = np.array(place.camera)
    turned[:3, :3] = about_y(angle) @ turned[:3, :3]
    turned[:3, 3] = about_y(angle) @ (turned[:3, 3] - pivot) + pivot
    return turned


def _moved_back(camera: np.ndarray, metres: float) -> np.ndarray:
    moved = np.array(camera)
    moved[:3, 3] -= metres * moved[:3, 2]
    return moved


def _through(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])


def _leg(motion: Motion) -> float:
    """Length of the ways from the root to the toes."""
    return float(np.nansum(motion.bone_lengths()[list(_LEGS)]))


def _sees_all(first: Placed, motions: Sequence[Motion], frame: tuple[int, int]) -> np.ndarray:
    """The first camera gone aside and back until it sees everybody as they begin."""
    local = np.linalg.inv(first.camera)
    points = np.concatenate([_through(local, motion.joints[0]) for motion in motions])
    across = max(first.lens[2], first.lens[3] * frame[0] / frame[1])
    aside = float(points[:, 0].min() + points[:, 0].max()) / 2
    wide = np.abs(points[:, 0] - aside) * first.lens[0] / (_MARGIN * across) - points[:, 2]
    distance = float(points[:24, 2].mean())
    camera = _moved_back(first.camera, float(np.clip(wide.max(), 0.0, _BACK * distance)))
    camera[:3, 3] += aside * camera[:3, 0]
    return camera
