"""The camera's own movement, from what does not move in a video: still, turning, moving, or unknown.

Frames are seen once, in time, while people are detected in them; nothing but small numbers is kept.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from kinema.capture.body_mask import background_of
from kinema.capture.camera_movement import Movement, explain_by_moving, explain_by_turning
from kinema.capture.camera_moving import Lens, sightings
from kinema.capture.camera_resection import Poses, resect
from kinema.capture.camera_tracks import ENOUGH, BackgroundTracker, Tracks, View
from kinema.capture.camera_turning import Turning, fit_turning
from kinema.capture.observation import CameraChoice, CameraSolution

DEFAULT_FOV = 50.0
"""Vertical field of view in degrees where nothing tells the focal length."""
NOISE = 0.3  # working pixels, error of a followed point
STILL = 0.8  # working pixels that points may stray in a video from a tripod
MOST = 0.6  # of the points; others may lie on shadows or on edges of what moves
TURNS = 0.4  # share of the observations that a turn has to explain
MOVES, SURELY_MOVES = (
    0.5,
    0.85,
)  # share of the sightings that a way has to explain, and explains where it is no doubt
VIEWS = 24  # frames that are solved together
_NEAR = 0.01  # inverse depth, for the furthest shift of 1, of points whose place is known
_FORCED = "the camera is taken to be still: no {} explains what most of the background does, though one was asked for"


class CameraWatch:
    """Watches a video's background and says how the camera moved.

    Args:
        size: (width, height) of the frames, pixels.
        fps: frames per second.
        focal: focal length in pixels, where metadata tell it.
        fov: vertical field of view in degrees, where the user tells it; goes before `focal`. With neither, about
            50 degrees are assumed and refined as far as the movement allows.

    Raises:
        ValueError: a size, frame rate, focal length or field of view that cannot be.
    """

    def __init__(
        self, size: tuple[int, int], fps: float, focal: float | None = None, fov: float | None = None
    ) -> None:
        width, height = (int(side) for side in size)
        if width < 1 or height < 1:
            raise ValueError(f"size must be (width, height) in pixels, got {size}")
        if not (np.isfinite(fps) and fps > 0):
            raise ValueError(f"fps must be positive, got {fps}")
        if focal is not None and not (np.isfinite(focal) and focal > 0):
            raise ValueError(f"focal must be a positive number of pixels, got {focal}")
        if fov is not None and not 1 <= fov <= 170:
            raise ValueError(f"fov must lie between 1 and 170 degrees, got {fov}")
        self.size, self.fps = (width, height), float(fps)
        self._told = fov is not None or focal is not None
        angle = np.radians(DEFAULT_FOV if fov is None else fov)
        self._focal = float(focal) if fov is None and focal is not None else height / 2 / np.tan(angle / 2)
        self._tracker = BackgroundTracker(self.size)

    def add(self, frames: np.ndarray, boxes: list[np.ndarray]) -> None:
        """See the next frames.

        Args:
            frames: uint8 [N, H, W, 3].
            boxes: per frame the people in it: left, top, right, bottom in pixels, [P, 4]; boxes with NaN are left
                out.

        Raises:
            ValueError: frames of another size, or not as many lists of boxes as frames.
        """
        frames = np.asarray(frames)
        width, height = self.size
        if frames.ndim != 4 or frames.shape[1:] != (height, width, 3) or frames.dtype != np.uint8:
            raise ValueError(
                f"frames are {frames.dtype} {list(frames.shape)}; expected uint8 [N, {height}, {width}, 3]"
            )
        if len(boxes) != len(frames):
            raise ValueError(f"{len(frames)} frames came with boxes for {len(boxes)}")
        for frame, people in zip(frames, boxes, strict=True):
            self._tracker.add(frame, background_of(people, self.size))

    def add_masked(self, frames: np.ndarray, background: np.ndarray) -> None:
        """See the next frames where silhouettes are known: `background` is True where nobody is, bool [N, h, w]."""
        for frame, mask in zip(frames, background, strict=True):
            self._tracker.add(frame, mask)

    def solve(self, camera: CameraChoice = "auto") -> CameraSolution:
        """How the camera moved over all frames seen so far.

        Args:
            camera: `auto` finds out; `static` takes it to be still, whatever was seen; with `turning` and `moving`
                only that kind of movement is solved, and a background that does not allow it is `unknown`.

        Raises:
            ValueError: no frames were added.
        """
        tracks = self._tracker.tracks()
        if tracks.frames < 1:
            raise ValueError("no frames were added, so that there is no camera to solve")
        return _Solver(tracks, self.size, self.fps, self._focal, self._told).solve(camera)


def background_rotation(frames: np.ndarray, masks: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """How the camera of a short video turned, from its background; made for generated videos, however small.

    Args:
        frames: uint8 [T, H, W, 3].
        masks: True where a person is, bool [T, H, W].
        intrinsics: fx, fy, cx, cy in pixels, of the first frame [4] or of all [T, 4]; only the first frame's fx counts.

    Returns:
        Camera to the first frame's camera, OpenCV axes, [T, 3, 3]; NaN where the movement is unknown.

    Raises:
        ValueError: shapes that do not fit together.
    """
    frames, masks = np.asarray(frames), np.asarray(masks)
    if frames.ndim != 4 or masks.shape != frames.shape[:3]:
        raise ValueError(f"masks {list(masks.shape)} do not fit frames {list(frames.shape)}")
    watch = CameraWatch(
        (frames.shape[2], frames.shape[1]), 24.0, focal=float(np.atleast_2d(intrinsics)[0, 0])
    )
    watch.add_masked(frames, ~masks.astype(bool))
    solution = watch.solve()
    rotation = solution.c2w[:, :3, :3].copy()
    return np.full_like(rotation, np.nan) if solution.kind == "unknown" else rotation


class _Solver:
    """One video's tracks on their way to a CameraSolution."""

    def __init__(self, tracks: Tracks, size: tuple[int, int], fps: float, focal: float, told: bool) -> None:
        self.tracks, self.size, self.fps, self.focal, self.told = tracks, size, fps, focal, told
        self.centre = np.array(size) / 2
        self.noise = NOISE * tracks.unit
        self.lens = Lens.of(focal, told, size[1])
        self.notes: list[str] = []
        self.figures: dict[str, float] = {}

    def solve(self, camera: CameraChoice) -> CameraSolution:
        frames, samples = self.tracks.frames, self.tracks.samples
        if camera == "static":
            return self._identity("static", "the camera is taken to be still, as asked")
        if frames == 1:
            return self._identity("static", "one frame: there is no movement to see")
        shot = frames if self.tracks.cut is None else self.tracks.cut
        if self.tracks.cut is not None:
            self.notes.append(
                f"the picture changes altogether at {self.tracks.cut / self.fps:.2f} s (a cut): the camera is that of"
                " the first shot and stays where that ends; capture the shots one at a time"
            )
        if self.tracks.breaks:
            at = ", ".join(f"{frame / self.fps:.2f}" for frame in self.tracks.breaks[:4])
            self.notes.append(
                f"the background was out of sight before {at} s: the camera is held still meanwhile"
            )
        if len(samples) < 2:
            return self._identity("unknown", self._nothing_to_see())
        self.figures["frames_followed"] = min(1.0, len(samples) * self.tracks.stride / shot)
        self.figures["points_per_frame"] = float(np.mean([len(s.ids) for s in samples]))
        if self.figures["frames_followed"] < 0.5:
            return self._identity("unknown", self._nothing_to_see())
        self.figures["stray_pixels"] = self._stray()
        if camera == "auto" and self.figures["stray_pixels"] < STILL * self.tracks.unit:
            return self._identity("static", None)
        views = self._views()
        turning = self._turning(views)
        self.figures["turning_residual_pixels"] = turning.residual
        self.figures["turning_agree"] = turning.agree
        turns = turning.agree >= TURNS
        if camera == "turning":
            return (
                self._turned(views, turning) if turns else self._identity("unknown", _FORCED.format("turn"))
            )
        if len(sightings(views, self.centre).ids) < 2 * ENOUGH:
            return self._turned(views, turning) if turns and camera == "auto" else self._nothing_lasts()
        moving, why = explain_by_moving(views, self.lens, self.size, self.noise, self.tracks.unit)
        self.figures["moving_agree"] = moving.explained
        if camera == "auto" and turns:
            plain = explain_by_turning(views, turning, self.lens, self.centre, self.noise)
            self.figures["turning_explained"] = plain.explained
            if moving.explained < MOVES or not moving.clearly_better(plain):
                return self._turned(views, turning)
        if moving.explained >= MOVES:
            return self._moved(views, moving)
        if camera == "moving":
            return self._identity(
                "unknown", _FORCED.format("way through space") + (f" ({why})" if why else "")
            )
        return self._identity(
            "unknown",
            "the camera moves and is taken to be still: no movement explains what most of the background does"
            + (f" ({why})" if why else ""),
        )

    def _nothing_to_see(self) -> str:
        return (
            "the camera's movement is unknown and taken to be still: too few points of the background can be followed"
            " (plain walls, blur, or people who fill the picture)"
        )

    def _nothing_lasts(self) -> CameraSolution:
        return self._identity(
            "unknown", "the camera is taken to be still: too few points of the background are seen for long"
        )

    def _identity(self, kind: str, note: str | None) -> CameraSolution:
        frames = self.tracks.frames
        lens = np.array([self.focal, self.focal, *self.centre])
        notes = [*self.notes, *([note] if note else [])]
        return CameraSolution(
            kind, np.tile(np.eye(4), (frames, 1, 1)), np.tile(lens, (frames, 1)),  # type: ignore[arg-type]
            figures=self.figures, notes=tuple(notes),
        )  # fmt: skip

    def _stray(self) -> float:
        """How far most points stray from where they were first seen, in all but one frame of a hundred, pixels."""
        home: dict[int, np.ndarray] = {}
        for view in self.tracks.keyframes:
            for name, at in zip(view.ids.tolist(), view.pixels, strict=True):
                home.setdefault(name, at)
        ways = []
        for sample in self.tracks.samples:
            first = np.array([home[name] for name in sample.ids.tolist()])
            ways.append(np.quantile(np.linalg.norm(sample.pixels - first, axis=1), MOST))
        return float(np.quantile(ways, 0.99))

    def _views(self) -> list[View]:
        """Frames that are solved together: keyframes, thinned where they are many, and samples between them."""
        keys = list(self.tracks.keyframes)
        while len(keys) > VIEWS and self._overlap(keys[::2]) >= 2 * ENOUGH:
            keys = keys[::2]
        taken = {view.frame for view in keys}
        samples = self.tracks.samples
        wanted = max(4, VIEWS - len(keys))
        for at in np.unique(np.linspace(0, len(samples) - 1, wanted).round().astype(int))[::-1]:
            if samples[at].frame not in taken and len(samples[at].ids) >= ENOUGH:
                keys.append(View(samples[at].frame, samples[at].ids, samples[at].pixels.astype(np.float64)))
        return sorted(keys, key=lambda view: view.frame)

    @staticmethod
    def _overlap(views: list[View]) -> int:
        """Fewest points that two views in a row share."""
        return min((len(np.intersect1d(a.ids, b.ids)) for a, b in pairwise(views)), default=0)

    def _turning(self, views: list[View]) -> Turning:
        """The turning camera that fits best, zooming only where that explains clearly more."""
        plain, zooming = (
            fit_turning(
                views, self.centre, self.focal, known=self.told, zoom=zoom, noise=self.noise,
                bounds=(self.lens.least, self.lens.most),
            )
            for zoom in (False, True)
        )  # fmt: skip
        changes = zooming.focal.max() / zooming.focal.min() > 1.01
        better = zooming.residual < 0.8 * plain.residual or zooming.agree > plain.agree + 0.05
        return zooming if changes and better else plain

    def _turned(self, views: list[View], turning: Turning) -> CameraSolution:
        """The solution of a camera that turns: every frame by the points' directions."""
        zoom = bool(np.ptp(turning.focal) > 0)
        base = float(turning.focal[0])
        points = np.c_[turning.directions, np.zeros(len(turning.directions))]
        start = Poses(np.swapaxes(turning.rotation, 1, 2), np.zeros((len(views), 3)), turning.focal / base)
        poses, notes = self._every_frame(views, start, turning.ids, points, base, move=False, zoom=zoom)
        lens = np.tile([base, base, *self.centre], (self.tracks.frames, 1))
        lens[:, :2] *= poses.focal[:, None]
        c2w = poses.c2w()
        c2w = np.linalg.inv(c2w[0]) @ c2w
        c2w[:, :3, 3] = 0.0
        self.figures["focal_pixels"] = base
        self.figures["focal_spread"] = turning.focal_spread
        return CameraSolution("turning", c2w, lens, figures=self.figures, notes=(*self.notes, *notes))

    def _moved(self, views: list[View], found: Movement) -> CameraSolution:
        """The solution of a camera that moves through space: every frame against the points that views have placed."""
        made = found.cameras
        base = float(made.focal[0])
        self.figures["views"] = len(views)
        self.figures["map_points"] = len(made.points)
        self.figures["focal_pixels"] = base
        start = Poses(made.rotation, made.shift, made.focal / base)
        poses, notes = self._every_frame(
            views, start, found.given.ids, made.points, base, move=True, zoom=False
        )
        lens = np.tile([base, base, *self.centre], (self.tracks.frames, 1))
        c2w = poses.c2w()
        to_first = np.linalg.inv(c2w[0])
        local = made.points[:, :3] @ to_first[:3, :3].T + made.points[:, 3:] * to_first[:3, 3]
        ahead = (made.points[:, 3] > _NEAR) & (local[:, 2] > 0)
        local = local[ahead] / made.points[ahead, 3:]
        c2w = to_first @ c2w
        scale = 1.0 / float(np.median(local[:, 2])) if ahead.any() else 1.0
        c2w[:, :3, 3] *= scale
        if found.explained < SURELY_MOVES:
            notes.append(
                f"the camera's way is doubtful: it explains {found.explained:.0%} of what the background does"
            )
        return CameraSolution(
            "moving", c2w, lens, points=local * scale, figures=self.figures, notes=(*self.notes, *notes)
        )

    def _every_frame(
        self, views: list[View], start: Poses, ids: np.ndarray, points: np.ndarray, base: float, *, move: bool,
        zoom: bool,
    ) -> tuple[Poses, list[str]]:  # fmt: skip
        """Cameras of all frames: each fitted to its own points, those without enough points between neighbours."""
        samples = self.tracks.samples
        times = np.array([view.frame for view in views], np.float64)
        numbers = np.array([sample.frame for sample in samples], np.float64)
        most = max(len(sample.ids) for sample in samples)
        index, pixels = np.full((len(samples), most), -1), np.full((len(samples), most, 2), np.nan)
        for row, sample in enumerate(samples):
            at = np.minimum(np.searchsorted(ids, sample.ids), len(ids) - 1)
            index[row, : len(at)] = np.where(ids[at] == sample.ids, at, -1)
            pixels[row, : len(at)] = sample.pixels
        lens = np.array([base, base, *self.centre])
        guess = _between(times, start, numbers)
        poses, residual, count = resect(
            points, index, pixels, lens, guess, noise=self.noise, move=move, zoom=zoom
        )
        known = count >= np.maximum(ENOUGH, 0.3 * (index >= 0).sum(axis=1))
        self.figures["frames_solved"] = float(known.sum() / len(known)) * self.figures["frames_followed"]
        self.figures["residual_pixels"] = float(np.nanmedian(residual)) if known.any() else float("nan")
        notes = []
        if not known.any():
            known[:], poses = True, guess
            notes.append(
                "single frames could not be solved: the camera is interpolated between a few of them"
            )
        chosen = Poses(poses.rotation[known], poses.translation[known], poses.focal[known])
        return _between(numbers[known], chosen, np.arange(self.tracks.frames, dtype=np.float64)), notes


def _between(times: np.ndarray, poses: Poses, wanted: np.ndarray) -> Poses:
    """Cameras at other times, held before the first and after the last."""
    c2w = poses.c2w()
    inside = np.clip(wanted, times[0], times[-1])
    if len(times) == 1:
        rotation = np.repeat(c2w[:, :3, :3], len(wanted), axis=0)
    else:
        rotation = Slerp(times, Rotation.from_matrix(c2w[:, :3, :3]))(inside).as_matrix()
    place = np.stack([np.interp(inside, times, column) for column in c2w[:, :3, 3].T], axis=1)
    rotation = np.swapaxes(rotation, 1, 2)
    focal = np.exp(np.interp(inside, times, np.log(poses.focal)))
    return Poses(rotation, -np.einsum("tij,tj->ti", rotation, place), focal)
