"""Wan 2.1 and the 14B models of 2.2: flow matching, UMT5 text, a masked video on extra channels, in 2.1 a CLIP picture.

For adapters: self-attention, text cross-attention, feed-forward; a block returns the video tokens alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel, WanTransformerBlock

from kinema.diffusion.guider import Guidance
from kinema.diffusion.loop import Solver, Step
from kinema.diffusion.path import FlowPath, ShiftedTimes
from kinema.diffusion.schedulers import SchedulerSolver
from kinema.video.adapters.context import SITES, has_sites, inject, published
from kinema.video.adapters.controlled import ControlledTransformer, known_as
from kinema.video.models.experts import ExpertGuidance, expert_at
from kinema.video.models.spec import BackboneSpec, register_backbone
from kinema.video.models.text_states import cut_states
from kinema.video.models.video_model import (
    TEMPORAL_COMPRESSION,
    Draw,
    SamplingDefaults,
    VideoFormat,
    VideoModel,
)
from kinema.video.models.wan_condition import renoise_known, wan_condition, wan_input
from kinema.video.pixels import to_uint8

if TYPE_CHECKING:
    from diffusers import AutoencoderKLWan


@known_as(WanTransformerBlock)
class ControlledWanTransformerBlock(WanTransformerBlock):
    """A Wan block with the sites of the attached adapters, before its feed-forward layer and after all of it."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        rotary_emb: torch.Tensor,
    ) -> torch.Tensor:
        inputs = (hidden_states, encoder_hidden_states, temb, rotary_emb)
        if has_sites(self, "after_attention"):
            hidden_states = self._forward_through_attention_sites(*inputs)
        else:
            hidden_states = super().forward(*inputs)
        return inject(self, hidden_states, "after_block")

    def _forward_through_attention_sites(
        self,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        temb: torch.Tensor,
        rotary_emb: torch.Tensor,
    ) -> torch.Tensor:
        """diffusers' own forward with the sites between text attention and feed-forward; a test holds them equal."""
        table = self.scale_shift_table if temb.ndim == 3 else self.scale_shift_table.unsqueeze(0)
        modulation = (table + temb.float()).unbind(
            dim=-2
        )  # [B, D], or [B, N, D] where each token has its own time
        modulation = tuple(each.unsqueeze(1) if temb.ndim == 3 else each for each in modulation)
        shift_msa, scale_msa, gate_msa, c_shift_msa, c_scale_msa, c_gate_msa = modulation

        normed = (self.norm1(hidden_states.float()) * (1 + scale_msa) + shift_msa).type_as(hidden_states)
        attended = self.attn1(normed, None, None, rotary_emb)
        hidden_states = (hidden_states.float() + attended * gate_msa).type_as(hidden_states)

        normed = self.norm2(hidden_states.float()).type_as(hidden_states)
        hidden_states = hidden_states + self.attn2(normed, encoder_hidden_states, None, None)

        hidden_states = inject(self, hidden_states, "after_attention")

        normed = (self.norm3(hidden_states.float()) * (1 + c_scale_msa) + c_shift_msa).type_as(hidden_states)
        fed = self.ffn(normed)
        return (hidden_states.float() + fed.float() * c_gate_msa).type_as(hidden_states)


@known_as(WanTransformer3DModel)
class ControlledWanTransformer3DModel(ControlledTransformer, WanTransformer3DModel):
    """A Wan transformer with adapters attached."""

    blocks_name = "blocks"
    _skip_layerwise_casting_patterns = (*WanTransformer3DModel._skip_layerwise_casting_patterns, SITES)

    def forward(
        self,
        hidden_states: torch.Tensor,
        timestep: torch.LongTensor,
        encoder_hidden_states: torch.Tensor,
        encoder_hidden_states_image: torch.Tensor | None = None,
        return_dict: bool = True,
        attention_kwargs: dict[str, Any] | None = None,
    ) -> Transformer2DModelOutput | tuple[torch.Tensor]:
        tokens, attention_kwargs = self.take_tokens(len(hidden_states), attention_kwargs)
        with published(tokens):
            return super().forward(
                hidden_states,
                timestep,
                encoder_hidden_states,
                encoder_hidden_states_image,
                return_dict,
                attention_kwargs=attention_kwargs,
            )


# Caches look blocks up by class; an unregistered subclass would make them fail.
TransformerBlockRegistry.register(
    ControlledWanTransformerBlock,
    TransformerBlockMetadata(return_hidden_states_index=0, return_encoder_hidden_states_index=None),
)


_FINE, _FINE_CHANNELS = 16, 48
"""Pixels per latent and channels of Wan 2.2's own autoencoder, TI2V-5B's; a transformer tells it by the channels."""


@register_backbone("WanTransformer3DModel")
def describe_wan(transformer: WanTransformer3DModel) -> BackboneSpec:
    config = transformer.config
    return BackboneSpec(
        name="wan",
        blocks="blocks",
        width=config.num_attention_heads * config.attention_head_dim,
        heads=config.num_attention_heads,
        patch=tuple(config.patch_size),
        block_class=ControlledWanTransformerBlock,
        transformer_class=ControlledWanTransformer3DModel,
        spatial_compression=_FINE if config.out_channels == _FINE_CHANNELS else 8,
    )


WAN_FORMAT = VideoFormat(width=832, height=480, frames=81, fps=16.0, text_tokens=512)
"""What the 480P models of Wan 2.1 were trained on; those of Wan 2.2 A14B were trained on this and on 1280x720."""

EXPERT_SCALES = {"text": (4.0, 3.0), "picture": (3.5, 3.5)}
"""Guidance on the text of each expert of Wan 2.2, that of the noisy steps first, without and with a picture; with 40
steps, as in its configs wan_t2v_A14B.py and wan_i2v_A14B.py."""

OVERLAP = 9
"""Frames that windows share: three latent frames, as in MTVCraft's long videos."""


@dataclass(frozen=True)
class WanWindow:
    """What is known of a window.

    Args:
        condition: mask and masked-video latents, [B, 4 + C, F, h, w]; None for text to video.
        picture_states: CLIP states of the picture, [B, 257, 1280] in the published models.
        known: frames that the window before made; they are put back after every step.
    """

    condition: torch.Tensor | None
    picture_states: torch.Tensor | None
    known: int


class WanVideo(VideoModel):
    """Wan 2.1 and 2.2 A14B, text to video or image to video.

    A video that starts from a picture is continued from its last nine frames: they are the known part of the masked
    video, and after every step their latents are put back at the noise level of the next one. Text to video makes one
    window only.

    Args:
        transformer, vae, scheduler, tokenizer, text_encoder, image_encoder, image_processor: the parts of diffusers'
            pipelines; the last two for image to video with Wan 2.1.
        transformer_2: of Wan 2.2 A14B: the expert of the steps with little noise.
        boundary_ratio: share of the noise at which it takes over.
        form: size, window and frame rate.
        name: as settings show it.

    Raises:
        ValueError: a size that the model cannot make, no image encoder where the transformer reads one, or one expert of
            two.
    """

    family = "wan"
    path = FlowPath("velocity")
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
        transformer_2: WanTransformer3DModel | None = None,
        boundary_ratio: float | None = None,
        form: VideoFormat = WAN_FORMAT,
        name: str = "wan2.1",
    ) -> None:
        if (transformer_2 is None) != (boundary_ratio is None):
            lacks = "transformer_2" if transformer_2 is None else "boundary_ratio"
            raise ValueError(f"{name} has one of two experts or does not say which works when: no {lacks}")
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
        self.transformer_2 = transformer_2
        self.boundary_ratio = boundary_ratio
        self.reads_picture = transformer.config.in_channels == 2 * vae.config.z_dim + TEMPORAL_COMPRESSION
        self.overlap = OVERLAP if self.reads_picture else 0
        if boundary_ratio is not None:
            first, second = EXPERT_SCALES["picture" if self.reads_picture else "text"]
            guidance = ExpertGuidance(Guidance(text=first), Guidance(text=second), boundary_ratio)
            self.defaults = SamplingDefaults(steps=40, guidance=guidance)
        self.check()

    @property
    def times(self) -> ShiftedTimes:
        config = self.scheduler.config
        return ShiftedTimes(config.get("flow_shift") or config.get("shift") or 1.0)

    @property
    def components(self) -> dict[str, Any]:
        parts = {
            "tokenizer": self.tokenizer,
            "text_encoder": self.text_encoder,
            "image_encoder": self.image_encoder,
            "image_processor": self.image_processor,
            "transformer": self.transformer,
            "transformer_2": self.transformer_2,
            "vae": self.vae,
            "scheduler": self.scheduler,
        }
        return {name: part for name, part in parts.items() if part is not None}

    @property
    def denoisers(self) -> tuple[WanTransformer3DModel, ...]:
        return (self.transformer,) if self.transformer_2 is None else (self.transformer, self.transformer_2)

    def denoiser(self, t: Any) -> WanTransformer3DModel:
        boundary = None if self.boundary_ratio is None else float(self.timestep(self.boundary_ratio))
        return expert_at(self.denoisers, t, boundary)

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

    def encode_window(self, pixels: torch.Tensor, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        encoded = {"latents": self.encode_video(pixels)}
        if self.reads_picture:
            first = pixels[:, :, :1]
            encoded["condition"] = wan_condition(first, pixels.shape[2], self.encode_video)
            states = [self._picture_states(each[None]) for each in first]
            if self.transformer.config.image_dim is not None:
                encoded["picture_states"] = torch.cat([each for each in states if each is not None])
        return encoded

    def training_window(
        self, encoded: Mapping[str, torch.Tensor], given: torch.Tensor, draw: Draw
    ) -> WanWindow:
        return WanWindow(encoded.get("condition"), encoded.get("picture_states"), 0)

    def predict(
        self, x: torch.Tensor, t: Any, text: torch.Tensor, window: WanWindow, attention_kwargs: dict[str, Any]
    ) -> torch.Tensor:
        transformer = self.denoiser(t)
        dtype = transformer.dtype
        seen = x if window.condition is None else wan_input(x, window.condition)
        raw = transformer(
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

    def draw_noise(self, frames: int, generator: torch.Generator) -> torch.Tensor:
        shape = self.form.latent_shape(self.vae.config.z_dim, frames, self.spatial_compression)
        return torch.randn(shape, generator=generator)

    def solver(
        self, steps: int, shift: float | None, generator: torch.Generator, device: torch.device
    ) -> SchedulerSolver:
        return SchedulerSolver(self.scheduler, steps, shift=shift, generator=generator, device=device)

    def timestep(self, time: Any) -> Any:
        return self.scheduler.config.num_train_timesteps * time

    def after_step(
        self, x: torch.Tensor, step: Step, solver: Solver, noise: torch.Tensor, window: WanWindow
    ) -> torch.Tensor:
        if not window.known:
            return x
        assert window.condition is not None
        assert isinstance(solver, SchedulerSolver)
        t = float(solver.scheduler.sigmas[step.index + 1])
        return renoise_known(x, window.condition, noise, t, window.known)

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
