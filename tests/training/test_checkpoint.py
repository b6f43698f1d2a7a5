"""Checkpoints of tensors that are laid out otherwise than row by row."""

from __future__ import annotations

import json

import pytest
import torch

from kinema.scene.formats.errors import FormatError
from kinema.training.checkpoint import Checkpoints, newest, read_checkpoint


def test_channels_last_weights_come_back_and_keep_their_layout(tmp_path):
    weight = torch.randn(4, 3, 2, 5).to(memory_format=torch.channels_last)
    checkpoints = Checkpoints(tmp_path / "checkpoint")
    checkpoints.save({"weight": weight}, {"step": 3})
    again = torch.zeros(4, 3, 2, 5).to(memory_format=torch.channels_last)
    assert checkpoints.load({"weight": again}) == {"step": 3}
    assert torch.equal(again, weight)
    assert again.is_contiguous(memory_format=torch.channels_last)


def steps(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("behind", [False, True])
def test_the_last_ones_stay_and_the_newest_is_read(tmp_path, behind):
    folder = tmp_path / "checkpoint"
    checkpoints = Checkpoints(folder, keep=2, behind=behind)
    weight = torch.zeros(3)
    for step in (1, 2, 3, 10):
        weight += 1
        checkpoints.save({"weight": weight}, {"step": step})
    weight += 100  # what is written behind is as it was
    checkpoints.finish()
    assert steps(folder) == ["step-0000003", "step-0000010"]
    tensors, state = read_checkpoint(folder)
    assert state == {"step": 10}
    assert torch.equal(tensors["weight"], torch.full((3,), 4.0))


def test_a_write_that_was_cut_off_is_not_taken_for_a_checkpoint_and_goes(tmp_path):
    folder = tmp_path / "checkpoint"
    checkpoints = Checkpoints(folder)
    checkpoints.save({"weight": torch.ones(3)}, {"step": 1})
    (folder / "step-0000002.new").mkdir()
    (folder / "step-0000002.new" / "shard.safetensors").write_bytes(b"half")
    weight = torch.zeros(3)
    assert checkpoints.load({"weight": weight}) == {"step": 1}
    assert torch.equal(weight, torch.ones(3))
    assert steps(folder) == ["step-0000001"]


def test_a_damaged_newest_one_names_the_one_before(tmp_path):
    folder = tmp_path / "checkpoint"
    checkpoints = Checkpoints(folder)
    for step in (1, 2):
        checkpoints.save({"weight": torch.full((3,), float(step))}, {"step": step})
    place = newest(folder)
    (file,) = place.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(FormatError, match="remove step-0000002 to go on from step-0000001"):
        checkpoints.load({"weight": torch.zeros(3)})


def test_the_one_checkpoint_of_an_older_version_is_refused(tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "state.json").write_text(json.dumps({"step": 3}))
    with pytest.raises(FormatError, match="older version of Kinema"):
        Checkpoints(folder).load({"weight": torch.zeros(3)})
