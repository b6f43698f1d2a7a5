#!/usr/bin/env python
"""What the backdrop plate keeps of things that stand half hidden behind people.

    python benchmarks/hidden_things.py --films 64

Each film shows a random person, standing, before a random studio with one random thing behind their legs, seen by a
camera that is still or moves; one in four has no thing. The plate is compared with the stage's own picture of the
studio without people, in the first frame and the last. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import numpy as np

from kinema.control.backdrop import Backdrop
from kinema.data.filming import standing
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.skeleton import SMPL24
from kinema.stage import Prop, World, photo_studio, random_actor, shoot

_FPS = 8.0
_STANDING = Motion(np.repeat(SMPL24.rest[None], 9, axis=0).astype(float), _FPS, SMPL24)
_MOVES = ("static", "arc left 25deg", "truck right 0.4m", "arc right 25deg")
_KINDS = ("box", "cylinder", "sphere", "cone")
_DIFFERENT = 20.0  # grey levels


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1000)
    arguments = parser.parse_args()
    rows: dict[str, list[dict[str, float]]] = {"half hidden": [], "nothing there": []}
    for number in range(arguments.films):
        film = _film(np.random.default_rng(arguments.seed + number), number)
        if film is not None:
            rows["half hidden" if "visible" in film else "nothing there"].append(film)
    figures = {
        name: {"films": len(films)} | {key: float(np.mean([film[key] for film in films])) for key in films[0]}
        for name, films in rows.items()
        if films
    }
    for name, row in figures.items():
        print(f"{name:<14}", ", ".join(f"{key} {value:.3g}" for key, value in row.items()))
    print(json.dumps(figures))


def _film(rng: np.random.Generator, number: int) -> dict[str, float] | None:
    """Figures of one film; None where the thing is not half hidden."""
    camera = camera_path(_MOVES[number % 4], size=(96, 128), fps=_FPS, frames=9, subject=_STANDING)
    camera = CameraPath(camera.c2w[[0, -1]], camera.intrinsics[[0, -1]], camera.size, _FPS)
    person = standing(_STANDING, facing=camera.c2w[0, :3, 3], turn=float(rng.uniform(-15, 15)))
    actor = random_actor(rng)
    kind = _KINDS[number // 4 % 4]
    width, height = rng.uniform(0.25, 0.6), rng.uniform(0.3, 0.9)
    size = (width, width if kind == "sphere" else height, width)
    place = (rng.uniform(-0.45, 0.45), 0.0, -rng.uniform(0.6, 2.5))
    colour = tuple(rng.uniform(0.1, 0.9, 3).tolist())
    bare = replace(photo_studio(rng), props=())
    world = bare if number % 16 >= 12 else replace(bare, props=(Prop(kind, place, size, 0.0, colour),))

    def seen(room: World, *people: Motion) -> np.ndarray:
        return shoot(Scene(people, camera, _FPS), [actor][: len(people)], room).rgb

    picture, studio, without = seen(world, person)[0], seen(world), seen(bare)
    backdrop = Backdrop.of(picture, camera, SMPL24.rest[None])
    plate = backdrop.seen_by(camera)[..., :3]
    errors = {"things": float(len(backdrop.things))}
    for name, t in (("first", 0), ("last", 1)):
        errors[f"error, {name}"] = float(np.abs(plate[t].astype(float) - studio[t]).mean())
    if world is bare:
        return errors
    shows, drawn = (_differs(each, without) for each in (studio, plate))
    visible = float((shows[0] & ~_differs(picture, studio[0])).sum() / max(shows[0].sum(), 1))
    if not 0.1 < visible < 0.95:
        return None
    for name, t in (("first", 0), ("last", 1)):
        errors[f"drawn, {name}"] = float((drawn[t] & shows[t]).sum() / max(shows[t].sum(), 1))
    return {"visible": visible} | errors


def _differs(picture: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(picture.astype(float) - other).max(-1) > _DIFFERENT


if __name__ == "__main__":
    main()
