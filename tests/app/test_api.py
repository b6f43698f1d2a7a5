"""`import kinema`: what is offered is there, documented, and its examples run."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
from importlib.resources import files
from pathlib import Path

import numpy
import pytest

import kinema

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES = [name for name in kinema.__all__ if name != "papers"]
EMBEDDED = {"animate", "control_signals", "fulfil", "generate", "load_pipeline", "make_motion", "Progress"}
"""Whose examples need the weights in the package."""


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A folder to write to, with the examples in it."""
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def examples(name: str) -> list[doctest.Example]:
    thing = getattr(kinema, name)
    own = [thing]
    if inspect.isclass(thing):
        own += [getattr(thing, key) for key, each in vars(thing).items() if isinstance(each, classmethod)]
    docs = [inspect.getdoc(each) or "" for each in own]
    return [example for doc in docs for example in doctest.DocTestParser().get_examples(doc)]


@pytest.mark.parametrize("name", NAMES)
def test_the_example_runs(name, here):
    if name in EMBEDDED and not (files("kinema") / "weights" / "mini" / "pipeline.json").is_file():
        pytest.skip("the embedded weights are not in this checkout")
    if name == "capture_video":
        pytest.importorskip("mediapipe")
    asked = examples(name)
    assert asked, f"kinema.{name} has no example"
    test = doctest.DocTest(asked, {"kinema": kinema, "numpy": numpy}, name, None, None, None)
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)


def test_papers_are_listed():
    assert "tokenmotion" in [paper.name for paper in kinema.papers.listing()]


def test_the_page_is_up_to_date():
    place = REPOSITORY / "docs" / "make_api.py"
    spec = importlib.util.spec_from_file_location("make_api", place)
    make_api = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_api)
    assert {name for names in make_api.SECTIONS.values() for name in names} == set(kinema.__all__)
    page = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
    assert page == make_api.page(), "run python docs/make_api.py"


def test_what_is_not_there_is_said():
    with pytest.raises(AttributeError, match="no attribute 'animat'"):
        kinema.animat  # noqa: B018
    with pytest.raises(TypeError, match="no option 'sede'; is it 'seed'"):
        kinema.VideoRequest.of(sede=3)
    with pytest.raises(ValueError, match="given as well"):
        kinema.VideoRequest.of(seed=3, sampling=kinema.Sampling())
    assert set(kinema.__all__) <= set(dir(kinema))
