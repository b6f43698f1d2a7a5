"""A film put together from parts that are chosen one by one: who moves how, seen from where, as whom, in what studio.

Where `kinema.data.filming` draws everything at random, here each part can be exchanged and the others stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tqdm import tqdm

from kinema.data.standing import standing
from kinema.evaluation.protocols.pipelines import System, character
from kinema.scene import CameraPath, Motion, Scene
from kinema.stage import Actor, Take, World, shoot


@dataclass(frozen=True)
class Setting:
    """What a film is made of.

    Args:
        motion: SMPL-24, at the camera's frame rate and length.
        camera: the path.
        actor: who plays the person.
        world: the studio.
        text: what the person does.
        seed: of the noise that a video is generated from.
        command: the motion that a generator is given, where it is not the one that is filmed.
    """

    motion: Motion
    camera: CameraPath
    actor: Actor
    world: World
    text: str
    seed: int
    command: Motion | None = None

    @property
    def scene(self) -> Scene:
        """What a generator is given."""
        return Scene((self.command or self.motion,), self.camera, self.camera.fps, self.text)


@dataclass(frozen=True)
class Staged:
    """A setting on film.

    Args:
        setting: what was filmed.
        take: the film, with its truth.
        reference: the character standing where the motion starts, seen by the first camera, uint8 [H, W, 3].
    """

    setting: Setting
    take: Take
    reference: np.ndarray


def stage(setting: Setting, antialias: int = 2) -> Staged:
    """Films a setting and its reference picture, at the size of its camera."""
    camera = setting.camera
    first = replace(camera, c2w=camera.c2w[:1], intrinsics=camera.intrinsics[:1])
    pose = standing(setting.motion, facing=camera.c2w[0, :3, 3])
    cast = [setting.actor.playing(setting.motion)]
    return Staged(
        setting,
        shoot(replace(setting.scene, people=(setting.motion,)), cast, setting.world, antialias=antialias),
        shoot(Scene((pose,), first, camera.fps), cast, setting.world, antialias=antialias).rgb[0],
    )


def generate_staged(
    system: System,
    films: Sequence[Staged],
    steps: int | None = None,
    *,
    scenes: Sequence[Scene] | None = None,
    description: str = "generating",
    progress: bool = False,
) -> list[np.ndarray]:
    """A system's video of each film's setting, uint8 [T, H, W, 3].

    Args:
        system: the generator.
        films: whose reference, text and seed are given to it.
        steps: denoising steps; the model's default where None.
        scenes: what it is told instead of the settings' own scenes.
        description, progress: of the bar.
    """
    options: dict[str, Any] = {} if steps is None else {"steps": steps}
    told = [film.setting.scene for film in films] if scenes is None else scenes
    videos = []
    bar = tqdm(
        zip(films, told, strict=True), total=len(films), desc=description, unit="clip", disable=not progress
    )
    for film, scene in bar:
        made = system(
            prompt=film.setting.text,
            image=character(system, film.reference),
            scene=scene,
            frames=len(film.take.rgb),
            seed=film.setting.seed,
            **options,
        )
        videos.append(made.frames)
    return videos
