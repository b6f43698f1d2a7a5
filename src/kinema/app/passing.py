"""Passes of a scene for a published model: what a person asked for, read, checked, directed and drawn."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kinema.app.capturing import Source, scene_of
from kinema.app.inputs import fingerprint, said_camera
from kinema.app.keypoints import is_keypoints, keypoints_of
from kinema.app.progress import Notes, Progress
from kinema.app.request import FromFile, FromVideo, only_part
from kinema.media.decoding import is_video
from kinema.passes.files import PassSet
from kinema.passes.profile import PassOptions, Profile, check_picture, profile_of
from kinema.passes.shot import Shot
from kinema.scene import DetectedPeople, Scene
from kinema.scene.cast import People, check_drawn, chosen, chosen_keypoints, for_stage
from kinema.scene.framing import (
    Camera,
    direct_keypoints,
    frame_count,
    given_camera,
    in_step,
    scene_camera,
    unseen,
)
from kinema.scene.lasting import WHOLE, Part

_MOST_BYTES = 8 << 30
"""Limit (ours) on what is held in memory; all frames of all passes are."""
_BYTES = 16  # of a pixel of a frame (ours, of VACE's passes): films, depth, people, masks


_CROPPED = 0.1  # of a side (ours), above which losing it is said


@dataclass(frozen=True)
class PassRequest:
    """What passes are asked for.

    Args:
        source: a scene, any motion file, a video, OpenPose JSON, or an object.
        model: name of a profile.
        camera: in words, a camera file or a path; the scene's own, or a still one, where None.
        tracking: how a camera in words keeps the first person in view, see `scene_camera`.
        picture: the character: a file, a picture or pixels.
        size: (width, height); in the shape of the scene's own camera, or of the picture, else the model's where None.
        fps: frames per second; the model's where None.
        part: of the motion.
        people: who of the scene is there; as many as the model tells apart where None.
        parts: of drawn skeletons; those the model was trained with where None.
        replace: passes that put the character into the footage, which the source, a video, is; of anything else into
            the stage's film.
        extra: what the profile alone understands.
        actor: seed of the stage's actors and room.
    """

    source: Source
    model: str
    camera: Camera | None = None
    tracking: str = "auto"
    picture: Any = None
    size: tuple[int, int] | None = None
    fps: float | None = None
    part: Part = WHOLE
    people: People = None
    parts: tuple[str, ...] | None = None
    replace: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)
    actor: int = 0


def passes_of(request: PassRequest, progress: Progress) -> PassSet:
    """The passes; all that can be wrong is said before anything is captured or filmed.

    Args:
        request: what is asked for.
        progress: told how far reading a video is, and what a person should know.

    Raises:
        ValueError, OSError: what a person can mend.
    """
    profile = profile_of(request.model)
    options = PassOptions(request.parts, request.replace, request.extra)
    profile.check_extra(options)
    if request.size is not None:
        profile.form.check(request.size, profile.name)
    filmed = request.replace and _is_film(request.source)
    if filmed and request.camera is not None:
        raise ValueError("footage keeps its own camera: leave out the camera, or --replace")
    if filmed and request.part.beyond != "end":
        raise ValueError("footage ends where it ends: leave out --beyond, or --replace")
    if request.picture is None:
        check_picture(profile, None, options)
    told = Notes(progress)
    picture = _picture(request.picture, told)
    shot = _shot(request, profile, picture, filmed, told)
    for line in [*_surprises(profile, shot), *profile.notes(shot, options)]:
        told.note(line)
    progress.stage("drawing the passes")
    passes = tuple(profile.passes(shot, options))
    settings = {
        "command": "passes",
        "source": fingerprint(getattr(request.source, "path", request.source)),
        "camera": said_camera(request.camera),
        "tracking": request.tracking,
        "picture": fingerprint(request.picture),
        "people": request.people,
        "parts": list(profile.shown(options)),
        "replace": request.replace,
        "set": dict(request.extra),
        "actor": request.actor,
        "from": request.part.start,
        "to": request.part.stop,
        "seconds": request.part.seconds,
        "beyond": request.part.beyond,
    }
    return PassSet(
        profile.name,
        profile.title,
        profile.source,
        passes,
        shot.size,
        shot.frames,
        shot.fps,
        tuple(told.lines),
        tuple(profile.guide(options)),
        settings,
    )


def _shot(
    request: PassRequest, profile: Profile, picture: np.ndarray | None, filmed: bool, told: Notes
) -> Shot:
    """The scene on the frames of the model's video."""
    fps = profile.form.fps if request.fps is None else request.fps
    if request.fps is not None and request.fps != profile.form.fps:
        told.note(
            f"{profile.name} was trained at {profile.form.fps:g} frames per second: at {fps:g} speeds may be off"
        )
    if is_keypoints(request.source):
        return _drawn_shot(request, profile, picture, fps, told)
    source, part = only_part(request.source, request.part)
    scene = scene_of(source, told, everybody=True, faces=True)
    scene = _counted(scene, request.people, profile, told)
    scene = for_stage(scene)
    if (shorter := part.shortfall(scene.duration)) is not None:
        told.note(shorter)
    scene = part.of(scene)
    given = None if request.camera is None else given_camera(request.camera)
    own = scene.camera if given is None else None
    size = request.size or _size(profile, own, picture)
    profile.form.check(size, profile.name)
    frames = frame_count(scene, fps, part.seconds)
    path = scene_camera(
        scene, given, size=size, fps=fps, frames=frames, tracking=request.tracking, say=told.note
    )
    directed = in_step(scene, path)
    check_drawn(directed)
    for line in unseen(directed):
        told.note(line)
    length = _length(directed.frames, profile, told)
    _check_room(length, size)
    footage = None
    if filmed:
        from kinema.app.footage import footage_of

        footage = footage_of(source, directed, length, told)
    people = None
    if picture is not None and profile.reads_picture_people:
        people = _people_of(picture, len(directed.people), told)
    return Shot(
        directed,
        size,
        length,
        fps,
        actor=request.actor,
        picture=picture,
        footage=footage,
        picture_people=people,
    )


def _surprises(profile: Profile, shot: Shot) -> list[str]:
    """What will disappoint whatever the model: nobody to follow, a picture that loses its edges."""
    lines = []
    if not shot.people and shot.camera is not None and "pose" in profile.follows:
        lines.append("nobody is in the scene: skeletons, masks and faces are empty")
    if shot.picture is not None and profile.crops_picture:
        height, width = shot.picture.shape[:2]
        if abs(np.log(width / height * shot.size[1] / shot.size[0])) > _CROPPED:
            lines.append(
                f"the picture is cropped from {width}x{height} to the film's shape, {shot.size[0]}x{shot.size[1]}: "
                "give --size in the picture's shape, or a picture in the film's"
            )
    return lines


def _people_of(picture: np.ndarray, most: int, told: Notes) -> np.ndarray | None:
    """Who is where in a picture, from the left, bool [P, H, W]; None where nobody is found."""
    from kinema.puppet.find import find_everybody
    from kinema.puppet.take import outlined

    found = find_everybody(picture)
    if len(found) != most:
        told.note(f"{len(found)} people are in the picture, {most} in the scene: colours go from the left")
    outlines = [outlined(picture, found=each) for each in found[:most]]
    masks = [each.cut > 0.5 for each in outlines if each is not None and each.cut is not None]
    return np.stack(masks) if masks else None


def _drawn_shot(
    request: PassRequest, profile: Profile, picture: np.ndarray | None, fps: float, told: Notes
) -> Shot:
    """The same of people of whom only keypoints are known."""
    if profile.needs_scene or request.replace:
        raise ValueError(
            f"keypoints have no depth: {profile.name} needs a scene in 3D; capture the video instead"
        )
    if request.camera is not None:
        raise ValueError("keypoints have no depth: no camera can be moved round them")
    detected = keypoints_of(request.source, told)
    cast = chosen_keypoints(detected, request.people)
    if request.people is None and profile.form.people is not None:
        cast = DetectedPeople(cast.people[: profile.form.people])
        _say_left_out(len(detected.people), profile, told)
    told.note("keypoints have no depth: there are no passes of film, depth or faces")
    directed = direct_keypoints(cast, fps=fps, people="all", part=request.part)
    size = request.size or profile.form.shaped(detected.size)
    profile.form.check(size, profile.name)
    length = _length(frame_count(directed, fps), profile, told)
    return Shot(directed, size, length, fps, picture=picture)


def _counted(scene: Scene, people: People, profile: Profile, told: Notes) -> Scene:
    """The people who were named, or as many as the model tells apart."""
    most = profile.form.people
    if people is not None:
        scene = chosen(scene, people)
        if most is not None and len(scene.people) > most:
            raise ValueError(
                f"{profile.name} tells {_people(most)} apart, not {len(scene.people)}: name fewer (--person)"
            )
        return scene
    if most is not None and len(scene.people) > most:
        _say_left_out(len(scene.people), profile, told)
        return chosen(scene, tuple(range(most)))
    return scene


def _say_left_out(there: int, profile: Profile, told: Notes) -> None:
    most = profile.form.people
    if most is not None and there > most:
        first = "the first is" if most == 1 else f"the first {most} are"
        told.note(
            f"{profile.name} tells {_people(most)} apart: of {there} people {first} there; --person says who"
        )


def _people(count: int) -> str:
    return "one person" if count == 1 else f"{count} people"


def _length(frames: int, profile: Profile, told: Notes) -> int:
    """Frames that the model can make, as few as hold all of the scene; the last one stands still."""
    length = profile.form.frames(frames)
    if length != frames:
        told.note(
            f"{profile.name} makes {profile.form.frame_step}k + 1 frames: {frames} become {length}, the last one is held"
        )
    longest = profile.form.longest
    if longest is not None and length > longest:
        told.note(
            f"{length} frames are more than the {longest} that {profile.name} makes at once: it goes on window by window"
        )
    return length


def _check_room(frames: int, size: tuple[int, int]) -> None:
    """Whether the passes fit into memory.

    Raises:
        ValueError: they do not.
    """
    most = _MOST_BYTES // (_BYTES * size[0] * size[1])
    if frames > most:
        raise ValueError(
            f"{frames} frames of {size[0]}x{size[1]} are more than the {most} that are made at once: take parts "
            "(--from, --to), or a smaller size"
        )


def _size(profile: Profile, own: Any, picture: np.ndarray | None) -> tuple[int, int]:
    """The model's size, in the shape of the scene's own camera, or of the picture."""
    if own is not None:
        return profile.form.shaped(own.size)
    if picture is not None:
        return profile.form.shaped((picture.shape[1], picture.shape[0]))
    return profile.form.size


def _picture(given: Any, told: Notes) -> np.ndarray | None:
    from kinema.app.request_inputs import picture_of_request

    read = picture_of_request(given, told)
    return None if read is None else np.asarray(read)


def _is_film(source: Source) -> bool:
    """Whether it is a video, whose pictures are footage."""
    if isinstance(source, FromVideo):
        return True
    path = source.path if isinstance(source, FromFile) else source
    return isinstance(path, (str, os.PathLike)) and is_video(path)
