"""CogVideoX as the pipeline sees it: v-prediction, T5 text beside the video tokens, a picture on extra channels.

Its transformer reads latents as [B, F, C, h, w]; noise and scheduler steps are drawn in that order too, so that a
seed gives what diffusers' own pipelines give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKLCogVideoX, CogVideoXTransformer3DModel
from diffusers.models.embeddings import get_3d_rotary_pos_embed
from diffusers.pipelines.cogvideo.pipeline_cogvideox import get_resize_crop_region_for_grid

from kinema.appearance.backbones.text_states import padded_states
from kinema.appearance.backbones.video_model import (
    SPATIAL_COMPRESSION,
    OnStep,
    Predict,
    SamplingDefaults,
    VideoFormat,
    VideoModel,
    latent_frames,
)
from kinema.appearance.guidance import Guidance
from kinema.appearance.scheduling import fresh_scheduler, integrate

COGVIDEOX_FORMAT = VideoFormat(width=720, height=480, frames=49, fps=8.0, text_tokens=226)
"""What CogVideoX-2B, 5B and 5B-I2V were trained on."""


@dataclass(frozen=True)
class CogVideoXWindow:
    """Latents of the picture [1, C, F, h, w], zero after the first frame, and the rotary table."""

    picture: torch.Tensor | None
    rope: tuple[torch.Tensor, torch.Tensor] | None


class CogVideoXVideo(VideoModel):
    """CogVideoX 1.0, text to video or image to video.

    A video that starts from a picture is continued from its last frame; text to video makes one window only.

    Args:
        transformer, vae, scheduler, tokenizer, text_encoder: the parts of diffusers' pipelines.
        form: size, window and frame rate.
        name: as settings show it.

    Raises:
        ValueError: CogVideoX 1.5, or a size that the model cannot make.
    """

    family = "cogvideox"
    # Its autoencoder takes an even number of latent frames for one without a first frame that stands alone, and would
    # return 8 frames for what 5 were encoded to.
    frame_step = 8
    # 6 and 50 are the defaults of diffusers' pipelines.
    defaults = SamplingDefaults(steps=50, guidance=Guidance(text=6.0))

    def __init__(
        self,
        *,
        transformer: CogVideoXTransformer3DModel,
        vae: AutoencoderKLCogVideoX,
        scheduler: Any,
        tokenizer: Any,
        text_encoder: Any,
        form: VideoFormat = COGVIDEOX_FORMAT,
        name: str = "cogvideox",
    ) -> None:
        config = transformer.config
        if config.patch_size_t is not None:
            raise ValueError(
                f"{name} is a CogVideoX 1.5, whose tokens hold two latent frames; use CogVideoX-2b, -5b or -5b-I2V"
            )
        self.transformer = transformer
        self.vae = vae
        self.scheduler = scheduler
        self.tokenizer = tokenizer
        self.text_encoder = text_encoder
        self.form = form
        self.name = name
        self.reads_picture = config.in_channels == 2 * vae.config.latent_channels
        self.overlap = 1 if self.reads_picture else 0
        self.check()
        trained = config.sample_width * SPATIAL_COMPRESSION, config.sample_height * SPATIAL_COMPRESSION
        if config.use_learned_positional_embeddings and form.size != trained:
            raise ValueError(f"{name} makes {trained[0]}x{trained[1]} only, its positions are learned")

    @property
    def components(self) -> dict[str, Any]:
        return {
            "tokenizer": self.tokenizer,
            "text_encoder": self.text_encoder,
            "transformer": self.transformer,
            "vae": self.vae,
            "scheduler": self.scheduler,
        }

    def encode_text(self, prompt: str, device: torch.device) -> torch.Tensor:
        return padded_states(self.tokenizer, self.text_encoder, prompt, self.form.text_tokens, device)

    def encode_video(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.vae.encode(pixels.to(self.vae.dtype)).latent_dist.mode() * self.vae.config.scaling_factor

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return self.vae.decode((latents / self.vae.config.scaling_factor).to(self.vae.dtype)).sample

    def begin_window(
        self,
        picture: torch.Tensor | None,
        known: torch.Tensor | None,
        frames: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> CogVideoXWindow:
        start = picture if known is None else known
        latents = None
        if self.reads_picture:
            assert start is not None
            first = self.vae.encode(start.to(self.vae.dtype)).latent_dist.sample(generator)
            scale = self.vae.config.scaling_factor
            # 5B-I2V was trained with pictures divided by the factor, and its config says so.
            first = first / scale if self.vae.config.invert_scale_latents else first * scale
            later = latent_frames(frames) - 1
            latents = torch.cat([first, first.new_zeros(*first.shape[:2], later, *first.shape[3:])], dim=2)
        return CogVideoXWindow(latents, self._rope(latent_frames(frames), device))

    def predict(
        self,
        x: torch.Tensor,
        t: Any,
        text: torch.Tensor,
        window: CogVideoXWindow,
        attention_kwargs: dict[str, Any],
    ) -> torch.Tensor:
        dtype = self.transformer.dtype
        seen = x if window.picture is None else torch.cat([x, window.picture.to(x)], dim=1)
        raw = self.transformer(
            hidden_states=seen.transpose(1, 2).to(dtype),
            encoder_hidden_states=text.to(dtype),
            timestep=t.expand(len(x)),
            image_rotary_emb=window.rope,
            attention_kwargs=attention_kwargs,
            return_dict=False,
        )[0]
        return raw.transpose(1, 2).float()

    def sample(
        self,
        predict: Predict,
        window: CogVideoXWindow,
        frames: int,
        *,
        steps: int,
        shift: float | None,
        generator: torch.Generator,
        device: torch.device,
        on_step: OnStep,
    ) -> torch.Tensor:
        batch, channels, length, rows, columns = self.form.latent_shape(
            self.vae.config.latent_channels, frames
        )
        noise = torch.randn(batch, length, channels, rows, columns, generator=generator)
        made = integrate(
            fresh_scheduler(self.scheduler, shift),
            noise.to(device),
            steps,
            lambda x, t: predict(x.transpose(1, 2), t).transpose(1, 2),
            generator=generator,
            on_step=on_step,
        )
        return made.transpose(1, 2)

    def progress(self, t: Any) -> float:
        return 1 - float(t) / self.scheduler.config.num_train_timesteps

    def _rope(self, frames: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor] | None:
        """The rotary table of diffusers' pipelines: positions scaled and cropped to the training size."""
        config = self.transformer.config
        if not config.use_rotary_positional_embeddings:
            return None
        step = SPATIAL_COMPRESSION * config.patch_size
        grid = self.form.height // step, self.form.width // step
        region = get_resize_crop_region_for_grid(
            grid, config.sample_width // config.patch_size, config.sample_height // config.patch_size
        )
        return get_3d_rotary_pos_embed(
            embed_dim=config.attention_head_dim,
            crops_coords=region,
            grid_size=grid,
            temporal_size=frames,
            device=device,
        )
