"""The ablation tables: rows fit their adapters, results become verdicts, and a stopped run goes on where it was."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kinema.evaluation.protocols.ablation_rows import SYSTEMS
from kinema.evaluation.protocols.ablation_tables import markdown, summarise

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "ablations.py"


def judged(folder: Path, row: str, seed: int, level: float, clips: int = 12) -> None:
    """A row as the benchmark writes it: clips differ much, `level` is what the row is worth."""
    clip = np.random.default_rng(0).normal(0.5, 0.1, clips)
    noise = np.random.default_rng([seed, len(row)]).normal(0, 0.01, clips)
    scores = {
        "pck": clip + level + noise,
        "iou": clip + level - noise,
        "error": 1 - clip - level,
        "pck_shuffled": clip * 0,
        "iou_shuffled": clip * 0,
    }
    values = {name: [float(value) for value in each] for name, each in scores.items()}
    values["iou"][3] = None  # type: ignore[call-overload]  # a clip without a person
    result = {"row": row, "seed": seed, "train_cpu_seconds": 60.0, **values}
    (folder / f"{row}-{seed}.json").write_text(json.dumps(result))


def test_rows_are_options_that_adapters_and_recipe_have():
    from kinema.training.config import describe
    from kinema.training.recipes import control
    from kinema.video.registry import adapter_class

    recipe = {option.key for option in describe(control.Recipe)}
    for name, system in SYSTEMS.items():
        method = adapter_class(name)
        known = {*inspect.signature(method).parameters, *inspect.signature(method.for_transformer).parameters}
        names = [row.name for row in system.rows]
        assert len(set(names)) == len(names)
        for row in system.rows:
            assert set(row.options) <= known, row
            assert {*system.settings, *row.settings} <= recipe, row
        for better, worse in system.orderings:
            fvd = [system.row(each).fvd for each in (better, worse)]
            assert None in fvd or fvd[0] < fvd[1], (better, worse)
        assert all(system.absent.values())


def test_known_effects_get_their_verdicts(tmp_path):
    levels = {"full": 0.3, "summed": 0.1, "learnable_mask": 0.45}
    for seed in range(3):
        for row, level in levels.items():
            judged(tmp_path, row, seed, level)
    summary = summarise("tokenmotion", tmp_path)
    verdicts = {(each["better"], each["worse"]): each["verdict"] for each in summary["orderings"]}
    assert verdicts == {
        ("full", "summed"): "reproduced",
        ("full", "learnable_mask"): "not reproduced",
        ("full", "no_control"): None,
    }
    first = summary["orderings"][0]
    assert first["pck"]["mean"] == pytest.approx(0.2, abs=0.02)
    assert first["error"]["mean"] == pytest.approx(0.2, abs=0.02)  # less error is better
    assert first["pck"]["p"] <= first["p_holm"]
    assert first["iou"]["missing"] == 1
    assert summary["not_measured"]["the backbone without control"] == "not run yet"
    text = markdown("tokenmotion", summary)
    assert "**not reproduced**" in text
    assert "not run yet" in text
    for row in SYSTEMS["tokenmotion"].rows:
        assert row.says in text or row.ours
    json.dumps(summary, allow_nan=False)


def test_a_stop_in_the_middle_of_a_seed_counts_common_seeds_only(tmp_path):
    for seed in range(3):
        judged(tmp_path, "full", seed, 0.3)
    for seed in range(2):
        judged(tmp_path, "no_hadc", seed, 0.1)
    judged(tmp_path, "no_tracking", 0, 0.1)
    orderings = {(each["better"], each["worse"]): each for each in summarise("mosa", tmp_path)["orderings"]}
    assert orderings["full", "no_hadc"]["seeds"] == [0, 1]
    assert orderings["full", "no_tracking"]["verdict"] == "undecidable"  # one seed
    assert "(one seed)" in markdown("mosa", summarise("mosa", tmp_path))


def test_takes_of_one_motion_count_once(tmp_path):
    for seed in range(2):
        judged(tmp_path, "full", seed, 0.3)
    (tmp_path / "floors.json").write_text(json.dumps({"takes": list("aabcdefghijk"), "films": ""}))
    measured = summarise("mosa", tmp_path)["rows"]["full"]
    assert measured["pck"]["clips"] == 11
    assert (measured["iou"]["clips"], measured["iou"]["missing"]) == (10, 1)


@pytest.mark.slow
def test_rows_are_trained_and_judged_once(motion_library_dir, tmp_path):
    """The whole way at the least size: two steps, two clips; then again, with nothing left to do."""
    words = [sys.executable, str(BENCHMARK), "--system", "tokenmotion", "--rows", "full,no_control"]
    words += [
        "--seeds",
        "0",
        "--steps",
        "2",
        "--batch",
        "2",
        "--frames",
        "5",
        "--clips",
        "2",
        "--denoise",
        "1",
    ]
    words += ["--workers", "0", "--library", str(motion_library_dir), "--out", str(tmp_path)]
    first = subprocess.run(words, capture_output=True, text=True, timeout=280)
    assert first.returncode == 0, first.stderr
    report = json.loads(first.stdout.splitlines()[-1])["systems"]["tokenmotion"]
    assert set(report["rows"]) == {"full", "no_control"}
    assert report["rows"]["full"]["pck"]["clips"] == 2
    assert report["floors"]["round trip"]["pck"] > report["floors"]["frozen first frame"]["pck"]
    assert report["floors"]["render"]["error"] == 0
    made = tmp_path / "tokenmotion" / "full-0"
    assert (made / "export" / "tokenmotion" / "config.json").is_file()
    assert not (made / "checkpoint").exists()

    again = subprocess.run(words, capture_output=True, text=True, timeout=280)
    assert again.stdout.splitlines()[-1] == first.stdout.splitlines()[-1]
    assert "seed 0" not in again.stdout
    other = subprocess.run([*words, "--rate", "1e-4"], capture_output=True, text=True, timeout=280)
    assert other.returncode != 0
    assert "rate 0.0015 and now 0.0001" in other.stderr
