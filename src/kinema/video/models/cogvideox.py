"""CogVideoX 1.0 and 1.5: v-prediction, T5 text beside the video tokens, a picture on extra channels.

For adapters: one attention over text and video tokens, feed-forward over both; a block returns (video, text). For the
pipeline: its transformer reads latents as [B, F, C, h, w]; noise and scheduler steps are drawn in that order too, so
that a seed gives what diffusers' own pipelines give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.models.embeddings import get_3d_rotary_pos_embed
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.transformers.cogvideox_transformer_3d import CogVideoXBlock, CogVideoXTransformer3DModel

from kinema.diffusion.guider import Guidance
from kinema.diffusion.path import DiffusionPath, DiscreteTimes
from kinema.diffusion.schedulers import SchedulerSolver
from kinema.video.adapters.context import SITES, has_sites, inject, published
from kinema.video.adapters.controlled import ControlledTransformer, known_as
from kinema.video.adapters.widening import widen_patch_embedding
from kinema.video.models.cogvideox_parallel import CONTEXT_PARALLEL_PLAN, make_attention_parallel
from kinema.video.models.spec import BackboneSpec, register_backbone
from kinema.video.models.text_states import padded_states
from kinema.video.models.video_model import (
    SPATIAL_COMPRESSION,
    Draw,
    SamplingDefaults,
    VideoFormat,
    VideoModel,
    latent_frames,
)

if TYPE_CHECKING:
    from diffusers import AutoencoderKLCogVideoX


@known_as(CogVideoXBlock)
class ControlledCogVideoXBlock(CogVideoXBlock):
    """A CogVideoX block with the sites of the attached adapters; they read and change video tokens only."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
        attention_kwargs: dict[str, Any] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = (hidden_states, encoder_hidden_states, temb, image_rotary_emb, attention_kwargs)
        if has_sites(self, "after_attention"):
            hidden_states, encoder_hidden_states = self._forward_through_attention_sites(*inputs)
        else:
            hidden_states, encoder_hidden_states = super().forward(*inputs)
        return inject(self, hidden_states, "after_block"), encoder_hidden_states

    def _forward_through_attention_sites(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None,
        attention_kwargs: dict[str, Any] | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """diffusers' own forward with the sites between attention and feed-forward; a test holds them equal."""
        text_length = encoder_hidden_states.shape[1]

        normed, normed_text, gate, text_gate = self.norm1(hidden_states, encoder_hidden_states, temb)
        attended, attended_text = self.attn1(
            hidden_states=normed,
            encoder_hidden_states=normed_text,
            image_rotary_emb=image_rotary_emb,
            **(attention_kwargs or {}),
        )
        hidden_states = hidden_states + gate * attended
        encoder_hidden_states = encoder_hidden_states + text_gate * attended_text

        hidden_states = inject(self, hidden_states, "after_attention")

        normed, normed_text, gate, text_gate = self.norm2(hidden_states, encoder_hidden_states, temb)
        fed = self.ff(torch.cat([normed_text, normed], dim=1))
        hidden_states = hidden_states + gate * fed[:, text_length:]
        encoder_hidden_states = encoder_hidden_states + text_gate * fed[:, :text_length]
        return hidden_states, encoder_hidden_states


@known_as(CogVideoXTransformer3DModel)
class ControlledCogVideoXTransformer3DModel(ControlledTransformer, CogVideoXTransformer3DModel):
    """A CogVideoX transformer with adapters attached."""

    blocks_name = "transformer_blocks"
    _repeated_blocks = ("CogVideoXBlock",)
    _skip_layerwise_casting_patterns = (*CogVideoXTransformer3DModel._skip_layerwise_casting_patterns, SITES)
    _cp_plan = CONTEXT_PARALLEL_PLAN

    def enable_parallelism(self, **kwargs: Any) -> None:
        """As in diffusers; the attention processor is one that can be parallel.

        Raises:
            ValueError: fused projections, which that processor does not have.
        """
        make_attention_parallel(self)
        super().enable_parallelism(**kwargs)

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        timestep: int | float | torch.LongTensor,
        timestep_cond: torch.Tensor | None = None,
        ofs: int | float | torch.LongTensor | None = None,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
        attention_kwargs: dict[str, Any] | None = None,
        return_dict: bool = True,
    ) -> Transformer2DModelOutput | tuple[torch.Tensor]:
        tokens, attention_kwargs = self.take_tokens(len(hidden_states), attention_kwargs)
        with published(tokens):
            return super().forward(
                hidden_states,
                encoder_hidden_states,
                timestep,
                timestep_cond,
                ofs,
                image_rotary_emb,
                attention_kwargs=attention_kwargs,
                return_dict=return_dict,
            )


# Caches look blocks up by class; an unregistered subclass would make them fail.
TransformerBlockRegistry.register(
    ControlledCogVideoXBlock,
    TransformerBlockMetadata(return_hidden_states_index=0, return_encoder_hidden_states_index=1),
)


@register_backbone("CogVideoXTransformer3DModel")
def describe_cogvideox(transformer: CogVideoXTransformer3DModel) -> BackboneSpec:
    config = transformer.config
    patch = config.patch_size
    return BackboneSpec(
        name="cogvideox",
        blocks="transformer_blocks",
        width=config.num_attention_heads * config.attention_head_dim,
        heads=config.num_attention_heads,
        patch=(config.patch_size_t or 1, patch, patch),
        block_class=ControlledCogVideoXBlock,
        transformer_class=ControlledCogVideoXTransformer3DModel,
    )


COGVIDEOX_FORMAT = VideoFormat(width=720, height=480, frames=49, fps=8.0, text_tokens=226)
"""What CogVideoX-2B, 5B and 5B-I2V were trained on."""

COGVIDEOX15_FORMAT = VideoFormat(width=1360, height=768, frames=81, fps=16.0, text_tokens=226)
"""What CogVideoX 1.5-5B and 1.5-5B-I2V were trained on."""

_OFS = 2.0
"""The number that every call of 1.5-5B-I2V is told beside the time, as in diffusers' pipeline."""


@dataclass(frozen=True)
class CogVideoXWindow:
    """Latents of the picture [B, C, F, h, w], zero after the first frame, and the rotary table."""

    picture: torch.Tensor | None
    rope: tuple[torch.Tensor, torch.Tensor] | None


class CogVideoXVideo(VideoModel):
    """CogVideoX 1.0 and 1.5, text to video or image to video.

    A video that starts from a picture is continued from its last frame; text to video makes one window only. A token of
    1.5 holds two latent frames: an odd number of them gets one more in front, which is thrown away at the end.

    Args:
        transformer, vae, scheduler, tokenizer, text_encoder: the parts of diffusers' pipelines.
        form: size, window and frame rate.
        name: as settings show it.

    Raises:
        ValueError: a size that the model cannot make.
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
        self.any_size = not config.use_learned_positional_embeddings
        check_positions(form, config, name)

    @property
    def path(self) -> DiffusionPath:
        return DiffusionPath.of_scheduler(self.scheduler)

    @property
    def times(self) -> DiscreteTimes:
        return DiscreteTimes(self.scheduler.config.num_train_timesteps)

    @property
    def components(self) -> dict[str, Any]:
        return {
            "tokenizer": self.tokenizer,
            "text_encoder": self.text_encoder,
            "transformer": self.transformer,
            "vae": self.vae,
            "scheduler": self.scheduler,
        }

    def widen_for_picture(self) -> None:
        widen_patch_embedding(self.transformer, 2 * self.vae.config.latent_channels)
        self.reads_picture, self.overlap = True, 1

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
            latents = _first_of(self._scaled(first), self._padded(latent_frames(frames)))
        return CogVideoXWindow(latents, self._rope(latent_frames(frames), self.form.size, device))

    def encode_window(self, pixels: torch.Tensor, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        encoded = {"latents": self.encode_video(pixels)}
        if self.reads_picture:
            first = self.vae.encode(pixels[:, :, :1].to(self.vae.dtype)).latent_dist.mode()
            encoded["picture_latents"] = self._scaled(first)
        return encoded

    def training_window(
        self, encoded: Mapping[str, torch.Tensor], given: torch.Tensor, draw: Draw
    ) -> CogVideoXWindow:
        latents = encoded["latents"]
        frames, rows, columns = latents.shape[2:]
        first = encoded.get("picture_latents")
        size = columns * SPATIAL_COMPRESSION, rows * SPATIAL_COMPRESSION
        return CogVideoXWindow(
            None if first is None else _first_of(first, self._padded(frames)),
            self._rope(frames, size, latents.device),
        )

    def predict(
        self,
        x: torch.Tensor,
        t: Any,
        text: torch.Tensor,
        window: CogVideoXWindow,
        attention_kwargs: dict[str, Any],
    ) -> torch.Tensor:
        dtype, config = self.transformer.dtype, self.transformer.config
        # Latents come padded from `draw_noise`, and without padding in training: the first frame then stands twice.
        length, x = x.shape[2], self.whole_tokens(x)
        seen = x if window.picture is None else torch.cat([x, window.picture.to(x)], dim=1)
        raw = self.transformer(
            hidden_states=seen.transpose(1, 2).to(dtype),
            encoder_hidden_states=text.to(dtype),
            timestep=t.expand(len(x)),
            ofs=None if config.ofs_embed_dim is None else x.new_full((1,), _OFS),
            image_rotary_emb=window.rope,
            attention_kwargs=attention_kwargs,
            return_dict=False,
        )[0]
        return raw.transpose(1, 2)[:, :, -length:].float()

    def draw_noise(self, frames: int, generator: torch.Generator) -> torch.Tensor:
        batch, channels, length, rows, columns = self.form.latent_shape(
            self.vae.config.latent_channels, frames
        )
        length = self._padded(length)
        return torch.randn(batch, length, channels, rows, columns, generator=generator).transpose(1, 2)

    def whole_tokens(self, latents: torch.Tensor) -> torch.Tensor:
        added = self._padded(latents.shape[2]) - latents.shape[2]
        return torch.cat([latents[:, :, :added], latents], dim=2)

    def own_latents(self, latents: torch.Tensor, window: CogVideoXWindow) -> torch.Tensor:
        # A window's own latent frames are an odd number, see `frame_step`, so that tokens of two always want one more.
        return latents if self.transformer.config.patch_size_t is None else latents[:, :, 1:]

    def solver(
        self, steps: int, shift: float | None, generator: torch.Generator, device: torch.device
    ) -> SchedulerSolver:
        return SchedulerSolver(
            self.scheduler, steps, shift=shift, generator=generator, device=device, frames_first=True
        )

    def _padded(self, frames: int) -> int:
        """Latent frames that the transformer is shown for so many: whole tokens."""
        step = self.transformer.config.patch_size_t or 1
        return -(-frames // step) * step

    def _scaled(self, latents: torch.Tensor) -> torch.Tensor:
        """A picture's latents as the transformer reads them."""
        scale = self.vae.config.scaling_factor
        # 5B-I2V was trained with pictures divided by the factor, and its config says so.
        return latents / scale if self.vae.config.invert_scale_latents else latents * scale

    def _rope(
        self, frames: int, size: tuple[int, int], device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        """The rotary table of diffusers' pipelines; 1.0 scales and crops positions to the training size."""
        config = self.transformer.config
        if not config.use_rotary_positional_embeddings:
            return None
        from diffusers.pipelines.cogvideo.pipeline_cogvideox import get_resize_crop_region_for_grid

        step = SPATIAL_COMPRESSION * config.patch_size
        grid = size[1] // step, size[0] // step
        if config.patch_size_t is not None:
            return get_3d_rotary_pos_embed(
                embed_dim=config.attention_head_dim,
                crops_coords=None,
                grid_size=grid,
                temporal_size=self._padded(frames) // config.patch_size_t,
                grid_type="slice",
                max_size=(
                    config.sample_height // config.patch_size,
                    config.sample_width // config.patch_size,
                ),
                device=device,
            )
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


def _first_of(first: torch.Tensor, frames: int) -> torch.Tensor:
    """Latents of a picture [B, C, 1, h, w] with zeros after them, [B, C, F, h, w]."""
    return torch.cat([first, first.new_zeros(*first.shape[:2], frames - 1, *first.shape[3:])], dim=2)


def check_positions(form: VideoFormat, config: Mapping[str, Any], name: str) -> None:
    """Says which sizes a transformer has no positions for.

    Args:
        form: the videos.
        config: of the transformer.
        name: of the model.

    Raises:
        ValueError: another size than learned positions have, or a side longer than the table of 1.5.
    """
    longest = tuple(config[f"sample_{side}"] * SPATIAL_COMPRESSION for side in ("width", "height"))
    if config.get("use_learned_positional_embeddings") and form.size != longest:
        raise ValueError(f"{name} makes {longest[0]}x{longest[1]} only, its positions are learned")
    if config.get("patch_size_t") is not None and (form.width > longest[0] or form.height > longest[1]):
        raise ValueError(
            f"{name} makes pictures of at most {longest[0]}x{longest[1]} pixels, not {form.width}x{form.height}"
        )
