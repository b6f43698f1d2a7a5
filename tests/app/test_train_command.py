"""`kinema train`: options are listed, kept in the run's folder, and taken from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.data.videos import make_video

from kinema.training.config import Run
from kinema.training.recipes import autoencoder, tokenmotion


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Run]]:
    """What the recipe `autoencoder` was run with; it leaves a checkpoint and ends at once."""
    runs: list[tuple[Any, Run]] = []

    def run(recipe: Any, run: Run) -> Path:
        runs.append((recipe, run))
        (run.out / "checkpoint").touch()
        return run.out

    monkeypatch.setattr(autoencoder, "run", run)
    return runs


def test_options_are_listed(cli, run):
    options = cli("train", "motion", "--options")["options"]
    assert options["trainer.steps"] | {"help": ""} == {
        "kind": "a whole number",
        "required": False,
        "default": 6000,
        "help": "",
    }
    text = run("train", "motion", "--options")[1]
    assert "model.width=256" in text
    assert "channels of a token." in text


def test_a_run_goes_on_with_its_own_options(cli, ran, tmp_path):
    out = tmp_path / "run"
    cli("train", "autoencoder", "--out", out, "--seed", 4, "--set", "data.takes=7", "--set", "model.people=2")
    cli("train", "autoencoder", "--out", out, "--resume", "--set", "model.people=3")
    (first, _), (second, run) = ran
    assert (first.data.takes, first.model.people) == (7, 2.0)
    assert (second.data.takes, second.model.people, run.seed) == (7, 3.0, 4)
    assert json.loads((out / "recipe.json").read_text())["config"]["model"]["people"] == 3.0


def test_another_run_begins_from_a_file(cli, cli_error, ran, tmp_path):
    cli("train", "autoencoder", "--out", tmp_path / "one", "--seed", 4, "--set", "data.takes=7")
    file = tmp_path / "one" / "recipe.json"
    cli("train", "--recipe-file", file, "--out", tmp_path / "two")
    cli("train", "autoencoder", "--recipe-file", file, "--out", tmp_path / "three", "--seed", 5)
    assert [recipe == ran[0][0] for recipe, _ in ran] == [True] * 3
    assert [run.seed for _, run in ran] == [4, 4, 5]
    assert "of recipe 'autoencoder', not of 'motion'" in cli_error(
        "train", "motion", "--recipe-file", file, "--out", tmp_path / "four"
    )
    file.write_text("{}")
    assert "no file of a recipe's settings" in cli_error("train", "--recipe-file", file)


def test_a_start_that_failed_can_be_tried_again(cli, cli_error, ran, monkeypatch, tmp_path):
    assert "did you mean data.takes?" in cli_error(
        "train", "autoencoder", "--out", tmp_path, "--set", "takes=3"
    )
    assert "NAME=VALUE" in cli_error("train", "autoencoder", "--out", tmp_path, "--set", "data.takes")
    with monkeypatch.context() as patch:
        patch.setattr(autoencoder, "run", lambda recipe, run: (tmp_path / "missing" / "x").read_text())
        cli_error("train", "autoencoder", "--out", tmp_path, "--set", "data.takes=3")
    cli("train", "autoencoder", "--out", tmp_path, "--set", "data.takes=4")
    assert ran[0][0].data.takes == 4
    assert "--resume" in cli_error("train", "autoencoder", "--out", tmp_path)


def test_a_run_is_resumed_by_its_folder(cli, cli_error, ran, tmp_path):
    cli("train", "autoencoder", "--out", tmp_path / "one", "--seed", 4, "--set", "data.takes=7")
    cli("train", "--resume", "--out", tmp_path / "one")
    assert (ran[1][0].data.takes, ran[1][1].seed) == (7, 4)
    assert "say which recipe" in cli_error("train", "--resume", "--out", tmp_path / "two")


def test_a_data_file_is_checked_before_anything_runs(cli, cli_error, tmp_path):
    make_video(tmp_path / "videos" / "a.mp4")
    data = tmp_path / "data.toml"
    data.write_text('capture = true\n[[set]]\nkind = "folder"\nvideos = "videos"\n')
    told = cli("train", "tokenmotion", "--data", data, "--check-data")
    assert told["problems"] == []
    assert told["sets"] == [{"name": "videos", "clips": 1, "seconds": 2.0, "known": {}}]
    (tmp_path / "videos" / "b.mp4").write_bytes(b"no video")
    assert "videos/b.mp4: " in cli_error("train", "tokenmotion", "--data", data, "--check-data")
    assert "give a data.toml" in cli_error("train", "--check-data")


def test_short_words_and_presets_become_options(cli, ran, monkeypatch, tmp_path):
    monkeypatch.setattr(tokenmotion, "run", lambda recipe, run: ran.append((recipe, run)) or run.out)
    words = ("train", "tokenmotion", "--backbone", "B", "--data", "videos", "--preset", "8x80gb")
    cli(*words, "--out", tmp_path / "run", "--set", "model.checkpointing=false")
    ((recipe, _),) = ran
    assert (recipe.model.weights, recipe.data.videos) == ("B", "videos")
    assert (recipe.model.dtype, recipe.model.checkpointing, recipe.trainer.accumulate) == (
        "bfloat16",
        False,
        2,
    )
