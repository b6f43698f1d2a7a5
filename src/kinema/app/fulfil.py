"""From a request to a video: the one function behind the command line, the server and Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.app.model_cache import ModelCache
from kinema.app.progress import Notes, Progress
from kinema.app.replacing import check_replacement
from kinema.app.request import Sampling, VideoRequest
from kinema.scene import DetectedPeople, Scene

if TYPE_CHECKING:
    from PIL import Image

    from kinema.app.preparing import Prepared
    from kinema.evaluation.followed import Followed
    from kinema.media.sound import Sound


@dataclass(frozen=True, eq=False)
class VideoResult:
    """A video, and what made it.

    Args:
        frames: uint8 [T, H, W, 3]; of a transparent preview or rough take [T, H, W, 4].
        fps: frames per second.
        settings: what is needed to make it again, apart from the inputs; they are written beside it.
        scene: as it was filmed: people and camera on the video's frames; people alone where keypoints drove it.
        notes: what a person should know: what was assumed, what will not have been followed well.
        picture: the character that the model was shown; None where it reads none.
        actor: seed of the stage's actors.
        followed: how far it followed the scene; None where that was not asked for.
        others: further takes, the next best first.

    Example:
        >>> video = kinema.preview("examples/jumping_jacks.bvh", size=(64, 64), seconds=0.1)
        >>> video.scene.frames, video.fps
        (4, 30.0)
        >>> video.save("jacks.mp4")
        >>> video.save("jacks.gif")
    """

    frames: np.ndarray
    fps: float
    settings: Mapping[str, Any]
    scene: Scene | DetectedPeople
    notes: tuple[str, ...] = ()
    picture: Image.Image | None = None
    actor: int = 0
    followed: Followed | None = None
    others: tuple[VideoResult, ...] = ()

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        crf: int = 18,
        scale: int = 1,
        sound: str | os.PathLike[str] | Sound | None = None,
    ) -> None:
        """Writes the video with its settings inside, where the file has a place for them, and beside it.

        Args:
            path: .mp4, .mov, .webm, .gif, .apng or .webp; or a folder of PNGs: a name that ends in /, or `%04d.png`.
            crf: 0 lossless, 18 visually clean, 51 worst.
            scale: how many times each side is enlarged, for viewing.
            sound: a video whose sound is kept, from its beginning, in .mp4, .mov and .webm.

        Raises:
            ValueError: another suffix, no sound there, or a value out of range.
            OSError: it cannot be written, or the folder holds something else.
        """
        from kinema.media.sound import Sound
        from kinema.media.video import write_video

        heard = sound if sound is None or isinstance(sound, Sound) else Sound(sound)
        write_video(path, self.frames, self.fps, self.settings, crf=crf, scale=scale, sound=heard)

    def _repr_html_(self) -> str:
        """What notebooks show: the film, and what a person should know of it."""
        from html import escape

        from kinema.media.inline import video_html

        height, width = self.frames.shape[1:3]
        lines = [f"{len(self.frames)} frames at {self.fps:g} fps, {width}x{height}", *self.notes]
        film = video_html(self.frames, self.fps)
        return f'<div style="font:12px sans-serif">{film}<br>{"<br>".join(map(escape, lines))}</div>'

    def beside_scene(self, scale: int = 1) -> np.ndarray:
        """The video beside its picture, the skeletons that it was given, and a preview of the scene.

        Args:
            scale: how many times each side is enlarged; picture and preview are sharp at that size.

        Returns:
            uint8 [T, H', W', 3].
        """
        from kinema.app.filming import beside_scene

        return beside_scene(self.frames, self.picture, self.scene, self.actor, scale)


def fulfil(
    request: VideoRequest,
    progress: Progress | None = None,
    *,
    models: ModelCache | None = None,
    on_prepared: Callable[[Prepared], None] | None = None,
) -> VideoResult:
    """Makes the video that is asked for.

    Args:
        request: what is asked for.
        progress: told how far it is, and what a person should know; what it raises ends the work.
        models: where models are loaded and kept; new ones where None.
        on_prepared: called before sampling, with everything that is known by then.

    Raises:
        ValueError, OSError: what a person can mend; the message says how.
        FloatingPointError: the network returned NaN or infinity.

    Example:
        >>> request = kinema.VideoRequest(
        ...     camera="pan left 20deg",
        ...     direction=kinema.Direction(seconds=0.4),
        ...     sampling=kinema.Sampling(steps=2),
        ... )
        >>> kinema.fulfil(request).scene.people
        ()
    """
    told = Notes(Progress() if progress is None else progress)
    models = ModelCache() if models is None else models
    if request.replace:
        check_replacement(request)
    if request.is_rough:
        return _filmed(request, told, models, on_prepared)

    from kinema.app.preparing import prepare
    from kinema.diffusion.guider import ORDER
    from kinema.video.models.experts import rescaled

    made = prepare(request, told, models)
    assert made.pipeline is not None
    if on_prepared is not None:
        on_prepared(made)
    sampling = request.sampling
    told.stage("sampling")
    scales: dict[str, Any] = {name: each for name, each in sampling.guidance.items() if each is not None}
    for name in sorted(set(scales) - set(ORDER)):
        told.note(f"guidance: {name!r} is none of {', '.join(ORDER)}, and scales nothing")
    guidance = rescaled(made.pipeline.video_model.defaults.guidance, scales)
    for name in sorted(set(scales) & {"pose", "camera"} if not made.pipeline.adapters else ()):
        told.note(
            f"guidance: without a control method there is nothing that a scale of {name} could exaggerate"
        )
    cautions = made.pipeline.cautions(guidance)
    for line in cautions:
        told.note(line)
    film = made.film
    takes: list[VideoResult] = []
    for number in range(sampling.takes):
        before, share = number, sampling.takes

        def step(done: int, total: int, before: int = before, share: int = share) -> None:
            told.step("sampling", before * total + done, share * total)

        output = made.pipeline(
            prompt=made.prompt,
            image=made.picture,
            scene=made.scene,
            frames=made.scene.frames,
            footage=made.footage,
            seed=sampling.seed + number,
            steps=sampling.steps,
            shift=sampling.shift,
            negative_prompt=sampling.negative_prompt,
            guidance=guidance if film is None else film.guided(guidance, made.pipeline.video_model),
            progress=step,
        )
        settings = {**output.settings, **made.settings}
        takes.append(
            VideoResult(output.frames, output.fps, settings, made.scene, (), made.picture, made.actor)
        )
    for line in output.notes[len(cautions) :]:
        told.note(line)
    return _best(takes, sampling, told)


def _best(takes: list[VideoResult], sampling: Sampling, told: Notes) -> VideoResult:
    """The take that followed its scene best, with what a person should know; the only one where there is one."""
    if not sampling.score and len(takes) == 1:
        return replace(takes[0], notes=tuple(told.lines))
    from kinema.evaluation.followed import followed

    told.stage("looking how far it followed")
    scored = []
    for take in takes:
        how = followed(take.frames, take.fps, take.scene)
        scored.append(replace(take, followed=how, settings={**take.settings, "followed": how.as_json()}))
    scored.sort(key=lambda take: -take.followed.score if take.followed is not None else 0.0)
    if len(scored) > 1:
        shown = ", ".join(
            f"seed {take.settings['seed']} {take.followed.score:.2f}" for take in scored if take.followed
        )
        told.note(f"takes by how far they followed: {shown}")
    best = scored[0]
    for line in () if best.followed is None else best.followed.lines():
        told.note(line)
    return replace(best, notes=tuple(told.lines), others=tuple(scored[1:]))


def _filmed(
    request: VideoRequest,
    told: Notes,
    models: ModelCache,
    on_prepared: Callable[[Prepared], None] | None,
) -> VideoResult:
    """A rough take, all frames in memory."""
    from kinema.app.rough import rough_take

    take = rough_take(request, told, models)
    if on_prepared is not None:
        on_prepared(take.prepared)
    width, height = take.camera.size
    frames = np.empty((take.camera.frames, height, width, 4 if take.transparent else 3), np.uint8)
    for number, frame in enumerate(take.film(told)):
        frames[number] = frame
    made = VideoResult(frames, take.camera.fps, take.settings, take.scene, (), take.picture)
    return _best([made], request.sampling, told)
