"""Training samples of motion: clips, shortened clips and sequences of clips, with a text for each part.

Sample and batch depend on (seed, step) alone. A sequence blends the end of one clip into the start of the next (ours);
its tokens read the text of their own clip only.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from kinema.data.motion_captions import (
    STYLE_OF_LABEL,
    STYLES,
    fits_a_part,
    mirror_caption,
    phrasings,
)
from kinema.data.motion_joining import ClipJoiner
from kinema.data.motion_library import MotionClip
from kinema.motion.representation import SMPL24_MOTION, MotionRepresentation
from kinema.motion.text import TextEncoder

CYCLIC = (
    "walk", "run", "dash", "jog", "wave", "basketball", "soccer", "jumping", "jump", "dance", "punch", "kick", "slash",
    "washwindow", "directing", "crawl", "zombie", "stealthy", "Twist", "Knee", "Arm", "Squat", "Jog", "timeline",
    "stand",
)  # fmt: skip
"""Beginnings of content labels whose clips may be shortened in the middle and stay what they are."""

_ONCE = ("walk-turn", "jogLeft", "kickL", "squat1")  # but not these


@dataclass(frozen=True)
class MotionBatch:
    """What one training step reads. B samples, L tokens, T = patch L frames, S text states.

    Args:
        features: raw, [B, T, W].
        weight: 1; less where two clips were blended, [B, T].
        clock: seconds since a token's text began and until it ends, [B, L, 2].
        style: index into (none, *STYLES), [B, L].
        text: [B, S, 384].
        sees: which text states a token may read, [B, L, S].
    """

    features: torch.Tensor
    weight: torch.Tensor
    clock: torch.Tensor
    style: torch.Tensor
    text: torch.Tensor
    sees: torch.Tensor

    def to(self, device: str | torch.device) -> Self:
        return type(self)(**{name: value.to(device) for name, value in vars(self).items()})


@dataclass(frozen=True)
class EncodedClip:
    """A clip as features, with what it may be called.

    Args:
        features: [T, W].
        texts: true of the whole clip.
        style: index into (none, *STYLES).
        content: the source's label.
    """

    features: np.ndarray
    texts: tuple[str, ...]
    style: int
    content: str

    @property
    def cyclic(self) -> bool:
        """Whether it may be shortened."""
        return self.content.startswith(CYCLIC) and not self.content.startswith(_ONCE)


def encode_clips(
    clips: Sequence[MotionClip],
    cache: Path | None = None,
    seed: int = 0,
    representation: MotionRepresentation = SMPL24_MOTION,
) -> list[EncodedClip]:
    """Clips as features and texts; half a second of computing a minute of motion.

    Args:
        clips: of the library; those under two tokens are left out.
        cache: an npz file that keeps the features; written where it is absent, read where it fits clips and
            representation.
        seed: of the phrasings.
        representation: of the features.
    """
    ids = np.array([clip.id for clip in clips])
    kind = hashlib.sha256(json.dumps(representation.to_json()).encode()).hexdigest()
    stored = None
    if cache is not None and cache.is_file():
        with np.load(cache, allow_pickle=False) as file:
            if np.array_equal(file["ids"], ids) and "kind" in file and str(file["kind"]) == kind:
                stored = np.split(file["features"], file["ends"][:-1])
    if stored is None:
        stored = [
            representation.encode(clip.motion())[0].numpy()
            for clip in tqdm(clips, unit="clip", desc="motion")
        ]
        if cache is not None:
            cache.parent.mkdir(parents=True, exist_ok=True)
            ends = np.cumsum([len(features) for features in stored])
            np.savez(cache, ids=ids, kind=kind, features=np.concatenate(stored), ends=ends)
    rng = np.random.default_rng(seed)
    return [
        EncodedClip(
            features,
            tuple(phrasings(clip.captions, clip.labels, rng)),
            1 + STYLES.index(STYLE_OF_LABEL[clip.labels["style"]]) if "style" in clip.labels else 0,
            clip.labels.get("content", ""),
        )
        for clip, features in zip(clips, stored, strict=True)
        if len(features) >= 2 * representation.patch
    ]


class TextBank:
    """Token states of all texts of a training set, encoded once, kept in half precision.

    Args:
        texts: may repeat.
        encoder: of text.
        cache: a safetensors file that keeps the states; written where it is absent, read where it fits the texts.
        tokens: states per text at most.
    """

    def __init__(
        self, texts: Sequence[str], encoder: TextEncoder, cache: Path | None = None, tokens: int = 20
    ) -> None:
        distinct = sorted(
            set(texts), key=lambda text: (len(text.split()), text)
        )  # alike lengths side by side
        self._where = {text: place for place, text in enumerate(distinct)}
        key = hashlib.sha256("\n".join(distinct).encode()).hexdigest()
        found = load_file(cache) if cache is not None and cache.is_file() else {}
        if f"states.{key}" not in found:
            states = torch.zeros(len(distinct), tokens, 384, dtype=torch.half)
            for begin in tqdm(range(0, len(distinct), 64), unit="batch", desc="texts"):
                some = distinct[begin : begin + 64]
                longest = min(tokens, max(encoder.length(text) for text in some) + 2)
                states[begin : begin + 64, :longest] = encoder(some, longest).half()
            found = {f"states.{key}": states}
            if cache is not None:
                cache.parent.mkdir(parents=True, exist_ok=True)
                save_file(found, cache)
        self._states = found[f"states.{key}"]
        self._lengths = (self._states != 0).any(-1).sum(-1)

    def __getitem__(self, text: str) -> torch.Tensor:
        """States of a text, [number of tokens, 384], float32."""
        place = self._where[text]
        return self._states[place, : self._lengths[place]].float()


@dataclass(frozen=True)
class _Piece:
    features: np.ndarray
    text: str
    style: int


class MotionSamples:
    """Endless batches of equal length.

    Args:
        clips: what is learned.
        encoder: of text.
        batch: samples a step.
        seed: of everything random.
        longest: tokens; longer clips are seen in parts.
        sequences: share of steps whose samples are sequences of clips.
        cache: see TextBank.
        representation: of the clips' features.
    """

    def __init__(
        self,
        clips: Sequence[EncodedClip],
        encoder: TextEncoder,
        batch: int,
        seed: int,
        longest: int = 48,
        sequences: float = 0.4,
        cache: Path | None = None,
        representation: MotionRepresentation = SMPL24_MOTION,
    ) -> None:
        self.representation = representation
        self.clips = clips
        self.batch = batch
        self.seed = seed
        self.longest = longest
        self.sequences = sequences
        texts = [text for clip in clips for text in clip.texts]
        self.texts = TextBank([*texts, *map(mirror_caption, texts)], encoder, cache)
        self.tokens = np.array([min(len(clip.features) // representation.patch, longest) for clip in clips])
        counts = Counter(clip.content for clip in clips)
        weight = np.array([counts[clip.content] ** -0.5 for clip in clips])  # rare contents more often (ours)
        self.weight = weight / weight.sum()
        spread = np.concatenate([clip.features for clip in clips]).std(axis=0) + 1e-3
        self.joiner = ClipJoiner(representation, spread)

    def batches(self, step: int = 0) -> Iterator[tuple[int, MotionBatch]]:
        """(step, batch) from a step on."""
        while True:
            yield step, self.at(step)
            step += 1

    def at(self, step: int) -> MotionBatch:
        """The batch of a step."""
        rng = np.random.default_rng([self.seed, step])
        length = int(self.tokens[rng.choice(len(self.clips), p=self.weight)])
        alike = np.flatnonzero((self.tokens >= length) & (self.tokens <= max(length + 1, int(1.08 * length))))
        share = self.weight[alike] / self.weight[alike].sum()
        frames = length * self.representation.patch
        if rng.random() < self.sequences and frames >= 2 * self.joiner.least:
            return self._collate([self._sequence(frames, rng) for _ in range(self.batch)])
        chosen = rng.choice(alike, size=self.batch, p=share)
        return self._collate([self._single(self.clips[clip], frames, rng) for clip in chosen])

    def _single(self, clip: EncodedClip, frames: int, rng: np.random.Generator) -> _Sample:
        begin = int(rng.integers(len(clip.features) - frames + 1))
        features = clip.features[begin : begin + frames]
        text = _choose(clip.texts, rng, whole=len(clip.features) - frames < 2 * self.joiner.least)
        sample = _Sample(
            features, np.ones(frames), [(0, frames, begin, len(clip.features), text, clip.style)]
        )
        return self._turned(sample, rng)

    def _sequence(self, frames: int, rng: np.random.Generator) -> _Sample:
        joined, weight = np.empty((0, self.representation.width), np.float32), np.empty(0)
        parts: list[tuple[int, int, int, int, str, int]] = []
        while len(joined) < frames:
            room = frames - len(joined) + (self.joiner.blend if parts else 0)
            wanted = room if parts and rng.random() < 0.7 else max(self.joiner.least, room // 2)
            piece = self._piece(wanted, room, rng)
            if parts:
                kept = self.joiner.good_end(joined, parts[-1][0], piece.features)
                joined, weight, border = self.joiner.append(joined[:kept], weight[:kept], piece.features)
                begin, _, since, _, text, style = parts[-1]
                parts[-1] = (begin, border, since, border - begin, text, style)
            else:
                joined, weight, border = piece.features, np.ones(len(piece.features)), 0
            parts.append((border, len(joined), 0, len(joined) - border, piece.text, piece.style))
        begin, _, since, total, text, style = parts[-1]
        parts[-1] = (begin, frames, since, total, text, style)
        return self._turned(_Sample(joined[:frames], weight[:frames], parts), rng)

    def _piece(self, wanted: int, room: int, rng: np.random.Generator) -> _Piece:
        """A clip of about `wanted` frames, at least half of them: whole, or shortened where that is possible."""
        least = self.joiner.least
        wanted = max(wanted, least)
        for _ in range(12):
            clip = self.clips[rng.choice(len(self.clips), p=self.weight)]
            if wanted // 2 <= len(clip.features) <= wanted + self.representation.patch:
                return _Piece(clip.features, _choose(clip.texts, rng, whole=True), clip.style)
            if clip.cyclic and len(clip.features) > wanted:
                frames = int(rng.integers(max(least, wanted // 2), wanted + 1))
                features = self.joiner.shorten(clip.features, frames, rng)
                return _Piece(features, _choose(clip.texts, rng, whole=False), clip.style)
        return _Piece(clip.features[: max(room, least)], _choose(clip.texts, rng, whole=False), clip.style)

    def _turned(self, sample: _Sample, rng: np.random.Generator) -> _Sample:
        if rng.random() < 0.5:
            return sample
        mirrored = self.representation.mirror(torch.from_numpy(sample.features))
        parts = [(*part[:4], mirror_caption(part[4]), part[5]) for part in sample.parts]
        return _Sample(mirrored.numpy(), sample.weight, parts)

    def _collate(self, samples: Sequence[_Sample]) -> MotionBatch:
        patch, fps = self.representation.patch, self.representation.fps
        tokens = len(samples[0].weight) // patch
        texts = [[self.texts[part[4]] for part in sample.parts] for sample in samples]
        size = max(sum(map(len, parts)) for parts in texts)
        clock = torch.zeros(len(samples), tokens, 2)
        style = torch.zeros(len(samples), tokens, dtype=torch.long)
        text = torch.zeros(len(samples), size, 384)
        sees = torch.zeros(len(samples), tokens, size, dtype=torch.bool)
        middles = np.arange(tokens) * patch + patch / 2
        for row, (sample, states) in enumerate(zip(samples, texts, strict=True)):
            at = 0
            for (begin, end, since, total, _, named), words in zip(sample.parts, states, strict=True):
                here = (middles >= begin) & (middles <= end)
                passed = middles[here] - begin + since
                clock[row, here] = (
                    torch.from_numpy(np.stack([passed, total - passed], -1) / fps).float().clamp(min=0)
                )
                style[row, here] = named
                text[row, at : at + len(words)] = words
                sees[row, here, at : at + len(words)] = True
                at += len(words)
        return MotionBatch(
            torch.from_numpy(np.stack([sample.features for sample in samples])),
            torch.from_numpy(np.stack([sample.weight for sample in samples])).float(),
            clock,
            style,
            text,
            sees,
        )


@dataclass(frozen=True)
class _Sample:
    """features [T, W], weight [T], parts (begin, end, frames before begin, frames of the clip, text, style)."""

    features: np.ndarray
    weight: np.ndarray
    parts: list[tuple[int, int, int, int, str, int]]


def _choose(texts: Sequence[str], rng: np.random.Generator, whole: bool) -> str:
    fitting = texts if whole else [text for text in texts if fits_a_part(text)] or texts
    return fitting[int(rng.integers(len(fitting)))]
