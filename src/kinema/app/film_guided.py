"""Requests that are filmed first, roughly, and then made by a model that begins at that film: --control time-to-move."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema.app.model_cache import ModelCache
from kinema.app.progress import Progress
from kinema.app.request import ROUGH, ModelChoice, Sampling, VideoRequest
from kinema.app.request_inputs import is_from_video
from kinema.app.rough import RoughTake, rough_take
from kinema.app.rough_picture import NobodyInPicture
from kinema.scene import CameraPath, Scene
from kinema.scene.framing import Camera
from kinema.video.registry import film_guider

if TYPE_CHECKING:
    from PIL import Image

    from kinema.diffusion.guider import Guider
    from kinema.video.models.video_model import VideoModel

_IS = 128  # of 255, from which on a pixel is a person's, or the picture's own (ours)


@dataclass(frozen=True, eq=False)
class RoughFilm:
    """A film of what shall happen, and what of it the model shall follow.

    Args:
        name: of the control method that reads it.
        words: what was said to that method.
        frames: uint8 [T, H, W, 3].
        mask: what is driven, bool [T, H, W].
        scene: as it was filmed.
        kind: what it is, for the settings.
    """

    name: str
    words: str
    frames: np.ndarray
    mask: np.ndarray
    scene: Scene
    kind: str

    def guided(self, guidance: Guider, model: VideoModel) -> Guider:
        """The guider that makes a model follow the film, with the passes of another."""
        assert self.scene.camera is not None
        words = self.words or model.film_words
        return film_guider(self.name).from_film(
            self.frames, self.mask, guidance, camera=moves(self.scene.camera), words=words
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What is written down of it beside the guider's own settings."""
        return {"control": [self.name], "film": self.kind}


def filmed_roughly(
    request: VideoRequest,
    guide: tuple[str, str],
    scene: Scene | None,
    camera: Camera | None,
    picture: Image.Image,
    form: tuple[tuple[int, int], float],
    progress: Progress,
    models: ModelCache,
) -> RoughFilm:
    """The rough take of a request, at the size and rate of the model that shall follow it.

    Args:
        request: what is asked for.
        guide: the control method and what is said to it.
        scene: who moves, read already; None for nobody.
        camera: in words or a path.
        picture: the character as the model is shown it, of the video's shape.
        form: ((width, height), frames per second) of the video.
        progress, models: as in `prepare`.

    Raises:
        ValueError, OSError: what a person can mend.
    """
    from kinema.video.pixels import picture_tensor, to_uint8

    size, fps = form
    direction = request.direction
    steady = is_from_video(request.motion) if direction.steady is None else direction.steady
    asked = replace(
        request,
        picture=picture,
        motion=scene,
        camera=camera,
        prompt="",
        direction=replace(direction, start=None, stop=None, beyond="end", steady=steady),
        model=ModelChoice(ROUGH, size=size, fps=fps),
        sampling=Sampling(seed=request.sampling.seed),
        rough=replace(request.rough, begin_with_picture=True),
    )
    try:
        take = rough_take(asked, progress, models)
    except NobodyInPicture:
        raise ValueError(
            f"nobody is found in the picture, and {guide[0]} follows a rough film of its person: give a picture of one "
            "person, best from head to feet"
        ) from None
    frames, mask = _filmed(take, progress)
    frames[0] = to_uint8(picture_tensor(picture, size)[0])[0]  # what the model begins with
    return RoughFilm(*guide, frames, mask, take.scene, "rough take")


def staged(scene: Scene, actor: int, guide: tuple[str, str], progress: Progress) -> RoughFilm:
    """The stage's film of a directed scene; its first frame is the picture to begin with.

    Args:
        scene: people and camera on the video's frames.
        actor: seed of actors and studio.
        guide: the control method and what is said to it.
        progress: told how far it is.
    """
    from kinema.stage.filming import casting, film

    assert scene.camera is not None
    progress.stage("filming")
    cast, world = casting(actor, scene)
    takes = list(film(scene, cast, world))
    mask = np.concatenate([take.person_ids > 0 for take in takes])
    if moves(scene.camera):
        mask = np.ones_like(mask)  # the stage knows every pixel
    return RoughFilm(*guide, np.concatenate([take.rgb for take in takes]), mask, scene, "stage")


def moves(camera: CameraPath) -> bool:
    """Whether a camera is anything but still."""
    still = np.allclose(camera.c2w, camera.c2w[:1], atol=1e-6)
    return not (still and np.allclose(camera.intrinsics, camera.intrinsics[:1]))


def _filmed(take: RoughTake, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Frames and mask: the person; where the camera moves also all of the room that the picture itself shows."""
    frames, masks, whole = [], [], moves(take.camera)
    for frame in take.frames(progress):
        frames.append(frame.rgb)
        person = frame.coverage >= _IS
        masks.append(person | (frame.known >= _IS) if whole else person)
    return np.stack(frames), np.stack(masks)
