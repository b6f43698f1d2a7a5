"""A film whose person becomes somebody else: what of it is kept, and how a request for it is made ready."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.app.progress import Progress
from kinema.app.request import FromVideo, ModelChoice, VideoRequest
from kinema.app.request_inputs import is_from_video, path_of
from kinema.scene import Scene
from kinema.scene.cast import is_nobody
from kinema.video.models.published import PUBLISHED, local_backbone

if TYPE_CHECKING:
    from kinema.passes.shot import Footage
    from kinema.video.pipeline import KinemaPipeline

REPLACING = ("vace-1.3b", "vace-14b", "vace-2.2", "wan-animate")
"""Published models that keep a film's room, the smallest first."""


def check_replacement(request: VideoRequest) -> None:
    """Says what of a request for a replacement cannot be, before anything heavy is read.

    Raises:
        ValueError: no film, no picture, a camera of its own, a part that the film does not have, or no video model.
    """
    if not is_from_video(request.motion):
        raise ValueError("to replace somebody, give the film that they are in")
    if request.picture is None:
        raise ValueError("to replace somebody, give a picture of who shall be there (--with hero.png)")
    if request.camera is not None:
        raise ValueError("a replacement is seen by the film's own camera: leave out --camera")
    if is_nobody(request.direction.people):
        raise ValueError("nobody is to be replaced: leave out --person none")
    if request.direction.beyond != "end" or request.direction.centre or request.direction.retarget:
        raise ValueError(
            "a replacement stands where the film's person does: leave out --beyond, --centre, --retarget"
        )
    if request.is_rough:
        raise ValueError(
            f"a rough take does not go into another film: name a video model, --backbone {' or '.join(_named())}"
        )
    named = request.model.backbone if isinstance(request.model, ModelChoice) else None
    if named is not None and local_backbone(named) is not None:
        assert isinstance(request.model, ModelChoice)
        _recipe_of(request.model)


def default_replacer() -> str:
    """The first published model on this machine that can replace somebody.

    Raises:
        FileNotFoundError: there is none.
    """
    for name in _named():
        if local_backbone(name) is not None:
            return name
    first = _named()[0]
    raise FileNotFoundError(
        f"replacing somebody takes a video model, and none of {', '.join(_named())} is on this machine: "
        f"`hf download {PUBLISHED[first].hub_id} --local-dir {first}` (about {PUBLISHED[first].gigabytes} GB), then "
        f"--backbone {first}"
    )


def replacing_choice(model: ModelChoice, film: tuple[int, int]) -> ModelChoice:
    """A model set to keep a film's room, at the film's shape where no size is asked for.

    Args:
        model: as it was asked for.
        film: (width, height) of the film.

    Raises:
        ValueError: the model cannot replace anybody, or not by this recipe.
    """
    from kinema.video.loading import format_of

    assert model.backbone is not None
    recipe = _recipe_of(model)
    form, multiple = format_of(model.backbone, model.size, model.window, model.fps)
    size = model.size or _shaped(form.size, film, multiple)
    return replace(model, recipe=model.recipe or recipe, size=size)


def replacement(request: VideoRequest) -> VideoRequest:
    """A request for a replacement, with the model set to it and nobody moved out of their place.

    Args:
        request: as it was asked for.

    Raises:
        ValueError, FileNotFoundError, FormatError: as `replacing_choice` and `open_video`.
    """
    from kinema.media.decoding import open_video

    check_replacement(request)
    model = request.model
    if isinstance(model, ModelChoice):
        with open_video(path_of(request.motion)) as film:
            model = replacing_choice(model, film.size)
    steady = bool(request.direction.steady)
    direction = replace(request.direction, retarget=False, steady=steady)
    return replace(request, model=model, direction=direction)


def film_kept(
    request: VideoRequest, source: Any, scene: Scene, pipeline: KinemaPipeline, progress: Progress
) -> Footage:
    """The film on the video's frames, with who is where in it.

    Args:
        request: for the film.
        source: the part of it that is read, as `only_part` gives it.
        scene: as it was captured and directed: people and camera on the video's frames.
        pipeline: that will read it.
        progress: told how far it is.

    Raises:
        FormatError: as `open_video`.
        DetectorUnavailable: MediaPipe's networks are missing.
    """
    from kinema.capture.person_masks import person_masks
    from kinema.passes.shot import Footage

    begins = source.start if isinstance(source, FromVideo) else None
    rate = source.source_fps if isinstance(source, FromVideo) else None
    frames = _film_frames(path_of(source), scene, begins or 0.0, rate)
    name = "finding who is replaced"
    progress.stage(name)
    assert scene.camera is not None
    masks = person_masks(
        frames, scene.people, scene.camera, lambda done, total: progress.step(name, done, total)
    )
    if not masks.any():
        raise ValueError(f"{os.fspath(path_of(source))}: nobody is seen where somebody was captured")
    return Footage(frames, masks)


def _film_frames(path: Any, scene: Scene, start: float, source_fps: float | None) -> np.ndarray:
    """The film's frames at the scene's rate, scaled and cropped as its camera is, uint8 [T, H, W, 3]."""
    from PIL import Image

    from kinema.media.decoding import open_video
    from kinema.media.windows import window_round

    camera = scene.camera
    assert camera is not None
    made: list[np.ndarray] = []
    with open_video(path, start=start or None, fps=scene.fps, source_fps=source_fps) as film:
        box = window_round(film.size, camera.size)
        for chunk in film.chunks():
            for frame in chunk[: camera.frames - len(made)]:
                shown = Image.fromarray(frame).resize(camera.size, Image.Resampling.LANCZOS, box=box)
                made.append(np.asarray(shown))
            if len(made) == camera.frames:
                break
    made += made[-1:] * (camera.frames - len(made))  # a film's last frame ends before its sound does
    return np.stack(made)


def _shaped(size: tuple[int, int], film: tuple[int, int], multiple: int) -> tuple[int, int]:
    """(width, height) of about a format's area in the shape of a film."""
    scale = (size[0] * size[1] / (film[0] * film[1])) ** 0.5
    width, height = (multiple * max(1, round(scale * side / multiple)) for side in film)
    return width, height


def _recipe_of(model: ModelChoice) -> str:
    """The recipe by which a model keeps a film's room.

    Raises:
        ValueError: it has none, or another one is asked for.
    """
    from kinema.video.loading import family_of

    assert model.backbone is not None
    recipe = family_of(model.backbone).replaces
    if not recipe:
        raise ValueError(
            f"{model.backbone} cannot put anybody into a film; {', '.join(_named())} and folders of their kind can"
        )
    if model.recipe is not None and model.recipe.split(",")[0].strip() != recipe:
        raise ValueError(f"replacing somebody is recipe {recipe}, not {model.recipe}")
    return recipe


def _named() -> list[str]:
    return [name for name in REPLACING if name in PUBLISHED]
