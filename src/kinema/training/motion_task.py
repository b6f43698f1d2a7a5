"""What the motion generator learns: clean motion from motion that is known in parts and noise in others.

Flow matching with clean-sample prediction on the features, and losses on the body they make: where its joints are,
how they move, and that feet which stand do not slide.
"""

from __future__ import annotations

import torch
from torch import nn

from kinema.data.motion_edits import EditBatch
from kinema.data.motion_samples import MotionBatch
from kinema.diffusion.path import shifted
from kinema.motion.body import rotate, turn_y
from kinema.motion.context import Context, ContextReader
from kinema.motion.features import PATH, PELVIS
from kinema.motion.normalise import Normaliser
from kinema.motion.representation import SMPL24_MOTION, MotionRepresentation
from kinema.motion.sampling import MOTION_PATH, SHIFT
from kinema.motion.transformer import MotionTransformer
from kinema.papers.mosa import contact_loss

_PART_WEIGHT = {PATH: 6.0, PELVIS: 2.0}
"""Of the features' errors (ours): three columns of 122 say where a person goes."""

_POSITION, _VELOCITY, _SLIDE = 0.1, 0.02, 0.01
"""Errors in metres (of a frame, for the last two) that weigh as much as one spread of a feature (ours)."""

_EVERYTHING, _PREFIX, _BETWEEN, _PATH, _SOME_PARTS, _EACH = range(6)
_MODES = torch.tensor([0.48, 0.16, 0.10, 0.10, 0.10, 0.06])
"""What is noise: everything; all but a prefix; all but both ends; all but the path; some parts; each token and
part for itself (Diffusion Forcing)."""


class MotionTask(nn.Module):
    """Losses of a batch.

    Args:
        network: what is trained.
        normaliser: of the features, and with it their representation.
        shift: of the flow times towards noise.
        drop: chance that a sample's text, its clock or its style is not told (style: four times that).
        contact: weight of MoSA's L_cont on the predicted motion (`papers.mosa.contact_loss`); 0 for none.
    """

    def __init__(
        self,
        network: MotionTransformer,
        normaliser: Normaliser,
        shift: float = SHIFT,
        drop: float = 0.1,
        contact: float = 0.0,
    ) -> None:
        super().__init__()
        self.contact = contact
        self.network = network
        self.normaliser = normaliser
        self.shift = shift
        self.drop = drop

    def forward(self, batch: MotionBatch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Named loss terms."""
        batch = batch.to(self.network.device)
        representation, clean = self.normaliser.representation, self.normaliser.to_tokens(batch.features)
        parts, width = representation.parts, representation.width
        times = draw_times(len(clean), clean.shape[1], self.shift, generator, len(parts)).to(clean.device)
        time = times[..., representation.part_of_column.to(clean.device)]
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        untold = [torch.rand(len(clean), generator=generator).to(clean.device) < p
                  for p in (self.drop, self.drop, 4 * self.drop)]  # fmt: skip
        predicted = self.network(
            MOTION_PATH.noisy(clean, noise, time),
            times,
            batch.clock.masked_fill(untold[1][:, None, None], torch.nan),
            batch.style.masked_fill(untold[2][:, None], 0),
            batch.text,
            batch.sees & ~untold[0][:, None, None],
            context=self.context(batch, generator),
        )
        weight = torch.ones(width, device=clean.device)
        for name, value in _PART_WEIGHT.items():
            weight[parts[name]] = value
        weight = weight.repeat(representation.patch) * (time > 0)
        weight = weight * batch.weight.unflatten(1, (clean.shape[1], -1)).repeat_interleave(width, dim=-1)
        target = MOTION_PATH.target(clean, noise, time)
        flow = ((predicted - target).square() * weight).sum() / weight.sum().clamp(min=1.0)
        # A quarter of the samples: forward kinematics and its gradient cost as much as two blocks for all.
        made = self.normaliser.to_features(torch.where(time > 0, predicted, clean)[::4])
        sure = (1 - times[::4].amax(-1)).repeat_interleave(representation.patch, dim=1)
        real = batch.features[::4]
        losses = body_losses(made, real, batch.weight[::4], sure, representation)
        if self.contact:
            made = torch.where(batch.weight[::4, :, None] > 0, made, real)
            joints, target = (representation.place(each).joints for each in (made, real))
            feet = lowest_feet(representation)
            term = contact_loss(joints, representation.fps, reference=target, feet=feet)
            losses["contact"] = self.contact * term["contact"]
        return {"flow": flow, **losses}

    def context(self, batch: MotionBatch, generator: torch.Generator) -> Context | None:
        """What is read beside the text: nothing."""
        return None


class EditTask(MotionTask):
    """Losses of a batch of edits, whose sources are read beside the text.

    Args:
        network, normaliser, shift, drop: see MotionTask; a sample's source is not told as often as its text.
        reader: of the sources.
    """

    def __init__(
        self,
        network: MotionTransformer,
        normaliser: Normaliser,
        reader: ContextReader,
        shift: float = SHIFT,
        drop: float = 0.1,
    ) -> None:
        super().__init__(network, normaliser, shift, drop)
        self.reader = reader

    def context(self, batch: MotionBatch, generator: torch.Generator) -> Context:
        assert isinstance(batch, EditBatch)
        told = torch.rand(len(batch.source), 1, generator=generator).to(batch.source.device) >= self.drop
        return self.reader(self.normaliser.to_tokens(batch.source), batch.present & told)


def lowest_feet(representation: MotionRepresentation) -> list[int]:
    """Of the joints that touch the floor those at the end of a leg: ankles stand several centimetres above it."""
    above = {representation.skeleton.parents[foot] for foot in representation.feet}
    return [foot for foot in representation.feet if foot not in above]


def body_losses(
    made: torch.Tensor,
    real: torch.Tensor,
    weight: torch.Tensor,
    sure: torch.Tensor,
    representation: MotionRepresentation = SMPL24_MOTION,
) -> dict[str, torch.Tensor]:
    """Errors of the body that features make, through forward kinematics.

    Joints are compared as seen from pelvis and heading of their own frame, so that errors of the path do not add up.

    Args:
        made, real: raw features, [B, T, W].
        weight: of each frame, [B, T].
        sure: 1 - flow time of each frame, [B, T]; feet are held where the prediction is more than an average.
        representation: of the features.
    """
    joints = representation.seen_from_heading(made)
    target = representation.seen_from_heading(real).detach()
    position = (joints - target).square().sum(-1).mean(-1) / _POSITION**2
    velocity = (joints.diff(dim=1) - target.diff(dim=1)).square().sum(-1).mean(-1) / _VELOCITY**2
    standing = representation.contacts_of(real)
    standing = (standing[:, 1:] * standing[:, :-1]).detach()
    slide = foot_steps(joints, made, representation).square().sum(-1) * standing / _SLIDE**2
    pairs = weight[:, 1:] * weight[:, :-1]
    held = (pairs * sure[:, 1:].square()).unsqueeze(-1)
    return {
        "position": 0.5 * (position * weight).sum() / weight.sum(),
        "velocity": 0.1 * (velocity * pairs).sum() / pairs.sum(),
        "slide": 0.05 * (slide * held).sum() / pairs.sum(),
    }


def foot_steps(
    joints: torch.Tensor, features: torch.Tensor, representation: MotionRepresentation = SMPL24_MOTION
) -> torch.Tensor:
    """How far each of the C feet moves on the world's floor between frames, metres, [B, T - 1, C, 3].

    Args:
        joints: from `MotionRepresentation.seen_from_heading`.
        features: their path.
        representation: of the features.
    """
    feet = joints[:, :, list(representation.feet)]
    turn = turn_y(features[:, 1:, 2]).unsqueeze(2)
    step = torch.zeros_like(feet[:, 1:])
    step[..., 0] = features[:, 1:, None, 0]
    step[..., 2] = features[:, 1:, None, 1]
    return rotate(turn, feet[:, 1:]) + step - feet[:, :-1]


def draw_times(
    batch: int, tokens: int, shift: float, generator: torch.Generator, parts: int = len(SMPL24_MOTION.parts)
) -> torch.Tensor:
    """Flow times of every token and part, 0 where known, [batch, tokens, parts]; the path is part 0.

    Stratified over the batch as `ShiftedTimes`, but drawn in another order, which the embedded weights were trained in.
    """

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator)

    stratified = (torch.randperm(batch, generator=generator) + uniform(batch)) / batch
    times = shifted(stratified, shift)[:, None, None].expand(batch, tokens, parts).clone()
    modes = torch.multinomial(_MODES, batch, replacement=True, generator=generator)
    place = torch.arange(tokens)
    for row, mode in enumerate(modes.tolist()):
        if mode in (_PREFIX, _BETWEEN):
            known = place < 1 + int(uniform(1) * 0.7 * tokens)
            if mode == _BETWEEN:
                known = (place < 1 + int(uniform(1) * 0.4 * tokens)) | (
                    place >= tokens - 1 - int(uniform(1) * 0.4 * tokens)
                )
            times[row, known] = 0.0
            if mode == _BETWEEN and uniform(1) < 0.5:  # poses are known, the path between is given as well
                times[row, :, 0] = 0.0
        elif mode == _PATH:
            times[row, :, 0] = 0.0
        elif mode == _SOME_PARTS:
            known = uniform(parts) < 0.5
            known[int(uniform(1) * parts)] = False
            times[row, :, known] = 0.0
        elif mode == _EACH:
            times[row] = shifted(uniform(tokens, parts), shift)
            times[row][uniform(tokens) < 0.2] = 0.0
    return times
