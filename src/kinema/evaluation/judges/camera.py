"""Where was the camera? Two estimators that know the studio, but not the path.

`align` turns and moves a rendered view of the empty studio until it looks like the frame; `follow` tracks corners
through the video. Both begin at the first camera, which the reference picture gives away, and stay where they are
when they see nothing: a video whose background does not move is read as a camera that does not move. Neither is ever
told the commanded path, and neither is used as a training loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from kinema.evaluation.judges.studio import Shown, Studio, motion_field, moved

MARGIN = 3
"""Pixels by which people are cut out more widely than their silhouette."""

_LEVELS = ((2, 4.0, 4, 3e-3), (2, 2.0, 4, 1e-3), (1, 1.0, 4, 2e-4))
"""Size of the picture (1 / n), blur in pixels of the full size, most rounds of Gauss-Newton, smallest motion."""
_NOISE = 6.0  # grey levels by which a frame differs from the render where the camera is right, at the least
_PATCH = 60.0  # neighbouring pixels tell the same: as many of them count as one
_BETTER = 0.85  # a guess other than staying must cut the cost to this share
_LOOSE = np.array([0.15, 0.15, 0.15, 0.06, 0.06, 0.06])  # metres and radians a frame: how far cameras go
_PIVOT = 3.5  # metres to what a camera turns about
_TURN = np.radians(3.5)


class CameraJudge(Protocol):
    """Estimates the camera path of a video of a known studio."""

    @property
    def name(self) -> str:
        """What figures are called by."""
        ...

    def watch(
        self, frames: np.ndarray, people: np.ndarray, studio: Studio, lens: np.ndarray, start: np.ndarray
    ) -> np.ndarray:
        """The path, camera-to-world, [T, 4, 4].

        Args:
            frames: uint8 [T, H, W, 3].
            people: pixels that show people, bool [T, H, W]; they are not looked at.
            studio: where the video plays.
            lens: fx, fy, cx, cy in pixels, [T, 4].
            start: pose of the first frame, [4, 4].
        """
        ...


@dataclass(frozen=True)
class AlignedCamera:
    """Analysis by synthesis: Gauss-Newton on the difference between the frame and the rendered studio.

    Coarse to fine, robust (Geman-McClure), with a free shift of colour per frame and a prior that the camera is
    where it was: what cannot be seen does not move. Things that the first picture does not show are not asked for.
    Each frame is begun from the best of a few guesses: as before, going on as before, turning or arcing either way.
    """

    name: str = "align"

    def watch(
        self, frames: np.ndarray, people: np.ndarray, studio: Studio, lens: np.ndarray, start: np.ndarray
    ) -> np.ndarray:
        """See `CameraJudge`."""
        blind = wide(people)
        path = [np.asarray(start, np.float64)]
        step = np.eye(4)
        sizes = {smaller: studio.smaller(smaller) for smaller, *_ in _LEVELS}
        shown = studio.shown_to(path[0], lens[0], blind[0])
        for t in range(1, len(frames)):
            levels = [
                _Level.of(frames[t], ~blind[t], sizes[smaller], shown, lens[t], smaller, blur)
                for smaller, blur, *_ in _LEVELS
            ]
            pose = _best_guess(levels[0], path[-1], step)
            for level, (_, _, rounds, least) in zip(levels, _LEVELS, strict=True):
                for _ in range(rounds):
                    motion = _towards(level, pose, path[-1])
                    pose = moved(pose, motion)
                    if np.abs(motion).max() < least:
                        break
            step = np.linalg.solve(path[-1], pose)
            path.append(pose)
        return np.stack(path)


@dataclass(frozen=True)
class FollowedCamera:
    """Visual odometry: corners tracked by Lucas and Kanade's method, placed on the studio's exact depth where they
    are first seen, and each camera fitted to where they went (robust, six degrees of freedom).

    Colours of the render are never looked at, only its depth. Errors add up along the video.

    Args:
        enlarge: factor by which frames are enlarged for tracking.
        corners: most corners followed at a time.
    """

    name: str = "follow"
    enlarge: int = 3
    corners: int = 150

    def watch(
        self, frames: np.ndarray, people: np.ndarray, studio: Studio, lens: np.ndarray, start: np.ndarray
    ) -> np.ndarray:
        """See `CameraJudge`."""
        blind = wide(people)
        grey = [self._enlarged(frame) for frame in frames]
        path = [np.asarray(start, np.float64)]
        pixels, points = np.zeros((0, 2)), np.zeros((0, 4))
        for t in range(1, len(frames)):
            pixels, points = self._renewed(
                pixels, points, grey[t - 1], blind[t - 1], studio, lens[t - 1], path[-1]
            )
            pixels, kept = self._tracked(pixels, grey[t - 1], grey[t], blind[t])
            points = points[kept]
            pose, off = _fitted(pixels, points, lens[t], path[-1])
            path.append(pose)
            pixels, points = pixels[off < 3.0], points[off < 3.0]
        return np.stack(path)

    def _enlarged(self, frame: np.ndarray) -> np.ndarray:
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        big = cv2.resize(grey, None, fx=self.enlarge, fy=self.enlarge, interpolation=cv2.INTER_CUBIC)
        return cv2.createCLAHE(3.0, (4, 4)).apply(big)

    def _renewed(
        self,
        pixels: np.ndarray,
        points: np.ndarray,
        grey: np.ndarray,
        blind: np.ndarray,
        studio: Studio,
        lens: np.ndarray,
        pose: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The corners followed so far and new ones, [N, 2], with their places in the world, homogeneous, [N, 4]."""
        free = cv2.resize((~blind).astype(np.uint8), grey.shape[::-1], interpolation=cv2.INTER_NEAREST)
        for x, y in np.round(pixels * self.enlarge).astype(int):
            cv2.circle(free, (int(x), int(y)), 2 * self.enlarge, 0, -1)
        wanted = self.corners - len(pixels)
        found = (
            cv2.goodFeaturesToTrack(grey, wanted, 0.003, 2.0 * self.enlarge, mask=free, blockSize=5)
            if wanted > 0
            else None
        )
        if found is None:
            return pixels, points
        new = (found[:, 0].astype(np.float64) + 0.5) / self.enlarge
        return np.concatenate([pixels, new]), np.concatenate([points, studio.places(new, pose, lens)])

    def _tracked(
        self, pixels: np.ndarray, before: np.ndarray, after: np.ndarray, blind: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where corners went, and which of them were found again there and back, outside people."""
        kept = np.zeros(len(pixels), bool)
        if not len(pixels):
            return pixels, kept
        options: dict[str, Any] = {"winSize": (21, 21), "maxLevel": 3, "minEigThreshold": 1e-4}
        begin = (pixels * self.enlarge - 0.5).astype(np.float32)[:, None]
        track: Any = cv2.calcOpticalFlowPyrLK  # its annotations know no None for the guess
        end, found, _ = track(before, after, begin, None, **options)
        back, again, _ = track(after, before, end, None, **options)
        went = (end[:, 0].astype(np.float64) + 0.5) / self.enlarge
        height, width = blind.shape
        inside = ((went >= 0) & (went < (width, height))).all(1)
        kept = (found[:, 0] > 0) & (again[:, 0] > 0) & inside
        kept &= np.linalg.norm(back - begin, axis=-1)[:, 0] < 0.5 * self.enlarge
        column, row = np.where(inside[:, None], went, 0).astype(int).T
        kept &= ~blind[row, column]
        return went[kept], kept


JUDGES: tuple[CameraJudge, ...] = (AlignedCamera(), FollowedCamera())
"""Those that protocols ask; the first one's figures count."""


def wide(people: np.ndarray, margin: int = MARGIN) -> np.ndarray:
    """Masks grown by a margin in pixels, bool [T, H, W]."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1))
    return np.stack([cv2.dilate(mask.astype(np.uint8), disc) > 0 for mask in people])


@dataclass(frozen=True)
class _Level:
    """One frame at one size: the blurred picture [H, W, 3], pixels that count and that are seen, the studio, what the
    first picture showed of it, and the lens."""

    picture: np.ndarray
    counted: np.ndarray
    seen: np.ndarray
    studio: Studio
    shown: Shown
    lens: np.ndarray
    blur: float
    pixels_each: float

    @classmethod
    def of(
        cls,
        frame: np.ndarray,
        sees: np.ndarray,
        studio: Studio,
        shown: Shown,
        lens: np.ndarray,
        smaller: int,
        blur: float,
    ) -> _Level:
        picture: np.ndarray = frame.astype(np.float32)
        seen: np.ndarray = sees.astype(np.float32)
        if smaller > 1:
            picture = cv2.resize(picture, studio.size, interpolation=cv2.INTER_AREA)
            seen = cv2.resize(seen, studio.size, interpolation=cv2.INTER_AREA)
        seen = (seen > 0.99).astype(np.float32)
        counted = seen > 0
        stride = 2 // smaller  # a quarter of the pixels tells as much once blurred
        if stride > 1:
            grid = np.zeros_like(counted)
            grid[::stride, ::stride] = True
            counted &= grid
        blur /= smaller
        return cls(
            _blurred(picture, seen, blur),
            counted,
            seen,
            studio,
            shown,
            lens / smaller,
            blur,
            smaller * stride,
        )

    def against(self, pose: np.ndarray) -> _Comparison:
        """The picture against the studio from a pose, where both can be compared."""
        view = self.studio.view(pose, self.lens)
        strange = self.studio.strange(view, pose, self.lens, self.shown)
        render = _blurred(view.rgb.astype(np.float32), self.seen * ~strange, self.blur)
        reach = 2 * math.ceil(self.blur) + 1
        counted = self.counted & (cv2.dilate(strange.astype(np.uint8), np.ones((reach, reach))) == 0)
        difference = self.picture[counted] - render[counted]
        if len(difference):
            difference -= np.median(difference, axis=0)
        return _Comparison(render, view.nearness, counted, difference)


@dataclass(frozen=True)
class _Comparison:
    """The render, blurred as the picture is [H, W, 3], its nearness [H, W], pixels that count, bool [H, W], and there
    picture minus render without the shift of colour, [N, 3]."""

    render: np.ndarray
    nearness: np.ndarray
    counted: np.ndarray
    difference: np.ndarray


def _blurred(picture: np.ndarray, seen: np.ndarray, blur: float) -> np.ndarray:
    """Blurred over what is seen alone, so that people do not bleed into the studio, [H, W, 3]."""
    weight = np.maximum(cv2.GaussianBlur(seen, (0, 0), blur), 1e-3)
    return cv2.GaussianBlur(picture * seen[..., None], (0, 0), blur) / weight[..., None]


def _best_guess(level: _Level, pose: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The likeliest beginning; the pose before unless another looks clearly better."""
    guesses = [pose, pose @ step]
    for turn in (-_TURN, _TURN):
        guesses.append(moved(pose, np.array([0, 0, 0, 0, turn, 0])))
        guesses.append(moved(pose, np.array([-_PIVOT * np.sin(turn), 0, 0, 0, turn, 0])))
    costs = []
    for guess in guesses:
        square = np.square(level.against(guess).difference / _NOISE)
        costs.append(float(np.mean(square / (1 + square))) if len(square) else 1.0)
    best = int(np.argmin(costs))
    return guesses[best] if costs[best] < _BETTER * costs[0] else pose


def _towards(level: _Level, pose: np.ndarray, before: np.ndarray) -> np.ndarray:
    """One Gauss-Newton motion of the pose, [6]."""
    seen = level.against(pose)
    counted, residual = seen.counted, seen.difference
    if counted.sum() < 50:
        return np.zeros(6)
    slopes = np.stack(
        [cv2.Sobel(seen.render, cv2.CV_32F, dx, 1 - dx, ksize=3, scale=1 / 8)[counted] for dx in (1, 0)],
        -1,
    )  # [N, 3, 2]
    x, y = level.studio.directions(level.lens)
    field = motion_field(x[counted], y[counted], seen.nearness[counted], level.lens)
    jacobian = -slopes @ field.astype(np.float32)  # a point that moves by v changes the picture by -slope v
    jacobian -= jacobian.mean(0)  # the shift of colour, eliminated
    noise = max(_NOISE, 1.5 * float(np.median(np.abs(residual))))
    weight = 1 / np.square(1 + np.square(residual / noise))  # Geman-McClure
    rows = jacobian.reshape(-1, 6)
    weighted = rows * weight.reshape(-1, 1)
    scale = level.pixels_each**2 / (_PATCH * noise**2)
    normal = scale * (weighted.T @ rows).astype(np.float64) + np.diag(1 / _LOOSE**2)
    pull = scale * (weighted.T @ residual.reshape(-1)).astype(np.float64)
    return np.linalg.solve(normal, pull - _motion_between(before, pose) / _LOOSE**2)


def _motion_between(before: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Translation and rotation vector from one pose to another along the first one's axes, [6]."""
    step = np.linalg.solve(before, pose)
    return np.concatenate([step[:3, 3], cv2.Rodrigues(step[:3, :3])[0][:, 0]])


def _fitted(
    pixels: np.ndarray, points: np.ndarray, lens: np.ndarray, before: np.ndarray, rounds: int = 12
) -> tuple[np.ndarray, np.ndarray]:
    """The pose from which points of the world are seen at the pixels, [4, 4], and by how many pixels each is off.

    Args:
        pixels: [N, 2].
        points: homogeneous, [N, 4]; the last number is 0 infinitely far away.
        lens: fx, fy, cx, cy, [4].
        before: the pose to stay at where nothing tells otherwise, [4, 4].
        rounds: of Gauss-Newton at most.
    """
    pose = np.array(before, np.float64)
    fx, fy, cx, cy = lens
    off = np.full(len(pixels), np.inf)
    for number in range(rounds):
        local = (points[:, :3] - points[:, 3:] * pose[:3, 3]) @ pose[:3, :3]
        depth = np.maximum(local[:, 2], 1e-3)
        x, y = local[:, 0] / depth, local[:, 1] / depth
        residual = pixels - np.stack([x * fx + cx, y * fy + cy], -1)
        off = np.linalg.norm(residual, axis=1)
        if len(pixels) < 3:
            break
        reach = max(1.0, 4.0 * 0.5**number)  # outliers are told apart once the camera is about right
        weight = 1 / np.square(1 + np.square(off / reach)) / _TRACKING**2
        field = motion_field(x, y, points[:, 3] / depth, lens)
        weighted = field * weight[:, None, None]
        normal = np.einsum("nik,nil->kl", weighted, field) + np.diag(1 / _LOOSE**2)
        pull = np.einsum("nik,ni->k", weighted, residual) - _motion_between(before, pose) / _LOOSE**2
        motion = np.linalg.solve(normal, pull)
        pose = moved(pose, motion)
        if np.abs(motion).max() < 1e-5:
            break
    return pose, off


_TRACKING = 0.5  # pixels by which a corner is tracked wrongly
