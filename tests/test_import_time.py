"""`import kinema` and `kinema --help` answer at once: nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

HEAVY = [
    "torch",
    "diffusers",
    "transformers",
    "peft",
    "numba",
    "scipy",
    "numpy",
    "cv2",
    "av",
    "PIL",
    "skimage",
]
COMMANDS = [
    "generate",
    "animate",
    "preview",
    "camera",
    "motion",
    "library",
    "passes",
    "models",
    "papers",
    "train",
    "evaluate",
    "compare",
]


def loaded_after(code: str) -> set[str]:
    """The heavy packages that are in memory after running `code` in a fresh interpreter."""
    script = (
        f"{code}\nimport json, sys; print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS)], ids=["kinema", *COMMANDS])
def test_help_imports_nothing_heavy(command):
    code = (
        "import sys\n"
        f"sys.argv = ['kinema', *{command!r}, '--help']\n"
        "from kinema.app.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code"
    )
    assert loaded_after(code) == set()


def test_import_kinema_imports_nothing_heavy():
    assert loaded_after("import kinema") == set()


def test_the_scene_needs_no_torch():
    assert not loaded_after("import kinema.scene, kinema.scene.formats") & {
        "torch",
        "diffusers",
        "numba",
        "cv2",
        "av",
    }


def test_help_answers_in_a_fraction_of_a_second():
    """Under 0.3 s on an idle machine; compared with a bare interpreter, so that a busy one does not fail."""

    def fastest(*arguments: str) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            times.append(time.perf_counter() - start)
        return min(times)

    bare = fastest("-c", "import re, json, inspect, subprocess")
    assert fastest("-m", "kinema", "--help") < max(0.3, 8 * bare)
