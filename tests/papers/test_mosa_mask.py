"""L_m by hand."""

import pytest
import torch

from kinema.papers.mosa import mask_loss, pool_to_latents


def test_masks_are_pooled_over_the_frame_groups_of_the_autoencoder():
    mask = torch.zeros(1, 9, 4, 4, dtype=torch.bool)
    mask[:, 0, :2, :2] = True  # the first frame stands alone
    mask[:, 3, 2:, 2:] = True  # one of frames 1 to 4
    mask[:, 5:9, 0, 0] = True  # a quarter of a cell, in all of frames 5 to 8
    pooled = pool_to_latents(mask, (3, 2, 2))
    assert pooled.shape == (1, 1, 3, 2, 2)
    assert pooled[0, 0, 0].tolist() == [[1, 0], [0, 0]]
    assert pooled[0, 0, 1].tolist() == [[0, 0], [0, 0.25]]
    assert pooled[0, 0, 2].tolist() == [[0.25, 0], [0, 0]]
    for grid in ((2, 3, 2), (4, 2, 2), (1, 2, 2)):
        with pytest.raises(ValueError, match="cannot be pooled"):
            pool_to_latents(mask, grid)


def test_mask_loss_is_the_mean_over_sites_and_over_samples_that_have_a_structure():
    people = torch.ones(2, 5, 4, 4, dtype=torch.bool)
    right = torch.ones(2, 1, 2, 2, 2)
    wrong = torch.zeros(2, 1, 2, 2, 2, requires_grad=True)
    assert mask_loss((right, wrong), people)["mask"] == 0.5
    assert mask_loss((), people) == {}
    half = torch.stack([right[0], torch.full_like(right[1], 0.5)])
    assert mask_loss((half,), people)["mask"] == 0.125
    assert mask_loss((half,), people, torch.tensor([True, False]))["mask"] == 0
    assert mask_loss((half,), people, torch.tensor([False, False]))["mask"] == 0
    mask_loss((wrong,), people)["mask"].backward()
    assert (wrong.grad < 0).all()
