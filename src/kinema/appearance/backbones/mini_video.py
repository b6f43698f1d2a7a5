"""mini as the pipeline sees it: it sees the reference picture in every window and predicts clean samples (ours)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import WanTransformer3DModel

from kinema.appearance.autoencoder import AutoencoderPatchPCA
from kinema.appearance.backbones.mini import (
    MiniFormat,
    Plate,
    before_plate,
    in_colours_of,
    mini_input,
    mini_output,
    no_brighter,
)
from kinema.appearance.backbones.video_model import (
    OnStep,
    Predict,
    SamplingDefaults,
    VideoFormat,
    VideoModel,
    latent_frames,
)
from kinema.appearance.guidance import Guidance, euler_flow, flow_times
from kinema.structure.text import default_text_encoder


@dataclass(frozen=True)
class MiniWindow:
    """What one window sees.

    Args:
        reference: latents of the character, [1, C, 1, h, w].
        known: from the second window on, latents of the last frame before, [1, C, 1, h, w].
        plate: the background.
        backdrop, people: the background's pixels and where people shall be, as in ControlSignals, where they are known.
        people_plate: the people's pixels, as in ControlSignals, where an adapter asks for them.
    """

    reference: torch.Tensor
    known: torch.Tensor | None
    plate: Plate
    backdrop: torch.Tensor | None = None
    people: torch.Tensor | None = None
    people_plate: torch.Tensor | None = None

    def with_known(self, latents: torch.Tensor) -> torch.Tensor:
        if self.known is None:
            return latents
        return torch.cat([self.known, latents[:, :, 1:]], dim=2)


class MiniVideo(VideoModel):
    """The embedded model.

    Args:
        transformer: made by `make_mini`, trained.
        autoencoder: the video autoencoder.
        form: size, window and frame rate that the transformer was trained on.
        text_encoder: (prompts, tokens) -> token states; loaded when first needed.

    Raises:
        ValueError: a transformer from before mini read the backdrop.
    """

    family = "mini"
    name = "mini"
    reads_picture = True
    overlap = 1
    rays_follow_window = False
    reads_backdrop = True
    whole_windows = True
    composes = True
    """Show people before the pixels of the backdrop, in the colours of the people plate, see `before_plate`."""
    # Three times the pose makes limbs and sides surer (docs/evaluation_control.md); more of it burns colours, and more
    # steps do not help while mini is undertrained. The shift is that of its training.
    defaults = SamplingDefaults(steps=8, guidance=Guidance(pose=3.0), shift=10.0)

    def __init__(
        self,
        transformer: WanTransformer3DModel,
        autoencoder: AutoencoderPatchPCA,
        form: VideoFormat | None = None,
        text_encoder: Callable[[list[str], int], torch.Tensor] | None = None,
    ) -> None:
        wanted = 3 * transformer.config.out_channels - 1
        if transformer.config.in_channels != wanted:
            raise ValueError(
                f"mini's transformer reads {wanted} channels, this one {transformer.config.in_channels}: it was made "
                "before mini read the backdrop; train it anew (docs/training.md)"
            )
        self.transformer = transformer
        self.autoencoder: Any = autoencoder
        self.form = form or MiniFormat()
        self._text_encoder = text_encoder
        self.check()

    @property
    def components(self) -> dict[str, Any]:
        return {"transformer": self.transformer, "autoencoder": self.autoencoder}

    def encode_text(self, prompt: str, device: torch.device) -> torch.Tensor:
        if not prompt.strip():
            return torch.zeros(1, self.form.text_tokens, self.transformer.config.text_dim, device=device)
        self._text_encoder = self._text_encoder or default_text_encoder()
        return self._text_encoder([prompt], self.form.text_tokens).to(device)

    def encode_video(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.autoencoder.encode(pixels).latent_dist.mode()

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return self.autoencoder.decode(latents).sample

    def begin_window(
        self,
        picture: torch.Tensor | None,
        known: torch.Tensor | None,
        frames: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> MiniWindow:
        assert picture is not None
        reference = self.encode_video(picture)
        return MiniWindow(
            reference,
            None if known is None else self.encode_video(known),
            Plate.still(reference, latent_frames(frames)),
        )

    def before_backdrop(
        self, window: MiniWindow, backdrop: torch.Tensor, people: torch.Tensor | None
    ) -> MiniWindow:
        backdrop = backdrop.to(window.reference)
        plate = Plate.seen_by(backdrop, self.encode_video)
        return replace(window, plate=plate, backdrop=backdrop, people=people)

    def with_people(self, window: MiniWindow, people_plate: torch.Tensor) -> MiniWindow:
        if window.backdrop is None:
            return window
        people_plate = people_plate.to(window.reference)
        plate = Plate.seen_by(window.backdrop, self.encode_video, people_plate)
        drawn = people_plate[:, :, 3] > 0
        people = drawn if window.people is None else window.people | drawn
        return replace(window, plate=plate, people=people, people_plate=people_plate)

    def finished(self, pixels: torch.Tensor, window: MiniWindow) -> torch.Tensor:
        if window.backdrop is None or not self.composes:
            return pixels
        if window.people_plate is not None:
            pixels = in_colours_of(pixels, window.people_plate)
            pixels = no_brighter(pixels, window.backdrop, window.people_plate)
        return before_plate(pixels, window.backdrop, window.people)

    def predict(
        self,
        x: torch.Tensor,
        t: float,
        text: torch.Tensor,
        window: MiniWindow,
        attention_kwargs: dict[str, Any],
    ) -> torch.Tensor:
        times = torch.tensor([t], device=x.device)
        has_known = torch.tensor([window.known is not None], device=x.device)
        raw = self.transformer(
            mini_input(window.with_known(x), times, window.reference, has_known, window.plate),
            1000 * times,
            text,
            attention_kwargs=attention_kwargs,
            return_dict=False,
        )[0]
        return mini_output(raw, window.plate)

    def sample(
        self,
        predict: Predict,
        window: MiniWindow,
        frames: int,
        *,
        steps: int,
        shift: float | None,
        generator: torch.Generator,
        device: torch.device,
        on_step: OnStep,
    ) -> torch.Tensor:
        shape = self.form.latent_shape(window.reference.shape[1], frames)
        noise = torch.randn(shape, generator=generator).to(device)
        made = euler_flow(
            noise,
            flow_times(steps, 1.0 if shift is None else shift),
            lambda x, t: window.with_known(predict(x, t)),
            on_step=lambda step, clean: on_step(),
        )
        return window.with_known(made)

    def progress(self, t: float) -> float:
        return 1 - t
