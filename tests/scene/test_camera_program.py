"""Camera texts: what is read, what is refused, and that a described program reads back."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.scene.camera_language import (
    CameraLanguageError,
    CameraProgram,
    Move,
    Step,
    camera_path,
    parse_camera,
    random_camera,
)
from kinema.scene.camera_vocabulary import CURVES, SPEEDS, VERBS

WORDS = ("pan", "left", "9", "deg", "then", "with", "over", "s", "m", "x", "ease", "hold", ",", "in")


def only(text: str) -> Move:
    program = parse_camera(text)
    assert len(program.steps) == 1
    assert len(program.steps[0].moves) == 1
    return program.steps[0].moves[0]


def test_the_example() -> None:
    program = parse_camera("arc left 60deg with pedestal up 0.3m then hold 1s ease")
    assert program == CameraProgram(
        (
            Step((Move("arc", "left", 60.0, curve="ease"), Move("pedestal", "up", 0.3, curve="ease"))),
            Step((Move("hold", seconds=1.0),)),
        )
    )
    assert str(program) == "arc left 60deg ease with pedestal up 0.3m ease then hold 1s"


@pytest.mark.parametrize(
    ("text", "move"),
    [
        ("static", Move("hold")),
        ("hold for 1.5s", Move("hold", seconds=1.5)),
        ("HOLD 500ms", Move("hold", seconds=0.5)),
        ("Dolly In 1 m over 2 s", Move("dolly", "in", 1.0, 2.0)),
        ("push in 50cm", Move("dolly", "in", 0.5)),
        ("pull back", Move("dolly", "out")),
        ("truck left 1 metre", Move("truck", "left", 1.0)),
        ("slow pan right", Move("pan", "right", speed="slow")),
        ("pan right 20° quickly", Move("pan", "right", 20.0, speed="fast")),
        ("tilt up 10 degrees ease-in", Move("tilt", "up", 10.0, curve="ease-in")),
        ("roll clockwise 5deg", Move("roll", "cw", 5.0)),
        ("roll left 5deg", Move("roll", "ccw", 5.0)),
        ("zoom in 2x", Move("zoom", "in", 2.0)),
        ("zoom out 1.5×", Move("zoom", "out", 1.5)),
        ("orbit cw 90deg", Move("arc", "left", 90.0)),
        ("arc anti-clockwise", Move("arc", "right")),
        ("crane up 1m smooth", Move("crane", "up", 1.0, curve="ease")),
        ("dolly zoom in", Move("dolly-zoom", "in")),
        ("vertigo out 1m", Move("dolly-zoom", "out", 1.0)),
        ("follow", Move("follow")),
        ("follow tail 3m", Move("follow tail", None, 3.0)),
        ("follow side", Move("follow side", "left")),
        ("follow side right", Move("follow side", "right")),
        ("follow arc cw 30deg", Move("follow arc", "left", 30.0)),
        ("follow pan ease", Move("follow pan", curve="ease")),
        ("motionctrl:pan left 1m", Move("truck", "left", 1.0)),
        ("motionctrl: pan up", Move("pedestal", "up")),
        ("motionctrl:zoom in", Move("dolly", "in")),
        ("motionctrl:acw", Move("roll", "ccw")),
    ],
)
def test_reads(text: str, move: Move) -> None:
    assert only(text) == move


def test_a_curve_at_the_very_end_holds_for_all_but_a_moves_own() -> None:
    program = parse_camera("pan left linear then tilt up, then dolly in ease-out")
    assert [step.moves[0].curve for step in program.steps] == ["linear", "ease-out", "ease-out"]
    program = parse_camera("pan left ease then tilt up")
    assert [step.moves[0].curve for step in program.steps] == ["ease", "linear"]
    program = parse_camera("pan left then ease tilt up 10deg")  # before the move: only for the move
    assert [step.moves[0].curve for step in program.steps] == ["linear", "ease"]


def test_shaky_is_said_once_for_all() -> None:
    assert parse_camera("shaky dolly in then hold").shaky
    assert parse_camera("dolly in handheld").shaky
    assert not parse_camera("stable dolly in").shaky


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 1, "empty"),
        ("   ", 4, "empty"),
        ("paan left", 1, 'did you mean "pan"'),
        ("arc lft 60deg", 5, 'did you mean "left"'),
        ("arc", 4, "left or right"),
        ("arc left 60deg wiht pan left", 16, 'did you mean "with"'),
        ("arc left 60deg then", 20, "ends where a move"),
        ("arc left 60", 12, "degrees"),
        ("arc left 60 dge", 13, 'did you mean "deg"'),
        ("arc left 60m", 10, "not measured in m"),
        ("pan left 10deg tilt up", 16, '"then", "with"'),
        ("pan left 10deg 20deg", 16, "second amount"),
        ("hold 1s for 2s", 13, "second duration"),
        ("pan left ease linear", 15, "second speed curve"),
        ("slow pan left fast", 15, "second speed"),
        ("dolly in -1m", 10, "not a minus"),
        ("dolly in 0m", 10, "above 0"),
        ("zoom in 0.5x", 9, "in or out"),
        ("pan left 99999deg", 10, "at most 3600"),
        ("hold 9999s", 6, "at most 3600"),
        ("hold ease then pan left", 1, "no speed curve"),
        ("hold slow", 1, "slow or fast"),
        ("hold with pan left", 11, "together"),
        ("follow tal", 8, 'did you mean "tail"'),
        ("follow lead with follow pan", 18, "only one follow"),
        ("follow lead slow", 1, "slow or fast"),
        ("fast pan left 10deg over 2s", 6, "contradicts"),
        ("shaky pan left stable", 16, "both"),
        ("pan left,", 9, "comma"),
        ("dolly in over", 14, "duration"),
        ("dolly in over fast", 15, "duration"),
        ("dolly in over 2m", 15, "seconds"),
        ("motionctrl:orbit left", 12, "MotionCtrl"),
        ("motionctrl:pan in", 16, "up, down"),
        ("motionctrl:", 12, "ends"),
        ("pan\nleft 日", 10, "not part"),
        ("pan left " + "9" * 400 + "deg", 10, "at most"),
    ],
)
def test_errors_point_at_the_place(text: str, position: int, message: str) -> None:
    with pytest.raises(CameraLanguageError) as caught:
        parse_camera(text)
    assert message in str(caught.value)
    assert caught.value.position == position - 1
    assert f"character {position}:" in str(caught.value)
    line, pointer = str(caught.value).splitlines()[1:]
    assert pointer.index("^") <= len(line)


def test_absurd_texts_are_bounded() -> None:
    with pytest.raises(ValueError, match="characters"):
        parse_camera("pan left then " * 100_000)
    with pytest.raises(CameraLanguageError, match="more than 64"):
        parse_camera(" then ".join(["hold"] * 65))
    with pytest.raises(TypeError):
        parse_camera(None)  # type: ignore[arg-type]


@settings(max_examples=50, deadline=None)
@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(["pan", "left", "9", "deg", "then", "with", "over", "s", "m", "x", "ease", "hold"])
    ).map(" ".join)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        program = parse_camera(text)
    except CameraLanguageError:
        return
    assert parse_camera(str(program)) == program


@st.composite
def moves(draw: st.DrawFn, verbs: tuple[str, ...]) -> Move:
    name = draw(st.sampled_from(verbs))
    verb = VERBS[name]
    direction = draw(st.sampled_from(verb.directions)) if verb.directions else None
    low = 1.0 if verb.unit == "x" else 1e-6
    amount = draw(st.none() | st.floats(low, verb.limit)) if verb.unit else None
    seconds = draw(st.none() | st.floats(1e-3, 3600))
    curve = draw(st.sampled_from(CURVES)) if name != "hold" else "linear"
    move = Move(name, direction, amount, seconds, curve)
    if move.paced and (amount is None or seconds is None):
        return Move(name, direction, amount, seconds, curve, draw(st.none() | st.sampled_from(SPEEDS)))
    return move


@st.composite
def programs(draw: st.DrawFn) -> CameraProgram:
    plain = tuple(name for name in VERBS if name != "hold" and not name.startswith("follow"))
    follows = tuple(name for name in VERBS if name.startswith("follow"))
    steps = []
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            together = draw(st.lists(moves(plain), min_size=1, max_size=3))
        else:
            together = [draw(moves(("hold", *follows)))]
        steps.append(Step(tuple(together)))
    return CameraProgram(tuple(steps), draw(st.booleans()))


@settings(max_examples=50, deadline=None)
@given(programs())
def test_a_described_program_reads_back(program: CameraProgram) -> None:
    assert parse_camera(program.describe()) == program


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32))
def test_random_texts_are_read(seed: int) -> None:
    text = random_camera(np.random.default_rng(seed))
    assert text == random_camera(np.random.default_rng(seed))
    program = parse_camera(text)
    assert parse_camera(str(program)) == program


def test_random_texts_cover_the_vocabulary() -> None:
    rng = np.random.default_rng(0)
    texts = [random_camera(rng) for _ in range(800)]
    programs = [parse_camera(text) for text in texts]
    verbs = {move.verb.split()[0] for p in programs for step in p.steps for move in step.moves}
    assert verbs == {name for name in VERBS if " " not in name} - {"dolly-zoom"}
    assert 0.05 < np.mean([text == "static" for text in texts]) < 0.25
    assert {len(p.steps) for p in programs} == {1, 2}


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("pan left", [0, 4]),
        ("pan left 20deg then pan right 60deg", [0, 1, 4]),
        ("arc left then hold 1s", [0, 3, 4]),
        ("hold 1s then pan left 20deg then zoom in then hold 1s", [0, 1, 2, 3, 4]),
        ("slow pan left 20deg then pan left 40deg", [0, 2, 4]),
        ("fast pan left 40deg then pan left 20deg", [0, 2, 4]),
        ("pan left over 1s with tilt up over 3s", [0, 3]),
    ],
)
def test_time_is_shared_in_proportion(text: str, edges: list[float]) -> None:
    np.testing.assert_allclose(parse_camera(text).schedule(4.0), edges)


def test_durations_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="last 5 s, but the clip only 4 s"):
        parse_camera("hold 2s then pan left over 3s").schedule(4.0)
    with pytest.raises(ValueError, match="leave no time"):
        parse_camera("hold 4s then pan left").schedule(4.0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("pan",),
        ("pan", "up"),
        ("hold", "left"),
        ("hold", None, 1.0),
        ("pan", "left", float("nan")),
        ("pan", "left", 1.0, -1.0),
        ("pan", "left", 1.0, None, "wobbly"),
        ("pan", "left", 1.0, None, "linear", "warp"),
    ],
)
def test_moves_check_themselves(arguments: tuple) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Move(*arguments)


DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "camera_language.md"


def examples() -> list[str]:
    blocks = re.findall(r"^```camera\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.M | re.S)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("text", examples())
def test_every_example_in_the_document_is_filmed(text: str) -> None:
    assert camera_path(text, size=(32, 32), fps=8, frames=33).frames == 33
    assert parse_camera(str(parse_camera(text))) == parse_camera(text)


def test_the_document_names_every_move_and_default() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert len(examples()) > 15
    for name, verb in VERBS.items():
        phrases = [f"`{name} {direction}`" for direction in verb.directions] or [f"`{name}`"]
        row = next(
            (line for line in document.splitlines() if line.startswith("|") and phrases[0] in line), ""
        )
        assert all(phrase in row for phrase in phrases), name
        if verb.unit and not name.startswith("follow"):
            default = f"{verb.default:g}"
            assert f"| {default} of the distance" in row if verb.of_distance else f"| {default}" in row, name


def test_the_error_in_the_document_is_the_real_one() -> None:
    with pytest.raises(CameraLanguageError) as caught:
        parse_camera("arc lft 60deg")
    assert str(caught.value) in DOCUMENT.read_text(encoding="utf-8")
