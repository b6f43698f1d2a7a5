"""Networks from folders that are damaged, incomplete or not theirs: what is wrong is said, and nothing else is read."""

import json

import pytest
import torch

from kinema.diffusion.module import Module

INDEX = "diffusion_pytorch_model.safetensors.index.json"


class Net(Module):
    def __init__(self, width: int, layers: tuple[int, ...] = (1,)) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(width, 200)


@pytest.fixture
def saved(tmp_path):
    """A network in two shards."""
    Net(100).save_pretrained(tmp_path, max_shard_size="10KB")
    assert (tmp_path / INDEX).is_file()
    return tmp_path


def test_what_was_saved_before_is_gone(saved):
    net = Net(100)
    net.save_pretrained(saved)
    assert torch.equal(Net.from_pretrained(saved).linear.weight, net.linear.weight)


def test_keys_that_are_no_arguments_are_passed_over(saved):
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**config, "self": 1, "_other": 2}))
    assert Net.from_pretrained(saved).config.width == 100


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("{", "is not JSON"),
        ("[1]", "holds no JSON object"),
        ("{}", "not that of a Net: missing a required argument: 'width'"),
        ('{"width": "wide"}', "not that of a Net"),
        ('{"width": -1}', "not that of a Net"),
        ('{"width": 3}', "the weights are not those of this Net"),
    ],
)
def test_another_config_is_said(saved, config, says):
    (saved / "config.json").write_text(config)
    with pytest.raises(ValueError, match=says):
        Net.from_pretrained(saved)


@pytest.mark.parametrize(
    "index", ["{}", '{"weight_map": [1]}', '{"weight_map": {"a": 1, "b": "../other.safetensors"}}']
)
def test_weights_are_beside_their_index(saved, index):
    (saved / INDEX).write_text(index)
    with pytest.raises(ValueError, match="which files beside it hold the weights"):
        Net.from_pretrained(saved)


def test_damaged_and_missing_shards_are_said(saved):
    shard = next(saved.glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(ValueError, match=f"{shard.name} is damaged"):
        Net.from_pretrained(saved)
    shard.unlink()
    with pytest.raises(FileNotFoundError, match="incomplete"):
        Net.from_pretrained(saved)


def test_pickles_are_never_read(saved):
    for file in (*saved.glob("*.safetensors"), saved / INDEX):
        file.unlink()
    torch.save(Net(100).state_dict(), saved / "diffusion_pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match=r"holds no diffusion_pytorch_model\.safetensors"):
        Net.from_pretrained(saved)
