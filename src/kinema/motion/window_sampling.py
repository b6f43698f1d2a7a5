"""A motion made window by window: each begins with tokens of the one before, which are known to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from kinema.diffusion.guider import Guider
from kinema.motion.constraints import JointTarget
from kinema.motion.layout import Layout
from kinema.motion.normalise import Normaliser
from kinema.motion.refine import Person, approach
from kinema.motion.representation import Stance
from kinema.motion.sampling import Draft, Words, sample
from kinema.motion.transformer import MotionTransformer


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

    def __call__(self, layout: Layout, targets: Sequence[JointTarget] = ()) -> torch.Tensor:
        """Raw features of all tokens, [T, W].

        Args:
            layout: what is known.
            targets: towards which every clean prediction is moved.
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
            guide = self._towards(targets, layout, known, frames)
            known[frames] = sample(
                self.network,
                self.normaliser,
                Draft(self.words.part(begin, end), known[frames], mask[begin:end]),
                generator,
                self.steps,
                self.guider,
                guide,
            )
            made = end
            if self.progress is not None:
                self.progress(number + 1, len(begins))
        return known

    def _towards(
        self, targets: Sequence[JointTarget], layout: Layout, known: torch.Tensor, frames: slice
    ) -> Callable[[torch.Tensor], torch.Tensor] | None:
        """What moves a clean prediction of these frames towards the targets that lie in them; None without any."""
        representation = layout.representation
        begin = frames.start / representation.fps
        shifted = [
            replace(target, time=max(0.0, target.time - begin))
            for target in targets
            if frames.start <= representation.frames_in(target.time) < frames.stop
        ]
        if not shifted:
            return None
        start, held = _stance_at(known, layout, frames.start), layout.given[frames]
        return lambda features: approach(Person(features, start, representation), shifted, held).features


def _stance_at(features: torch.Tensor, layout: Layout, frame: int) -> Stance:
    """Where the body is at a frame."""
    if frame == 0:
        return layout.stance
    placed = layout.representation.place(features[: frame + 1], layout.stance)
    x, _, z = placed.joints[-1, layout.representation.skeleton.root].tolist()
    return Stance(x, z, float(placed.yaw[-1]))
