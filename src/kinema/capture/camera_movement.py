"""Which movement of a camera explains its background: turns, zooms and ways through space, compared on equal terms.

A way is begun from several guesses, pycolmap's map among them where the others do not do, and adjusted
(camera_moving.py). What has more unknowns has to explain more, as Schwarz's criterion asks (ours; robust as in Torr's
GRIC, 1998).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kinema.capture.camera_mapping import MappingError, map_views
from kinema.capture.camera_moving import Cameras, Lens, Sightings, adjust, distances, sightings
from kinema.capture.camera_resection import Poses, resect
from kinema.capture.camera_tracks import ENOUGH, View
from kinema.capture.camera_turning import Turning

_EYE = 1.3  # metres, height of a camera to begin with
_WALLS = (
    (6.0, False),
    (6.0, True),
    (2.5, False),
)  # metres to what is no floor to begin with, and from which end
_SURE = 0.93  # share of the sightings that a way explains so well that no other beginning is tried
_MAP_BELOW = 0.88  # share below which pycolmap is asked, too
_CLOSE = 4.0  # noises within which a sighting is explained
_UNKNOWN = 0.75  # of what Schwarz's criterion asks for an unknown
_GAIN, _GAIN_OVER_ZOOM = (
    0.2,
    0.05,
)  # shares of the sightings that a way explains and a turn, or a zoom, does not
_LEAVES = 3.0  # times what a way leaves unexplained, gain that is clear, too
_ZOOMS = 1.05  # change of the focal length that is a zoom
_SPREAD, _LOST = 0.7, 16.0  # noises; squared spreads beyond which a sighting counts as lost


@dataclass(frozen=True, eq=False)
class Movement:
    """One way to explain a background.

    Args:
        cameras: of the views.
        given: the sightings explained.
        explained: share of them within four times the noise.
        cost: how badly it explains them, and what its unknowns cost.
    """

    cameras: Cameras
    given: Sightings
    explained: float
    cost: float

    def clearly_better(self, turning: Movement) -> bool:
        """Whether this way through space explains clearly more than a turn.

        Points on shadows and edges find a depth that suits them better than none, so a way always explains a little
        more, up to 17 % in a plain studio; cameras that turn are common, those that zoom are not (ours).
        """
        zooms = turning.cameras.focal.max() > _ZOOMS * turning.cameras.focal.min()
        gain = self.explained - turning.explained
        clear = gain > _GAIN or (gain > _GAIN / 2 and gain > _LEAVES * (1 - self.explained))
        return self.cost < turning.cost and (gain > _GAIN_OVER_ZOOM if zooms else clear)


def explain_by_turning(
    views: list[View], turning: Turning, lens: Lens, centre: np.ndarray, noise: float
) -> Movement:
    """The best turn near one that was found; it zooms if that one does."""
    given, zoom = sightings(views, centre), bool(np.ptp(turning.focal) > 0)
    made = adjust(
        given, turning_start(given, turning.rotation, turning.focal), lens, noise, move=False, zoom=zoom
    )
    return _judged(given, made, noise, 2 * len(given.ids) + (4 if zoom else 3) * len(views))


def explain_by_moving(
    views: list[View], lens: Lens, size: tuple[int, int], noise: float, unit: float
) -> tuple[Movement, str]:
    """The best way through space, and why pycolmap did not help where it was asked and did not.

    Args:
        views: in time order.
        lens: what is believed of it.
        size: (width, height) of the picture; the principal point is its middle.
        noise: pixels; unit: pixels of the picture to one working pixel.
    """
    given, best, why = sightings(views, np.array(size) / 2), None, ""
    unknowns = 3 * len(given.ids) + 6 * len(views)
    for wall, backwards in _WALLS:
        start = walking_start(given, lens.focal, noise, wall, backwards)
        made = _judged(given, adjust(given, start, lens, noise, move=True, zoom=False), noise, unknowns)
        best = made if best is None or made.cost < best.cost else best
        if best.explained >= _SURE:
            return best, why
    assert best is not None
    if best.explained < _MAP_BELOW:
        try:
            start = _by_map(views, given, lens, size, unit)
        except MappingError as error:
            return best, str(error)
        made = _judged(given, adjust(given, start, lens, noise, move=True, zoom=False), noise, unknowns)
        best = min(best, made, key=lambda movement: movement.cost)
    return best, why


def _judged(given: Sightings, made: Cameras, noise: float, unknowns: int) -> Movement:
    apart = distances(given, made)[given.seen]
    cost = np.minimum((apart / (_SPREAD * noise)) ** 2, _LOST).sum()
    cost += _UNKNOWN * unknowns * np.log(max(2 * len(apart), 2))
    return Movement(made, given, float((apart < _CLOSE * noise).mean()) if len(apart) else 0.0, float(cost))


def _by_map(views: list[View], given: Sightings, lens: Lens, size: tuple[int, int], unit: float) -> Cameras:
    focal = np.full(len(views), lens.focal)
    found = map_views(views, size, focal, known=lens.known, zoom=False, unit=unit)
    numbers = np.flatnonzero(found.registered)
    nearest = numbers[
        np.abs(numbers - np.arange(len(views))[:, None]).argmin(axis=1)
    ]  # of views without a camera
    focal = np.full(len(views), np.clip(found.focal[numbers[0]], lens.least, lens.most))
    return mapped_start(given, found.rotation[nearest], found.translation[nearest], focal)


def turning_start(given: Sightings, rotation: np.ndarray, focal: np.ndarray) -> Cameras:
    """A camera that only turns, by rotations camera to first camera [K, 3, 3] and focal lengths [K]."""
    ways = np.zeros((len(given.ids), 3))
    for k in range(len(rotation)):
        rays = np.c_[(given.pixels[:, k] - given.centre) / focal[k], np.ones(len(ways))] @ rotation[k].T
        ways += rays / np.linalg.norm(rays, axis=1, keepdims=True) * given.seen[:, k, None]
    ways /= np.maximum(np.linalg.norm(ways, axis=1, keepdims=True), 1e-9)
    return Cameras(
        np.swapaxes(rotation, 1, 2), np.zeros((len(rotation), 3)), focal, np.c_[ways, np.zeros(len(ways))]
    )


def walking_start(
    given: Sightings, focal: float, noise: float, wall: float, backwards: bool = False
) -> Cameras:
    """View after view against points whose depths are guessed when they are first seen.

    To begin with the camera is level above a floor, and what lies higher is a wall so many metres away.
    """
    if backwards:
        other = replace(given, pixels=given.pixels[:, ::-1], seen=given.seen[:, ::-1])
        made = walking_start(other, focal, noise, wall)
        return _from_first(replace(made, rotation=made.rotation[::-1], shift=made.shift[::-1]))
    count = len(given.seen[0])
    rotation, shift = np.tile(np.eye(3), (count, 1, 1)), np.zeros((count, 3))
    points, known = np.zeros((len(given.ids), 4)), np.zeros(len(given.ids), bool)
    lens = np.array([focal, focal, *given.centre])
    for k in range(count):
        if k:
            rotation[k], shift[k] = rotation[k - 1], shift[k - 1]
        own = np.flatnonzero(given.seen[:, k] & known)
        if k and len(own) >= ENOUGH:
            pose, _, _ = resect(
                points[own], np.arange(len(own))[None], given.pixels[own, k][None], lens,
                Poses(rotation[k : k + 1], shift[k : k + 1], np.ones(1)), noise=noise, move=True, zoom=False,
            )  # fmt: skip
            rotation[k], shift[k] = pose.rotation[0], pose.translation[0]
        fresh = given.seen[:, k] & ~known
        rays = np.c_[(given.pixels[fresh, k] - given.centre) / focal, np.ones(fresh.sum())]
        near = np.maximum(1 / wall, rays[:, 1] / _EYE)
        points[fresh] = np.c_[(rays - near[:, None] * shift[k]) @ rotation[k], near]
        known |= fresh
    points /= np.maximum(np.linalg.norm(points[:, :3], axis=1, keepdims=True), 1e-9)
    return Cameras(rotation, shift, np.full(count, focal), points)


def mapped_start(given: Sightings, rotation: np.ndarray, shift: np.ndarray, focal: np.ndarray) -> Cameras:
    """Points that meet the rays of known cameras best, by linear triangulation; world to camera [K, 3, 3], [K, 3]."""
    rays = np.concatenate(
        [(given.pixels - given.centre) / focal[:, None], np.ones((*given.seen.shape, 1))], axis=-1
    )
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    pose = np.concatenate([rotation, shift[..., None]], axis=-1)
    away = (np.eye(3) - rays[..., :, None] * rays[..., None, :]) * given.seen[..., None, None]
    rows = (away @ pose).reshape(len(rays), -1, 4)
    points = np.linalg.eigh(rows.swapaxes(1, 2) @ rows)[1][..., 0]
    points /= np.maximum(np.linalg.norm(points[:, :3], axis=1, keepdims=True), 1e-6)
    depth = (points @ pose[:, 2].T * given.seen).sum(1)
    return _from_first(Cameras(rotation, shift, focal, points * np.where(depth < 0, -1.0, 1.0)[:, None]))


def _from_first(made: Cameras) -> Cameras:
    """The same in the axes of the first camera."""
    between = made.rotation @ made.rotation[0].T
    ways = made.points[:, :3] @ made.rotation[0].T + made.points[:, 3:] * made.shift[0]
    points = np.c_[ways, made.points[:, 3]] / np.maximum(np.linalg.norm(ways, axis=1, keepdims=True), 1e-9)
    return replace(made, rotation=between, shift=made.shift - between @ made.shift[0], points=points)
