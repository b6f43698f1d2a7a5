"""Points of a video's background followed from frame to frame, in bounded memory.

Corners of a keyframe are found again in every later frame by pyramidal Lucas-Kanade, always from the keyframe's own
picture, so that nothing drifts while the keyframe lasts; a new keyframe is taken when the view has moved on.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

WORKING_SIDE = 640  # pixels; pictures are shrunk to this longer side
SMALL_SIDE, SMALL_ENLARGED = 200, 2.0  # pictures up to this side are enlarged, so that windows see details
CORNERS = 300  # per keyframe
SAMPLED = 64  # points kept of a frame that is no keyframe
MAX_SAMPLES = 20_000  # frames whose points are kept; longer videos keep every second one, every fourth, ...
ENOUGH = 8  # points below which nothing is said about a frame
MAX_KEYFRAMES = 400  # above, every second one is forgotten
_PATCH = 9  # pixels, edge of the patch that must look alike
_LIKENESS = 0.75  # normalised cross-correlation of patches
_WINDOW = (15, 15)
_LEAST_STRENGTH = 5e-5  # of a corner, cv2.cornerMinEigenVal; noise of a few grey levels stays below
_ALIKE = 0.5  # correlation of two very small pictures below which the picture has changed altogether
_CHANCE = 0.15  # share of the points seen before that may be found by chance in another picture
_ASTRAY = 1.0  # pixels by which two ways of following a point may differ
_NOISY = (3.5, 9.0, 18.0)  # grey levels of noise from which pictures are blurred
_LISTEN = 8  # every so-many-th frame is asked for its noise
_BLUR = (0.0, 1.1, 2.0, 3.0)  # pixels, below and above those
_PATIENCE = 3  # frames with things to see, none of them known, that make a cut


@dataclass(frozen=True, eq=False)
class View:
    """The points followed in one frame.

    Args:
        frame: its number.
        ids: int64 [N]; the same id is the same point of the world.
        pixels: in the full picture, first pixel's centre at 0.5, [N, 2].
    """

    frame: int
    ids: np.ndarray
    pixels: np.ndarray


@dataclass(frozen=True, eq=False)
class Tracks:
    """All that was followed.

    Args:
        frames: length of the video.
        unit: pixels of the full picture to one working pixel; errors of measurement are in proportion to it.
        keyframes: in time order, the first shot only.
        samples: at most SAMPLED points each of the first shot's frames; frames in which too little was seen are left
            out, as are some frames of very long videos.
        cut: first frame of the second shot, None where there is one shot.
        breaks: frames at which nothing known was left to follow, so that following began anew.
        stride: every so-many-th frame is sampled; 1 but for very long videos.
    """

    frames: int
    unit: float
    keyframes: tuple[View, ...]
    samples: tuple[View, ...]
    cut: int | None
    breaks: tuple[int, ...]
    stride: int = 1


@dataclass(eq=False)
class _Key:
    """The keyframe that is followed: its picture, its corners in working pixels, and the order of sampling."""

    picture: np.ndarray
    corners: np.ndarray
    ids: np.ndarray
    patches: np.ndarray
    order: np.ndarray
    before: np.ndarray = field(init=False)
    seen: np.ndarray = field(init=False)
    last: np.ndarray = field(init=False)
    speed: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.before, self.seen = self.picture, np.ones(len(self.corners), bool)
        self.last = self.corners.copy()
        self.speed = np.zeros_like(self.corners)


class BackgroundTracker:
    """Follows the background of a video.

    Args:
        size: (width, height) of the frames.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        shrink = SMALL_ENLARGED if max(size) <= SMALL_SIDE else min(1.0, WORKING_SIDE / max(size))
        self._working = (max(8, round(size[0] * shrink)), max(8, round(size[1] * shrink)))
        self._scale = np.array(size) / self._working
        self._frame = 0
        self._next_id = 0
        self._key: _Key | None = None
        self._keyframes: list[View] = []
        self._samples: list[View] = []
        self._stride = 1
        self._cut: int | None = None
        self._strangers: list[int] = []  # frames in a row with things to see, none of them known
        self._leapt = False  # whether the first of them looked altogether different
        self._glance = np.zeros(0)  # the last frame that was followed, very small
        self._breaks: list[int] = []
        self._noise = 0.0  # grey levels, the most that was seen
        self._sift = cv2.SIFT.create(nfeatures=400)

    def add(self, picture: np.ndarray, background: np.ndarray) -> None:
        """Follow the points into the next frame.

        Args:
            picture: uint8 [H, W, 3] or [H, W].
            background: True where nobody stands, bool [H, W].
        """
        frame = self._frame
        self._frame += 1
        if self._cut is not None:
            return
        grey, mask = self._prepare(picture, background)
        if self._key is None or len(self._key.ids) < ENOUGH:
            self._glance = _glance(picture)
            self._take(grey, mask, frame, None)
            return
        pixels, seen = self._step(self._key, grey, mask)
        if seen.sum() < max(ENOUGH, _CHANCE * self._key.seen.sum()):
            guess = self._recognise(self._key, grey, mask)
            if guess is not None:
                pixels, seen = self._follow(self._key, grey, mask, guess)
        if seen.sum() < max(ENOUGH, _CHANCE * self._key.seen.sum()):
            self._lost(picture, grey, mask, frame)
            return
        self._strangers = []
        self._glance = _glance(picture)
        key = self._key
        moved = np.where(seen[:, None], pixels, key.last)
        key.speed, key.last = moved - key.last, moved
        key.before, key.seen = grey, seen
        if not seen.all():
            warp = _warp(key.corners[seen], pixels[seen])
            if warp is not None:
                hidden = _apply(warp, key.corners[~seen])
                key.speed[~seen], key.last[~seen] = 0.0, hidden
        self._remember(frame, key, pixels, seen)
        if self._moved_on(key, pixels, seen, frame):
            self._take(grey, mask, frame, (key.ids[seen], pixels[seen]))

    def tracks(self) -> Tracks:
        """What was followed so far."""
        return Tracks(
            self._frame,
            float(self._scale.mean()),
            tuple(self._keyframes),
            tuple(self._samples),
            self._cut,
            tuple(self._breaks),
            self._stride,
        )

    def _prepare(self, picture: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Small grey picture less its own blur, so that exposure and flicker matter little, and the small mask.

        Noisy pictures are smoothed before: corners would be found in the noise, and none would be found again.
        """
        method = cv2.INTER_AREA if self._scale[0] >= 1 else cv2.INTER_CUBIC
        small = cv2.resize(picture, self._working, interpolation=method)
        grey = _grey(small)
        if self._frame % _LISTEN == 1:
            self._noise = max(self._noise, _noise(grey if self._scale[0] >= 1 else _grey(picture)))
        blur = _BLUR[int(np.searchsorted(_NOISY, self._noise))] / min(1.0, float(self._scale[0]))
        if blur:
            grey = cv2.GaussianBlur(grey, (0, 0), blur)
        mask = cv2.resize(background.astype(np.uint8), self._working, interpolation=cv2.INTER_NEAREST)
        detail = grey.astype(np.int16) - cv2.blur(grey, (31, 31)).astype(np.int16)
        return np.clip(128 + 3 * detail // 2, 0, 255).astype(np.uint8), mask

    def _take(
        self,
        grey: np.ndarray,
        mask: np.ndarray,
        frame: int,
        carried: tuple[np.ndarray, np.ndarray] | None,
    ) -> None:
        """Make a frame the keyframe: points carried into it keep their ids, corners between them get new ones."""
        ids, corners = (np.zeros(0, np.int64), np.zeros((0, 2))) if carried is None else carried
        gap = max(4.0, 0.6 * np.sqrt(self._working[0] * self._working[1] / CORNERS))
        free = mask * 255
        for x, y in corners:
            cv2.circle(free, (round(x), round(y)), int(gap), 0, -1)
        border = 4
        free[:border], free[-border:], free[:, :border], free[:, -border:] = 0, 0, 0, 0
        found = _corners(grey, free, CORNERS - len(ids), gap)
        fresh = np.arange(self._next_id, self._next_id + len(found))
        self._next_id += len(found)
        ids, corners = np.concatenate([ids, fresh]), np.concatenate([corners, found])
        order = np.random.default_rng(frame).permutation(len(ids))
        self._key = _Key(grey, corners, ids, _patches(grey, corners), order)
        if len(ids) < ENOUGH:
            return
        self._keyframes.append(View(frame, ids, self._full(corners)))
        if len(self._keyframes) > MAX_KEYFRAMES:
            self._keyframes = self._keyframes[::2]
        if carried is None:
            self._remember(frame, self._key, corners, np.ones(len(ids), bool))

    def _step(self, key: _Key, grey: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `_follow`, where the way from the frame before, there and back, says the same as the keyframe."""
        near, there = _flow(key.before, grey, key.last, key.last + key.speed)
        back, again = _flow(grey, key.before, near, near - key.speed)
        there &= again & (np.linalg.norm(back - key.last, axis=1) < _ASTRAY)
        guess = np.where(there[:, None], near, key.last + key.speed)
        pixels, seen = self._follow(key, grey, mask, guess)
        apart = np.where(
            key.seen, np.linalg.norm(pixels - near, axis=1), np.linalg.norm(pixels - key.last, axis=1)
        )
        return pixels, seen & (apart < _ASTRAY) & (there | ~key.seen)

    def _follow(
        self, key: _Key, grey: np.ndarray, mask: np.ndarray, guess: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where the keyframe's corners are, working pixels [N, 2], and which were found, [N]."""
        pixels, found = _flow(key.picture, grey, key.corners, guess)
        width, height = self._working
        at = np.where(np.isfinite(pixels), pixels, -1.0)
        inside = np.asarray((at > 2) & (at < (width - 3, height - 3))).all(axis=1)
        at[~inside] = 0.0
        seen = inside & found & (mask[at[:, 1].round().astype(int), at[:, 0].round().astype(int)] > 0)
        likeness = (key.patches * _patches(grey, at)).mean(axis=1)
        return pixels, seen & (likeness > _LIKENESS)

    def _recognise(self, key: _Key, grey: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
        """Where the keyframe's corners may be after a leap, by SIFT features and a homography; None if unknown."""
        a, first = self._sift.detectAndCompute(key.picture, None)
        b, second = self._sift.detectAndCompute(grey, mask)
        if first is None or second is None or len(a) < ENOUGH or len(b) < ENOUGH:
            return None
        pairs = [p for p in cv2.BFMatcher().knnMatch(first, second, k=2) if len(p) == 2]
        good = [m for m, n in pairs if m.distance < 0.75 * n.distance]
        if len(good) < 12:
            return None
        source = np.array([a[m.queryIdx].pt for m in good])
        target = np.array([b[m.trainIdx].pt for m in good])
        warp, inliers = cv2.findHomography(source, target, cv2.RANSAC, 4.0)
        if warp is None or inliers.sum() < 12:
            return None
        return _apply(warp, key.corners)

    def _lost(self, picture: np.ndarray, grey: np.ndarray, mask: np.ndarray, frame: int) -> None:
        """Nothing known was seen: a blank frame, an occlusion, a leap or, several frames on, another shot."""
        assert self._key is not None
        self._key.speed[:] = 0.0
        if len(_corners(grey, mask * 255, 2 * ENOUGH, 8.0)) < 2 * ENOUGH:
            self._strangers = []
            return
        if not self._strangers:
            self._leapt = bool((self._glance * _glance(picture)).mean() < _ALIKE)
        self._strangers.append(frame)
        if len(self._strangers) < _PATIENCE:
            return
        if self._leapt:
            self._cut = self._strangers[0]
        else:
            self._breaks.append(frame)
            self._strangers = []
            self._glance = _glance(picture)
            self._take(grey, mask, frame, None)

    def _moved_on(self, key: _Key, pixels: np.ndarray, seen: np.ndarray, frame: int) -> bool:
        """Whether the keyframe shares too little with the present view."""
        apart = np.median(np.linalg.norm(pixels[seen] - key.corners[seen], axis=1)) / max(self._working)
        few = seen.mean() < 0.6
        scarce = seen.sum() < 3 * ENOUGH and frame - self._keyframes[-1].frame >= 5
        return bool(apart > 0.1 or (few and (apart > 0.02 or scarce)))

    def _remember(self, frame: int, key: _Key, pixels: np.ndarray, seen: np.ndarray) -> None:
        if frame % self._stride:
            return
        chosen = key.order[seen[key.order]][:SAMPLED]
        self._samples.append(View(frame, key.ids[chosen], self._full(pixels[chosen]).astype(np.float32)))
        if len(self._samples) > MAX_SAMPLES:
            self._stride *= 2
            self._samples = [s for s in self._samples if s.frame % self._stride == 0]

    def _full(self, pixels: np.ndarray) -> np.ndarray:
        """Working pixels, centres at whole numbers, to the full picture's, centres at +0.5."""
        return (pixels + 0.5) * self._scale


def _flow(
    source: np.ndarray, target: np.ndarray, points: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points of one picture in another, by pyramidal Lucas-Kanade from a guess: pixels [N, 2], found [N]."""
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        source, target, points.astype(np.float32)[:, None], guess.astype(np.float32)[:, None].copy(),
        winSize=_WINDOW, maxLevel=3, flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        criteria=(cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.01),
    )  # fmt: skip
    return found[:, 0].astype(np.float64), status[:, 0] > 0


def _corners(grey: np.ndarray, free: np.ndarray, count: int, gap: float) -> np.ndarray:
    """The best corners in the free area, spread out, no two nearer than a gap, working pixels, [N, 2]."""
    if count < 1:
        return np.zeros((0, 2))
    strength = cv2.cornerMinEigenVal(grey, 5, ksize=3)
    strength[free == 0] = 0.0
    least = max(_LEAST_STRENGTH, 0.002 * float(strength.max()))
    found = cv2.goodFeaturesToTrack(
        grey, count, least / max(float(strength.max()), least), gap, mask=free, blockSize=5
    ) if strength.max() > least else None  # fmt: skip
    if found is None:
        return np.zeros((0, 2))
    window = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.01)
    return cv2.cornerSubPix(grey, found, (3, 3), (-1, -1), window)[:, 0].astype(np.float64)


def _grey(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture


def _noise(grey: np.ndarray) -> float:
    """Standard deviation of white noise, grey levels, from differences that slopes and most edges do not make."""
    wide = grey.astype(np.int16)
    corner = wide[1:, 1:] - wide[1:, :-1] - wide[:-1, 1:] + wide[:-1, :-1]
    return float(np.median(np.abs(corner)) / (2 * 0.6745))


def _patches(grey: np.ndarray, at: np.ndarray) -> np.ndarray:
    """What the picture looks like about each point, mean 0 and deviation 1, float32 [N, _PATCH ** 2]."""
    if not len(at):
        return np.zeros((0, _PATCH * _PATCH), np.float32)
    step = np.arange(_PATCH) - _PATCH // 2
    x = (at[:, :1] + np.tile(step, _PATCH)).astype(np.float32)
    y = (at[:, 1:] + np.repeat(step, _PATCH)).astype(np.float32)
    patch = cv2.remap(grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    patch -= patch.mean(axis=1, keepdims=True)
    return patch / (patch.std(axis=1, keepdims=True) + 1e-3)


def _glance(picture: np.ndarray) -> np.ndarray:
    """A very small picture, mean 0 and deviation 1, [12, 16]."""
    small = cv2.resize(picture, (16, 12), interpolation=cv2.INTER_AREA).astype(np.float64)
    grey = small.mean(axis=2) if small.ndim == 3 else small
    return (grey - grey.mean()) / (grey.std() + 1.0)


def _warp(source: np.ndarray, target: np.ndarray) -> np.ndarray | None:
    """The homography that most points agree with, [3, 3]; None where there is none."""
    warp, _ = cv2.findHomography(source, target, cv2.RANSAC, 3.0, maxIters=200)
    return warp


def _apply(warp: np.ndarray, points: np.ndarray) -> np.ndarray:
    moved = np.c_[points, np.ones(len(points))] @ warp.T
    return moved[:, :2] / np.where(np.abs(moved[:, 2:]) > 1e-9, moved[:, 2:], 1e-9)
