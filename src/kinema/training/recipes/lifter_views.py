"""Motion seen by random cameras as a keypoint detector would report it: what the lifter learns from (ours)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.special import ndtri

from kinema.capture.lifter import LIFTER_FPS, LIFTER_JOINTS, STANDING, normalise
from kinema.capture.lifting_body import BONE_SUMS, body_size
from kinema.scene.skeleton import SMPL24

_PARENTS = np.array(SMPL24.parents)
_SPREAD = {  # of the logarithm of bone lengths between people and rigs, by the joint below
    **dict.fromkeys((1, 2, 13, 14), 0.2),
    **dict.fromkeys((3, 6, 9, 12), 0.08),
    **dict.fromkeys((4, 5, 7, 8), 0.04),
    **dict.fromkeys((10, 11, 22, 23), 0.12),
    15: 0.2,
    **dict.fromkeys((16, 17), 0.15),
    **dict.fromkeys((18, 19, 20, 21), 0.06),
}
_DEFINITION = np.full(24, 0.02)  # metres by which detectors put a point elsewhere than the rig
_DEFINITION[[1, 2, 15, 10, 11, 22, 23]] = 0.035
_UPPER = (3, 6, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)
_ARMS = ((16, 18, 20, 22), (17, 19, 21, 23))
_STILL, _LOW = 0.25, 0.06  # m/s and metres above the joint's height at rest: the foot stands


@dataclass(frozen=True)
class Views:
    """Windows as the network reads them, and what it should say. B windows, T frames.

    Args:
        channels: [B, 52, T].
        joints: relative to the pelvis, metres of a body of 1.70 m, axes of the turned camera, [B, T, 24, 3].
        up: the vertical there, [B, T, 3].
        standing: whether ankles and feet stand, [B, T, 4].
    """

    channels: torch.Tensor
    joints: torch.Tensor
    up: torch.Tensor
    standing: torch.Tensor

    def to(self, device: str | torch.device) -> Views:
        return Views(**{name: value.to(device) for name, value in vars(self).items()})


class ViewSamples:
    """Endless batches; a batch depends on (seed, step) alone.

    Args:
        clips: joints of each, [T, 24, 3] at 30 fps; shorter ones than a window are held at their last frame.
        sources: where each comes from; the clips of small sources are seen more often.
        batch: windows a step.
        frames: of a window.
        seed: of everything random.
    """

    def __init__(
        self, clips: Sequence[np.ndarray], sources: Sequence[str], batch: int, frames: int, seed: int
    ) -> None:
        self.clips, self.batch, self.frames, self.seed = clips, batch, frames, seed
        weight = np.array([min(len(clip), 20 * frames) for clip in clips], np.float64)
        of = np.array(sources)
        for source in np.unique(of):
            weight[of == source] *= weight[of == source].sum() ** -0.5
        self.weight = weight / weight.sum()

    def batches(self, step: int = 0) -> Iterator[tuple[int, Views]]:
        """(step, batch) from a step on."""
        while True:
            yield step, self.at(step)
            step += 1

    def at(self, step: int) -> Views:
        """The batch of a step."""
        rng = np.random.default_rng([self.seed, step])
        windows = np.stack([self._window(rng) for _ in range(self.batch)])
        return film(_mixed(windows, rng), rng)

    def _window(self, rng: np.random.Generator) -> np.ndarray:
        """The livelier of two random windows, played at a random speed, mirrored or not, [T, 24, 3]."""

        def choose() -> np.ndarray:
            clip = self.clips[int(rng.choice(len(self.clips), p=self.weight))]
            speed = float(np.exp(rng.normal(0, 0.15)))
            begin = rng.uniform(0, max(0.0, len(clip) - 1 - (self.frames - 1) * speed))
            at = np.minimum(begin + np.arange(self.frames) * speed, len(clip) - 1)
            low = at.astype(int)
            share = (at - low)[:, None, None]
            return clip[low] * (1 - share) + clip[np.minimum(low + 1, len(clip) - 1)] * share

        window = max(
            (choose() for _ in range(2)), key=lambda joints: float((joints - joints[:, :1]).std(0).sum())
        )
        if rng.random() < 0.5:
            window = window[:, SMPL24.mirror_index] * [-1.0, 1.0, 1.0]
        return window


def film(joints: np.ndarray, rng: np.random.Generator) -> Views:
    """Random bodies, cameras and detectors.

    Args:
        joints: in the world, metres, Y up, floor at 0, 30 fps, [B, T, 24, 3].
        rng: of every choice.
    """
    standing = _standing(joints)
    joints = _other_bodies(joints, rng)
    local, axes = _seen_by_cameras(joints, rng)
    points, confidence = _detect(local, rng)
    given = normalise(torch.from_numpy(points).float(), torch.from_numpy(confidence).float())
    turn = given.turn.double().numpy()
    bones = np.linalg.norm(joints[:, 0, 1:] - joints[:, 0, _PARENTS[1:]], axis=-1)
    size = body_size(np.concatenate([np.zeros((len(bones), 1)), bones], axis=1))
    target = (local - local[:, :, :1]) @ turn / size[:, None, None, None]
    up = (axes[..., 1, None, :] @ turn)[..., 0, :]  # the world's Y in the camera's axes
    return Views(
        given.channels,
        torch.from_numpy(target).float(),
        torch.from_numpy(up).float(),
        torch.from_numpy(standing).float(),
    )


def _mixed(joints: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Some windows with the upper body or an arm of another window, turned as their own trunk is: rarer poses."""
    bones = joints - joints[:, :, _PARENTS]
    bones[:, :, 0] = joints[:, :, 0]
    pelvis, chest = _frames(joints, (1, 2), (3, 0)), _frames(joints, (16, 17), (12, 9))
    mixed = bones.copy()
    for part, axes, share in ((_UPPER, pelvis, 0.35), (_ARMS[0], chest, 0.3), (_ARMS[1], chest, 0.3)):
        chosen = rng.random(len(joints)) < share
        if part in _ARMS:  # the trunk may be another one by now
            axes = _frames(np.einsum("jk,btki->btji", BONE_SUMS, mixed), (16, 17), (12, 9))
        other = rng.permutation(len(joints))
        source = pelvis if part is _UPPER else chest
        carried = bones[other][:, :, part] @ source[other].swapaxes(-1, -2) @ axes
        mixed[:, :, part] = np.where(chosen[:, None, None, None], carried, mixed[:, :, part])
    return np.asarray(np.einsum("jk,btki->btji", BONE_SUMS, mixed))


def _frames(joints: np.ndarray, sides: tuple[int, int], ends: tuple[int, int]) -> np.ndarray:
    """Axes of the trunk as rows (left, up, forward), [B, T, 3, 3]."""
    up = joints[:, :, ends[0]] - joints[:, :, ends[1]]
    up = up / (np.linalg.norm(up, axis=-1, keepdims=True) + 1e-9)
    left = joints[:, :, sides[0]] - joints[:, :, sides[1]]
    left = left - (left * up).sum(-1, keepdims=True) * up
    left /= np.linalg.norm(left, axis=-1, keepdims=True) + 1e-9
    return np.stack([left, up, np.cross(left, up)], axis=-2)


def _standing(joints: np.ndarray) -> np.ndarray:
    feet = joints[:, :, STANDING]
    speed = np.linalg.norm(np.gradient(feet, axis=1), axis=-1) * LIFTER_FPS
    return (feet[..., 1] - SMPL24.rest[list(STANDING), 1] < _LOW) & (speed < _STILL)


def _other_bodies(joints: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same motions with other bone lengths, the same on both sides of a body."""
    bones = joints - joints[:, :, _PARENTS]
    bones[:, :, 0] = joints[:, :, 0]
    factor = np.ones((len(joints), 24))
    for joint, spread in _SPREAD.items():
        other = SMPL24.mirror_index[joint]
        if other >= joint:
            factor[:, joint] = factor[:, other] = np.exp(rng.normal(0, spread, len(joints)))
    return np.asarray(np.einsum("jk,btki->btji", BONE_SUMS, bones * factor[:, None, :, None]))


def _seen_by_cameras(joints: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Joints in the axes of cameras that look at them, [B, T, 24, 3], and the axes (columns) in the world."""
    count, frames = joints.shape[:2]

    def each(values: Any) -> np.ndarray:
        return np.asarray(values)[:, None]

    seconds = np.arange(frames) / LIFTER_FPS
    moving = each(rng.random(count) < 0.4)
    azimuth = each(rng.uniform(-np.pi, np.pi, count)) + moving * each(rng.normal(0, 0.25, count)) * seconds
    elevation = each(np.radians(np.clip(rng.normal(6, 12, count), -25, 60)))
    distance = each(np.exp(rng.uniform(np.log(1.6), np.log(10), count))) * np.exp(
        moving * each(rng.normal(0, 0.15, count)) * seconds
    )
    way = np.stack(
        [
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation) + 0 * azimuth,
            np.cos(azimuth) * np.cos(elevation),
        ],
        axis=-1,
    )
    pelvis = gaussian_filter1d(joints[:, :, 0], 5.0, axis=1)
    follows = each(rng.random(count) < 0.3)[..., None]
    eye = np.where(follows, pelvis, pelvis[:, frames // 2, None]) + distance[..., None] * way
    near = np.linalg.norm(eye - pelvis, axis=-1).min(axis=1)
    back = np.maximum(0.0, 1.5 - near) * 2
    eye = eye + back[:, None, None] * way
    forward = pelvis - eye
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    roll = each(np.radians(rng.normal(0, 4, count)))[..., None]
    down = np.cross(forward, right)
    right, down = np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right
    axes = np.stack([right, down, forward], axis=-1)
    return (joints - eye[:, :, None]) @ axes, axes


def _detect(local: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Slopes and confidence of LIFTER_JOINTS with the faults of detectors, [B, T, 17, 2] and [B, T, 17]."""
    count, frames = local.shape[:2]
    chosen = list(LIFTER_JOINTS)
    points = len(chosen)

    # Detectors mean other places of the body: an offset that is fixed to the trunk, the same through a window.
    offset = rng.normal(0, 1, (count, 1, points, 3)) * _DEFINITION[chosen, None]
    placed = local[:, :, chosen] + offset @ _frames(local, (16, 17), (12, 0))
    depth = np.maximum(placed[..., 2], 0.3)
    slopes = placed[..., :2] / depth[..., None]
    size = 1.0 / np.maximum(local[:, :, 0, 2], 0.3)[:, :, None, None]  # a metre at the pelvis

    # Jitter, partly slow, and joints that are worse than others for a while.
    level = np.exp(rng.uniform(np.log(0.002), np.log(0.03), (count, 1, 1, 1)))
    slow = gaussian_filter1d(rng.normal(0, 1, (count, frames, points, 2)), 4.0, axis=1) * 3.7
    noise = 0.7 * rng.normal(0, 1, slow.shape) + 0.7 * slow
    trouble = _spells(rng, count, frames, points, rng.choice([0.0, 0.06, 0.2], (count, 1, 1)))
    worse = np.where(trouble, np.exp(rng.uniform(0.5, 2.0, (count, 1, points))), 1.0)
    slopes = slopes + np.minimum(level * worse[..., None], 0.12) * size * noise

    swapped = _spells(rng, count, frames, 1, np.where(rng.random((count, 1, 1)) < 0.1, 0.1, 0.0))[..., 0]
    mirror = [chosen.index(SMPL24.mirror_index[joint]) for joint in chosen]
    lower = np.isin(chosen, (1, 2, 4, 5, 7, 8, 10, 11))
    half = np.where(rng.random((count, 1, 1)) < 0.5, lower, True)
    slopes = np.where((swapped[..., None] & half)[..., None], slopes[:, :, mirror], slopes)

    certain = np.clip(1.0 - rng.exponential(0.06, (count, frames, points)), 0.3, 1.0)
    unsure = np.clip(rng.uniform(0.15, 0.9, (count, 1, points)) + rng.normal(0, 0.05, certain.shape), 0.05, 1)
    confidence = np.where(trouble, unsure, certain)

    # What is not seen: joints for a while, parts for the whole window, whole frames, all but a few frames.
    gone = _spells(rng, count, frames, points, rng.choice([0.0, 0.03, 0.12], (count, 1, 1)))
    legs = np.isin(chosen, (4, 5, 7, 8, 10, 11)) & (rng.random((count, 1, 1)) < 0.08)
    ends = np.isin(chosen, (10, 11, 22, 23)) & (rng.random((count, 1, 1)) < 0.15)
    blank = _spells(rng, count, frames, 1, np.where(rng.random((count, 1, 1)) < 0.15, 0.2, 0.0))
    length = np.where(rng.random(count) < 0.12, rng.integers(1, 12, count), frames)[:, None]
    begin = (rng.random((count, 1)) * (frames - length + 1)).astype(int)
    outside = (np.arange(frames) < begin) | (np.arange(frames) >= begin + length)
    confidence[gone | legs | ends | blank | outside[..., None]] = 0.0
    return slopes, confidence


def _spells(rng: np.random.Generator, count: int, frames: int, points: int, share: np.ndarray) -> np.ndarray:
    """Stretches of about ten frames that cover about a given share of the time, bool [B, T, K]."""
    field = gaussian_filter1d(rng.normal(0, 1, (count, frames, points)), 5.0, axis=1)
    field /= field.std() + 1e-9
    return np.asarray(field > -ndtri(share))  # no share: an infinite threshold
