"""Recipe `motion_judge`: text and motion in one space, for `kinema evaluate motion` (never used as a loss).

    kinema train motion_judge --minutes 15 --out runs/motion_judge

About ten minutes on one core, after the clips are encoded once (five more).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kinema.data.motion_captions import mirror_caption
from kinema.data.motion_samples import EncodedClip, TextBank, encode_clips
from kinema.motion.motion_matcher import MOST_FRAMES, MotionMatcher, pad_motions, see
from kinema.motion.representation import SMPL24_MOTION
from kinema.motion.text import TextEncoder, default_text_encoder
from kinema.training.config import Run
from kinema.training.data_groups import LibraryData
from kinema.training.trainer import Trainer, TrainerConfig

_CUT = 0.15
"""Share of a clip that may be missing at its ends, so that length alone tells little (ours)."""


@dataclass(frozen=True)
class Pairs:
    """Motions with a text each. B pairs, T frames, S text states.

    Args:
        seen: see `motion_matcher.see`, [B, T, 151].
        frames: of each motion, [B].
        states: of the texts, [B, S, 384].
        meaning: pairs that say the same share a number, [B].
    """

    seen: torch.Tensor
    frames: torch.Tensor
    states: torch.Tensor
    meaning: torch.Tensor

    def to(self, device: str | torch.device) -> Pairs:
        return Pairs(**{name: value.to(device) for name, value in vars(self).items()})


class PairSamples:
    """Endless batches of pairs, half of them mirrored; a batch depends on (seed, step) alone.

    Args:
        clips: those of more than 200 frames are left out.
        encoder: of text.
        batch: pairs a step.
        seed: of everything random.
        cache: see TextBank.
    """

    def __init__(
        self,
        clips: Sequence[EncodedClip],
        encoder: TextEncoder,
        batch: int,
        seed: int,
        cache: Path | None = None,
    ) -> None:
        self.batch, self.seed = batch, seed
        texts = [text for clip in clips for text in clip.texts]
        self.texts = TextBank([*texts, *map(mirror_caption, texts)], encoder, cache)
        self.clips = [clip for clip in clips if len(clip.features) <= MOST_FRAMES]
        features = [torch.from_numpy(clip.features) for clip in self.clips]
        self.seen = [
            [see(x).half() for x in features],
            [see(SMPL24_MOTION.mirror(x)).half() for x in features],
        ]
        counts = Counter(clip.content for clip in self.clips)
        weight = np.array(
            [counts[clip.content] ** -0.5 for clip in self.clips]
        )  # rare contents more often (ours)
        self.weight = weight / weight.sum()

    def batches(self, step: int = 0) -> Iterator[tuple[int, Pairs]]:
        """(step, batch) from a step on."""
        while True:
            yield step, self.at(step)
            step += 1

    def at(self, step: int) -> Pairs:
        """The batch of a step."""
        rng = np.random.default_rng([self.seed, step])
        motions, texts, meanings = [], [], []
        for place in rng.choice(len(self.clips), size=self.batch, p=self.weight):
            clip, mirrored = self.clips[place], int(rng.random() < 0.5)
            whole = self.seen[mirrored][place]
            first, last = (int(rng.uniform(0, _CUT / 2) * len(whole)) for _ in range(2))
            motions.append(whole[first : len(whole) - last].float())
            words = clip.texts[int(rng.integers(len(clip.texts)))], clip.texts[0]
            text, meaning = map(mirror_caption, words) if mirrored else words
            texts.append(self.texts[text])
            meanings.append(meaning)
        number = {meaning: index for index, meaning in enumerate(dict.fromkeys(meanings))}
        return Pairs(
            *pad_motions(motions),
            nn.utils.rnn.pad_sequence(texts, batch_first=True),
            torch.tensor([number[meaning] for meaning in meanings]),
        )


class MatchTask(nn.Module):
    """Cross-entropy of finding the text of a motion and the motion of a text among those of the batch.

    Args:
        network: what is trained.
        noise: spread of the noise on what is seen, in spreads of the training set (ours: it must not hang on digits).
    """

    def __init__(self, network: MotionMatcher, noise: float = 0.1) -> None:
        super().__init__()
        self.network = network
        self.noise = noise

    def forward(self, pairs: Pairs, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Named loss terms; pairs that say the same are right answers for each other."""
        pairs = pairs.to(self.network.device)
        noise = torch.randn(pairs.seen.shape, generator=generator).to(pairs.seen)
        seen = pairs.seen + self.noise * noise * self.network.spread
        with (
            torch.random.fork_rng()
        ):  # dropout reads the global generator; a step depends on (seed, step) alone
            torch.manual_seed(int(torch.randint(1 << 62, (1,), generator=generator)))
            logits = self.network(seen, pairs.frames, pairs.states)
        same = (pairs.meaning[:, None] == pairs.meaning).float()
        target = same / same.sum(-1, keepdim=True)
        return {
            "text": 0.5 * functional.cross_entropy(logits, target),
            "motion": 0.5 * functional.cross_entropy(logits.T, target),
        }


@dataclass(frozen=True)
class Data(LibraryData):
    """Pairs of motion and text.

    Args:
        batch: pairs a step.
    """

    batch: int = 96


@dataclass(frozen=True)
class Model:
    """Size of the network.

    Args:
        width: of the transformers.
    """

    width: int = 128


@dataclass(frozen=True)
class Recipe:
    """The judge of motion by text."""

    data: Data = Data()
    model: Model = Model()
    trainer: TrainerConfig = TrainerConfig(
        steps=1000, learning_rate=1e-3, warmup=100, decay=0.5, weight_decay=0.05, ema=0.995, guard_steps=0
    )


def run(recipe: Recipe, run: Run) -> Path:
    """Trains the judge on the train split.

    Returns:
        `out/motion_judge`, weights in bf16; encoded motion and texts are kept in `out`.
    """
    torch.manual_seed(run.seed)
    encoded = encode_clips(list(recipe.data.training_clips()), run.out / "motions.npz")
    clips = [clip for clip in encoded if len(clip.features) <= MOST_FRAMES]
    texts = run.out / "texts.safetensors"
    samples = PairSamples(clips, default_text_encoder(), recipe.data.batch, run.seed, texts)
    network = MotionMatcher(width=recipe.model.width)
    network.fit(torch.cat(samples.seen[0] + samples.seen[1]))
    task = MatchTask(network).to(run.device)
    trainer = Trainer(task, task, replace(recipe.trainer, seed=run.seed), run.out)
    trainer.resume()
    trainer.run(samples.batches(trainer.step), run.minutes)
    trainer.averaged()
    network.to(torch.bfloat16).save_pretrained(run.out / "motion_judge")
    return run.out / "motion_judge"
