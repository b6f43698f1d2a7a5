"""MTVCraft's two published models as the pipeline sees them: what they read besides motion, and how they are sampled.

Facts of the public code (docs/mtvcraft.md); motion itself comes from the adapter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKLCogVideoX, CogVideoXTransformer3DModel

from kinema.diffusion.guider import Guidance
from kinema.diffusion.loop import Solver, Step
from kinema.diffusion.schedulers import SchedulerSolver
from kinema.papers.mtvcraft.inputs import patch_positions, reference_latents
from kinema.video.adapters.widening import widen_patch_embedding
from kinema.video.models.cogvideox import CogVideoXVideo, CogVideoXWindow
from kinema.video.models.video_model import (
    SPATIAL_COMPRESSION,
    Draw,
    SamplingDefaults,
    VideoFormat,
    latent_frames,
)
from kinema.video.models.wan import WanVideo

MTVCRAFT_FORMAT = VideoFormat(width=512, height=512, frames=49, fps=20.0, text_tokens=512)
"""What the public code of the CogVideoX model makes; that of the Wan model takes a size for each picture, `bucket_of`.
20 is the rate at which it writes its files."""

BUCKETS = {
    0.25: (1024, 256), 0.26: (992, 256), 0.27: (960, 256), 0.28: (928, 256), 0.32: (896, 288), 0.33: (864, 288),
    0.35: (832, 288), 0.4: (800, 320), 0.42: (768, 320), 0.48: (736, 352), 0.5: (704, 352), 0.52: (672, 352),
    0.57: (672, 384), 0.6: (640, 384), 0.68: (608, 416), 0.72: (576, 416), 0.78: (576, 448), 0.82: (544, 448),
    0.88: (544, 480), 0.94: (512, 480), 1.0: (512, 512), 1.07: (480, 512), 1.13: (480, 544), 1.21: (448, 544),
    1.29: (448, 576), 1.38: (416, 576), 1.46: (416, 608), 1.67: (384, 640), 1.75: (384, 672), 2.0: (352, 704),
    2.09: (352, 736), 2.4: (320, 768), 2.5: (320, 800), 2.89: (288, 832), 3.0: (288, 864), 3.11: (288, 896),
    3.62: (256, 928), 3.75: (256, 960), 3.88: (256, 992), 4.0: (256, 1024),
}  # fmt: skip
"""Height over width, and (width, height) of the Wan model's videos, as the public code lists them."""

OVERLAP = 9
"""Frames that windows share: three latent frames."""


@dataclass(frozen=True)
class ReferenceWindow(CogVideoXWindow):
    """The reference on every latent frame, plain rotary positions, and latents of the frames made before."""

    known: torch.Tensor | None


def bucket_of(width: int, height: int) -> tuple[int, int]:
    """(width, height) of the Wan model's video of a picture: the bucket of the nearest ratio of its sides."""
    nearest = min(BUCKETS, key=lambda ratio: abs(ratio - height / width))
    return BUCKETS[nearest]


class MTVCraftWan(WanVideo):
    """The Wan model: image to video in windows of exactly the length that its weights understand.

    Args:
        sized_by_picture: whether each video takes the bucket of its picture, as in the public code, or the format's size.
        parts: see WanVideo.
    """

    defaults = SamplingDefaults(steps=50, guidance=Guidance(text=6.0), shift=5.0)
    whole_windows = True

    def __init__(self, *, sized_by_picture: bool = False, **parts: Any) -> None:
        super().__init__(**parts)
        self.sized_by_picture = sized_by_picture

    def size_for(self, width: int, height: int) -> tuple[int, int]:
        return bucket_of(width, height) if self.sized_by_picture else self.form.size


class MTVCraftCogVideoX(CogVideoXVideo):
    """The CogVideoX model: no text, the reference picture on every frame, guidance by motion alone.

    A long video is continued as published for the Wan model (ours; the public code stops at one window): the last nine
    frames are put back, as noisy as the rest, after every step.

    Args:
        transformer: of `load_published_cogvideox`.
        vae, scheduler: CogVideoX's; the public code samples with the DPM scheduler.
        form: size, window and frame rate.
        name: as settings show it.
    """

    # Text has no say, so its scale of 0 leaves two passes: without motion, and with it.
    defaults = SamplingDefaults(steps=50, guidance=Guidance(text=0.0, pose=3.0))
    whole_windows = True

    def __init__(
        self,
        *,
        transformer: CogVideoXTransformer3DModel,
        vae: AutoencoderKLCogVideoX,
        scheduler: Any,
        form: VideoFormat = MTVCRAFT_FORMAT,
        name: str = "mtvcraft-cogvideox",
    ) -> None:
        super().__init__(
            transformer=transformer,
            vae=vae,
            scheduler=scheduler,
            tokenizer=None,
            text_encoder=None,
            form=form,
            name=name,
        )
        self.overlap = OVERLAP

    @classmethod
    def of(cls, model: CogVideoXVideo) -> MTVCraftCogVideoX:
        """A CogVideoX that reads noise alone, widened to read the repeated reference; to be trained."""
        channels = model.vae.config.latent_channels
        if model.transformer.config.in_channels == channels:
            widen_patch_embedding(model.transformer, 2 * channels)
        return cls(
            transformer=model.transformer,
            vae=model.vae,
            scheduler=model.scheduler,
            form=model.form,
            name=model.name,
        )

    @property
    def components(self) -> dict[str, Any]:
        return {"transformer": self.transformer, "vae": self.vae, "scheduler": self.scheduler}

    def encode_text(self, prompt: str, device: torch.device) -> torch.Tensor:
        """Zero token states: the model has no text stream.

        Raises:
            ValueError: a prompt that says something.
        """
        if prompt.strip():
            raise ValueError(f"{self.name} reads no text, only picture and motion: leave the prompt out")
        return torch.zeros(1, 0, self.transformer.config.text_embed_dim, device=device)

    def encode_texts(self, prompts: Sequence[str], device: torch.device) -> torch.Tensor:
        """Zero token states whatever is said: training hands the captions that its videos have."""
        return self.encode_text("", device).expand(len(prompts), -1, -1)

    def encode_window(self, pixels: torch.Tensor, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        """With the mode of the reference's posterior, so that a cache holds what depends on the pictures alone (ours)."""
        video = picture.to(self.vae.dtype).expand(-1, -1, pixels.shape[2], -1, -1)
        return {"latents": self.encode_video(pixels), "reference": self.vae.encode(video).latent_dist.mode()}

    def training_window(
        self, encoded: Mapping[str, torch.Tensor], given: torch.Tensor, draw: Draw
    ) -> ReferenceWindow:
        frames, rows, columns = encoded["latents"].shape[2:]
        size = columns * SPATIAL_COMPRESSION, rows * SPATIAL_COMPRESSION
        rope = self._rope(frames, size, encoded["latents"].device)
        return ReferenceWindow(picture=encoded["reference"], rope=rope, known=None)

    def begin_window(
        self,
        picture: torch.Tensor | None,
        known: torch.Tensor | None,
        frames: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> ReferenceWindow:
        assert picture is not None
        return ReferenceWindow(
            picture=reference_latents(self.vae, picture, frames, generator),
            rope=self._rope(latent_frames(frames), self.form.size, device),
            known=None if known is None else self.encode_video(known),
        )

    def draw_noise(self, frames: int, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(
            self.form.latent_shape(self.vae.config.latent_channels, frames), generator=generator
        )

    def solver(
        self, steps: int, shift: float | None, generator: torch.Generator, device: torch.device
    ) -> SchedulerSolver:
        return SchedulerSolver(self.scheduler, steps, shift=shift, generator=generator, device=device)

    def after_step(
        self, x: torch.Tensor, step: Step, solver: Solver, noise: torch.Tensor, window: CogVideoXWindow
    ) -> torch.Tensor:
        if not isinstance(window, ReferenceWindow) or window.known is None:
            return x
        known = window.known.to(x)
        count = known.shape[2]
        known = solver.noised(known, noise[:, :, :count], step.index + 1)
        return torch.cat([known, x[:, :, count:]], dim=2)

    def _rope(
        self, frames: int, size: tuple[int, int], device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        width, height = (side // SPATIAL_COMPRESSION for side in size)
        cos, sin = patch_positions(self.transformer, frames, height, width)
        return cos.to(device), sin.to(device)
