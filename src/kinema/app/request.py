"""What a person asks for when they ask for a video: the command line, the server and Python all say it in these words."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from kinema.scene.formats.reading import MotionReading
from kinema.scene.lasting import Beyond, Part

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from kinema.scene import DetectedPeople, Motion, Scene
    from kinema.scene.cast import People
    from kinema.scene.framing import Camera
    from kinema.video.memory import Memory
    from kinema.video.parallel import Parallel
    from kinema.video.whole import AnyPipeline

    OnePicture = str | os.PathLike[str] | Image.Image | np.ndarray

AnyPath = str | os.PathLike[str]

ROUGH = "rough"
"""Stands among the backbones for none: the picture's own person is moved."""

Clothes = Literal["auto", "skirt", "trousers"]
Legs = Literal["auto", "move", "stay"]
"""Whether a rough take's person wears something that both legs move."""


@dataclass(frozen=True)
class FromFile(MotionReading):
    """Motion of a file.

    Args:
        path: any motion file, a scene, a video (also a folder or pattern of numbered pictures) or OpenPose JSON, read
            then as `FromVideo` or `FromKeypoints` say by default.
        unit, up, ground, ...: what a motion file does not say, as `MotionReading` has them.

    Example:
        >>> kinema.VideoRequest(motion=kinema.FromFile("examples/walk_and_wave.bvh", unit="m")).motion.unit
        'm'
    """

    path: AnyPath

    @classmethod
    def read_as(cls, path: AnyPath, reading: MotionReading) -> FromFile:
        """The file at `path`, read as is said there."""
        return cls(path, **vars(reading))

    @property
    def words(self) -> dict[str, Any]:
        """What is said about the file."""
        return {each.name: getattr(self, each.name) for each in fields(MotionReading)}


@dataclass(frozen=True)
class FromVideo:
    """Motion read off a video, without gaps.

    Args:
        path: the video: a file, or a folder or pattern of numbered pictures.
        stop: second of it at which reading ends; its end where None.
        cache: keep what was read in the user's cache, or in this folder, and take it from there.
        start: second of it at which reading begins; its beginning where None.
        follow: whose: the largest, longest, centre, all, or the number of a person; see `capture_video`. The largest
            where None, or all where people are named.
        source_fps: the video's own frames per second, where it does not say them or says them wrong.

    Example:
        >>> kinema.VideoRequest(picture="hero.png", motion=kinema.FromVideo("dance.mp4", stop=4.0)).motion.stop
        4.0
    """

    path: AnyPath
    stop: float | None = None
    cache: bool | AnyPath = True
    start: float | None = None
    follow: str | int | None = None
    source_fps: float | None = None


@dataclass(frozen=True)
class FromKeypoints:
    """People of whom only 2D keypoints in pictures are known: they drive methods that follow skeletons, without 3D.

    There is no depth, so no camera, and nothing is retargeted, steadied or centred.

    Args:
        path: OpenPose JSON: a folder with a file for each frame, or one file; or a video, also of drawn skeletons, whose
            people are found in its pictures.
        fps: frames per second of OpenPose JSON, which does not say them.
        size: (width, height) of the pictures, where the files have no canvas_width and canvas_height.

    Example:
        >>> kinema.VideoRequest(picture="hero.png", motion=kinema.FromKeypoints("poses", fps=24)).motion.fps
        24
    """

    path: AnyPath
    fps: float = 30.0
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class FromPrompt:
    """Motion made from the request's prompt, which may also say what the camera does.

    Args:
        seconds: length; what the prompt says, or 4 s a part, where None.
        style: how it is done, e.g. happy; one of the model's styles.
        model: folder of a motion model; the embedded one where None.
        endpoint: OpenAI-compatible address that splits the prompt; rules on this machine where None.
        endpoint_model: the language model's name there.

    Example:
        >>> kinema.VideoRequest(prompt="a person waves", motion=kinema.FromPrompt(seconds=2)).motion.seconds
        2
    """

    seconds: float | None = None
    style: str | None = None
    model: Path | None = None
    endpoint: str | None = None
    endpoint_model: str = "default"


@dataclass(frozen=True)
class Direction:
    """How a scene is made ready for the video.

    Args:
        people: who of the scene is there, counted from 0; "all", or () for nobody: the camera alone moves. The first
            where None. Whoever is there drives the video as far as the control method can tell people apart.
        tracking: how a camera in words keeps the first of them in view: none, pan, follow; auto follows a walker.
        seconds: length at most; the scene's where None.
        start, stop: second of the motion at which the video begins and ends; all of it where None.
        beyond: what comes where the motion is shorter than `seconds`: it just ends ("end"), its last frame is held
            ("hold"), or it is repeated from where it has led ("loop").
        longest: a limit on that, also where a scene has no length of its own.
        centre: move the people to the middle of the first camera's view.
        retarget: fit the scene to the picture: the first of them gets the proportions of the person in it, and the
            camera its place; it goes along with who would leave the picture. Where None: if somebody is found in it.
        steady: take the trembling out of the motion, see `kinema.scene.steady`. Where None: if it is read off a video.

    Example:
        >>> kinema.VideoRequest(motion="duet.npz", direction=kinema.Direction(people="all")).direction.people
        'all'
    """

    people: People = None
    tracking: str = "auto"
    seconds: float | None = None
    longest: float | None = None
    centre: bool = False
    retarget: bool | None = None
    steady: bool | None = None
    start: float | None = None
    stop: float | None = None
    beyond: Beyond = "end"

    @property
    def part(self) -> Part:
        """Which part of the motion is meant, and how long the video is.

        Raises:
            ValueError: a part that is none, or a length out of range.
        """
        return Part(self.start, self.stop, self.seconds, self.beyond)


@dataclass(frozen=True)
class ModelChoice:
    """Which model makes the video, and how it is placed; see `kinema.load_pipeline`.

    Args:
        backbone: a name that `kinema models` lists, or a folder. Where None: "rough" where a picture is given, whose own
            person is moved without a model; the embedded model without a picture.
        controls: control methods, e.g. ("tokenmotion:camera",); () for none; the first with trained weights where None.
        adapter_weights: folder of trained control weights; beside the backbone's where None.
        base: of published files of a method: the backbone, by name or folder, whose other parts they use.
        checkpoint: the backbone's transformer as one file (.safetensors, .gguf); of two experts both, high noise first.
        lora: a LoRA for the backbone, or several: `style.safetensors`, `style.safetensors:0.8` for so much of it.
        fast: sample in few steps as a distilled model was trained: lightx2v, causvid, fastwan, or their LoRA's file.
        size: (width, height); the backbone's own where None.
        fps: frames per second, of the motion that the model is shown and of the video; the backbone's own where None.
        recipe: which passes tell the model of the scene, for models that have recipes, e.g. "pose-and-depth" of VACE.
        control_strength: how much they count, for models that have it; 1 as they were trained.
        window: frames of one window, 4k + 1; the backbone's own where None.
        memory: high, medium or low use of the accelerator.
        fp8: keep the weights in 8 bits.
        quantise: keep the weights in fewer bits, by a package: int8, fp8, int4, nf4, ...
        attention: an attention back-end of diffusers.
        cache: leave out what changes little from step to step: first-block, taylorseer, pab, mag; `first-block:0.08`.
        compile_blocks: compile the blocks that the network repeats.
        parallel: how processes that torchrun started share a video out: context, guidance, both or auto.
        device: where it works; by default the CPU for the embedded model, else an accelerator.

    Example:
        >>> kinema.ModelChoice("wan2.1-14b", controls=("mtvcraft",), memory="low").controls
        ('mtvcraft',)
    """

    backbone: str | None = None
    controls: tuple[str, ...] | None = None
    adapter_weights: Path | None = None
    lora: str | Path | tuple[str | Path, ...] | None = None
    size: tuple[int, int] | None = None
    window: int | None = None
    memory: Memory = "high"
    fp8: bool = False
    attention: str | None = None
    device: str | None = None
    fps: float | None = None
    recipe: str | None = None
    control_strength: float | None = None
    base: str | Path | None = None
    checkpoint: Path | tuple[Path, ...] | None = None
    fast: str | Path | tuple[str | Path, ...] | None = None
    quantise: str | None = None
    cache: str | None = None
    compile_blocks: bool = False
    parallel: Parallel | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What only some families of models have, as far as it is said."""
        said = {"recipe": self.recipe, "control_strength": self.control_strength}
        return {name: each for name, each in said.items() if each is not None}


@dataclass(frozen=True)
class Sampling:
    """How the model is sampled; its own defaults where None.

    Args:
        seed: of the noise, and of whatever else is random.
        steps: of denoising.
        guidance: scale by condition: text, pose, camera, or what a method brings; None as left out. Two in a tuple are
            for a model of two experts (Wan 2.2 A14B), that of the noisy steps first.
        shift: above 1 spends more steps near the noise.
        negative_prompt: what guidance on the text leads away from.
        takes: how many videos are made, with seeds one after the other; the one that follows the scene best is kept.
        score: say how far the video followed the scene, by capture on its frames; several takes do so anyway.

    Raises:
        ValueError: no take, or more than 64.

    Example:
        >>> kinema.Sampling(seed=7, guidance={"pose": 2.0}).guidance["pose"]
        2.0
    """

    seed: int = 0
    steps: int | None = None
    guidance: Mapping[str, float | tuple[float, float] | None] = field(default_factory=dict)
    shift: float | None = None
    negative_prompt: str = ""
    takes: int = 1
    score: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.takes <= 64:
            raise ValueError(f"takes {self.takes}: give 1 to 64")


@dataclass(frozen=True)
class RoughLook:
    """How a rough take looks; models have no use for it.

    Args:
        clothes: auto, skirt or trousers: whether what hangs between the legs goes with both or is cut between them. Of
            several people also a list, one for each, as for `legs`.
        background: keep, the picture's own room; transparent, the person alone; or a picture of another room.
        mask: how much of each pixel is the person: a picture of the picture's size, or numbers [H, W]; found where None.
            Of several people a list, one for each.
        marks: a file that says where the person's joints are; found where None, or as far as the file says nothing. Of
            several people a list.
        picture_person: of several in the picture, counted from the left from 0, or "all"; a list where several are
            moved, of several pictures one number for each. Where None: the largest, as many as move.
        begin_with_picture: the pose goes over from the picture's to the motion's in the first 0.4 s, and where nothing
            else stands against it the first frame is the picture itself.
        face: the face of who is seen in the driving video moves the picture's, where both are large and clear enough.
        fingers: so do their fingers, where a hand of the picture is large, open and before the room.
        legs: move, with the motion; stay, hips and legs as the picture has them; or auto: they stay where it shows
            somebody who sits, kneels or crouches, or no legs.

    Raises:
        ValueError: other clothes or legs.

    Example:
        >>> kinema.VideoRequest.of(picture="hero.png", motion="dance.bvh", background="transparent").rough.clothes
        'auto'
    """

    clothes: Clothes | Sequence[Clothes] = "auto"
    background: AnyPath | Image.Image | np.ndarray = "keep"
    mask: AnyPath | np.ndarray | Sequence[AnyPath | np.ndarray | None] | None = None
    marks: AnyPath | Sequence[AnyPath | None] | None = None
    picture_person: int | Sequence[int | None] | Literal["all"] | None = None
    begin_with_picture: bool = False
    face: bool = True
    fingers: bool = False
    legs: Legs | Sequence[Legs] = "auto"

    def __post_init__(self) -> None:
        for name, given, known in (("clothes", self.clothes, Clothes), ("legs", self.legs, Legs)):
            for each in (given,) if isinstance(given, str) else given:
                if each not in get_args(known):
                    raise ValueError(f"{name} {each!r}: there are {', '.join(get_args(known))}")

    @property
    def plain(self) -> bool:
        """Whether there is no room but the picture's own."""
        return isinstance(self.background, str) and self.background in ("keep", "transparent")

    @property
    def says_something(self) -> bool:
        """Whether anything is not as by default."""
        given = (self.mask, self.marks, self.picture_person)
        kept = self.plain and not self.transparent and self.clothes == self.legs == "auto" and self.face
        return not kept or self.begin_with_picture or self.fingers or any(each is not None for each in given)

    @property
    def transparent(self) -> bool:
        """Whether the person alone is filmed."""
        return isinstance(self.background, str) and self.background == "transparent"


@dataclass(frozen=True)
class VideoRequest:
    """A video.

    Args:
        picture: the character, standing, seen from the front: a file, a picture, or pixels uint8 [H, W, 3]; of a rough
            take also a list of them, one for each person who moves: the first one's room is filmed.
        motion: what the people do: a file, a folder of keypoints, a motion, a scene, detected people, or one of the
            `From...` above; nobody moves where None, and the camera alone drives the video.
        camera: in words, a camera file (`FromCameraFile` where there is more to say), or a path. Where
            None: what the prompt of `FromPrompt` says, else the scene's own, else a still one.
        prompt: what happens.
        actor: seed of an actor of the stage, for models that read a picture where none is given; `sampling.seed`
            where None.
        replace: put the character into the video that the motion is read off, in place of who moves there; its room,
            camera and everybody else are kept.
        direction, model, sampling, rough: see there; a pipeline that is already loaded may stand for `model`.

    Example:
        >>> request = kinema.VideoRequest(picture="hero.png", motion="dance.mp4", camera="arc left 40deg")
        >>> request.sampling.seed
        0
    """

    picture: OnePicture | Sequence[OnePicture] | None = None
    motion: (
        AnyPath | Motion | Scene | DetectedPeople | FromFile | FromVideo | FromKeypoints | FromPrompt | None
    ) = None
    camera: Camera | None = None
    prompt: str = ""
    actor: int | None = None
    replace: bool = False
    direction: Direction = Direction()
    model: ModelChoice | AnyPipeline = ModelChoice()
    sampling: Sampling = Sampling()
    rough: RoughLook = RoughLook()

    @property
    def pictures(self) -> tuple[OnePicture, ...]:
        """The pictures, one or several."""
        given: Any = self.picture
        if given is None:
            return ()
        return tuple(given) if isinstance(given, (list, tuple)) else (given,)

    @property
    def is_rough(self) -> bool:
        """Whether the picture's own person is moved, without a video model."""
        if not isinstance(self.model, ModelChoice):
            return False
        named = self.model.backbone
        return self.picture is not None if named is None else named == ROUGH

    @classmethod
    def of(cls, **options: Any) -> VideoRequest:
        """A request from its fields and those of `direction`, `model`, `sampling` and `rough`, all by name.

        Raises:
            TypeError: no field has that name.
            ValueError: a field beside the object that it belongs to.

        Example:
            >>> kinema.VideoRequest.of(prompt="a person waves", steps=4, people="all").sampling.steps
            4
        """
        own: dict[str, Any] = {
            each.name: options.pop(each.name) for each in fields(cls) if each.name in options
        }
        for name, kind in _PARTS.items():
            mine = {each.name: options.pop(each.name) for each in fields(kind) if each.name in options}
            if mine and name in own:
                raise ValueError(f"{', '.join(mine)}: say it in {name}, which is given as well")
            own.setdefault(name, kind(**mine))
        for unknown in options:
            near = get_close_matches(unknown, option_names(), n=1)
            raise TypeError(f"no option {unknown!r}" + (f"; is it {near[0]!r}?" if near else ""))
        return cls(**own)


_PARTS: dict[str, type[Any]] = {
    "direction": Direction,
    "model": ModelChoice,
    "sampling": Sampling,
    "rough": RoughLook,
}


def only_part(source: Any, part: Part) -> tuple[Any, Part]:
    """A video of which no more is read than the part needs, and what is left to say of that; anything else as it is."""
    from kinema.media.decoding import is_video

    timed = part.start is not None or part.stop is not None or part.seconds is not None
    path = source.path if isinstance(source, FromFile) else source
    if not timed or not isinstance(path, (str, os.PathLike)) or not is_video(path):
        return source, part
    stop = part.stop
    if part.beyond == "end" and part.seconds is not None:
        end = (part.start or 0.0) + part.seconds
        stop = end if stop is None else min(stop, end)
    rate = source.source_fps if isinstance(source, FromFile) else None
    video = FromVideo(path, stop=stop, start=part.start, source_fps=rate)
    return video, Part(None, None, part.seconds, part.beyond)


def option_names() -> list[str]:
    """Names that `VideoRequest.of` understands."""
    return [
        each.name
        for kind in (VideoRequest, Direction, ModelChoice, Sampling, RoughLook)
        for each in fields(kind)
    ]
