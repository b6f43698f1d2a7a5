"""Where the person is and where a camera stands by default: front-on, level with the middle of the figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinema.scene.motion import Motion

# Smoothing widths (standard deviations, seconds), ours: a camera follows the walk, not the steps.
PATH_SMOOTHING = 0.25
TURN_SMOOTHING = 0.5
HEIGHT_SMOOTHING = 0.5
# A figure is taller than its joints: crown above the head joint, soles below the foot joints (ours, from
# SMPL-like proportions).
FIGURE_PER_JOINTS = 1.15
SOLES_PER_FIGURE = 0.03
ASIDE = np.radians(
    55.0
)  # from the front, of a camera that sees who is longer than tall, as animals are (ours)
DEFAULT_HEIGHT = 1.7  # of the person imagined where there is no subject


@dataclass(frozen=True)
class SubjectTrack:
    """Where the subject is, smoothed, at any time.

    Args:
        times: seconds, [N].
        path: x and z of the root, or of the middle of one that is longer than tall at rest, [N, 2].
        rise: height of the root above its usual height, metres, [N].
        heading: direction the subject faces, radians about +Y from +Z, unwrapped, [N]; half to the side of
            one that is longer than tall.
        height: of the standing figure, metres.
        ground: height of the floor under the subject.
        joints: all joints, [N, J, 3], NaN where missing; None without a subject.
    """

    times: np.ndarray
    path: np.ndarray
    rise: np.ndarray
    heading: np.ndarray
    height: float
    ground: float
    joints: np.ndarray | None = None

    @property
    def middle(self) -> float:
        """Height of the middle of the standing figure, about the hip."""
        return self.ground + self.height / 2

    def pivot(self, times: np.ndarray, *, live: bool = False) -> np.ndarray:
        """The middle of the figure over time, [N, 3]; its height moves with the root only where `live`."""
        x, z = (np.interp(times, self.times, column) for column in self.path.T)
        y = np.full(len(times), self.middle)
        if live:
            y += np.interp(times, self.times, self.rise)
        return np.stack([x, y, z], axis=1)

    def heading_at(self, times: np.ndarray) -> np.ndarray:
        """Where the subject faces, radians about +Y from +Z, [N]."""
        return np.interp(times, self.times, self.heading)


def still_track(pivot: np.ndarray, heading: float = 0.0, height: float = DEFAULT_HEIGHT) -> SubjectTrack:
    """A track that stays at one point: what the camera circles when there is no subject."""
    return SubjectTrack(
        np.zeros(1),
        pivot[None, [0, 2]],
        np.zeros(1),
        np.full(1, heading),
        height,
        float(pivot[1]) - height / 2,
    )


def subject_track(subject: Motion) -> SubjectTrack:
    """Where a person is over time, smoothed, from joints that may be missing here and there.

    Raises:
        ValueError: no joint is ever visible.
    """
    joints = np.where(subject.missing[..., None], np.nan, subject.joints)
    if not np.isfinite(joints).any():
        raise ValueError("the subject has no visible joint, so there is nothing to point a camera at")
    root = _filled(np.asarray(subject.root_path(), dtype=np.float64), joints)
    facing = np.asarray(subject.facing(), dtype=np.float64)
    flat = np.where(np.hypot(facing[:, 0], facing[:, 2]) > 0.2, 0.0, np.nan)  # lying down faces nowhere
    angle = np.arctan2(facing[:, 0], facing[:, 2]) + flat
    seen = np.flatnonzero(np.isfinite(angle))
    frames = np.arange(len(angle))
    heading = (
        np.interp(frames, seen, np.unwrap(angle[seen])) if seen.size else np.zeros(len(angle), dtype=float)
    )
    if np.ptp(subject.skeleton.rest[:, 2]) > np.ptp(subject.skeleton.rest[:, 1]):
        heading = heading + ASIDE
        root = _filled(np.full_like(root, np.nan), joints)
    height = _figure_height(joints, subject)
    # The floor: where the lowest joint usually is. A jump in the first frame must not lift the camera.
    with np.errstate(invalid="ignore"):
        lowest = np.nanmin(np.where(np.isfinite(joints[..., 1]), joints[..., 1], np.inf), axis=1)
    ground = float(np.percentile(lowest[np.isfinite(lowest)], 5)) - SOLES_PER_FIGURE * height
    fps = subject.fps
    return SubjectTrack(
        times=frames / fps,
        path=_smooth(root[:, [0, 2]], PATH_SMOOTHING * fps),
        rise=_smooth(root[:, 1] - np.median(root[:, 1]), HEIGHT_SMOOTHING * fps),
        heading=_smooth(heading, TURN_SMOOTHING * fps),
        height=height,
        ground=ground,
        joints=joints,
    )


def framing_distance(
    track: SubjectTrack, intrinsics: np.ndarray, size: tuple[int, int], fill: float
) -> float:
    """Metres from a level camera to the subject, so that the standing figure fills `fill` of the height.

    Stretched arms of the first frame stay in a narrow picture: then the camera stands further back.
    """
    fx, fy = intrinsics[:2]
    distance = track.height * fy / (fill * size[1])
    if track.joints is not None:
        sideways, _, nearer = _in_view(track, track.joints[:1], track.pivot(track.times[:1]))
        needed = nearer + np.abs(sideways) * fx / (0.47 * size[0])
        distance = max(distance, float(np.nanmax(needed, initial=0.0)))
    return float(distance)


def distance_to_keep(
    track: SubjectTrack, intrinsics: np.ndarray, size: tuple[int, int], duration: float, *, carried: bool
) -> float:
    """Metres from which a level, still camera keeps every joint of the clip in the picture.

    With `carried` the camera moves along with the subject, and only limbs count.
    """
    if track.joints is None:
        return 0.0
    within = track.times <= duration + 1e-6
    pivot = track.pivot(track.times[within])
    sideways, upwards, nearer = _in_view(track, track.joints[within], pivot if carried else pivot[:1])
    slope = np.maximum(
        np.abs(sideways) * intrinsics[0] / (0.47 * size[0]),
        np.abs(upwards) * intrinsics[1] / (0.47 * size[1]),
    )
    return float(np.nanmax(nearer + slope, initial=0.0))


def _in_view(
    track: SubjectTrack, joints: np.ndarray, pivot: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints as seen by a front-on camera: metres sideways, upwards, and towards the camera."""
    heading = track.heading[0]
    offset = joints - pivot[:, None]
    towards = offset[..., 0] * np.sin(heading) + offset[..., 2] * np.cos(heading)
    sideways = offset[..., 0] * np.cos(heading) - offset[..., 2] * np.sin(heading)
    return sideways, offset[..., 1], towards


def _figure_height(joints: np.ndarray, subject: Motion) -> float:
    """Height of the standing figure: the rest pose, scaled to the bones that are seen."""
    rest = np.asarray(subject.skeleton.rest, dtype=np.float64)
    parents = np.asarray(subject.skeleton.parents)
    children = np.flatnonzero(parents >= 0)
    tall = float(np.ptp(rest[:, 1])) if np.isfinite(rest).all() else 0.0
    bones = np.linalg.norm(rest[children] - rest[parents[children]], axis=1)
    sampled = joints[:: max(1, len(joints) // 64)]
    seen = np.linalg.norm(sampled[:, children] - sampled[:, parents[children]], axis=2)
    known = np.isfinite(seen) & (bones > 1e-3)
    if tall > 0.05 and known.any():
        ratios = np.broadcast_to(seen, known.shape)[known] / np.broadcast_to(bones, known.shape)[known]
        tall *= float(np.median(ratios))
    else:  # no usable rest pose: the tallest the figure is seen to be
        levels = joints[..., 1]
        high = np.where(np.isfinite(levels), levels, -np.inf).max(axis=1)
        low = np.where(np.isfinite(levels), levels, np.inf).min(axis=1)
        tall = float(np.max((high - low)[np.isfinite(high)], initial=0.0))
    return max(tall * FIGURE_PER_JOINTS, 0.05)


def _filled(root: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """The root path without gaps: a missing root is the mean of the visible joints, or its neighbours."""
    visible = np.isfinite(joints).all(axis=2)
    count = visible.sum(axis=1)
    mean = np.where(visible[..., None], joints, 0.0).sum(axis=1) / np.maximum(count, 1)[:, None]
    mean[count == 0] = np.nan
    root = np.where(np.isfinite(root).all(axis=1, keepdims=True), root, mean)
    seen = np.flatnonzero(np.isfinite(root).all(axis=1))
    if not seen.size:
        raise ValueError("the subject has no frame with a visible joint")
    return np.stack([np.interp(np.arange(len(root)), seen, column[seen]) for column in root.T], axis=1)


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing along time that leaves the two ends where they are (odd reflection)."""
    from scipy.ndimage import gaussian_filter1d

    reach = min(int(np.ceil(3 * sigma)), len(values) - 1)
    if reach < 1:
        return values
    before = 2 * values[:1] - values[reach:0:-1]
    after = 2 * values[-1:] - values[-2 : -reach - 2 : -1]
    padded = np.concatenate([before, values, after])
    return gaussian_filter1d(padded, sigma, axis=0, truncate=reach / sigma)[reach:-reach]
