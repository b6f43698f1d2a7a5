"""A scene for the person in a reference picture: their proportions, their place in it, the camera's side (ours)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kinema.capture.lifting import LiftedPerson, lift
from kinema.capture.observation import CameraSolution, PersonTrack
from kinema.capture.placing import place
from kinema.scene.camera import CameraPath, intrinsics_from_fov
from kinema.scene.camera_follow import about_y, follow, heading_of
from kinema.scene.mappings import OPENPOSE18_CONFIDENCE, smpl24_to_openpose18
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.signals.skeleton_map import skeleton_map

_FOV = 40.0  # degrees, vertical; of a picture that nobody knows the lens of


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
    distance.

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
    path = follow(scene.camera, first, camera, before, after, scene.frames, scene.fps)
    people = tuple(after if number == person else other for number, other in enumerate(scene.people))
    matched = replace(scene, people=people, camera=path)
    outside = _outside(after, path)
    if outside > max(0.05, 0.0 if scene.camera is None else _outside(before, scene.camera) + 0.05):
        notes.append(
            f"seen like this, the person is outside the picture for {100 * outside:.0f} % of the time"
        )
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
        angle = heading_of(faces) - heading_of(shows)
    elif old is not None:
        angle = heading_of(old.c2w[0, :3, 2]) - heading_of(camera.c2w[0, :3, 2])
    else:
        angle = 0.0
    if turn and not (np.isfinite(faces).all() and np.isfinite(shows).all()):
        notes.append("it is not known which way the person faces: the scene's own side is kept")
    matrix = np.eye(4)
    matrix[:3, :3] = about_y(angle)
    matrix[:3, 3] = (here - matrix[:3, :3] @ there) * [1.0, 0.0, 1.0]
    return np.asarray(matrix @ camera.c2w[0])


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
