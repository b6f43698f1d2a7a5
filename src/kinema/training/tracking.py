"""MoSA's dense tracking loss L_track: points of the generated video move as the same points of the real one.

L_track = sum over t of exp(|t - t'| / tau) L1(tracks), t' the frame in which a point is chosen. Real tracks come from
the stage and are exact; generated ones from a `Tracker`. The paper's tracker, CoTracker3, can be plugged in, but its
weights are licensed for non-commercial use only, so a correlation tracker of our own is the default.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch.nn import functional


class Tracker(Protocol):
    """Follows points through a video; differentiable in the video where its loss shall train something."""

    def __call__(self, video: torch.Tensor, queries: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tracks points.

        Args:
            video: pixels in [-1, 1], [B, 3, T, H, W].
            queries: (frame, x, y) of each point, pixel centres at +0.5, [B, N, 3].

        Returns:
            Pixels [B, T, N, 2], and whether each point is seen, bool [B, T, N].
        """
        ...


def tracking_loss(
    generated: torch.Tensor,
    real: torch.Tensor,
    visible: torch.Tensor,
    query_frames: torch.Tensor,
    *,
    size: tuple[int, int],
    tau: float = 2.0,
    static: bool = False,
) -> dict[str, torch.Tensor]:
    """L1 between how far points have moved since their query frame, later and earlier frames weighing more.

    Ours: displacements instead of places, so that a tracker's own offset does not count; coordinates over the
    picture's diagonal; points count only where they are seen; weights as `gap_weights` has them.

    Args:
        generated, real: tracks of the same queries, pixels, [B, T, N, 2].
        visible: seen in both videos, bool [B, T, N].
        query_frames: t' of each point, [B, N].
        size: (width, height) in pixels.
        tau, static: see gap_weights.
    """
    frames = real.shape[1]
    weights = gap_weights(frames, query_frames, tau=tau, static=static) * visible
    difference = _displacement(generated, query_frames) - _displacement(real, query_frames)
    diagonal = (size[0] ** 2 + size[1] ** 2) ** 0.5
    # Where a point is not seen its track may be NaN, which no weight of 0 would silence.
    error = torch.where(visible.unsqueeze(-1), difference, 0.0).abs().sum(-1) / diagonal
    return {"track": (error * weights).sum() / weights.sum().clamp(min=1e-6)}


def gap_weights(
    frames: int, query_frames: torch.Tensor, *, tau: float = 2.0, static: bool = False, compression: int = 4
) -> torch.Tensor:
    """exp(|t - t'| / tau) of every frame, normalised to the sum 1 for each point, [..., T, N].

    Ours: gaps count latent frames. Over 49 frames the paper's exponential would reach 2.6e10 and the few longest gaps
    would be all that counts; over 13 latent frames it reaches 403.

    Args:
        frames: T.
        query_frames: t' of each point, [..., N].
        tau: latent frames in which the weight grows by e; the paper's 2.
        static: the same weight for every frame (the paper's ablation).
        compression: frames per latent frame, the first standing alone.
    """
    frame = torch.arange(frames, device=query_frames.device)
    latent = torch.div(frame + compression - 1, compression, rounding_mode="floor")
    at_query = torch.div(query_frames + compression - 1, compression, rounding_mode="floor")
    gaps = (latent.unsqueeze(-1) - at_query.unsqueeze(-2)).abs().float()
    return torch.softmax(torch.zeros_like(gaps) if static else gaps / tau, dim=-2)


class CorrelationTracker:
    """Follows points by matching small patches of colour and edges from frame to frame (ours; no learned weights).

    A point's patch in its query frame is compared with every place within `radius` pixels of where the point was in
    the frame before; a softmax over the squared differences says where it is now. It follows textures and edges of
    moderate motion, loses points that turn away, and is no match for a learned tracker: docs/training.md has figures.

    Args:
        radius: largest motion per frame, pixels.
        patch: side of the compared patch, pixels, odd.
        temperature: of the softmax, in mean squared feature differences; smaller is sharper.
        lost: mean squared feature difference at the best place above which a point is not seen.
    """

    def __init__(
        self, radius: int = 6, patch: int = 7, temperature: float = 0.002, lost: float = 0.02
    ) -> None:
        if patch % 2 == 0 or radius < 1:
            raise ValueError(
                f"the patch has an odd side and the radius is at least 1, not {patch} and {radius}"
            )
        self.radius = radius
        self.patch = patch
        self.temperature = temperature
        self.lost = lost

    def __call__(self, video: torch.Tensor, queries: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        frames, height, width = video.shape[2:]
        features = low_level_features(video)
        index = queries[..., 0].long()  # [B, N]
        start = queries[..., 1:]
        patch = self._grid(self.patch // 2, video)  # [K, 2]
        window = self._grid(self.radius, video)  # [R, 2]
        at_query = [
            _sample(features[:, :, t], start[:, :, None] + patch) for t in range(frames)
        ]  # each [B, N, K, C]
        chosen = functional.one_hot(index, frames).to(video)  # [B, N, T]
        template = torch.einsum("tbnkc,bnt->bnkc", torch.stack(at_query), chosen)

        def follow(place: torch.Tensor, t: int) -> tuple[torch.Tensor, torch.Tensor]:
            """The point's place in frame t, [B, N, 2], and how badly it fits there, [B, N]."""
            around = place.detach()
            places = around[:, :, None, None] + window[:, None] + patch  # [B, N, R, K, 2]
            found = _sample(features[:, :, t], places.flatten(2, 3)).unflatten(2, (len(window), len(patch)))
            costs = (found - template[:, :, None]).square().mean((-1, -2))
            share = torch.softmax(-costs / self.temperature, dim=-1)
            return around + (share.unsqueeze(-1) * window).sum(2), costs.amin(-1)

        tracks = [start] * frames
        misfits = [torch.zeros_like(start[..., 0])] * frames
        for onwards in (True, False):  # from the query frame to the end, and from it to the beginning
            place = start
            for t in range(frames) if onwards else reversed(range(frames)):
                reached = index < t if onwards else index > t
                if reached.any():
                    moved, misfit = follow(place, t)
                    place = torch.where(reached.unsqueeze(-1), moved, start)
                    tracks[t] = torch.where(reached.unsqueeze(-1), moved, tracks[t])
                    misfits[t] = torch.where(reached, misfit, misfits[t])
        track = torch.stack(tracks, dim=1)
        inside = ((track >= 0) & (track < track.new_tensor([width, height]))).all(-1)
        return track, inside & (torch.stack(misfits, dim=1) < self.lost)

    @staticmethod
    def _grid(radius: int, like: torch.Tensor) -> torch.Tensor:
        """Offsets (x, y) of a square of pixels, [(2 radius + 1)^2, 2]."""
        side = torch.arange(-radius, radius + 1, device=like.device, dtype=like.dtype)
        return torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1).reshape(-1, 2)


def low_level_features(video: torch.Tensor) -> torch.Tensor:
    """Colours and their slopes, slightly smoothed, [B, 9, T, H, W], of pixels [B, 3, T, H, W] in [-1, 1]."""
    smooth = functional.avg_pool3d(video, (1, 3, 3), stride=1, padding=(0, 1, 1), count_include_pad=False)
    padded = functional.pad(smooth, (1, 1, 1, 1, 0, 0), mode="replicate")
    slope_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    slope_y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return torch.cat([smooth, slope_x, slope_y], dim=1)


def _sample(picture: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Bilinear samples [B, N, K, C] of [B, C, H, W] at pixels [B, N, K, 2], edges continued."""
    height, width = picture.shape[-2:]
    grid = 2 * places / places.new_tensor([width, height]) - 1
    sampled = functional.grid_sample(picture, grid, padding_mode="border", align_corners=False)
    return sampled.permute(0, 2, 3, 1)


def _displacement(tracks: torch.Tensor, query_frames: torch.Tensor) -> torch.Tensor:
    """How far each point is from where it was in its query frame, [B, T, N, 2]."""
    where = query_frames[:, None, :, None].expand(-1, 1, -1, 2)
    return tracks - tracks.gather(1, where)
