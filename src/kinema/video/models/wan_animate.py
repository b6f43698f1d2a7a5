"""Wan2.2-Animate (2509.14055): a picture of the character, a skeleton film and a film of the face; room and mask where it
takes somebody's place in a film.

Encoded as diffusers' WanAnimatePipeline does: 4 channels of mask and the latents of what is known behind the noise, the
picture's latent frame in front, skeletons added to the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from kinema.diffusion.guider import Guidance
from kinema.passes.profile import Pass, PassOptions, letterboxed, profile_of
from kinema.passes.shot import Shot
from kinema.video.models.published_parts import load_parts
from kinema.video.models.video_model import (
    SPATIAL_COMPRESSION,
    TEMPORAL_COMPRESSION,
    Draw,
    SamplingDefaults,
    VideoFormat,
    check_format,
    latent_frames,
)
from kinema.video.models.wan import WanVideo
from kinema.video.pixels import from_uint8
from kinema.video.registry import Family, LoadOptions

PROFILE = "wan-animate"
"""The passes that it reads."""

ANIMATE_FORMAT = VideoFormat(width=1280, height=720, frames=77, fps=30.0, text_tokens=512)
"""wan/configs/wan_animate_14B.py: frame_num 77, sample_fps 30; the command's resolution_area is 1280x720."""

OVERLAPS = (1, 5)
"""Frames that segments may share: `prev_segment_conditioning_frames` of the pipeline."""

PROMPT = "视频中的人在做动作"
"""wan/configs/wan_animate_14B.py: what it was told where nobody says more."""

BLACK = 0
"""Ground of the character's picture: `fill_color=0` of the pipeline's image processor."""

NO_FACE = -1.0
"""Pixels of the face that unguided passes see."""


@dataclass(frozen=True, eq=False)
class AnimatePasses:
    """What Wan-Animate reads of a whole video.

    Args:
        pose: skeletons, uint8 [T, H, W, 3].
        face: the face alone, uint8 [T, S, S, 3]; None where nobody's face is known.
        background: the film without the person, uint8 [T, H, W, 3]; None for a new film.
        mask: where `background` is made anew, bool [T, H, W].
    """

    pose: np.ndarray
    face: np.ndarray | None = None
    background: np.ndarray | None = None
    mask: np.ndarray | None = None

    @classmethod
    def of_passes(cls, passes: Sequence[Pass]) -> AnimatePasses:
        """From passes named `pose`, `face`, `background` and `mask` (white is made anew)."""
        named = {each.name: each.data for each in passes}
        mask = named.get("mask")
        return cls(
            named["pose"],
            named.get("face"),
            named.get("background"),
            None if mask is None else mask >= 128,
        )

    def part(self, start: int, frames: int) -> AnimatePasses:
        """Frames of a window; beyond the end the film runs back and forth, as in the pipeline's padding."""
        at = back_and_forth(len(self.pose), start + frames)[start:]
        parts = (self.pose, self.face, self.background, self.mask)
        return AnimatePasses(*(None if each is None else each[at] for each in parts))  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class AnimateWindow:
    """What is known of a segment.

    Args:
        reference: mask and latents of the character's picture, [1, 4 + C, 1, h, w].
        picture_states: CLIP states of the picture.
        known: the last frames of the segment before, pixels [1, 3, K, H, W].
        condition: `reference` and behind it mask and latents of what is known of the frames, [1, 4 + C, 1 + F, h, w].
        pose: latents of the skeletons, [1, C, F, h, w].
        face: pixels in [-1, 1], [1, 3, T, S, S].
    """

    reference: torch.Tensor
    picture_states: torch.Tensor
    known: torch.Tensor | None
    condition: torch.Tensor | None = None
    pose: torch.Tensor | None = None
    face: torch.Tensor | None = None


class WanAnimateVideo(WanVideo):
    """Wan2.2-Animate: the picture's person moves as the scene's person, in the picture's room or in a given film.

    A longer video is made segment by segment; each knows the last frame, or the last five, of the one before. Guidance on
    the text strengthens the face as well: passes that do not know the text see no face.

    Args:
        transformer, vae, scheduler, tokenizer, text_encoder, image_encoder, image_processor: the parts of diffusers'
            WanAnimatePipeline.
        overlap: frames that segments share, 1 or 5.
        form: size, segment and frame rate.
        name: as settings show it.

    Raises:
        ValueError: a size that it cannot make, parts of another model, or another overlap.
    """

    family = "wan-animate"
    takes_adapters = False
    whole_windows = True
    continues_shot = True
    follows = frozenset({"pose"})
    keeps_room = True
    people = 1
    camera_hint = "wan-animate-2 and VACE follow it"
    default_prompt = PROMPT
    # wan/configs/wan_animate_14B.py: sample_steps, sample_shift and sample_guide_scale.
    defaults = SamplingDefaults(steps=20, guidance=Guidance(text=1.0), shift=5.0)

    def __init__(self, *, overlap: int = 1, name: str = "wan-animate", **parts: Any) -> None:
        check_overlap(name, overlap)
        super().__init__(**{"form": ANIMATE_FORMAT, **parts}, name=name)
        if not self.reads_picture or not hasattr(self.transformer, "face_adapter"):
            raise ValueError(f"{name} is no Wan-Animate: its transformer reads no picture or no face")
        self.overlap = overlap

    def settings(self) -> dict[str, Any]:
        return {"overlap": self.overlap}

    def framed(self, picture: Image.Image) -> Image.Image:
        """On black, as a whole."""
        return Image.fromarray(letterboxed(np.asarray(picture.convert("RGB")), self.form.size, BLACK))

    def read_shot(self, shot: Shot) -> AnimatePasses:
        return AnimatePasses.of_passes(
            profile_of(PROFILE).passes(shot, PassOptions(replace=shot.footage is not None))
        )

    def begin_window(
        self,
        picture: torch.Tensor | None,
        known: torch.Tensor | None,
        frames: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> Any:
        assert picture is not None
        states = self._picture_states(picture)
        assert states is not None
        latents = self.encode_video(picture)
        given = torch.ones_like(latents[:, :1]).expand(-1, TEMPORAL_COMPRESSION, -1, -1, -1)
        return AnimateWindow(torch.cat([given, latents], dim=1), states, known)

    def conditioned(
        self, window: AnimateWindow, conditioning: AnimatePasses, start: int, frames: int
    ) -> AnimateWindow:
        passes = conditioning.part(start, frames)
        device = window.reference.device
        size = (frames, self.form.height, self.form.width, 3)
        if passes.pose.shape != size:
            raise ValueError(f"{self.name}: skeletons must be {list(size)}, not {list(passes.pose.shape)}")
        pose = from_uint8(passes.pose).to(device)
        film, keep = torch.zeros_like(pose), torch.zeros_like(pose[:, :1])
        if passes.background is not None:
            assert passes.mask is not None
            film = from_uint8(passes.background).to(device)
            keep = 1 - torch.from_numpy(passes.mask).to(film)[None, None]
        count = 0
        if window.known is not None:
            count = window.known.shape[2]
            film = torch.cat([window.known.to(film), film[:, :, count:]], dim=2)
        latents = self.encode_video(film)
        behind = torch.cat([kept_latents(keep, count).to(latents), latents], dim=1)
        return replace(
            window,
            condition=torch.cat([window.reference, behind], dim=2),
            pose=self.encode_video(pose),
            face=self._face(passes.face, frames).to(device),
        )

    def _face(self, face: np.ndarray | None, frames: int) -> torch.Tensor:
        """Pixels of the face at the size that the motion encoder reads."""
        side = self.transformer.config.motion_encoder_size
        if face is None:
            return torch.full((1, 3, frames, side, side), NO_FACE)
        if face.shape[1:3] != (side, side):
            shown = (Image.fromarray(each).resize((side, side), Image.Resampling.LANCZOS) for each in face)
            face = np.stack([np.asarray(each) for each in shown])
        return from_uint8(face)

    def without_text(self, window: AnimateWindow) -> AnimateWindow:
        assert window.face is not None
        return replace(window, face=torch.full_like(window.face, NO_FACE))

    def carried(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels

    def window_noise(self, window: AnimateWindow, frames: int, generator: torch.Generator) -> torch.Tensor:
        return self.draw_noise(frames + TEMPORAL_COMPRESSION, generator)

    def own_latents(self, latents: torch.Tensor, window: AnimateWindow) -> torch.Tensor:
        return latents[:, :, 1:]

    def predict(
        self, x: torch.Tensor, t: Any, text: torch.Tensor, window: Any, attention_kwargs: dict[str, Any]
    ) -> torch.Tensor:
        dtype = self.transformer.dtype
        assert window.condition is not None
        raw = self.transformer(
            hidden_states=torch.cat([x, window.condition.to(x)], dim=1).to(dtype),
            timestep=t.expand(len(x)),
            encoder_hidden_states=text.to(dtype),
            encoder_hidden_states_image=window.picture_states.to(dtype),
            pose_hidden_states=window.pose.to(dtype),
            face_pixel_values=window.face.to(dtype),
            attention_kwargs=attention_kwargs,
            return_dict=False,
        )[0]
        return raw.float()

    def after_step(self, x: torch.Tensor, *rest: Any) -> torch.Tensor:
        return x

    def training_window(self, encoded: Mapping[str, torch.Tensor], given: torch.Tensor, draw: Draw) -> Any:
        raise ValueError(f"{self.name} follows scenes by itself: adapters are not trained on it")


def back_and_forth(frames: int, total: int) -> np.ndarray:
    """Numbers of `total` frames of a film that runs to its end, back to its beginning and so on: `pad_video_frames`."""
    period = max(1, 2 * (frames - 1))
    at = np.arange(total) % period
    return np.minimum(at, period - at) if frames > 1 else np.zeros(total, int)


def kept_latents(keep: torch.Tensor, count: int) -> torch.Tensor:
    """What of a film is kept, as its latent frames are told it, [1, 4, F, h, w]: `get_i2v_mask`.

    Args:
        keep: 1 where pixels are kept, [1, 1, T, H, W].
        count: frames at the beginning that are kept whole.
    """
    frames, height, width = keep.shape[2:]
    small = (height // SPATIAL_COMPRESSION, width // SPATIAL_COMPRESSION)
    mask = functional.interpolate(keep[0].transpose(0, 1), size=small, mode="nearest").transpose(0, 1)
    mask[:, :count] = 1
    first = mask[:, :1].expand(
        -1, TEMPORAL_COMPRESSION, -1, -1
    )  # the first latent frame holds one frame only
    four = torch.cat([first, mask[:, 1:]], dim=1)
    return four.view(1, latent_frames(frames), TEMPORAL_COMPRESSION, *small).transpose(1, 2)


def check_overlap(name: str, overlap: int) -> None:
    """Says what is wrong with the frames that segments share.

    Raises:
        ValueError: neither 1 nor 5.
    """
    if overlap not in OVERLAPS:
        raise ValueError(f"segments of {name} share {' or '.join(map(str, OVERLAPS))} frames, not {overlap}")


class WanAnimateFamily(Family):
    """Wan2.2-Animate from folders in diffusers layout."""

    name = "wan-animate"
    pipelines = ("WanAnimatePipeline",)
    settings = ("overlap",)
    replaces = ""

    def form(self, folder: Path, options: LoadOptions) -> VideoFormat:
        form = replace(ANIMATE_FORMAT, **options.changes)
        check_format(form, WanAnimateVideo, options.name)
        check_overlap(options.name, options.settings.get("overlap", 1))
        return form

    def load(self, folder: Path, options: LoadOptions) -> WanAnimateVideo:
        form = self.form(folder, options)
        # Wan's autoencoder loses visible quality in 16 bits; diffusers' documentation keeps it in 32, too.
        parts = load_parts(folder, {"default": options.dtype, "vae": torch.float32})
        return WanAnimateVideo(
            **parts, overlap=options.settings.get("overlap", 1), form=form, name=options.name
        )

    def lora_loader(self) -> Any:
        from diffusers.loaders import WanLoraLoaderMixin

        return WanLoraLoaderMixin


FAMILY = WanAnimateFamily()
