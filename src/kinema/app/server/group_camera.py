"""The camera of a scene in which nobody is chosen: before everybody, and so far away that all of them are in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kinema.puppet.cast_placing import front_of
from kinema.puppet.placing import heading
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera_follow import about_y
from kinema.scene.framing import scene_camera

_ALIKE = 0.5  # length of people's mean heading from which on they face one way (ours)
_MARGIN = 0.9  # of half the frame, that people may fill (ours)
_BACK = 4.0  # times its distance that a camera goes back at most (ours)


def group_camera(
    people: Sequence[Motion],
    words: str,
    *,
    size: tuple[int, int],
    fps: float,
    frames: int,
    tracking: str = "auto",
) -> CameraPath:
    """A camera in words that turns round, follows and frames everybody, as if they were one in their middle.

    It begins where people are seen from the front; of people who face each other, from beside them.

    Args:
        people: two or more.
        words: in the camera language.
        size: (width, height).
        fps, frames: of the path.
        tracking: as `scene_camera` has it.

    Raises:
        ValueError: words outside the camera language.
    """
    times = np.arange(frames) / fps
    people = [person.resample(fps, np.minimum(times, person.duration)) for person in people]
    subject = Scene((_middle(people),), None, fps)
    options = {"size": size, "fps": fps, "frames": frames, "tracking": tracking}
    path = scene_camera(subject, words, **options)  # type: ignore[arg-type]
    still = scene_camera(subject, "static", **options)  # type: ignore[arg-type]
    back = _too_near(still, people)
    c2w = np.array(path.c2w)
    c2w[:, :3, 3] -= back * c2w[:, :3, 2]
    return CameraPath(c2w, path.intrinsics, path.size, path.fps)


def _middle(people: Sequence[Motion]) -> Motion:
    """The first person amid everybody, turned to the group's front."""
    first = people[0]
    root = first.joints[:, :1]
    turn = about_y(_front(people) - heading(first))
    middle = np.mean([person.joints[:, 0] for person in people], axis=0)
    middle[:, 1] = root[:, 0, 1]
    joints = (first.joints - root) @ turn.T + middle[:, None]
    return Motion(joints, first.fps, first.skeleton)


def _front(people: Sequence[Motion]) -> float:
    """From where a group is seen, radians about +Y from +Z."""
    ways = np.exp(1j * np.array([heading(person) for person in people]))
    if abs(ways.mean()) > _ALIKE:
        return front_of(people)
    places = np.array([person.joints[0, 0, [0, 2]] for person in people])
    row = np.linalg.svd(places - places.mean(axis=0))[2][0]  # along which they stand
    beside = np.array([-row[1], row[0]])
    if beside[1] < -1e-6 or (abs(beside[1]) <= 1e-6 and beside[0] < 0):
        beside = -beside
    return float(np.arctan2(beside[0], beside[1]))


def _too_near(camera: CameraPath, people: Sequence[Motion]) -> float:
    """Metres that a camera has to go back to see everybody all the time, or as they begin where that is too far."""
    needs = []
    for person in people:
        offset = person.joints - camera.c2w[:, None, :3, 3]
        local = np.einsum("tij,tki->tkj", camera.c2w[:, :3, :3], offset)
        half = np.array(camera.size) / 2
        focal = camera.intrinsics[:, None, :2]
        needs.append((np.abs(local[..., :2]) * focal / (_MARGIN * half) - local[..., 2:]).max(axis=(1, 2)))
    need = np.max(needs, axis=0)
    distance = float(np.linalg.norm(camera.positions[0] - np.mean([p.joints[0, 0] for p in people], axis=0)))
    return float(np.clip(need.max() if need.max() < _BACK * distance else need[0], 0.0, _BACK * distance))
