"""What a motion shows, in words: content and style by the embedded matcher of text and motion, numbers by measurement.

The matcher (`evaluation.judges.motion_matcher`) chooses among phrases for what the motion library shows, in the spirit of
zero-shot classification by CLIP; sides, degrees and metres are measured. Motion of other contents is described by the
nearest of these phrases. The likeness tells doubt among known contents; it is no test for strange motion, which may reach
as much.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from kinema.data.motion_captions import PHRASES, STYLES
from kinema.evaluation.judges.motion_matcher import MotionMatcherJudge
from kinema.scene.deeds import hand_heights, metres_walked, turn_degrees
from kinema.scene.motion import Motion

PART = 5.0
"""Seconds of a motion that are described at once (ours); the matcher looks at ten at most."""

_TURNED, _WENT, _STOOD = 30.0, 1.0, 0.5  # degrees and metres from which a turn and a way are told (ours)
_HAND_UP = 0.1  # metres of a wrist above its shoulder
_SURE = 0.6
"""Likeness from which the words are said without reserve (ours)."""

_CLEARLY = 0.05  # of likeness by which a style must be above the normal one to be told (ours)
_SAME = {"walking": "walk", "running": "run", "byebye": "bye"}
"""Labels of the library that mean the same as another."""

_MANNER = "a person {phrase} in a {style} way"


@dataclass(frozen=True)
class Described:
    """A part of a motion in words.

    Args:
        start, end: seconds.
        text: a sentence.
        content: key of `PHRASES`.
        style: one of `STYLES`; normal where none stands out.
        likeness: cosine of motion and words, of the content that was chosen.
        degrees: turned, to the left positive.
        metres: gone.
        hands: which come above the shoulder: left, right, both or none.
    """

    start: float
    end: float
    text: str
    content: str
    style: str
    likeness: float
    degrees: float
    metres: float
    hands: str


class MotionDescriber:
    """Describes motions.

    Args:
        judge: the matcher; the embedded one where None.
    """

    def __init__(self, judge: MotionMatcherJudge | None = None) -> None:
        self.judge = judge or MotionMatcherJudge()

    def __call__(self, motion: Motion) -> list[Described]:
        """The parts of a motion of a human body in words, in order; neighbours that show the same are one."""
        motion = motion.to_smpl24()
        count = max(1, round(motion.duration / PART))
        borders = np.linspace(0.0, motion.duration, count + 1)
        pieces = [motion.crop(a, b) for a, b in pairwise(borders)]
        seen = self.judge.motions(pieces)
        found = [self._chosen(each) for each in seen]
        begins = [n for n in range(count) if n == 0 or found[n][:2] != found[n - 1][:2]]
        told = []
        for begin, end in zip(begins, [*begins[1:], count], strict=True):
            content, style, likeness = found[begin]
            part = motion.crop(borders[begin], borders[end])
            told.append(_told(part, float(borders[begin]), content, style, likeness))
        return told

    def _chosen(self, seen: np.ndarray) -> tuple[str, str, float]:
        """Content, style and likeness of a motion's vector."""
        contents = {name: float((self._contents[name] @ seen).mean()) for name in self._contents}
        content = max(contents, key=lambda name: contents[name])
        styles = dict(zip(STYLES, (self._styles(content) @ seen).tolist(), strict=True))
        style = max(styles, key=lambda name: styles[name])
        plain = styles[style] - styles["normal"] < _CLEARLY
        return content, "normal" if plain else style, contents[content]

    @cached_property
    def _contents(self) -> dict[str, np.ndarray]:
        """Vectors of the phrases of each content, [N, D]."""
        return {
            name: self.judge.texts([f"a person {phrase}" for phrase in phrases])
            for name, phrases in PHRASES.items()
            if name not in _SAME
        }

    def _styles(self, content: str) -> np.ndarray:
        """Vectors of a content in every style, [styles, D]."""
        if content not in self._manners:
            texts = [_MANNER.format(phrase=PHRASES[content][0], style=style) for style in STYLES]
            self._manners[content] = self.judge.texts(texts)
        return self._manners[content]

    @cached_property
    def _manners(self) -> dict[str, np.ndarray]:
        return {}


def sentence(parts: Sequence[Described]) -> str:
    """All parts as one text, as a prompt would say them."""
    first, *rest = (part.text for part in parts)
    return first + "".join(f", then {text.replace('a person ', '')}" for text in rest)


def plain_content(label: str) -> str:
    """A label of the library without its synonyms."""
    return _SAME.get(label, label)


def _told(motion: Motion, start: float, content: str, style: str, likeness: float) -> Described:
    degrees, metres = turn_degrees(motion), metres_walked(motion)
    up = [
        side
        for side, height in zip(("left", "right"), hand_heights(motion), strict=True)
        if height > _HAND_UP
    ]
    hands = "both" if len(up) == 2 else up[0] if up else "none"
    doubt = "" if likeness >= _SURE else "something like: "
    text = f"{doubt}a person {PHRASES[content][0]}"
    text += "" if style == "normal" else f" in {_article(style)} {style} way"
    if metres > _WENT:
        text += f" for about {metres:.0f} metres" if metres >= 1.5 else " for about one metre"
    if abs(degrees) > _TURNED:
        text += f", turning {abs(degrees):.0f} degrees to the {'left' if degrees > 0 else 'right'}"
    if up and not re.search(r"\b(?:arms?|hands?|wav)", text):
        text += " with both hands up" if hands == "both" else f" with the {hands} hand up"
    return Described(
        start,
        start + motion.duration,
        text,
        content,
        style,
        round(likeness, 3),
        round(degrees, 1),
        round(metres, 2),
        hands,
    )


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
