"""Settings of recipes: options change them, files keep them, and mistakes are said."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinema.scene.formats.errors import FormatError
from kinema.training.config import configure, describe, load, read, save


@dataclass(frozen=True)
class Rate:
    """How fast.

    Args:
        peak: the highest rate,
            after the rise.
        betas: two decays.
        seed: of the run.
    """

    peak: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.95)
    seed: int = field(default=0, metadata={"option": False})


@dataclass(frozen=True)
class Trainer:
    """How to train.

    Args:
        steps: how many.
        rate: how fast.
    """

    steps: int
    rate: Rate = Rate()


@dataclass(frozen=True)
class Model:
    """What is trained.

    Args:
        adapter, weights: what it is: and where.
        layers: which.
        form: one of three.
        options: of the adapter.
    """

    adapter: str
    weights: str | None = None
    layers: tuple[int, ...] = ()
    form: Literal["plain", "tall", 3] = "plain"
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """All of it.

    Args:
        compile: make it quick.
    """

    model: Model
    compile: bool = False
    trainer: Trainer = Trainer(steps=100)


finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(max_size=8).filter(lambda text: text == text.strip() and text.lower() != "none")
recipes = st.builds(
    Recipe,
    st.builds(
        Model,
        names,
        st.none() | names,
        st.lists(st.integers(), max_size=3).map(tuple),
        st.sampled_from(["plain", "tall", 3]),
        st.dictionaries(
            names, st.integers() | finite | names | st.lists(st.none() | st.booleans()), max_size=2
        ),
    ),
    st.booleans(),
    st.builds(Trainer, st.integers(), st.builds(Rate, finite, st.tuples(finite, finite))),
)


def texts(recipe: Recipe) -> dict[str, str]:
    """A recipe as one would type it."""

    def text(value: Any) -> str:
        if isinstance(value, tuple):
            return ",".join(map(repr, value))
        return json.dumps(value) if isinstance(value, dict) else str(value)

    return {option.key: text(option.default) for option in describe(recipe)}


@given(recipes, recipes)
def test_every_value_can_be_typed(wanted: Recipe, other: Recipe):
    assert configure(Recipe, texts(wanted)) == wanted
    assert configure(other, texts(wanted)) == wanted
    assert configure(wanted, [f"{key} = {text}" for key, text in texts(wanted).items()]) == wanted
    assert configure(wanted, {}) == wanted


@given(recipes)
def test_what_is_saved_is_read_back(tmp_path_factory, recipe: Recipe):
    path = tmp_path_factory.mktemp("run") / "recipe.json"
    save(recipe, path, "control", 7)
    assert load(Recipe, path) == recipe
    assert (read(path).recipe, read(path).seed) == ("control", 7)


def test_only_what_is_named_changes():
    recipe = configure(Recipe, {"model.adapter": "mosa", "trainer.rate.peak": "1"})
    assert recipe == Recipe(Model("mosa"), trainer=Trainer(100, Rate(peak=1.0)))
    assert type(recipe.trainer.rate.peak) is float
    again = configure(recipe, ["model.weights=a=b", "model.form=3"])
    assert again.model == Model("mosa", "a=b", form=3)
    assert configure(again, ["model.weights=none"]).model.weights is None
    seeded = replace(recipe, trainer=replace(recipe.trainer, rate=Rate(seed=5)))
    assert configure(seeded, {"compile": "true"}).trainer.rate.seed == 5


def test_options_are_described():
    options = {option.key: option for option in describe(Recipe)}
    assert list(options)[:2] == ["model.adapter", "model.weights"]
    assert options["model.adapter"].default is MISSING
    assert options["model.adapter"].help == options["model.weights"].help == "what it is: and where."
    assert options["trainer.steps"].default == 100
    assert options["trainer.rate.peak"].help == "the highest rate, after the rise."
    assert options["model.weights"].kind == "text or none"
    assert options["model.form"].kind == "plain or tall or 3"
    assert "trainer.rate.seed" not in options


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("modle.adapter=x", r"no option 'modle.adapter'; did you mean model.adapter\?"),
        ("adapter=x", r"did you mean model.adapter\? there are model.*, compile, trainer.*$"),
        ("peak=1", r"did you mean trainer.rate.peak\?"),
        (
            "trainer.rate.pek=1",
            r"did you mean trainer.rate.peak.*there are trainer.rate.peak, trainer.rate.betas$",
        ),
        ("trainer.rate.seed=1", "no option 'trainer.rate.seed'"),
        ("zzz=1", r"no option 'zzz'; there are model"),
        ("trainer=1", "'trainer' is a group of options: give one of trainer.steps"),
        ("compile.now=1", "no option 'compile.now'"),
        ("compile=1", "compile='1': expected true or false"),
        ("trainer.steps=1.5", "trainer.steps='1.5': expected a whole number"),
        ("trainer.rate.peak=fast", "trainer.rate.peak='fast': expected a number"),
        ("trainer.rate.peak=nan", "expected a number"),
        ("trainer.rate.peak=inf", "expected a number"),
        ("trainer.rate.betas=0.9", "expected 2 values with commas, each a number"),
        ("model.layers=1,b", "expected values with commas, each a whole number"),
        ("model.form=short", "expected plain or tall or 3"),
        ("model.options=depth=3", "expected JSON"),
        ("model.options=[1]", "expected JSON"),
        ('model.options={"a": [NaN]}', "expected JSON"),
        ("model.options=" + "[" * 100_000, "expected JSON"),
        ("compile=false", "needs --set model.adapter=...$"),
        ("compile", "give NAME=VALUE"),
    ],
)
def test_mistakes_are_said(option: str, says: str):
    with pytest.raises(ValueError, match=says):
        configure(Recipe, [option])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no file of a recipe's settings"),
        ("[1]", "no file of a recipe's settings"),
        ("{}", "no file of a recipe's settings"),
        ('{"recipe": "a", "seed": "0", "kinema": "1", "config": {}}', "no file of a recipe's settings"),
        (
            {"model": {"adapter": "x", "wieghts": None}},
            r"no option 'model.wieghts'; did you mean model.weights",
        ),
        ({"model": {"adapter": "x"}, "extra": {"a": 1}}, "no option 'extra'"),
        ({"model": 3}, "'model' is a group of options"),
        ({"model": {"adapter": 3}}, "model.adapter is 3: expected text"),
        ({"model": {"adapter": "x", "form": [3]}}, "model.form is .*: expected plain or tall"),
        ({"model": {"adapter": "x"}, "compile": 1}, "compile is 1: expected true or false"),
        (
            {"model": {"adapter": "x"}, "trainer": {"steps": True}},
            "trainer.steps is true: expected a whole number",
        ),
        ({"model": {"adapter": "x"}, "trainer": {"rate": {"peak": float("nan")}}}, "expected a number"),
        ({"model": {"adapter": "x"}, "trainer": {"rate": {"peak": 10**400}}}, "expected a number"),
        ({"model": {"adapter": "x", "options": {"a": float("inf")}}}, "expected JSON"),
        ({}, "needs --set model.adapter="),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, text: Any, says: str):
    path = tmp_path / "recipe.json"
    whole = {"recipe": "a", "seed": 0, "kinema": "1", "config": text}
    path.write_text(text if isinstance(text, str) else json.dumps(whole))
    with pytest.raises(FormatError, match=says) as caught:
        load(Recipe, path)
    assert str(path) in str(caught.value)


def test_what_a_file_leaves_out_has_its_default(tmp_path: Path):
    path = tmp_path / "recipe.json"
    path.write_text(
        json.dumps({"recipe": "", "seed": 0, "kinema": "1", "config": {"model": {"adapter": "x"}}})
    )
    assert load(Recipe, path) == Recipe(Model("x"))
