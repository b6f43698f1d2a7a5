"""docs/papers.md is what the methods' files say."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_is_made_of_the_files():
    spec = spec_from_file_location("make_papers", DOCS / "make_papers.py")
    maker = module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert (DOCS / "papers.md").read_text(encoding="utf-8") == maker.page(), "python docs/make_papers.py"
