"""The loss of mini with any control adapter: one batch of takes in, named terms out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers import WanTransformer3DModel
from torch import nn

from kinema.diffusion.loop import EulerSolver, Step, denoise
from kinema.diffusion.path import FlowPath
from kinema.motion.text import TextEncoder
from kinema.papers.mosa import TrackOptions, mask_loss, track_term
from kinema.training import ranks
from kinema.training.filmed import batch_backdrop, batch_signals, batch_silhouettes, batch_video
from kinema.training.objectives import flow_matching, training_times
from kinema.training.part_term import PartOptions, part_term
from kinema.training.rollouts import Rollouts, guided, roll_out
from kinema.video.adapters.adapter import ControlAdapter, ControlTokens
from kinema.video.adapters.context import published
from kinema.video.models.mini.autoencoder import AutoencoderPatchPCA
from kinema.video.models.mini.network import Plate, mini_input, mini_output
from kinema.video.models.video_model import latent_frames
from kinema.video.pixels import to_uint8

_PATH = FlowPath("clean")


class MiniTask(nn.Module):
    """The loss of one batch of takes.

    Args:
        transformer: with the adapter attached.
        adapter: any control method; None for the transformer alone.
        autoencoder: fixed.
        drop: chance that (text, pose, camera, pose and camera) is missing.
        know: chance that the first latent frame is given, as for the later windows of a long video.
        people: how much more a latent position with a person in it counts (ours).
        shift: of the training times. A token of hundreds of numbers still shows its picture at t = 0.6, where the
            control is not needed: large shifts train where it is (ours).
        text_tokens: token states per prompt.
        tracking: how the tracking term is computed, on takes with exact tracks; None for none.
        parts: how the part term is computed; None for none.
        rollouts: which steps begin with what the model has drawn; None for none.
    """

    def __init__(
        self,
        transformer: WanTransformer3DModel,
        adapter: ControlAdapter | None,
        autoencoder: AutoencoderPatchPCA,
        *,
        drop: tuple[float, float, float, float] = (0.1, 0.06, 0.06, 0.04),
        know: float = 0.3,
        people: float = 16.0,
        shift: float = 10.0,
        text_tokens: int = 24,
        tracking: TrackOptions | None = None,
        parts: PartOptions | None = None,
        rollouts: Rollouts | None = None,
    ) -> None:
        super().__init__()
        self.transformer = transformer
        self.adapter = adapter
        self.autoencoder = autoencoder.requires_grad_(False)
        self.drop = drop
        self.know = know
        self.people = people
        self.shift = shift
        self.text_tokens = text_tokens
        self.tracking = tracking
        self.parts = parts
        self.rollouts = rollouts
        self._prompts: dict[str, torch.Tensor] = {}
        self._encoder: TextEncoder | None = None

    @property
    def device(self) -> torch.device:
        return next(self.transformer.parameters()).device

    def forward(self, takes: list[dict[str, Any]], generator: torch.Generator) -> dict[str, torch.Tensor]:
        """The flow-matching term of a batch; mask, part and tracking terms where adapter and options give them."""
        batch = len(takes) * ranks.world()  # of all processes; each draws for all and keeps its own rows
        clean, reference = self._latents(takes)
        text = self._text(takes)

        chance = ranks.rows(torch.rand(batch, 3, generator=generator))
        text = text * (chance[:, 0] >= self.drop[0]).to(text)[:, None, None]
        _, pose, camera, both = self.drop
        roll = chance[:, 1]
        neither = roll < both
        present = {
            "pose": ~(neither | ((roll >= both) & (roll < both + pose))),
            "camera": ~(neither | ((roll >= both + pose) & (roll < both + pose + camera))),
        }
        present = {name: there & _has(takes, name) for name, there in present.items()}
        known = (chance[:, 2] < self.know).to(self.device)

        t = ranks.rows(training_times(batch, self.shift, generator)).to(self.device)
        noise = _noise((batch, *clean.shape[1:]), generator).to(self.device)
        # The known frame comes from an imperfect earlier window: a little noise keeps errors from adding up.
        blur = _noise((batch, *clean[:, :, :1].shape[1:]), generator).to(self.device)

        def with_known(x: torch.Tensor) -> torch.Tensor:
            first = torch.where(known.view(-1, 1, 1, 1, 1), clean[:, :, :1] + 0.1 * blur, x[:, :, :1])
            return torch.cat([first, x[:, :, 1:]], dim=2)

        def predict(x: torch.Tensor, t: torch.Tensor, tokens: ControlTokens | None) -> torch.Tensor:
            return self._predict(with_known(x), t, reference, known, text, tokens, plate)

        tokens, plate = self._encode(takes, present, text, reference)
        if self.rollouts is not None and torch.rand(1, generator=generator) < self.rollouts.share:
            nobody = present | {"pose": torch.zeros_like(present["pose"])}
            with torch.no_grad():
                unposed, _ = self._encode(takes, nobody, text, reference)

            def look(x: torch.Tensor, t: torch.Tensor, posed: bool) -> torch.Tensor:
                return predict(x, t, tokens if posed else unposed)

            times, pose = self.rollouts.times(generator), self.rollouts.pose
            t = times[-1:].expand(len(takes)).to(self.device)
            predicted = guided(look, roll_out(noise, times, look, pose), t, pose)
        else:
            predicted = predict(_PATH.noisy(clean, noise, t), t, tokens)
        weight = self._importance(takes, clean.shape)
        weight[:, :, :1] *= (~known).to(weight).view(-1, 1, 1, 1, 1)
        terms = flow_matching(predicted, clean, weight)
        if self.adapter is not None and tokens is not None:
            people = batch_silhouettes(takes).to(self.device)
            terms |= mask_loss(self.adapter.masks(tokens), people, present["pose"], ranks.mean)
            if self.parts is not None:
                posed = present["pose"].to(self.device)
                terms |= part_term(predicted, clean, people, posed, self._decode, self.parts, generator)
        if self.tracking is not None and torch.rand(1, generator=generator) * self.tracking.every < 1:
            few = slice(self.tracking.takes)
            terms |= self._track(takes[few], clean[few], reference[few], text[few], generator)
        return terms

    def _track(
        self,
        takes: list[dict[str, Any]],
        clean: torch.Tensor,
        reference: torch.Tensor,
        text: torch.Tensor,
        generator: torch.Generator,
    ) -> dict[str, torch.Tensor]:
        """L_track of samples predicted from little noise, with all their signals."""
        assert self.tracking is not None
        t = (self.tracking.below * torch.rand(len(takes), generator=generator)).to(self.device)
        noise = torch.randn(clean.shape, generator=generator).to(self.device)
        predicted = self._predict_with_all(takes, _PATH.noisy(clean, noise, t), t, reference, text)
        return track_term(predicted, takes, self._decode, self.tracking)

    def loss_at(
        self, takes: list[dict[str, Any]], time: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """The denoising term at one time in (0, 1], with every signal, for validation."""
        clean, reference = self._latents(takes)
        t = torch.full((len(takes),), time, device=self.device)
        noise = torch.randn(clean.shape, generator=generator).to(self.device)
        predicted = self._predict_with_all(
            takes, _PATH.noisy(clean, noise, t), t, reference, self._text(takes)
        )
        return flow_matching(predicted, clean, self._importance(takes, clean.shape))

    def sample(self, take: dict[str, Any], steps: int, generator: torch.Generator) -> np.ndarray:
        """The video that the model makes of one take's signals and reference picture, uint8 [T, H, W, 3]."""
        clean, reference = self._latents([take])
        text, unknown = self._text([take]), torch.zeros(1, dtype=torch.bool, device=self.device)
        tokens, plate = self._encode([take], self._all_present([take]), text, reference)

        def predict(x: torch.Tensor, step: Step) -> torch.Tensor:
            times = torch.tensor([step.t], device=self.device)
            return self._predict(x, times, reference, unknown, text, tokens, plate)

        noise = torch.randn(clean.shape, generator=generator).to(self.device)
        latents = denoise(noise, EulerSolver(steps, self.shift, _PATH), predict)
        return to_uint8(self._decode(latents)[0])

    def decoded(self, take: dict[str, Any]) -> np.ndarray:
        """A take's own latents as a video, uint8 [T, H, W, 3]."""
        clean, _ = self._latents([take])
        return to_uint8(self._decode(clean)[0])

    def _all_present(self, takes: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        return {name: _has(takes, name) for name in ("pose", "camera")}

    def _latents(self, takes: list[dict[str, Any]]) -> tuple[torch.Tensor, torch.Tensor]:
        """(video [B, C, F, h, w], reference [B, C, 1, h, w]): cached ones where the takes hold them."""
        if "latents" in takes[0]:
            return tuple(  # type: ignore[return-value]  # two
                torch.stack([take[name] for take in takes]).float().to(self.device)
                for name in ("latents", "reference_latents")
            )
        video, reference = (each.to(self.device) for each in batch_video(takes))
        return self.to_latents(video), self.to_latents(reference)

    def to_latents(self, video: torch.Tensor) -> torch.Tensor:
        """Pixels in [-1, 1], [B, 3, T, H, W], to the latents that the transformer denoises."""
        return self.autoencoder.encode(video).latent_dist.mode()

    def _decode(self, latents: torch.Tensor) -> torch.Tensor:
        return self.autoencoder.decode(latents).sample

    def _encode(
        self,
        takes: list[dict[str, Any]],
        present: dict[str, torch.Tensor],
        text: torch.Tensor,
        reference: torch.Tensor,
    ) -> tuple[ControlTokens | None, Plate]:
        """(the adapter's tokens, the backdrop that the camera sees where it is present, else the picture's)."""
        if self.adapter is None:
            return None, Plate.still(reference, latent_frames(len(takes[0]["skeleton"])))
        signals = batch_signals(takes).to(self.device)
        plate = Plate.seen_by(batch_backdrop(takes).to(self.device), self.to_latents)
        still = Plate.still(reference, plate.latents.shape[2])
        plate = plate.where(present["camera"].to(self.device), still)
        return self.adapter.encode(signals, present, text=text, to_latents=self.to_latents), plate

    def _predict_with_all(
        self,
        takes: list[dict[str, Any]],
        noisy: torch.Tensor,
        t: torch.Tensor,
        reference: torch.Tensor,
        text: torch.Tensor,
    ) -> torch.Tensor:
        """The clean sample [B, C, F, h, w] of takes with every signal that they have and no known frame."""
        tokens, plate = self._encode(takes, self._all_present(takes), text, reference)
        unknown = torch.zeros(len(takes), dtype=torch.bool, device=self.device)
        return self._predict(noisy, t, reference, unknown, text, tokens, plate)

    def _predict(
        self,
        noisy: torch.Tensor,
        t: torch.Tensor,
        reference: torch.Tensor,
        known: torch.Tensor,
        text: torch.Tensor,
        tokens: ControlTokens | None,
        plate: Plate,
    ) -> torch.Tensor:
        """The clean sample, [B, C, F, h, w]."""
        control = None if self.adapter is None else {self.adapter.adapter_name: tokens}
        with published(control):  # and not as arguments, of which FSDP2 would make copies: see `shard`
            seen = mini_input(noisy, t, reference, known, plate)
            raw = self.transformer(seen, 1000 * t, text, return_dict=False)[0]
        return mini_output(raw, plate)

    def _importance(self, takes: list[dict[str, Any]], shape: torch.Size) -> torch.Tensor:
        """Weight of each latent position [B, 1, F, h, w]: `people` where a person is seen."""
        mask = batch_silhouettes(takes).to(self.device).float()
        cells = nn.functional.adaptive_max_pool2d(mask, shape[-2:])
        grouped = torch.cat([cells[:, :1], cells[:, 1:].unflatten(1, (-1, 4)).amax(2)], dim=1)
        return (1 + (self.people - 1) * grouped).unsqueeze(1)

    def _text(self, takes: list[dict[str, Any]]) -> torch.Tensor:
        new = sorted({take["caption"] for take in takes} - set(self._prompts))
        if new:
            self._encoder = self._encoder or TextEncoder()
            self._prompts.update(zip(new, self._encoder(new, self.text_tokens).half(), strict=True))
        return torch.stack([self._prompts[take["caption"]] for take in takes]).float().to(self.device)


def _noise(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """This rank's rows of normal noise drawn for the whole batch."""
    return ranks.rows(torch.randn(shape, generator=generator))


def _has(takes: list[dict[str, Any]], signal: str) -> torch.Tensor:
    """Which takes have a signal, bool [B]: filmed ones have all, videos of others may lack pose or camera."""
    return torch.tensor([signal not in take.get("lacks", ()) for take in takes])
