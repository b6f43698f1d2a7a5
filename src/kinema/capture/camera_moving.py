"""Cameras and the points that they see, adjusted together: robust least squares on pixels, for turns, zooms and ways.

Points are homogeneous, a direction and an inverse depth, so that a camera that only turns is the special case without
shifts and inverse depths, and models can be compared on the same sightings (ours). Everything is dense over points and
views, which are few.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from kinema.capture.camera_tracks import View

MOST_POINTS = 400
FOV_RANGE = (25.0, 100.0)
"""Degrees, vertical; what an unknown lens may be (ours): from a short telephoto lens to an action camera."""
_PRIOR = 0.3  # spread of the log focal length about the default, where it is not told
_ZOOM = 0.5  # spread of the log zoom
_ALIKE = (
    16.0  # sightings of neighbouring views err alike: so many count as one against what is believed of lenses
)
_BEHIND = 0.1  # weight of the parallax, in pixels, of points that would lie beyond infinity
_SCALES = ((12.0, 12), (4.0, 12), (2.0, 20))  # in noises: where residuals stop to count, and the most steps
_BLOCK = 7  # unknowns of a view: turn (3), shift (3), log zoom


@dataclass(frozen=True, eq=False)
class Sightings:
    """Points that K views saw: ids [N], pixels [N, K, 2], where they were seen [N, K]; the centre of pictures."""

    ids: np.ndarray
    pixels: np.ndarray
    seen: np.ndarray
    centre: np.ndarray


@dataclass(frozen=True, eq=False)
class Cameras:
    """Cameras of K views and points.

    Args:
        rotation, shift: first camera to camera, [K, 3, 3] and [K, 3]; no shifts where the camera turns only.
        focal: pixels, of each view, [K].
        points: homogeneous, in the first camera, [N, 4]: unit directions and inverse depths.
    """

    rotation: np.ndarray
    shift: np.ndarray
    focal: np.ndarray
    points: np.ndarray


@dataclass(frozen=True)
class Lens:
    """What is believed of the first view's focal length: pixels, whether it is told, and its bounds otherwise."""

    focal: float
    known: bool
    least: float
    most: float

    @staticmethod
    def of(focal: float, known: bool, height: float) -> Lens:
        """The bounds of FOV_RANGE for pictures of a height in pixels."""
        most, least = (height / 2 / np.tan(np.radians(fov) / 2) for fov in FOV_RANGE)
        return Lens(focal, known, min(least, focal), max(most, focal))


def sightings(views: list[View], centre: np.ndarray, least: int = 3) -> Sightings:
    """What several views saw of the same points; of very many, those that were seen most often."""
    names, times = np.unique(np.concatenate([view.ids for view in views]), return_counts=True)
    often = np.argsort(-times, kind="stable")[:MOST_POINTS]
    names = np.sort(names[often[times[often] >= least]])
    pixels, seen = np.zeros((len(names), len(views), 2)), np.zeros((len(names), len(views)), bool)
    for k, view in enumerate(views):
        _, row, at = np.intersect1d(names, view.ids, assume_unique=True, return_indices=True)
        pixels[row, k], seen[row, k] = view.pixels[at], True
    return Sightings(names, pixels, seen, centre)


def distances(given: Sightings, made: Cameras) -> np.ndarray:
    """Pixels between points and where they were seen, NaN where they were not, [N, K]."""
    error, _, ahead = _errors(given, made)
    return np.where(given.seen, np.where(ahead, np.linalg.norm(error, axis=-1), np.inf), np.nan)


def adjust(given: Sightings, start: Cameras, lens: Lens, noise: float, *, move: bool, zoom: bool) -> Cameras:
    """The adjustment of everything from a start: damped Gauss-Newton, errors forgiven less and less.

    Args:
        given: what was seen.
        start: cameras and points to begin with.
        lens: what is believed of it.
        noise: pixels.
        move: whether the camera may leave its place; zoom: whether focal lengths may differ.
    """
    made = _normalised(start)
    if np.median(made.points[:, 3]) < 0:  # the same rays, but seen from behind
        made = replace(made, shift=-made.shift, points=made.points * (1, 1, 1, -1))
    for scale, steps in _SCALES:
        damping, cost = 1e-3, _cost(given, made, lens, scale * noise, noise)
        for _ in range(steps):
            system = _System(given, made, lens, scale * noise, noise, move, zoom)
            while True:
                moved = system.step(damping)
                after = _cost(given, moved, lens, scale * noise, noise)
                if after < cost or damping > 1e5:
                    break
                damping *= 6
            if after >= cost:
                break
            small = cost - after < 1e-3 * cost
            made, cost, damping = _normalised(moved), after, max(damping / 6, 1e-8)
            if small:
                break
    return made


def _normalised(made: Cameras) -> Cameras:
    """The furthest shift 1 long."""
    size = float(np.sqrt((made.shift**2).sum(1).max()))
    return (
        made if size < 1e-12 else replace(made, shift=made.shift / size, points=made.points * (1, 1, 1, size))
    )


def _errors(given: Sightings, made: Cameras) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors, 0 where nothing was seen [N, K, 2], points in the cameras [N, K, 3], and whether ahead [N, K]."""
    local = (made.points[:, :3] @ made.rotation.swapaxes(1, 2)).swapaxes(0, 1)
    local = local + made.points[:, None, 3:] * made.shift
    ahead = local[..., 2] > 1e-3
    depth = np.where(ahead, local[..., 2], 1.0)
    error = given.pixels - (made.focal[:, None] * local[..., :2] / depth[..., None] + given.centre)
    return np.where((given.seen & ahead)[..., None], error, 0.0), local, ahead


def _cost(given: Sightings, made: Cameras, lens: Lens, scale: float, noise: float) -> float:
    error, _, ahead = _errors(given, made)
    squared = (error**2).sum(-1) / scale**2
    behind = _BEHIND * (made.shift**2).sum(1).max() * (np.minimum(made.points[:, 3], 0.0) * lens.focal) ** 2
    total = scale**2 * float((squared / (1 + squared)).sum() + (given.seen & ~ahead).sum()) + float(
        behind.sum()
    )
    common, zooms = np.log(made.focal[0] / lens.focal), np.log(made.focal / made.focal[0])
    return total + float(_hold(noise, _PRIOR) * common**2 + _hold(noise, _ZOOM) * (zooms**2).sum())


def _hold(noise: float, spread: float) -> float:
    return _ALIKE * (noise / spread) ** 2


class _System:
    """The normal equations near some cameras and points, the points eliminated."""

    def __init__(
        self, given: Sightings, made: Cameras, lens: Lens, scale: float, noise: float, move: bool, zoom: bool
    ) -> None:
        self.made, self.lens, count = made, lens, len(made.rotation)
        error, local, ahead = _errors(given, made)
        weight = np.where(given.seen & ahead, 1 / (1 + (error**2).sum(-1) / scale**2) ** 2, 0.0)
        depth = np.where(ahead, local[..., 2], 1.0)
        x, y, none = local[..., 0] / depth, local[..., 1] / depth, np.zeros_like(depth)
        f = made.focal * np.ones_like(x)
        to_pixels = np.stack([f, none, -f * x, none, f, -f * y], -1).reshape(*x.shape, 2, 3)
        to_pixels /= depth[..., None, None]
        turn = np.stack([-f * x * y, f * (1 + x * x), -f * y, -f * (1 + y * y), f * x * y, f * x], -1)
        zooming = (f[..., None] * np.stack([x, y], -1))[..., None]
        camera = np.concatenate(
            [turn.reshape(*x.shape, 2, 3), to_pixels * made.points[:, None, 3:, None], zooming], axis=-1
        )
        self.basis = _tangents(made.points[:, :3])
        ways = made.rotation @ self.basis[:, None]
        ways = np.concatenate([ways, np.broadcast_to(made.shift[..., None], (*ways.shape[:3], 1))], axis=-1)
        point = to_pixels @ ways
        root = np.sqrt(weight)[..., None, None]
        camera, point, lens_column = camera * root, point * root, zooming * root
        error = error[..., None] * root
        tall = camera.swapaxes(0, 1).swapaxes(1, 2).reshape(count, -1, _BLOCK)  # every view's rows: 2 x N
        seen_error = error.swapaxes(0, 1).swapaxes(1, 2).reshape(count, -1, 1)
        size = _BLOCK * count + 1
        self.matrix, self.right = np.zeros((size, size)), np.zeros(size)
        own = tall.swapaxes(1, 2) @ tall
        for k in range(count):
            self.matrix[_BLOCK * k : _BLOCK * (k + 1), _BLOCK * k : _BLOCK * (k + 1)] = own[k]
        self.matrix[-1, :-1] = self.matrix[:-1, -1] = own[:, :, -1].ravel()
        self.right[:-1] = (tall.swapaxes(1, 2) @ seen_error).ravel()
        self.matrix[-1, -1] = own[:, -1, -1].sum() + _hold(noise, _PRIOR)
        zoom_right = self.right[_BLOCK - 1 : -1 : _BLOCK]
        self.right[-1] = zoom_right.sum() - _hold(noise, _PRIOR) * np.log(made.focal[0] / lens.focal)
        zoom_right -= _hold(noise, _ZOOM) * np.log(made.focal / made.focal[0])
        zooms = np.arange(_BLOCK - 1, size - 1, _BLOCK)
        self.matrix[zooms, zooms] += _hold(noise, _ZOOM)
        cross = (camera.swapaxes(-1, -2) @ point).reshape(len(x), _BLOCK * count, 3)
        flat = point.reshape(len(x), -1, 3)
        cross_lens = lens_column.reshape(len(x), 1, -1) @ flat
        self.cross = np.concatenate([cross, cross_lens], axis=1)
        self.inner = flat.swapaxes(1, 2) @ flat
        self.pull = (flat.swapaxes(1, 2) @ error.reshape(len(x), -1, 1))[..., 0]
        reach = float((made.shift**2).sum(1).max()) * lens.focal**2
        self.inner[:, 2, 2] += _BEHIND * reach * (made.points[:, 3] < 0) + 1e-6 * reach
        self.pull[:, 2] -= _BEHIND * reach * np.minimum(made.points[:, 3], 0.0)
        block = np.r_[np.ones(3, bool), np.full(3, move), zoom]
        free = np.r_[np.zeros(_BLOCK, bool), np.tile(block, count - 1), not lens.known]
        self.free = np.flatnonzero(free)

    def step(self, damping: float) -> Cameras:
        """Cameras and points after one damped step."""
        made, own = self.made, np.arange(3)
        inner = self.inner.copy()
        inner[:, own, own] += damping * inner[:, own, own] + 1e-9
        cross = self.cross[:, self.free]
        inverse = np.linalg.inv(inner)
        solved = cross @ inverse
        matrix = self.matrix[np.ix_(self.free, self.free)]
        matrix[np.diag_indices(len(matrix))] *= 1 + damping
        matrix[np.diag_indices(len(matrix))] += 1e-9
        wide = solved.swapaxes(0, 1).reshape(len(self.free), -1)
        matrix -= wide @ cross.swapaxes(0, 1).reshape(len(self.free), -1).T
        right = self.right[self.free] - wide @ self.pull.ravel()
        change = np.zeros(len(self.right))
        change[self.free] = np.linalg.solve(matrix, right)
        points = (inverse @ (self.pull - change[self.free] @ cross)[..., None])[..., 0]
        views = change[:-1].reshape(-1, _BLOCK)
        turn = Rotation.from_rotvec(np.clip(views[:, :3], -0.3, 0.3)).as_matrix()
        shift = np.einsum("kij,kj->ki", turn, made.shift) + views[:, 3:6]
        direction = made.points[:, :3] + (self.basis @ np.clip(points[:, :2, None], -0.3, 0.3))[..., 0]
        length = np.linalg.norm(direction, axis=1, keepdims=True)
        common = np.clip(change[-1], -0.2, 0.2)
        first = made.focal[0] * np.exp(common)
        common += np.log(np.clip(first, self.lens.least, self.lens.most) / first)
        focal = made.focal * np.exp(common + np.clip(views[:, 6], -0.2, 0.2))
        homogeneous = np.c_[direction, made.points[:, 3] + points[:, 2]] / length
        return Cameras(turn @ made.rotation, shift, focal, homogeneous)


def _tangents(unit: np.ndarray) -> np.ndarray:
    """Two directions at right angles to each unit vector, as columns, [N, 3] -> [N, 3, 2]."""
    helper = np.where(np.abs(unit[:, :1]) < 0.7, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    first = np.cross(unit, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return np.stack([first, np.cross(unit, first)], axis=-1)
