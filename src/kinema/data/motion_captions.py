"""Captions for training on the motion library: mirrored, and said in more ways than its templates do.

The library's captions are templates of its sources' labels. People say "he waves" or "wave with your left arm", so
a few phrases per content, other subjects and the imperative are added (ours).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

STYLE_OF_LABEL = {
    "active": "energetic",
    "angry": "angry",
    "childish": "childish",
    "chimpira": "thug",
    "elderly": "elderly",
    "exhausted": "exhausted",
    "feminine": "feminine",
    "giant": "giant",
    "happy": "happy",
    "masculine": "masculine",
    "masculinity": "masculine",
    "musical": "musical",
    "normal": "normal",
    "not-confident": "timid",
    "old": "elderly",
    "proud": "proud",
    "sad": "sad",
    "tired": "exhausted",
    "youthful": "youthful",
}
"""Style names by the library's labels; labels that mean the same share a name."""

STYLES = tuple(sorted(set(STYLE_OF_LABEL.values())))

MANNERS: dict[str, tuple[str, ...]] = {
    "energetic": ("energetically", "with a lot of energy", "lively"),
    "angry": ("angrily", "furiously", "in anger"),
    "childish": ("like a child", "playfully, like a kid"),
    "thug": ("like a thug", "with a swagger"),
    "elderly": ("like an old man", "like an old woman", "slowly, as old people do"),
    "exhausted": ("wearily", "tired", "completely exhausted"),
    "feminine": ("in a feminine way", "gracefully, like a woman"),
    "giant": ("like a giant", "with heavy movements"),
    "happy": ("happily", "in a good mood"),
    "masculine": ("in a masculine way", "like a man"),
    "musical": ("to the music", "in rhythm"),
    "timid": ("shyly", "without confidence"),
    "proud": ("proudly", "with pride"),
    "sad": ("sadly", "in a sad way"),
    "youthful": ("youthfully", "like a teenager"),
}

PHRASES: dict[str, tuple[str, ...]] = {
    "walk": ("walks", "walks forward", "strolls along", "goes for a walk", "takes a few steps forward"),
    "walking": ("walks", "walks along", "strolls", "walks forward"),
    "run": ("runs", "runs forward", "jogs", "is running", "runs ahead"),
    "running": ("runs", "jogs forward"),
    "dash": ("sprints", "sprints forward", "dashes", "runs fast"),
    "walk-back": ("walks backwards", "steps back", "goes backward"),
    "walk-turn-left": ("turns left", "makes a left turn", "walks and turns to the left", "walks around a left corner"),
    "walk-turn-right": ("turns right", "makes a right turn", "walks and turns to the right",
                        "walks around a right corner"),
    "walk-left": ("walks diagonally left", "walks forward, drifting left"),
    "walk-right": ("walks diagonally right", "walks forward, drifting right"),
    "raise-up-left-hand": ("raises the left arm", "puts up the left hand", "lifts the left hand up high"),
    "raise-up-right-hand": ("raises the right arm", "puts up the right hand", "lifts the right hand up high"),
    "raise-up-both-hands": ("raises both arms", "puts the hands up", "lifts both hands over the head"),
    "wave-left-hand": ("waves with the left hand", "waves the left arm", "waves hello with the left hand"),
    "wave-right-hand": ("waves with the right hand", "waves the right arm", "waves hello with the right hand"),
    "wave-both-hands": ("waves with both hands", "waves both arms", "waves both arms in the air"),
    "bow": ("bows", "takes a bow", "bows down"),
    "bye": ("waves goodbye", "says goodbye with the hand"),
    "byebye": ("waves bye-bye", "waves goodbye"),
    "punch": ("punches", "boxes", "throws some punches"),
    "kick": ("kicks", "does kicks"),
    "slash": ("swings a sword", "slashes with a sword"),
    "dance-short": ("dances", "is dancing"),
    "hopBothLegs1hops": ("hops forward", "hops", "jumps forward once"),
    "squat1Reps": ("squats", "does a squat", "squats down"),
    "sneak2StepsLStart": ("sneaks", "sneaks forward", "tiptoes", "creeps forward"),
    "depositFloorR": ("bends down and puts something on the floor", "puts something down with the right hand"),
    "grabHighR": ("reaches up with the right hand", "grabs something from a high shelf"),
    "kickLFront1Reps": ("kicks with the left leg", "does a left front kick"),
    "lieDownFloor": ("lies down", "lies down on the floor"),
    "throwBasketball": ("throws a ball", "shoots a basketball"),
    "jogLeftCircle4StepsRstart": ("jogs in a circle to the left", "runs in a left circle"),
    "jumping": ("jumps", "jumps up"),
    "stand": ("stands", "is standing", "stands in place", "stands on the spot", "does not move", "waits",
              "stands and waits", "keeps still", "stands motionless"),
    "JumpJack": ("does jumping jacks",),
    "Squat": ("does squats",),
}  # fmt: skip

_SUBJECTS = ("a person", "someone", "he", "she", "a man", "a woman", "the man", "the woman", "the person", "")
_FIRST = re.compile(r"^(?:a person|someone|somebody) ")
_MEASURED = re.compile(r" for (?:about )?\w+ (?:seconds?|metres?)$")
_SIDES = re.compile(r"\b(left|right)\b", re.IGNORECASE)
_PAIRS = re.compile(r"\b(once|one|two|four|first)\b|then")
_NOT_THIRD = {"is": "be", "goes": "go", "does": "do", "dashes": "dash", "punches": "punch", "boxes": "box",
              "reaches": "reach", "washes": "wash", "touches": "touch", "wipes": "wipe"}  # fmt: skip


def mirror_caption(text: str) -> str:
    """The caption of the mirrored motion: left and right swapped, whatever their case.

    >>> mirror_caption("Raise the left hand, then turn right")
    'Raise the right hand, then turn left'
    """

    def swap(found: re.Match[str]) -> str:
        word = found.group()
        other = "right" if word.lower() == "left" else "left"
        return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other

    return _SIDES.sub(swap, text)


def fits_a_part(text: str) -> bool:
    """Whether a caption still holds when its clip is shortened: it counts and measures nothing."""
    return not _MEASURED.search(text) and not _PAIRS.search(text)


def phrasings(captions: tuple[str, ...], labels: Mapping[str, str], rng: np.random.Generator) -> list[str]:
    """Captions of a clip in other words: its own, phrases of its content, other subjects, the imperative.

    Args:
        captions: of the clip.
        labels: of the clip (content, style).
        rng: chooses subjects and manners.

    Returns:
        Texts, all true of the whole clip; the clip's own captions come first.
    """
    manners = MANNERS.get(STYLE_OF_LABEL.get(labels.get("style", ""), ""), ("",))
    texts = list(captions)
    for phrase in PHRASES.get(labels.get("content", ""), ()):
        manner = manners[int(rng.integers(len(manners)))]
        texts.append(f"a person {phrase} {manner}".strip())
    for text in list(texts):
        found = _FIRST.match(text)
        if found and rng.random() < 0.5:
            subject = _SUBJECTS[int(rng.integers(len(_SUBJECTS)))]
            rest = text[found.end() :]
            texts.append(f"{subject} {rest}" if subject else _imperative(rest))
    return list(dict.fromkeys(texts))


def _imperative(phrase: str) -> str:
    """'walks forward' -> 'walk forward'; 'is walking' stays as 'walking'."""
    verb, _, rest = phrase.partition(" ")
    if verb == "is":
        return rest
    base = _NOT_THIRD.get(verb) or (verb[:-1] if verb.endswith("s") and not verb.endswith("ss") else verb)
    return f"{base} {rest}".strip()
