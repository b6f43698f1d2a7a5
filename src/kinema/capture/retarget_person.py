"""A scene for the person in a reference picture: their proportions, their place in it, the camera's side (ours)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from kinema.capture.lifting import LiftedPerson, lift
from kinema.capture.observation import CameraSolution, PersonTrack
from kinema.capture.placing import place
from kinema.scene.camera import CameraPath, intrinsics_from_fov
from kinema.scene.mappings import OPENPOSE18_CONFIDENCE, smpl24_to_openpose18
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.signals.skeleton_map import skeleton_map

_FOV = 40.0  # degrees, vertical; of a picture that nobody knows the lens of
_OUTSIDE = (
    0.05  # share of the frames in which the person may be outside the picture, before the camera follows
)
_ALONG = (0.25, 0.5, 0.75, 1.0)  # shares of the way that are tried
_CALM = 0.5  # seconds over which a camera that follows is smooth
_FOLLOWS = 0.3  # metres a person must move before a camera can be said to follow


@dataclass(frozen=True, eq=False)
class Matched:
    """A scene that fits a picture.

    Args:
        scene: the person with the proportions of the one in the picture; the camera has the picture's size and begins
            where the picture was taken from.
        preview: the first frame's skeleton over the picture, uint8 [H, W, 3].
        notes: sentences for people: what was assumed, what is doubtful.
    """

    scene: Scene
    preview: np.ndarray
    notes: tuple[str, ...] = ()


def match_reference(
    scene: Scene,
    reference: PersonTrack,
    *,
    picture: np.ndarray | None = None,
    person: int = 0,
    focal: float | None = None,
    stature: float | None = None,
    turn: bool = True,
) -> Matched:
    """Gives a scene's person the body of the one in a picture, and its camera the picture's place.

    People stay where they are in the world, on the floor; the camera is moved. What it did from its first frame on it
    still does: what it went along with the person it goes along with the new body, the rest in proportion to its new
    distance. Where somebody who was small in their video would leave the picture, the camera goes along as it must.

    Args:
        scene: any scene.
        reference: the person in the picture; the first frame in which they were seen counts.
        picture: for the preview, uint8 [H, W, 3]; black where None.
        person: which of the scene's people.
        focal: of the picture, pixels; a vertical field of view of 40 degrees where None.
        stature: of the picture's person, metres; 1.70 where None.
        turn: the camera sees the person from the side that the picture shows; False keeps the scene's own side.

    Raises:
        ValueError: no such person, a picture of another size, or too little of the person seen.
    """
    if not 0 <= person < len(scene.people):
        raise ValueError(f"person {person}: the scene has {len(scene.people)}, counted from 0")
    width, height = reference.size
    if picture is not None and picture.shape != (height, width, 3):
        raise ValueError(
            f"the picture has shape {list(picture.shape)}; its keypoints were found in {width}x{height}"
        )
    notes: list[str] = []
    shown, camera = _picture(reference, focal, stature, notes)
    scene = scene.at(scene.fps)
    before = scene.people[person].to_smpl24()
    after = before.retarget(shown.motion.skeleton)
    first = _pose(shown.motion, camera, before, scene.camera, turn, notes)
    path = _follow(scene.camera, first, camera, before, after, scene.frames, scene.fps)
    allowed = max(_OUTSIDE, 0.0 if scene.camera is None else _outside(before, scene.camera) + _OUTSIDE)
    path, share = _kept_in(path, after, allowed)
    if share:
        notes.append(
            f"the way is longer than the picture is wide: the camera goes along with {share:.0%} of it, so that the "
            "person stays in the picture"
        )
    outside = _outside(after, path)
    if outside > allowed:
        notes.append(
            f"seen like this, the person is outside the picture for {100 * outside:.0f} % of the time"
        )
    people = tuple(after if number == person else other for number, other in enumerate(scene.people))
    matched = replace(scene, people=people, camera=path)
    return Matched(matched, _preview(after, path, picture), tuple(notes))


def _picture(
    reference: PersonTrack, focal: float | None, stature: float | None, notes: list[str]
) -> tuple[LiftedPerson, CameraPath]:
    """The person in the picture and the camera that took it, in a world of their own."""
    seen = np.flatnonzero(reference.seen)
    if not seen.size:
        raise ValueError("nobody was found in the reference picture")
    frame = slice(int(seen[0]), int(seen[0]) + 1)
    still = replace(
        reference,
        points=reference.points[frame],
        confidence=reference.confidence[frame],
        boxes=reference.boxes[frame],
        joints=None if reference.joints is None else reference.joints[frame],
    )
    if focal is None:
        notes.append(
            f"the picture's lens is unknown: a vertical field of view of {_FOV:.0f} degrees is assumed"
        )
        lens = intrinsics_from_fov(_FOV, reference.size)
    else:
        lens = (focal, focal, reference.size[0] / 2, reference.size[1] / 2)
    solution = CameraSolution("static", np.eye(4)[None], np.array([lens]))
    placed = place([still], solution, reference.fps, reference.size, stature=stature)
    shown = lift(still, placed.camera, stature=stature, fill="all")
    notes += [*placed.notes, *shown.notes]
    tall = float(still.boxes[0, 3] - still.boxes[0, 1])
    if tall < 0.2 * reference.size[1]:
        notes.append(
            f"the person is only {tall:.0f} pixels tall in the picture: proportions are mostly those of an average body"
        )
    return shown, placed.camera


def _pose(
    shown: Motion, camera: CameraPath, subject: Motion, old: CameraPath | None, turn: bool, notes: list[str]
) -> np.ndarray:
    """The first camera, [4, 4]: to the subject's first frame as the picture's camera is to its person."""
    start = subject.root_path()
    known = np.flatnonzero(np.isfinite(start[:, 0]))
    if not known.size:
        raise ValueError("the scene's person has no pelvis in any frame; fill missing joints first")
    here, there = start[known[0]], shown.root_path()[0]
    faces, shows = subject.facing()[known[0]], shown.facing()[0]
    if turn and np.isfinite(faces).all() and np.isfinite(shows).all():
        angle = _heading(faces) - _heading(shows)
    elif old is not None:
        angle = _heading(old.c2w[0, :3, 2]) - _heading(camera.c2w[0, :3, 2])
    else:
        angle = 0.0
    if turn and not (np.isfinite(faces).all() and np.isfinite(shows).all()):
        notes.append("it is not known which way the person faces: the scene's own side is kept")
    matrix = np.eye(4)
    matrix[:3, :3] = _about_y(angle)
    matrix[:3, 3] = (here - matrix[:3, :3] @ there) * [1.0, 0.0, 1.0]
    return np.asarray(matrix @ camera.c2w[0])


def _follow(
    old: CameraPath | None,
    first: np.ndarray,
    picture: CameraPath,
    before: Motion,
    after: Motion,
    frames: int,
    fps: float,
) -> CameraPath:
    """The scene's own camera movement, begun at another first pose."""
    lens = np.tile(picture.intrinsics[0], (frames, 1))
    poses = np.tile(first, (frames, 1, 1))
    if old is None or frames == 1:
        return CameraPath(poses, lens, picture.size, fps)
    lens[:, :2] *= old.intrinsics[:frames, :2] / old.intrinsics[0, :2]  # a zoom stays a zoom
    rotations = _about_y(_heading(first[:3, 2]) - _heading(old.c2w[0, :3, 2]))
    moved = old.c2w[:frames, :3, 3] - old.c2w[0, :3, 3]
    paths = [_known(motion.root_path()[:frames]) for motion in (before, after)]
    walked, walks = (path - path[0] for path in paths)
    share = 0.0
    if np.linalg.norm(walked, axis=1).max() > _FOLLOWS:
        share = float(np.clip((moved * walked).sum() / (walked**2).sum(), 0, 1))
    far, near = (float(np.linalg.norm(pose[:3, 3] - paths[0][0])) for pose in (first, old.c2w[0]))
    own = (moved - share * walked) * (far / max(near, 1e-6))
    poses[:, :3, 3] += own @ rotations.T + share * walks
    turned = old.c2w[:frames, :3, :3] @ old.c2w[0, :3, :3].T
    poses[:, :3, :3] = rotations @ turned @ rotations.T @ first[:3, :3]
    return CameraPath(poses, lens, picture.size, fps)


def _kept_in(camera: CameraPath, subject: Motion, allowed: float) -> tuple[CameraPath, float]:
    """The camera that goes along with as little of the subject's way as keeps them in the picture, and how much."""
    if _outside(subject, camera) <= allowed:
        return camera, 0.0
    way = _known(subject.root_path()[: camera.frames]) * [1.0, 0.0, 1.0]
    way = gaussian_filter1d(way, _CALM * camera.fps, axis=0, mode="nearest")
    best = camera, 0.0
    for share in _ALONG:
        poses = camera.c2w.copy()
        poses[:, :3, 3] += share * (way - way[0])
        along = replace(camera, c2w=poses)
        if _outside(subject, along) < _outside(subject, best[0]):
            best = along, share
        if _outside(subject, best[0]) <= allowed:
            break
    return best


def _outside(subject: Motion, camera: CameraPath) -> float:
    """Share of frames in which the pelvis is known and not in the picture."""
    root = subject.root_path()[: camera.frames]
    known = np.isfinite(root[:, 0])
    return float(1 - camera.visible(root[:, None])[known, 0].mean()) if known.any() else 0.0


def _preview(subject: Motion, camera: CameraPath, picture: np.ndarray | None) -> np.ndarray:
    points, _ = camera.project(smpl24_to_openpose18(subject.joints)[: camera.frames])
    confidence = np.where(np.isfinite(points[:1]).all(-1), OPENPOSE18_CONFIDENCE, 0.0)
    drawn = skeleton_map(points[:1, None], confidence[:, None], camera.size)[0]
    if picture is None:
        return drawn
    shown = drawn.any(axis=-1, keepdims=True)
    return np.where(shown, drawn, (0.6 * picture).astype(np.uint8))


def _known(path: np.ndarray) -> np.ndarray:
    """A path without gaps, on lines between its known points."""
    frames, known = np.arange(len(path)), np.flatnonzero(np.isfinite(path[:, 0]))
    return np.stack([np.interp(frames, known, path[known, axis]) for axis in range(3)], axis=1)


def _heading(direction: np.ndarray) -> float:
    return float(np.arctan2(direction[0], direction[2]))


def _about_y(angle: float) -> np.ndarray:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
