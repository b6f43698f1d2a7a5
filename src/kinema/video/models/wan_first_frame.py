"""Wan 2.2 TI2V-5B: text, or text and a picture, by one transformer; a picture is the first frame, and its time is 0.

Its autoencoder has 48 channels and 16 pixels per latent. Every token has its own time: tokens of a known first frame are
told that there is no noise in them, which is how the model starts from a picture and how a long video goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from kinema.diffusion.loop import Solver, Step
from kinema.video.models.video_model import AdapterTraining, Draw, VideoFormat
from kinema.video.models.wan import WanVideo, WanWindow

FIRST_FRAME_FORMAT = VideoFormat(width=1280, height=704, frames=121, fps=24.0, text_tokens=512)
"""What TI2V-5B was trained on: its 720P, whose sides are multiples of 32."""


@dataclass(frozen=True)
class FirstFrameWindow(WanWindow):
    """A window whose first frame may be known.

    Args:
        first: latents of that frame, [B, C, 1, h, w]; None where nothing is known.
        given: which samples know it, bool [B]; all where None.
    """

    first: torch.Tensor | None = None
    given: torch.Tensor | None = None

    def shown(self, x: torch.Tensor) -> torch.Tensor:
        """Latents [B, C, F, h, w] with the known first frame in the place of their own."""
        if self.first is None:
            return x
        first = self.first.to(x).expand_as(x[:, :, :1])
        if self.given is not None:
            first = torch.where(self.given.view(-1, 1, 1, 1, 1), first, x[:, :, :1])
        return torch.cat([first, x[:, :, 1:]], dim=2)

    def times(self, t: torch.Tensor, frames: int) -> torch.Tensor:
        """Times [B] as each latent frame is told them, [B, F]."""
        told = t[:, None].float().repeat(1, frames)
        given = torch.ones_like(t, dtype=torch.bool) if self.given is None else self.given
        told[:, 0] = torch.where(given, 0.0, told[:, 0])
        return told


class WanFirstFrameVideo(WanVideo):
    """Wan 2.2 TI2V-5B; see WanVideo for its arguments.

    A long video is continued from its last frame, as if that were the picture.
    """

    size_multiple = 32
    spatial_compression = 16
    # Half of the windows know their first frame (ours), so that an adapter works from text and from a picture.
    adapter_training = AdapterTraining(given=0.5)

    def __init__(self, **parts: Any) -> None:
        super().__init__(**{"form": FIRST_FRAME_FORMAT, "name": "wan2.2-5b", **parts})
        self.reads_picture = True
        self.overlap = 1

    @property
    def needs_picture(self) -> bool:
        return False

    def begin_window(
        self,
        picture: torch.Tensor | None,
        known: torch.Tensor | None,
        frames: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> FirstFrameWindow:
        start = picture if known is None else known
        return FirstFrameWindow(None, None, 0, None if start is None else self.encode_video(start))

    def encode_window(self, pixels: torch.Tensor, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        # The autoencoder is causal: the first latent frame is that of the picture alone.
        return {"latents": self.encode_video(pixels)}

    def training_window(
        self, encoded: Mapping[str, torch.Tensor], given: torch.Tensor, draw: Draw
    ) -> FirstFrameWindow:
        return FirstFrameWindow(None, None, 0, encoded["latents"][:, :, :1], given)

    def predict(
        self,
        x: torch.Tensor,
        t: Any,
        text: torch.Tensor,
        window: WanWindow,
        attention_kwargs: dict[str, Any],
    ) -> torch.Tensor:
        assert isinstance(window, FirstFrameWindow)
        if (
            window.first is None
        ):  # one time for all tokens: the same numbers as many equal ones, in less memory
            return super().predict(x, t, text, window, attention_kwargs)
        dtype = self.transformer.dtype
        _, rows, columns = self.transformer.config.patch_size
        times = window.times(t.expand(len(x)), x.shape[2])
        tokens = (x.shape[3] // rows) * (x.shape[4] // columns)
        raw = self.transformer(
            hidden_states=window.shown(x).to(dtype),
            timestep=times.repeat_interleave(tokens, dim=1),
            encoder_hidden_states=text.to(dtype),
            attention_kwargs=attention_kwargs,
            return_dict=False,
        )[0]
        return raw.float()

    def after_step(
        self, x: torch.Tensor, step: Step, solver: Solver, noise: torch.Tensor, window: WanWindow
    ) -> torch.Tensor:
        assert isinstance(window, FirstFrameWindow)
        # Between steps the sampler goes on with its own first frame, as in diffusers; the network never sees it.
        return window.shown(x) if step.index + 1 == step.count else x
