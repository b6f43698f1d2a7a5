"""Denoising terms against values worked out by hand."""

import pytest
import torch

from kinema.training.objectives import flow_matching, training_times


def test_flow_matching_weighs_positions():
    clean, predicted = torch.zeros(1, 4, 1, 1, 2), torch.zeros(1, 4, 1, 1, 2)
    predicted[..., 1] = 1
    assert flow_matching(predicted, clean)["flow"] == 0.5
    weight = torch.tensor([1.0, 3.0]).view(1, 1, 1, 1, 2)
    assert flow_matching(predicted, clean, weight)["flow"] == 0.75


def test_training_times_cover_the_path_and_lean_towards_noise():
    times = training_times(512, 3.0, torch.Generator().manual_seed(0))
    assert times.min() > 0
    assert times.max() <= 1
    assert times.median() == pytest.approx(0.75, abs=0.02)
