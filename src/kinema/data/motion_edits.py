"""Edits of motion with a known result: (source, what shall be changed, target), made from clips of the motion library.

Most targets are exact: clips retimed, mirrored, with other turns, or with arms of another clip. Edits of style pair two
clips of one content, which are not aligned in time. Sentences are templates (ours).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch.nn import functional

from kinema.data.motion_captions import MANNERS, STYLES
from kinema.data.motion_pieces import ARMS, GOING
from kinema.data.motion_samples import EncodedClip, MotionBatch, TextBank
from kinema.motion.features import PATH
from kinema.motion.representation import SMPL24_MOTION, MotionRepresentation
from kinema.motion.text import TextEncoder

T = TypeVar("T")

SPEEDS = {
    0.5: ("much slower", "at half the speed", "twice as slow"),
    0.7: ("slower", "a bit slower", "more slowly", "slow down"),
    1.4: ("faster", "a bit faster", "more quickly", "speed up"),
    2.0: ("much faster", "at double speed", "twice as fast"),
}
"""What is said of a speed."""

MIRRORED = ("mirrored", "with left and right swapped", "the other way round", "with the other side")
TURNS = {
    0.0: ("straight ahead", "without turning", "in a straight line"),
    0.5: ("turn less", "turn half as much", "in a wider curve"),
    1.7: ("turn more", "in a tighter curve"),
}
"""What is said of a turn made smaller or larger."""

KINDS = ("same", "speed", "mirror", "turn", "arms", "no arms", "style")
"""Kinds of edits; `same` changes nothing, said by the empty text."""

_SHARES = np.array([0.08, 0.14, 0.12, 0.12, 0.2, 0.08, 0.26])
_LEAST_TURN = 0.5  # radians of a clip whose turn is edited


@dataclass(frozen=True)
class Edit:
    """One edit. T frames, W features.

    Args:
        kind: one of KINDS.
        text: what shall be changed.
        source, target: raw features, [T, W]; they begin together.
        changed: index into `STYLES` that the target has, of edits of style; else the factor of speed or turn, or 0.
        content: label of the clip.
    """

    kind: str
    text: str
    source: np.ndarray
    target: np.ndarray
    changed: float = 0.0
    content: str = ""


@dataclass(frozen=True)
class EditBatch(MotionBatch):
    """A batch of targets, with the sources that they are made from.

    Args:
        source: raw features, [B, T, W].
        present: tokens of which there is a source, [B, L] bool.
    """

    source: torch.Tensor
    present: torch.Tensor


class MotionEdits:
    """Endless edits of equal length; each depends on (seed, step) alone.

    Args:
        clips: what they are made of.
        encoder: of text; needed for batches.
        batch: edits a step.
        seed: of everything random.
        longest: tokens of an edit.
        cache: see TextBank.
        representation: of the clips' features.

    Raises:
        ValueError: no clips that can be edited.
    """

    def __init__(
        self,
        clips: Sequence[EncodedClip],
        encoder: TextEncoder | None,
        batch: int,
        seed: int,
        longest: int = 32,
        cache: Path | None = None,
        representation: MotionRepresentation = SMPL24_MOTION,
    ) -> None:
        self.clips, self.batch, self.seed, self.longest = clips, batch, seed, longest
        self.representation = representation
        self.texts = None if encoder is None else TextBank(all_texts(), encoder, cache)
        self._going = [clip for clip in clips if clip.content in GOING]
        self._arms = [clip for clip in clips if clip.content in ARMS]
        self._turning = [clip for clip in clips if abs(_turn_of(clip)) > _LEAST_TURN]
        self._alike: dict[str, list[EncodedClip]] = defaultdict(list)
        for clip in clips:
            if clip.style:
                self._alike[clip.content].append(clip)
        self._styled = [
            content for content, each in self._alike.items() if len({clip.style for clip in each}) > 1
        ]
        if not (self._going and self._arms and self._turning and self._styled):
            raise ValueError(
                "edits are made of clips that walk, turn, move their arms and do one thing in several styles; these "
                "lack one of them"
            )

    def batches(self, step: int = 0, kinds: Sequence[str] = KINDS) -> Iterator[tuple[int, EditBatch]]:
        """(step, batch) from a step on."""
        while True:
            yield step, self.at(step, kinds)
            step += 1

    def at(self, step: int, kinds: Sequence[str] = KINDS) -> EditBatch:
        """The batch of a step."""
        assert self.texts is not None
        rng = np.random.default_rng([self.seed, step])
        tokens = int(rng.integers(self.longest // 3, self.longest + 1))
        frames, patch = tokens * self.representation.patch, self.representation.patch
        edits = [self.draw(rng, frames, kinds) for _ in range(self.batch)]
        states = [self.texts[edit.text] if edit.text else torch.zeros(0, 384) for edit in edits]
        text = torch.nn.utils.rnn.pad_sequence(states, batch_first=True)
        sees = (torch.arange(text.shape[1]) < torch.tensor([len(each) for each in states])[:, None])[:, None]
        target, weight, _ = _padded([edit.target for edit in edits], frames, patch)
        source, _, present = _padded([edit.source for edit in edits], frames, patch)
        return EditBatch(
            target,
            weight,
            torch.full((self.batch, tokens, 2), torch.nan),
            torch.zeros(self.batch, tokens, dtype=torch.long),
            text,
            sees.expand(-1, tokens, -1),
            source,
            present,
        )

    def draw(self, rng: np.random.Generator, frames: int, kinds: Sequence[str] = KINDS) -> Edit:
        """One edit of at most so many frames."""
        shares = _SHARES[[KINDS.index(kind) for kind in kinds]]
        kind = kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]
        if kind == "style":
            return self._style(rng, frames)
        if kind in ("arms", "no arms"):
            return self._arm(rng, frames, kind)
        if kind == "speed":
            return self._speed(rng, frames)
        clips = self._turning if kind == "turn" else self.clips
        source = self._cut(_one(rng, clips), frames, rng)
        if kind == "mirror":
            return Edit(kind, _one(rng, MIRRORED), source, self._mirror(source))
        if kind == "turn":
            factor = _one(rng, list(TURNS))
            target = source.copy()
            target[:, self.representation.parts[PATH].start + 2] *= factor
            return Edit(kind, _one(rng, TURNS[factor]), source, target, factor)
        return Edit("same", "", source, source)

    def _speed(self, rng: np.random.Generator, frames: int) -> Edit:
        factor = _one(rng, list(SPEEDS))
        clips = [clip for clip in self._going if len(clip.features) >= 40 * max(1.0, factor)]
        clip = self._cut(_one(rng, clips), round(frames * max(1.0, factor)), rng)
        target = retimed(clip, factor, self.representation)[:frames]
        return Edit("speed", _one(rng, SPEEDS[factor]), clip[:frames], target, factor)

    def _arm(self, rng: np.random.Generator, frames: int, kind: str) -> Edit:
        goes = _one(rng, self._going)
        acts = _one(rng, [clip for clip in self._arms if clip.style == goes.style] or self._arms)
        parts, does, doing = ARMS[acts.content]
        length = min(frames, len(goes.features), len(acts.features))
        source = goes.features[:length]
        target = source.copy()
        for part in parts:
            columns = self.representation.parts[part]
            target[:, columns] = acts.features[:length, columns]
        if kind == "no arms":
            return Edit(kind, f"without {doing}", target, source)
        return Edit(kind, _one(rng, arm_texts(does, doing)), source, target)

    def _style(self, rng: np.random.Generator, frames: int) -> Edit:
        alike = self._alike[_one(rng, self._styled)]
        source = _one(rng, alike)
        target = _one(rng, [clip for clip in alike if clip.style != source.style] or alike)
        begun = self._cut(source, frames, rng)
        text = _one(rng, style_texts(STYLES[target.style - 1]))
        return Edit("style", text, begun, target.features[:frames], target.style - 1, source.content)

    def _cut(self, clip: EncodedClip, frames: int, rng: np.random.Generator) -> np.ndarray:
        begin = int(rng.integers(max(1, len(clip.features) - frames + 1)))
        part = clip.features[begin : begin + frames]
        return self._mirror(part) if rng.random() < 0.5 else part

    def _mirror(self, features: np.ndarray) -> np.ndarray:
        return self.representation.mirror(torch.from_numpy(features)).numpy()


def retimed(
    features: np.ndarray, factor: float, representation: MotionRepresentation = SMPL24_MOTION
) -> np.ndarray:
    """Features [T, W] played `factor` times as fast; steps and turns of the path grow with it."""
    length = max(2, round(len(features) / factor))
    at = np.minimum(np.arange(length) * factor, len(features) - 1)
    low = np.minimum(at.astype(int), len(features) - 2)
    share = (at - low)[:, None].astype(np.float32)
    mixed = (1 - share) * features[low] + share * features[low + 1]
    mixed[:, representation.parts[PATH]] *= factor
    return representation.renormalise(torch.from_numpy(mixed.astype(np.float32))).numpy()


def arm_texts(does: str, doing: str) -> list[str]:
    """How one asks for arms that do something besides, e.g. of "waves both arms", "waving both arms"."""
    first, _, rest = does.partition(" ")
    return [f"also {first.removesuffix('s')} {rest}".strip(), f"while {doing}", doing]


def style_texts(style: str) -> list[str]:
    """How one asks for a style, one of STYLES."""
    return [*MANNERS.get(style, ()), *([] if style == "normal" else [f"more {style}"]), f"in a {style} way"]


def all_texts() -> list[str]:
    """Everything that edits say."""
    arms = [
        text for _, does, doing in ARMS.values() for text in (*arm_texts(does, doing), f"without {doing}")
    ]
    said = [text for group in (*SPEEDS.values(), *TURNS.values(), MIRRORED) for text in group]
    return [*said, *arms, *(text for style in STYLES for text in style_texts(style))]


def _turn_of(clip: EncodedClip) -> float:
    return float(clip.features[:, SMPL24_MOTION.parts[PATH].start + 2].sum())


def _one(rng: np.random.Generator, among: Sequence[T]) -> T:
    return among[int(rng.integers(len(among)))]


def _padded(
    motions: Sequence[np.ndarray], frames: int, patch: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features [B, T, W] with their last frame repeated, which frames there are [B, T], which whole tokens [B, L]."""
    features, there = [], torch.zeros(len(motions), frames)
    for row, motion in enumerate(motions):
        there[row, : len(motion)] = 1.0
        last = np.repeat(motion[-1:], frames - len(motion), axis=0)
        features.append(torch.from_numpy(np.concatenate([motion, last]).astype(np.float32)))
    return torch.stack(features), there, functional.max_pool1d(1 - there, patch) == 0
