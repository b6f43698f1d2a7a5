"""What a request brings, whoever makes the video: its picture, its motion, what is said of both, and what cannot be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.app.catalogue import check_asked, check_backbone, check_form
from kinema.app.inputs import check_camera, fingerprint
from kinema.app.keypoints import is_keypoints
from kinema.app.model_cache import ModelCache
from kinema.app.progress import Progress
from kinema.app.request import (
    Direction,
    FromFile,
    FromKeypoints,
    FromPrompt,
    FromVideo,
    ModelChoice,
    VideoRequest,
)
from kinema.media.decoding import is_video
from kinema.motion.learned import unlearned
from kinema.scene import DetectedPeople, Scene
from kinema.scene.cast import is_nobody
from kinema.scene.formats.camera_reading import FromCameraFile
from kinema.scene.lasting import Part

if TYPE_CHECKING:
    from PIL import Image

    from kinema.media.sound import Sound
    from kinema.motion.prompt import SplitPrompt
    from kinema.video.whole import AnyPipeline


def check_request(request: VideoRequest) -> None:
    """What can be said without reading or loading anything heavy."""
    if request.picture is not None and request.actor is not None:
        raise ValueError("either a picture, or an actor of the stage (--actor), not both")
    seed = request.sampling.seed
    if not isinstance(seed, int) or not -(2**63) <= seed < 2**63:
        raise ValueError(f"seed {seed!r}: give a whole number of at most 63 bits")
    if isinstance(request.model, ModelChoice):
        if request.model.backbone is not None:
            check_backbone(request.model.backbone)
        if not request.is_rough:
            check_form(request.model)
            check_asked(request.model)
    if not request.is_rough and len(request.pictures) > 1:
        raise ValueError(
            f"{len(request.pictures)} pictures: a video model reads one; several are for rough takes, without another "
            "--backbone"
        )
    _check_film_guide(request)
    if not request.is_rough and request.rough.says_something and film_guide_of(request) is None:
        raise ValueError(
            "--clothes, --legs, --background, --mask, --marks, --picture-person, --begin-with-picture, --no-face and "
            "--fingers are for rough takes: of a picture, and without another --backbone"
        )
    if isinstance(request.camera, (str, FromCameraFile)):
        check_camera(request.camera)
    if request.motion is None and request.camera is None:
        raise ValueError(
            "nobody moves and no camera is given: give a motion, or a camera (--motion, --camera)"
        )


def film_guide_of(request: VideoRequest, pipeline: AnyPipeline | None = None) -> tuple[str, str] | None:
    """The control method that follows a film, and what is said to it; None where there is none.

    Args:
        request: what is asked for.
        pipeline: that shall follow the film, once it is loaded.

    Raises:
        ValueError: the pipeline cannot begin with a picture.
    """
    from kinema.video.registry import split_controls

    if not isinstance(request.model, ModelChoice):
        return None
    guides = split_controls(request.model.controls)[1]
    if guides and pipeline is not None and not pipeline.video_model.takes_adapters:
        name = pipeline.video_model.name
        raise ValueError(f"{name} follows scenes by itself and has no {guides[0][0]}: leave out --control")
    if guides and pipeline is not None and not pipeline.video_model.reads_picture:
        raise ValueError(_begins_with_picture(guides[0][0], pipeline.video_model.name))
    return guides[0] if guides else None


def _check_film_guide(request: VideoRequest) -> None:
    """Says early what of a control method that follows a film cannot be."""
    from kinema.video.models.published import PUBLISHED
    from kinema.video.registry import film_guider, split_controls

    if not isinstance(request.model, ModelChoice) or request.is_rough:
        return
    guides, look = split_controls(request.model.controls)[1], request.rough
    if len(guides) > 1:
        raise ValueError(f"--control: one of {', '.join(name for name, _ in guides)}, not several")
    for name, words in guides:
        published = PUBLISHED.get(request.model.backbone or "")
        if published is not None and published.follows:
            named = request.model.backbone
            raise ValueError(f"{named} follows scenes by itself and has no {name}: leave out --control")
        if published is not None and not published.reads_picture:
            raise ValueError(_begins_with_picture(name, str(request.model.backbone)))
        if is_keypoints(request.motion):
            raise ValueError(
                f"--control {name} follows a film of the motion, and keypoints have no depth: give the video or the "
                "motion itself"
            )
        if not (isinstance(look.background, str) and look.background == "keep"):
            raise ValueError(
                f"--control {name} follows a film in the picture's own room: leave out --background"
            )
        if words:
            film_guider(name).check(words)


def _begins_with_picture(control: str, model: str) -> str:
    return f"--control {control} begins with a picture, and {model} makes videos from text alone: take another --backbone"


def picture_of_request(given: Any, progress: Progress, *, alpha: bool = False) -> Image.Image | None:
    """The character as RGB, turned upright where it is a file; what was decided becomes notes.

    Args:
        given: a file, a picture or pixels.
        progress: takes the notes.
        alpha: keep what is transparent so: RGBA, where any of it is.

    Raises:
        ValueError, OSError: what cannot be read.
    """
    if given is None:
        return None
    from PIL import Image

    from kinema.media.pictures import picture_of, read_picture_file, rgb_picture

    if isinstance(given, Image.Image):
        read = rgb_picture(given, alpha=alpha)
    elif isinstance(given, np.ndarray):
        read = rgb_picture(picture_of(given), alpha=alpha)
    elif isinstance(given, (str, os.PathLike)):
        read = read_picture_file(given, alpha=alpha)
    else:
        raise ValueError(f"picture: give a file, a picture or pixels, not a {type(given).__name__}")
    for line in read.notes:
        progress.note(f"picture: {line}")
    return read.picture


def split_prompt(prompt: str, source: FromPrompt, progress: Progress) -> SplitPrompt:
    """What a prompt says of the motion, of the camera and of the looks."""
    from kinema.app.text_motion import split

    return split(prompt, source.endpoint, source.endpoint_model, progress.note)


def path_of(source: Any) -> Any:
    """The file that a request's motion comes from, or the object itself."""
    return source.path if isinstance(source, (FromFile, FromVideo, FromKeypoints)) else source


def is_from_video(source: Any) -> bool:
    """Whether a request's motion is read off a video."""
    if isinstance(source, FromVideo):
        return True
    path = path_of(source)
    return isinstance(path, (str, os.PathLike)) and is_video(path)


def sound_of(request: VideoRequest, output: str) -> Sound:
    """The sound of the video that drives a request, from where the result begins.

    Raises:
        ValueError: no video drives it, it is played at another speed, or the result cannot have sound.
        FormatError, FileNotFoundError: the video has no sound, or is none.
    """
    from kinema.media.sound import Sound
    from kinema.media.video_kinds import check_sound, video_target

    source = request.motion
    path = path_of(source)
    if not is_from_video(source) or not Path(path).is_file():
        raise ValueError("--audio keeps the sound of a driving video (--motion dance.mp4), and there is none")
    if isinstance(source, (FromFile, FromVideo)) and source.source_fps is not None:
        raise ValueError("--audio: with --source-fps the video has another speed than its sound")
    check_sound(video_target(output))
    begins = source.start if isinstance(source, FromVideo) else None
    sound = Sound(path, request.direction.start or begins or 0.0)
    sound.check()
    return sound


def moved_by_words(words: str, request: VideoRequest, models: ModelCache, progress: Progress) -> Scene:
    """The scene of somebody who does what the words say."""
    source = request.motion
    assert isinstance(source, FromPrompt)
    name = "making the motion"
    if source.model is None and (strange := unlearned(words)) is not None:
        progress.note(strange)
    progress.stage(name)
    motion = models.motion(source.model, device_of(request))(
        words,
        source.seconds,
        seed=request.sampling.seed,
        style=source.style,
        progress=lambda done, total: progress.step(name, done, total),
    )
    return Scene((motion,), None, motion.fps, request.prompt)


def part_of(scene: Scene, part: Part, direction: Direction, progress: Progress) -> Scene:
    """The part of a scene that is asked for; that less is there is said."""
    shorter = None if is_nobody(direction.people) else part.shortfall(scene.duration)
    if shorter is not None:
        progress.note(shorter)
    return part.of(scene)


def alone(there: str, scene: Scene | DetectedPeople) -> str:
    """That of several people one alone is there."""
    return f"{there} {len(scene.people)} people, and person 0 alone is there: choose with --person, or all"


def said_of(request: VideoRequest, models: ModelCache) -> dict[str, Any]:
    """What of a request is written down as it is."""
    source, direction, model = request.motion, request.direction, request.model
    people = direction.people
    person = people if isinstance(people, str) else list(people) if people is not None else 0
    said: dict[str, Any] = {
        "image": fingerprints(request.picture),
        "tracking": direction.tracking,
        "person": person[0] if isinstance(person, list) and len(person) == 1 else person,
        "seconds": direction.seconds,
        "from": direction.start,
        "to": direction.stop,
        "beyond": direction.beyond,
        "centre": direction.centre,
    }
    if isinstance(source, FromPrompt):
        motions = models.motion(source.model, device_of(request))
        said |= {
            "motion_seconds": source.seconds,
            **{f"motion_{name}": value for name, value in motions.settings().items()},
            "motion_model": "embedded" if source.model is None else source.model.name,
            "style": source.style,
        }
    else:
        said["motion"] = fingerprint(path_of(source))
    if isinstance(model, ModelChoice) and not request.is_rough:
        weights = model.adapter_weights
        said |= {
            "adapter_weights": None if weights is None else Path(weights).name,
            "lora": _lora_files(model.lora),
            "base": None if model.base is None else Path(model.base).name,
            "window": model.window,
            "memory": model.memory,
            "fp8": model.fp8,
            "attention": model.attention,
        }
    return said


def _lora_files(lora: Any) -> Any:
    """As `fingerprint`; of several a list."""
    from kinema.video.loras import loras_of

    found = [fingerprint(each.file) for each in loras_of(lora)]
    return found[0] if len(found) == 1 else found or None


def fingerprints(given: Any) -> Any:
    """As `fingerprint`; of several a list."""
    return [fingerprint(each) for each in given] if isinstance(given, (list, tuple)) else fingerprint(given)


def device_of(request: VideoRequest) -> str | None:
    """Where models work, as far as the request says."""
    return request.model.device if isinstance(request.model, ModelChoice) else None
