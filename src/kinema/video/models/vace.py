"""VACE (2503.07598) on Wan 2.1 and 2.2: a control film, a mask and pictures of the character, drawn from the scene.

Encoded as diffusers' WanVACEPipeline does: 32 channels of latents of what is kept and what is made anew, 64 of the mask.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from kinema.diffusion.guider import Guidance
from kinema.passes.profile import Pass, PassOptions, letterboxed, profile_of
from kinema.passes.shot import Shot
from kinema.video.models.colour import matched_colour
from kinema.video.models.experts import ExpertGuidance
from kinema.video.models.published_parts import load_parts, read_index
from kinema.video.models.vace_cache import ready_for_caches
from kinema.video.models.video_model import (
    SPATIAL_COMPRESSION,
    TEMPORAL_COMPRESSION,
    Draw,
    SamplingDefaults,
    VideoFormat,
    check_format,
    latent_frames,
)
from kinema.video.models.wan import OVERLAP, WAN_FORMAT, WanVideo
from kinema.video.pixels import from_uint8
from kinema.video.registry import Family, LoadOptions

PROFILE = "vace"
"""The passes that it reads."""

WHITE = 255
"""Ground of pictures of the character: the pipeline's canvas of ones."""

MASK_CHANNELS = SPATIAL_COMPRESSION**2

FUN_SCALE = 3.5
"""Guidance on the text of Wan 2.2's two experts, with 40 steps: LightX2V's configs/wan22_vace."""


@dataclass(frozen=True)
class Recipe:
    """Which passes tell VACE of a scene, in the words of their profile.

    Args:
        name: pose, first-frame, background, pose-and-depth or extend.
        options: more of the profile's own, e.g. control=both.
    """

    name: str
    options: PassOptions

    @classmethod
    def parse(cls, model: str, text: str) -> Recipe:
        """`first-frame`, or with the profile's options behind it: `first-frame,control=both`.

        Args:
            model: its name, for messages.
            text: the recipe.

        Raises:
            ValueError: no such recipe or option.
        """
        name, *more = (word.strip() for word in text.split(","))
        options = PassOptions(extra={"recipe": name, **dict(_option(model, word) for word in more)})
        profile = profile_of(PROFILE)
        if name not in profile.extra["recipe"]:
            known = ", ".join(profile.extra["recipe"])
            raise ValueError(f"{model} has no recipe {name!r}: there are {known}")
        profile.check_extra(options)
        made = cls(name, options)
        if not made.follows:
            raise ValueError(
                f"{model}: {text} tells nothing of a scene; for a video without one say --control none"
            )
        return made

    @property
    def follows(self) -> frozenset[str]:
        """What of a scene it tells. A skeleton shows a camera no further than people are seen by it; depth and
        the room before which they stand show all of it."""
        control = self.options.extra.get("control", "both" if self.name == "pose-and-depth" else "pose")
        told = {"pose": {"pose"}, "none": set(), "depth": {"pose", "camera", "depth"}}
        told["both"] = (
            told["depth"] if self.name != "background" else told["pose"]
        )  # depth lies under the room
        room = {"background": {"camera", "room"}, "first-frame": {"room"}, "extend": {"room"}}
        return frozenset(told[control] | room.get(self.name, set()))

    def __str__(self) -> str:
        extra = {key: value for key, value in self.options.extra.items() if key != "recipe"}
        return ",".join([self.name, *(f"{key}={value}" for key, value in extra.items())])


def _option(model: str, word: str) -> tuple[str, str]:
    key, sign, value = word.partition("=")
    if not sign:
        raise ValueError(f"{model}: recipe options are name=value, e.g. pose,control=depth, not {word!r}")
    return key.strip(), value.strip()


@dataclass(frozen=True, eq=False)
class VaceControl:
    """What VACE reads of a whole video.

    Args:
        film: the control, uint8 [T, H, W, 3]; of exactly the video's size.
        mask: where pixels are made anew; elsewhere the film's are kept. bool [T, H, W]; everywhere where None.
        references: pictures of the character, uint8 [h, w, 3]; those of another size are put on white.

    Raises:
        ValueError: other types or shapes.
    """

    film: np.ndarray
    mask: np.ndarray | None = None
    references: tuple[np.ndarray, ...] = ()

    def __post_init__(self) -> None:
        if self.film.dtype != np.uint8 or self.film.ndim != 4 or self.film.shape[-1] != 3:
            raise ValueError(
                f"a control film is uint8 [T, H, W, 3], not {self.film.dtype} {list(self.film.shape)}"
            )
        if self.mask is not None and (self.mask.dtype != bool or self.mask.shape != self.film.shape[:3]):
            raise ValueError(
                f"the mask of a control film of {list(self.film.shape[:3])} has its shape and is bool, not "
                f"{self.mask.dtype} {list(self.mask.shape)}"
            )

    @classmethod
    def of_passes(cls, passes: Sequence[Pass]) -> VaceControl:
        """From passes named `control`, `mask` (white is made anew) and `reference...`, in their order."""
        named = {each.name: each.data for each in passes}
        mask = named.get("mask")
        references = [each.data for each in passes if each.name.startswith("reference")]
        return cls(named["control"], None if mask is None else mask >= 128, tuple(references))


@dataclass(frozen=True, eq=False)
class VaceWindow:
    """What is known of a window.

    Args:
        control: what the control branch reads, [1, 2 C + 64, R + F, h, w]; None before a scene was read.
        references: R, pictures that stand in front of the video's own latent frames.
        known: the last frames of the window before, pixels [1, 3, K, H, W]; they are kept.
        device: on which the transformer runs.
    """

    control: torch.Tensor | None
    references: int
    known: torch.Tensor | None
    device: torch.device


class VaceVideo(WanVideo):
    """Wan with VACE's control branch: it follows a scene by itself, without an adapter.

    A longer video is continued window by window: the last nine frames of one are kept frames of the next, and its
    colours are led back to theirs.

    Args:
        transformer, vae, scheduler, tokenizer, text_encoder, transformer_2: the parts of diffusers' WanVACEPipeline.
        boundary_ratio: of the noise, at which the second transformer takes over.
        recipe: which passes tell it of the scene, see `Recipe.parse`.
        strength: of the control; 1 as it was trained, one for all layers of the control branch.
        keep_colour: whether later windows get the colours of the ones before.
        form: size, window and frame rate.
        name: as settings show it.

    Raises:
        ValueError: a size that it cannot make, parts of another model, an unknown recipe, or a strength out of range.
    """

    family = "vace"
    takes_adapters = False
    camera_hint = "--recipe pose-and-depth tells it by the room's depth, too"
    follows: frozenset[str]

    def __init__(
        self,
        *,
        transformer: nn.Module,
        vae: Any,
        scheduler: Any,
        tokenizer: Any,
        text_encoder: Any,
        transformer_2: nn.Module | None = None,
        boundary_ratio: float | None = None,
        recipe: str = "pose",
        strength: float = 1.0,
        keep_colour: bool = True,
        form: VideoFormat = WAN_FORMAT,
        name: str = "vace",
    ) -> None:
        self.recipe = Recipe.parse(name, recipe)
        check_strength(strength)
        super().__init__(
            transformer=transformer,  # type: ignore[arg-type]  # has all of it that Wan's is asked for
            vae=vae,
            scheduler=scheduler,
            tokenizer=tokenizer,
            text_encoder=text_encoder,
            transformer_2=transformer_2,  # type: ignore[arg-type]
            boundary_ratio=boundary_ratio,
            form=form,
            name=name,
        )
        self.strength = strength
        self.keep_colour = keep_colour
        self.follows = self.recipe.follows
        self.reads_picture = True
        self.overlap = OVERLAP
        if boundary_ratio is not None:
            guidance = Guidance(text=FUN_SCALE)
            self.defaults = SamplingDefaults(40, ExpertGuidance(guidance, guidance, boundary_ratio))
        for each in self.denoisers:
            wanted = 2 * vae.config.z_dim + MASK_CHANNELS
            if each.config.get("vace_in_channels") != wanted:
                raise ValueError(f"{name} is no VACE: its transformer reads no control of {wanted} channels")
            ready_for_caches(each)

    @property
    def needs_picture(self) -> bool:
        return bool(self.follows) and self.recipe.name == "first-frame"

    def settings(self) -> dict[str, Any]:
        if not self.follows:
            return {}
        return {"recipe": str(self.recipe), "control_strength": self.strength}

    def follow_nothing(self) -> None:
        self.follows = frozenset()

    def framed(self, picture: Image.Image) -> Image.Image:
        """On white, as a whole; where it is a frame of the film it is cropped to fill it, as everywhere."""
        if self.needs_picture:
            return picture
        return Image.fromarray(letterboxed(np.asarray(picture.convert("RGB")), self.form.size, WHITE))

    def read_shot(self, shot: Shot) -> VaceControl:
        return VaceControl.of_passes(profile_of(PROFILE).passes(shot, self.recipe.options))

    def notes(self, shot: Shot) -> list[str]:
        return profile_of(PROFILE).notes(shot, self.recipe.options)

    def begin_window(
        self,
        picture: torch.Tensor | None,
        known: torch.Tensor | None,
        frames: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> Any:
        window = VaceWindow(None, 0, known, device)
        if self.follows:
            return window
        width, height = self.form.size
        nothing = torch.zeros(1, 3, frames, height, width, device=device)
        return self._encoded(
            window, nothing, torch.ones_like(nothing[:, :1]), () if picture is None else (picture,)
        )

    def conditioned(
        self, window: VaceWindow, conditioning: VaceControl, start: int, frames: int
    ) -> VaceWindow:
        width, height = self.form.size
        part = slice(start, start + frames)
        film = conditioning.film[part]
        if film.shape != (frames, height, width, 3):
            # diffusers would take a smaller one and fill its tokens up with zeros, so that nothing lies where it belongs.
            raise ValueError(
                f"{self.name}: the control film must have {frames} frames of {width}x{height} from frame {start} on, "
                f"not {len(film)} of {film.shape[2]}x{film.shape[1]}"
            )
        pixels = from_uint8(film).to(window.device)
        mask = torch.ones_like(pixels[:, :1])
        if conditioning.mask is not None:
            mask = torch.from_numpy(conditioning.mask[part]).to(pixels)[None, None]
        references = tuple(
            from_uint8(letterboxed(each, self.form.size, WHITE)[None]).to(window.device)
            for each in conditioning.references
        )
        return self._encoded(window, pixels, mask, references)

    def _encoded(
        self,
        window: VaceWindow,
        film: torch.Tensor,
        mask: torch.Tensor,
        references: Sequence[torch.Tensor],
    ) -> VaceWindow:
        """A window with what the control branch reads.

        Args:
            window: whose known frames are kept.
            film: pixels [1, 3, T, H, W].
            mask: 1 where they are made anew, 0 where they are kept, [1, 1, T, H, W].
            references: pixels [1, 3, 1, H, W].
        """
        if window.known is not None:
            count = window.known.shape[2]
            film, mask = film.clone(), mask.clone()
            film[:, :, :count], mask[:, :, :count] = window.known, 0
        latents = torch.cat(
            [self.encode_video(film * (1 - mask)), self.encode_video(film * mask)],
            dim=1,
        )
        told = torch.cat([latents, _mask_latents(mask).to(latents)], dim=1)
        pictures: list[torch.Tensor] = []
        for each in references:
            shown = self.encode_video(each)
            nothing = shown.new_zeros(1, told.shape[1] - shown.shape[1], *shown.shape[2:])
            pictures.insert(
                0, torch.cat([shown, nothing], dim=1)
            )  # the last of them stands first, as in diffusers
        return replace(window, control=torch.cat([*pictures, told], dim=2), references=len(pictures))

    def window_noise(self, window: VaceWindow, frames: int, generator: torch.Generator) -> torch.Tensor:
        return self.draw_noise(frames + window.references * TEMPORAL_COMPRESSION, generator)

    def own_latents(self, latents: torch.Tensor, window: VaceWindow) -> torch.Tensor:
        return latents[:, :, window.references :]

    def predict(
        self, x: torch.Tensor, t: Any, text: torch.Tensor, window: Any, attention_kwargs: dict[str, Any]
    ) -> torch.Tensor:
        transformer = self.denoiser(t)
        dtype = transformer.dtype
        assert window.control is not None
        assert window.control.shape[2:] == x.shape[2:]
        layers = len(transformer.config.vace_layers)
        raw = transformer(
            hidden_states=x.to(dtype),
            timestep=t.expand(len(x)),
            encoder_hidden_states=text.to(dtype),
            control_hidden_states=window.control.to(dtype).expand(len(x), -1, -1, -1, -1),
            control_hidden_states_scale=torch.full((layers,), self.strength, device=x.device, dtype=dtype),
            attention_kwargs=attention_kwargs,
            return_dict=False,
        )[0]
        return raw.float()

    def after_step(self, x: torch.Tensor, *rest: Any) -> torch.Tensor:
        return x

    def finished(self, pixels: torch.Tensor, window: VaceWindow) -> torch.Tensor:
        if window.known is None or not self.keep_colour:
            return pixels
        return matched_colour(pixels, window.known)

    def training_window(self, encoded: Mapping[str, torch.Tensor], given: torch.Tensor, draw: Draw) -> Any:
        raise ValueError(f"{self.name} follows scenes by itself: adapters are not trained on it")


def check_strength(strength: float) -> None:
    """Says what is wrong with a strength of control.

    Raises:
        ValueError: it is not between 0 and 10.
    """
    if not (math.isfinite(strength) and 0 <= strength <= 10):
        raise ValueError(
            f"control strength {strength:g}: give between 0 and 10; 1 is as the model was trained"
        )


def _mask_latents(mask: torch.Tensor) -> torch.Tensor:
    """A mask [1, 1, T, H, W] as the 64 pixels of each latent one, at the nearest frame of each latent one."""
    frames, height, width = mask.shape[2:]
    side = SPATIAL_COMPRESSION
    cut = mask.reshape(frames, height // side, side, width // side, side).permute(2, 4, 0, 1, 3).flatten(0, 1)
    size = (latent_frames(frames), height // side, width // side)
    return functional.interpolate(cut[None], size=size, mode="nearest-exact")


class VaceFamily(Family):
    """VACE from folders in diffusers layout."""

    name = "vace"
    pipelines = ("WanVACEPipeline",)
    settings = ("recipe", "control_strength")
    replaces = "background"

    def form(self, folder: Path, options: LoadOptions) -> VideoFormat:
        form = replace(WAN_FORMAT, **options.changes)
        check_format(form, VaceVideo, options.name)
        Recipe.parse(options.name, options.settings.get("recipe", "pose"))
        check_strength(options.settings.get("control_strength", 1.0))
        return form

    def load(self, folder: Path, options: LoadOptions) -> VaceVideo:
        form = self.form(folder, options)
        index = read_index(folder)
        if index.get("transformer", [None])[0] is None:
            raise ValueError(f"{folder} has no transformer for the noisy steps; take a whole VACE")
        # Wan's autoencoder loses visible quality in 16 bits; diffusers' documentation keeps it in 32, too.
        parts = load_parts(folder, {"default": options.dtype, "vae": torch.float32})
        return VaceVideo(
            **parts,
            boundary_ratio=index.get("boundary_ratio"),
            recipe=options.settings.get("recipe", "pose"),
            strength=options.settings.get("control_strength", 1.0),
            form=form,
            name=options.name,
        )

    def lora_loader(self) -> Any:
        from diffusers.loaders import WanLoraLoaderMixin

        return WanLoraLoaderMixin


FAMILY = VaceFamily()
