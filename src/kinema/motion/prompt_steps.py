"""A prompt as steps that follow each other, each with a duration.

"a person walks forward, then waves for 3 seconds" -> (walks forward, 4 s), (waves, 3 s)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

MAX_CHARACTERS = 1000
MAX_STEPS = 64
LEAST_SECONDS = 0.4
MOST_SECONDS = 600.0
DEFAULT_SECONDS = 4.0

_BORDERS = re.compile(
    r"(?:\s*[,;.]\s*(?:and\s+)?(?:then|afterwards|after that|next|finally)\s*,?\s+)|(?:\s+and\s+then\s+)|(?:\s+then\s+)",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"(?<=[a-z])[.;!]\s+", re.IGNORECASE)
_OPENING = re.compile(r"^(?:and\s+)?(?:then|afterwards|after that|next|finally)\s*,?\s+", re.IGNORECASE)
_NUMBERS = {
    word: number
    for number, word in enumerate(
        (
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        )
    )
}
_FOR = re.compile(
    r"\b(?:for|about)\s+(?:about\s+)?(\d+(?:\.\d+)?|" + "|".join(_NUMBERS) + r")\s+"
    r"(seconds?|secs?|s|metres?|meters?|m)\b",
    re.IGNORECASE,
)
_TURNS = {
    "quarter turn": 90.0,
    "half turn": 180.0,
    "full turn": 360.0,
    "turns around": 180.0,
    "turn around": 180.0,
}
_TURN = re.compile(
    r"\bturn(?:s|ing)?\b[^,;.]*?\b(?P<number>\d{1,3}(?:\.\d+)?)\s*(?:degrees?\b|deg\b|°)|\b(?P<name>"
    + "|".join(name.replace(" ", r"\s+") for name in _TURNS)
    + r")\b",
    re.IGNORECASE,
)
_SIDES = {"left": 1, "right": -1, "clockwise": -1, "counterclockwise": 1, "anticlockwise": 1}
_SIDE = re.compile(r"\b(" + "|".join(_SIDES) + r")\b", re.IGNORECASE)
_PACES = ((("run", "jog", "sprint", "dash"), 2.5), (("sneak", "creep", "back", "elderly", "old"), 0.8))
_WALK = 1.2  # m/s, the mean of the motion library


@dataclass(frozen=True)
class Step:
    """One text and what it says in numbers.

    Args:
        text: of the step.
        seconds: how long it holds.
        metres: how far it says to go, if it does.
        degrees: how far it says to turn, if it does; left is positive.
        either_way: whether it says no side.
    """

    text: str
    seconds: float
    metres: float | None = None
    degrees: float | None = None
    either_way: bool = False

    @property
    def measured(self) -> bool:
        """Whether it says how far to go or to turn."""
        return self.metres is not None or self.degrees is not None


def plan_steps(prompt: str | Sequence[str], seconds: float | Sequence[float] | None = None) -> list[Step]:
    """The steps of a prompt.

    Args:
        prompt: a text, divided at "then"; or the texts of the steps, each taken as it is.
        seconds: of the whole, shared in proportion to the steps' usual lengths; or one number a step; by default
            what the text says ("for 5 seconds", "for six metres"), else four seconds a step.

    Raises:
        ValueError: what was given cannot be made; the message says why.
    """
    if isinstance(prompt, str):
        texts = _divided(clean_text(prompt))
    else:
        texts = [clean_text(text) for text in prompt]
        if not texts:
            raise ValueError("the list of prompts is empty; give at least one text, or '' for any motion")
    if len(texts) > MAX_STEPS:
        raise ValueError(
            f"the prompt has {len(texts)} steps; at most {MAX_STEPS} are made at once: "
            "make it in parts, or in Python by stream()"
        )
    usual = [_usual_seconds(text) for text in texts]
    if seconds is None:
        lengths = usual
    elif isinstance(seconds, (int, float)):
        total = check_seconds(float(seconds), "seconds")
        lengths = [total * length / sum(usual) for length in usual]
    else:
        if len(seconds) != len(texts):
            raise ValueError(f"{len(seconds)} durations were given for {len(texts)} steps: {texts}")
        lengths = [check_seconds(float(length), "a step's duration") for length in seconds]
    check_seconds(sum(lengths), "the whole")
    return [
        Step(text, length, _said(text)[1], *_turn_said(text))
        for text, length in zip(texts, lengths, strict=True)
    ]


def clean_text(text: str) -> str:
    """The text without control characters and with single spaces.

    Raises:
        ValueError: not a text, too long, or in a script the text encoder cannot read.
    """
    if not isinstance(text, str):
        raise ValueError(f"a prompt is a text, not {type(text).__name__}")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(
            f"the prompt has {len(text)} characters, at most {MAX_CHARACTERS} are read; say one movement in a "
            "sentence, and give several as a list"
        )
    text = "".join(" " if unicodedata.category(sign).startswith(("C", "Z")) else sign for sign in text)
    letters = [sign for sign in text if sign.isalpha()]
    foreign = [sign for sign in letters if "LATIN" not in unicodedata.name(sign, "")]
    if len(foreign) > len(letters) / 2:
        raise ValueError(
            f"the prompt {text[:40]!r} is not in Latin script; the text encoder reads English only"
        )
    return " ".join(text.split())


def check_seconds(seconds: float, what: str) -> float:
    """A duration that can be made.

    Raises:
        ValueError: not a number, too short or too long.
    """
    if not LEAST_SECONDS - 1e-6 <= seconds <= MOST_SECONDS + 1e-6:  # false for NaN
        raise ValueError(
            f"{what} would last {seconds:g} s; give {LEAST_SECONDS:g} to {MOST_SECONDS:g} s, "
            "or, in Python, use stream() for motion without end"
        )
    return seconds


def _divided(prompt: str) -> list[str]:
    texts = [part for sentence in _SENTENCES.split(prompt) for part in _BORDERS.split(sentence)]
    texts = [_OPENING.sub("", text.strip(" ,;.")) for text in texts]
    return [text for text in texts if text] or [""]


def _usual_seconds(text: str) -> float:
    seconds, metres = _said(text)
    if seconds is not None:
        return seconds
    if metres is None:
        return DEFAULT_SECONDS
    return metres / next(
        (pace for words, pace in _PACES if any(word in text.lower() for word in words)), _WALK
    )


def _turn_said(text: str) -> tuple[float | None, bool]:
    """Degrees that a text asks to turn, left is positive, and whether it names no side; None where it says nothing."""
    if not (found := _TURN.search(text)):
        return None, False
    number = found.group("number")
    degrees = float(number) if number else _TURNS[" ".join(found.group("name").lower().split())]
    sides = {_SIDES[side.lower()] for side in _SIDE.findall(text)}
    if len(sides) != 1:
        return degrees, True
    return degrees * sides.pop(), False


def _said(text: str) -> tuple[float | None, float | None]:
    """Seconds and metres that a text asks for; None for what it does not say."""
    found = _FOR.search(text)
    if not found:
        return None, None
    word = _NUMBERS.get(found.group(1).lower())
    number = float(found.group(1)) if word is None else float(word)
    return (number, None) if found.group(2).lower().startswith("s") else (None, number)
