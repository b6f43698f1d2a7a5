"""The rough take: a request fulfilled without a video model, by moving the picture's own person in their own room."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.app.capturing import scene_of
from kinema.app.inputs import said_camera
from kinema.app.keypoints import is_keypoints
from kinema.app.model_cache import ModelCache
from kinema.app.preparing import Prepared
from kinema.app.progress import Progress
from kinema.app.request import ROUGH, FromPrompt, ModelChoice, RoughLook, VideoRequest, only_part
from kinema.app.request_inputs import (
    check_request,
    is_from_video,
    moved_by_words,
    part_of,
    said_of,
    split_prompt,
)
from kinema.app.rough_camera import Framing, Shot, framing_of, rough_camera
from kinema.app.rough_cast import check_cast, movers, movers_asked, placed_cast, say_who, still_cast
from kinema.app.rough_picture import RoughPicture, rough_pictures, said_of_look
from kinema.puppet.acting import Acting, acting_of
from kinema.puppet.blend_in import SECONDS, fading
from kinema.puppet.face import PictureFace, find_face
from kinema.puppet.fingers import PictureHand, find_hands
from kinema.puppet.placing import FOV, Placed
from kinema.puppet.suitability import VERDICTS
from kinema.puppet.take import Filming, Frame, Puppet, film
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.cast import for_stage, is_nobody
from kinema.scene.formats.camera_reading import CameraFile
from kinema.scene.framing import Camera, calm, frame_count, given_camera
from kinema.scene.keypoints import Keypoints
from kinema.video.registry import EMBEDDED

if TYPE_CHECKING:
    from PIL import Image

MAX_FPS = 30.0
"""Frames per second at most, where none are asked for (ours)."""

STILL_FPS, STILL_SECONDS = 24.0, 4.0
"""Rate and length where nobody moves and nothing else has one (ours)."""

_LEAVES = 0.1  # share of the frames outside the picture from which on it is said (ours)


@dataclass(frozen=True, eq=False)
class RoughTake:
    """A rough take before it is filmed.

    Args:
        puppet: the picture, made ready; of several people all in one.
        place: of the person or people, in step with the camera.
        scene: as it is filmed.
        settings: what is needed to make it again, apart from the inputs.
        picture: the picture as it was given.
        transparent: film the person alone.
        fades: the first frame is the picture, pixel for pixel.
        acting: what face and fingers do; they rest where None.
    """

    puppet: Puppet
    place: Placed
    scene: Scene
    settings: dict[str, Any]
    picture: Image.Image
    transparent: bool = False
    fades: bool = False
    acting: Acting | None = None

    @property
    def camera(self) -> CameraPath:
        assert self.scene.camera is not None
        return self.scene.camera

    @property
    def prepared(self) -> Prepared:
        """What is known before the work, as of other requests."""
        return Prepared(None, self.scene, self.scene, self.picture, 0, "", None, self.settings)

    def film(self, progress: Progress) -> Iterator[np.ndarray]:
        """Frames one by one, uint8 [H, W, 3], or with alpha as a fourth channel."""
        for frame in self.frames(progress):
            yield np.dstack([frame.rgb, frame.coverage]) if self.transparent else frame.rgb

    def frames(self, progress: Progress) -> Iterator[Frame]:
        """Frames one by one, with what is known of each pixel."""
        frames = self.camera.frames
        progress.stage("filming")
        progress.step("filming", 0, frames)
        filming = Filming(transparent=self.transparent)
        taken = film(self.puppet, self.place, self.camera, filming, self.acting)
        if self.fades:
            taken = fading(taken, self.puppet.picture, self.camera.fps)
        for done, frame in enumerate(taken, 1):
            yield frame
            progress.step("filming", done, frames)


def rough_take(
    request: VideoRequest, progress: Progress, models: ModelCache, shown: tuple[RoughPicture, ...] = ()
) -> RoughTake:
    """Everything before filming: the person is found and cut out, the motion read, both put together.

    Args:
        request: what is asked for.
        progress: told how far it is, and what a person should know.
        models: makes the motion where it comes from a prompt; nothing else needs a model.
        shown: the people of the request's pictures, where they were made ready before.

    Raises:
        NobodyInPicture: nobody is found in the picture.
        ValueError, OSError: what a person can mend; the message says how.
    """
    _check(request)
    source, direction, choice, look = request.motion, request.direction, request.model, request.rough
    assert isinstance(choice, ModelChoice)
    parts = split_prompt(request.prompt, source, progress) if isinstance(source, FromPrompt) else None
    camera = parts.camera if request.camera is None and parts is not None else request.camera
    words = None if parts is None else parts.motion
    # what is quick is read first: it may be wrong
    slow = parts is not None or (is_from_video(source) and direction.people != "all")
    scene = None if slow else _played(request, words, progress, models)
    shown = shown or rough_pictures(request, movers_asked(request, scene), choice.size, progress)
    face, hands = _features(shown, look)
    if slow:
        scene = _played(request, words, progress, models, faces=face is not None or bool(hands))
    numbers, before = [], []
    if scene is not None and not is_nobody(direction.people):
        numbers = movers(request, scene, len(shown), progress)
        before = [_person(scene, number) for number in numbers]

    _say(request, progress)
    cast = say_who(shown, numbers, request, progress)
    fps, frames = _time(scene, camera, request)
    before = [_motion_at(person, fps, frames) for person in before]
    if before:
        puppet, place = placed_cast(shown, before, request, scene.camera if scene else None, choice.size)
    else:
        puppet, place = still_cast(shown, fps, frames)
    framing = _framing(puppet, place, choice.size, progress)
    own = None if scene is None or scene.camera is None else _camera_at(scene.camera, fps, frames)
    shot = Shot(framing, fps, frames, direction.tracking)
    path = rough_camera(camera, place, before[0] if before else None, own, shot, progress)
    for number, motion in enumerate(place.motions):
        gone = _gone(motion, path)
        if gone > _LEAVES:
            who = "the person" if len(shown) == 1 else f"person {shown[number].number or number}"
            tracked = "" if direction.tracking == "follow" else "; --tracking follow goes along with them"
            progress.note(f"{who} is outside the picture for {gone:.0%} of the time{tracked}")
    settings = {
        "backbone": ROUGH,
        "prompt": request.prompt,
        "seed": request.sampling.seed,
        "frames": frames,
        "fps": fps,
        "size": list(framing.size),
        **said_of(request, models),
        "camera": said_camera(camera),
        "motion_prompt": words,
        **said_of_look(look),
        "steady": _steadied(request),
        "cast": cast,
        "assumed": {"fov": FOV, "turned_degrees": round(math.degrees(puppet.body.yaw), 1)},
        "suitability": {
            "verdict": max((each.report.verdict for each in shown), key=VERDICTS.index),
            "findings": [finding.what for each in shown for finding in each.report.findings],
        },
    }
    filmed = Scene(place.motions, path, fps, request.prompt or None)
    unlike = look.transparent or not look.plain or path.size != puppet.size
    fades = look.begin_with_picture and not unlike and np.allclose(path.c2w[0], place.camera)
    begins = SECONDS if look.begin_with_picture else 0.0
    seen = None if not before or scene is None else _seen(scene, request)
    acting = acting_of(face, hands, seen, np.arange(frames) / fps, begins)
    return RoughTake(puppet, place, filmed, settings, shown[0].given, look.transparent, fades, acting)


def _check(request: VideoRequest) -> None:
    """What can be said without reading or loading anything heavy."""
    choice, sampling = request.model, request.sampling
    assert isinstance(choice, ModelChoice)
    if not request.pictures:
        raise ValueError(f"--backbone {ROUGH} moves the person of a picture: give a picture of somebody")
    check_request(request)
    check_cast(request)
    if is_keypoints(request.motion):
        raise ValueError(
            "keypoints have no depth, and the rough take moves in 3D: give the video or the motion itself, or name a "
            f"video model (--backbone {EMBEDDED})"
        )
    asked = {
        "--control": choice.controls is not None,
        "--adapter-weights": choice.adapter_weights is not None,
        "--lora": choice.lora is not None,
        "--recipe": choice.recipe is not None,
        "--control-strength": choice.control_strength is not None,
        "--window": choice.window is not None,
        "--memory": choice.memory != "high",
        "--fp8": choice.fp8,
        **{
            f"--{name}": bool(getattr(choice, name))
            for name in ("base", "checkpoint", "fast", "quantise", "cache", "parallel")
        },
        "--compile": choice.compile_blocks,
        "--attention": choice.attention is not None,
        "--steps": sampling.steps is not None,
        **{f"--guidance-{name}": scale is not None for name, scale in sampling.guidance.items()},
        "--shift": sampling.shift is not None,
        "--negative-prompt": bool(sampling.negative_prompt),
        "--takes": sampling.takes > 1,
        "--no-retarget": request.direction.retarget is False,
    }
    useless = [name for name, given in asked.items() if given]
    if useless:
        why = (
            "the rough take has"
            if choice.backbone
            else "without --backbone a picture becomes a rough take, which has"
        )
        raise ValueError(
            f"{', '.join(useless)}: for video models; {why} no use for it. Name a model (--backbone {EMBEDDED}), or "
            "leave it out"
        )


def _say(request: VideoRequest, progress: Progress) -> None:
    """What this is, where nobody asked for it by name, and what of the request it does not read."""
    assert isinstance(request.model, ModelChoice)
    if request.model.backbone is None:
        progress.note(
            "no --backbone is named: this is the rough take, in which the picture's own person is moved; video models "
            "make new pictures (`kinema models` lists them, large ones need a GPU)"
        )
    if request.prompt and not isinstance(request.motion, FromPrompt):
        progress.note("the rough take reads no prompt")


def _played(
    request: VideoRequest, words: str | None, progress: Progress, models: ModelCache, faces: bool = False
) -> Scene | None:
    """The scene that drives the person, steadied where it is read off a video; None where nobody moves."""
    source, direction = request.motion, request.direction
    if source is None:
        return None
    if words is not None:
        return moved_by_words(words, request, models, progress)
    narrowed, part = only_part(source, direction.part)
    everybody = direction.people is not None
    scene = scene_of(narrowed, progress, everybody=everybody, faces=faces)  # type: ignore[arg-type]  # no prompt
    scene = part_of(scene, part, direction, progress)
    return calm(scene) if _steadied(request) else scene


def _steadied(request: VideoRequest) -> bool:
    steady = request.direction.steady
    return is_from_video(request.motion) if steady is None else steady


def _person(scene: Scene, number: int) -> Motion:
    """One of the scene's people, on SMPL-24.

    Raises:
        ValueError: no person.
    """
    return for_stage(Scene((scene.people[number],), None, scene.fps)).people[0]


def _time(scene: Scene | None, camera: Camera | None, request: VideoRequest) -> tuple[float, int]:
    """Frames per second and number of frames.

    The rate is the motion's, or the largest whole part of it within the limit, so that no moment falls between two.
    """
    direction, choice = request.direction, request.model
    assert isinstance(choice, ModelChoice)
    lasting = scene
    if lasting is None or not lasting.duration:
        given = None if camera is None else given_camera(camera)
        path = given.camera if isinstance(given, CameraFile) and given.timed else given
        if isinstance(path, CameraPath):
            lasting = Scene((), path, path.fps)
    moving = lasting is not None and lasting.duration > 0
    if choice.fps is not None:
        fps = choice.fps
    elif moving and lasting is not None:
        fps = lasting.fps / math.ceil(lasting.fps / MAX_FPS - 1e-6)
    else:
        fps = STILL_FPS
    limits = [each for each in (direction.seconds, direction.longest) if each is not None]
    if not moving and direction.seconds is None:
        limits.append(STILL_SECONDS)
    nothing = CameraPath.static(np.eye(4), (1.0, 1.0, 0.5, 0.5), (16, 16), STILL_FPS, 1)
    return fps, frame_count(lasting or Scene((), nothing, STILL_FPS), fps, min(limits, default=None))


def _framing(puppet: Puppet, place: Placed, size: tuple[int, int] | None, progress: Progress) -> Framing:
    if size is None:
        return Framing(puppet.size)
    framing = framing_of(puppet.alpha, size, place)
    if framing.beyond(puppet.size):
        progress.note(
            f"picture: with all of the person in it, it does not fill {size[0]}x{size[1]}: what lies beyond its edges is "
            "made up"
        )
    return framing


def _gone(motion: Motion, camera: CameraPath) -> float:
    """Share of the frames that show less than half of the joints that the first one shows."""
    seen = camera.visible(motion.joints)
    return float((seen[:, seen[0]].mean(axis=1) < 0.5).mean()) if seen[0].any() else 1.0


def _motion_at(person: Motion, fps: float, frames: int) -> Motion:
    """A motion on the frames of the result, held at its end; a still is held as long as is asked."""
    times = np.arange(frames) / fps
    return person.resample(fps, np.minimum(times, person.duration))


def _features(
    shown: Sequence[RoughPicture], look: RoughLook
) -> tuple[PictureFace | None, tuple[PictureHand, ...]]:
    """Face and hands that a driver's may move: of one person alone."""
    if len(shown) != 1:
        return None, ()
    puppet = shown[0].puppet
    face = find_face(puppet.picture, puppet.found) if look.face else None
    return face, find_hands(puppet.picture, puppet.found, puppet.alpha) if look.fingers else ()


def _seen(scene: Scene, request: VideoRequest) -> Keypoints | None:
    """What was seen of who moves the picture's person."""
    people = request.direction.people
    number = int(people[0]) if people is not None and people != "all" else 0
    return None if scene.keypoints is None else scene.keypoints[number]


def _camera_at(camera: CameraPath, fps: float, frames: int) -> CameraPath | None:
    """The same of a scene's own camera; None where it stands still."""
    if camera.frames == 1:
        return None
    return camera.resample(fps, np.minimum(np.arange(frames) / fps, camera.duration))
