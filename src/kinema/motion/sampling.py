"""Sampling motion: Euler steps of the rectified flow, with everything that is known held at time 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from kinema.motion.generator import MotionTransformer
from kinema.motion.normalise import Normaliser, columns_of_parts
from kinema.motion.prompt_steps import Step
from kinema.motion.representation import FPS, PARTS, PATCH
from kinema.motion.seams import smooth_seams

_LONGEST_CLOCK = 12.0  # seconds; hardly a clip lasts longer, so a longer step is made as if without end

_CROSSING = 0.16  # seconds: scale of the logistic curve by which one step's text gives way to the next (ours)
_UNREAD = 0.001  # share of a text below which a token does not read it

SHIFT = 2.5
"""Flow times are shifted towards noise, as in training."""


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
    steps: Sequence[Step], encode: Callable[[list[str]], torch.Tensor], style: int, endless: bool = False
) -> Words:
    """The words of a sequence of steps.

    Args:
        steps: texts and durations.
        encode: texts -> states [N, S, 384], zeros after each text's end.
        style: index into (none, *styles).
        endless: do not tell when texts begin and end.
    """
    ends = torch.tensor([step.seconds for step in steps]).cumsum(0)
    tokens = max(1, -(-round(float(ends[-1]) * FPS + 1) // PATCH))
    middles = (torch.arange(tokens) + 0.5) * PATCH / FPS
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


def shares_of(steps: Sequence[Step], times: torch.Tensor) -> torch.Tensor:
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


def flow_times(steps: int) -> torch.Tensor:
    """Times from 1 to 0, [steps + 1]."""
    time = torch.linspace(1, 0, steps + 1)
    return SHIFT * time / (1 + (SHIFT - 1) * time)


@torch.no_grad()
def sample(
    network: MotionTransformer,
    normaliser: Normaliser,
    words: Words,
    generator: torch.Generator,
    steps: int,
    guidance: float = 1.0,
    known: torch.Tensor | None = None,
    mask: torch.Tensor | None = None,
    guide: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> torch.Tensor:
    """One motion.

    Args:
        network, normaliser: the model.
        words: what each of the L tokens is told.
        generator: of the noise.
        steps: Euler steps.
        guidance: scale of classifier-free guidance by text and style; 1 leaves it out and halves the time.
        known: raw features, [4 L, 122]; read where `mask` holds.
        mask: which parts of which tokens are known, in the order of PARTS, [L, 7].
        guide: raw features [4 L, 122] -> the same, moved towards a goal; applied to each clean prediction.

    Returns:
        Raw features, [4 L, 122], float32; what is known comes back unchanged.

    Raises:
        FloatingPointError: the model's output is not a number.
    """
    kind, device = network.dtype, network.device
    tokens = len(words.clock)
    of_part = columns_of_parts()
    held = torch.zeros(tokens, len(of_part), dtype=torch.bool) if mask is None else mask[:, of_part]
    clean = torch.zeros(tokens, len(of_part)) if known is None else normaliser.to_tokens(known)
    x = torch.where(held, clean, torch.randn(tokens, len(of_part), generator=generator))
    rows = 2 if guidance != 1 else 1
    clock, style, text, sees = (
        value.unsqueeze(0).repeat(rows, *(1,) * value.ndim).to(device)
        for value in (words.clock, words.style, words.text, words.sees)
    )
    if rows == 2:
        sees[1], style[1] = 0, 0
    prediction = x
    times = flow_times(steps).tolist()
    for time, following in pairwise(times):
        of_token = torch.full((tokens, len(PARTS)), time)
        if mask is not None:
            of_token[mask] = 0.0
        out = network(
            x.to(device, kind).expand(rows, -1, -1),
            of_token.to(device, kind).expand(rows, -1, -1),
            clock.to(kind),
            style,
            text.to(kind),
            sees.to(kind),
        )
        out = out.float().cpu()
        prediction = out[0] if rows == 1 else out[1] + guidance * (out[0] - out[1])
        if guide is not None:
            prediction = normaliser.to_tokens(guide(normaliser.to_features(prediction)))
        prediction = torch.where(held, clean, prediction)
        x = torch.where(held, clean, prediction + (following / time) * (x - prediction))
    if not torch.isfinite(prediction).all():
        raise FloatingPointError("the motion model made numbers that are not finite; its weights are damaged")
    features = normaliser.to_features(prediction)
    if known is None or mask is None:
        return smooth_seams(features, torch.zeros_like(features, dtype=torch.bool))
    given = frames_of(mask)
    return smooth_seams(torch.where(given, known, features), given)


def frames_of(mask: torch.Tensor) -> torch.Tensor:
    """Which numbers of which frames a mask of parts [L, 7] covers, [4 L, 122]."""
    width = len(columns_of_parts()) // PATCH
    return mask.repeat_interleave(PATCH, dim=0)[:, columns_of_parts()[:width]]
