"""Sampling motion: what each token is told, and the denoising loop with everything that is known held at time 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from kinema.diffusion.guider import Guidance, Guider, Pass, Run
from kinema.diffusion.loop import EulerSolver, Step, denoise
from kinema.diffusion.path import FlowPath
from kinema.motion.context import Source
from kinema.motion.features import MotionFeatures
from kinema.motion.normalise import Normaliser
from kinema.motion.prompt_steps import Step as PromptStep
from kinema.motion.seams import smooth_seams
from kinema.motion.transformer import MotionTransformer

_LONGEST_CLOCK = 12.0  # seconds; hardly a clip lasts longer, so a longer step is made as if without end

_CROSSING = 0.16  # seconds: scale of the logistic curve by which one step's text gives way to the next (ours)
_UNREAD = 0.001  # share of a text below which a token does not read it

MOTION_PATH = FlowPath("clean")
"""The generator predicts clean motion on the straight path."""

SHIFT = 2.5
"""Flow times are shifted towards noise, in training and sampling; a token of 488 alike numbers shows its motion early."""

TEXT = "text"
"""Name of the condition that every motion has for guiders: the text and the style."""

SOURCE = "source"
"""Name of the condition of a second motion that is read beside the text."""


@dataclass(frozen=True)
class Words:
    """What each token of a motion is told. L tokens, S text states.

    Args:
        clock: seconds since the text began and until it ends, NaN where not told, [L, 2].
        style: index into (none, *styles), [L].
        text: [S, 384].
        sees: share of each text state, 0 (not read) to 1, [L, S]. See `shares_of`.
    """

    clock: torch.Tensor
    style: torch.Tensor
    text: torch.Tensor
    sees: torch.Tensor

    def part(self, begin: int, end: int) -> Words:
        """What tokens begin to end (exclusive) are told; text states nobody reads are left out."""
        sees = self.sees[begin:end]
        used = (sees > 0).any(0)
        return Words(self.clock[begin:end], self.style[begin:end], self.text[used], sees[:, used])


def words_for(
    steps: Sequence[PromptStep],
    encode: Callable[[list[str]], torch.Tensor],
    style: int,
    features: MotionFeatures,
    endless: bool = False,
) -> Words:
    """The words of a sequence of steps.

    Args:
        steps: texts and durations.
        encode: texts -> states [N, S, 384], zeros after each text's end.
        style: index into (none, *styles).
        features: whose frame rate and tokens they are.
        endless: do not tell when texts begin and end.
    """
    ends = torch.tensor([step.seconds for step in steps]).cumsum(0)
    tokens = max(1, -(-round(float(ends[-1]) * features.fps + 1) // features.patch))
    middles = (torch.arange(tokens) + 0.5) * features.patch / features.fps
    which = torch.searchsorted(ends, middles.clamp(max=float(ends[-1]) - 1e-6), right=True).clamp(
        max=len(steps) - 1
    )
    begins = ends - torch.tensor([step.seconds for step in steps])
    clock = torch.stack([middles - begins[which], ends[which] - middles], dim=-1).clamp(min=0)
    lasting = torch.tensor([step.seconds for step in steps])[which] > _LONGEST_CLOCK
    clock[lasting | torch.tensor(endless)] = torch.nan
    states = encode([step.text for step in steps])
    said = (states != 0).any(-1)
    owner = torch.arange(len(steps))[:, None].expand_as(said)[said]
    return Words(
        clock,
        torch.full((tokens,), style),
        states[said],
        shares_of(steps, middles)[:, owner],
    )


def shares_of(steps: Sequence[PromptStep], times: torch.Tensor) -> torch.Tensor:
    """How much of each step's text is read at each time, [L, N]; a row adds up to about 1.

    Where one text gave way to the next from one token to another, motion jumped: four times the usual jerk. So a
    text fades in while the other fades out (ours). Beside a step below 1.3 s the fade is shorter, so that the step
    is still told its own text in full.

    Args:
        steps: N texts and durations.
        times: seconds, [L].
    """
    long = torch.tensor([step.seconds for step in steps], dtype=times.dtype)
    scale = (torch.minimum(long[:-1], long[1:]) / 8).clamp(max=_CROSSING)
    begun = torch.sigmoid((times[:, None] - long.cumsum(0)[:-1]) / scale)  # of every step but the first
    whole = torch.ones_like(times[:, None])
    shares = torch.cat([whole, begun], dim=1) - torch.cat([begun, 0 * whole], dim=1)
    return torch.where(shares > _UNREAD, shares, 0.0)


class TextGuidance(Guidance):
    """Classifier-free guidance by text and style, unguided + scale (guided - unguided).

    It is `Guidance(text=scale)`, with the guided pass first and the sum in the order in which the embedded weights were
    measured, which differs in the last bit.
    """

    def __init__(self, scale: float) -> None:
        super().__init__(text=scale)

    def passes(self, step: Step, conditions: frozenset[str]) -> list[Pass]:
        return super().passes(step, conditions)[::-1]

    def combine(
        self, predictions: Sequence[torch.Tensor], passes: Sequence[Pass], step: Step
    ) -> torch.Tensor:
        if len(predictions) == 1:
            return predictions[0]
        guided, unguided = predictions
        return unguided + self[TEXT].scale * (guided - unguided)


@dataclass(frozen=True)
class Draft:
    """What one motion of L tokens, T frames, in P groups of W features is sampled from.

    Args:
        words: what each of the L tokens is told.
        known: raw features, [T, W]; read where `mask` holds. Nothing is known where None.
        mask: which parts of which tokens are known, in the order of the representation, [L, P].
        noise: to start from, normalised tokens [L, F]; drawn where None.
        source: a second motion that is read beside the text.
    """

    words: Words
    known: torch.Tensor | None = None
    mask: torch.Tensor | None = None
    noise: torch.Tensor | None = None
    source: Source | None = None

    @property
    def conditions(self) -> frozenset[str]:
        """What guiders may switch off."""
        return frozenset((TEXT,)) if self.source is None else frozenset((TEXT, SOURCE))


@dataclass(frozen=True)
class _Held:
    """What of a draft stays as it is given.

    Args:
        known, mask: as in `Draft`.
        held: of normalised tokens, bool [L, F].
        clean: normalised tokens, [L, F].
    """

    known: torch.Tensor
    mask: torch.Tensor
    held: torch.Tensor
    clean: torch.Tensor

    @classmethod
    def of(cls, draft: Draft, normaliser: Normaliser) -> _Held:
        representation, tokens = normaliser.representation, len(draft.words.clock)
        of_part = representation.part_of_column
        if draft.known is None or draft.mask is None:
            known = torch.zeros(tokens * representation.patch, representation.width)
            mask = torch.zeros(tokens, len(representation.parts), dtype=torch.bool)
            return cls(known, mask, mask[:, of_part], torch.zeros(tokens, len(of_part)))
        return cls(draft.known, draft.mask, draft.mask[:, of_part], normaliser.to_tokens(draft.known))

    def put(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(self.held, self.clean, x)

    def finished(self, x: torch.Tensor, normaliser: Normaliser) -> torch.Tensor:
        """Normalised tokens as raw features, what is known unchanged in them."""
        given = frames_of(self.mask, normaliser.representation)
        features = torch.where(given, self.known, normaliser.to_features(x))
        return smooth_seams(features, given, normaliser.representation.patch)


Guide = Callable[[list[torch.Tensor]], list[torch.Tensor]]
"""Raw features [T, W] of each motion -> the same, moved towards a goal that they may have in common."""


@torch.no_grad()
def sample(
    network: MotionTransformer,
    normaliser: Normaliser,
    draft: Draft,
    generator: torch.Generator,
    steps: int,
    guider: Guider | None = None,
    guide: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """One motion of L tokens, T frames, of W features.

    Args:
        network, normaliser: the model.
        draft: what it is sampled from.
        generator: of the noise.
        steps: Euler steps.
        guider: of the condition `text`; the plain network where None.
        guide: raw features [T, W] -> the same, moved towards a goal; applied to each clean prediction.

    Returns:
        Raw features, [T, W], float32; what is known comes back unchanged.

    Raises:
        FloatingPointError: the model's output is not a number.
    """
    jointly = None if guide is None else lambda each: [guide(each[0])]
    return sample_together(network, normaliser, [draft], generator, steps, guider, jointly)[0]


def sample_together(
    network: MotionTransformer,
    normaliser: Normaliser,
    drafts: Sequence[Draft],
    generator: torch.Generator,
    steps: int,
    guider: Guider | None = None,
    guide: Guide | None = None,
) -> list[torch.Tensor]:
    """Several motions of L tokens each, step by step side by side, so that a goal may concern all of them.

    Gradients go through it, from what is returned to the noise of the drafts, where they are not switched off.

    Args:
        network, normaliser: the model.
        drafts: what each is sampled from, of one length.
        generator: of the noise, one after the other.
        steps: Euler steps.
        guider: of the condition `text`, for each motion alone; the plain network where None.
        guide: applied to the clean predictions of every step.

    Returns:
        Raw features of each, [T, W], float32; what is known comes back unchanged.

    Raises:
        FloatingPointError: the model's output is not a number.
    """
    guider = guider or Guider()
    solver = EulerSolver(steps, SHIFT, MOTION_PATH)
    held = [_Held.of(draft, normaliser) for draft in drafts]

    def hold(x: torch.Tensor, step: Step | None = None) -> torch.Tensor:
        return torch.stack([each.put(one) for each, one in zip(held, x, strict=True)])

    def predict(x: torch.Tensor, step: Step) -> torch.Tensor:
        made = []
        for one, draft, each in zip(x, drafts, held, strict=True):
            passes = guider.passes(step, draft.conditions)
            times = torch.full(each.mask.shape, step.time).masked_fill(each.mask, 0.0)
            rows = _evaluate(network, one, times, draft, passes)
            made.append(guider.combine(rows, passes, step))
        return torch.stack(made)

    def edit_clean(prediction: torch.Tensor, step: Step) -> torch.Tensor:
        if guide is not None:
            moved = guide([normaliser.to_features(one) for one in prediction])
            prediction = torch.stack([normaliser.to_tokens(one) for one in moved])
        return hold(prediction)

    def after(x: torch.Tensor, step: Step) -> torch.Tensor:
        return hold(torch.stack([guider.after(one, step) for one in x]))

    begun = []
    for draft, each in zip(drafts, held, strict=True):
        drawn = draft.noise
        if drawn is None:
            drawn = torch.randn(each.clean.shape, generator=generator)
        run = Run(draft.conditions, solver, len(each.known), generator=generator)
        begun.append(guider.begin(each.put(drawn), run))
    first = begun[0][1]
    x = hold(torch.stack([one for one, _ in begun]))
    try:
        x = denoise(x, solver, predict, start=(x, first), edit_clean=edit_clean, after=after)
    except FloatingPointError as error:
        raise FloatingPointError(_NOT_FINITE) from error
    if not torch.isfinite(x).all():
        raise FloatingPointError(_NOT_FINITE)
    return [each.finished(one, normaliser) for each, one in zip(held, x, strict=True)]


_NOT_FINITE = "the motion model made numbers that are not finite; its weights are damaged"


WORDS, SPAN, WEAKEN = "words", "span", "weaken"
"""Options of a pass: other words than the draft's; the tokens (begin, end) that it sees, without those around, on which
its words count and outside of which its prediction is 0; and (share, seed) of a dropout on the text states."""


def _evaluate(
    network: MotionTransformer, x: torch.Tensor, times: torch.Tensor, draft: Draft, passes: Sequence[Pass]
) -> list[torch.Tensor]:
    """The network's predictions of all passes, float32 on the CPU, [L, F] each; those that see the same at once."""
    made: list[torch.Tensor] = [x] * len(passes)
    alike: dict[tuple[int, tuple[int, int]], list[int]] = {}
    for number, each in enumerate(passes):
        told = each.options or {}
        span = told.get(SPAN, (0, len(x)))
        alike.setdefault((id(told.get(WORDS, draft.words)), span), []).append(number)
    for (_, (begin, end)), numbers in alike.items():
        group = [passes[number] for number in numbers]
        own = (group[0].options or {}).get(WORDS, draft.words)
        source = None if draft.source is None else draft.source.part(begin, end)
        rows = _rows(network, x[begin:end], times[begin:end], Draft(own, source=source), group)
        for number, row in zip(numbers, rows, strict=True):
            made[number] = functional.pad(row, (0, 0, begin, len(x) - end))
    return made


def _rows(
    network: MotionTransformer, x: torch.Tensor, times: torch.Tensor, draft: Draft, passes: Sequence[Pass]
) -> torch.Tensor:
    """The network's predictions of passes with the same words, at once, [passes, L, F]."""
    words, kind, device, rows = draft.words, network.dtype, network.device, len(passes)
    told = torch.tensor([TEXT in each.conditions for each in passes])
    weaken = [(each.options or {}).get(WEAKEN) for each in passes]
    kept = None
    if any(each is not None for each in weaken):
        size = (len(words.text), network.config.width)
        kept = torch.stack([torch.ones(size) if each is None else _dropout(size, *each) for each in weaken])
        kept = kept.to(device, kind)
    context = None
    if draft.source is not None:
        context = draft.source.read(torch.tensor([SOURCE in each.conditions for each in passes]))
    return (
        network(
            x.to(device, kind).expand(rows, -1, -1),
            times.to(device, kind).expand(rows, -1, -1),
            words.clock.to(device, kind).repeat(rows, 1, 1),
            (words.style * told[:, None]).to(device),
            words.text.to(device, kind).repeat(rows, 1, 1),
            (words.sees * told[:, None, None]).to(device, kind),
            kept,
            context,
        )
        .float()
        .cpu()
    )


def _dropout(size: tuple[int, int], share: float, seed: int) -> torch.Tensor:
    """What a dropout multiplies by: 0 for a share of the numbers, more than 1 for the others."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(size, generator=generator) >= share).float() / (1 - share)


def frames_of(mask: torch.Tensor, features: MotionFeatures) -> torch.Tensor:
    """Which numbers of which frames a mask of parts [L, P] covers, [T, W]."""
    return mask.repeat_interleave(features.patch, dim=0)[:, features.part_of_column[: features.width]]
