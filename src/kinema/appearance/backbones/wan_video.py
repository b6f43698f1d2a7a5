"""Wan 2.1 as the pipeline sees it: flow matching, UMT5 text, a masked video on extra channels and a CLIP picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel

from kinema.appearance.adapters.mtvcraft_inputs import renoise_known, wan_condition, wan_input
from kinema.appearance.backbones.text_states import cut_states
from kinema.appearance.backbones.video_model import (
    TEMPORAL_COMPRESSION,
    OnStep,
    Predict,
    SamplingDefaults,
    VideoFormat,
    VideoModel,
)
from kinema.appearance.guidance import Guidance
from kinema.appearance.pixels import to_uint8
from kinema.appearance.scheduling import fresh_scheduler, integrate

WAN_FORMAT = VideoFormat(width=832, height=480, frames=81, fps=16.0, text_tokens=512)
"""What the 480P models of Wan 2.1 were trained on."""

OVERLAP = 9
"""Frames that windows share: three latent frames, as in MTVCraft's long videos."""


@dataclass(frozen=True)
class WanWindow:
    """What is known of a window.

    Args:
        condition: mask and masked-video latents, [1, 4 + C, F, h, w]; None for text to video.
        picture_states: CLIP states of the picture, [1, 257, 1280] in the published models.
        known: frames that the window before made; they are put back after every step.
    """

    condition: torch.Tensor | None
    picture_states: torch.Tensor | None
    known: int


class WanVideo(VideoModel):
    """Wan 2.1, text to video or image to video.

    A video that starts from a picture is continued from its last nine frames: they are the known part of the masked
    video, and after every step their latents are put back at the noise level of the next one. Text to video makes one
    window only.

    Args:
        transformer, vae, scheduler, tokenizer, text_encoder, image_encoder, image_processor: the parts of diffusers'
            pipelines; the last two for image to video.
        form: size, window and frame rate.
        name: as settings show it.

    Raises:
        ValueError: a size that the model cannot make, or no image encoder where the transformer reads one.
    """

    family = "wan"
    # 5 and 50 are the defaults of diffusers' pipelines; the schedule's shift is what the scheduler was saved with.
    defaults = SamplingDefaults(steps=50, guidance=Guidance(text=5.0))

    def __init__(
        self,
        *,
        transformer: WanTransformer3DModel,
        vae: AutoencoderKLWan,
        scheduler: Any,
        tokenizer: Any,
        text_encoder: Any,
        image_encoder: Any = None,
        image_processor: Any = None,
        form: VideoFormat = WAN_FORMAT,
        name: str = "wan2.1",
    ) -> None:
        if transformer.config.image_dim is not None and (image_encoder is None or image_processor is None):
            raise ValueError(f"{name} reads a CLIP picture, but has no image_encoder or image_processor")
        self.transformer = transformer
        self.vae = vae
        self.scheduler = scheduler
        self.tokenizer = tokenizer
        self.text_encoder = text_encoder
        self.image_encoder = image_encoder
        self.image_processor = image_processor
        self.form = form
        self.name = name
        self.reads_picture = transformer.config.in_channels == 2 * vae.config.z_dim + TEMPORAL_COMPRESSION
        self.overlap = OVERLAP if self.reads_picture else 0
        self.check()

    @property
    def components(self) -> dict[str, Any]:
        parts = {
            "tokenizer": self.tokenizer,
            "text_encoder": self.text_encoder,
            "image_encoder": self.image_encoder,
            "image_processor": self.image_processor,
            "transformer": self.transformer,
            "vae": self.vae,
            "scheduler": self.scheduler,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def encode_text(self, prompt: str, device: torch.device) -> torch.Tensor:
        return cut_states(self.tokenizer, self.text_encoder, prompt, self.form.text_tokens, device)

    def encode_video(self, pixels: torch.Tensor) -> torch.Tensor:
        latents = self.vae.encode(pixels.to(self.vae.dtype)).latent_dist.mode()
        mean, std = self._statistics(latents)
        return (latents - mean) / std

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        mean, std = self._statistics(latents)
        return self.vae.decode((latents * std + mean).to(self.vae.dtype)).sample

    def begin_window(
        self,
        picture: torch.Tensor | None,
        known: torch.Tensor | None,
        frames: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> WanWindow:
        if not self.reads_picture:
            return WanWindow(None, None, 0)
        assert picture is not None
        return WanWindow(
            condition=wan_condition(picture if known is None else known, frames, self.encode_video),
            picture_states=self._picture_states(picture),
            known=0 if known is None else known.shape[2],
        )

    def predict(
        self, x: torch.Tensor, t: Any, text: torch.Tensor, window: WanWindow, attention_kwargs: dict[str, Any]
    ) -> torch.Tensor:
        dtype = self.transformer.dtype
        seen = x if window.condition is None else wan_input(x, window.condition)
        raw = self.transformer(
            hidden_states=seen.to(dtype),
            timestep=t.expand(len(x)),
            encoder_hidden_states=text.to(dtype),
            encoder_hidden_states_image=None
            if window.picture_states is None
            else window.picture_states.to(dtype),
            attention_kwargs=attention_kwargs,
            return_dict=False,
        )[0]
        return raw.float()

    def sample(
        self,
        predict: Predict,
        window: WanWindow,
        frames: int,
        *,
        steps: int,
        shift: float | None,
        generator: torch.Generator,
        device: torch.device,
        on_step: OnStep,
    ) -> torch.Tensor:
        shape = self.form.latent_shape(self.vae.config.z_dim, frames)
        noise = torch.randn(shape, generator=generator).to(device)
        scheduler = fresh_scheduler(self.scheduler, shift)

        def put_back(x: torch.Tensor, done: int) -> torch.Tensor:
            if not window.known:
                return x
            assert window.condition is not None
            return renoise_known(x, window.condition, noise, float(scheduler.sigmas[done]), window.known)

        return integrate(
            scheduler, noise, steps, predict, generator=generator, on_step=on_step, after_step=put_back
        )

    def progress(self, t: Any) -> float:
        return 1 - float(t) / self.scheduler.config.num_train_timesteps

    def _statistics(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of each latent channel."""
        config = self.vae.config
        mean, std = (torch.tensor(each).to(like) for each in (config.latents_mean, config.latents_std))
        return mean.view(1, -1, 1, 1, 1), std.view(1, -1, 1, 1, 1)

    def _picture_states(self, picture: torch.Tensor) -> torch.Tensor | None:
        """CLIP states of the layer before the last, as the transformer was trained with."""
        if self.transformer.config.image_dim is None:
            return None
        pixels = self.image_processor(images=to_uint8(picture[0])[0], return_tensors="pt").pixel_values
        states = self.image_encoder(pixels.to(picture.device), output_hidden_states=True)
        return states.hidden_states[-2]
