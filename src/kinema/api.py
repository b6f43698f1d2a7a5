"""Kinema from Python: the functions of `import kinema` that belong to no single room."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.app.fulfil import VideoResult, fulfil
from kinema.app.inputs import is_words
from kinema.app.model_cache import ModelCache
from kinema.app.progress import Bars, Notes, Progress
from kinema.app.request import FromPrompt, VideoRequest, only_part
from kinema.scene import CameraPath, Motion, Scene, framing
from kinema.scene.cast import check_drawn
from kinema.scene.formats.camera_reading import CameraFile
from kinema.scene.lasting import Beyond, Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinema.app.capturing import Source
    from kinema.app.request import AnyPath, FromKeypoints, FromVideo, OnePicture
    from kinema.passes.files import PassSet
    from kinema.scene.cast import People
    from kinema.scene.formats.camera_reading import FromCameraFile
    from kinema.scene.framing import Camera
    from kinema.signals.control_signals import ControlSignals

__all__ = [
    "animate",
    "camera",
    "capture_video",
    "control_signals",
    "generate",
    "make_motion",
    "make_passes",
    "preview",
    "replace",
]

PREVIEW_FPS = 30.0
"""Frames per second of a preview at most (ours)."""

_models = ModelCache()


def animate(
    picture: OnePicture | Sequence[OnePicture] | None = None,
    motion: AnyPath | Motion | Scene | FromVideo | FromKeypoints | FromPrompt | None = None,
    camera: Camera | None = None,
    prompt: str = "",
    *,
    progress: Progress | None = None,
    **options: Any,
) -> VideoResult:
    """Makes the character of a picture move like a motion, a scene or a video, seen by a camera.

    Where no `backbone` is named, the picture's own person is cut out and moved: the rough take, at the picture's size.
    Video models make new pictures; the last one stays loaded for the next call. Without a picture the embedded model
    films an actor of the stage.

    Args:
        picture: the character, best standing, from head to feet; an actor of the stage where None. Of a rough take a
            list may give several people, each of a picture of their own.
        motion: a motion file, a scene, a video, keypoints, words such as "a person waves", or an object; nobody moves
            where None, and the camera alone does.
        camera: in words, a camera file, or a path; the scene's own, or a still one, where None.
        prompt: what happens.
        progress: shown as bars on standard error where None; `Progress()` says nothing.
        options: fields of VideoRequest and of its parts by name: `seconds`, `size`, `fps`, `people`, `background`,
            `clothes`; `backbone`, and of models `seed`, `steps`, `controls`, `guidance`, ...

    Raises:
        ValueError, OSError: what can be mended; the message says how.
        TypeError: no such option.

    Example:
        >>> video = kinema.animate(
        ...     "examples/character.png",
        ...     motion="examples/jumping_jacks.bvh",
        ...     camera="arc left 40deg",
        ...     seconds=0.4,
        ... )
        >>> video.frames.shape, video.fps
        ((13, 512, 384, 3), 30.0)
        >>> video.save("out.mp4")
    """
    if isinstance(motion, str) and is_words(motion):
        if prompt:
            raise ValueError("the motion says in words what happens: leave out the prompt")
        prompt, motion = motion, FromPrompt(options.pop("seconds", None))
    return _fulfilled(
        VideoRequest.of(picture=picture, motion=motion, camera=camera, prompt=prompt, **options), progress
    )


def generate(
    prompt: str,
    camera: Camera | None = None,
    *,
    seconds: float | None = None,
    style: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> VideoResult:
    """Makes a video from a prompt: text becomes motion, motion and camera a scene, the scene a video.

    Args:
        prompt: what the person does, and what the camera does.
        camera: in words, a camera file, or a path; what the prompt says of it where None.
        seconds: length; what the prompt says, or 4 s a part, where None.
        style: how it is done, e.g. happy.
        progress: shown as bars on standard error where None.
        options: as for `animate`; `picture` or `actor` choose the character.

    Raises:
        ValueError, OSError: what can be mended; the message says how.
        TypeError: no such option.

    Example:
        >>> video = kinema.generate("a person waves, the camera orbits left", seconds=0.5, steps=2)
        >>> len(video.frames), video.settings["camera"]
        (7, 'arc left')
    """
    motion = FromPrompt(seconds=seconds, style=style)
    return _fulfilled(VideoRequest.of(motion=motion, camera=camera, prompt=prompt, **options), progress)


def replace(
    video: AnyPath | FromVideo,
    picture: OnePicture,
    prompt: str = "",
    *,
    backbone: str | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> VideoResult:
    """Puts the character of a picture into a film, in place of who moves there; room, camera and others are kept.

    Args:
        video: the film.
        picture: who shall be in it, as a whole if possible.
        prompt: what is seen.
        backbone: a model that keeps a film's room, e.g. vace-1.3b; the first such one on this machine where None.
        progress: shown as bars on standard error where None.
        options: as for `animate`: `people`, `seconds`, `steps`, `recipe`, ...

    Raises:
        FileNotFoundError: no such model is on this machine.
        ValueError, OSError: what can be mended; the message says how.
        TypeError: no such option.

    Example:
        >>> video = kinema.replace("dance.mp4", "hero.png", backbone="vace-1.3b")  # doctest: +SKIP
    """
    from kinema.app.replacing import default_replacer

    backbone = backbone or default_replacer()
    return _fulfilled(
        VideoRequest.of(
            motion=video, picture=picture, prompt=prompt, replace=True, backbone=backbone, **options
        ),
        progress,
    )


def make_motion(
    prompt: str,
    seconds: float | None = None,
    *,
    seed: int = 0,
    style: str | None = None,
    model: Path | None = None,
    **options: Any,
) -> Motion:
    """Makes a motion from text; the embedded model speaks SMPL-24 at 20 frames per second.

    Args:
        prompt: what the person does; parts after "then" follow each other.
        seconds: length; what the text says, or 4 s a part, where None.
        seed: of the noise; the same seed gives the same motion.
        style: one of the model's styles.
        model: folder of a motion model; the embedded one where None.
        options: others of the model's call: steps, guidance, constraints, ...

    Raises:
        ValueError: what was asked for cannot be made; the message says why.
        FileNotFoundError: there are no weights.

    Example:
        >>> motion = kinema.make_motion("a person walks forward", seconds=1, steps=2)
        >>> motion.frames, motion.fps
        (21, 20.0)
        >>> kinema.write_motion("walk.bvh", motion)
    """
    return _models.motion(model)(prompt, seconds, seed=seed, style=style, **options)


def capture_video(
    video: AnyPath,
    *,
    progress: Progress | None = None,
    fill: str = "body",
    cache: bool = True,
    **options: Any,
) -> Scene:
    """Reads people and camera off a video.

    Args:
        video: any file that FFmpeg reads, an animated picture, or a folder or pattern of numbered pictures.
        progress: shown as bars on standard error where None.
        fill: what was not seen is filled in and marked by a low confidence: `body`, in all frames in which anything of
            the person is seen; `short`, in gaps to half a second; `all`, everywhere; `none`.
        cache: keep what was read in the user's cache, and take it from there.
        options: others of `kinema.capture.capture.capture`: start, stop, follow, people, camera, fov, ...

    Returns:
        People on SMPL-24 and the camera, at the video's rate.

    Raises:
        NobodyFoundError: nobody is there, or not the one asked for.
        FormatError, FileNotFoundError: not a video, damaged, or not there.
        ValueError: an option out of range.

    Example:
        >>> film = kinema.preview("examples/jumping_jacks.bvh", seconds=0.5, size=(256, 256), fps=10)
        >>> film.save("film.mp4")
        >>> scene = kinema.capture_video("film.mp4", cache=False)
        >>> len(scene.people)
        1
    """
    from kinema.app.capturing import captured

    return captured(video, progress or Bars(), fill=fill, cache=cache, **options).scene


def camera(
    text: str | FromCameraFile,
    motion: AnyPath | Motion | Scene | None = None,
    *,
    size: tuple[int, int] = (512, 512),
    fps: float | None = None,
    frames: int | None = None,
    **options: Any,
) -> CameraPath:
    """Makes a camera path from words, or reads one.

    Args:
        text: the camera language, e.g. "arc left 60deg then hold 1s", or a camera file, with `FromCameraFile` where
            there is something to say about it. A path from another world is laid in front of the person.
        motion: whom the camera frames: the first person; somebody imagined at the origin where None.
        size: (width, height) in pixels.
        fps: frames per second; the motion's, the file's, or 24, where None.
        frames: the motion's length, the file's own, or 49, where None.
        options: others of `kinema.scene.camera_language.camera_path`: fov, tracking, fill, start, ...

    Raises:
        ValueError: words outside the camera language, or a value out of range.
        FormatError: a damaged file.

    Example:
        >>> path = kinema.camera("dolly in 1m", "examples/walk_and_wave.bvh", size=(96, 128))
        >>> path.size, path.fps
        ((96, 128), 30.0)
    """
    from kinema.app.capturing import person_of
    from kinema.scene.camera_language import camera_path

    given = framing.given_camera(text)
    subject = None if motion is None else person_of(motion, 0, Progress()).to_smpl24()
    if subject is not None:
        fps = subject.fps if fps is None else fps
        frames = framing.frame_count(subject, fps) if frames is None else frames
    if isinstance(given, CameraFile):
        fps = given.camera.fps if fps is None else fps
        frames = round(given.camera.duration * fps) + 1 if frames is None else frames
    fps, frames = 24.0 if fps is None else fps, 49 if frames is None else frames
    if isinstance(given, CameraFile):
        play = Scene(() if subject is None else (subject,), given.camera, fps)
        return framing.scene_camera(play, given, size=size, fps=fps, frames=frames, **options)
    assert isinstance(given, str)
    return camera_path(given, size=size, fps=fps, frames=frames, subject=subject, **options)


def preview(
    scene: AnyPath | Motion | Scene,
    camera: Camera | None = None,
    *,
    size: tuple[int, int] = (512, 512),
    fps: float | None = None,
    seconds: float | None = None,
    people: People = "all",
    tracking: str = "auto",
    seed: int = 0,
    start: float | None = None,
    stop: float | None = None,
    beyond: Beyond = "end",
    transparent: bool = False,
) -> VideoResult:
    """Films a motion, a scene or a video on the stage, with actors in a studio; no model is asked.

    Args:
        scene: a file or an object.
        camera: in words, a camera file, or a path; the scene's own, or a still one, where None.
        size: (width, height) in pixels.
        fps: frames per second; the scene's own, at most 30, where None.
        seconds: length at most.
        people: who is there.
        tracking: how a camera in words keeps the first person in view.
        seed: chooses the actors, their clothes and the studio.
        start, stop: second of the motion at which the film begins and ends.
        beyond: what comes where the motion is shorter than `seconds`: "end", "hold" its last frame, or "loop" it.
        transparent: film the people alone; frames have alpha as a fourth channel.

    Raises:
        ValueError, OSError: what can be mended; the message says how.

    Example:
        >>> kinema.preview("examples/jumping_jacks.bvh", "arc left 60deg", size=(64, 64), seconds=0.1).frames.shape
        (4, 64, 64, 3)
    """
    import numpy as np

    from kinema.app.capturing import say_sticks, scene_of
    from kinema.app.inputs import said_camera
    from kinema.stage.filming import casting, film

    source, part = only_part(scene, Part(start, stop, seconds, beyond))
    play = scene_of(source, told := Notes(Progress()))
    if (shorter := part.shortfall(play.duration)) is not None:
        told.note(shorter)
    play = part.of(play)
    rate = min(play.fps, PREVIEW_FPS) if fps is None else fps
    directed = framing.direct(
        play,
        size=size,
        fps=rate,
        people=people,
        camera=camera,
        tracking=tracking,
        seconds=seconds,
        others=True,
        say=told.note,
    )
    check_drawn(directed)
    say_sticks(directed, told)
    for line in framing.unseen(directed):
        told.note(line)
    takes = film(directed, *casting(seed, directed), transparent=transparent)
    frames = np.concatenate([take.pictures for take in takes])
    settings = {
        "command": "preview",
        "camera": said_camera(camera),
        "tracking": tracking,
        "size": size,
        "seed": seed,
    }
    return VideoResult(frames, rate, settings, directed, tuple(told.lines), actor=seed)


def make_passes(
    source: Source,
    model: str,
    *,
    seconds: float | None = None,
    start: float | None = None,
    stop: float | None = None,
    beyond: Beyond = "end",
    progress: Progress | None = None,
    **options: Any,
) -> PassSet:
    """What a published video model reads of a scene: skeletons, depth, masks, faces, films, in its own conventions.

    Args:
        source: a scene, any motion file, a video, OpenPose JSON, or an object.
        model: name of a profile, e.g. "vace" or "wan-animate"; `kinema passes` lists them.
        seconds: length at most; as long as the motion goes where None.
        start, stop: seconds of the motion at which the film begins and ends.
        beyond: what comes where the motion is shorter than `seconds`: "end", "hold" its last frame, or "loop" it.
        progress: shown as bars on standard error where None; `Progress()` says nothing.
        options: further fields of `PassRequest`: `camera`, `picture`, `size`, `fps`, `people`, `parts`, `replace`,
            `extra`, `actor`, `tracking`.

    Raises:
        ValueError, OSError: what can be mended; the message says how.
        TypeError: no such option.

    Example:
        >>> made = kinema.make_passes(
        ...     "examples/jumping_jacks.bvh",
        ...     "vace",
        ...     camera="arc left 40deg",
        ...     size=(96, 64),
        ...     seconds=0.25,
        ... )
        >>> made["pose"].shape, made.fps
        ((5, 64, 96, 3), 16.0)
        >>> made.save("passes")
        ['control.mp4', 'mask.mp4', 'pose.mp4', 'depth.mp4']
    """
    from kinema.app.passing import PassRequest, passes_of

    part = Part(start, stop, seconds, beyond)
    return passes_of(
        PassRequest(source, model, part=part, **options), Bars() if progress is None else progress
    )


def control_signals(scene: Scene, size: tuple[int, int], **options: Any) -> ControlSignals:
    """What models read of a scene: skeleton maps, camera rays, person masks, joints, as tensors that agree.

    Args:
        scene: people and a camera.
        size: (width, height) in pixels.
        options: frames, fps, names of signals, and how they are drawn: see the function in `kinema.signals`.

    Raises:
        ValueError: the scene has no camera, or somebody's skeleton is not a human one.

    Example:
        >>> scene = kinema.read_scene("examples/walk_and_wave.bvh")
        >>> scene = scene.with_camera(kinema.camera("static", scene, size=(96, 128)))
        >>> signals = kinema.control_signals(scene, (96, 128), frames=5)
        >>> tuple(signals.skeletons.shape)
        (1, 5, 3, 128, 96)
    """
    from kinema.signals import control_signals as room

    return room.control_signals(scene, size=size, **options)


def _fulfilled(request: VideoRequest, progress: Progress | None) -> VideoResult:
    return fulfil(request, Bars() if progress is None else progress, models=_models)
