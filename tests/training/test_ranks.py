"""Two processes that share a batch train what one process would."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing
from tests.training import rank_cases

from kinema.training.checkpoint import load_checkpoint, read_checkpoint
from kinema.training.recipes import run_recipe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.spawn(rank_cases.run, (str(folder),), nprocs=2)
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """(folder, weights) of one process, by case."""
    runs = {}
    for name, frozen in rank_cases.CASES:
        folder = tmp_path_factory.mktemp("alone")
        runs[name, frozen] = folder, rank_cases.train(folder, name, frozen)
    return runs


def losses(folder: Path) -> np.ndarray:
    rows = [line.split(",") for line in (folder / "log.csv").read_text().splitlines()]
    return np.array([[float(cell) for cell in row] for row in rows if row[0] != "step"])


@pytest.mark.parametrize(("name", "frozen"), rank_cases.CASES)
def test_two_processes_have_the_losses_and_weights_of_one(name, frozen, together, alone):
    folder, weights = alone[name, frozen]
    assert losses(folder).shape[0] == rank_cases.STEPS
    assert np.allclose(losses(together / f"two-{name}-{frozen}"), losses(folder), rtol=2e-5, atol=2e-6)
    for rank in range(2):
        made = torch.load(together / f"made-{rank}.pt")[name, frozen]
        for key, value in weights.items():
            torch.testing.assert_close(made[key], value, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize(("name", "frozen"), rank_cases.CASES)
def test_what_two_began_one_finishes(name, frozen, together, alone):
    """Resharding: the checkpoint of two processes, each with its half of every tensor, is read by one."""
    folder, weights = alone[name, frozen]
    half = together / f"half-{name}-{frozen}"
    assert len(list((half / "checkpoint").glob("*.safetensors"))) == 2
    goes_on = rank_cases.train(half, name, frozen)
    assert np.allclose(losses(half), losses(folder), rtol=2e-5, atol=2e-6)
    for key, value in weights.items():
        torch.testing.assert_close(goes_on[key], value, atol=2e-4, rtol=1e-3)


def test_a_checkpoint_of_an_adapter_holds_the_adapter_alone(alone):
    folder, _ = alone["mosa", True]
    tensors, state = read_checkpoint(folder / "checkpoint")
    names = {key.split(".", 1)[1] for key in tensors if key.startswith("weights.")}
    assert names
    assert all(".kinema_sites." in name or name.startswith("adapters.") for name in names)
    assert state["step"] == rank_cases.STEPS
    assert load_checkpoint(folder / "checkpoint", tensors)["step"] == rank_cases.STEPS


def test_recipes_of_one_process_refuse_several(monkeypatch, tmp_path):
    from kinema.training import ranks

    monkeypatch.setattr(ranks, "world", lambda: 2)
    with pytest.raises(
        ValueError, match="recipe overfit runs in one process; torchrun may start mini, control, "
    ):
        run_recipe("overfit", tmp_path, 1, "cpu", options={"model.adapter": "mosa"})
