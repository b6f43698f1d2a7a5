"""Weights are read from every layout and loaded whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from kinema.motion.checkpoints import CheckpointError, load_exactly, read_state_dict


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.tensor([1.0, -1.0])}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_flat_files_and_their_wrappings_hold_the_same(tmp_path: Path, state):
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "b.pth")
    torch.save({"module": state, "global_steps": 3, "ds_version": "0.16"}, tmp_path / "c.pt")
    torch.save({"state_dict": state, "epoch": 1}, tmp_path / "d.ckpt")
    torch.save(state, tmp_path / "e.bin", _use_new_zipfile_serialization=False)
    for file in tmp_path.iterdir():
        assert same(read_state_dict(file), state), file.name


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_a_diffusers_folder_is_read_whole_or_in_shards(tmp_path: Path, state, suffix: str):
    save = save_file if suffix == "safetensors" else torch.save
    whole, sharded = tmp_path / "whole", tmp_path / "sharded"
    whole.mkdir()
    sharded.mkdir()
    (whole / "config.json").write_text("{}")
    save(state, whole / f"diffusion_pytorch_model.{suffix}")
    files = [f"diffusion_pytorch_model-0000{i}-of-00002.{suffix}" for i in (1, 2)]
    for (key, value), file in zip(state.items(), files, strict=True):
        save({key: value}, sharded / file)
    index = {"metadata": {}, "weight_map": dict(zip(state, files, strict=True))}
    (sharded / f"diffusion_pytorch_model.{suffix}.index.json").write_text(json.dumps(index))
    assert same(read_state_dict(whole), state)
    assert same(read_state_dict(sharded), state)

    (sharded / files[1]).unlink()
    with pytest.raises(FileNotFoundError, match=files[1]):
        read_state_dict(sharded)


def test_the_index_may_not_point_elsewhere(tmp_path: Path):
    index = {"weight_map": {"weight": "../outside.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"outside\.safetensors"):
        read_state_dict(tmp_path)


def test_what_the_index_promises_must_be_there(tmp_path: Path, state):
    save_file(state, tmp_path / "model-1.safetensors")
    index = {"weight_map": dict.fromkeys((*state, "lost"), "model-1.safetensors")}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="1 missing: lost"):
        read_state_dict(tmp_path)


class Payload:
    def __reduce__(self):
        return (print, ("unpickled",))


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("code.pt", lambda path: torch.save({"module": Payload()}, path), "cannot be read safely"),
        ("cut.pt", lambda path: path.write_bytes(b"PK\x03\x04 cut off"), "cannot be read safely"),
        ("empty.bin", lambda path: path.write_bytes(b""), "cannot be read safely"),
        ("cut.safetensors", lambda path: path.write_bytes(b"\x10"), "not a readable safetensors"),
        ("list.pt", lambda path: torch.save([torch.ones(1)], path), "holds a list"),
        ("more.pt", lambda path: torch.save({"weight": torch.ones(1), "epoch": 2}, path), "epoch"),
        ("weights.gguf", lambda path: path.write_bytes(b"GGUF"), "not a weights file"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, capsys, name: str, write, message: str):
    write(tmp_path / name)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_state_dict(tmp_path / name)
    assert name in str(caught.value)
    assert "unpickled" not in capsys.readouterr().out


def test_a_folder_without_or_with_two_weights_is_refused(tmp_path: Path, state):
    with pytest.raises(CheckpointError, match="no weights file"):
        read_state_dict(tmp_path)
    save_file(state, tmp_path / "first.safetensors")
    save_file(state, tmp_path / "second.safetensors")
    with pytest.raises(CheckpointError, match=r"first\.safetensors, second\.safetensors"):
        read_state_dict(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_state_dict(tmp_path / "nowhere.pt")


def test_loads_exactly(state):
    module = nn.Linear(3, 2, dtype=torch.bfloat16)
    load_exactly(module, state, "a.pt")
    assert torch.equal(module.weight, state["weight"].bfloat16())


def test_what_does_not_fit_is_named_and_nothing_is_loaded(state):
    module = nn.Linear(3, 2)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    strange = {f"extra.{i}": torch.ones(1) for i in range(40)}
    with pytest.raises(CheckpointError) as caught:
        load_exactly(module, {"weight": torch.zeros(2, 4), **strange}, "some/file.pt")
    message = str(caught.value)
    assert "some/file.pt" in message
    assert "1 missing: bias" in message
    assert "40 unexpected: extra.0;" in message
    assert "and 32 more" in message
    assert "weight: [2, 4] in the file, [2, 3] in the model" in message
    assert same(module.state_dict(), before)
