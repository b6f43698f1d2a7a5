"""What is said of words for movements that the motion model has not learned."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinema.motion.learned import count_words, stem, unlearned


@pytest.mark.parametrize(
    "text",
    [
        "a person walks forward",
        "a person stands still",
        "a person walks backwards while waving both arms",
        "walks forward and waves with the right hand",
        "a woman in a red coat and jeans jogs, then turns left",
        "Mila walks",
        "waves",
        "",
    ],
)
def test_what_is_learned_gets_no_note(text):
    assert unlearned(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a person juggles three balls", ["juggles"]),
        ("a woman walks and dances", ["dances"]),
        ("he runs, then does a backflip", ["backflip"]),
        ("a person is swimming and walks", ["swimming"]),
        ("juggle", ["juggle"]),
    ],
)
def test_the_half_that_is_not_learned_is_named(text, words):
    note = unlearned(text)
    assert note is not None
    assert all(f"“{word}”" in note for word in words)
    assert "walks”" not in note


def test_stems_join_the_forms_of_a_verb():
    assert {stem(word) for word in ("wave", "waves", "waving", "waved")} == {"wav"}
    assert {stem(word) for word in ("run", "runs", "running")} == {"run"}
    assert count_words([["a man runs", "he is running"], ["she walks"]])["run"] == 1


@given(st.text(max_size=300))
def test_any_text_gets_a_sentence_or_none(text):
    note = unlearned(text)
    assert note is None or note.endswith("best.")


def test_long_texts_take_no_time():
    began = time.perf_counter()
    for text in ("slowly " * 1500, "and then he " * 900, "does a " * 1500):
        unlearned(text)
    assert time.perf_counter() - began < 1.0
