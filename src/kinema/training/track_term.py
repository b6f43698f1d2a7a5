"""The tracking term of a training step: predicted latents are decoded round the person and tracked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from kinema.stage import Take
from kinema.training.tracking import CorrelationTracker, Tracker, tracking_loss


@dataclass(frozen=True)
class TrackOptions:
    """When and how L_track is computed; all of it ours, the paper says nothing of its cost.

    Args:
        every: steps between computations, on average; which steps is drawn, so that a resumed run repeats them.
        takes: of the batch, how many are tracked.
        below: times are drawn from (0, below) x T: a sample predicted from much noise is too blurred to be tracked.
        crop: side of the decoded square round the person, in latent cells; 0 decodes the whole picture.
        trust: pixels. A point counts in the frames in which the tracker, shown the real video, comes this close to the
            exact track: elsewhere the loss would teach the tracker's mistakes.
        tau, static: see gap_weights.
        tracker: follows the points in the decoded video.
    """

    every: int = 4
    takes: int = 1
    below: float = 0.4
    crop: int = 8
    trust: float = 2.0
    tau: float = 2.0
    static: bool = False
    tracker: Tracker = field(default_factory=CorrelationTracker)


def exact_tracks(take: Take, points: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Points on the people of one frame, followed exactly through the whole take.

    Returns:
        queries (frame, x, y), float32 [N, 3]; tracks, pixels, float32 [T, N, 2]; tracked, whether they are seen, bool
        [T, N]. Where the frame shows nobody, no point is seen in any frame.
    """
    frame = int(rng.integers(take.frames))
    rows, columns = np.nonzero(take.person_mask[frame])
    somebody = len(rows) > 0
    if not somebody:
        rows, columns = np.zeros(1, int), np.zeros(1, int)
    picked = rng.integers(len(rows), size=points)
    places = np.stack([columns[picked], rows[picked]], axis=1) + 0.5
    tracks, seen = take.tracks(places, frame)
    queries = np.column_stack([np.full(points, frame), places]).astype(np.float32)
    return {"queries": queries, "tracks": tracks, "tracked": seen & somebody}


def track_term(
    latents: torch.Tensor,
    takes: list[dict[str, Any]],
    decode: Callable[[torch.Tensor], torch.Tensor],
    options: TrackOptions,
    compression: int = 8,
) -> dict[str, torch.Tensor]:
    """L_track of predicted clean latents against the exact tracks of their takes.

    Args:
        latents: [B, C, F, h, w].
        takes: as `training_take` gives them with points.
        decode: latents to pixels in [-1, 1], [1, 3, T, H, W].
        options: how.
        compression: pixels per latent cell.
    """
    terms = []
    for latent, take in zip(latents, takes, strict=True):
        queries, tracks, tracked, video = (
            torch.from_numpy(take[name])[None].to(latents.device)
            for name in ("queries", "tracks", "tracked", "video")
        )
        picture = video.shape[3], video.shape[2]
        (top, left), (rows, columns) = _window(tracks[tracked], latent.shape[-2:], options.crop, compression)
        y, x = top * compression, left * compression
        height, width = rows * compression, columns * compression
        shift, size = tracks.new_tensor([x, y]), tracks.new_tensor([width, height])
        queries = torch.cat([queries[..., :1], queries[..., 1:] - shift], dim=-1)
        tracks = tracks - shift
        real = video[:, :, y : y + height, x : x + width].permute(0, 4, 1, 2, 3) / 127.5 - 1
        with torch.no_grad():
            seen_again, seen_real = options.tracker(real, queries)
        trusted = seen_real & ((seen_again - tracks).norm(dim=-1) <= options.trust)
        followed, seen = options.tracker(
            decode(latent[None, :, :, top : top + rows, left : left + columns]), queries
        )
        starts_inside = ((queries[..., 1:] >= 0) & (queries[..., 1:] < size)).all(-1)
        terms.append(
            tracking_loss(
                followed,
                tracks,
                tracked & trusted & seen & starts_inside[:, None],
                queries[..., 0].long(),
                size=picture,
                tau=options.tau,
                static=options.static,
            )["track"]
        )
    return {"track": torch.stack(terms).mean()}


def _window(
    points: torch.Tensor, grid: Sequence[int], side: int, compression: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(top, left) and (rows, columns), in cells, of a square round the middle of the points [N, 2], in the picture."""
    rows, columns = (min(side, cells) if side else cells for cells in grid)
    if not len(points):
        return (0, 0), (rows, columns)
    x, y = (points.mean(0) / compression).tolist()
    top = min(max(round(y - rows / 2), 0), grid[0] - rows)
    left = min(max(round(x - columns / 2), 0), grid[1] - columns)
    return (top, left), (rows, columns)
