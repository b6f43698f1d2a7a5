"""The losses of any video model with any adapters: one batch of samples in, named terms out.

Path, times, encoders and what a model reads beside noise and text are the model's own (`VideoModel`); what is compared
are objectives (`diffusion.objective`). The order in which random numbers are drawn is fixed: losses of old runs repeat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from kinema.data.encoded_clips import padded
from kinema.data.sample import Sample, conditioned, masks_of, signals_of
from kinema.diffusion.objective import Denoising, Objective, TrainingStep
from kinema.diffusion.path import LogitNormalTimes, ShiftedTimes, Times
from kinema.signals.control_signals import ControlSignals
from kinema.training import ranks
from kinema.training.rollouts import Rollouts, guided, roll_out
from kinema.video.adapters.adapter import ControlAdapter, ControlTokens
from kinema.video.adapters.context import published
from kinema.video.guided import CONDITIONS
from kinema.video.models.video_model import VideoModel
from kinema.video.pixels import from_uint8, to_uint8

_PROMPTS = 4096  # whose states are kept


@dataclass(frozen=True)
class Conditions:
    """How conditions are dropped, and which positions and times count; what is none is as the model says.

    Args:
        drop_text: chance that the text is missing.
        drop_pose: chance that the pose alone is.
        drop_camera: chance that the camera alone is.
        drop_both: chance that both are.
        given: chance that the first latent frame is given, as for the later windows of a long video.
        people: how much more a latent position with a person in it counts (ours).
        shift: of the training times; larger ones spend more steps near the noise.
        logit_normal: times with a normal logit (SD3) in the place of uniform ones.

    Raises:
        ValueError: chances that are none.
    """

    drop_text: float = 0.1
    drop_pose: float = 0.06
    drop_camera: float = 0.06
    drop_both: float = 0.04
    given: float | None = None
    people: float | None = None
    shift: float | None = None
    logit_normal: bool = False

    def __post_init__(self) -> None:
        apart = self.drop_pose + self.drop_camera + self.drop_both
        chances = (self.drop_text, self.drop_pose, self.drop_camera, self.drop_both, self.given or 0.0, apart)
        if not all(0 <= chance <= 1 + 1e-9 for chance in chances):
            raise ValueError(
                "conditions.drop_text, given, and drop_pose, drop_camera and drop_both together are chances from 0 to 1"
            )


@dataclass(frozen=True, eq=False)
class _Batch:
    """What all predictions of a step have in common, on the device.

    Args:
        samples: the batch.
        encoded: what the model's encoders made of it.
        text: token states, [B, L, D].
        signals: of each adapter.
        masks: where people are, bool [B, T, H, W]; None where nobody asks.
    """

    samples: Sequence[Sample]
    encoded: dict[str, torch.Tensor]
    text: torch.Tensor
    signals: dict[str, ControlSignals]
    masks: torch.Tensor | None


class VideoTask(nn.Module):
    """The loss of one batch.

    Args:
        model: with the adapters attached to its transformer; its encoders are not trained.
        adapters: by name; none for the model alone.
        conditions: how they are dropped.
        objectives: what is compared; the path's own loss where none are given.
        rollouts: which steps begin with what the model has drawn; None for none.
        autocast: compute in bfloat16 where that is safe; what is trained keeps its type.

    Raises:
        ValueError: a given first frame or another time shift for a model that has no use for it.
    """

    def __init__(
        self,
        model: VideoModel,
        adapters: Mapping[str, ControlAdapter],
        conditions: Conditions | None = None,
        *,
        objectives: Sequence[Objective] = (),
        rollouts: Rollouts | None = None,
        autocast: bool = False,
    ) -> None:
        super().__init__()
        own, told = model.adapter_training, conditions or Conditions()
        self.model = model
        self.transformer = model.transformer
        self.adapters = nn.ModuleDict(adapters)
        self.conditions = told
        self.given = own.given if told.given is None else told.given
        self.people = own.people if told.people is None else told.people
        self.times = _times(model, own.shift if told.shift is None else told.shift, told.logit_normal)
        self.objectives = tuple(objectives) or (Denoising(),)
        self.rollouts = rollouts
        self.autocast = autocast
        self._prompts: dict[str, torch.Tensor] = {}
        if self.given and not own.given:
            raise ValueError(f"{model.name} is not trained with a first frame that is given: leave it at 0")
        for part in model.components.values():
            if isinstance(part, nn.Module) and part is not model.transformer:
                part.requires_grad_(False)
        for objective in self.objectives:
            objective.install(model)

    @property
    def device(self) -> torch.device:
        return next(self.transformer.parameters()).device

    def forward(self, samples: Sequence[Sample], generator: torch.Generator) -> dict[str, torch.Tensor]:
        """The terms of all objectives."""
        device, count = (
            self.device,
            ranks.count_of(len(samples)),
        )  # of the whole batch; each keeps its own rows

        def draw(shape: torch.Size) -> torch.Tensor:
            return ranks.rows(torch.randn((count, *shape[1:]), generator=generator)).to(device)

        batch = self._batch(samples)
        clean = batch.encoded["latents"]
        chance = ranks.rows(torch.rand(count, 3, generator=generator))
        batch = replace(batch, text=self._told(batch.text, chance[:, 0] >= self.conditions.drop_text))
        present = _present(samples, chance[:, 1], self.conditions)
        given = (chance[:, 2] < self.given).to(device)

        time = ranks.rows(self.times.draw(count, generator)).to(device)
        noise = draw(clean.shape)
        window = self.model.training_window(batch.encoded, given, draw)
        window = self._conditioned(window, batch, present["camera"])
        tokens = self._tokens(batch, present)
        if self.rollouts is not None and torch.rand(1, generator=generator) < self.rollouts.share:
            with torch.no_grad():
                unposed = self._tokens(batch, present | {"pose": torch.zeros_like(present["pose"])})

            def look(x: torch.Tensor, time: torch.Tensor, posed: bool) -> torch.Tensor:
                return self._predict(x, time, batch, window, tokens if posed else unposed)

            times, scale = self.rollouts.times(generator), self.rollouts.pose
            time = times[-1:].expand(len(samples)).to(device)
            x = roll_out(noise, times, look, scale, self.model.path)
            prediction = guided(look, x, time, scale)
        else:
            x = self.model.path.noisy(clean, noise, time)
            prediction = self._predict(x, time, batch, window, tokens)

        def again(first: int, time: torch.Tensor, noise: torch.Tensor) -> TrainingStep:
            few = replace(self._batch(samples[:first]), text=batch.text[:first])
            return self._whole_step(few, time, noise, generator)

        step = self._step(batch, (x, time, noise, prediction), present, tokens, given, generator)
        step = replace(step, again=again)
        terms: dict[str, torch.Tensor] = {}
        for objective in self.objectives:
            terms |= objective(step)
        return terms

    def loss_at(
        self, samples: Sequence[Sample], share: float, generator: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """The path's own loss at one time, `share` of the way to the noise, with every condition, for validation."""
        batch = self._batch(samples)
        noise = torch.randn(batch.encoded["latents"].shape, generator=generator)
        return Denoising()(self._whole_step(batch, self.times.at(share, len(samples)), noise, generator))

    @torch.no_grad()
    def decoded(self, sample: Sample) -> np.ndarray:
        """A sample's own latents as a video, uint8 [T, H, W, 3]."""
        return to_uint8(self.model.decode(self._encoded([sample])["latents"])[0])

    def _whole_step(
        self, batch: _Batch, time: torch.Tensor, noise: torch.Tensor, generator: torch.Generator
    ) -> TrainingStep:
        """A step with every condition that the samples have, and nothing given."""
        time, noise = time.to(self.device), noise.to(self.device)
        window, tokens, present = self._everything(batch)
        x = self.model.path.noisy(batch.encoded["latents"], noise, time)
        prediction = self._predict(x, time, batch, window, tokens)
        nothing = torch.zeros(len(batch.samples), dtype=torch.bool, device=self.device)
        return self._step(batch, (x, time, noise, prediction), present, tokens, nothing, generator)

    def _everything(self, batch: _Batch) -> tuple[Any, dict[str, ControlTokens], dict[str, torch.Tensor]]:
        """(window, tokens, present) of a batch with every condition that its samples have."""
        present = _everything_of(batch.samples)
        nothing = torch.zeros(len(batch.samples), dtype=torch.bool, device=self.device)
        window = self.model.training_window(batch.encoded, nothing, self._zeros)
        return self._conditioned(window, batch, present["camera"]), self._tokens(batch, present), present

    def _step(
        self,
        batch: _Batch,
        seen: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor],
        present: Mapping[str, torch.Tensor],
        tokens: Mapping[str, ControlTokens],
        given: torch.Tensor,
        generator: torch.Generator,
    ) -> TrainingStep:
        """What objectives look at; `seen` are x, its time, its noise and the prediction."""
        x, time, noise, prediction = seen
        clean = batch.encoded["latents"]
        return TrainingStep(
            samples=batch.samples,
            clean=clean,
            noise=noise,
            x=x,
            time=time,
            prediction=prediction,
            path=self.model.path,
            present={name: there.to(self.device) for name, there in present.items()},
            tokens=tokens,
            adapters=dict(self.adapters.items()),
            weight=self._importance(batch.masks, clean.shape, given),
            decode=self.model.decode,
            generator=generator,
            mean_over_ranks=ranks.mean,
            extra={"masks": batch.masks, "tracks": [_tracks(sample) for sample in batch.samples]},
        )

    def _batch(self, samples: Sequence[Sample]) -> _Batch:
        asked = self.people != 1 or any("masks" in objective.needs for objective in self.objectives)
        drawn = signals_of(samples, dict(self.adapters.items())) if self.adapters else {}
        signals = {name: each.to(self.device) for name, each in drawn.items()}
        masks = masks_of(samples).to(self.device) if asked else None
        return _Batch(samples, self._encoded(samples), self._texts(samples), signals, masks)

    @torch.no_grad()
    def _encoded(self, samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
        """What the model's encoders made of the samples: what they hold, or made now of their pixels."""
        if samples[0].encoded:
            return {
                name: torch.stack([sample.encoded[name] for sample in samples]).float().to(self.device)
                for name in samples[0].encoded
            }
        pixels = torch.cat([from_uint8(sample.video) for sample in samples if sample.video is not None])
        picture = torch.cat([from_uint8(sample.picture[None]) for sample in samples])
        encoded = self.model.encode_window(pixels.to(self.device), picture.to(self.device))
        return {name: tensor.float() for name, tensor in encoded.items()}

    @torch.no_grad()
    def _texts(self, samples: Sequence[Sample]) -> torch.Tensor:
        captions = [sample.caption for sample in samples if sample.text is None]
        states = self._states(captions) if captions else {}
        tokens = self.model.form.text_tokens
        texts = [
            states[sample.caption] if sample.text is None else padded(sample.text, tokens)
            for sample in samples
        ]
        return torch.stack(texts).float().to(self.device)

    def _states(self, captions: Sequence[str]) -> dict[str, torch.Tensor]:
        """Token states by caption, of these at least, in half precision on the CPU."""
        new = sorted(set(captions) - set(self._prompts))
        if new:
            others = [caption for caption in self._prompts if caption not in set(captions)]
            for old in others[: max(0, len(self._prompts) - _PROMPTS)]:
                del self._prompts[old]
            states = self.model.encode_texts(new, self.device).detach().cpu()
            self._prompts.update(zip(new, states.half(), strict=True))
        return self._prompts

    def _told(self, text: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """The text where it is told, elsewhere that of the empty prompt."""
        if told.all():
            return text
        empty = self._states([""])[""].to(text)
        return torch.where(told.to(text.device)[:, None, None], text, empty)

    def _conditioned(self, window: Any, batch: _Batch, known: torch.Tensor) -> Any:
        """The window as those samples see it that know the camera, where the model reads the scene itself."""
        conditioner = self.model.conditioner
        if conditioner is None or not self.adapters:
            return window
        drawn = [conditioned(sample, conditioner).conditioning for sample in batch.samples]
        return self.model.conditioned_batch(window, drawn, known.to(self.device))

    def _tokens(self, batch: _Batch, present: dict[str, torch.Tensor]) -> dict[str, ControlTokens]:
        with self.precision():
            return {
                name: adapter.encode(
                    batch.signals[name], present, text=batch.text, to_latents=self.model.encode_video
                )
                for name, adapter in self.adapters.items()
            }

    def _predict(
        self,
        x: torch.Tensor,
        time: torch.Tensor,
        batch: _Batch,
        window: Any,
        tokens: dict[str, ControlTokens],
    ) -> torch.Tensor:
        """The prediction at times of the path, [B, C, F, h, w]."""
        return self._run(x, self.model.timestep(time), batch, window, tokens)

    def _run(
        self, x: torch.Tensor, t: Any, batch: _Batch, window: Any, tokens: dict[str, ControlTokens]
    ) -> torch.Tensor:
        """The prediction at a time as the network is told it."""
        # Published, and not as arguments, of which FSDP2 would make copies: see `shard`.
        with published(tokens or None), self.precision():
            return self.model.predict(x, t, batch.text, window, {})

    def precision(self) -> torch.autocast:
        """In what is computed, for the length of a block."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast)

    def _zeros(self, shape: torch.Size) -> torch.Tensor:
        return torch.zeros(shape, device=self.device)

    def _importance(
        self, masks: torch.Tensor | None, shape: torch.Size, given: torch.Tensor
    ) -> torch.Tensor | None:
        """Weight of each latent position, [B, 1, F, h, w]: `people` where a person is seen, 0 where it is given."""
        if self.people == 1 and not self.given:
            return None
        weight = torch.ones(shape[0], 1, *shape[2:], device=self.device)
        if self.people != 1:
            assert masks is not None
            cells = nn.functional.adaptive_max_pool2d(masks.float(), shape[-2:])
            grouped = torch.cat([cells[:, :1], cells[:, 1:].unflatten(1, (-1, 4)).amax(2)], dim=1)
            weight = (1 + (self.people - 1) * grouped).unsqueeze(1)
        weight[:, :, :1] *= (~given).to(weight).view(-1, 1, 1, 1, 1)
        return weight


def _times(model: VideoModel, shift: float | None, logit_normal: bool) -> Times:
    """Where on the path the model is trained.

    Raises:
        ValueError: a shift or normal logits for whole timesteps.
    """
    own = model.times
    if shift is None and not logit_normal:
        return own
    if not isinstance(own, ShiftedTimes | LogitNormalTimes):
        raise ValueError(f"{model.name} is trained at whole timesteps: they have no shift and no logit")
    shift = own.shift if shift is None else shift
    return LogitNormalTimes(shift=shift) if logit_normal else replace(own, shift=shift)


def _present(samples: Sequence[Sample], roll: torch.Tensor, told: Conditions) -> dict[str, torch.Tensor]:
    """Which conditions each sample is given, bool [B], of a number in [0, 1) for each."""
    pose = told.drop_both + told.drop_pose
    camera = pose + told.drop_camera
    given = {"pose": roll >= pose, "camera": (roll >= camera) | ((roll >= told.drop_both) & (roll < pose))}
    return {name: there & given[name] for name, there in _everything_of(samples).items()}


def _everything_of(samples: Sequence[Sample]) -> dict[str, torch.Tensor]:
    """Which conditions each sample has, bool [B]."""
    return {name: torch.tensor([name not in sample.lacks for sample in samples]) for name in CONDITIONS}


def _tracks(sample: Sample) -> dict[str, np.ndarray] | None:
    """Points followed through a sample's video, and the video or its size; None where there are none."""
    if not sample.tracks:
        return None
    return {
        **sample.tracks,
        **({"size": np.array(sample.size)} if sample.video is None else {"video": sample.video}),
    }
