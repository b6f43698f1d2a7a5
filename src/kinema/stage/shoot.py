"""Film a scene: people, a cast to play them, a world to stand in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kinema.scene.camera import CameraPath
from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.scene.skeleton import SMPL24
from kinema.stage import rasterize as R
from kinema.stage.assemble import Actor, assemble
from kinema.stage.body import BodyShape, make_body
from kinema.stage.keypoints import project, visible
from kinema.stage.renderer import NumbaRenderer
from kinema.stage.sticks import Sticks
from kinema.stage.take import Surfaces, Take
from kinema.stage.wardrobe import random_outfit
from kinema.stage.world import World


def random_actor(rng: np.random.Generator, detail: str = "low", plain: bool = True) -> Actor:
    """An actor with a random build and outfit.

    Args:
        rng: source of every choice.
        detail: of the mesh, see `make_body`.
        plain: plain clothes in two or three colours, see `random_outfit`.
    """
    bulk = rng.normal(0.0, 0.07)

    def near(mean: float, spread: float) -> float:
        return float(np.clip(rng.normal(mean + bulk, spread), 0.75, 1.4))

    shape = BodyShape(
        trunk=near(1.0, 0.06),
        shoulders=near(1.0, 0.05),
        hips=near(1.0, 0.05),
        arms=near(1.0, 0.06),
        legs=near(1.0, 0.05),
        head=float(np.clip(rng.normal(1.0, 0.03), 0.9, 1.12)),
        belly=float(np.clip(rng.normal(0.005 + 0.2 * max(bulk, 0.0), 0.012), -0.01, 0.08)),
        bust=float(np.clip(rng.normal(0.0, 0.016), 0.0, 0.028)),
    )
    return Actor(make_body(shape, detail), random_outfit(rng, plain))


def shoot(
    scene: Scene,
    cast: Sequence[Actor | Sticks],
    world: World,
    *,
    size: tuple[int, int] | None = None,
    shadows: bool = True,
    antialias: int = 1,
    backdrop: bool = True,
) -> Take:
    """Film a scene.

    What counts as a visible joint is stated in `kinema.stage.keypoints.visible`.

    Args:
        scene: people with SMPL-24 joints and a camera. Where frame rates differ they are resampled to the
            scene's; the shortest decides how many. A person with a missing joint is left out of a frame.
        cast: one actor per person; sticks for who has any other skeleton, of whom no joint counts as visible.
        world: what surrounds them.
        size: (width, height); the camera's own size where None. Another aspect ratio is cropped to fill.
        shadows: whether people and props cast shadows.
        antialias: samples along each axis of a pixel; ground truth is always taken at pixel centres.
        backdrop: whether floor and sky are painted; else the take is transparent there.

    Raises:
        ValueError: no camera, no frames, other joints than SMPL-24, or a cast of another length.
    """
    scene = _in_step(scene, cast)
    camera = scene.camera
    assert camera is not None
    frames = len(camera.c2w)
    lens, size = _lens(camera, size)
    stage, vertices, normals, present = assemble(scene, cast, world)
    renderer = NumbaRenderer(size, shadows, antialias, backdrop)
    width, height = size
    rgb = np.empty((frames, height, width, 3), np.uint8)
    depth = np.empty((frames, height, width), np.float32)
    parts, people = (np.empty((frames, height, width), np.uint8) for _ in range(2))
    ids = np.empty((frames, height, width), np.int32)
    alpha = None if backdrop else np.empty((frames, height, width), np.uint8)
    for f in range(frames):
        picture = renderer.render(stage, vertices[f], normals[f], camera.c2w[f], lens[f])
        rgb[f], ids[f] = picture.rgb, picture.ids
        if alpha is not None and picture.alpha is not None:
            alpha[f] = picture.alpha
        R.truth(picture.ids, picture.inverse_depth, stage.parts, stage.people, depth[f], parts[f], people[f])
    known = _on_smpl24(scene, cast)
    keypoints, keypoint_depth = project(known, lens)
    visibility = visible(keypoints, keypoint_depth, depth, parts, people, known) & present[..., None]
    c2w = np.asarray(camera.c2w, np.float64)
    surfaces = Surfaces(ids, vertices, stage.triangles, stage.chart, c2w, lens)
    return Take(rgb, depth, parts, people, keypoints, keypoint_depth, visibility, scene, surfaces, alpha)


def _on_smpl24(scene: Scene, cast: Sequence[Actor | Sticks]) -> Scene:
    """The scene with nothing known of who is filmed as sticks."""
    people = tuple(
        Motion(np.full((motion.frames, 24, 3), np.nan), motion.fps, SMPL24)
        if isinstance(actor, Sticks)
        else motion
        for motion, actor in zip(scene.people, cast, strict=True)
    )
    return replace(scene, people=people)


def _in_step(scene: Scene, cast: Sequence[Actor | Sticks]) -> Scene:
    """The scene with everybody and the camera at one frame rate and length."""
    if scene.camera is None:
        raise ValueError("the scene has no camera; give it one before it is filmed")
    if len(cast) != len(scene.people):
        raise ValueError(f"{len(scene.people)} people need as many actors, but the cast has {len(cast)}")
    people, camera = list(scene.people), scene.camera
    for p, motion in enumerate(people):
        if not isinstance(cast[p], Sticks) and motion.joints.shape[1:] != (24, 3):
            raise ValueError(
                f"person {p} has joints {motion.joints.shape}; the stage needs SMPL-24, [T, 24, 3]: "
                "convert the motion first"
            )
        if motion.fps != scene.fps:
            people[p] = motion.resample(scene.fps)
    if camera.fps != scene.fps:
        camera = camera.resample(scene.fps)
    frames = min([len(camera.c2w)] + [len(m.joints) for m in people])
    if frames < 1:
        raise ValueError("the scene has no frames")

    def cut(motion: Motion) -> Motion:
        rotations, confidence = motion.rotations, motion.confidence
        return replace(
            motion,
            joints=motion.joints[:frames],
            rotations=None if rotations is None else rotations[:frames],
            confidence=None if confidence is None else confidence[:frames],
        )

    camera = replace(camera, c2w=camera.c2w[:frames], intrinsics=camera.intrinsics[:frames])
    return replace(scene, people=tuple(cut(m) for m in people), camera=camera)


def _lens(camera: CameraPath, size: tuple[int, int] | None) -> tuple[np.ndarray, tuple[int, int]]:
    """Intrinsics for the filmed size: scaled to fill, then cropped about the middle, [T, 4]."""
    lens = np.asarray(camera.intrinsics, np.float64)
    width, height = camera.size
    size = (int(width), int(height)) if size is None else (int(size[0]), int(size[1]))
    if size != (width, height):
        scale = max(size[0] / width, size[1] / height)
        lens = lens * scale
        lens[:, 2] -= (width * scale - size[0]) / 2
        lens[:, 3] -= (height * scale - size[1]) / 2
    return lens, size
