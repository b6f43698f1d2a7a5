"""Tracking weights by hand, and the correlation tracker on pictures whose motion is known."""

import math

import pytest
import torch
from torch.nn import functional

from kinema.papers.mosa import CorrelationTracker, gap_weights, tracking_loss


def test_weights_sum_to_one_and_grow_with_the_gap_in_latent_frames():
    weights = gap_weights(49, torch.tensor([[0, 20, 48]]))
    assert weights.shape == (1, 49, 3)
    torch.testing.assert_close(weights.sum(1), torch.ones(1, 3))
    first = weights[0, :, 0]
    # 49 frames are 13 latent frames: the longest gap weighs exp(12 / 2) = 403 times the shortest.
    assert (first[48] / first[0]).item() == pytest.approx(math.exp(6), rel=1e-4)
    assert math.exp(6) == pytest.approx(403.4, abs=0.1)
    assert torch.equal(first[1:5], first[1].expand(4))  # frames of one latent frame weigh the same
    assert (first[5] / first[1]).item() == pytest.approx(math.exp(0.5), rel=1e-4)
    middle = weights[0, :, 1]
    assert middle.argmin() in range(17, 21)


def test_static_weights_and_the_time_constant():
    query = torch.tensor([[0]])
    assert torch.equal(gap_weights(5, query, static=True), torch.full((1, 5, 1), 0.2))
    slow = gap_weights(9, query, tau=1e6)
    torch.testing.assert_close(slow, torch.full((1, 9, 1), 1 / 9), rtol=1e-4, atol=0)
    fast = gap_weights(9, query, tau=0.05)
    assert fast[0, 5:].sum() == pytest.approx(1)


def test_loss_by_hand():
    """Two frames, one latent gap: weights 1 : e^(1/2); the second frame is 3 + 4 pixels off on a diagonal of 50."""
    real = torch.tensor([[[[10.0, 10.0]], [[12.0, 11.0]]]])
    generated = real + torch.tensor([100.0, 50.0])  # a tracker's own offset does not count
    query, seen = torch.tensor([[0]]), torch.ones(1, 2, 1, dtype=torch.bool)
    size = (30, 40)
    assert tracking_loss(generated, real, seen, query, size=size)["track"] == 0
    generated[:, 1] += torch.tensor([3.0, -4.0])
    share = math.exp(0.5) / (1 + math.exp(0.5))
    loss = tracking_loss(generated, real, seen, query, size=size)["track"]
    assert loss.item() == pytest.approx(7 / 50 * share, rel=1e-5)
    static = tracking_loss(generated, real, seen, query, size=size, static=True)["track"]
    assert static.item() == pytest.approx(7 / 50 / 2, rel=1e-5)


def test_hidden_points_do_not_count_even_where_they_are_nan():
    real = torch.rand(1, 5, 2, 2)
    real[:, 3:, 1] = torch.nan
    visible = torch.ones(1, 5, 2, dtype=torch.bool)
    visible[:, 3:, 1] = False
    generated = torch.rand(1, 5, 2, 2, requires_grad=True)
    loss = tracking_loss(generated, real, visible, torch.zeros(1, 2, dtype=torch.long), size=(8, 8))["track"]
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(generated.grad).all()
    assert (generated.grad[:, 3:, 1] == 0).all()
    nothing = tracking_loss(generated, real, visible & False, torch.zeros(1, 2).long(), size=(8, 8))["track"]
    assert nothing == 0


def moving_texture(frames: int, step: tuple[float, float], seed: int = 0) -> torch.Tensor:
    """A smooth random picture that moves by `step` pixels per frame, [1, 3, T, 48, 64]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 24, 30, generator=generator) * 2 - 1
    picture = functional.interpolate(coarse, (96, 120), mode="bicubic")
    y, x = torch.meshgrid(torch.arange(48) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    shots = []
    for t in range(frames):
        grid = torch.stack([(x + 28 - step[0] * t) / 60 - 1, (y + 24 - step[1] * t) / 48 - 1], dim=-1)
        shots.append(functional.grid_sample(picture, grid[None], align_corners=False))
    return torch.stack(shots, dim=2)


QUERIES = torch.tensor([[[0.0, 30.0, 20.0], [0.0, 24.5, 30.5], [2.0, 40.0, 25.0]]])


@pytest.mark.parametrize("step", [(0.0, 0.0), (2.0, 1.0), (-1.5, 0.7)])
def test_the_tracker_follows_a_moving_texture_forwards_and_backwards(step):
    tracks, seen = CorrelationTracker(radius=4)(moving_texture(6, step), QUERIES)
    assert tracks.shape == (1, 6, 3, 2)
    for point, (frame, x, y) in enumerate(QUERIES[0].tolist()):
        gaps = torch.arange(6) - frame
        exact = torch.stack([x + step[0] * gaps, y + step[1] * gaps], dim=-1)
        assert (tracks[0, :, point] - exact).norm(dim=-1).max() < 0.5
    assert seen.all()


def test_what_is_covered_is_not_seen():
    video = moving_texture(4, (1.0, 0.0))
    video[:, :, 2:] = 0.9
    _, seen = CorrelationTracker(radius=3)(video, QUERIES[:, :2])
    assert seen[0, :2].all()
    assert not seen[0, 2:].any()


def test_the_loss_pulls_the_picture_to_where_the_real_points_go():
    """The speed of a picture, learned through the tracker alone."""
    picture = moving_texture(1, (0.0, 0.0))[:, :, 0]
    queries = QUERIES[:, :2]
    frames = 3
    gaps = torch.arange(frames).view(1, -1, 1, 1)
    real = queries[:, None, :, 1:] + gaps * torch.tensor([1.0, -0.6])
    visible = torch.ones(1, frames, 2, dtype=torch.bool)
    y, x = torch.meshgrid(torch.arange(48) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    speed = torch.zeros(2, requires_grad=True)
    optimiser = torch.optim.Adam([speed], lr=0.1)
    for _ in range(40):
        grids = [
            torch.stack([(x - t * speed[0]) / 32 - 1, (y - t * speed[1]) / 24 - 1], dim=-1)[None]
            for t in range(frames)
        ]
        video = torch.stack([functional.grid_sample(picture, g, align_corners=False) for g in grids], dim=2)
        tracks, _ = CorrelationTracker(radius=3)(video, queries)
        loss = tracking_loss(tracks, real, visible, queries[..., 0].long(), size=(64, 48))["track"]
        optimiser.zero_grad()
        loss.backward()
        assert torch.isfinite(speed.grad).all()
        optimiser.step()
    assert speed[0].item() == pytest.approx(1.0, abs=0.2)
    assert speed[1].item() == pytest.approx(-0.6, abs=0.2)


def test_an_even_patch_is_refused():
    with pytest.raises(ValueError, match="odd"):
        CorrelationTracker(patch=4)
