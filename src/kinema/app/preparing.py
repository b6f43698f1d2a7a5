"""A request before sampling: inputs are read, models loaded, the motion is made, the scene directed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.app.capturing import scene_of
from kinema.app.inputs import said_camera
from kinema.app.keypoints import check_keypoints, is_keypoints, keypoints_of
from kinema.app.model_cache import ModelCache
from kinema.app.picture_person import (
    PicturePerson,
    camera_from_picture,
    look_at_picture,
    matched_to_picture,
)
from kinema.app.progress import Progress
from kinema.app.replacing import replacement
from kinema.app.request import Direction, FromPrompt, ModelChoice, VideoRequest, only_part
from kinema.app.request_inputs import (
    alone,
    check_request,
    device_of,
    film_guide_of,
    is_from_video,
    moved_by_words,
    part_of,
    picture_of_request,
    said_of,
    split_prompt,
)
from kinema.scene import CameraPath, DetectedPeople, Scene
from kinema.scene.cast import check_person, chosen, chosen_keypoints, for_stage, is_nobody
from kinema.scene.formats.camera_reading import CameraFile
from kinema.scene.framing import Camera, calm, direct, direct_keypoints, given_camera, unseen

if TYPE_CHECKING:
    from PIL import Image

    from kinema.app.film_guided import RoughFilm
    from kinema.passes.shot import Footage
    from kinema.video.models.video_model import VideoFormat
    from kinema.video.whole import AnyPipeline


@dataclass(frozen=True, eq=False)
class Prepared:
    """A request before it is sampled.

    Args:
        pipeline: will make the video; None of a rough take, which none makes.
        scene: as it will be filmed; where keypoints drive the video, their people.
        source: people at their own rate with that camera: what is worth keeping of the scene; None of keypoints.
        picture: what the model will be shown.
        actor: seed of the stage's actors.
        prompt: what the video model reads.
        aligned: where the motion was retargeted, the first skeleton on the picture, uint8 [H, W, 3].
        settings: of everything but the sampling.
        footage: the film whose room is kept, where somebody in it is replaced.
        film: that a control method follows while the model samples; None where none does.
    """

    pipeline: AnyPipeline | None
    scene: Scene | DetectedPeople
    source: Scene | None
    picture: Image.Image | None
    actor: int
    prompt: str
    aligned: np.ndarray | None
    settings: dict[str, Any]
    footage: Footage | None = None
    film: RoughFilm | None = None


def prepare(request: VideoRequest, progress: Progress, models: ModelCache) -> Prepared:
    """Everything before sampling: inputs are read, models loaded, the motion is made, the scene directed.

    Args:
        request: what is asked for.
        progress: told how far it is.
        models: where models are loaded and kept.

    Raises:
        ValueError, OSError: what a person can mend.
    """
    check_request(request)
    if isinstance(request.model, ModelChoice):
        _find(request.model)
    if request.replace:
        request = replacement(request)
    source, camera, direction = request.motion, request.camera, request.direction
    picture = picture_of_request(request.picture, progress)
    if is_keypoints(source):
        return _prepare_keypoints(request, picture, progress, models)
    parts = scene = narrowed = None
    if isinstance(source, FromPrompt):
        parts = split_prompt(request.prompt, source, progress)
        camera = parts.camera if camera is None else camera
        models.motion(
            source.model, device_of(request)
        )  # a wrong folder is said before the video model is loaded
    elif source is not None:
        narrowed, part = only_part(source, direction.part)
        scene = scene_of(narrowed, progress, everybody=direction.people is not None)
        if camera is None or not is_nobody(direction.people):
            for_stage(chosen(scene, direction.people))  # and so is who is not there, or no person
        scene = part_of(scene, part, direction, progress)
    pipeline = _pipeline(request, models, progress)
    if parts is not None:
        scene = moved_by_words(parts.motion, request, models, progress)
    if picture is not None and pipeline.video_model.reads_picture:
        if pipeline.video_model.knows_only:
            progress.note(f"{pipeline.video_model.name} knows only {pipeline.video_model.knows_only}")
        pipeline.fit(picture)  # some models choose their size by the picture, and the camera is framed for it
        picture = pipeline.video_model.framed(picture)
    shown = None if picture is None else look_at_picture(picture, pipeline.size, progress)
    picture = None if shown is None else shown.shown
    guide = film_guide_of(request, pipeline)
    readied, film = _Readied(scene), None
    if guide is not None and picture is not None:
        from kinema.app.film_guided import filmed_roughly

        form = pipeline.size, pipeline.fps
        film = filmed_roughly(request, guide, scene, camera, picture, form, progress, models)
        directed = film.scene
        readied = _Readied(directed)
    else:
        if scene is not None:
            readied = _ready(scene, direction, is_from_video(source), shown, progress)
        directed = _directed(readied, camera, direction, pipeline, progress)
        _doubts(directed, readied, request, pipeline, progress)
    actor = request.sampling.seed if request.actor is None else request.actor
    model = pipeline.video_model
    played = picture is None and (model.needs_picture or (model.reads_picture and request.actor is not None))
    if picture is None and guide is not None:
        from PIL import Image

        from kinema.app.film_guided import staged

        film = staged(directed, actor, guide, progress)
        picture, played = Image.fromarray(film.frames[0]), True
    elif played:
        from kinema.app.filming import actor_picture

        picture = actor_picture(directed, actor)
    footage = None
    if request.replace:
        from kinema.app.footage import footage_of

        footage = footage_of(narrowed, directed, directed.frames, progress)
    settings = {
        **said_of(request, models),
        "actor": actor if played else None,
        "camera": said_camera(camera),
        "motion_prompt": None if parts is None else parts.motion,
        "retarget": readied.aligned is not None,
        "steady": readied.steadied,
        **({} if film is None else film.settings),
    }
    return Prepared(
        pipeline,
        directed,
        directed if readied.scene is None else readied.scene.with_camera(directed.camera),
        picture,
        actor,
        request.prompt if parts is None else parts.appearance,
        readied.aligned,
        settings,
        footage,
        film,
    )


def _prepare_keypoints(
    request: VideoRequest, picture: Image.Image | None, progress: Progress, models: ModelCache
) -> Prepared:
    """The same for people of whom only keypoints are known: they are chosen and put on the video's frames, no more."""
    direction = request.direction
    check_keypoints(request)
    detected = keypoints_of(request.motion, progress)
    cast = chosen_keypoints(detected, direction.people)
    pipeline = _pipeline(request, models, progress)
    if picture is None and pipeline.video_model.needs_picture:
        raise ValueError(
            f"{pipeline.video_model.name} needs a picture of the character: keypoints have no depth, so no actor of the "
            "stage can stand there"
        )
    if picture is not None and picture.size != tuple(detected.size):
        pipeline.fit(picture)
        picture = look_at_picture(picture, pipeline.size, progress).shown
    seconds = _seconds(cast, None, direction, pipeline.video_format)
    directed = direct_keypoints(
        cast, fps=pipeline.fps, people="all", part=replace(direction.part, seconds=seconds)
    )
    if (shorter := direction.part.shortfall(detected.duration)) is not None:
        progress.note(shorter)
    if direction.people is None and len(detected.people) > 1:
        progress.note(alone("the keypoints have", detected))
    if "pose" not in pipeline.follows:
        progress.note("no control method follows people: the keypoints will not be followed")
    settings = {
        **said_of(request, models),
        "actor": None,
        "camera": None,
        "motion_prompt": None,
        "retarget": False,
        "steady": False,
        "keypoints_fps": detected.fps,
        "keypoints_size": list(detected.size),
    }
    return Prepared(pipeline, directed, None, picture, request.sampling.seed, request.prompt, None, settings)


def _find(choice: ModelChoice) -> None:
    """Looks for the model's files, and fetches them, before anything is captured or made.

    Raises:
        FileNotFoundError, ValueError: they are not here, or there is no such model.
    """
    from kinema.video.models.published import DENOISERS, find_backbone

    if choice.backbone is not None:
        find_backbone(choice.backbone, DENOISERS if choice.checkpoint else ())


@dataclass(frozen=True, eq=False)
class _Readied:
    """A scene before it is directed; where it was fitted to the picture, with the first skeleton on it.

    Args:
        scene: the scene.
        aligned: the first skeleton on the picture, uint8 [H, W, 3]; None where it was not fitted.
        person: who was fitted.
        has_camera: whether the scene's camera is more than the place where the picture was taken from.
        steadied: whether the trembling was taken out.
    """

    scene: Scene | None
    aligned: np.ndarray | None = None
    person: int = 0
    has_camera: bool = True
    steadied: bool = False


def _ready(
    scene: Scene, direction: Direction, from_video: bool, picture: PicturePerson | None, progress: Progress
) -> _Readied:
    """The scene steadied and given the body of the picture's person, as far as that is asked for."""
    from kinema.capture.retarget_person import Matching

    person = int(direction.people[0]) if direction.people and direction.people != "all" else 0
    steadied = from_video if direction.steady is None else direction.steady
    if steadied:
        scene = calm(scene)
    if direction.retarget is False or not scene.people or is_nobody(direction.people):
        return _Readied(scene, steadied=steadied)
    if picture is None:
        if direction.retarget:
            raise ValueError("retargeting needs a picture of the character")
        return _Readied(scene, steadied=steadied)
    check_person(scene, person)
    for_stage(scene)  # says who has no body that could be fitted
    follow = {"none": False, "follow": True}.get(direction.tracking)
    lengths = [each for each in (direction.seconds, direction.longest) if each is not None]
    matching = Matching(person, follow=follow, seconds=min(lengths, default=None))
    progress.stage("fitting the motion to the picture")
    matched = matched_to_picture(scene, picture, matching, progress)
    if matched is None:
        return _Readied(scene, steadied=steadied)
    return _Readied(matched.scene, matched.preview, person, scene.camera is not None, steadied)


def _directed(
    readied: _Readied,
    camera: Camera | None,
    direction: Direction,
    pipeline: AnyPipeline,
    progress: Progress,
) -> Scene:
    path = None if camera is None else given_camera(camera)
    scene = readied.scene
    seconds = _seconds(scene, path, direction, pipeline.video_format)
    if readied.aligned is not None and scene is not None:
        pans = not readied.has_camera and direction.tracking == "pan"
        if isinstance(path, str) or (path is None and pans):
            words = path if isinstance(path, str) else "static"
            path = camera_from_picture(
                words, scene, readied.person, pipeline.fps, seconds, direction.tracking
            )
        elif path is not None:
            progress.note(
                "a camera path does not begin where the picture was taken from: the first frame will not lie on the "
                "picture"
            )
    return direct(
        scene,
        size=pipeline.size,
        fps=pipeline.fps,
        people=direction.people,
        camera=path,
        tracking=direction.tracking,
        seconds=seconds,
        centre=direction.centre,
        say=progress.note,
    )


def _seconds(
    scene: Scene | DetectedPeople | None,
    camera: str | CameraPath | CameraFile | None,
    direction: Direction,
    form: VideoFormat,
) -> float | None:
    """The length asked for, within the limit; one window where nobody is there and nothing else has a length."""
    seconds = direction.seconds
    nobody = scene is None or not scene.people or is_nobody(direction.people)
    if isinstance(camera, CameraFile):
        camera = camera.camera if camera.timed else None
    moving = (
        scene.duration if scene is not None else camera.duration if isinstance(camera, CameraPath) else 0.0
    )
    if seconds is None and nobody and not moving:
        seconds = (form.frames - 1) / form.fps
    if direction.longest is not None:
        seconds = min(direction.longest if seconds is None else seconds, direction.longest)
    return seconds


def _doubts(
    directed: Scene, readied: _Readied, request: VideoRequest, pipeline: AnyPipeline, progress: Progress
) -> None:
    """Says before sampling what will disappoint."""
    assert directed.camera is not None
    scene = readied.scene
    if scene is not None and request.direction.people is None and len(scene.people) > 1:
        progress.note(alone("the scene has", scene))
    for line in unseen(directed):
        if readied.aligned is None or not line.startswith("person 0 "):
            progress.note(line)  # a picture need not show the pelvis; said where the scene was fitted to it
    model = pipeline.video_model
    if model.people is not None and len(directed.people) > model.people:
        first = "person 0 alone" if model.people == 1 else f"the first {model.people} alone"
        progress.note(f"{model.name} follows {first} of {len(directed.people)} people: choose with --person")
    if "camera" in pipeline.follows or request.replace:  # a film whose room is kept shows its camera
        return
    if not directed.people:
        progress.note("nobody is there, and no control method sees the camera: nothing will be followed")
    elif directed.camera.moves:
        how = "only as far as people show it" if "pose" in pipeline.follows else "not at all"
        hint = f"; {model.camera_hint}" if model.camera_hint else ""
        progress.note(f"{model.name} follows this camera {how}{hint}")


def _pipeline(request: VideoRequest, models: ModelCache, progress: Progress) -> AnyPipeline:
    if not isinstance(request.model, ModelChoice):
        return request.model
    progress.stage("loading the model")
    return models.video(request.model)
