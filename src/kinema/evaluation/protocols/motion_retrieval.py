"""Does the motion say what the text says? Retrieval by a learned judge, beside what is real and what is worthless.

Per test clip: the pipeline's motion of one of its captions at its length. Beside it stand the captured motion, the
motion made for another clip, the mean pose held still, and the training clip whose caption is nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from kinema.data.motion_captions import mirror_caption
from kinema.data.motion_library import MotionClip, MotionLibrary
from kinema.evaluation.judges.motion_matcher import MotionMatcherJudge
from kinema.evaluation.metrics import retrieval
from kinema.evaluation.statistics import clip_bootstrap
from kinema.motion.features import PATH
from kinema.motion.generator import MotionGenerator
from kinema.motion.representation import SMPL24_MOTION, MotionRepresentation
from kinema.scene.motion import Motion

POOL = 32
LENGTHS = (1.0, 9.9)
"""Seconds; shorter and longer clips are left out, and counted."""

BASELINES = ("real", "shuffled", "mean_pose", "nearest_train")
"""What a generator is compared with; `mean_pose` only where it knows the mean of what it was trained on."""
Made = dict[int, list[Motion]]  # generation seed -> a motion of each clip


@dataclass(frozen=True)
class CaptionedClip:
    """A clip to be generated.

    Args:
        clip: of the library.
        caption: the one that is asked for.
        real: the captured motion on the neutral body, 20 fps.
    """

    clip: MotionClip
    caption: str
    real: Motion

    @property
    def meaning(self) -> str:
        """Content and style in words: the first caption; clips that mean the same share it."""
        return self.clip.captions[0]


def judged(library: MotionLibrary, split: str) -> list[MotionClip]:
    """The clips of a split that have a length the judge can see."""
    return [clip for clip in library.split(split) if LENGTHS[0] <= clip.seconds <= LENGTHS[1]]


def choose(library: MotionLibrary, split: str, count: int, seed: int) -> list[CaptionedClip]:
    """Random clips of a split with a random caption each; all of them where the split has fewer.

    Raises:
        ValueError: the split has fewer than two clips.
    """
    clips = judged(library, split)
    if len(clips) < 2:
        raise ValueError(f"the split {split} has {len(clips)} clips of {LENGTHS[0]:g} to {LENGTHS[1]:g} s")
    rng = np.random.default_rng(seed)
    chosen = [clips[index] for index in rng.permutation(len(clips))[:count]]
    return [
        CaptionedClip(
            clip,
            clip.captions[int(rng.integers(len(clip.captions)))],
            SMPL24_MOTION.on_neutral_body(clip.motion()),
        )
        for clip in chosen
    ]


def generate(
    generator: MotionGenerator, clips: Sequence[CaptionedClip], seeds: int, tick: Callable[[], object]
) -> Made:
    """The generator's motion of each clip's caption at its length, for each seed; the noise differs between clips."""
    made: Made = {}
    for seed in range(seeds):
        made[seed] = []
        for number, test in enumerate(clips):
            motion = generator(test.caption, seconds=test.real.duration, seed=1000 * seed + number)
            made[seed].append(motion)
            tick()
    return made


def one_of_each(library: MotionLibrary, *splits: str) -> list[MotionClip]:
    """The first clip of each meaning in the splits: what pools are filled with."""
    first: dict[str, MotionClip] = {}
    for clip in library.split(*splits):
        first.setdefault(clip.captions[0], clip)
    return list(first.values())


def mean_pose(representation: MotionRepresentation, mean: torch.Tensor, frames: int) -> Motion:
    """The mean [W] of the training set's features, held still on the spot."""
    features = representation.renormalise(mean.float()).repeat(frames, 1)
    features[:, representation.parts[PATH]] = 0.0
    return representation.decode(features)


def nearest_clips(
    library: MotionLibrary, captions: Sequence[str], embed: Callable[[Sequence[str]], np.ndarray], seed: int
) -> list[MotionClip]:
    """For each caption a training clip whose own caption is most alike; among equals one is drawn.

    Args:
        library: its train split is searched.
        captions: what is looked for.
        embed: texts to unit vectors, [N, D].
        seed: of the draw.
    """
    owners: dict[str, list[MotionClip]] = {}
    for clip in judged(library, "train"):
        for caption in dict.fromkeys(clip.captions):
            owners.setdefault(caption, []).append(clip)
    known = list(owners)
    nearest = (embed(captions) @ embed(known).T).argmax(axis=1)
    rng = np.random.default_rng(seed)
    found = (owners[known[index]] for index in nearest)
    return [clips[int(rng.integers(len(clips)))] for clips in found]


def sentence_vectors(
    encoder: Callable[[Sequence[str], int], torch.Tensor], texts: Sequence[str]
) -> np.ndarray:
    """Means of the token states of texts as unit vectors, [N, 384]."""
    batches = []
    for begin in range(0, len(texts), 64):
        states = encoder(list(texts[begin : begin + 64]), 24)
        counts = (states != 0).any(-1, keepdim=True).sum(1).clamp(min=1)
        batches.append(torch.nn.functional.normalize(states.sum(1) / counts, dim=-1))
    return torch.cat(batches).numpy()


@dataclass(frozen=True)
class Judged:
    """What the judge says of the clips of one split. N clips, S seeds, D numbers.

    Args:
        vectors: motion vectors, [S, N, D] of "generated" and [1, N, D] of each of BASELINES but "shuffled".
        ranks: place of the own text among 32, likewise [S, N] or [1, N], "shuffled" too.
        distances: to the own text, likewise.
        apart: for "style", "content" and "side": whether the own text is the nearest among those that differ in this
            alone, likewise; NaN where there is no other.
        chance: of these.
    """

    vectors: Mapping[str, np.ndarray]
    ranks: Mapping[str, np.ndarray]
    distances: Mapping[str, np.ndarray]
    apart: Mapping[str, Mapping[str, np.ndarray]]
    chance: Mapping[str, float]

    def of_clip(self, index: int) -> dict[str, dict[str, list[float]]]:
        """What is said of one clip: rank, style, content and side of every seed, of what was made and each baseline."""
        return {
            name: {
                "rank": ranks[:, index].tolist(),
                **{label: right[name][:, index].tolist() for label, right in self.apart.items()},
            }
            for name, ranks in self.ranks.items()
        }


def judge_motions(
    judge: MotionMatcherJudge,
    clips: Sequence[CaptionedClip],
    motions: Mapping[str, Sequence[Sequence[Motion]]],
    others: Sequence[MotionClip],
    seed: int,
) -> Judged:
    """Ranks each motion's caption among 32 of different meanings.

    Args:
        judge: the network.
        clips: whose captions are right.
        motions: "generated" and baselines, one list of motions a seed.
        others: clips whose captions fill the pools beside those of `clips`.
        seed: of pools and shuffling.
    """
    rng = np.random.default_rng(seed)
    captions = [test.caption for test in clips]
    captions += [clip.captions[int(rng.integers(len(clip.captions)))] for clip in others]
    meanings = [test.meaning for test in clips]
    pool = retrieval.pools([*meanings, *(clip.captions[0] for clip in others)], POOL, seed)[: len(clips)]
    mirrored = [mirror_caption(test.caption) for test in clips]
    texts = judge.texts([*captions, *mirrored])
    vectors = {name: np.stack([judge.motions(some) for some in sets]) for name, sets in motions.items()}
    compared = {**vectors, "shuffled": vectors["generated"][:, retrieval.strangers(meanings, seed)]}
    alike = {
        label: _alike([*(test.clip for test in clips), *others], len(clips), label)
        for label in ("style", "content")
    }
    alike["side"] = [
        np.array([index] if test.caption == mirrored[index] else [index, len(captions) + index])
        for index, test in enumerate(clips)
    ]
    parts = {
        label: {
            name: [retrieval.told_apart(v, texts, groups) for v in sets] for name, sets in compared.items()
        }
        for label, groups in alike.items()
    }
    return Judged(
        vectors,
        {name: np.stack([retrieval.ranks(v, texts, pool) for v in sets]) for name, sets in compared.items()},
        {
            name: np.stack([retrieval.distances(v, texts[: len(clips)]) for v in sets])
            for name, sets in compared.items()
        },
        {
            label: {name: np.stack([right for right, _ in sets]) for name, sets in found.items()}
            for label, found in parts.items()
        },
        {label: found["generated"][0][1] for label, found in parts.items()},
    )


def _alike(clips: Sequence[MotionClip], count: int, label: str) -> list[np.ndarray]:
    """For each of the first clips its index and those of clips that differ from it in one label only.

    Each of the other meanings stands for itself once.
    """
    kept = "content" if label == "style" else "style"
    groups = []
    for index, clip in enumerate(clips[:count]):
        found = {clip.captions[0]: index}
        for other, one in enumerate(clips):
            if one.labels.get(kept) == clip.labels.get(kept) and label in one.labels and label in clip.labels:
                found.setdefault(one.captions[0], other)
        groups.append(np.array(list(found.values())))
    return groups


def figures(found: Judged) -> dict[str, Any]:
    """R@1/2/3, distance to the text and diversity of what was generated and of every baseline.

    `style`, `content` and `side` are the shares whose own text is the nearest of those that differ in this alone.
    R@k is the share of motions whose own text is among the k nearest of 32 (chance k / 32): mean over clips and seeds,
    with an interval over clips.
    """
    result: dict[str, Any] = {}
    for name in ("generated", *BASELINES):
        if name not in found.ranks:
            continue
        ranks = found.ranks[name]
        entry: dict[str, Any] = {}
        for k in (1, 2, 3):
            interval = clip_bootstrap((ranks < k).mean(axis=0))
            entry[f"r{k}"] = round(interval.mean, 4)
            entry[f"r{k}_interval"] = [round(interval.low, 4), round(interval.high, 4)]
        entry["r3_by_seed"] = [round(float(share), 4) for share in (ranks < 3).mean(axis=1)]
        entry["distance"] = round(float(found.distances[name].mean()), 4)
        for label, right in found.apart.items():
            entry[label] = _mean(right[name])
            entry[f"{label}_chance"] = _rounded(found.chance[label])
        if name in found.vectors:
            entry["diversity"] = round(
                float(np.mean([retrieval.diversity(v) for v in found.vectors[name]])), 4
            )
        result[name] = entry
    return result


def _mean(values: np.ndarray) -> float | None:
    return None if np.isnan(values).all() else _rounded(np.nanmean(values))


def _rounded(value: Any) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
