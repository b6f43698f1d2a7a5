"""What mini reads and says: the backdrop plate on its channels, and what of it is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.video import tiny

from kinema.video.models.mini.model import MiniVideo
from kinema.video.models.mini.network import Plate, before_plate, make_mini, mini_input, mini_output


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


@pytest.mark.parametrize("known", [True, False])
def test_people_stand_before_the_backdrop_and_blur_does_not_hide_it(known):
    backdrop = torch.rand(1, 5, 4, 48, 32) * 0.1 + 0.45
    video = 2 * backdrop[:, :, :3].transpose(1, 2) - 1
    clean = video.clone()
    video += 0.01 * torch.randn_like(video)  # a grey level
    video[..., 10:40, 8:16] = 0.9  # somebody
    video[:, 0, :, 30:40, 22:28] = 0.95  # and something red that nobody spoke of
    people = torch.zeros(1, 5, 48, 32, dtype=torch.bool)
    people[..., 10:40, 8:16] = True
    shown = before_plate(video, backdrop, people if known else None)
    torch.testing.assert_close(shown[..., 13:37, 11:13], video[..., 13:37, 11:13])
    torch.testing.assert_close(shown[..., 33:37, 24:26], video[..., 33:37, 24:26], atol=0.05, rtol=0)
    torch.testing.assert_close(shown[..., :6, :], clean[..., :6, :])


def test_what_is_merely_darker_counts_half_where_nobody_shall_be():
    backdrop = torch.full((1, 5, 4, 48, 32), 0.6)
    plate = torch.full((1, 3, 5, 48, 32), 0.2)
    shadow, drawn = np.s_[:, :, :, 30:44, 4:14], np.s_[:, :, :, 30:44, 18:28]
    video = plate.clone()
    video[shadow] = 2 * 0.35 - 1  # 64 grey levels darker and of the same colour
    video[drawn] = 0.2 - torch.tensor([-0.5, 0.0, 0.5]).view(1, 3, 1, 1, 1)  # as much, but of another colour
    people = torch.zeros(1, 5, 48, 32, dtype=torch.bool)

    def shown(middle, mask) -> float:
        """How much of what differs from the plate remains in the middle of a patch."""
        made = before_plate(video, backdrop, mask) - plate
        return float(
            made[middle][..., 5:-5, 4:-4].abs().amax(1).mean() / (video - plate)[middle].abs().amax()
        )

    assert shown(shadow, people) < 0.1
    assert 0.5 < shown(drawn, people) < 0.9
    assert shown(shadow, ~people) > 0.99
    assert shown(shadow, None) > 0.99


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
