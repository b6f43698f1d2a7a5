"""What is said of the camera is taken out of a prompt, and nothing else is."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.motion.prompt import split_prompt
from kinema.scene.camera_language import parse_camera

UNDERSTOOD = [
    (
        "a woman in a red coat walks forward, the camera orbits left 60 degrees",
        "a woman walks forward",
        "arc left 60deg",
    ),
    ("A person waves. The camera pans slowly to the right.", "A person waves", "slow pan right"),
    ("a man dances while the camera zooms in on his face", "a man dances", "zoom in"),
    ("a man runs, slow zoom out, then pan right 20°", "a man runs", "slow zoom out then pan right 20deg"),
    ("a girl jumps, dolly in 1m", "a girl jumps", "dolly in 1m"),
    ("a man sits down, push in", "a man sits down", "dolly in"),
    ("he waves. the camera pulls back quickly", "he waves", "fast dolly out"),
    ("a man walks; the camera dollies out 2 metres over 3 seconds", "a man walks", "dolly out 2m over 3s"),
    ("with a slow dolly in, a woman bows", "a woman bows", "slow dolly in"),
    ("a man kicks. Camera moves left.", "a man kicks", "truck left"),
    ("a man walks, tracking shot", "a man walks", "follow"),
    ("tracking shot of a man running through a field", "a man running through a field", "follow"),
    ("the camera follows a man walking, then pushes in", "a man walking", "follow then dolly in"),
    ("someone runs; the camera tracks him from behind", "someone runs", "follow tail"),
    ("a man jogs, the camera leads him from the front", "a man jogs", "follow lead"),
    ("a man walks forward, filmed from the side", "a man walks forward", "follow side left"),
    ("a dancer spins, the camera circles around her a full turn clockwise", "a dancer spins", "arc clockwise 360deg"),
    ("he walks, the camera orbits him counter-clockwise by ninety degrees", "he walks", "arc counter-clockwise 90deg"),
    ("a dancer spins, the camera rises slowly", "a dancer spins", "slow pedestal up"),
    ("a dancer spins, crane shot", "a dancer spins", "crane up"),
    ("the camera cranes up as a man raises both arms", "a man raises both arms", "crane up"),
    ("the camera tilts down, he kneels", "he kneels", "tilt down"),
    ("the camera whip pans to the left, the man jumps", "the man jumps", "fast pan left"),
    ("a man falls, the camera rolls clockwise 10 degrees", "a man falls", "roll clockwise 10deg"),
    ("a man runs, vertigo effect", "a man runs", "dolly-zoom in"),
    ("an old man walks, static camera", "an old man walks", "hold"),
    ("a man stands still, the camera does not move", "a man stands still", "hold"),
    ("the camera is static while she walks and waves", "she walks and waves", "hold"),
    ("a woman dances, handheld", "a woman dances", "shaky hold"),
    ("a woman dances, shot on a handheld camera", "a woman dances", "shaky hold"),
    ("a person does jumping jacks, seen from above", "a person does jumping jacks", "follow aerial"),
    ("a woman walks, bird's-eye view", "a woman walks", "follow aerial"),
    ("a man bows, the camera pans left and tilts up", "a man bows", "pan left with tilt up"),
    ("the camera holds for 2 seconds, then pans left, a man bows", "a man bows", "hold over 2s then pan left"),
    ("a man walks and the camera follows him, then he sits down", "a man walks, then he sits down", "follow"),
    ("he boxes, camera: arc left 60deg then hold 1s ease", "he boxes", "arc left 60deg then hold 1s ease"),
]  # fmt: skip


@pytest.mark.parametrize(("prompt", "motion", "camera"), UNDERSTOOD)
def test_the_camera_is_understood(prompt, motion, camera):
    split = split_prompt(prompt)
    assert (split.motion, split.camera) == (motion, camera.replace("counter-clockwise", "counterclockwise"))
    parse_camera(split.camera)
    assert split.notes == ()


@pytest.mark.parametrize(
    "prompt",
    [
        "a person walks forward, then waves with the left hand",
        "a person holding a camera walks forward",
        "a man picks up a camera and walks",
        "a man waves at the camera",
        "a man walks toward the camera, then turns left",
        "he films her with a camera",
        "a man orbits around the chair and zooms off",
        "a man turns left and pans for gold",
        "a man pushes in the door, then pulls it back",
        "a man follows a woman; he circles her twice",
        "",
    ],
)
def test_what_people_do_stays(prompt):
    split = split_prompt(prompt)
    assert (split.motion, split.camera, split.notes) == (prompt, None, ())


@pytest.mark.parametrize(
    ("prompt", "word"),
    [
        ("a person bows, low angle", "low angle"),
        ("a person bows, filmed from a low angle", "low angle"),
        ("close-up of a man waving", "close-up"),
        ("a person walks, the camera wobbles strangely", "wobbles"),
        ("a person walks, the camera pans left 99999 degrees", "99999"),
    ],
)
def test_what_is_not_understood_stays_with_a_note(prompt, word):
    split = split_prompt(prompt)
    assert split.motion == prompt
    assert split.camera is None
    assert any(word in note and "stays in the text" in note for note in split.notes)


def test_motion_and_appearance_are_different_texts():
    prompt = "a woman in a red coat walks on a beach at sunset, the camera orbits"
    split = split_prompt(f" {prompt}\n")
    assert (split.motion, split.camera, split.appearance) == ("a woman walks", "arc left", prompt)


def test_guesses_are_said():
    around = split_prompt("a man waves, the camera circles around him")
    assert around.camera == "arc left"
    assert "no direction" in around.notes[0]
    odd = split_prompt("a man waves, the camera zooms in 20 degrees")
    assert odd.camera == "zoom in"
    assert "20 degrees" in odd.notes[0]
    assert "nothing of what people do" in split_prompt("the camera pans left").notes[0]


VOCABULARY = (
    "the camera a man woman walks waves and then while as with , . ; slowly pans zooms orbits tilts left right up down "
    "in out around him shot of tracking static handheld follows from above behind seen filmed low angle 60 degrees 2 "
    "metres over seconds moves he it close-up then dolly crane push back full turn clockwise hold still"
)


@given(st.lists(st.sampled_from(VOCABULARY.split()), max_size=60))
@settings(max_examples=150, deadline=1000)
def test_any_words_give_a_camera_that_can_be_read(words):
    prompt = " ".join(words)
    split = split_prompt(prompt)
    if split.camera is not None:
        parse_camera(split.camera)
    assert set(re.findall(r"\w+", split.motion)) <= set(re.findall(r"\w+", prompt)), "nothing is invented"
    # A comma may stand where the camera's clause goes over into another.
    commas = sum(word in ("and", "while", "as", "then") for word in words)
    assert split.camera is not None or len(split.motion) <= len(prompt) + 2 * prompt.count(".") + commas


@pytest.mark.parametrize(
    "text", ["the camera moves slowly ", "shot of a ", "seen from ", "circling around a very ", "a"]
)
def test_long_texts_are_read_in_no_time(text):
    begin = time.perf_counter()
    split_prompt(text * (4000 // len(text)))
    assert time.perf_counter() - begin < 2
