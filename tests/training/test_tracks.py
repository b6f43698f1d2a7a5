"""CoTracker3's conventions, tracks of videos, and the paper's pairs of frames."""

import numpy as np
import pytest
import torch
from tests.data.videos import colours

from kinema.papers.mosa import tracking_loss
from kinema.training.tracks import CoTracker, VideoTracks, tracker_of


class Echo(torch.nn.Module):
    """Keeps every point where it was asked for, and says where that is in the picture; as CoTracker3 is called."""

    def forward(self, video: torch.Tensor, queries: torch.Tensor):
        tracks = queries[:, None, :, 1:].repeat(1, video.shape[1], 1, 1)
        return tracks, video.mean((2, 3, 4))[:, :, None].repeat(1, 1, queries.shape[1]) / 255


def test_cotracker_is_given_what_its_public_predictor_gives(tmp_path):
    """cotracker/predictor.py: pixels of 0 to 255 at 384 x 512, corners aligned, centres at whole numbers, 0.9 is seen."""
    seen = []

    def module(video, queries):
        seen.append((video, queries))
        return Echo()(video, queries)

    video = torch.full((1, 3, 5, 48, 64), 0.9)
    queries = torch.tensor([[[2.0, 0.5, 0.5], [0.0, 63.5, 47.5]]])
    tracks, visible = CoTracker(module)(video, queries)
    pixels, told = seen[0]
    assert pixels.shape == (1, 5, 3, 384, 512)
    assert pixels.max().item() == pytest.approx(0.95 * 255)
    assert torch.allclose(told, torch.tensor([[[2.0, 0, 0], [0, 511, 383]]]))
    assert torch.allclose(tracks[0, 3], queries[0, :, 1:])
    assert visible.all()
    assert not CoTracker(module)(video - 0.3, queries)[1].any()


def test_a_torchscript_is_read_and_other_files_are_refused(tmp_path):
    torch.jit.script(Echo()).save(str(tmp_path / "t.pt"))
    tracks, _ = tracker_of(str(tmp_path / "t.pt"))(torch.zeros(1, 3, 5, 16, 16), torch.full((1, 1, 3), 2.5))
    assert tracks.shape == (1, 5, 1, 2)
    torch.save({"weights": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(ValueError, match="is no TorchScript"):
        tracker_of(str(tmp_path / "w.pt"))
    with pytest.raises(FileNotFoundError, match="there is no such tracker"):
        tracker_of(str(tmp_path / "none.pt"))


def test_tracks_of_a_video_are_of_its_pictures_alone():
    video = colours(9, (32, 48))
    first, second = VideoTracks(None, 6)(video, None), VideoTracks(None, 6)(video.copy(), None)
    assert {name: array.shape for name, array in first.items()} == {
        "queries": (6, 3),
        "tracks": (9, 6, 2),
        "tracked": (9, 6),
    }
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert VideoTracks(None, 6).key != VideoTracks(None, 7).key


def test_pairs_are_weighed_by_e_to_half_their_gap():
    """MoSA, L_track: e^(|t - t'| / 2) times the L1 of the ways, over t and t' (gaps in latent frames)."""
    rng = torch.Generator().manual_seed(0)
    real, generated = torch.rand(1, 9, 2, 2, generator=rng), torch.rand(1, 9, 2, 2, generator=rng)
    visible = torch.ones(1, 9, 2, dtype=torch.bool)
    visible[0, 3, 1] = False
    made = tracking_loss(
        generated, real, visible, torch.zeros(1, 2, dtype=torch.long), size=(3, 4), pairs="all"
    )["track"]
    latent = [0, 1, 1, 1, 1, 2, 2, 2, 2]
    total = weight = 0.0
    for point in range(2):
        for chosen in range(9):
            norm = sum(np.exp(abs(latent[t] - latent[chosen]) / 2) for t in range(9))
            for t in range(9):
                if not (visible[0, t, point] and visible[0, chosen, point]):
                    continue
                w = np.exp(abs(latent[t] - latent[chosen]) / 2) / norm
                way = (generated[0, t, point] - generated[0, chosen, point]) - (
                    real[0, t, point] - real[0, chosen, point]
                )
                total, weight = total + w * way.abs().sum().item() / 5, weight + w
    assert made.item() == pytest.approx(total / weight, rel=1e-5)
