"""A run that is killed, or has no disk: benchmarks/kill_training.py does the same to a real recipe, twenty times."""

import multiprocessing
import os
import random
import signal
import time

import pytest
import torch
from tests.training import killable

from kinema.training.checkpoint import newest, read_checkpoint
from kinema.training.log import Log


@pytest.fixture(scope="module")
def processes():
    """Starts processes quickly: they are forked from one that has imported everything and done nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.killable"])
    return context


def run(processes, out, **options) -> multiprocessing.Process:
    process = processes.Process(target=killable.train, args=(str(out),), kwargs=options)
    process.start()
    return process


def finish(process) -> int:
    process.join(120)
    assert process.exitcode is not None
    return process.exitcode


@pytest.fixture(scope="module")
def whole(processes, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    assert finish(run(processes, out)) == 0
    return out


def test_killed_and_resumed_it_has_the_same_losses_and_weights(processes, whole, tmp_path):
    out = tmp_path / "run"
    chance = random.Random(0)
    kills = 0
    for _ in range(3):
        process = run(processes, out, pause=0.02)
        begin = time.monotonic()
        while newest(out / "checkpoint") is None and time.monotonic() < begin + 60:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.5))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join()
    assert kills
    assert finish(run(processes, out)) == 0
    assert (out / "log.csv").read_bytes() == (whole / "log.csv").read_bytes()
    (tensors, state), (expected, expected_state) = (
        read_checkpoint(each / "checkpoint") for each in (out, whole)
    )
    assert state == expected_state
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)


@pytest.mark.parametrize("what", ["checkpoint", "log"])
def test_a_full_disk_is_one_error_and_the_last_checkpoint_stays(what, processes, whole, tmp_path):
    """The system refuses files above a size that the checkpoint, or the log alone, reaches in the middle of the run."""
    out = tmp_path / "run"
    if what == "checkpoint":  # a run that has begun well goes on where there is too little room
        process = run(processes, out, pause=0.02)
        while newest(out / "checkpoint") is None:
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        before = read_checkpoint(out / "checkpoint")[1]["step"]
        assert finish(run(processes, out, largest_file=2000)) == 1
        assert read_checkpoint(out / "checkpoint")[1]["step"] == before
        expected = f"OSError: cannot write the checkpoint in {out}/checkpoint: File too large; the one of step {before}"
    else:
        size = sum(path.stat().st_size for path in newest(whole / "checkpoint").glob("*.safetensors"))
        (out).mkdir()
        rows = "".join(f"0,{number:.6f}\n" for number in range(size // 8 + 1))
        (out / "log.csv").write_text("step,padding\n" + rows)
        limit = (out / "log.csv").stat().st_size + 600
        assert limit > 1.2 * size
        assert finish(run(processes, out, largest_file=limit)) == 1
        assert 0 < read_checkpoint(out / "checkpoint")[1]["step"] < killable.STEPS
        expected = f"OSError: cannot write {out}/log.csv: File too large; the last checkpoint is still good"
    assert (tmp_path / "run.error").read_text().startswith(expected)
    assert not list((out / "checkpoint").glob("*.new"))
    if what == "checkpoint":
        assert finish(run(processes, out)) == 0
        assert (out / "log.csv").read_bytes() == (whole / "log.csv").read_bytes()


def test_a_place_that_cannot_be_written_is_one_error_before_anything_is_computed(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"cannot write to .*file/run: Not a directory; choose another --out"):
        Log(tmp_path / "file" / "run", 0)
