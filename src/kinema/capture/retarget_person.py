"""A scene for the person in a reference picture: their proportions, their place in it, the camera's side (ours)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kinema.capture.lifting import LiftedPerson, lift
from kinema.capture.lifting_body import STATURE
from kinema.capture.observation import CameraSolution, PersonTrack
from kinema.capture.placing import place
from kinema.scene.camera import CameraPath, intrinsics_from_fov
from kinema.scene.camera_follow import about_y, follow, heading_of
from kinema.scene.camera_framing import subject_track
from kinema.scene.mappings import OPENPOSE18_CONFIDENCE, smpl24_to_openpose18
from kinema.scene.motion import FILLED, Motion
from kinema.scene.scene import Scene
from kinema.signals.skeleton_map import skeleton_map

_FOV = 40.0  # degrees, vertical; of a picture that nobody knows the lens of
_MISSES = 0.04  # share of the person's height; a body further from what is seen is doubtful (ours)
_OTHER_POSE = 0.12  # the same, between the picture and the motion's first frame (ours)
_LIMBS = {"arms": (18, 19, 20, 21), "legs": (4, 5, 7, 8)}
LEAVES = 0.1
"""Share of the frames without most of what the first shows of a person, from which on they leave the picture (ours)."""


class TooLittleSeen(ValueError):
    """A picture that shows too little of a person to tell where they stand."""


@dataclass(frozen=True, eq=False)
class Matched:
    """A scene that fits a picture.

    Args:
        scene: the person with the proportions of the one in the picture; the camera has the picture's size, or the
            window's, and begins where the picture was taken from.
        preview: the first frame's skeleton over that part of the picture, uint8 [H, W, 3].
        follows: whether the camera was made to go along with the person.
        notes: sentences for people: what was assumed, what is doubtful.
    """

    scene: Scene
    preview: np.ndarray
    follows: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Matching:
    """How a scene is fitted to a picture.

    Args:
        person: which of the scene's people.
        focal: of the picture, pixels; a vertical field of view of 40 degrees where None.
        stature: of the picture's person, metres; 1.70 where None.
        turn: the camera sees the person from the side that the picture shows; False keeps the scene's own side.
        window: left, top, right, bottom of the part of the picture that is shown; all of it where None.
        follow: whether the camera goes along with the person; where None, if they would leave the picture.
        seconds: how much of the scene is shown, all of it where None: for who leaves the picture.
    """

    person: int = 0
    focal: float | None = None
    stature: float | None = None
    turn: bool = True
    window: tuple[int, int, int, int] | None = None
    follow: bool | None = None
    seconds: float | None = None


def match_reference(
    scene: Scene,
    reference: PersonTrack,
    matching: Matching | None = None,
    *,
    picture: np.ndarray | None = None,
) -> Matched:
    """Gives a scene's person the body of the one in a picture, and its camera the picture's place.

    People stay where they are in the world, on the floor; the camera is moved. What it did from its first frame on it
    still does: what it went along with the person it goes along with the new body, the rest in proportion to its new
    distance. Where the person would leave the picture, which may show them larger than the scene's own camera did, the
    camera goes along with them.

    Args:
        scene: any scene.
        reference: the person in the picture; the first frame in which they were seen counts.
        matching: how; the defaults where None.
        picture: for the preview, uint8 [H, W, 3]; black where None.

    Raises:
        TooLittleSeen: of the picture's person.
        ValueError: no such person, or a picture of another size.
    """
    matching = matching or Matching()
    person = matching.person
    if not 0 <= person < len(scene.people):
        raise ValueError(f"person {person}: the scene has {len(scene.people)}, counted from 0")
    width, height = reference.size
    if picture is not None and picture.shape != (height, width, 3):
        raise ValueError(
            f"the picture has shape {list(picture.shape)}; its keypoints were found in {width}x{height}"
        )
    notes: list[str] = []
    shown, camera = _picture(reference, matching.focal, matching.stature, notes)
    if matching.window is not None:
        left, top, right, bottom = matching.window
        camera = replace(
            camera, intrinsics=camera.intrinsics - [0, 0, left, top], size=(right - left, bottom - top)
        )
        picture = None if picture is None else picture[top:bottom, left:right]
    scene = scene.at(scene.fps)
    before = scene.people[person].to_smpl24()
    after = before.retarget(shown.motion.skeleton)
    first = _pose(shown.motion, camera, before, scene.camera, matching.turn, notes)
    path = _moved(scene, first, camera, before, after, along=bool(matching.follow))
    if _apart(shown.motion, camera, after, path) > _OTHER_POSE:
        notes.append(
            "the motion does not begin in the pose of the picture: its first frame will not lie on the person (somebody "
            "who stands as the motion begins is matched best)"
        )
    gone = leaving(after, path, matching.seconds)
    follows = bool(matching.follow)
    if gone > LEAVES and matching.follow is None:
        carried = _moved(scene, first, camera, before, after, along=True)
        still = leaving(after, carried, matching.seconds)
        if still < gone:
            notes.append(
                f"seen like this, the person would leave the picture for {gone:.0%} of the time: the camera goes along "
                "with them (--tracking none leaves it where it is)"
            )
            path, gone, follows = carried, still, True
    if gone > LEAVES:
        notes.append(f"seen like this, the person is outside the picture for {gone:.0%} of the time")
    people = tuple(after if number == person else other for number, other in enumerate(scene.people))
    matched = replace(scene, people=people, camera=path)
    return Matched(matched, _preview(after, path, picture), follows, tuple(notes))


def leaving(subject: Motion, camera: CameraPath, seconds: float | None = None) -> float:
    """Share of the frames that show less than half of the joints that the first frame shows of a person.

    Args:
        subject: of the camera's frame rate.
        camera: whose picture they leave.
        seconds: how much counts, all of it where None.

    Returns:
        1 where the first frame shows none.
    """
    frames = camera.frames if seconds is None else min(camera.frames, int(seconds * camera.fps + 1e-6) + 1)
    seen = camera.visible(subject.joints[: camera.frames])[:frames]
    kept = seen[:, seen[0]]
    return float((kept.mean(axis=1) < 0.5).mean()) if kept.shape[1] else 1.0


def _picture(
    reference: PersonTrack, focal: float | None, stature: float | None, notes: list[str]
) -> tuple[LiftedPerson, CameraPath]:
    """The person in the picture and the camera that took it, in a world of their own."""
    seen = np.flatnonzero(reference.seen)
    if not seen.size:
        raise TooLittleSeen("nobody was found in the reference picture")
    frame = slice(int(seen[0]), int(seen[0]) + 1)
    still = replace(
        reference,
        points=reference.points[frame],
        confidence=reference.confidence[frame],
        boxes=reference.boxes[frame],
        joints=None if reference.joints is None else reference.joints[frame],
    )
    said = [
        "" if focal else f"a vertical field of view of {_FOV:.0f} degrees",
        "" if stature else f"a height of {STATURE:.2f} m",
    ]
    if any(said):
        notes.append(
            f"{' and '.join(filter(None, said))} assumed: nothing tells the lens and the person's size"
        )
    if focal is None:
        lens = intrinsics_from_fov(_FOV, reference.size)
    else:
        lens = (focal, focal, reference.size[0] / 2, reference.size[1] / 2)
    solution = CameraSolution("static", np.eye(4)[None], np.array([lens]))
    placed = place([still], solution, reference.fps, reference.size, stature=stature)
    try:
        shown = lift(still, placed.camera, stature=stature, fill="all")
    except ValueError as error:
        raise TooLittleSeen(str(error)) from None
    tall = float(still.boxes[0, 3] - still.boxes[0, 1])
    if shown.residual > _MISSES * tall:
        notes.append(
            f"the body misses what is seen of the person by {shown.residual:.0f} pixels: it is doubtful"
        )
    notes += _filled(shown.motion)
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


def _moved(
    scene: Scene, first: np.ndarray, picture: CameraPath, before: Motion, after: Motion, *, along: bool
) -> CameraPath:
    """The scene's own camera movement, begun at another first pose; `along` goes wherever the new body goes."""
    walks = _walk(after)[: scene.frames] if along else None
    return follow(scene.camera, first, picture, before, after, scene.frames, scene.fps, walks)


def _apart(shown: Motion, camera: CameraPath, after: Motion, path: CameraPath) -> float:
    """How far the first frame is from the picture's person: joints' median distance for the person's height."""
    first = replace(path, c2w=path.c2w[:1], intrinsics=path.intrinsics[:1])
    at, there = (one.project(motion.joints[:1])[0][0] for one, motion in ((camera, shown), (first, after)))
    tall = np.ptp(at[:, 1])
    apart = np.linalg.norm(at - there, axis=-1) / max(tall, 1e-9)
    return float(np.median(apart[np.isfinite(apart)])) if np.isfinite(apart).any() else np.inf


def _walk(subject: Motion) -> np.ndarray:
    """How far somebody has gone along the floor, smoothed as for every camera that follows, metres [T, 3]."""
    path = subject_track(subject).path
    return np.stack([path[:, 0] - path[0, 0], np.zeros(len(path)), path[:, 1] - path[0, 1]], axis=1)


def _filled(motion: Motion) -> list[str]:
    """What of the person the picture does not show."""
    assert motion.confidence is not None
    filled = np.isclose(motion.confidence[0], FILLED)
    limbs = [name for name, joints in _LIMBS.items() if filled[list(joints)].all()]
    if not limbs:
        return []
    return [f"{' and '.join(limbs)} are not in the picture: they are filled in as of somebody who stands"]


def _preview(subject: Motion, camera: CameraPath, picture: np.ndarray | None) -> np.ndarray:
    points, _ = camera.project(smpl24_to_openpose18(subject.joints)[: camera.frames])
    confidence = np.where(np.isfinite(points[:1]).all(-1), OPENPOSE18_CONFIDENCE, 0.0)
    drawn = skeleton_map(points[:1, None], confidence[:, None], camera.size)[0]
    if picture is None:
        return drawn
    shown = drawn.any(axis=-1, keepdims=True)
    return np.where(shown, drawn, (0.6 * picture).astype(np.uint8))
