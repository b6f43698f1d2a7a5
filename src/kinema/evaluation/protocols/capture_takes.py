"""The takes of `kinema evaluate capture`: unseen motions filmed under conditions that are crossed with one another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from kinema.data.motion_library import MotionClip, MotionLibrary
from kinema.evaluation.metrics.pck import projected_height
from kinema.evaluation.protocols.control_clips import STILL_LIMIT, liveliest
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera import look_at
from kinema.scene.camera_language import camera_path
from kinema.stage import Prop, Take, World, busy_world, photo_studio, random_actor, shoot
from kinema.stage.filming import stands_aside

FACTORS: dict[str, tuple[Any, ...]] = {
    "people": ("one", "one", "apart", "crossing"),
    "occlusion": ("none", "none", "prop"),
    "camera": ("static", "pan", "arc", "dolly", "handheld"),
    "fps": (12.0, 24.0, 30.0, 60.0),
    "size": ((256, 256), (320, 320), (384, 288), (512, 512)),
    "world": ("textured", "studio"),
    "lens": ("known", "unknown"),
}
"""What is varied, and how: a level named twice is filmed twice as often. `lens`: whether capture is told the field
of view, as a file's metadata would."""

CAMERAS = {
    "static": "static",
    "pan": "pan left 20deg ease",
    "arc": "arc left 35deg",
    "dolly": "dolly in 0.8m ease",
    "handheld": "shaky truck right 0.3m",
}
SECONDS = {12.0: 3.0, 24.0: 2.5, 30.0: 2.0, 60.0: 2.0}
"""Length of a take by its frame rate; a take is judged as a whole."""

INSIDE_LEAST = 0.85  # share of the joints in the picture, in every frame and of everybody
APART_LEAST = 0.9  # metres between pelvises of people who do not cross
CROSSING_LEAST, CROSSING_MOST = 1.4, 2.4  # metres that somebody who crosses walks
FILL_LEAST = 0.3  # share of the picture's height that a standing person fills at the start
_ATTEMPTS = 300
_SEARCH = 400  # random designs of which the most even one is taken


@dataclass(frozen=True)
class Conditions:
    """One level of every factor of FACTORS."""

    people: str
    occlusion: str
    camera: str
    fps: float
    size: tuple[int, int]
    world: str
    lens: str

    def facts(self) -> dict[str, Any]:
        """Level by factor, the size as `512x384`."""
        return {**asdict(self), "size": "{}x{}".format(*self.size)}


@dataclass(frozen=True)
class CaptureTake:
    """A take and what capture may be told of it.

    Args:
        take: pictures and exact truth.
        conditions: how it was filmed.
        fov: vertical field of view, degrees.
        clips: names of the people's clips.
        number: of the take in the protocol.
    """

    take: Take
    conditions: Conditions
    fov: float
    clips: tuple[str, ...]
    number: int

    @property
    def camera(self) -> CameraPath:
        """The true camera."""
        assert self.take.scene.camera is not None  # it was filmed
        return self.take.scene.camera

    @property
    def joints(self) -> np.ndarray:
        """The true joints in the world, metres, [P, T, 24, 3]."""
        return np.stack([person.joints for person in self.take.scene.people])

    @property
    def height(self) -> np.ndarray:
        """Everybody's height in the picture, pixels, [P, T]; see metrics/pck.py."""
        return np.stack(
            [
                projected_height(person.joints, self.camera.intrinsics[:, 1], depth[:, 0])
                for person, depth in zip(self.take.scene.people, self.take.keypoint_depth, strict=True)
            ]
        )


def design(count: int, seed: int = 0) -> list[Conditions]:
    """Conditions of `count` takes: every level of a factor equally often, and pairs of levels as evenly as may be.

    The full product has thousands of cells. Balanced columns are shuffled, and of many such designs the one is taken
    whose pairs of factors are closest to evenly crossed, so that no condition stands in for another.
    """
    if count < 1:
        raise ValueError(f"--takes {count}: give at least one")
    rng = np.random.default_rng([seed, 7])
    balanced = [np.arange(count) * len(levels) // count for levels in FACTORS.values()]
    best: tuple[float, list[np.ndarray]] | None = None
    for _ in range(_SEARCH):
        columns = [rng.permutation(column) for column in balanced]
        uneven = sum(
            _unevenness(a, b, len(x), len(y))
            for (a, x), (b, y) in combinations(zip(columns, FACTORS.values(), strict=True), 2)
        )
        if best is None or uneven < best[0]:
            best = (uneven, columns)
    assert best is not None
    names = list(FACTORS)
    return [
        Conditions(**{name: FACTORS[name][column[row]] for name, column in zip(names, best[1], strict=True)})
        for row in range(count)
    ]


def _unevenness(a: np.ndarray, b: np.ndarray, levels_a: int, levels_b: int) -> float:
    counts = np.bincount(a * levels_b + b, minlength=levels_a * levels_b)
    return float(((counts - len(a) / counts.size) ** 2).sum())


def film_takes(library: MotionLibrary, conditions: list[Conditions], seed: int = 0) -> Iterator[CaptureTake]:
    """Films the takes one after the other; motions are of the test split and none drives two people of one take.

    Args:
        library: all splits; `test` is used.
        conditions: one per take.
        seed: of clips, parts, actors, worlds and cameras.

    Raises:
        ValueError: the library has no clips that meet a condition.
    """
    candidates = library.split("test")
    for number, condition in enumerate(conditions):
        yield film_take(candidates, condition, number, seed)


def film_take(clips: MotionLibrary, conditions: Conditions, number: int, seed: int = 0) -> CaptureTake:
    """Films one take.

    Args:
        clips: to choose from.
        conditions: how it is filmed.
        number: of the take; with the seed it decides every choice.
        seed: of every choice.

    Raises:
        ValueError: no choice of clips meets the conditions.
    """
    rng = np.random.default_rng([seed, number, 1])
    scene, names, fov = arrange(clips, conditions, rng)
    assert scene.camera is not None
    people = list(scene.people)
    world = _world(people, scene.camera, conditions, rng)
    actors = [random_actor(rng, detail="high") for _ in people]
    antialias = (
        2 if max(conditions.size) < 300 else 1
    )  # large pictures take long, and show edges finely anyway
    take = shoot(scene, actors, world, antialias=antialias)
    return CaptureTake(take, conditions, fov, names, number)


def arrange(
    clips: MotionLibrary, conditions: Conditions, rng: np.random.Generator
) -> tuple[Scene, tuple[str, ...], float]:
    """Who moves how before which camera: the scene, the clips' names and the vertical field of view in degrees.

    Raises:
        ValueError: no choice of clips meets the conditions.
    """
    for _ in range(_ATTEMPTS):
        cast = _people(clips, conditions, SECONDS[conditions.fps], rng)
        if cast is None:
            continue
        turn, fov = float(rng.uniform(-180, 180)), float(rng.uniform(38, 55))
        people = [person.rotate_y(turn) for person in cast[0]]
        camera = _camera(people, conditions, turn, fov, rng)
        if camera is not None:
            return Scene(tuple(people), camera, conditions.fps), cast[1], fov
    raise ValueError(f"no clips of the test split fit a take like {conditions.facts()}")


def _people(
    clips: MotionLibrary, conditions: Conditions, seconds: float, rng: np.random.Generator
) -> tuple[list[Motion], tuple[str, ...]] | None:
    """Whoever is filmed, before a camera that looks along -Z from in front; None where this draw does not do."""
    crossing = conditions.people == "crossing"
    count = 1 if conditions.people == "one" else 2
    chosen: list[MotionClip] = []
    people: list[Motion] = []
    for index in rng.permutation(len(clips)):
        clip = clips[int(index)]
        if clip.seconds < seconds or any(clip.id == other.id for other in chosen):
            continue
        motion = _walker(clip, seconds) if crossing else _mover(clip, seconds)
        if motion is None:
            continue
        times = np.minimum(np.arange(round(seconds * conditions.fps) + 1) / conditions.fps, motion.duration)
        chosen.append(clip)
        people.append(motion.resample(conditions.fps, times))
        if len(people) == count:
            break
    if len(people) < count:
        return None
    if crossing:
        people = [_across(person, side, rng) for person, side in zip(people, (1, -1), strict=True)]
        ahead = people[0].joints[:, 0, 0] - people[1].joints[:, 0, 0]
        if ahead[0] * ahead[-1] >= 0:
            return None
    else:
        people = [_settle(person, float(rng.normal(0, 45))) for person in people]
        if count == 2:
            gap = float(rng.uniform(1.2, 1.7))
            depth = float(rng.uniform(-0.4, 0.4))
            people[0] = people[0].translate([-gap / 2, 0, depth / 2])
            people[1] = people[1].translate([gap / 2, 0, -depth / 2])
            apart = people[1].joints[:, 0] - people[0].joints[:, 0]
            if apart[:, 0].min() < APART_LEAST:
                return None
    return people, tuple(clip.id for clip in chosen)


def _mover(clip: MotionClip, seconds: float) -> Motion | None:
    """The liveliest part of a clip, or None where the person hardly moves."""
    begin, stillness = liveliest(clip.joints(), clip.fps, seconds)
    if stillness > STILL_LIMIT:
        return None
    return clip.motion().crop(begin, min(begin + seconds, clip.motion().duration))


def _walker(clip: MotionClip, seconds: float) -> Motion | None:
    """The part of a clip in which the person gets furthest, or None where that is not far."""
    if clip.kinematics.get("path", np.inf) < CROSSING_LEAST:
        return None
    motion = clip.motion()
    length = min(motion.frames - 1, round(seconds * clip.fps))
    root = motion.joints[:, 0, [0, 2]]
    way = np.linalg.norm(root[length:] - root[: len(root) - length], axis=1)
    begin = int(np.argmax(way))
    if not CROSSING_LEAST <= way[begin] <= CROSSING_MOST:
        return None
    return motion.crop(begin / clip.fps, min((begin + length) / clip.fps, motion.duration))


def _across(person: Motion, side: int, rng: np.random.Generator) -> Motion:
    """The walk turned so that it leads to +X (side 1) or -X (-1), its middle near the origin, at its own depth."""
    way = person.joints[-1, 0] - person.joints[0, 0]
    turned = person.rotate_y(float(np.degrees(np.arctan2(way[2], way[0]))) + (0 if side > 0 else 180))
    middle = (turned.joints[0, 0] + turned.joints[-1, 0]) / 2
    return turned.translate([-middle[0], 0, -middle[2] + side * float(rng.uniform(0.35, 0.6))])


def _settle(person: Motion, turn: float) -> Motion:
    """The person turned by so many degrees from facing the camera, round the origin on average."""
    turned = person.align().rotate_y(turn)
    middle = turned.joints[:, 0].mean(axis=0)
    return turned.translate([-middle[0], 0, -middle[2]])


def _camera(
    people: list[Motion], conditions: Conditions, turn: float, fov: float, rng: np.random.Generator
) -> CameraPath | None:
    """A camera `turn` degrees round the people that has them in the picture all the time, or None."""
    angle = np.radians(turn)
    toward = np.array([np.sin(angle), 0.0, np.cos(angle)])
    aim, height = np.array([0.0, 0.9, 0.0]), float(rng.uniform(0.9, 1.5))
    subject = _at_the_centre(people[0], aim)
    lean = (
        np.radians(10.0) if conditions.camera == "pan" else 0.0
    )  # half the pan, so that its middle is centred
    shaky = int(rng.integers(1 << 31))
    for fill in np.geomspace(0.7, FILL_LEAST, 8):
        distance = 1.7 / (2 * np.tan(np.radians(fov) / 2) * fill)
        eye = distance * toward + [0, height, 0]
        sideways = np.array([toward[2], 0.0, -toward[0]])  # to the right of who looks along -toward
        path = camera_path(
            CAMERAS[conditions.camera],
            size=conditions.size,
            fps=conditions.fps,
            frames=people[0].frames,
            subject=subject,
            fov=fov,
            start=look_at(eye, aim + np.tan(lean) * distance * sideways),
            seed=shaky,
        )
        if all(_inside(person, path) >= INSIDE_LEAST for person in people):
            return path
    return None


def _at_the_centre(person: Motion, aim: np.ndarray) -> Motion:
    """Somebody who stands where the camera looks: what arcs and dollies are about."""
    joints = person.skeleton.rest - person.skeleton.rest[0] + aim
    return Motion(np.repeat(joints[None], person.frames, axis=0), person.fps, person.skeleton)


def _inside(person: Motion, camera: CameraPath) -> float:
    """The share of the joints in the picture in the worst frame."""
    pixels, depth = camera.project(person.joints)
    inside = (pixels >= 0).all(-1) & (pixels < np.array(camera.size)).all(-1) & (depth > 0)
    return float(inside.mean(axis=1).min())


def _world(
    people: list[Motion], camera: CameraPath, conditions: Conditions, rng: np.random.Generator
) -> World:
    """A place in which nothing hides anybody but what is put there for it."""
    world = (busy_world if conditions.world == "textured" else photo_studio)(rng)
    eyes = camera.positions
    props = [prop for prop in world.props if _open_to(prop, people, camera, eyes)]
    if conditions.occlusion == "prop":
        someone = people[0].joints[people[0].frames // 2, 0]
        toward = (eyes[len(eyes) // 2] - someone) * [1, 0, 1]
        toward /= np.linalg.norm(toward)
        side = np.array([toward[2], 0, -toward[0]])
        at = someone + float(rng.uniform(0.6, 0.9)) * toward + float(rng.uniform(-0.15, 0.15)) * side
        size = (float(rng.uniform(0.35, 0.6)), float(rng.uniform(0.55, 0.8)), 0.3)
        degrees = float(np.degrees(np.arctan2(toward[0], toward[2])))
        colour = tuple(rng.uniform(0.2, 0.8, 3).tolist())
        props.insert(0, Prop("box", (at[0], 0.0, at[2]), size, degrees, colour, texture=0.5))
    return replace(world, props=tuple(props))


def _open_to(prop: Prop, people: list[Motion], camera: CameraPath, eyes: np.ndarray) -> bool:
    if prop.casts:
        return all(stands_aside(prop, person, camera) for person in people)
    normal = np.array([prop.position[0], prop.position[2]])  # a wall of a room round the origin
    reach = float(np.linalg.norm(normal))
    return bool((eyes[:, [0, 2]] @ normal / reach).max() < reach - 0.3)
