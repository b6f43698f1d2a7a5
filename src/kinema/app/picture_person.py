"""The person in a character's picture: the part of it that is shown, and a scene with their body and place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kinema.app.progress import Progress
from kinema.media.windows import Window, share_within, window_round
from kinema.scene import CameraPath, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.framing import frame_count

if TYPE_CHECKING:
    from PIL import Image

    from kinema.capture.observation import PersonTrack
    from kinema.capture.retarget_person import Matched, Matching

_MOST_PEOPLE = 4
"""Who is looked for in a picture (ours): the largest of them counts."""

_HAIR = 0.25
"""Of the way between the shoulders, added above a person's box (ours)."""

_ALL_OF_THEM = 0.98
"""Share of a person's box from which on they are all in the picture (ours)."""


@dataclass(frozen=True, eq=False)
class PicturePerson:
    """A character's picture as it is shown, and who is in it.

    Args:
        whole: the picture as it was given.
        window: the part of it that is shown.
        person: who is in it, as a track of one frame on the whole picture; None where nobody was found.
    """

    whole: Image.Image
    window: Window
    person: PersonTrack | None

    @property
    def shown(self) -> Image.Image:
        """The part that is shown."""
        if self.window == (0, 0, *self.whole.size):
            return self.whole
        return self.whole.crop(self.window)


def find_person(picture: Image.Image, detector: str = "mediapipe") -> tuple[PersonTrack | None, int]:
    """The largest person in a picture as a track of one frame, and how many people there are.

    Raises:
        DetectorUnavailable: the detector cannot run here.
    """
    from kinema.capture.detectors import open_detector
    from kinema.capture.people import People, choose

    pixels = np.asarray(picture)
    with open_detector(detector, people=_MOST_PEOPLE) as eyes:
        people = People(eyes.layout)
        people.add(eyes.detect(pixels[None]))
    found = people.finish(1.0, picture.size)
    return (choose(found), len(found)) if found else (None, 0)


def look_at_picture(picture: Image.Image, shape: tuple[int, int], progress: Progress) -> PicturePerson:
    """Who is in a picture, and the part of it round them that has the shape of the video.

    What is cut off, that several people are there, or that nobody could be looked for, becomes notes; that nobody was
    found does not, since nobody need be there.

    Args:
        picture: RGB.
        shape: (width, height) of the video.
        progress: takes the notes.
    """
    from kinema.capture.detectors import DetectorUnavailable

    person, people = None, 0
    try:
        person, people = find_person(picture)
    except DetectorUnavailable as error:
        progress.note(f"picture: nobody could be looked for in it, its middle is shown ({error})")
    if person is None:
        return PicturePerson(picture, window_round(picture.size, shape), None)
    box = _figure(person)
    window = window_round(picture.size, shape, box)
    if people > 1:
        progress.note(f"picture: there are {people} people or more in it; the largest is the character")
    if share_within(box, window) < _ALL_OF_THEM:
        progress.note(
            f"picture: the person does not fit into a video of {shape[0]}x{shape[1]}, what sticks out is cut off "
            f"(--size can give the shape of the picture, {picture.width}x{picture.height}, with a model that makes it)"
        )
    return PicturePerson(picture, window, person)


def _figure(person: PersonTrack) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of somebody with the hair, which keypoints of a face leave out."""
    from kinema.capture.lifting_body import body_keypoints

    left, top, right, bottom = (float(side) for side in person.boxes[0])
    shoulders = body_keypoints(person).points[0, [16, 17]]
    across = float(np.linalg.norm(shoulders[0] - shoulders[1]))
    if np.isfinite(across):
        top = max(0.0, top - _HAIR * across)
    return left, top, right, bottom


def matched_to_picture(
    scene: Scene, picture: PicturePerson, matching: Matching, progress: Progress
) -> Matched | None:
    """The scene with the body, the place and the camera's side of the person in a picture; None where that cannot be.

    What was assumed, or that nobody was found, becomes notes.

    Args:
        scene: whose motion drives the character.
        picture: of the character.
        matching: who of the scene, and how.
        progress: takes the notes.
    """
    from kinema.capture.retarget_person import TooLittleSeen, match_reference

    if picture.person is None:
        progress.note(
            "nobody was found in the picture: the motion keeps its own proportions and camera, and will not lie on the "
            "picture's figure (a photograph of one person from head to feet is matched best)"
        )
        return None
    try:
        matched = match_reference(
            scene, picture.person, replace(matching, window=picture.window), picture=np.asarray(picture.whole)
        )
    except TooLittleSeen:
        progress.note(
            "the picture shows too little of the person to fit the motion to them: it keeps its own proportions and "
            "camera, and will not lie on them (give a picture that shows at least head, shoulders and arms)"
        )
        return None
    for line in matched.notes:
        progress.note(f"picture: {line}")
    return matched


def camera_from_picture(
    words: str, scene: Scene, person: int, fps: float, seconds: float | None, tracking: str
) -> CameraPath:
    """A camera in words that begins where the picture was taken from, with the picture's lens.

    Args:
        words: of the camera language.
        scene: matched to the picture: its camera begins there, at the size of what is shown.
        person: whom the words are about.
        fps: frames per second.
        seconds: length at most; the scene's where None.
        tracking: none, pan or follow; auto follows who would leave the picture of a still camera.

    Raises:
        CameraLanguageError, ValueError: as `camera_path`.
    """
    from kinema.capture.retarget_person import LEAVES, leaving

    assert scene.camera is not None
    subject, first = scene.people[person], scene.camera
    frames = frame_count(scene, fps, seconds)
    if tracking == "auto":
        still = CameraPath.static(first.c2w[0], first.intrinsics[0], first.size, scene.fps, subject.frames)
        tracking = "follow" if leaving(subject, still, seconds) > LEAVES else "none"
    path = camera_path(
        words,
        size=first.size,
        fps=fps,
        frames=frames,
        subject=subject,
        start=first.c2w[0],
        tracking=tracking,  # type: ignore[arg-type]  # checked there
    )
    lens = np.tile(first.intrinsics[0], (frames, 1))
    lens[:, :2] *= path.intrinsics[:, :2] / path.intrinsics[0, :2]
    return replace(path, intrinsics=lens)
