"""Two people: what the second text means, and that its rule holds."""

import numpy as np
import pytest

from kinema.motion.generator import load_motion_generator
from kinema.motion.pairs import BEHIND, NEAR, answer_of, make_pair, react, touch_of
from kinema.scene import body_frame


@pytest.fixture(scope="module")
def generator():
    return load_motion_generator()


@pytest.fixture(scope="module")
def walker(generator):
    return generator("a person walks forward", 4.0, 1)


def floor(motion):
    return motion.joints[:, 0][:, [0, 2]]


@pytest.mark.parametrize(
    ("text", "rule", "lag"),
    [
        ("mirrors the first", "mirrors", 0.4),
        ("a person copies the first after 0.8 seconds", "copies", 0.8),
        ("follows the first person", "follows", 0.4),
        ("steps back", "steps back", 0.4),
        ("turns to face the first", "faces", 0.4),
        ("watches them", "faces", 0.4),
        ("a person waves", "", 0.4),
        ("a person turns left", "", 0.4),
    ],
)
def test_answers_are_read(text, rule, lag):
    assert answer_of(text).rule == rule
    assert answer_of(text).lag == lag


def test_touch_is_read_from_either_text():
    assert touch_of("they shake hands", "", 4.0).joints == ("right_hand", "right_hand")
    assert touch_of("a person walks", "gives a high five", 4.0).height > 1.4
    assert touch_of("a person waves both hands", "a person walks", 4.0) is None


@pytest.mark.parametrize("lag", [0.4, 1.0])
def test_a_mirror_does_the_same_later_with_the_other_side(generator, lag):
    first = generator("a person waves with the right hand", 4.0, 1)
    second = react(generator, first, f"mirrors the first after {lag} seconds")
    shift = round(lag * first.fps)
    left, right = (first.skeleton.index(f"{side}_wrist") for side in ("left", "right"))
    heights = first.joints[: first.frames - shift, right, 1]
    assert np.allclose(second.joints[shift:, left, 1], heights, atol=0.01)
    assert np.allclose(floor(second)[0], [0, 1.5], atol=0.03)
    assert np.dot(second.facing()[0], first.facing()[0]) < -0.9
    copied = react(generator, first, f"copies the first after {lag} seconds")
    assert np.allclose(copied.joints[shift:, right, 1], heights, atol=0.01)


def test_who_follows_goes_the_same_way_a_metre_behind(generator, walker):
    second = react(generator, walker, "follows the first person")
    apart = np.linalg.norm(floor(second) - floor(walker), axis=-1)
    assert apart == pytest.approx(BEHIND, abs=0.25)
    assert floor(second)[-1, 1] > 2.0


def test_who_steps_back_lets_nobody_near_and_looks_at_them(generator, walker):
    second = react(generator, walker, "steps back")
    apart = floor(walker) - floor(second)
    assert np.linalg.norm(apart, axis=-1).min() > NEAR - 0.12
    assert np.linalg.norm(floor(second)[:10] - floor(second)[0], axis=-1).max() < 0.1
    looks = np.degrees(body_frame.yaw(second.facing()) - np.arctan2(apart[:, 0], apart[:, 1]))
    assert np.abs((looks + 180) % 360 - 180)[20:].mean() < 25


def test_who_faces_the_first_keeps_turning_to_them(generator):
    first = generator("a person walks and turns left", 4.0, 1)
    second = react(generator, first, "keeps facing the first")
    apart = floor(first) - floor(second)
    looks = np.degrees(body_frame.yaw(second.facing()) - np.arctan2(apart[:, 0], apart[:, 1]))
    assert np.abs((looks + 180) % 360 - 180).mean() < 20
    assert np.linalg.norm(floor(second) - floor(second)[0], axis=-1).max() < 0.15


@pytest.mark.parametrize("text", ["they shake hands", "a high five"])
def test_hands_meet_within_two_centimetres(generator, text):
    first, second = make_pair(generator, text, text, 4.0, 1)
    hand = first.skeleton.index("right_hand")
    touch = touch_of(text, text, 4.0)
    frames = slice(int(np.ceil(touch.start * 20)), int(touch.end * 20) + 1)
    apart = np.linalg.norm(first.joints[frames, hand] - second.joints[frames, hand], axis=-1)
    assert apart == pytest.approx(0.03, abs=0.02)


def test_people_who_do_their_own_thing_do_not_collide(generator):
    first, second = make_pair(generator, "a person walks forward", "a person waves", 4.0, 1)
    assert np.linalg.norm(floor(first) - floor(second), axis=-1).min() >= 0.7
    near = make_pair(generator, "a person waves", "a person waves", 2.0, 1, distance=1.1)
    assert np.allclose(floor(near[1])[0], [0, 1.1], atol=0.02)


def test_a_text_without_an_answer_is_refused(generator, walker):
    with pytest.raises(ValueError, match="names no answer"):
        react(generator, walker, "a person sneezes")
