import os
import subprocess
import sys
import time
from itertools import islice

import pytest

from kinema.data.takes import Reservoir, take_stream


def film(index: int) -> dict[str, int]:
    return {"number": index}


def numbers(reservoir: Reservoir, first: int, count: int) -> list[tuple[int, list[int]]]:
    return [
        (step, [take["number"] for take in takes]) for step, takes in islice(reservoir.batches(first), count)
    ]


def test_stream_is_in_order_whatever_films_it():
    here = [take["number"] for take in islice(take_stream(film, 3, workers=0), 6)]
    elsewhere = [take["number"] for take in islice(take_stream(film, 3, workers=2), 6)]
    assert here == elsewhere == [3, 4, 5, 6, 7, 8]


def test_a_resumed_run_draws_the_same_batches():
    reservoir = Reservoir(film, capacity=20, batch=4, reuse=2, seed=5, workers=0)
    whole = numbers(reservoir, 0, 30)
    assert numbers(reservoir, 17, 13) == whole[17:]


def test_old_takes_leave_and_new_ones_come():
    reservoir = Reservoir(film, capacity=10, batch=4, reuse=2, seed=0, workers=0)
    for step, batch in numbers(reservoir, 0, 40):
        newest = 8 + 2 * step
        assert max(batch) < newest
        assert min(batch) >= max(0, newest - 10)
        assert len(set(batch)) == 4


def test_too_small_a_reservoir_is_refused():
    with pytest.raises(ValueError, match="at least one batch"):
        Reservoir(film, capacity=2, batch=4, reuse=2, seed=0)


FILMS_AND_WAITS = """
import os, time
from kinema.data.takes import take_stream

def film(number):
    return os.getpid(), bytes(1_000_000)

if __name__ == "__main__":
    stream = take_stream(film, workers=1)
    print(next(stream)[0], flush=True)
    time.sleep(120)
"""


def test_a_filming_process_does_not_outlive_a_killed_trainer(tmp_path):
    script = tmp_path / "trainer.py"
    script.write_text(FILMS_AND_WAITS)
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as trainer:
        assert trainer.stdout is not None
        worker = int(trainer.stdout.readline())
        trainer.kill()
    deadline = time.monotonic() + 30
    while _runs(worker) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not _runs(worker)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
