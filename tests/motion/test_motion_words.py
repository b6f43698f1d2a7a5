"""What a prompt says of clothes, places, hours and style is left out of its motion part, and nothing else is."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.data.motion_library import MotionLibrary
from kinema.motion.motion_words import motion_part

LEFT_OUT = [
    # clothes and looks
    ("a woman in a red coat walks forward", "a woman walks forward"),
    ("a woman in red walks", "a woman walks"),
    ("a man in jeans and a white t-shirt jumps", "a man jumps"),
    ("a man wearing a long black leather coat runs", "a man runs"),
    ("a man wearing sunglasses waves", "a man waves"),
    ("a girl dressed in a blue kimono bows", "a girl bows"),
    ("a dancer dressed in white spins", "a dancer spins"),
    ("a woman with long blonde hair dances", "a woman dances"),
    ("a man with a grey beard and blue eyes sits down", "a man sits down"),
    ("a beautiful young woman dances", "a young woman dances"),
    ("a blonde woman walks", "a woman walks"),
    ("a bald old man walks slowly", "an old man walks slowly"),
    ("A handsome athlete sprints", "An athlete sprints"),
    ("a dark-haired man kicks", "a man kicks"),
    ("an elderly man in a suit and a hat waves", "an elderly man waves"),
    # places
    ("a man walks on a beach", "a man walks"),
    ("a man walks on the sandy beach slowly", "a man walks slowly"),
    ("a woman dances in a park", "a woman dances"),
    ("in a park, a man jogs", "a man jogs"),
    ("a person jumps in the middle of the street", "a person jumps"),
    ("a woman stands in front of a white background and waves", "a woman stands and waves"),
    ("a dancer on stage spins twice", "a dancer spins twice"),
    ("a man boxes in a gym", "a man boxes"),
    ("a man dances in the streets of Tokyo", "a man dances"),
    ("a man walks in a forest full of trees", "a man walks"),
    ("a chef in a white apron stirs in the kitchen", "a chef stirs"),
    ("a child plays outdoors, then falls down", "a child plays, then falls down"),
    ("a man bows at home", "a man bows"),
    ("a boy kicks a ball on a basketball court", "a boy kicks a ball"),
    ("a woman twirls with mountains in the background", "a woman twirls"),
    # hours and weather
    ("a man runs at night", "a man runs"),
    ("a man runs at sunset, then stops", "a man runs, then stops"),
    ("a woman walks in the rain", "a woman walks"),
    ("a man waves on a sunny day", "a man waves"),
    ("a woman dances under the stars", "a woman dances"),
    ("in the early morning, a man stretches", "a man stretches"),
    # clauses of scenery and style
    ("a man runs, snow is falling", "a man runs"),
    ("a man runs, the sun is setting behind him, then he stops", "a man runs, then he stops"),
    ("a woman bows. The sky is blue. She waves.", "a woman bows. She waves."),
    ("a woman dances, photorealistic, 4k, highly detailed", "a woman dances"),
    ("a man walks, cinematic lighting, film grain", "a man walks"),
    ("a man walks in anime style", "a man walks"),
    ("a man walks in the style of Monet", "a man walks"),
    ("a cinematic video of a man doing a handstand", "a man doing a handstand"),
    ("a dancer with a crown on her head turns", "a dancer turns"),
    ("a tall beautiful woman dances by the sea", "a tall woman dances"),
    # together
    ("a woman in a red coat walks on a beach at sunset", "a woman walks"),
    ("a tall man wearing a hat walks through a park at night, then waves with his left hand",
     "a tall man walks through a park, then waves with his left hand"),
]  # fmt: skip


@pytest.mark.parametrize(("prompt", "motion"), LEFT_OUT)
def test_what_is_no_motion_is_left_out(prompt, motion):
    assert motion_part(prompt) == motion
    assert motion_part(motion) == motion


@pytest.mark.parametrize(
    "prompt",
    [
        "a person walks forward, then waves",
        "a person walks forward, then waves with the left hand",
        "a person walks in a circle",
        "a person walks in place on tiptoes",
        "a man sits down on a chair",
        "a woman lies down on the grass",
        "a man falls on the road",
        "a child climbs on the roof",
        "a man leans against a wall",
        "a man jumps into the pool",
        "a woman walks up the stairs",
        "a man walks out of the room",
        "a man running through a field",
        "a woman walks across the street",
        "a person runs around the room",
        "someone puts on a coat",
        "a man takes off his hat and bows",
        "a person picks up a hat",
        "a woman turns on her heels",
        "a person raises both arms at shoulder height",
        "a person stands with feet apart and arms in front of the chest",
        "a person walks with hands in pockets",
        "a person throws a ball at the wall, then catches it in the air",
        "an old man walks slowly in pain",
        "a person walks in a hurry",
        "two people dance together for 5 seconds, then bow",
        "a person does sun salutations, then a bridge",
        "a man walks in a square, then in a line",
        "a woman dances with closed eyes, then with eyes open",
        "a woman spins with hair flying",
        "a man walks pretty fast with light steps",
        "a man walks against the wind",
        "a woman waves, leaves the room",
        "lighting a candle, a woman sits",
        "a person steps back in surprise",
        "a person waves",
        "waves the right hand, kneels",
        "the person moves like a tree in the wind-up of a throw",
        "a person does the splits. then, stands up!",
        "  a  person   walks ,then stops",
        "",
    ],
)
def test_what_is_motion_stays_to_the_letter(prompt):
    assert motion_part(prompt) == prompt


def test_a_prompt_of_scenery_alone_stays():
    assert motion_part("a photorealistic beach at sunset") != ""
    assert motion_part("at night") == "at night"


VOCABULARY = (
    "a the man woman walks waves in on at with red coat hat beach park of full night sunset wearing and , . ; then sits "
    "down style cinematic beautiful old blonde hair rain under stars video through into chair snow is falling"
)


def bare(text: str) -> list[str]:
    """Its words; "an" as "a"."""
    return [{"an": "a"}.get(word, word) for word in re.findall(r"[\w-]+", text)]


@given(st.lists(st.sampled_from(VOCABULARY.split()), max_size=60))
@settings(max_examples=150, deadline=1000)
def test_words_are_only_taken_out(words):
    prompt = " ".join(words)
    said = iter(bare(prompt))
    assert all(word in said for word in bare(motion_part(prompt)))


def test_captions_of_captured_motion_are_motion_alone(motion_library_dir):
    captions = [text for clip in MotionLibrary.open(motion_library_dir) for text in clip.captions]
    assert captions
    assert [text for text in captions if motion_part(text) != text] == []


@pytest.mark.parametrize(
    "text", ["in a red ", "with a long ", "a beautiful ", "in the ", "wearing a hat and ", ", snow "]
)
def test_long_texts_are_read_in_no_time(text):
    begin = time.perf_counter()
    motion_part(text * (4000 // len(text)))
    assert time.perf_counter() - begin < 2
