#!/usr/bin/env python
"""How many files of this project are walked through: by `kinema animate`, and by a training run of one step.

    python benchmarks/files_entered.py

Each walk is a fresh interpreter that runs the command as a person would: five frames with one denoising step on the
embedded model; one step of recipe `control` on takes that are filmed in the same process. A file counts when one of its
functions is called; importing it, and what importing calls, does not. Compiled functions (numba) are not seen. The last
line is JSON: the two numbers, and the files of each walk in the order in which they are entered first.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
WEIGHTS = ROOT / "src" / "kinema" / "weights" / "mini"
ANIMATE = (
    f"{EXAMPLES}/character.png --motion {EXAMPLES}/walk_and_wave.bvh --seconds 0.34 --backbone mini --steps 1 "
    "--output walk.mp4"
)
TRAINING = (
    "model.adapter=tokenmotion",
    "trainer.steps=1",
    "data.batch=1",
    "data.frames=5",
    "data.capacity=1",
    "data.workers=0",
    f"model.weights={WEIGHTS}",
)
WALKS: dict[str, list[str]] = {
    "animate": ["animate", *ANIMATE.split()],
    "training step": [
        "train",
        "control",
        "--out=run",
        "--device=cpu",
        *(f"--set={each}" for each in TRAINING),
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--walk", choices=WALKS, help="this one alone, in this interpreter and folder")
    arguments = parser.parse_args()
    if arguments.walk:
        print(json.dumps(entered(lambda: kinema(*WALKS[arguments.walk]))))
        return
    files = {name: walk(name) for name in WALKS}
    for name, each in files.items():
        print(f"{name}: {len(each)} files", *each, sep="\n  ")
    print(json.dumps({name: len(each) for name, each in files.items()} | {"files": files}))


def walk(name: str) -> list[str]:
    """The files of one walk, traced in an interpreter and a folder of its own."""
    library = ROOT.parent / "shared" / "motion_data"
    place = {"KINEMA_MOTION_DATA": str(library)} if library.is_dir() else {}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, __file__, "--walk", name],
            cwd=folder,
            env=place | dict(os.environ),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    return json.loads(done.stdout.splitlines()[-1])


def kinema(*words: str) -> None:
    """Runs the command line in this process."""
    from kinema.app.cli import main as command_line

    sys.argv = ["kinema", *words]
    try:
        command_line()
    except SystemExit as end:
        if end.code:
            raise


def entered(call: Callable[[], Any]) -> list[str]:
    """Files of the package in which a call enters functions, below the package's folder, in order of first entry."""
    import kinema as package

    source = str(Path(inspect.getfile(package)).parent) + os.sep
    files: dict[str, None] = {}

    def watch(frame: FrameType, event: str, argument: object) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(source) and name not in files and not _importing(frame):
            files[name] = None

    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return [name.removeprefix(source) for name in files]


def _importing(frame: FrameType) -> bool:
    """Whether a frame is the body of a module or class, or called by the body of one of the package's."""
    if not _is_function(frame.f_code):
        return True
    package = frame.f_globals.get("__name__", "").partition(".")[0]
    caller = frame.f_back
    while caller is not None:
        if caller.f_code.co_name == "<module>" and caller.f_globals.get("__name__", "").startswith(
            f"{package}."
        ):
            return True
        caller = caller.f_back
    return False


def _is_function(code: CodeType) -> bool:
    return bool(code.co_flags & inspect.CO_OPTIMIZED)


if __name__ == "__main__":
    main()
