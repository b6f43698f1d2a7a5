"""Which words for movements the embedded motion model has learned from: what it cannot have learned is said before.

`weights/motion/learned_words.json` holds, for every word of the captions that it was trained on, by its stem, from how
many clips. A movement that no caption names was never seen; what comes out for it is something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files

from kinema.motion.motion_words import motion_part

WORDS = "learned_words.json"
"""File beside the weights; written by the recipe that trains them."""

FEW = 10
"""Clips below which a movement is hardly learned (ours)."""

_KNOWN_BEST = "walking, running, standing, turning, waving and raising hands"
_SUBJECT = (
    r"(?:person|man|woman|boy|girl|child|kid|someone|somebody|he|she|they|it|people|lady|guy|dancer|player|character|"
    r"figure|actor|athlete|robot)"
)
_PASSED = (
    r"(?:(?:is|are|was|then|also|suddenly|first|finally|quickly|slowly|starts?|begins?|keeps?|to|\w+ly)\s+)*+"
)
_PLACES_OF_VERBS = re.compile(
    rf"(?:^\s*|\b{_SUBJECT}\s+|(?:\band|\bthen|\bwhile|\bbut|[,;.])\s+(?:{_SUBJECT}\s+)?){_PASSED}(?P<verb>[a-z]+)\b",
    re.IGNORECASE,
)
_DONE = re.compile(
    r"\b(?:do|does|doing|perform(?:s|ing)?)\s+(?:an?|the|some)\s+(?P<what>[a-z]+)", re.IGNORECASE
)
_NO_VERB = frozenset(
    re.findall(
        r"\w+",
        "a an the his her their its this that with in on at of to for from as like without no one two three both all "
        "who which slowly quickly person man woman boy girl child someone somebody he she they it people",
    )
)


def stem(word: str) -> str:
    """What forms of a verb share: "waves", "waving" and "waved" are "wav"."""
    word = word.lower()
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "slz":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def count_words(captions: Iterable[Iterable[str]]) -> dict[str, int]:
    """In how many clips the stem of a word occurs.

    Args:
        captions: of each clip, all that is said of it.
    """
    counts: dict[str, int] = {}
    for texts in captions:
        for word in {stem(word) for text in texts for word in re.findall(r"[a-z]+", text.lower())}:
            counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items()))


def unlearned(text: str) -> str | None:
    """Says which movements of a text the embedded model has not, or hardly, learned; None where there are none.

    Only words that stand where a movement is named are judged, by rules; a text may still mean what is not learned.

    Args:
        text: English, what one person does.
    """
    known = _learned()
    strange = list(dict.fromkeys(verb for verb in _verbs(text) if known.get(stem(verb), 0) < FEW))
    if not strange:
        return None
    never = [f"“{verb}”" for verb in strange if stem(verb) not in known]
    hardly = [f"“{verb}”" for verb in strange if stem(verb) in known]
    said = [f"has never learned {_listed(never)}"] if never else []
    said += [f"has hardly learned {_listed(hardly)}"] if hardly else []
    return (
        f"The motion model {', and '.join(said)}: expect something else there. It knows {_KNOWN_BEST} best."
    )


def _verbs(text: str) -> Iterator[str]:
    """Words that stand where a movement is named, and look like one; "cartwheel" of "does a cartwheel"."""
    said = motion_part(text)[:2000]
    for found in _PLACES_OF_VERBS.finditer(said):
        verb = found["verb"].lower()
        begins = not said[: found.start("verb")].strip() and found["verb"].islower()  # no name: an order
        looks = verb.endswith(("s", "ing")) and not verb.endswith("ss")
        if (looks or begins) and verb not in _NO_VERB and len(verb) > 2:
            yield verb
    for found in _DONE.finditer(said):
        yield found["what"].lower()


def _listed(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


@cache
def _learned() -> dict[str, int]:
    path = files("kinema") / "weights" / "motion" / WORDS
    learned: dict[str, int] = json.loads(path.read_text())
    return learned
