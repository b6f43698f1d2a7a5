"""How long `kinema --help` and `import kinema` take in a fresh interpreter, beside a bare one. Run:
    python benchmarks/startup.py
The last line is JSON; the gate is help_seconds < 0.3.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import numpy as np

GATES = {"help_seconds": 0.3}
PROGRAMS = {
    "bare_seconds": ["-c", "pass"],
    "import_seconds": ["-c", "import kinema"],
    "help_seconds": ["-m", "kinema", "--help"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    times = {name: [] for name in PROGRAMS}
    for _ in range(repeats):
        for name, arguments in PROGRAMS.items():  # in turns, so that a busy moment touches all alike
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            times[name].append(time.perf_counter() - start)
    result = {name: round(float(np.median(values)), 4) for name, values in times.items()}
    for name, seconds in result.items():
        print(f"{name:<16}{seconds:.3f}")
    print(json.dumps({**result, "passed": result["help_seconds"] < GATES["help_seconds"]}))


if __name__ == "__main__":
    main()
