"""A small run of benchmarks/files.py: damaged files of every reader are read or refused in the reader's own words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
REAL_CASES = ROOT.parent / "shared" / "real_cases"


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output of the benchmark."""
    given = ["--inputs", str(REAL_CASES)] if REAL_CASES.is_dir() else []
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "files.py"), *given, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def tallies() -> list[dict[str, Any]]:
    _, output = run("--cases", "300")
    return json.loads(output.strip().splitlines()[-1])


@pytest.mark.parametrize("reader", ["bvh", "gltf", "npz", "npy", "camera", "keypoints", "picture", "video"])
def test_damaged_files_are_read_or_refused(tallies: list[dict[str, Any]], reader: str) -> None:
    tally = next(tally for tally in tallies if tally["reader"] == reader)
    assert tally["faults"] == {}
    assert tally["read"] + tally["refused"] == 300
    assert tally["read"] > 0


def test_a_case_can_be_repeated(tmp_path: Path) -> None:
    kept = [tmp_path / "a.bvh", tmp_path / "b.bvh"]
    for path in kept:
        code, output = run("--reader", "bvh", "--seed", "7", "--keep", str(path))
        assert code == 0, output
    assert kept[0].read_bytes() == kept[1].read_bytes() != b""
