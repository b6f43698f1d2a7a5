"""Kills a training run with SIGKILL at random moments, resumes it each time, and compares it with one left alone.

The two runs must have the same losses, digit by digit (log.csv, byte for byte), and the same checkpoint, bit by bit.
Where the motion library is there, the recipe is `mini` with a filming process beside it, else `overfit` on the motions in
examples/. The last line is JSON; the exit status is 1 where anything differs.

    python benchmarks/kill_training.py --kills 20
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from kinema.data.motion_library import library_folder
from kinema.training.checkpoint import read_checkpoint

ROOT = Path(__file__).resolve().parents[1]
TINY = {
    "mini": {
        "model.weights": "",
        "model.width": "64",
        "model.layers": "2",
        "model.motion_width": "32",
        "model.rank": "8",
        "data.batch": "2",
        "data.capacity": "8",
        "data.frames": "5",
        "data.workers": "1",
        "trainer.warmup": "5",
    },
    "overfit": {
        "model.adapter": "tokenmotion",
        "model.options": '{"motion_width": 32, "heads": 2, "first_width": 8, "rank": 4}',
        "data.motions": str(ROOT / "examples"),
        "data.takes": "2",
        "data.batch": "2",
    },
}


def command(recipe: str, out: Path, options: dict[str, str], resume: bool) -> list[str]:
    words = [
        sys.executable,
        "-m",
        "kinema",
        "train",
        recipe,
        "--out",
        str(out),
        "--minutes",
        "60",
        "--device",
        "cpu",
    ]
    words += ["--resume"] if resume else []
    for name, value in options.items():
        words += ["--set", f"{name}={value}"]
    return words


def start(words: list[str]) -> subprocess.Popen:
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def rows(out: Path) -> int:
    """Rows of the log, with their names; 0 before the first."""
    try:
        return (out / "log.csv").read_text().count("\n")
    except FileNotFoundError:
        return 0


def differences(first: Path, second: Path) -> list[str]:
    """What two runs do not have in common."""
    found = []
    if (first / "log.csv").read_bytes() != (second / "log.csv").read_bytes():
        found.append("log.csv")
    (tensors, state), (others, other_state) = (read_checkpoint(out / "checkpoint") for out in (first, second))
    if state != other_state or tensors.keys() != others.keys():
        found.append("state.json")
    found += [name for name in tensors if not torch.equal(tensors[name], others[name])]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipe", choices=sorted(TINY))
    parser.add_argument(
        "--behind", action="store_true", help="checkpoints are written while training goes on"
    )
    arguments = parser.parse_args()
    recipe = arguments.recipe or ("mini" if library_folder() else "overfit")
    chance = random.Random(arguments.seed)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        steps = 6 * arguments.kills
        options = {
            **TINY[recipe],
            "trainer.steps": str(steps),
            "trainer.save_seconds": "0.3",
            "trainer.log_steps": "1",
            "trainer.save_behind": str(arguments.behind).lower(),
        }
        if recipe == "mini":
            shutil.copytree(ROOT / "src/kinema/weights/mini/autoencoder", place / "weights/autoencoder")
            options["model.weights"] = str(place / "weights")
        begin = time.monotonic()
        subprocess.run(command(recipe, place / "whole", options, False), check=True, capture_output=True)
        whole = time.monotonic() - begin
        print(f"left alone: {rows(place / 'whole') - 1} steps in {whole:.0f} s", flush=True)
        kills, begun, in_writing = 0, False, 0
        killed_at = []
        while kills < arguments.kills:
            run = start(command(recipe, place / "parts", options, begun))
            begun = True
            # Half of the kills come at any moment of loading, the others after a random number of further steps.
            wanted = rows(place / "parts") + chance.choice([0, chance.randint(1, 9)])
            while run.poll() is None and rows(place / "parts") < wanted:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.25 if wanted else 8.0))
            if run.poll() is not None:
                _, errors = run.communicate()
                if run.returncode:
                    raise SystemExit(f"a resumed run failed:\n{errors.decode()}")
                break  # it has come to its end: what follows are kills of another run
            run.kill()
            run.wait()
            kills += 1
            in_writing += any((place / "parts" / "checkpoint").glob("*.new"))
            killed_at.append(rows(place / "parts"))
            print(f"kill {kills}: {killed_at[-1]} rows written", flush=True)
        if kills < arguments.kills:
            print(f"the run was over after {kills} kills: give it more steps", flush=True)
        subprocess.run(command(recipe, place / "parts", options, True), check=True, capture_output=True)
        found = differences(place / "whole", place / "parts")
        result = {
            "recipe": recipe,
            "steps": steps,
            "kills": kills,
            "kills_while_writing_a_checkpoint": in_writing,
            "rows_at_kills": killed_at,
            "differences": found,
        }
    print("the same losses and weights" if not found else f"different: {', '.join(found[:5])}")
    print(json.dumps(result))
    raise SystemExit(1 if found else 0)


if __name__ == "__main__":
    main()
