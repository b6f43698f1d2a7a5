"""Two processes that share a batch train what one process would."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing
from safetensors.torch import load_file
from tests.data import videos
from tests.training import rank_cases
from tests.video import published_tiny

from kinema.training.checkpoint import Checkpoints, newest, read_checkpoint
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
    made = torch.load(together / "made.pt")[name, frozen]
    for key, value in weights.items():
        torch.testing.assert_close(made[key], value, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize(("name", "frozen"), rank_cases.CASES)
def test_what_two_began_one_finishes(name, frozen, together, alone):
    """Resharding: the checkpoint of two processes, each with its half of every tensor, is read by one."""
    folder, weights = alone[name, frozen]
    half = together / f"half-{name}-{frozen}"
    assert len(list(newest(half / "checkpoint").glob("*.safetensors"))) == 2
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
    assert Checkpoints(folder / "checkpoint").load(tensors)["step"] == rank_cases.STEPS


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """Four processes as on two machines of two; the folder of what they made."""
    folder = tmp_path_factory.mktemp("machines")
    published_tiny.cogvideox_pipeline(rotary=False).save_pretrained(folder / "backbone")
    (folder / "videos").mkdir()
    for name in ("a", "b", "c"):
        videos.make_video(folder / "videos" / f"{name}.mp4", frames=30, size=(32, 48))
    torch.multiprocessing.spawn(rank_cases.of_machines, (str(folder),), nprocs=4)
    return folder


def test_machines_with_a_copy_each_have_the_losses_and_weights_of_one_process(machines, alone):
    """HSDP, with averages in main memory and checkpoints that are written behind."""
    folder, weights = alone["mosa", True]
    assert np.allclose(losses(machines / "four"), losses(folder), rtol=2e-5, atol=2e-6)
    made = torch.load(machines / "four.pt")
    assert made.keys() == weights.keys()
    for key, value in weights.items():
        torch.testing.assert_close(made[key], value, atol=2e-4, rtol=1e-3)
    steps = sorted(path.name for path in (machines / "four" / "checkpoint").iterdir())
    assert steps == ["step-0000001", "step-0000002", "step-0000003"]


def test_what_machines_began_one_process_finishes(machines, alone):
    folder, weights = alone["mosa", True]
    goes_on = rank_cases.train(machines / "begun", "mosa", True)
    assert np.allclose(losses(machines / "begun"), losses(folder), rtol=2e-5, atol=2e-6)
    for key, value in weights.items():
        torch.testing.assert_close(goes_on[key], value, atol=2e-4, rtol=1e-3)


def test_a_lora_of_several_machines_is_that_of_one_process(machines):
    made = load_file(rank_cases.lora(machines, machines / "lora-one") / "lora.safetensors")
    four = load_file(machines / "lora-four" / "export" / "lora.safetensors")
    assert made.keys() == four.keys()
    assert any(float(tensor.float().abs().max()) > 0 for name, tensor in made.items() if "lora_B" in name)
    for name, tensor in made.items():
        torch.testing.assert_close(four[name].float(), tensor.float(), atol=2e-4, rtol=2e-2)
    assert np.allclose(losses(machines / "lora-four"), losses(machines / "lora-one"), rtol=2e-3)


def test_recipes_of_one_process_refuse_several(monkeypatch, tmp_path):
    from kinema.training import ranks

    monkeypatch.setattr(ranks, "world", lambda: 2)
    with pytest.raises(
        ValueError, match="recipe overfit runs in one process; torchrun may start mini, control, "
    ):
        run_recipe("overfit", tmp_path, 1, "cpu", options={"model.adapter": "mosa"})
