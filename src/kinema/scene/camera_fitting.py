"""How a camera path from another world is fitted to a place: out of floor and people, with the person in view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from kinema.scene.camera import CameraPath
from kinema.scene.camera_framing import SubjectTrack
from kinema.scene.formats.camera_reading import CameraFile
from kinema.scene.formats.reading import Assumption
from kinema.scene.scene import Scene

# All ours:
_NEAREST = 0.5  # of that distance, how near the camera may come to a person
LOWEST = 0.15  # metres above the floor
_SEEN = 0.9  # of the frames in which the person should be in view
_SHRINKS = (*np.geomspace(1, 0.01, 60), 0.0)
_LIFTS = (0.0, 0.2, 0.4, 0.6)  # metres


@dataclass(frozen=True)
class Fit:
    """How a path is fitted to a place.

    Args:
        back: how many times further away, and longer, all of it is.
        share: of its length.
        lift: metres by which it is raised.
    """

    back: float = 1.0
    share: float = 1.0
    lift: float = 0.0


def metric_fits() -> Iterator[Fit]:
    """For a path in metres: as it is, raised, shortened."""
    for share in _SHRINKS:
        for lift in _LIFTS:
            yield Fit(share=float(share), lift=lift)


def free_fits(orbits: bool) -> Iterator[Fit]:
    """For a path of unknown unit; one that looks at the person is rather taken further away than shortened."""
    for share in (1.0, 0.85, 0.7, 0.5, 0.35, 0.25, 0.15, 0.08, 0.0):
        for back in (1.0, 1.25, 1.6, 2.0, 2.5) if orbits else (1.0,):
            for lift in _LIFTS:
                yield Fit(back, share, lift)


def best_fit(
    fits: Iterator[Fit],
    at: Callable[[Fit], CameraPath],
    file: CameraFile,
    scene: Scene,
    track: SubjectTrack,
    distance: float,
    person: int,
) -> Fit:
    """The first fit that keeps the camera out of floor and people and, of unknown units, sees the person.

    Where none sees the person for most of the time, the one that sees them longest.
    """
    nearest = float(np.clip(_NEAREST * distance, 0.5, 1.8))
    best, longest = Fit(share=0.0), -1.0
    for fit in fits:
        camera = at(fit)
        if not _is_clear(camera, scene, track, nearest):
            continue
        if file.metric or not scene.people:
            return fit
        seen = _share_seen(camera, scene, person)
        if seen >= _SEEN:
            return fit
        if seen > longest + 0.05:
            best, longest = fit, seen
    return best


def said(fit: Fit) -> list[Assumption]:
    """What a fit changes, in words."""
    changes = []
    if fit.back != 1:
        changes.append(f"it starts {fit.back:g} times further away")
    if fit.share != 1:
        changes.append(f"its way is shortened to {fit.share:.0%}")
    if fit.lift:
        changes.append(f"it is raised by {fit.lift:g} m")
    if not changes:
        return []
    why = "else the camera would run into the person or the floor, or lose the person"
    return [Assumption("camera_scale", " and ".join(changes), why, doubtful=True)]


def _is_clear(camera: CameraPath, scene: Scene, track: SubjectTrack, nearest: float) -> bool:
    """Whether the camera stays above the floor and does not touch anybody."""
    places = camera.positions
    if places[:, 1].min() < track.ground + LOWEST:
        return False
    times = np.arange(camera.frames) / camera.fps
    for person in scene.people:
        path = person.root_path()
        known = np.flatnonzero(np.isfinite(path).all(axis=1))
        if not known.size:
            continue
        x, z = (np.interp(times, known / person.fps, path[known, axis]) for axis in (0, 2))
        away = np.hypot(places[:, 0] - x, places[:, 2] - z)
        low = places[:, 1] < track.ground + 1.2 * track.height
        if (low & (away < nearest)).any() or _passes(places, x, z, low, nearest):
            return False
    return True


def _passes(places: np.ndarray, x: np.ndarray, z: np.ndarray, low: np.ndarray, nearest: float) -> bool:
    """Whether the camera goes through somebody between two frames."""
    relative = np.stack([places[:, 0] - x, places[:, 2] - z], axis=1)
    step = np.diff(relative, axis=0)
    length = np.maximum((step**2).sum(axis=1), 1e-12)
    share = np.clip(-(relative[:-1] * step).sum(axis=1) / length, 0, 1)
    closest = np.linalg.norm(relative[:-1] + share[:, None] * step, axis=1)
    return bool((low[:-1] & low[1:] & (closest < nearest)).any())


def _share_seen(camera: CameraPath, scene: Scene, person: int) -> float:
    """Share of the frames in which the camera sees the root joint of a person."""
    path = scene.people[person].root_path()
    rows = np.minimum(np.arange(camera.frames) * scene.people[person].fps / camera.fps, len(path) - 1)
    return float(camera.visible(path[rows.astype(int)][:, None]).mean())
