"""The solved camera in the world: which way is up, where the floor is, how large everything is (ours).

The background alone tells neither gravity nor metres; people do: they stand upright on a floor, and a standing foot
stays where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinema.capture.lifter import STANDING
from kinema.capture.lifting_body import STANDING_HEIGHT
from kinema.capture.lifting_guess import FirstGuess, first_guess
from kinema.capture.observation import CameraSolution, PersonTrack
from kinema.scene.camera import CameraPath

_EYE_HEIGHT = 1.5  # metres; of a camera that sees nobody
_STANDS = 0.3  # probability above which a foot stands
_UP_SPREAD, _LEVEL_SPREAD, _ROLL_SPREAD = np.radians(3.0), np.radians(1.0), np.radians(3.0)
_CONTACT_SPREAD = 0.06  # metres, of a standing foot's height, depth errors included
_CONTACT_FRAMES = 15.0  # neighbouring contacts err alike: so many count as one
_STEP_SPREAD, _PACE_SPREAD = (
    0.03,
    0.08,
)  # metres: of a standing foot, of a pelvis about an even pace, over the lag
_BACKGROUND = "a background one and a half times as far away as the people is assumed"
_UNIT = "1 unit of it is taken as 1 m"
_TRIES, _FLAT, _LEVEL = (
    400,
    0.03,
    np.cos(np.radians(15.0)),
)  # planes; share of the height; against the vertical
_ON_FLOOR, _FLOOR_SHARE = 10, 0.15  # points, and share of them, that make a floor
_FEET_AGREE = 0.25  # share of the scale by which feet that stand may differ from it in the middle
_LAG = 0.2  # seconds between the contacts that are compared for scale


@dataclass(frozen=True, eq=False)
class Placement:
    """A camera in the world and how it got there.

    Args:
        camera: metres, Y up, floor at y = 0, one pose for each frame.
        scale: metres per unit of the solution.
        up: the vertical in the axes of the solution, [3].
        notes: sentences for people: what was assumed, what is doubtful.
    """

    camera: CameraPath
    scale: float
    up: np.ndarray
    notes: tuple[str, ...] = ()


def place(
    tracks: Sequence[PersonTrack],
    solution: CameraSolution,
    fps: float,
    size: tuple[int, int],
    *,
    stature: float | None = None,
) -> Placement:
    """Puts a solved camera into the world.

    The first person starts above x = z = 0, and the first camera looks along -Z, so that who faces it faces +Z.

    Args:
        tracks: people of the same video; the first one stands at the origin. Nobody: a level camera at eye height.
        solution: from the background alone.
        fps: frames per second.
        size: (width, height) in pixels.
        stature: metres, of everybody; 1.70 where None.

    Raises:
        ValueError: tracks of another length than the solution.
    """
    for track in tracks:
        if track.frames != len(solution.c2w):
            raise ValueError(f"person {track.id} has {track.frames} frames, the camera {len(solution.c2w)}")
    notes: list[str] = []
    guesses = []
    for track in tracks:
        try:
            guesses.append(first_guess(track, solution.intrinsics, stature))
        except ValueError as error:
            notes.append(f"left out of placing the camera: {error}")
    ground = _ground(guesses, solution)
    scale = _scale(guesses, solution, ground, fps, notes)
    c2w = np.array(solution.c2w, np.float64)
    c2w[:, :3, 3] *= scale
    if solution.kind == "unknown":
        notes.append("the camera's own movement is unknown; people move as if it had stood still")
    if not guesses:
        notes.append("nobody to tell gravity and floor by: a level camera 1.5 m above the floor is assumed")
        up, height, start = np.array([0.0, -1.0, 0.0]), _EYE_HEIGHT, None
    else:
        up, height = _floor(guesses, c2w, None if ground is None else ground[0], notes)
        first = guesses[0]
        frame = int(np.argmax(first.placed))
        start = c2w[frame, :3, :3] @ first.root[frame] + c2w[frame, :3, 3]
    world = _world(up, height, c2w[0], start)
    return Placement(CameraPath(world @ c2w, solution.intrinsics, size, fps), scale, up, tuple(notes))


def _world(up: np.ndarray, height: float, first: np.ndarray, start: np.ndarray | None) -> np.ndarray:
    """From the axes of the solution to the world's, [4, 4]; `height` of their origin above the floor."""
    forward = first[:3, 2] - (first[:3, 2] @ up) * up
    if np.linalg.norm(forward) < 0.1:  # looks straight up or down: the top of the picture leads
        forward = -first[:3, 1] + (first[:3, 1] @ up) * up
    forward /= np.linalg.norm(forward)
    world = np.eye(4)
    world[:3, :3] = np.stack([np.cross(forward, up), up, -forward])
    world[1, 3] = height
    at = first[:3, 3] if start is None else start
    world[[0, 2], 3] = -(world[:3, :3] @ at)[[0, 2]]
    return world


def _standing_feet(guess: FirstGuess, c2w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ankles and feet in the axes of the solution, [T, 4, 3], and how surely each stands and is seen, [T, 4]."""
    feet = guess.joints[:, STANDING] + guess.root[:, None]
    feet = np.einsum("tij,tkj->tki", c2w[:, :3, :3], feet) + c2w[:, None, :3, 3]
    certain = np.where(guess.standing > _STANDS, guess.standing, 0.0)
    certain *= guess.keypoints.confidence[:, STANDING] * guess.placed[:, None]
    return feet, certain


def _floor(
    guesses: list[FirstGuess], c2w: np.ndarray, level: np.ndarray | None, notes: list[str]
) -> tuple[np.ndarray, float]:
    """The vertical and the height of the origin above the floor.

    Gauss-Newton on two small turns of the vertical and the height; residuals are the guessed verticals, or that of the
    background's floor where it shows one, the roll of the first camera, and the heights of standing feet.
    """
    ups = np.concatenate([np.einsum("tij,tj->ti", c2w[:, :3, :3], g.up)[g.placed] for g in guesses])
    up = guessed = _direction(ups) if level is None else level
    spread = _UP_SPREAD if level is None else _LEVEL_SPREAD
    parts = [_standing_feet(guess, c2w) for guess in guesses]
    feet = np.concatenate([points.reshape(-1, 3) for points, _ in parts])
    share = np.concatenate([certain.ravel() for _, certain in parts]) / _CONTACT_FRAMES
    rest = np.tile(STANDING_HEIGHT, len(feet) // 4)
    feet, share, rest = feet[share > 0], share[share > 0], rest[share > 0]
    if share.sum() * _CONTACT_FRAMES < 4:
        notes.append(
            "no standing foot was seen: the floor is put under the lowest joints of the guessed bodies"
        )
        lowest = np.concatenate([_heights(g, c2w, up).min(1)[g.placed] for g in guesses])
        return up, -float(np.percentile(lowest, 10))
    right = c2w[0, :3, 0]
    height = -float(np.median(feet @ up - rest))
    for _ in range(8):
        one = np.cross(up, right)
        one /= np.linalg.norm(one)
        two = np.cross(up, one)
        basis = np.stack([one, two])
        missed = feet @ up + height - rest
        weight = share / _CONTACT_SPREAD**2 / (1 + (missed / (2 * _CONTACT_SPREAD)) ** 2)
        rows = np.concatenate([feet @ basis.T, np.ones((len(feet), 1))], axis=1)
        matrix = (rows * weight[:, None]).T @ rows
        gradient = (rows * weight[:, None]).T @ missed
        for vector, target, unsure in (
            *((axis, float(axis @ guessed), spread) for axis in np.eye(3)),
            (right, 0.0, _ROLL_SPREAD),
        ):
            row = np.append(basis @ vector, 0.0)
            matrix += np.outer(row, row) / unsure**2
            gradient += row * (float(vector @ up) - target) / unsure**2
        step = np.linalg.solve(matrix + 1e-9 * np.eye(3), gradient)
        up = up - step[:2] @ basis
        up /= np.linalg.norm(up)
        height -= step[2]
    tilt = np.degrees(np.arccos(np.clip(up @ guessed, -1, 1)))
    if tilt > 8:
        notes.append(f"posture and floor disagree about the vertical by {tilt:.0f} degrees; it is doubtful")
    return up, height


def _heights(guess: FirstGuess, c2w: np.ndarray, up: np.ndarray) -> np.ndarray:
    joints = guess.joints + guess.root[:, None]
    joints = np.einsum("tij,tkj->tki", c2w[:, :3, :3], joints) + c2w[:, None, :3, 3]
    return np.asarray(joints @ up)


def _direction(vectors: np.ndarray) -> np.ndarray:
    """A robust mean of unit vectors [N, 3]."""
    mean = np.median(vectors, axis=0)
    for _ in range(5):
        mean /= np.linalg.norm(mean)
        apart = np.linalg.norm(vectors - mean, axis=1)
        mean = (vectors / (1 + (apart / 0.1) ** 2)[:, None]).sum(0)
    return np.asarray(mean / np.linalg.norm(mean))


def _scale(
    guesses: list[FirstGuess], solution: CameraSolution, ground: tuple[np.ndarray, float] | None, fps: float,
    notes: list[str],
) -> float:  # fmt: skip
    """Metres per unit of the solution: by the floor that the background shows, else by least squares.

    These are reweighted by their residuals. Standing feet stay where they are, whatever the camera does: a foot at p(t)
    in the camera's axes stands if R p + s c is the same a little later. Pelvises hardly change their pace. Errors along
    the line of sight count a quarter, since depth is known worst.
    """
    path = solution.c2w[:, :3, 3]
    if solution.scaled or np.ptp(path, axis=0).max() < 1e-9:
        return 1.0
    if ground is not None and (by_floor := _scale_by_floor(guesses, solution, *ground)) is not None:
        return by_floor
    lag = min(max(1, round(_LAG * fps)), (len(path) - 1) // 2)
    turned = np.array(solution.c2w, np.float64)
    turned[:, :3, 3] = 0.0
    rows = []
    if lag:
        for guess in guesses:
            feet, certain = _standing_feet(guess, turned)
            rows.append(_row(feet[:-lag] - feet[lag:], path[lag:] - path[:-lag], feet[lag:],
                             np.minimum(certain[lag:], certain[:-lag]) / _STEP_SPREAD**2))  # fmt: skip
            root = (turned[:, :3, :3] @ guess.root[..., None])[:, None, :, 0]
            sure = (guess.placed[2 * lag :] & guess.placed[: -2 * lag])[:, None] / _PACE_SPREAD**2
            rows.append(_row(-root[2 * lag :] + 2 * root[lag:-lag] - root[: -2 * lag],
                             path[2 * lag :] - 2 * path[lag:-lag] + path[: -2 * lag], root[lag:-lag], sure))  # fmt: skip
    step, way, weight = (
        (np.concatenate(parts) for parts in zip(*rows, strict=True)) if rows else (np.zeros((0, 3)),) * 3
    )
    scale, spread = 0.0, np.inf
    if len(step) >= 5:
        again = weight
        for _ in range(20):
            matrix = float((again * (way * way).sum(1)).sum()) + 1e-12
            scale = float((again * (step * way).sum(1)).sum()) / matrix
            missed = weight * ((step - scale * way) ** 2).sum(1)
            again = weight / (1 + missed / 4)
        spread = (_CONTACT_FRAMES / matrix) ** 0.5 / max(scale, 1e-9)
    if scale <= 0 or spread > 1:
        notes.append(
            f"people do not tell the scale of the camera's path; {_BACKGROUND if len(solution.points) else _UNIT}"
        )
        scale = _by_background(guesses, solution)
    elif spread > 0.3:
        notes.append(f"the camera moved little: the scale of its path is known to {100 * spread:.0f} % only")
    return scale


def _ground(guesses: list[FirstGuess], solution: CameraSolution) -> tuple[np.ndarray, float] | None:
    """The floor among the points of the background: its normal and its height; None where there is none."""
    ups = [np.einsum("tij,tj->ti", solution.c2w[:, :3, :3], g.up)[g.placed] for g in guesses]
    return _level_plane(solution.points, _direction(np.concatenate(ups))) if ups else None


def _scale_by_floor(
    guesses: list[FirstGuess], solution: CameraSolution, normal: np.ndarray, level: float
) -> float | None:
    """Metres per unit, by how high the camera is above the floor, and above feet that stand; None if they disagree."""
    turned = np.array(solution.c2w, np.float64)
    turned[:, :3, 3] = 0.0
    rise = solution.c2w[:, :3, 3] @ normal - level
    scales, weights = [], []
    for guess in guesses:
        feet, certain = _standing_feet(guess, turned)
        scales.append((STANDING_HEIGHT - feet @ normal) / rise[:, None])
        weights.append(certain * (rise[:, None] > 0))
    scale, weight = np.concatenate(scales).ravel(), np.concatenate(weights).ravel()
    scale, weight = scale[weight > 0], weight[weight > 0]
    if weight.sum() < 4:
        return None
    middle = _weighted_median(scale, weight)
    apart = _weighted_median(np.abs(scale - middle), weight)
    return middle if middle > 0 and apart < _FEET_AGREE * middle else None


def _level_plane(points: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, float] | None:
    """The plane below the first camera, about level, on which most points lie: its normal and height, or None."""
    if len(points) < 3:
        return None
    three = points[np.random.default_rng(0).integers(0, len(points), (_TRIES, 3))]
    normal = np.cross(three[:, 1] - three[:, 0], three[:, 2] - three[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = normal / np.maximum(length, 1e-12) * np.where(normal @ up < 0, -1.0, 1.0)[:, None]
    level = (normal * three[:, 0]).sum(1)
    near = np.abs(points @ normal.T - level) < _FLAT * np.abs(level)
    near &= (length[:, 0] > 1e-9) & (normal @ up > _LEVEL) & (level < 0)
    best = int(near.sum(0).argmax())
    on = points[near[:, best]]
    if len(on) < max(_ON_FLOOR, _FLOOR_SHARE * len(points)):
        return None
    middle = on.mean(0)
    fitted = np.linalg.svd(on - middle)[2][2]
    fitted = fitted if fitted @ up > 0 else -fitted
    return (fitted, float(fitted @ middle)) if fitted @ up > _LEVEL else None


def _weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    order = np.argsort(values)
    passed = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(passed, passed[-1] / 2)])


def _row(
    step: np.ndarray, way: np.ndarray, sight: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equations step = scale * way, less strict along the line of sight, flat: [N, 3], [N, 3], [N]."""
    sight = sight / np.linalg.norm(sight, axis=-1, keepdims=True)

    def eased(values: np.ndarray) -> np.ndarray:
        return values - 0.75 * (values * sight).sum(-1, keepdims=True) * sight

    kept = weight > 0
    return eased(step)[kept], eased(np.broadcast_to(way[:, None], step.shape))[kept], weight[kept]


def _by_background(guesses: list[FirstGuess], solution: CameraSolution) -> float:
    """Metres per unit if the background lies one and a half times as far away as the people."""
    depth = solution.points[:, 2] if len(solution.points) else np.zeros(0)
    depth = depth[depth > 0]
    if not guesses or not depth.size:
        return 1.0
    people = np.median(np.concatenate([guess.root[guess.placed, 2] for guess in guesses]))
    return float(1.5 * people / np.median(depth))
