"""`kinema evaluate videos`, `kinema evaluate manifest` and `kinema compare` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kinema.media.video import write_video


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """MP4 files of noise that drifts: two clips of `real`, and of `made` with more noise."""
    rng = np.random.default_rng(0)
    for folder in ("real", "made"):
        (tmp_path / folder).mkdir()
    for name in ("a", "b"):
        still = rng.integers(60, 200, (16, 16, 3)).repeat(3, axis=0).repeat(3, axis=1)
        real = np.stack([np.roll(still, t, axis=1) for t in range(17)])
        made = np.clip(real + rng.normal(0, 20, real.shape), 0, 255)
        write_video(tmp_path / "real" / f"{name}.mp4", real.astype(np.uint8), 8, crf=5)
        write_video(tmp_path / "made" / f"{name}.mp4", made.astype(np.uint8), 8, crf=5)
    return tmp_path


def test_the_commands_work_on_video_files(cli, folders):
    facts = cli("evaluate", "manifest", folders / "real", "-o", folders / "m.json")
    assert facts["clips"] == 2
    report = cli(
        *("compare", folders / "made", folders / "real", "--reference", folders / "real"),
        *("--manifest", folders / "m.json", "--ladder", 0, "--html", folders / "r.html"),
    )
    row = next(row for row in report["metrics"].values() if row["label"] == "psnr[rgb]")
    assert row["A"] < row["B"] == 100
    assert "clips" not in report
    assert (folders / "r.html").stat().st_size > 10_000
    cli("evaluate", "videos", folders / "made", "--ladder", 0, "-o", folders / "out")
    assert len(json.loads((folders / "out" / "videos.json").read_text())["clips"]) == 2


def test_mistakes_are_one_line(cli_error, folders):
    assert "not a folder" in cli_error("compare", folders / "made", folders / "absent", "--ladder", 0)
    assert "unknown name" in cli_error("evaluate", "videos", folders / "made", "--weights", "vgg=x")
    (folders / "made" / "c.mp4").write_bytes(b"no video")
    message = cli_error("evaluate", "videos", folders / "made", "--reference", folders / "real")
    assert "c: not expected" in message
