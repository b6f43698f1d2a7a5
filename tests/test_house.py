"""The house rules: the embedded model is one among others, and what is gone stays gone."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCE = REPOSITORY / "src" / "kinema"

AT_HOME = (
    "video/models/mini/",
    "video/registry.py",
    "training/recipes/__init__.py",
    "training/recipes/mini.py",
    "training/recipes/autoencoder.py",
    "training/recipes/parts.py",
    "weights/",
)
"""Where the embedded model may be named: its folder, the registry, its own recipes, its weights."""

GONE = re.compile(
    r"people_plate|PeoplePlate|body_colours|body_ellipsoids|in_colours_of|no_brighter"
    r"|kinema[./](appearance|structure|control)\b"
)


def test_no_general_file_names_the_embedded_model():
    naming = {
        str(file.relative_to(SOURCE))
        for file in SOURCE.rglob("*.py")
        if re.search(r"\bmini\b", file.read_text(encoding="utf-8"), re.IGNORECASE)
    }
    assert {name for name in naming if not name.startswith(AT_HOME)} == set()


def test_gone_names_are_gone():
    """In code and on every page; only the diaries in docs/notes tell of them."""
    folders = [(folder, "*.py") for folder in ("src", "tests", "benchmarks", "examples")] + [("docs", "*.md")]
    files = [
        file
        for folder, pattern in folders
        for file in (REPOSITORY / folder).rglob(pattern)
        if file != Path(__file__).resolve() and "notes" not in file.parts
    ]
    naming = {
        str(file.relative_to(REPOSITORY)) for file in files if GONE.search(file.read_text(encoding="utf-8"))
    }
    assert naming == set()
