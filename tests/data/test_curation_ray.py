"""Curation by workers of Ray: the same bytes as one process, also after an actor or the whole run was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from tests.data.test_curation import FPS, digests, drifting

from kinema.data.curation.captions import Captions
from kinema.data.curation.curate import Plan, curate
from kinema.data.curation.cut import Cut
from kinema.data.curation.quality import Quality
from kinema.media.video import write_video

pytest.importorskip("ray", reason="Ray is not installed (pip install 'kinema[ray]')")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Ray's workers are killed as POSIX processes"),
]

COUNT = 8
OPTIONS = ("--people", "any")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for number in range(COUNT):
        frames = drifting(seed=number)
        if number == 4:
            frames = np.repeat(frames[:1], 30, axis=0)
        write_video(folder / f"video-{number}.mp4", frames, FPS)
        (folder / f"video-{number}.mp4.json").unlink()
    return folder


@pytest.fixture(scope="module")
def truth(videos, tmp_path_factory):
    """What one process makes of them."""
    out = tmp_path_factory.mktemp("local")
    curate(videos, out, PLAN)
    return digests(out)


PLAN = Plan(Cut(), (Quality(), Captions()))


def family(process: subprocess.Popen) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def started(videos, out, workers: int = 2) -> subprocess.Popen:
    words = ["curate", str(videos), "-o", str(out), "--workers", str(workers), *OPTIONS]
    return subprocess.Popen(
        [sys.executable, "-m", "kinema", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait_until(what, process: subprocess.Popen, seconds: float = 120.0) -> bool:
    """Whether something came to be before the process ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if what():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.timeout(600)
def test_killed_actors_and_runs_leave_no_trace(videos, truth, tmp_path):
    """One run whose actors are killed and that is killed itself, one that goes on with it."""
    out = tmp_path / "out"
    run = started(videos, out)
    assert wait_until(lambda: len(list(out.glob("work/videos/*/*/cut.json"))) >= 2, run), run.communicate()
    workers = [process for process in family(run) if "MapWorker" in " ".join(process.cmdline())]
    assert workers
    workers[0].kill()
    assert wait_until(lambda: len(list(out.glob("work/clips/*/*/quality.json"))) >= 2, run), run.communicate()
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert digests_or_none(out) != truth
    run = started(videos, out)
    said, errors = run.communicate(timeout=240)
    assert run.returncode == 0, errors.decode()
    assert f"{COUNT - 1} of {COUNT} clips" in said.decode()
    assert digests(out) == truth


def digests_or_none(out):
    try:
        return digests(out)
    except FileNotFoundError:
        return None
