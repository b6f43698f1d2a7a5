"""A motion made window by window: each begins with tokens of the one before, which are known to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch

from kinema.diffusion.guider import Guider
from kinema.motion.constraints import JointTarget
from kinema.motion.context import Source
from kinema.motion.layout import Layout
from kinema.motion.normalise import Normaliser
from kinema.motion.refine import Person, approach, misses
from kinema.motion.representation import Stance
from kinema.motion.sampling import Draft, Words, sample, sample_together
from kinema.motion.transformer import MotionTransformer


class TargetSearch(Protocol):
    """Looks for the noise from which a motion meets its targets by itself."""

    def __call__(
        self,
        flow: Callable[[torch.Tensor], torch.Tensor],
        noise: torch.Tensor,
        miss: Callable[[torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        """The noise to start from.

        Args:
            flow: noise [L, F] -> raw features [T, W], differentiable.
            noise: what would be started from.
            miss: raw features -> how far they are from the targets, metres squared.
        """


@dataclass(frozen=True)
class WindowSampling:
    """Samples the windows of one motion; the noise is the same in every call.

    Args:
        network, normaliser: the model.
        words: what each token is told.
        seed: of the noise.
        steps: of sampling.
        guider: of the condition `text`.
        window: tokens that are made at once.
        overlap: tokens of a window that are known from the one before.
        progress: called with (windows done, windows in all).
        search: how targets are met; by moving the clean predictions where None.
        source: a second motion of as many tokens that is read beside the words.
    """

    network: MotionTransformer
    normaliser: Normaliser
    words: Words
    seed: int
    steps: int
    guider: Guider
    window: int
    overlap: int
    progress: Callable[[int, int], None] | None = None
    search: TargetSearch | None = None
    source: Source | None = None

    def __call__(self, layout: Layout, targets: Sequence[JointTarget] = ()) -> torch.Tensor:
        """Raw features of all tokens, [T, W].

        Args:
            layout: what is known.
            targets: towards which every clean prediction is moved, or whose noise is searched for.
        """
        generator = torch.Generator().manual_seed(self.seed)
        patch = layout.representation.patch
        tokens, made = len(self.words.clock), 0
        known, mask = layout.known.clone(), layout.mask.clone()
        begins = range(0, max(1, tokens - self.overlap), self.window - self.overlap)
        for number, begin in enumerate(begins):
            end = min(begin + self.window, tokens)
            mask[begin:made] = True
            frames = slice(begin * patch, end * patch)
            source = None if self.source is None else self.source.part(begin, end)
            draft = Draft(self.words.part(begin, end), known[frames], mask[begin:end], source=source)
            within = self._within(targets, layout, frames)
            guide = None
            if within and self.search is not None:
                draft = self._searched(within, layout, known, frames, draft, generator)
            elif within:
                guide = self._towards(within, layout, known, frames)
            known[frames] = sample(
                self.network, self.normaliser, draft, generator, self.steps, self.guider, guide
            )
            made = end
            if self.progress is not None:
                self.progress(number + 1, len(begins))
        return known

    def _within(self, targets: Sequence[JointTarget], layout: Layout, frames: slice) -> list[JointTarget]:
        """The targets that lie in these frames, in seconds of them."""
        representation = layout.representation
        begin = frames.start / representation.fps
        return [
            replace(target, time=max(0.0, target.time - begin))
            for target in targets
            if frames.start <= representation.frames_in(target.time) < frames.stop
        ]

    def _towards(
        self, targets: Sequence[JointTarget], layout: Layout, known: torch.Tensor, frames: slice
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """What moves a clean prediction of these frames towards the targets."""
        start, held = _stance_at(known, layout, frames.start), layout.given[frames]
        return lambda features: (
            approach(Person(features, start, layout.representation), targets, held).features
        )

    def _searched(
        self,
        targets: Sequence[JointTarget],
        layout: Layout,
        known: torch.Tensor,
        frames: slice,
        draft: Draft,
        generator: torch.Generator,
    ) -> Draft:
        """The draft with the noise from which these frames meet the targets."""
        assert self.search is not None
        start, representation = _stance_at(known, layout, frames.start), layout.representation
        shape = len(draft.words.clock), len(representation.part_of_column)
        noise, after = torch.randn(shape, generator=generator), generator.get_state()

        def flow(given: torch.Tensor) -> torch.Tensor:
            generator.set_state(after)
            told = replace(draft, noise=given)
            return sample_together(self.network, self.normaliser, [told], generator, self.steps, self.guider)[
                0
            ]

        with torch.no_grad():
            first = Person(flow(noise), start, representation)
        missed = misses(first, targets)

        def miss(features: torch.Tensor) -> torch.Tensor:
            return missed([representation.place(features, start).joints])

        return replace(draft, noise=self.search(flow, noise, miss))


def _stance_at(features: torch.Tensor, layout: Layout, frame: int) -> Stance:
    """Where the body is at a frame."""
    if frame == 0:
        return layout.stance
    placed = layout.representation.place(features[: frame + 1], layout.stance)
    x, _, z = placed.joints[-1, layout.representation.skeleton.root].tolist()
    return Stance(x, z, float(placed.yaw[-1]))
