"""Every recipe's options are described, kept in the run's folder, and taken from there."""

from __future__ import annotations

import json
from dataclasses import MISSING, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from kinema.scene.formats.errors import FormatError
from kinema.training.config import Run, configure, describe, load, save
from kinema.training.recipes import RECIPES, SETTINGS, autoencoder, options_of, run_recipe, settings

NESTED = [
    name
    for name in RECIPES
    if hasattr(import_module(f"kinema.training.recipes.{name.replace('-', '_')}"), "Recipe")
]


@pytest.mark.parametrize("name", NESTED)
def test_every_option_says_what_it_is_for(name: str):
    assert [option.key for option in options_of(name) if not option.help] == []
    assert all(option.kind for option in options_of(name))
    assert not any(option.key.endswith("seed") for option in options_of(name))


@pytest.mark.parametrize("name", NESTED)
def test_settings_come_back_from_text_and_from_files(name: str, tmp_path: Path):
    required = {option.key: "some" for option in options_of(name) if option.default is MISSING}
    recipe = settings(name, required)
    assert configure(type(recipe), {option.key: option.text for option in describe(recipe)}) == recipe
    save(recipe, tmp_path / SETTINGS, name)
    assert settings(name, {}, tmp_path / SETTINGS) == recipe


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Run]]:
    """What the recipe `autoencoder` was run with; it ends at once."""
    runs: list[tuple[Any, Run]] = []

    def run(recipe: Any, run: Run) -> Path:
        assert (run.out / SETTINGS).is_file()
        runs.append((recipe, run))
        return run.out / "autoencoder"

    monkeypatch.setattr(autoencoder, "run", run)
    return runs


def test_a_run_keeps_its_settings(ran: list[tuple[Any, Run]], tmp_path: Path):
    out = tmp_path / "runs" / "one"
    assert run_recipe("autoencoder", out, 2, "cpu", 3, {"data.takes": "5"}) == out / "autoencoder"
    recipe, run = ran[0]
    assert run == Run(out, 2, "cpu", 3)
    assert recipe == replace(autoencoder.Recipe(), data=autoencoder.Data(takes=5))
    kept = json.loads((out / SETTINGS).read_text())
    assert (kept["recipe"], kept["seed"], kept["config"]["data"]["takes"]) == ("autoencoder", 3, 5)
    run_recipe("autoencoder", tmp_path / "two", 2, "cpu", 3, {"model.channels": "8"}, file=out / SETTINGS)
    assert (
        ran[1][0]
        == replace(recipe, model=autoencoder.Model(channels=8))
        == load(type(recipe), tmp_path / "two" / SETTINGS)
    )
    with pytest.raises(FormatError, match="of recipe 'autoencoder', not of 'motion'"):
        run_recipe("motion", tmp_path / "three", 2, "cpu", 0, {}, file=out / SETTINGS)
    assert not (tmp_path / "three").exists()


def test_mistakes_leave_nothing(tmp_path: Path):
    for options, says in (
        ({"speed": "9"}, "no option 'speed'; there are data"),
        ({"takes": "9"}, r"did you mean data.takes\?"),
        ({"data.takes": "many"}, "data.takes='many': expected a whole number"),
        ({"data.licence": "free"}, "data.licence='free': expected any or commercial"),
    ):
        with pytest.raises(ValueError, match=says):
            run_recipe("autoencoder", tmp_path / "run", 1, options=options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("data.batch=0", "data.batch is at least 1"),
        ("data.workers=-1", "data.workers is at least 0"),
        ("conditions.drop_text=7", "chances from 0 to 1"),
        ("conditions.drop_both=0.9", "chances from 0 to 1"),
        ("trainer.accumulate=0", "trainer.accumulate is at least 1"),
    ],
)
def test_numbers_that_nothing_can_be_trained_with_are_said_before_anything_is_loaded(option: str, says: str):
    key, _, value = option.partition("=")
    with pytest.raises(ValueError, match=says):
        settings("control", {"model.adapter": "mosa", "model.weights": "some", key: value})


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_out_of_range_are_said(tmp_path: Path, seed: int):
    with pytest.raises(ValueError, match=f"seed {seed}: give a whole number"):
        run_recipe("control", tmp_path / "run", 1, seed=seed)
    assert not (tmp_path / "run").exists()
