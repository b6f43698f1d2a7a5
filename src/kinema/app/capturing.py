"""Files, videos and objects as scenes: what drives a character, and the body of the person in a picture."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.app.keypoints import is_keypoints
from kinema.app.progress import Progress
from kinema.app.request import AnyPath, FromFile, FromKeypoints, FromVideo
from kinema.media.decoding import is_video
from kinema.scene import DetectedPeople, Motion, Scene
from kinema.scene.cast import check_person, is_person
from kinema.scene.formats import read_motion_file
from kinema.scene.joint_rules import lacking

if TYPE_CHECKING:
    from kinema.capture.observation import Capture


def captured(path: str | os.PathLike[str], progress: Progress, **options: Any) -> Capture:
    """The capture of a video; what it assumed or missed becomes notes.

    Args:
        path: the video.
        progress: told how far it is.
        options: of `kinema.capture.capture.capture`.

    Raises:
        ValueError, OSError: as `capture`.
    """
    from kinema.capture.capture import capture

    made = capture(path, progress=progress.step, **options)
    for line in made.notes:
        progress.note(line)
    return made


def with_prior(made: Capture, name: str, text: str, seed: int, fill: Any) -> Capture:
    """A capture whose unseen joints a paper's prior has made.

    Args:
        made: captured with everything filled.
        name: of the paper.
        text: what its people do; empty where nobody says it.
        seed: of the prior.
        fill: how much of what is filled is kept, as for `capture`.

    Raises:
        ValueError: no such prior.
    """
    from kinema.capture.filling import left_filled
    from kinema.papers import find

    prior = find("capture.prior", name)
    people = tuple(left_filled(prior(person, text, seed), fill) for person in made.scene.people)
    settings = {**made.settings, "fill": fill, "prior": name, "doing": text or None}
    return replace(made, scene=replace(made.scene, people=people), settings=settings)


Source = AnyPath | Scene | Motion | DetectedPeople | FromFile | FromVideo | FromKeypoints
"""What may bring people; keypoints bring no scene, see `kinema.app.keypoints`."""


def scene_of(source: Source, progress: Progress, *, everybody: bool = False, faces: bool = False) -> Scene:
    """The scene that a file, a video or an object brings.

    Args:
        source: see `VideoRequest.motion`.
        progress: of reading a video.
        everybody: whether all people of a video are meant, or the largest, where the request does not say.
        faces: of a video keep what is seen of faces and hands, too.

    Raises:
        FormatError, FileNotFoundError: not a motion, scene or video, damaged, or not there.
        ValueError: no such unit, keypoints without depth, or as `capture`.
    """
    if isinstance(source, (DetectedPeople, FromKeypoints)) or is_keypoints(source):
        raise ValueError(
            "a folder or .json file holds keypoints in pictures: they have no depth, and can but drive `kinema animate`"
        )
    if isinstance(source, Scene):
        return source
    if isinstance(source, Motion):
        return Scene((source,), None, source.fps)
    if isinstance(source, FromVideo):
        return video_as_motion(source, progress, everybody=everybody, faces=faces)
    if not isinstance(source, (FromFile, str, os.PathLike)):
        raise ValueError(f"motion: give a file, a motion or a scene, not a {type(source).__name__}")
    if not isinstance(source, FromFile):
        source = FromFile(source)
    if is_video(source.path):
        video = FromVideo(source.path, source_fps=source.source_fps)
        return video_as_motion(video, progress, everybody=everybody, faces=faces)
    file = read_motion_file(source.path, **source.words)
    for doubt in file.doubts:
        progress.note(str(doubt))
    said = any("one frame" in str(doubt) for doubt in file.doubts)
    if file.scene.people and not file.scene.duration and not said:
        progress.note("the file has one frame: a pose that stands still")
    return file.scene


def say_sticks(scene: Scene, progress: Progress) -> None:
    """Says in a note who of a scene for the stage is no person."""
    others = [number for number, each in enumerate(scene.people) if not is_person(each)]
    for number in others:
        who = f"number {number} is not a person" if len(scene.people) > 1 else "not a person"
        skeleton = scene.people[number].skeleton
        what = lacking(skeleton) or "If it is one, say which joint is which: --joints map.json"
        progress.note(
            f"{who}: filmed as sticks ({len(skeleton)} joints); only a preview, no model can be driven by it. "
            f"{what[0].upper()}{what[1:]}"
        )


def person_of(source: Source, person: int, progress: Progress) -> Motion:
    """One person of a motion or scene file, of a video, or of a scene.

    Raises:
        ValueError: there is no such person.
        FormatError, FileNotFoundError: as `scene_of`.
    """
    scene = scene_of(source, progress)
    check_person(scene, person)
    return scene.people[person]


def video_as_motion(
    video: FromVideo, progress: Progress, *, everybody: bool = False, faces: bool = False
) -> Scene:
    """A video as the scene that drives characters, without gaps, kept in the cache.

    Raises:
        ValueError, OSError: as `capture`.
    """
    progress.stage("reading the motion")
    scene = captured(
        video.path,
        progress,
        start=video.start,
        stop=video.stop,
        source_fps=video.source_fps,
        follow=video.follow or ("all" if everybody else "largest"),
        fill="all",
        cache=video.cache,
        detector="mediapipe-holistic" if faces else "mediapipe",
    ).scene
    if not any(np.isfinite(person.joints).any() for person in scene.people):
        raise ValueError(
            f"{os.fspath(video.path)}: too little of the person is seen at once to read a motion from it"
        )
    made_up = float(np.mean([filled_share(scene, number) for number in range(len(scene.people))]))
    if made_up > 0.02:
        progress.note(
            f"{made_up:.0%} of the joints were not seen and are filled in; `kinema capture` shows which"
        )
    return scene


def seen_in_pictures(scene: Scene) -> DetectedPeople:
    """A captured scene's people as they were seen in the pictures.

    Raises:
        ValueError: the scene was not captured.
    """
    seen = tuple(each for each in scene.keypoints or () if each is not None)
    if not seen:
        raise ValueError("the scene was not read off pictures: nobody's keypoints are known")
    return DetectedPeople(seen)


def write_scene(path: Path, scene: Scene) -> None:
    """The whole scene as .npz, everybody's keypoints in the pictures as OpenPose .json, or its one person as any other
    motion file.
    """
    from kinema.scene.formats import openpose, write_motion

    if path.suffix.lower() == ".npz":
        scene.save(path)
    elif path.suffix.lower() == ".json":
        openpose.write(path, openpose.KeypointSequence.of_people(seen_in_pictures(scene)))
    else:
        write_motion(path, scene.people[0])


def filled_share(scene: Scene, person: int) -> float:
    """Share of a person's joints that were filled in, by their confidence."""
    from kinema.scene.motion import FILLED

    confidence = scene.people[person].confidence
    return 0.0 if confidence is None else float(np.isclose(confidence, FILLED).mean())
