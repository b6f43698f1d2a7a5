"""Prompts come from strangers: no words, however often they are said, may take the parsers more than linear time.

What else of a request is matched against patterns: ids and sizes by pydantic, whose engine does not backtrack; sizes and
seconds of a bounded length (app/inputs.py); words in messages of errors (app/server/shelf.py, below); files, which are
read in a process with a time limit (app/server/checking.py).
"""

import contextlib
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.app.server import shelf
from kinema.motion import camera_phrases, motion_words, prompt, prompt_steps
from kinema.motion.prompt import split_prompt
from kinema.scene import camera_parser
from kinema.scene.camera_language import parse_camera

_SAID = (
    "slowly;the camera;a;and;then;with;while;in;to the;red;very;is;all the way;seen from;a man;shot of;orbits;follows;"
    "follow;pan;zoom in;from;,;.;half;over;1;tracking shot of a;walking;dress;wearing;a red;by;with the;moves;and the;"
    "hold;\t;\n;  ;in the style of;dolly;camera;as it;around;on a;handheld;2 m;of;for;counter;clock;further;it;gently;"
    "smooth;full;step;-;'"
)
WORDS = _SAID.split(";")
BEFORE = ("", "the camera ", "the camera orbits ", "a person walks, ", "tracking shot of a man ")
LETTERS = 10_000
SECONDS = 0.05


def taken(text: str, enough: float = 0.0) -> float:
    """Seconds of the processor, the least of ten: a shared machine makes single tries long.

    Args:
        text: that is parsed.
        enough: a try this short is the last one.
    """
    tries = []
    for _ in range(10):
        began = time.process_time()
        split_prompt(text)
        tries.append(time.process_time() - began)
        if tries[-1] < enough:
            break
    return min(tries)


def is_linear(before: str, words: str) -> bool:
    """Whether a text four times as long takes at most eight times as long: quadratic would be sixteen.

    What takes no time worth speaking of is not asked for more.
    """
    whole, part = ((before + f"{words} " * letters)[:letters] + "!" for letters in (LETTERS, LETTERS // 4))
    spent = taken(whole, SECONDS)
    return spent < SECONDS or spent < 8 * taken(part)


def test_one_word_for_ever_takes_no_time():
    """Forty times "slowly" took longer than anybody waits: each had two ways of being a manner."""
    for before in BEFORE:
        for word in WORDS:
            assert is_linear(before, word), (before, word)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(BEFORE), st.lists(st.sampled_from(WORDS), min_size=2, max_size=4))
def test_some_words_for_ever_take_no_time(before, words):
    assert is_linear(before, " ".join(words))


@pytest.mark.parametrize("module", [camera_phrases, prompt, motion_words, prompt_steps, camera_parser, shelf])
def test_every_pattern_that_sees_a_request_is_tried(module):
    """None is worse than quadratic by far, even alone, before texts are cut into clauses: 400 letters in 50 ms."""
    found = [pattern for value in vars(module).values() for pattern in _patterns(value)]
    assert found
    for pattern in found:
        for before in BEFORE[:3]:
            for word in WORDS:
                if not word.strip():
                    continue  # runs of white space are made one before anything else
                text = (before + f"{word} " * 400)[:400] + "!"
                began = time.process_time()
                for _ in pattern.finditer(text):
                    pass
                pattern.match(text)
                pattern.fullmatch(text)
                assert time.process_time() - began < SECONDS, (pattern.pattern, before, word)


def _patterns(value):
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _patterns(part)


@pytest.mark.parametrize(
    "word", ["arc left ", "slow ", "then ", "1", "hold 1s, ", "a-", "pan left 3deg with "]
)
def test_the_camera_language_is_read_in_linear_time(word):
    began = time.process_time()
    with contextlib.suppress(ValueError):
        parse_camera((word * 4000)[:4000])
    assert time.process_time() - began < SECONDS


def test_many_spaces_are_one_and_lines_stay_lines():
    split = split_prompt("a person   walks \t on,\n\n  the camera    orbits left")
    assert (split.motion, split.camera) == ("a person walks on", "arc left")
    assert split.appearance == "a person   walks \t on,\n\n  the camera    orbits left"
