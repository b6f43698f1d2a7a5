"""What the page shows before the server has made anything is what the server would make."""

import base64
import importlib.util
import json
from pathlib import Path

import numpy as np

STUDIO = Path(__file__).parents[3] / "studio"


def joints(first: dict) -> np.ndarray:
    packed = first["scene"]["people"][0]["joints"]
    return np.frombuffer(base64.b64decode(packed), "<f4").reshape(-1, 24, 3)


def test_the_shipped_first_sight_is_what_the_worker_makes(tmp_path):
    spec = importlib.util.spec_from_file_location("first_sight", STUDIO / "first_sight.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.make(tmp_path)
    made = json.loads((tmp_path / "scene.json").read_text())
    shipped = json.loads((STUDIO / "public" / "first" / "scene.json").read_text())
    assert shipped["request"] == made["request"]
    assert shipped["parents"] == made["parents"]
    assert np.abs(joints(shipped) - joints(made)).max() < 0.02, "run python studio/first_sight.py again"
    assert (tmp_path / "shot.png").stat().st_size > 1000
