"""Checkpoints of tensors that are laid out otherwise than row by row."""

from __future__ import annotations

import torch

from kinema.training.checkpoint import load_checkpoint, save_checkpoint


def test_channels_last_weights_come_back_and_keep_their_layout(tmp_path):
    weight = torch.randn(4, 3, 2, 5).to(memory_format=torch.channels_last)
    save_checkpoint(tmp_path / "checkpoint", {"weight": weight}, {"step": 3})
    again = torch.zeros(4, 3, 2, 5).to(memory_format=torch.channels_last)
    assert load_checkpoint(tmp_path / "checkpoint", {"weight": again}) == {"step": 3}
    assert torch.equal(again, weight)
    assert again.is_contiguous(memory_format=torch.channels_last)
