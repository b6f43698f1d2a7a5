"""Videos of a scene that need no learning, judged as a model's are: what a method must beat before it is credited.

A baseline is called as a pipeline is and stands in reports under its name, beside the control methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from kinema.scene import Scene
from kinema.video import KinemaOutput
from kinema.video.models.video_model import VideoModel
from kinema.video.pixels import picture_tensor, to_uint8


class Baseline(ABC):
    """A way to a video of (picture, scene) without a network.

    Args:
        model: whose videos it stands beside; its own have the same size, rate and length.

    Attributes:
        name: in reports, and for `--control`.
    """

    name: ClassVar[str]

    def __init__(self, model: VideoModel) -> None:
        self.video_model = model

    @property
    def components(self) -> dict[str, Any]:
        """Parts with weights: none."""
        return {}

    @abstractmethod
    def frames(self, picture: np.ndarray, scene: Scene, count: int) -> np.ndarray:
        """The video.

        Args:
            picture: the character, uint8 [H, W, 3]; any size, cropped to fill.
            scene: people and camera.
            count: frames of the video.

        Returns:
            uint8 [T, H, W, 3].

        Raises:
            ValueError: nothing of the kind can be made for this model or scene.
        """

    def __call__(
        self,
        prompt: str = "",
        image: Image.Image | np.ndarray | None = None,
        scene: Scene | None = None,
        *,
        frames: int | None = None,
        seed: int = 0,
        steps: int | None = None,
    ) -> KinemaOutput:
        """Takes what `KinemaPipeline` takes; text, seed and steps change nothing.

        Raises:
            ValueError: no picture or no scene.
        """
        if image is None or scene is None:
            raise ValueError(f"{self.name} is made of a picture and a scene: give both")
        form = self.video_model.form
        video = self.frames(np.asarray(image), scene, frames or form.frames)
        return KinemaOutput(video, form.fps, {"baseline": self.name}, scene)


class Plates(Baseline):
    """The plate that a model draws people before, by itself: the room as the camera will see it, and nobody in it.

    Its figures of the camera say what the plate is worth without a network, those of people are those of an empty room.
    """

    name = "plates"

    def frames(self, picture: np.ndarray, scene: Scene, count: int) -> np.ndarray:
        model = self.video_model
        plate = model.plate(scene, picture_tensor(picture, model.form.size), count)
        if plate is None:
            raise ValueError(f"{model.name} draws before no plate: there is none to judge alone")
        return to_uint8(plate[0])


BASELINES: dict[str, type[Baseline]] = {each.name: each for each in (Plates,)}
"""By name."""
