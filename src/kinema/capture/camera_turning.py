"""A camera that only turns and zooms: rotations and focal lengths of keyframes from the background's motion.

Between two pictures of such a camera the background moves by the homography K R K^-1, whatever its depth. All
keyframes are adjusted together, so that three or more of them tell the focal length.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.capture.camera_tracks import ENOUGH, View

FOVS = (35.0, 75.0)
"""Degrees along the longer side from which the search for an unknown focal length starts."""
_PRIOR = 0.35  # spread of log focal length about the default, where it is not told
_PER_PAIR = 40  # observations


@dataclass(frozen=True, eq=False)
class Turning:
    """A turning camera fitted to keyframes.

    Args:
        rotation: camera to the first keyframe's camera, [K, 3, 3].
        focal: pixels along x, of each keyframe, [K].
        ids, directions: points at infinity in the first keyframe's camera, [N] and unit vectors [N, 3].
        residual: median error of all observations, pixels.
        agree: share of the observations of points seen three times or more within four times the noise.
        focal_spread: standard deviation of the log focal length as the data tell it.
    """

    rotation: np.ndarray
    focal: np.ndarray
    ids: np.ndarray
    directions: np.ndarray
    residual: float
    agree: float
    focal_spread: float


@dataclass(frozen=True, eq=False)
class _Pair:
    """Points that keyframe `a` saw first and keyframe `b` saw again, pixels [N, 2] each, and how many views saw them."""

    a: int
    b: int
    first: np.ndarray
    again: np.ndarray
    seen: np.ndarray


def fit_turning(
    views: list[View],
    centre: np.ndarray,
    focal: float,
    *,
    known: bool,
    zoom: bool,
    noise: float,
    bounds: tuple[float, float] = (0.0, np.inf),
) -> Turning:
    """Rotations and focal lengths that explain the keyframes best.

    Args:
        views: keyframes in time order.
        centre: principal point, pixels, [2].
        focal: pixels, of the first keyframe; a guess unless known.
        known: whether the first keyframe's focal length is told.
        zoom: whether it may change.
        noise: pixels.
        bounds: least and most that an unknown focal length may be, pixels.
    """
    pairs = _pairs(views)
    if known or len(views) < 2:
        starts = [focal]
    else:
        longer = 2 * centre.max()
        starts = [focal, *(np.clip(longer / 2 / np.tan(np.radians(fov) / 2), *bounds) for fov in FOVS)]
    best = None
    for start in starts:
        fit = _adjust(pairs, len(views), centre, start, focal, known, zoom, noise, bounds)
        if best is None or fit[-1] < best[-1]:
            best = fit
    assert best is not None
    rotation, focals, spread, _ = best
    error = _errors(pairs, rotation, focals, centre)
    distance = np.linalg.norm(error, axis=1) if len(error) else np.zeros(0)
    often = np.concatenate([np.zeros(0, bool), *(pair.seen >= 3 for pair in pairs)])
    ids, directions = _directions(views, rotation, focals, centre)
    return Turning(
        rotation,
        focals,
        ids,
        directions,
        float(np.median(distance)) if len(distance) else float("nan"),
        float((distance[often] < 4 * noise).mean()) if often.any() else 0.0,
        spread,
    )


def _pairs(views: list[View]) -> list[_Pair]:
    """Each keyframe against the one that saw its points first."""
    home: dict[int, tuple[int, int]] = {}
    times = Counter(name for view in views for name in view.ids.tolist())
    pairs = []
    for k, view in enumerate(views):
        seen: dict[int, list[tuple[int, int]]] = {}
        for row, name in enumerate(view.ids.tolist()):
            if name in home:
                a, at = home[name]
                seen.setdefault(a, []).append((at, row))
            else:
                home[name] = (k, row)
        for a, rows in seen.items():
            chosen = np.array(rows)[:: max(1, -(-len(rows) // _PER_PAIR))]
            often = np.array([times[name] for name in view.ids[chosen[:, 1]].tolist()])
            pairs.append(_Pair(a, k, views[a].pixels[chosen[:, 0]], view.pixels[chosen[:, 1]], often))
    return pairs


def _rays(pixels: np.ndarray, focal: float, centre: np.ndarray) -> np.ndarray:
    return np.c_[(pixels - centre) / focal, np.ones(len(pixels))]


def _chain(pairs: list[_Pair], count: int, focal: float, centre: np.ndarray) -> np.ndarray:
    """Rotations by aligning rays, one keyframe after another, robustly, [K, 3, 3]."""
    rotation = np.tile(np.eye(3), (count, 1, 1))
    for k in range(1, count):
        rotation[k] = rotation[k - 1]
        mine = [p for p in pairs if p.b == k]
        if sum(len(p.first) for p in mine) < ENOUGH:
            continue
        known = np.concatenate([_rays(p.first, focal, centre) @ rotation[p.a].T for p in mine])
        rays = np.concatenate([_rays(p.again, focal, centre) for p in mine])
        known /= np.linalg.norm(known, axis=1, keepdims=True)
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        weight = np.ones(len(rays))
        for _ in range(6):
            u, _, vt = np.linalg.svd((known * weight[:, None]).T @ rays)
            rotation[k] = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
            apart = np.linalg.norm(known - rays @ rotation[k].T, axis=1)
            weight = 1 / (1 + (apart / max(1.5 * float(np.median(apart)), 1e-5)) ** 2) ** 2
    return rotation


def _predict(
    pair: _Pair, rotation: np.ndarray, focal: np.ndarray, centre: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors [N, 2], rays of the first view and where they point in the second, [N, 3] each."""
    rays = _rays(pair.first, focal[pair.a], centre)
    local = rays @ (rotation[pair.b].T @ rotation[pair.a]).T
    depth = np.maximum(local[:, 2:], 1e-3)
    return pair.again - (focal[pair.b] * local[:, :2] / depth + centre), rays, local


def _errors(pairs: list[_Pair], rotation: np.ndarray, focal: np.ndarray, centre: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((0, 2)), *(_predict(p, rotation, focal, centre)[0] for p in pairs)])


def _adjust(
    pairs: list[_Pair], count: int, centre: np.ndarray, start: float, told: float, known: bool, zoom: bool,
    noise: float, bounds: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray, float, float]:  # fmt: skip
    """Robust least squares from one focal length: rotations, focal lengths, spread of the log focal, cost.

    Unknowns: three a keyframe, then the common log focal length, then each keyframe's log zoom.
    """
    rotation = _chain(pairs, count, start, centre)
    common, zooms = float(np.log(start)), np.zeros(count)
    size = 4 * count + 1
    fixed = np.zeros(size, bool)
    fixed[:3] = True
    fixed[3 * count] = known
    fixed[3 * count + 1] = True
    if not zoom:
        fixed[3 * count + 1 :] = True
    free = np.flatnonzero(~fixed)
    normal = np.eye(size)
    if not len(free):
        return rotation, np.full(count, start), 0.0, 0.0
    for step in range(14):
        focal = np.exp(common + zooms)
        normal, right = np.zeros((size, size)), np.zeros(size)
        scale = noise * max(2.0, 40.0 * 0.6**step)
        for pair in pairs:
            error, rays, local = _predict(pair, rotation, focal, centre)
            weight = 1 / (1 + (error**2).sum(1) / scale**2) ** 2
            jacobian = _jacobian(pair, rotation, focal, rays, local, count, zoom)
            at = np.r_[
                3 * pair.a : 3 * pair.a + 3, 3 * pair.b : 3 * pair.b + 3, 3 * count,
                3 * count + 1 + pair.a, 3 * count + 1 + pair.b,
            ]  # fmt: skip
            flat = (jacobian * weight[:, None, None]).reshape(-1, jacobian.shape[-1])
            normal[np.ix_(at, at)] += flat.T @ jacobian.reshape(flat.shape)
            right[at] += flat.T @ error.reshape(-1)
        if not known:
            hold = (noise / _PRIOR) ** 2
            normal[3 * count, 3 * count] += hold
            right[3 * count] += hold * (np.log(told) - common)
        hold = (noise / 0.5) ** 2
        normal[range(3 * count + 1, size), range(3 * count + 1, size)] += hold
        right[3 * count + 1 :] -= hold * zooms
        inner = normal[np.ix_(free, free)]
        inner = inner + np.diag(1e-6 * np.diag(inner) + 1e-9)
        change = np.zeros(size)
        change[free] = np.clip(np.linalg.solve(inner, right[free]), -0.3, 0.3)
        rotation = rotation @ Rotation.from_rotvec(change[: 3 * count].reshape(-1, 3)).as_matrix()
        common = float(np.log(np.clip(np.exp(common + change[3 * count]), *bounds)))
        zooms = zooms + change[3 * count + 1 :]
    focal = np.exp(common + zooms)
    squared = (_errors(pairs, rotation, focal, centre) ** 2).sum(1) / (2 * noise) ** 2
    cost = float((squared / (1 + squared)).sum()) + (
        0.0 if known else ((np.log(told) - common) / _PRIOR) ** 2
    )
    spread = 0.0
    if not known:
        inner = normal[np.ix_(free, free)]
        inverse = np.linalg.inv(inner + np.diag(1e-9 * np.diag(inner) + 1e-12))
        spread = float(
            noise * np.sqrt(max(inverse[np.searchsorted(free, 3 * count)] @ (free == 3 * count), 0.0))
        )
    return rotation, focal, spread, cost


def _jacobian(
    pair: _Pair,
    rotation: np.ndarray,
    focal: np.ndarray,
    rays: np.ndarray,
    local: np.ndarray,
    count: int,
    zoom: bool,
) -> np.ndarray:
    """How a pair's predictions change with turns of a and b, log focal, log zooms of a and b, [N, 2, 9]."""
    between = rotation[pair.b].T @ rotation[pair.a]
    depth = np.maximum(local[:, 2], 1e-3)
    x, y = local[:, 0] / depth, local[:, 1] / depth
    f = focal[pair.b]
    zero = np.zeros_like(x)
    to_pixels = np.stack(
        [np.stack([f / depth, zero, -f * x / depth], -1), np.stack([zero, f / depth, -f * y / depth], -1)], 1
    )
    turn_a = np.einsum("ij,njk->nik", -between, _skew(rays))
    turn_b = _skew(local)
    ray_a = -(np.c_[rays[:, :2], zero] @ between.T)[..., None]  # of log focal of a
    moved = to_pixels @ np.concatenate([turn_a, turn_b, ray_a], axis=2)
    zoom_a = moved[..., 6:]
    zoom_b = f * np.stack([x, y], -1)[..., None]
    return np.concatenate([moved[..., :6], zoom_a + zoom_b, zoom_a, zoom_b], axis=2)


def _skew(v: np.ndarray) -> np.ndarray:
    zero = np.zeros(len(v))
    return np.stack(
        [
            np.stack([zero, -v[:, 2], v[:, 1]], -1),
            np.stack([v[:, 2], zero, -v[:, 0]], -1),
            np.stack([-v[:, 1], v[:, 0], zero], -1),
        ],
        axis=1,
    )


def _directions(
    views: list[View], rotation: np.ndarray, focal: np.ndarray, centre: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Every point's mean direction over the keyframes that saw it: ids [N], unit vectors [N, 3]."""
    ids = np.concatenate([v.ids for v in views])
    rays = np.concatenate(
        [_rays(v.pixels, f, centre) @ r.T for v, r, f in zip(views, rotation, focal, strict=True)]
    )
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    names, inverse = np.unique(ids, return_inverse=True)
    total = np.zeros((len(names), 3))
    np.add.at(total, inverse, rays)
    return names, total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
