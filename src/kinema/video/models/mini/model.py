"""mini as the pipeline sees it: it sees the reference picture in every window and predicts clean samples (ours)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel

from kinema.diffusion.guider import Guidance
from kinema.diffusion.loop import EulerSolver
from kinema.diffusion.path import FlowPath, ShiftedTimes
from kinema.motion.text import default_text_encoder
from kinema.scene import Scene
from kinema.video.models.mini.autoencoder import AutoencoderPatchPCA
from kinema.video.models.mini.network import MiniFormat, Plate, before_plate, mini_input, mini_output
from kinema.video.models.mini.plates import MiniConditioner, MiniConditioning
from kinema.video.models.published import EMBEDDED_INDEX
from kinema.video.models.video_model import (
    AdapterTraining,
    Draw,
    SamplingDefaults,
    VideoFormat,
    VideoModel,
    latent_frames,
)
from kinema.video.pixels import to_uint8
from kinema.video.registry import Family, LoadOptions


@dataclass(frozen=True)
class MiniWindow:
    """What one window sees.

    Args:
        reference: latents of the character, [1, C, 1, h, w].
        known: from the second window on, latents of the last frame before, [B, C, 1, h, w].
        plate: the background.
        backdrop, people: the background's pixels and where people shall be, see MiniConditioning, where they are known.
        given: which samples know their first frame, bool [B]; all of them where None.
    """

    reference: torch.Tensor
    known: torch.Tensor | None
    plate: Plate
    backdrop: torch.Tensor | None = None
    people: torch.Tensor | None = None
    given: torch.Tensor | None = None

    def with_known(self, latents: torch.Tensor) -> torch.Tensor:
        if self.known is None:
            return latents
        known = self.known
        if self.given is not None:
            known = torch.where(self.given.view(-1, 1, 1, 1, 1), known, latents[:, :, :1])
        return torch.cat([known, latents[:, :, 1:]], dim=2)

    @property
    def has_known(self) -> torch.Tensor:
        """Which samples know their first frame, bool [B] or [1]."""
        if self.given is not None:
            return self.given
        return torch.tensor([self.known is not None], device=self.reference.device)


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
    whole_windows = True
    edits_clean = True
    knows_only = (
        "stylised people of its own stage: a photograph gives garbage (`kinema preview FILE --standing -o "
        "character.png` makes a character that it knows)"
    )
    # Time-to-Move's published clocks leave nothing of a film of 96x128 pixels; of those tried these followed it best.
    film_words = "0.6+0.3"
    path = FlowPath("clean")
    times = ShiftedTimes(10.0)
    plates = True
    """Show the network the backdrop as the camera sees it; without, rays alone have to move the room."""
    composes = True
    """Show people before the pixels of the backdrop, see `before_plate`."""
    # Three times the pose makes limbs and sides surer (docs/evaluation_control.md); more of it burns colours, and more
    # steps do not help while mini is undertrained. The shift is that of its training.
    defaults = SamplingDefaults(steps=8, guidance=Guidance(pose=3.0), shift=10.0)
    # A token of hundreds of numbers still shows its picture at t = 0.6, where the control is not needed: large shifts
    # train where it is. The methods' own sizes are made for backbones of 2 to 14 billion parameters (all ours).
    adapter_training = AdapterTraining(
        shift=30.0,
        people=16.0,
        given=0.3,
        sizes={"tokenmotion": {"motion_width": 128, "heads": 4, "first_width": 64, "rank": 128}},
    )

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

    def encode_texts(self, prompts: Sequence[str], device: torch.device) -> torch.Tensor:
        if not any(prompt.strip() for prompt in prompts):
            return self.encode_text("", device).expand(len(prompts), -1, -1)
        self._text_encoder = self._text_encoder or default_text_encoder()
        return self._text_encoder(list(prompts), self.form.text_tokens).to(device)

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

    def conditioning(
        self, scene: Scene, picture: torch.Tensor | None, frames: int, posed: bool
    ) -> MiniConditioning | None:
        conditioner = self.conditioner
        if picture is None or conditioner is None:
            return None
        return conditioner(scene, to_uint8(picture[0])[0], frames, posed)

    @property
    def conditioner(self) -> MiniConditioner | None:
        return MiniConditioner(self.form) if self.plates else None

    def plate(self, scene: Scene, picture: torch.Tensor, frames: int) -> torch.Tensor | None:
        plates = self.conditioning(scene, picture, frames, posed=False)
        return None if plates is None else 2 * plates.backdrop[:, :, :3].transpose(1, 2) - 1

    def conditioned(
        self, window: MiniWindow, conditioning: MiniConditioning, start: int, frames: int
    ) -> MiniWindow:
        part = conditioning.window(start, frames)
        backdrop = part.backdrop.to(window.reference)
        people = None if part.people is None else part.people.to(backdrop.device)
        plate = Plate.seen_by(backdrop, self.encode_video)
        return replace(window, plate=plate, backdrop=backdrop, people=people)

    def encode_window(self, pixels: torch.Tensor, picture: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"latents": self.encode_video(pixels), "reference_latents": self.encode_video(picture)}

    def training_window(
        self, encoded: Mapping[str, torch.Tensor], given: torch.Tensor, draw: Draw
    ) -> MiniWindow:
        """A given frame comes from an imperfect earlier window: a little noise keeps errors from adding up (ours)."""
        clean, reference = encoded["latents"], encoded["reference_latents"]
        first = clean[:, :, :1]
        plate = Plate.still(reference, clean.shape[2])
        return MiniWindow(reference, first + 0.1 * draw(first.shape), plate, given=given)

    def conditioned_batch(
        self, window: MiniWindow, drawn: Sequence[MiniConditioning | None], known: torch.Tensor
    ) -> MiniWindow:
        there = next((each for each in drawn if each is not None), None)
        if there is None:
            return window
        plates = [torch.zeros_like(there.plate) if each is None else each.plate for each in drawn]
        backdrop = torch.cat([MiniConditioning(plate, None).backdrop for plate in plates])
        plate = Plate.seen_by(backdrop.to(window.reference), self.encode_video)
        return replace(window, plate=plate.where(known, window.plate))

    def finished(self, pixels: torch.Tensor, window: MiniWindow) -> torch.Tensor:
        if window.backdrop is None or not self.composes:
            return pixels
        return before_plate(pixels, window.backdrop, window.people)

    def draw_noise(self, frames: int, generator: torch.Generator) -> torch.Tensor:
        channels = self.autoencoder.config.latent_channels
        return torch.randn(self.form.latent_shape(channels, frames), generator=generator)

    def solver(
        self, steps: int, shift: float | None, generator: torch.Generator, device: torch.device
    ) -> EulerSolver:
        return EulerSolver(steps, 1.0 if shift is None else shift, self.path)

    def predict(
        self,
        x: torch.Tensor,
        t: Any,
        text: torch.Tensor,
        window: MiniWindow,
        attention_kwargs: dict[str, Any],
    ) -> torch.Tensor:
        times = torch.as_tensor(t, device=x.device, dtype=torch.float32).expand(len(x))
        raw = self.transformer(
            mini_input(window.with_known(x), times, window.reference, window.has_known, window.plate),
            1000 * times,
            text,
            attention_kwargs=attention_kwargs,
            return_dict=False,
        )[0]
        return mini_output(raw, window.plate)

    def edit_clean(self, clean: torch.Tensor, window: MiniWindow) -> torch.Tensor:
        return window.with_known(clean)


class MiniFamily(Family):
    """mini from a folder that recipe `mini` has exported."""

    name = "mini"
    exports_whole = True

    def form(self, folder: Path, options: LoadOptions) -> MiniFormat:
        saved = json.loads((folder / EMBEDDED_INDEX).read_text(encoding="utf-8"))
        form = MiniFormat(**saved["format"])
        for name, asked in options.changes.items():
            if asked != getattr(form, name):
                raise ValueError(
                    f"mini makes videos of {form.width}x{form.height} pixels at {form.fps:g} frames per second, in "
                    f"windows of {form.frames}, and no others: {name} {asked:g} cannot be had; --scale enlarges, and "
                    "other backbones have other sizes"
                )
        return form

    def load(self, folder: Path, options: LoadOptions) -> MiniVideo:
        form = self.form(folder, options)
        load = {"dtype": torch.float32}
        return MiniVideo(
            WanTransformer3DModel.from_pretrained(folder / "transformer", **load).eval(),
            AutoencoderPatchPCA.from_pretrained(folder / "autoencoder", **load).eval(),
            form,
        )

    def save_rest(self, model: VideoModel, folder: Path) -> None:
        assert isinstance(model, MiniVideo)
        model.autoencoder.save_pretrained(folder / "autoencoder")
        saved = {"backbone": self.name, "format": asdict(model.form)}
        (folder / EMBEDDED_INDEX).write_text(json.dumps(saved, indent=1))

    def lora_loader(self) -> Any:
        from diffusers.loaders import WanLoraLoaderMixin

        return WanLoraLoaderMixin


FAMILY = MiniFamily()
