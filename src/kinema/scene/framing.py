"""A scene made ready for a video: its people (`cast`), which camera sees them, on the video's own frames."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from kinema.scene.camera import CameraPath
from kinema.scene.camera_language import camera_path
from kinema.scene.camera_laying import lay
from kinema.scene.cast import People, check_person, chosen, chosen_keypoints, for_stage, is_nobody
from kinema.scene.formats.camera_reading import CameraFile, CameraReading, FromCameraFile
from kinema.scene.formats.cameras import names_camera_file, read_as
from kinema.scene.formats.reading import AssumptionWarning
from kinema.scene.keypoints import DetectedPeople
from kinema.scene.lasting import WHOLE, Part, frame_times
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.scene.steady import steady

MAX_VIDEO_FRAMES = 20_000
"""Limit (ours) on the frames of a video."""

Camera = str | CameraPath | CameraFile | FromCameraFile
"""A camera in words, of a file, or a path."""

_WANDERS = 1.0  # metres round the start; who goes further is followed (ours)
_SAME_ASPECT = 0.02  # by which aspects may differ and nothing be said of it (ours)
_MOSTLY = 0.5  # share of the frames from which on it is said that somebody is outside the picture (ours)


def direct(
    scene: Scene | None,
    *,
    size: tuple[int, int],
    fps: float,
    people: People = None,
    camera: Camera | None = None,
    tracking: str = "auto",
    seconds: float | None = None,
    centre: bool = False,
    others: bool = False,
    say: Callable[[str], None] | None = None,
) -> Scene:
    """People of a scene and a camera, on the frames of a video.

    Args:
        scene: any; None where nobody is there and only the camera moves.
        size: (width, height) of the video.
        fps: its frames per second.
        people: who of the scene is there.
        camera: in words, a camera file, or a path; the scene's own, or a static one, where None.
        tracking: how a camera in words keeps the first person in view, see `scene_camera`.
        seconds: length at most; the scene's where None, also where nobody of it is there but another camera. Where
            nobody is there and nothing moves: the length.
        centre: move the people along the floor to the middle of the first camera's view.
        others: let who is no person be as it is, see `for_stage`.
        say: told what was assumed of a camera file and may be wrong; a warning where None.

    Returns:
        People on SMPL-24, in step with the camera.

    Raises:
        ValueError: no such person, words outside the camera language, a length out of range, or neither people nor
            camera.
        FormatError: a damaged camera file.
    """
    if scene is not None and scene.camera is None and camera is not None and is_nobody(people):
        lengths = [each for each in (seconds, scene.duration or None) if each is not None]
        scene, seconds = None, min(lengths, default=None)
    if scene is None:
        if camera is None:
            raise ValueError("nobody moves and no camera is given: there is nothing to show")
        camera = given_camera(camera)
        long = camera.camera if isinstance(camera, CameraFile) and camera.timed else camera
        if not isinstance(long, CameraPath):
            long = camera_path("static", size=size, fps=fps, frames=1)
        scene = Scene((), long, fps)
    cast = replace(for_stage(chosen(scene, people), others=others), keypoints=None)
    frames = frame_count(cast, fps, seconds)
    path = scene_camera(cast, camera, size=size, fps=fps, frames=frames, tracking=tracking, say=say)
    directed = in_step(cast, path)
    return centred(directed) if centre else directed


def direct_keypoints(
    detected: DetectedPeople, *, fps: float, people: People = None, part: Part = WHOLE
) -> DetectedPeople:
    """People who were detected in pictures, on the frames of a video; a single picture is held as long as is asked.

    Args:
        detected: at their own rate.
        fps: of the video.
        people: who of them is there.
        part: of their frames, and how long it is.

    Raises:
        ValueError: no such person, nobody, or a part or length out of range.
    """
    cast = chosen_keypoints(detected, people)
    start = part.start or 0.0
    if start > cast.duration:
        raise ValueError(f"nothing begins at {start:g} s: the keypoints last {cast.duration:.2f} s")
    if start or part.stop is not None:
        times = (
            start
            + np.arange(int((min(cast.duration, part.stop or np.inf) - start) * cast.fps + 1e-6) + 1)
            / cast.fps
        )
        cast = DetectedPeople(tuple(person.resample(cast.fps, times) for person in cast.people))
    longer = part.seconds is not None and part.beyond != "end"
    frames = frame_count(Scene((), None, fps) if longer else cast, fps, part.seconds)
    times = frame_times(cast, np.arange(frames) / fps, part.beyond)
    return DetectedPeople(tuple(person.resample(fps, times) for person in cast.people))


def scene_camera(
    scene: Scene,
    camera: Camera | None,
    *,
    size: tuple[int, int],
    fps: float,
    frames: int,
    person: int = 0,
    fov: float = 40.0,
    tracking: str = "auto",
    say: Callable[[str], None] | None = None,
) -> CameraPath:
    """The camera that is asked for.

    Args:
        scene: where `camera` is None its own camera is taken, or a static one where it has none.
        camera: the camera language, a camera file, or a path.
        size: (width, height).
        fps: frames per second.
        frames: number of frames.
        person: whom a camera in words frames, and in front of whom a path from another world is laid; where nobody is
            there, somebody imagined at the origin.
        fov: vertical field of view, degrees, where no file has one.
        tracking: none, pan or follow as in the camera language; auto follows a person who walks away. A path from
            another world moves along with whoever is followed.
        say: told what was assumed of a camera file and may be wrong; a warning where None.

    Raises:
        ValueError: words that are not in the camera language, or no such person.
        FormatError: a damaged camera file.
    """
    if scene.people or person:
        check_person(scene, person)
    given = scene.camera if camera is None else given_camera(camera)
    if isinstance(given, CameraPath):
        fitted = fit_camera(given, size=size, fps=fps, frames=frames)
        if scene.people and (line := cut_off(scene, given, fitted, person)):
            _say(line, say)
        return fitted
    subject = scene.people[person] if scene.people else None
    if tracking == "auto":
        tracking = "follow" if subject is not None and _wanders(subject, frames / fps) else "none"
    if isinstance(given, CameraFile):
        laid = lay(
            given,
            scene,
            size=size,
            fps=fps,
            frames=frames,
            person=person,
            fov=fov,
            carried=tracking == "follow" and subject is not None,
        )
        for doubt in laid.doubts:
            _say(f"{given.kind}: {doubt}", say)
        return laid.path
    return camera_path(
        camera if isinstance(camera, str) else "static",
        size=size,
        fps=fps,
        frames=frames,
        subject=subject,
        fov=fov,
        tracking=tracking,  # type: ignore[arg-type]  # checked there
        keep_in_frame=tracking == "none",
    )


def given_camera(camera: Camera) -> str | CameraPath | CameraFile:
    """A camera that was asked for, read where it is a file; words stay words.

    Raises:
        FormatError, FileNotFoundError: no camera file, damaged, or not there.
    """
    if isinstance(camera, FromCameraFile):
        reading = CameraReading(
            **{name: getattr(camera, name) for name in CameraReading.__dataclass_fields__}
        )
        return read_as(camera.path, reading)
    if isinstance(camera, (CameraPath, CameraFile)) or not names_camera_file(camera):
        return camera
    return read_as(camera, CameraReading())


def unseen(scene: Scene) -> Iterator[str]:
    """What is to be said, before the work, of people whom the camera of a scene in step does not see."""
    assert scene.camera is not None
    shares = [outside(person, scene.camera) for person in scene.people]
    if len(shares) > 1 and min(shares) == 1:
        yield "the camera never sees anybody"
        return
    for number, share in enumerate(shares):
        if share > _MOSTLY:
            yield f"person {number} is outside the picture for {share:.0%} of the time"


def cut_off(scene: Scene, camera: CameraPath, fitted: CameraPath, person: int) -> str:
    """What is to be said where another aspect cuts a person whom the camera itself sees; "" where it does not.

    Args:
        scene: with the person, in its own time.
        camera: before it was fitted.
        fitted: the camera at the size of the video, see `fit_camera`.
        person: whose joints count.
    """
    (width, height), (wide, high) = camera.size, fitted.size
    if abs(width * high / (height * wide) - 1) < _SAME_ASPECT:
        return ""
    own = fit_camera(camera, size=camera.size, fps=fitted.fps, frames=fitted.frames)
    joints = in_step(scene, fitted).people[person].joints
    cut = float((own.visible(joints) & ~fitted.visible(joints)).any(axis=1).mean())
    if cut <= _MOSTLY:
        return ""
    better = same_aspect(camera.size, (wide, high))
    return (
        f"{wide}x{high} cuts person {person} for {cut:.0%} of the time: the scene's own camera has {width}x{height}; "
        f"--size {better[0]}x{better[1]} shows all that it sees"
    )


def same_aspect(shape: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """A size with the aspect of `shape` and about as many pixels as `size`; even, as videos want it."""
    scale = float(np.sqrt(size[0] * size[1] / (shape[0] * shape[1])))
    width, height = (max(2 * round(side * scale / 2), 16) for side in shape)
    return width, height


def fit_camera(camera: CameraPath, *, size: tuple[int, int], fps: float, frames: int) -> CameraPath:
    """The camera at another size (crop to fill) and frame rate, cut to `frames` frames or held at its end."""
    times = np.minimum(np.arange(frames) / fps, camera.duration)
    return camera.resize(*size).resample(fps, times)


def frame_count(scene: Scene | Motion | DetectedPeople, fps: float, seconds: float | None = None) -> int:
    """Frames of a scene or motion at `fps`, at most `seconds` of it; a still lasts as long as is asked.

    Raises:
        ValueError: a frame rate or length out of range.
    """
    if not 0 < fps <= 240:
        raise ValueError(f"fps {fps:g}: give between 0 and 240 frames per second")
    if seconds is not None and not 0 < seconds <= 3600:
        raise ValueError(f"seconds {seconds:g}: give a length above 0 and at most 3600")
    duration = scene.duration if seconds is None else min(seconds, scene.duration or seconds)
    frames = int(duration * fps + 1e-6) + 1
    if frames > MAX_VIDEO_FRAMES:
        raise ValueError(
            f"{frames} frames are more than {MAX_VIDEO_FRAMES}; take a part (seconds), or a lower frame rate (fps)"
        )
    return frames


def in_step(scene: Scene, camera: CameraPath) -> Scene:
    """The scene seen by `camera`, with every person at the camera's frame rate and number of frames."""
    return replace(scene, camera=camera, fps=camera.fps).crop(0.0, camera.duration)


def centred(scene: Scene) -> Scene:
    """Moves the people sideways, by one shift, so that they start on the axis of the first camera.

    The scene is moved and not the signals, so that every control agrees; the shift is along the floor.

    Raises:
        ValueError: nobody whose root joint is known, or no camera to see them.
    """
    paths = [person.root_path() for person in scene.people]
    starts = [path[known][0] for path in paths if (known := np.isfinite(path).all(-1)).any()]
    if not starts or scene.camera is None:
        lacking = "camera" if starts else "person whose root joint is known"
        raise ValueError(f"the scene has no {lacking}: centring needs both")
    middle = np.mean(starts, axis=0)
    right, position = scene.camera.c2w[0, :3, 0], scene.camera.c2w[0, :3, 3]
    along = right * (1, 0, 1)
    shift = -((middle - position) @ right) / (along @ right) * along
    return replace(scene, people=tuple(person.translate(shift) for person in scene.people))


def calm(scene: Scene) -> Scene:
    """The scene on SMPL-24 with people who tremble less (`steady`); what was filled in stays filled in.

    Raises:
        ValueError: a person whose joints have no known mapping to SMPL-24.
    """
    before = for_stage(scene)
    pairs = zip(before.people, steady(before).people, strict=True)
    return replace(before, people=tuple(_refilled(after, person) for person, after in pairs))


def outside(person: Motion, camera: CameraPath) -> float:
    """Share of the frames in which a camera in step with a person does not see the root joint.

    Args:
        person: T frames.
        camera: T frames at the same rate.
    """
    return float(1 - camera.visible(person.root_path()[:, None]).mean())


def _say(line: str, say: Callable[[str], None] | None) -> None:
    if say is None:
        warnings.warn(line, AssumptionWarning, stacklevel=4)
    else:
        say(line)


def _wanders(person: Motion, seconds: float) -> bool:
    """Whether someone leaves a circle round the start: a still camera would lose them."""
    path = person.root_path()[: int(seconds * person.fps) + 1, [0, 2]]
    return bool(np.nanmax(np.linalg.norm(path - path[0], axis=1), initial=0.0) > _WANDERS)


def _refilled(after: Motion, before: Motion) -> Motion:
    """`after` with the joints of `before` where they are missing now and were not; their confidence stays low."""
    gone = np.isnan(after.joints).any(-1) & np.isfinite(before.joints).all(-1)
    if after is before or not gone.any() or before.confidence is None:
        return after
    assert after.confidence is not None
    return replace(
        after,
        joints=np.where(gone[..., None], before.joints, after.joints),
        confidence=np.where(gone, before.confidence, after.confidence),
    )
