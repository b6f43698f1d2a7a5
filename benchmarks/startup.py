"""How long commands take to get to work, each in a fresh interpreter. Run:
    python benchmarks/startup.py
Every program is timed twice: as Python is set up here, and with PYTHONDONTWRITEBYTECODE the other way round; where byte
code was made at installation (`make setup` does), the two are alike. The last line is JSON.

Aims, on a quiet machine of two cores: `kinema --help` under 0.3 s, `kinema motion` under 2 s, and the first denoising
step of `kinema generate` under 3 s after the shell. torch alone, and diffusers' Wan class, say what of it is not ours.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

AIMS = {"help": 0.3, "motion": 2.0, "first_step": 3.0}
FIRST_STEP = """
import os, sys
from kinema.app.cli import main
from kinema.diffusion import loop


def first(noise, solver, predict, **options):
    if noise.ndim == 5:  # of a video, not of a motion
        predict(solver.seen(noise, solver.timesteps[0]), solver.steps()[0])
        os._exit(0)
    return plain(noise, solver, predict, **options)

plain, loop.denoise = loop.denoise, first
sys.argv = ["kinema", *sys.argv[1:]]
main()
sys.exit("no denoising step was seen")
"""


def programs(folder: Path) -> dict[str, list[str]]:
    """Arguments of the interpreter by name."""
    words = "a person walks forward"
    wan = "from diffusers.models.transformers.transformer_wan import WanTransformer3DModel"
    film = ["generate", words, "--seconds", "1", "-o", str(folder / "film.mp4")]
    return {
        "bare": ["-c", "pass"],
        "import_kinema": ["-c", "import kinema"],
        "help": ["-m", "kinema", "--help"],
        "import_torch": ["-c", "import torch"],
        "import_diffusers_wan": ["-c", wan],
        "motion": ["-m", "kinema", "motion", words, "--seconds", "4", "-o", str(folder / "walk.bvh")],
        "first_step": ["-c", FIRST_STEP, *film],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    here = "PYTHONDONTWRITEBYTECODE" in os.environ
    result: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        asked = programs(Path(folder))
        for setting in (here, not here):
            environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
            if setting:
                environment["PYTHONDONTWRITEBYTECODE"] = "1"
            times: dict[str, list[float]] = {name: [] for name in asked}
            for _ in range(repeats):
                for name, arguments in asked.items():  # in turns, so that a busy moment touches all alike
                    start = time.perf_counter()
                    subprocess.run(
                        [sys.executable, *arguments], check=True, capture_output=True, env=environment
                    )
                    times[name].append(time.perf_counter() - start)
            seconds = {name: round(float(np.min(values)), 3) for name, values in times.items()}
            label = "without_writing_byte_code" if setting else "writing_byte_code"
            result[label] = seconds
            print(label)
            for name, value in seconds.items():
                aim = f"  (aim {AIMS[name]:g})" if name in AIMS else ""
                print(f"  {name:<22}{value:7.2f} s  {value / seconds['import_torch']:5.2f} of torch{aim}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
