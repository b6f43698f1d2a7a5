"""Several takes of one request: the one that follows the scene best is kept, and says how far it did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import kinema
from kinema.app.cli import app
from kinema.media.video import read_settings

pytest.importorskip("mediapipe")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WALK = str(EXAMPLES / "walk_and_wave.bvh")


def request(**changes: object) -> kinema.VideoRequest:
    return kinema.VideoRequest.of(motion=WALK, camera="arc left 40deg", seconds=0.5, steps=1, **changes)


def test_the_best_take_comes_first_and_the_others_stay() -> None:
    best = kinema.fulfil(request(takes=2, seed=5))
    assert best.followed is not None
    assert best.settings["followed"] == best.followed.as_json()
    assert {best.settings["seed"], *(each.settings["seed"] for each in best.others)} == {5, 6}
    assert best.followed.score >= best.others[0].followed.score
    assert any(note.startswith("takes by how far they followed: seed ") for note in best.notes)
    alone = kinema.fulfil(request(seed=best.settings["seed"]))
    assert (alone.frames == best.frames).all()
    assert alone.followed is None


def test_all_takes_are_written_and_a_score_travels_with_each(tmp_path: Path) -> None:
    arguments = ["animate", "--motion", WALK, "--backbone", "mini", "--seconds", "0.5", "--steps", "1"]
    out = tmp_path / "out.mp4"
    done = CliRunner().invoke(app, [*arguments, "--takes", "2", "--keep", "all", "-o", str(out), "--json"])
    assert done.exit_code == 0, done.output
    best = json.loads(done.stdout.splitlines()[-1])
    other = tmp_path / f"out.seed-{1 - best['seed']}.mp4"
    assert read_settings(out)["followed"]["score"] >= read_settings(other)["followed"]["score"]
    wrong = CliRunner().invoke(app, [*arguments, "--keep", "some", "-o", str(tmp_path / "b.mp4")])
    assert isinstance(wrong.exception, ValueError)
    assert "give best or all" in str(wrong.exception)


def test_a_rough_take_is_scored_but_has_no_takes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--takes"):
        kinema.fulfil(kinema.VideoRequest.of(picture="hero.png", motion=WALK, takes=2))
    with pytest.raises(ValueError, match="1 to 64"):
        kinema.Sampling(takes=0)
