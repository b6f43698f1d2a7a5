"""`kinema papers`: what files say of themselves, read without importing them."""

import json
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

import kinema.papers as papers
from kinema.app.commands import papers as command


def fresh(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_command_lists_papers_as_json_without_torch():
    out = fresh(
        "import sys\nsys.argv = ['kinema', 'papers', '--json']\nfrom kinema.app.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'diffusers', 'numpy'} & set(sys.modules)"
    )
    found = {each["name"]: each for each in json.loads(out)}
    assert {"tokenmotion", "mtvcraft", "mosa"} <= set(found)
    fields = {"name", "title", "arxiv", "parts", "reads", "ours", "verdict", "command"}
    assert all(set(each) == fields for each in found.values())
    assert found["tokenmotion"]["arxiv"] == "2504.08181"
    assert found["mosa"]["parts"]["objective.mask"] == "MaskLoss"


def test_what_is_read_is_what_is_imported():
    for each in papers.listing():
        paper = papers.import_module(each.module).PAPER
        assert each.facts() == {
            **{name: getattr(paper, name) for name in ("name", "title", "arxiv", "verdict", "command")},
            "reads": paper.reads,
            "ours": paper.ours,
            "parts": {kind: part.__name__ for kind, part in paper.parts.items()},
        }
        assert paper.ours, "every paper leaves something open"
        assert paper.verdict
        assert paper.command.startswith("kinema ")


def test_parts_are_found_by_kind_and_name():
    assert papers.names("adapter")[0] == "tokenmotion"  # the default one
    assert papers.find("objective.track", "mosa").__name__ == "TrackLoss"
    assert "objective.mask" in papers.kinds()
    with pytest.raises(ValueError, match="no guider 'mosa': there are"):
        papers.find("guider", "mosa")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a module with a paper, as another package would."""

    def install(source: str) -> None:
        (tmp_path / "their_paper.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        entry = EntryPoint("theirs", "their_paper", papers.ENTRY_POINTS)
        monkeypatch.setattr(papers, "entry_points", lambda group: [entry])
        papers.listing.cache_clear()

    yield install
    papers.listing.cache_clear()
    sys.modules.pop("their_paper", None)


def test_other_packages_add_papers_by_an_entry_point(installed):
    installed(
        "from kinema.diffusion.guider import Guider\nfrom kinema.papers.paper import Paper\n"
        "class Late(Guider):\n    pass\n"
        'PAPER = Paper("late", "Late starts", "0000.00000", parts={"guider": Late})\n'
    )
    assert "late" in papers.names("guider")
    assert "their_paper" not in sys.modules
    assert papers.find("guider", "late").__name__ == "Late"


def test_a_long_name_stands_apart_in_the_list(installed, capsys):
    installed(
        "from kinema.diffusion.guider import Guider\nfrom kinema.papers.paper import Paper\n"
        'PAPER = Paper("later-than-others", "Late starts", "0000.00000", parts={"guider": Guider})\n'
    )
    command.papers(None, as_json=False)
    assert "later-than-others  0000.00000" in capsys.readouterr().out
    command.papers("later-than-others", as_json=False)
    assert capsys.readouterr().out == "Late starts\narXiv 0000.00000\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n", "their_paper has no PAPER"),
        ('PAPER = Paper("late", "T" + str(1), "0", parts={})\n', "line 1: PAPER is made of literals"),
        ('PAPER = Paper("late", "T", "0", parts=dict())\n', "line 1: parts is a dictionary"),
        ('PAPER = Paper("mosa", "T", "0", parts={})\n', "two papers are named 'mosa'"),
        ('PAPER = Paper("late", parts={})\n', "missing 2 required positional arguments"),
        ('PAPER = Paper("late", "T", "0", parts={}, year=2025)\n', "unexpected keyword argument 'year'"),
        ('PAPER = Paper(5, "T", "0", parts={})\n', "are text"),
        ("PAPER = Paper(", "was never closed"),
        ("\0", "null"),
    ],
)
def test_a_paper_that_cannot_be_read_is_said_and_takes_no_other_with_it(installed, source, message):
    installed(source)
    with pytest.warns(UserWarning, match=f"entry point 'theirs' of kinema.papers is left out: .*{message}"):
        found = {each.name: each.module for each in papers.listing()}
    assert "late" not in found
    assert found["mosa"] == "kinema.papers.mosa"


def test_a_paper_whose_package_is_gone_is_said(monkeypatch):
    entry = EntryPoint("theirs", "nowhere.their_paper", papers.ENTRY_POINTS)
    monkeypatch.setattr(papers, "entry_points", lambda group: [entry])
    papers.listing.cache_clear()
    with pytest.warns(UserWarning, match="left out: No module named 'nowhere'"):
        assert papers.names("adapter")[0] == "tokenmotion"
    papers.listing.cache_clear()
