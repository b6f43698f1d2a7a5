"""Two processes that share the batches of a mixture train what one does, and one goes on where two were."""

import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
import torch.multiprocessing
from tests.data import made_sets
from tests.training import mixture_ranks
from tests.video import published_tiny

from kinema.data.data_check import DataError
from kinema.training.checkpoint import newest, read_checkpoint

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixture")
    published_tiny.cogvideox_pipeline(rotary=False).save_pretrained(folder / "backbone")
    made_sets.humanvid(folder / "HumanVid", ("a", "b", "e"), size=(32, 48))
    made_sets.re10k(folder / "RealEstate10K", size=(32, 48))
    made_sets.data_file(folder)
    return folder


@pytest.fixture(scope="module")
def alone(folder):
    mixture_ranks.train(folder / "alone", folder, 4)
    return losses(folder / "alone")


def losses(out):
    rows = [line.split(",") for line in (out / "log.csv").read_text().splitlines()]
    return np.array([[float(cell) for cell in row] for row in rows if row[0] != "step"])


def test_two_processes_have_the_losses_of_one_and_one_finishes_what_two_began(folder, alone):
    torch.multiprocessing.spawn(mixture_ranks.run, (str(folder),), nprocs=2)
    assert len(alone) == 4
    assert np.allclose(losses(folder / "two"), alone, rtol=2e-5, atol=2e-6)
    mixture_ranks.train(folder / "begun", folder, 4)
    assert np.allclose(losses(folder / "begun"), alone, rtol=2e-5, atol=2e-6)


def test_parts_of_a_batch_have_the_losses_of_the_whole(folder, alone):
    """So a run may go on with more processes and fewer parts, or the other way round."""
    options = {"trainer.accumulate": "2", "data.cache": str(folder / "cache-alone")}
    mixture_ranks.train(folder / "parts", folder, 4, **options)
    assert np.allclose(losses(folder / "parts"), alone, rtol=2e-5, atol=2e-6)


def test_killed_and_resumed_the_losses_are_the_same_digit_by_digit(folder, alone):
    out = folder / "killed"
    options = {"trainer.save_seconds": "0", "data.cache": str(folder / "cache-alone")}
    process = multiprocessing.get_context("spawn").Process(
        target=mixture_ranks.train, args=(out, folder, 4), kwargs=options
    )
    process.start()
    until = time.monotonic() + 90
    while newest(out / "checkpoint") is None and time.monotonic() < until:
        time.sleep(0.01)
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert read_checkpoint(out / "checkpoint")[1]["step"] > 0
    mixture_ranks.train(out, folder, 4, **options)
    assert (out / "log.csv").read_bytes() == (folder / "alone" / "log.csv").read_bytes()
    state = read_checkpoint(out / "checkpoint")[1]["order"]
    assert state["step"] == 4
    assert sum(state["shown"].values()) == 16


def test_another_mixture_is_not_resumed_and_bad_data_end_a_run_before_the_model_is_read(
    folder, alone, tmp_path
):
    made_sets.data_file(folder, hv_weight="weight = 1.0")
    options = {"data.cache": str(folder / "cache-alone")}
    with pytest.raises(ValueError, match="the data set has changed since the run began"):
        mixture_ranks.train(folder / "alone", folder, 5, **options)
    made_sets.data_file(folder)
    (folder / "HumanVid" / "cameras" / "a.txt").unlink()
    with pytest.raises(DataError, match=r"a.mp4: has no camera file(.|\n)*data.toml: 1 problem"):
        mixture_ranks.train(tmp_path / "run", folder, 1, **{"model.weights": "nowhere"})
