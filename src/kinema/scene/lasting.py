"""A part of a scene, and a scene that goes on after its end: held, or repeated with a cross-fade."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from kinema.scene import body_frame
from kinema.scene.keypoints import DetectedPeople
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene

Beyond = Literal["end", "hold", "loop"]
"""What comes after a motion's end: nothing, the last frame, or the motion again, from where it has led."""

BLEND = 0.3
"""Seconds over which a repetition is faded in (ours), at most a third of the motion."""


@dataclass(frozen=True)
class Part:
    """Which part of a motion is meant, and how long the result is; the words are those of the command line.

    Args:
        start: second of the motion at which the result begins; its beginning where None.
        stop: second of the motion at which the result ends; its end where None.
        seconds: length of the result at most, from `start`; as long as the motion goes where None.
        beyond: what comes where the motion is shorter than `seconds`.
    """

    start: float | None = None
    stop: float | None = None
    seconds: float | None = None
    beyond: Beyond = "end"

    def __post_init__(self) -> None:
        if self.beyond not in get_args(Beyond):
            raise ValueError(f"beyond {self.beyond!r}: there are {', '.join(get_args(Beyond))}")
        start = 0.0 if self.start is None else self.start
        if not 0 <= start < np.inf:
            raise ValueError(f"from {start:g} s: a motion begins at 0 s")
        if self.stop is not None and not start <= self.stop < np.inf:
            raise ValueError(f"to {self.stop:g} s: that is before the beginning at {start:g} s")
        if self.seconds is not None and not 0 < self.seconds <= 3600:
            raise ValueError(f"seconds {self.seconds:g}: give a length above 0 and at most 3600")

    def of(self, scene: Scene) -> Scene:
        """That part of a scene, gone on with as `beyond` says; where it just ends it may be shorter than asked.

        Raises:
            ValueError: the scene ends before the part begins, or cannot be repeated.
        """
        if self.start is not None or self.stop is not None:
            scene = cut(scene, self.start or 0.0, self.stop)
        return lasting(scene, self.seconds, self.beyond)

    def shortfall(self, lasts: float, what: str = "motion") -> str | None:
        """What a person should know where less was there than was asked for.

        Args:
            lasts: seconds of what was there, from its beginning and not from `start`.
            what: it is.
        """
        start = 0.0 if self.start is None else self.start
        ends = [end for end in (self.stop, self.seconds and start + self.seconds) if end is not None]
        if not lasts or not ends or min(ends) <= lasts + 0.05:
            return None
        if self.beyond != "end" and self.seconds is not None:
            return None
        more = "; --beyond hold or loop goes on" if self.seconds is not None else ""
        return f"the {what} lasts {lasts:.1f} s, and the result ends there, not at {min(ends):g} s{more}"


WHOLE = Part()
"""All of a motion, once."""


def cut(scene: Scene, start: float, stop: float | None) -> Scene:
    """The part of a scene from start to stop, seconds, or to its end where that comes first.

    Raises:
        ValueError: it ends before.
    """
    if scene.duration == 0 and start == 0:
        return scene
    if start > scene.duration:
        raise ValueError(f"nothing begins at {start:g} s: the motion lasts {scene.duration:.2f} s")
    return scene.crop(start, scene.duration if stop is None else min(stop, scene.duration))


def lasting(scene: Scene, seconds: float | None, beyond: Beyond) -> Scene:
    """A scene that lasts at least so long; its own camera is held at its end.

    Repeated, the first person goes on from where and as they ended, and the others with them.

    Args:
        scene: any; one in which nothing moves stays as it is, because a still lasts for ever.
        seconds: asked for.
        beyond: "end" leaves the scene as it is.

    Raises:
        ValueError: the root of the first person is not known where the motion meets itself.
    """
    duration = scene.duration
    if seconds is None or beyond == "end" or not 0 < duration < seconds:
        return scene
    people = tuple(person if person.frames == 1 else person.crop(0.0, duration) for person in scene.people)
    camera = scene.camera
    if camera is not None and camera.frames > 1:
        times = np.arange(int(np.ceil(seconds * camera.fps)) + 1) / camera.fps
        camera = camera.resample(camera.fps, np.minimum(times, camera.duration))
    people = _held(people, seconds) if beyond == "hold" else _repeated(people, seconds)
    return replace(scene, people=people, camera=camera, keypoints=None)


def frame_times(detected: DetectedPeople, times: np.ndarray, beyond: Beyond) -> np.ndarray:
    """Moments [N] of people in pictures, where later ones than the last are held or begin again from the first."""
    if beyond != "loop" or not detected.duration:
        return np.minimum(times, detected.duration)
    return np.minimum(times % (detected.duration + 1 / detected.fps), detected.duration)


def _held(people: tuple[Motion, ...], seconds: float) -> tuple[Motion, ...]:
    def hold(person: Motion) -> Motion:
        if person.frames == 1:
            return person
        times = np.arange(int(np.ceil(seconds * person.fps)) + 1) / person.fps
        return person.resample(person.fps, np.minimum(times, person.duration))

    return tuple(hold(person) for person in people)


def _repeated(people: tuple[Motion, ...], seconds: float) -> tuple[Motion, ...]:
    """Twice as long until it is long enough, which is as good as once more and once more."""
    moving = [person for person in people if person.frames > 1]
    blend = min(BLEND, moving[0].duration / 3)
    while moving[0].duration < seconds:
        first = moving[0]
        turn, about, shift = _onto(first, blend)
        moving = [
            Motion.concatenate(
                person, person.rotate_y(turn, about=about).translate(shift), blend, align=False
            )
            for person in moving
        ]
    again = iter(moving)
    return tuple(person if person.frames == 1 else next(again) for person in people)


def _onto(person: Motion, blend: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Turn (degrees), the point about which, and shift along the floor that let a motion go on from its own end."""
    overlap = min(round(blend * person.fps) + 1, person.frames)
    there, here = person.frames - overlap + overlap // 2, overlap // 2
    facing, path = person.facing(), person.root_path()
    if np.isnan(path[[here, there]]).any():
        raise ValueError(
            "the root is not known where the motion meets itself: it cannot be repeated, but held"
        )
    turn = np.degrees(body_frame.yaw(facing[there]) - body_frame.yaw(facing[here]))
    shift = (path[there] - path[here]) * [1.0, 0.0, 1.0]
    return 0.0 if np.isnan(turn) else float(turn), path[here], shift
