"""What mini reads of a scene and its picture besides an adapter's signals: the backdrop plate, and where people are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from kinema.scene import Scene
from kinema.scene.sampling import sample_scene
from kinema.signals.control_signals import control_signals, smpl24_joints
from kinema.video.models.mini.backdrop import Backdrop

if TYPE_CHECKING:
    from kinema.video.models.video_model import VideoFormat


@dataclass(frozen=True, eq=False)
class MiniConditioning:
    """The plates of a video.

    Args:
        plate: what the cameras will see of the picture's background, uint8 [T, H, W, 4], see `Backdrop.seen_by`.
        people: the human-aware mask, bool [B, T, H, W]; None where nobody says where people shall be.
    """

    plate: torch.Tensor
    people: torch.Tensor | None

    @property
    def backdrop(self) -> torch.Tensor:
        """The plate in 0 to 1, the last channel 1 where the picture shows it, [1, T, 4, H, W]."""
        return self.plate.permute(0, 3, 1, 2)[None].float().div_(255)

    @classmethod
    def of(cls, scene: Scene, picture: np.ndarray, form: VideoFormat, frames: int, posed: bool) -> Self:
        """The plates of one scene.

        Args:
            scene: with a camera.
            picture: what its first frame sees, uint8 [H, W, 3].
            form: size and frame rate.
            frames: of the video.
            posed: whether something says where people shall be.
        """
        people, camera = sample_scene(scene, size=form.size, frames=frames, fps=form.fps, pad=True)
        standing = np.stack([smpl24_joints(person)[0] for person in people]) if people else None
        plate = torch.from_numpy(Backdrop.of(picture, camera, standing).seen_by(camera))
        mask = None
        if posed and people:
            names = ("person_mask",)
            mask = control_signals(
                scene, size=form.size, frames=frames, fps=form.fps, names=names
            ).person_mask
        return cls(plate, mask)

    def window(self, start: int, frames: int) -> MiniConditioning:
        """The part of one window."""
        people = None if self.people is None else self.people[:, start : start + frames]
        return MiniConditioning(self.plate[start : start + frames], people)


@dataclass(frozen=True)
class MiniConditioner:
    """Draws the plates of scenes; picklable, so that worker processes can.

    Args:
        form: frame rate of the videos; pictures may have any size.
    """

    form: VideoFormat

    def __call__(
        self, scene: Scene, picture: np.ndarray, frames: int, posed: bool
    ) -> MiniConditioning | None:
        """See MiniConditioning.of; None where the scene has no camera."""
        if scene.camera is None:
            return None
        height, width = picture.shape[:2]
        form = replace(self.form, width=width, height=height)
        return MiniConditioning.of(scene, picture, form, frames, posed)
