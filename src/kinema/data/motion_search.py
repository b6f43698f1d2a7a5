"""Retrieval by text over a motion library: which clips are said like this.

Captions and query are compared by the mean of the sentence encoder's token states. Such means confuse left and right,
so the sides are compared as words (ours): a clip of the other side is found mirrored, one that contradicts is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from kinema.data.motion_captions import mirror_caption
from kinema.data.motion_library import MotionClip
from kinema.motion.prompt_steps import clean_text
from kinema.motion.text import TextEncoder, default_text_encoder
from kinema.scene.motion import Motion

_SIDES = re.compile(r"\b(left|right|both)\b", re.IGNORECASE)
_UNSAID = 0.05  # taken off the likeness where only one of the two texts names a side (ours)
_MIRRORED = 0.01  # taken off for mirroring, so that a clip as captured comes first (ours)
_BATCH = 64


@dataclass(frozen=True)
class Found:
    """A clip that fits a text.

    Args:
        clip: of the library.
        caption: the one that fits best, of the motion as returned.
        score: cosine of the texts less what the sides cost; 1 is the same text.
        mirrored: the motion is the clip's mirror image.
    """

    clip: MotionClip
    caption: str
    score: float
    mirrored: bool

    def motion(self) -> Motion:
        """The motion, mirrored where that is what fits."""
        motion = self.clip.motion()
        return motion.mirror() if self.mirrored else motion


class MotionSearch:
    """Captions of a library, encoded once.

    Args:
        clips: a MotionLibrary, or some clips.
        encoder: of text; the embedded one by default.
        progress: called with (captions encoded, captions in all).
    """

    def __init__(
        self,
        clips: Sequence[MotionClip],
        encoder: TextEncoder | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        if not len(clips):
            raise ValueError("there are no clips to search")
        self.clips = tuple(clips)
        self._encoder = encoder or default_text_encoder()
        self._captions = sorted({text for clip in self.clips for text in clip.captions}, key=len)
        vectors = []
        for begin in range(0, len(self._captions), _BATCH):
            vectors.append(self._vectors(self._captions[begin : begin + _BATCH]))
            if progress is not None:
                progress(min(begin + _BATCH, len(self._captions)), len(self._captions))
        self._matrix = torch.cat(vectors)
        self._row = {text: row for row, text in enumerate(self._captions)}

    def __call__(self, query: str, top: int = 5) -> list[Found]:
        """The clips whose captions are most like the query, the best first, each once.

        Raises:
            ValueError: no text, or nothing to return.
        """
        query = clean_text(query)
        if not query:
            raise ValueError("the query is empty; say what people do")
        if top < 1:
            raise ValueError(f"{top} results; give at least 1")
        likeness = (self._matrix @ self._vectors([query])[0]).tolist()
        asked = _sides(query)
        found = []
        for clip in self.clips:
            best = max(
                (self._judged(clip, text, likeness[self._row[text]], asked) for text in clip.captions),
                key=lambda one: one.score,
                default=None,
            )
            if best is not None and best.score > -1:
                found.append(best)
        return sorted(found, key=lambda one: -one.score)[:top]

    def _judged(self, clip: MotionClip, caption: str, likeness: float, asked: frozenset[str]) -> Found:
        said = _sides(caption)
        if said == asked:
            return Found(clip, caption, likeness, mirrored=False)
        if said and asked and _sides(mirror_caption(caption)) == asked:
            return Found(clip, mirror_caption(caption), likeness - _MIRRORED, mirrored=True)
        if said and asked and not said & asked:
            return Found(clip, caption, -2.0, mirrored=False)
        return Found(clip, caption, likeness - _UNSAID, mirrored=False)

    def _vectors(self, texts: list[str]) -> torch.Tensor:
        """Unit vectors, [N, 384]: means over the states of each text."""
        longest = min(32, max(self._encoder.length(text) for text in texts) + 2)
        states = self._encoder(texts, longest)
        said = (states != 0).any(-1).sum(-1, keepdim=True).clamp(min=1)
        return torch.nn.functional.normalize(states.sum(1) / said, dim=-1)


def _sides(text: str) -> frozenset[str]:
    return frozenset(side.lower() for side in _SIDES.findall(text))
