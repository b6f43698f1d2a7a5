"""Words for the camera, as people type them."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinema.app.server.camera_words import SAYINGS, suggestions, understand
from kinema.scene.camera_parser import parse_camera


@pytest.mark.parametrize(
    ("text", "camera"),
    [
        ("arc left 60deg", "arc left 60deg"),
        ("orbit around her to the left slowly", "slow arc left"),
        ("the camera orbits left 60 degrees", "arc left 60deg"),
        ("move to the right while rising", "truck right with pedestal up"),
        ("Follow him from behind.", "follow tail"),
        ("handheld", "shaky hold"),
    ],
)
def test_words_are_understood_as_a_prompt_says_them(text, camera):
    assert understand(text).camera == camera


def test_what_is_guessed_or_left_out_is_said():
    assert "“orbit around her” says no direction" in understand("orbit around her").notes[0]
    said = understand("orbit left, then fly to the moon")
    assert said.camera == "arc left"
    assert any("left out" in note for note in said.notes)


def test_what_is_not_understood_is_refused_in_a_sentence_with_suggestions():
    with pytest.raises(ValueError, match="names no move"):
        understand("fly to the moon")
    with pytest.raises(ValueError, match="camera text"):
        understand("zoom in 1000000x")
    assert "orbit left 60 degrees" in suggestions("orbti lefft")
    for saying in SAYINGS:
        parse_camera(understand(saying).camera)


@given(st.text(max_size=300))
def test_any_text_is_understood_or_refused(text):
    with suppress(ValueError):
        parse_camera(understand(text).camera)
    assert len(suggestions(text)) == 3


def test_long_texts_take_no_time():
    began = time.perf_counter()
    for text in ("slowly " * 140, "orbit " * 160, "then and while " * 60):
        with suppress(ValueError):
            understand(text[:1000])
        suggestions(text[:1000])
    assert time.perf_counter() - began < 2.0
