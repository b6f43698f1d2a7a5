"""Wan-Fun control and camera (VideoX-Fun): Wan that follows drawn people, depth, or the rays of a camera by itself.

Facts of the public code: pipeline_wan_fun_control.py (2.1), pipeline_wan2_2_fun_control.py and the examples, which say
how it is sampled. What a transformer reads beside noise is told by its channels: a control film's latents or none, then
the first frame's latents (2.1), or mask and latents of the frames that are known (2.2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from kinema.diffusion.guider import Guidance
from kinema.diffusion.loop import Solver, Step
from kinema.passes.fun_control import control_film
from kinema.passes.profile import profile_of
from kinema.passes.shot import Shot
from kinema.scene import CameraPath
from kinema.signals.grouped_rays import grouped_rays, in_model_units
from kinema.video.models.experts import ExpertGuidance
from kinema.video.models.video_model import (
    TEMPORAL_COMPRESSION,
    Draw,
    SamplingDefaults,
    VideoFormat,
    latent_frames,
)
from kinema.video.models.wan import OVERLAP, WAN_FORMAT, WanVideo, WanWindow
from kinema.video.models.wan_condition import wan_condition
from kinema.video.models.wan_first_frame import FIRST_FRAME_FORMAT, FirstFrameWindow
from kinema.video.models.wan_fun_transformer import WanFunTransformer3DModel
from kinema.video.pixels import from_uint8

PROFILE = "wan-fun-control"
"""The passes of which a control model reads one."""

RECIPES = {"pose": ("pose", False), "first-frame": ("pose", True), "depth": ("depth", False)}
"""What a control model is shown of a scene, and whether the picture is the first frame beside being the reference."""

GUIDANCE = Guidance(text=6.0)
"""With 50 steps as in the public examples."""


@dataclass(frozen=True)
class FunWindow(WanWindow):
    """What is known of a window.

    Args:
        condition: the first frame's latents, or mask and latents of the known frames, [B, C or 4 + C, F, h, w].
        control: latents of the control film, [B, C, F, h, w]; zeros without a scene; None for camera models.
        rays: of the camera, [B, 24, F, H, W]; None without a scene, and for control models.
        reference: latents of the picture of the character, [B, C, h, w]; zeros without one; None where none is read.
        first: latents of a first frame that is shown without noise, [B, C, 1, h, w]; for Wan 2.2 5B.
    """

    control: torch.Tensor | None = None
    rays: torch.Tensor | None = None
    reference: torch.Tensor | None = None
    first: torch.Tensor | None = None


class WanFunVideo(WanVideo):
    """A control or camera model of Wan-Fun 2.1 or 2.2; it follows a scene by itself.

    A long video is continued: by 2.2 from its last nine frames, by 2.1 from the last one.

    Args:
        transformer: of one expert, or of the noisy steps.
        transformer_2: of the other steps.
        boundary_ratio: of the noise, at which it takes over.
        vae, scheduler, tokenizer, text_encoder, image_encoder, image_processor: parts of diffusers' Wan pipelines; the
            last two where the transformer reads a CLIP picture.
        recipe: of RECIPES; for control models that read a reference picture.
        strength: how far the camera goes, see `in_model_units`; for camera models.
        form: size, window and frame rate.
        name: as settings show it.

    Raises:
        ValueError: a size that it cannot make, parts of another model, or an unknown recipe or strength.
    """

    family = "wan-fun"
    takes_adapters = False
    follows: frozenset[str]

    def __init__(
        self,
        *,
        transformer: WanFunTransformer3DModel,
        recipe: str = "pose",
        strength: float = 1.0,
        form: VideoFormat = WAN_FORMAT,
        name: str = "wan-fun",
        **parts: Any,
    ) -> None:
        layout = layout_of(transformer.config, name)
        check_settings(name, recipe, strength)
        super().__init__(transformer=transformer, form=form, name=name, **parts)
        self.layout = layout
        self.recipe = recipe
        self.strength = strength
        self.follows = layout.follows(recipe)
        self.reads_picture = True
        self.overlap = OVERLAP if layout.masked and not self.shows_first else 1
        guidance: Guidance = GUIDANCE
        if self.boundary_ratio is not None:
            guidance = ExpertGuidance(guidance, guidance, self.boundary_ratio)
        self.defaults = SamplingDefaults(steps=50, guidance=guidance)
        if vae_channels(transformer) != self.vae.config.z_dim:
            raise ValueError(
                f"{name} was trained with an autoencoder of {vae_channels(transformer)} channels, not "
                f"{self.vae.config.z_dim}: take the base of its own Wan"
            )

    shows_first: bool = False
    """Whether a known first frame is shown without noise, with a time of its own."""

    @property
    def needs_picture(self) -> bool:
        return bool(self.follows) and self._starts_with_picture

    @property
    def _starts_with_picture(self) -> bool:
        """Whether the picture is the first frame."""
        return not self.layout.control or not self.layout.reference or RECIPES[self.recipe][1]

    def settings(self) -> dict[str, Any]:
        if not self.follows:
            return {}
        return {"recipe": self.recipe} if self.layout.control else {"control_strength": self.strength}

    def follow_nothing(self) -> None:
        self.follows = frozenset()

    def read_shot(self, shot: Shot) -> np.ndarray | CameraPath:
        """The control film, uint8 [T, H, W, 3], or the camera in the model's units."""
        if self.layout.control:
            return control_film(shot, profile_of(PROFILE).parts, RECIPES[self.recipe][0])
        return in_model_units(camera_of(shot, self.name), self.strength)

    def notes(self, shot: Shot) -> list[str]:
        if self.layout.control:
            if "camera" in self.follows or shot.camera is None:
                return []
            return [
                f"{self.name} sees the camera in the skeletons alone; --recipe depth tells it by the room"
            ]
        return [f"{self.name} follows the camera, not the people: say in the prompt what they do"] * bool(
            shot.people
        )

    def begin_window(
        self,
        picture: torch.Tensor | None,
        known: torch.Tensor | None,
        frames: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> FunWindow:
        start = known
        if start is None and (self._starts_with_picture or not self.follows):
            start = picture
        shape = self.form.latent_shape(self.vae.config.z_dim, frames, self.spatial_compression)
        nothing = torch.zeros(shape, device=device)
        reference = None
        if self.layout.reference:
            reference = nothing[:, :, 0] if picture is None else self.encode_video(picture)[:, :, 0]
        return FunWindow(
            condition=self._condition(start, nothing, frames),
            picture_states=self._states(picture, device),
            known=0 if known is None or not self.layout.masked or self.shows_first else known.shape[2],
            control=nothing if self.layout.control else None,
            reference=reference,
            first=self.encode_video(start[:, :, -1:]) if self.shows_first and start is not None else None,
        )

    def _condition(self, start: torch.Tensor | None, nothing: torch.Tensor, frames: int) -> torch.Tensor:
        """What is read after noise and control."""
        if self.layout.masked:
            if start is None:
                mask = nothing[:, :1].expand(-1, TEMPORAL_COMPRESSION, -1, -1, -1)
                return torch.cat([mask, nothing], dim=1)
            return wan_condition(start, frames, self.encode_video)
        condition = nothing.clone()
        if start is not None:
            condition[:, :, :1] = self.encode_video(start[:, :, -1:])
        return condition

    def _states(self, picture: torch.Tensor | None, device: torch.device) -> torch.Tensor | None:
        """CLIP states of the picture; zeros, as in the public code, where there is none."""
        if picture is not None or self.transformer.config.image_dim is None:
            return None if picture is None else self._picture_states(picture)
        states = self._picture_states(
            torch.full((1, 3, 1, self.form.height, self.form.width), -1.0, device=device)
        )
        return None if states is None else torch.zeros_like(states)

    def conditioned(self, window: FunWindow, conditioning: Any, start: int, frames: int) -> FunWindow:
        assert window.condition is not None
        part, device = slice(start, start + frames), window.condition.device
        if self.layout.control:
            pixels = from_uint8(check_film(conditioning[part], self.form, frames, self.name)).to(device)
            return replace(window, control=self.encode_video(pixels))
        path = replace(conditioning, c2w=conditioning.c2w[part], intrinsics=conditioning.intrinsics[part])
        rays = torch.from_numpy(grouped_rays(path))[None].to(device, self.transformer.dtype)
        return replace(window, rays=rays)

    def predict(
        self, x: torch.Tensor, t: Any, text: torch.Tensor, window: Any, attention_kwargs: dict[str, Any]
    ) -> torch.Tensor:
        transformer = self.denoiser(t)
        dtype = transformer.dtype
        shown = FirstFrameWindow(None, None, 0, window.first)
        read = [each for each in (window.control, window.condition) if each is not None]
        times = t.expand(len(x))
        if window.first is not None:
            _, rows, columns = transformer.config.patch_size
            tokens = (x.shape[3] // rows) * (x.shape[4] // columns)
            times = shown.times(times, x.shape[2]).repeat_interleave(tokens, dim=1)
        raw = transformer(
            hidden_states=torch.cat([shown.shown(x), *(each.to(x) for each in read)], dim=1).to(dtype),
            timestep=times,
            encoder_hidden_states=text.to(dtype),
            encoder_hidden_states_image=None
            if window.picture_states is None
            else window.picture_states.to(dtype),
            attention_kwargs=attention_kwargs,
            return_dict=False,
            rays=None if window.rays is None else window.rays.to(dtype),
            reference=None if window.reference is None else window.reference.to(dtype),
        )[0]
        return raw.float()

    def after_step(
        self, x: torch.Tensor, step: Step, solver: Solver, noise: torch.Tensor, window: Any
    ) -> torch.Tensor:
        if window.first is not None:
            return FirstFrameWindow(None, None, 0, window.first).shown(x)
        if not window.known:
            return x
        assert window.condition is not None
        count = latent_frames(window.known)
        clean = window.condition[:, TEMPORAL_COMPRESSION:, :count].to(x)
        kept = solver.noised(clean, noise[:, :, :count], step.index + 1)
        return torch.cat([kept, x[:, :, count:]], dim=2)

    def training_window(
        self, encoded: Mapping[str, torch.Tensor], given: torch.Tensor, draw: Draw
    ) -> WanWindow:
        raise ValueError(f"{self.name} follows scenes by itself: adapters are not trained on it")


class WanFunFineVideo(WanFunVideo):
    """The same of Wan 2.2 5B, whose autoencoder has 16 pixels per latent and whose known first frame has no noise."""

    size_multiple = 32
    spatial_compression = 16
    shows_first = True

    def __init__(self, **parts: Any) -> None:
        super().__init__(**{"form": FIRST_FRAME_FORMAT, **parts})


@dataclass(frozen=True)
class FunLayout:
    """What a transformer of Wan-Fun reads beside noise.

    Args:
        control: latents of a control film.
        masked: mask and latents of known frames; else the latents of the first frame.
        rays: those of the camera.
        reference: a picture of the character, as tokens in front.
    """

    control: bool
    masked: bool
    rays: bool
    reference: bool

    def follows(self, recipe: str) -> frozenset[str]:
        """What of a scene it follows."""
        if not self.control:
            return frozenset({"camera"})
        return frozenset({"pose", "depth", "camera"} if RECIPES[recipe][0] == "depth" else {"pose"})


def layout_of(config: Any, name: str) -> FunLayout:
    """What a transformer reads, by its channels.

    Raises:
        ValueError: no control or camera model of Wan-Fun.
    """
    latents, channels = config.out_channels, config.in_channels
    rays, reference = bool(config.add_control_adapter), bool(config.add_ref_conv)
    for control in (False, True):
        for masked in (False, True):
            read = latents * (2 + control) + TEMPORAL_COMPRESSION * masked
            if channels == read and control != rays:
                return FunLayout(control, masked, rays, reference)
    kinds = "a control film (and no rays) or rays (and no control film), beside the frames that are known"
    raise ValueError(
        f"{name} is no control or camera model of Wan-Fun: those read {kinds}; this one has {channels} channels "
        f"{'with' if rays else 'without'} rays"
    )


def vae_channels(transformer: WanFunTransformer3DModel) -> int:
    """Channels of the latents that a transformer denoises."""
    return transformer.config.out_channels


def check_settings(name: str, recipe: str, strength: float) -> None:
    """Says what is wrong with a recipe or strength, before anything is read.

    Raises:
        ValueError: no such recipe, or a strength that is not above 0.
    """
    if recipe not in RECIPES:
        raise ValueError(f"{name} has no recipe {recipe!r}: there are {', '.join(RECIPES)}")
    if not (math.isfinite(strength) and 0 < strength <= 10):
        raise ValueError(
            f"control strength {strength:g}: give above 0 and at most 10; 1 goes as far as the published example paths"
        )


def camera_of(shot: Shot, name: str) -> CameraPath:
    """The camera of a shot.

    Raises:
        ValueError: only keypoints are known.
    """
    if shot.camera is None:
        raise ValueError(
            f"{name} follows a camera, and keypoints in pictures have none: give a motion, or a camera alone"
        )
    return shot.camera


def check_film(film: np.ndarray, form: VideoFormat, frames: int, name: str) -> np.ndarray:
    """A control film of exactly a window's frames and size.

    Raises:
        ValueError: it has others.
    """
    if film.shape != (frames, form.height, form.width, 3):
        raise ValueError(
            f"{name}: the control film must have {frames} frames of {form.width}x{form.height}, not {len(film)} of "
            f"{film.shape[2]}x{film.shape[1]}"
        )
    return film
