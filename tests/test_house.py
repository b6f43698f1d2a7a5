"""The house rules: the embedded model is one among others, and what is gone stays gone."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCE = REPOSITORY / "src" / "kinema"

AT_HOME = (
    "video/models/mini/",
    "video/registry.py",
    "training/recipes/mini.py",
    "training/recipes/autoencoder.py",
    "training/recipes/parts.py",
    "weights/",
)
"""Where the embedded model may be named: its folder, the registry, its own recipes, its weights."""

TO_BE_CLEANED = {
    "app/commands/serve.py",
    "app/commands/video_options.py",
    "app/server/config.py",
    "data/latent_cache.py",
    "data/video_latents.py",
    "evaluation/protocols/ablation_rows.py",
    "papers/mosa.py",
    "papers/mosa_structure.py",
    "papers/mtvcraft/attention.py",
    "papers/mtvcraft/positions.py",
    "training/export.py",
    "training/filmed.py",
    "training/fixed_takes.py",
    "training/frozen.py",
    "training/mini_task.py",
    "training/objectives.py",
    "training/recipes/__init__.py",
    "training/recipes/control.py",
    "training/recipes/overfit.py",
    "training/rollouts.py",
    "training/sources.py",
}
"""Files that still name it; this list only ever shrinks."""

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
    general = {name for name in naming if not name.startswith(AT_HOME)}
    assert general - TO_BE_CLEANED == set()


def test_gone_names_are_gone():
    """The documents are written anew with the rest of the house and are not looked at yet."""
    files = [
        file
        for folder in ("src", "tests", "benchmarks", "examples")
        for file in (REPOSITORY / folder).rglob("*.py")
        if file != Path(__file__).resolve()
    ]
    naming = {
        str(file.relative_to(REPOSITORY)) for file in files if GONE.search(file.read_text(encoding="utf-8"))
    }
    assert naming == set()
