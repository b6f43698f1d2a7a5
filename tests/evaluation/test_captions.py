"""Motions in words: what is measured is said right, and what is unsure is said with reserve."""

import json

import numpy as np
import pytest
from tests.motion.walking import walk

from kinema.evaluation.captions import MotionDescriber, sentence
from kinema.motion.generator import load_motion_generator


@pytest.fixture(scope="module")
def describe():
    return MotionDescriber()


@pytest.mark.parametrize("prompt", ["a person raises the left hand", "a person waves with the right hand"])
def test_hands_are_told(describe, prompt):
    motion = load_motion_generator()(prompt, 4.0, 1)
    (part,) = describe(motion)
    side = "left" if "left" in prompt else "right"
    assert part.hands == side
    assert side in part.text
    assert part.metres < 1.0


def test_ways_and_turns_are_measured(describe):
    motion = load_motion_generator()("a person walks and turns 90 degrees to the left", 5.0, 1)
    (part,) = describe(motion)
    assert part.degrees == pytest.approx(90, abs=12)
    assert f"turning {abs(part.degrees):.0f} degrees to the left" in part.text
    mirrored = describe(motion.mirror())[0]
    assert mirrored.degrees == pytest.approx(-part.degrees, abs=0.5)
    assert "to the right" in mirrored.text


def test_long_motions_are_told_in_parts_that_cover_them(describe):
    motion = load_motion_generator()(["a person runs", "a person waves with both hands"], [5.0, 5.0], 1)
    parts = describe(motion)
    assert len(parts) == 2
    assert (parts[0].start, parts[-1].end) == (0.0, pytest.approx(motion.duration))
    assert parts[0].end == parts[1].start
    assert "run" in parts[0].text
    assert parts[1].hands == "both"
    assert sentence(parts).count("a person") == 1
    again = walk(401)
    assert len(describe(again)) == 1  # the same all along


class Doubtful:
    """A matcher that finds every text as much like every motion: half."""

    def motions(self, motions):
        return np.tile([1.0, 0.0], (len(motions), 1))

    def texts(self, texts):
        return np.tile([0.5, 0.75**0.5], (len(texts), 1))


def test_what_is_little_like_its_words_is_said_with_reserve():
    (part,) = MotionDescriber(Doubtful())(walk(81))
    assert part.likeness == 0.5
    assert part.text.startswith("something like: a person ")
    assert part.style == "normal"


def test_the_command(tmp_path, capsys, monkeypatch):
    from kinema.app.cli import main
    from kinema.scene.formats import write_motion

    write_motion(tmp_path / "walk.bvh", walk(81))
    monkeypatch.setattr("sys.argv", ["kinema", "describe", str(tmp_path / "walk.bvh"), "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    told = json.loads(capsys.readouterr().out)
    assert len(told["people"]) == 1
    assert told["people"][0]["parts"][0]["metres"] == pytest.approx(4.0, abs=1.0)
