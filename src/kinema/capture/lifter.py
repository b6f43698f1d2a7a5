"""A small temporal network that guesses depth from keypoints (ours; dilated convolutions as in VideoPose3D, 2019).

It reads 17 points that all detectors share, as rays of a camera turned towards the person, and says where the 24 joints
are relative to the pelvis, which way is up and which feet stand. Trained by `kinema train lifter`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kinema.diffusion.module import Module

LIFTER_JOINTS = (1, 2, 4, 5, 7, 8, 10, 11, 15, 16, 17, 18, 19, 20, 21, 22, 23)
"""SMPL-24 joints that the network reads: hips, knees, ankles, feet, head, shoulders, elbows, wrists, hands."""

LIFTER_FPS = 30.0
"""The network's frame rate."""

STANDING = (7, 8, 10, 11)
"""Joints whose contact with the floor the network tells: ankles and feet, left before right."""

_TRUNK = (0, 1, 9, 10)  # hips and shoulders among LIFTER_JOINTS
_CENTRE_SPREAD = 2.0  # frames: where the person is
_SIZE_SPREAD = 8.0  # frames: how large
_CHANNELS = 3 * len(LIFTER_JOINTS) + 1
_SHORTEST = 27  # frames; shorter clips are padded with frames without a person


@dataclass(frozen=True)
class Normalised:
    """Keypoints as the network reads them.

    Args:
        channels: [B, 52, T]: x, y and confidence of each point, then the logarithm of the apparent size.
        turn: axes of the camera turned towards the person, as columns in the true camera's axes, [B, T, 3, 3].
        size: of the person, tangent of an angle, [B, T].
    """

    channels: torch.Tensor
    turn: torch.Tensor
    size: torch.Tensor


@dataclass(frozen=True)
class Guess:
    """What the network says, for a body as tall as SMPL24's rest pose (1.70 m).

    Args:
        joints: relative to the pelvis, metres, axes of the turned camera (see Normalised), [B, T, 24, 3].
        up: the vertical there, unit vectors [B, T, 3].
        standing: logits that ankles and feet stand still on the floor, [B, T, 4].
    """

    joints: torch.Tensor
    up: torch.Tensor
    standing: torch.Tensor


def normalise(points: torch.Tensor, confidence: torch.Tensor) -> Normalised:
    """Turns the camera towards the person and divides by its apparent size, both smooth in time.

    Args:
        points: of LIFTER_JOINTS, slopes (x / z, y / z) in the camera's axes, any number where not seen,
            [B, T, 17, 2].
        confidence: 0 where not seen, [B, T, 17].
    """
    seen = confidence > 0
    points = torch.where(seen[..., None], points, torch.zeros_like(points))
    trunk = seen[..., _TRUNK].any(-1, keepdim=True)
    chosen = torch.zeros_like(seen)
    chosen[..., _TRUNK] = True
    chosen = torch.where(trunk, chosen, True) & seen
    weight = chosen.to(points.dtype)
    count = weight.sum(-1)
    middle = (points * weight[..., None]).sum(-2) / count.clamp(min=1e-6)[..., None]
    centre = _smooth(middle, (count > 0).to(points.dtype), _CENTRE_SPREAD)
    turn = _towards(centre)
    rays = torch.cat([points, torch.ones_like(points[..., :1])], dim=-1) @ turn
    flat = rays[..., :2] / rays[..., 2:].clamp(min=1e-3)
    weight = seen.to(points.dtype)
    spread = (flat.square().sum(-1) * weight).sum(-1) / weight.sum(-1).clamp(min=1e-6)
    enough = (weight.sum(-1) >= 4).to(points.dtype)
    size = _smooth(0.5 * torch.log(spread.clamp(min=1e-8))[..., None], enough, _SIZE_SPREAD)[..., 0].exp()
    flat = torch.where(seen[..., None], (flat / size[..., None, None]).clamp(-6, 6), torch.zeros_like(flat))
    channels = torch.cat([flat.flatten(-2), confidence, size.log()[..., None]], dim=-1)
    return Normalised(channels.transpose(1, 2), turn, size)


def _smooth(values: torch.Tensor, weight: torch.Tensor, spread: float) -> torch.Tensor:
    """Gaussian means over time of what is known, [B, T, C] and [B, T]; the clip's mean where nothing is near."""
    reach = int(4 * spread)
    taps = torch.arange(-reach, reach + 1, dtype=values.dtype, device=values.device)
    kernel = torch.exp(-0.5 * (taps / spread).square())[None, None]
    weighted = torch.cat([values * weight[..., None], weight[..., None]], dim=-1).transpose(1, 2)
    batch, channels, frames = weighted.shape
    summed = functional.conv1d(weighted.reshape(-1, 1, frames), kernel, padding=reach)
    summed = summed.reshape(batch, channels, frames).transpose(1, 2)
    total = weighted.sum(-1)[:, None]
    whole = total[..., :-1] / total[..., -1:].clamp(min=1e-6)
    known = summed[..., -1:]
    return torch.where(known > 1e-3, summed[..., :-1] / known.clamp(min=1e-6), whole)


def _towards(centre: torch.Tensor) -> torch.Tensor:
    """The shortest rotations that turn the lens to slopes [..., 2]; axes as columns, [..., 3, 3]."""
    x, y = centre.unbind(-1)
    length = (1 + x.square() + y.square()).sqrt()
    x, y, z = x / length, y / length, 1 / length
    share = 1 / (1 + z)
    return torch.stack(
        [
            torch.stack([1 - x * x * share, -x * y * share, x], dim=-1),
            torch.stack([-x * y * share, 1 - y * y * share, y], dim=-1),
            torch.stack([-x, -y, z], dim=-1),
        ],
        dim=-2,
    )


class TemporalBlock(nn.Module):
    """A dilated convolution over time and one over channels, around a skip."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.over_time = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.norm = nn.GroupNorm(1, width)
        self.over_channels = nn.Conv1d(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = functional.gelu(self.over_time(self.norm(x)))
        return x + self.over_channels(hidden)


class Lifter(Module):
    """Dilated convolutions over about two seconds.

    Args:
        width: channels.
        dilations: of the blocks, in frames.
    """

    def __init__(self, width: int = 192, dilations: tuple[int, ...] = (1, 2, 4, 8, 16)) -> None:
        super().__init__()
        self.enter = nn.Conv1d(_CHANNELS, width, 3, padding=1)
        self.blocks = nn.ModuleList([TemporalBlock(width, dilation) for dilation in dilations])
        self.norm = nn.GroupNorm(1, width)
        self.leave = nn.Conv1d(width, 23 * 3 + 3 + len(STANDING), 1)

    def forward(self, channels: torch.Tensor) -> Guess:
        """Guesses depth.

        Args:
            channels: see `Normalised`, [B, 52, T].
        """
        x = self.enter(channels)
        for block in self.blocks:
            x = block(x)
        out = self.leave(functional.gelu(self.norm(x))).transpose(1, 2)
        joints = out[..., :69].unflatten(-1, (23, 3))
        joints = torch.cat([torch.zeros_like(joints[..., :1, :]), joints], dim=-2)
        up = functional.normalize(out[..., 69:72] + torch.tensor([0.0, -1.0, 0.0]).to(out), dim=-1)
        return Guess(joints, up, out[..., 72:])


@lru_cache(maxsize=2)
def embedded_lifter() -> Lifter:
    """The trained network that comes with the package, float32, in evaluation mode."""
    from importlib import resources

    folder = Path(str(resources.files("kinema") / "weights" / "lifter"))
    network = Lifter.from_pretrained(folder)
    return network.float().eval()  # type: ignore[no-any-return]


@dataclass(frozen=True)
class DepthHints:
    """The network's guess for one track, frame by frame.

    Args:
        joints: SMPL-24 relative to the pelvis for a body of 1.70 m, metres, the camera's axes, [T, 24, 3].
        up: the vertical in the camera's axes, [T, 3].
        standing: probability that ankles and feet (STANDING) stand, [T, 4].
    """

    joints: np.ndarray
    up: np.ndarray
    standing: np.ndarray


@torch.no_grad()
def guess_depth(
    slopes: np.ndarray, confidence: np.ndarray, fps: float, network: Lifter | None = None
) -> DepthHints:
    """Depth hints of one person.

    Args:
        slopes: of the SMPL-24 joints, (x / z, y / z) in the camera's axes, NaN where not seen, [T, 24, 2].
        confidence: [T, 24], 0 where not seen.
        fps: frames per second; the network works at LIFTER_FPS and its answer is read at these frames.
        network: the embedded one where None.
    """
    network = network or embedded_lifter()
    chosen = list(LIFTER_JOINTS)
    frames = len(slopes)
    seen = (confidence[:, chosen] > 0) & np.isfinite(slopes[:, chosen]).all(-1)
    count = int(np.floor((frames - 1) / fps * LIFTER_FPS + 1e-6)) + 1
    at = np.minimum(np.arange(count) / LIFTER_FPS * fps, frames - 1)
    points, certainty = sample_keypoints(slopes[:, chosen], np.where(seen, confidence[:, chosen], 0.0), at)
    padding = max(0, -(-(_SHORTEST - count) // 2))
    points = np.pad(points, ((padding, padding), (0, 0), (0, 0)))
    certainty = np.pad(certainty, ((padding, padding), (0, 0)))
    given = normalise(torch.from_numpy(points)[None].float(), torch.from_numpy(certainty)[None].float())
    guess = network(given.channels)
    turn = given.turn[0].double().numpy()
    joints = guess.joints[0].double().numpy() @ turn.swapaxes(-1, -2)
    up = np.einsum("tij,tj->ti", turn, guess.up[0].double().numpy())
    standing = guess.standing[0].double().sigmoid().numpy()
    kept = slice(padding, padding + count)
    back = np.minimum(np.arange(frames) / fps * LIFTER_FPS, count - 1)
    joints, up, standing = (_linear(values[kept], back) for values in (joints, up, standing))
    return DepthHints(joints, up / np.linalg.norm(up, axis=-1, keepdims=True), standing)


def sample_keypoints(
    points: np.ndarray, confidence: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints between frames: on the line between two sightings, else the one sighting that is nearer than a frame.

    Args:
        points: [T, K, 2]; confidence: [T, K], 0 where not seen.
        at: frame positions, [N].
    """
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(points) - 1)
    share = (at - low)[:, None]
    first, second = confidence[low] * (1 - share), confidence[high] * share
    total = first + second
    weight = np.divide(second, total, out=np.zeros_like(total), where=total > 0)
    both = (confidence[low] > 0) & (confidence[high] > 0)
    weight = np.where(both, share, weight)[..., None]
    known = np.where(confidence[..., None] > 0, points, 0.0)
    return known[low] * (1 - weight) + known[high] * weight, np.where(total > 0, total, 0.0)


def _linear(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(values) - 1)
    share = (at - low).reshape(-1, *[1] * (values.ndim - 1))
    return values[low] * (1 - share) + values[high] * share
