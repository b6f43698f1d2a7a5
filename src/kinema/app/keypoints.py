"""People known from 2D keypoints alone: what is read as such, and what cannot be asked of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from kinema.app.progress import Progress
from kinema.app.request import FromFile, FromKeypoints, FromVideo, VideoRequest
from kinema.media.decoding import is_video
from kinema.scene import DetectedPeople
from kinema.scene.formats.errors import FormatError
from kinema.scene.formats.recognise import is_other_json


def is_keypoints(source: Any) -> bool:
    """Whether a request's motion is keypoints in pictures: said so, or a folder without pictures, or a .json file
    that is not known to be something else.

    Raises:
        FormatError: a folder that holds pictures and keypoints.
    """
    path = source.path if isinstance(source, FromFile) else source
    if isinstance(path, (str, os.PathLike)):
        folder = Path(path)
        if folder.is_dir():
            return not _holds_pictures(folder)
        return folder.suffix.lower() == ".json" and not is_other_json(folder)
    return isinstance(path, (FromKeypoints, DetectedPeople))


def _holds_pictures(folder: Path) -> bool:
    from kinema.media.stills import is_picture_name

    texts = len(list(folder.glob("*.json")))
    pictures = [each for each in folder.iterdir() if is_picture_name(each)]
    if pictures and texts > 1:
        pattern = folder / f"*{pictures[0].suffix}"
        raise FormatError(
            folder,
            f"holds {len(pictures)} pictures and {texts} .json files: it may be a video or keypoints",
            hint=f"name the pictures by a pattern ({pattern}), or put the keypoints into a folder of their own",
        )
    return bool(pictures)


def keypoints_of(source: Any, progress: Progress | None = None) -> DetectedPeople:
    """The people of keypoints.

    Args:
        source: what `is_keypoints` takes for such.
        progress: of finding them in a video.

    Raises:
        FormatError: not OpenPose JSON, nobody in it, or the size of the pictures is not known.
        FileNotFoundError: it is not there.
    """
    from kinema.scene.formats import openpose

    if isinstance(source, DetectedPeople):
        return source
    if not isinstance(source, FromKeypoints):
        source = FromKeypoints(source.path if isinstance(source, FromFile) else source)
    if is_video(source.path):
        from kinema.app.capturing import seen_in_pictures, video_as_motion

        scene = video_as_motion(FromVideo(source.path), progress or Progress(), everybody=True)
        return seen_in_pictures(scene)
    if not Path(source.path).exists():
        raise FileNotFoundError(f"{os.fspath(source.path)}: no such keypoints")
    return openpose.read_people(source.path, fps=source.fps, size=source.size)


def check_keypoints(request: VideoRequest) -> None:
    """What needs depth cannot be asked for.

    Raises:
        ValueError: it is.
    """
    if request.camera is not None:
        raise ValueError("keypoints have no depth: no camera can be moved round them")
    direction = request.direction
    asked = {"retargeted": direction.retarget, "steadied": direction.steady, "centred": direction.centre}
    for done, wanted in asked.items():
        if wanted:
            raise ValueError(f"keypoints have no depth: they cannot be {done}; capture the video instead")
    if request.actor is not None:
        raise ValueError("keypoints have no depth: no actor of the stage can stand there; give a picture")
