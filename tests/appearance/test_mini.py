"""What mini reads and says: the backdrop plate on its channels, and what of it is kept."""

from __future__ import annotations

import pytest
import torch
from tests.appearance import tiny

from kinema.appearance.backbones.mini import Plate, make_mini, mini_input, mini_output
from kinema.appearance.backbones.mini_video import MiniVideo


def plate(batch: int = 2) -> Plate:
    generator = torch.Generator().manual_seed(0)
    return Plate(
        torch.randn(batch, 12, 2, 6, 4, generator=generator),
        torch.rand(batch, 1, 2, 6, 4, generator=generator),
    )


@torch.no_grad()
def test_a_new_transformer_says_the_plate():
    made = make_mini(latent_channels=12, width=64, layers=3, heads=2)
    seen, behind = torch.randn(2, 12, 2, 6, 4), plate()
    read = mini_input(seen, torch.ones(2), seen[:, :, :1], torch.zeros(2, dtype=torch.bool), behind)
    raw = made(read, torch.full((2,), 1000.0), torch.zeros(2, 4, 384)).sample
    kept = mini_output(raw, behind)
    torch.testing.assert_close(kept, torch.sigmoid(torch.tensor(2.0)) * behind.latents)
    torch.testing.assert_close(mini_output(raw, behind, settle=True), behind.latents)


def test_sampling_keeps_whole_what_is_kept_for_the_most_part_and_draws_the_rest():
    behind = plate(1)
    raw = torch.randn(1, 13, 2, 6, 4)
    raw[:, -1:] = -5.0  # keeps nothing
    raw[:, -1:, :, :3] = 0.0  # keeps nine tenths
    settled = mini_output(raw, behind, settle=True)
    torch.testing.assert_close(settled[:, :, :, :3], behind.latents[:, :, :, :3])
    torch.testing.assert_close(settled[:, :, :, 3:], mini_output(raw, behind)[:, :, :, 3:])


def test_a_plate_is_the_picture_where_nothing_moves_and_says_how_much_is_seen():
    autoencoder = tiny.autoencoder()
    picture = torch.rand(1, 3, 1, 48, 32) * 2 - 1

    def to_latents(pixels: torch.Tensor) -> torch.Tensor:
        return autoencoder.encode(pixels).latent_dist.mode()

    backdrop = torch.cat([picture[:, :, 0] / 2 + 0.5, torch.ones(1, 1, 48, 32)], dim=1)[:, None].repeat(
        1, 5, 1, 1, 1
    )
    same = Plate.seen_by(backdrop, to_latents)
    assert (same.seen == 1).all()
    torch.testing.assert_close(
        same.latents, to_latents(picture.expand(-1, -1, 5, -1, -1)), atol=1e-4, rtol=1e-4
    )
    backdrop[:, 3:, 3, :24, :8] = 0  # half of the frames of the group, in the upper left cells
    part = Plate.seen_by(backdrop, to_latents).seen
    assert (part[:, :, 0] == 1).all()
    assert (part[0, 0, 1, :3, 0] == 0.5).all()
    assert (part[0, 0, 1, :, 1:] == 1).all()


def test_who_knows_the_camera_sees_its_plate_and_others_the_picture():
    moving, reference = plate(), torch.randn(2, 12, 1, 6, 4)
    still = Plate.still(reference, 2)
    chosen = moving.where(torch.tensor([True, False]), still)
    assert torch.equal(chosen.latents[0], moving.latents[0])
    assert torch.equal(chosen.latents[1], reference[1].expand(-1, 2, -1, -1))
    assert torch.equal(chosen.seen[1], torch.ones(1, 2, 6, 4))


def test_a_transformer_from_before_the_backdrop_is_refused():
    with pytest.raises(ValueError, match="before mini read the backdrop"):
        MiniVideo(tiny.wan(in_channels=25, out_channels=13), tiny.autoencoder(), tiny.FORM)
