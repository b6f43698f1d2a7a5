"""Film a scene: people, a cast to play them, a world to stand in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinema.scene.scene import Scene
from kinema.stage import rasterize as R
from kinema.stage.body import Body, BodyShape, make_body
from kinema.stage.renderer import NumbaRenderer, Stage
from kinema.stage.rig import PARENTS, body_scale, segment_transforms
from kinema.stage.take import Surfaces, Take
from kinema.stage.wardrobe import Outfit, dress, random_outfit
from kinema.stage.world import World

_TOLERANCE = np.full(24, 0.14)
_TOLERANCE[[0, 3, 6, 9, 1, 2, 13, 14]] = 0.22
_TOLERANCE[[15]] = 0.2


@dataclass(frozen=True)
class Actor:
    """Who plays a person: a body and what it wears."""

    body: Body
    outfit: Outfit


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
        bust=float(max(0.0, rng.normal(0.0, 0.02))),
    )
    return Actor(make_body(shape, detail), random_outfit(rng, plain))


def shoot(
    scene: Scene,
    cast: Sequence[Actor],
    world: World,
    *,
    size: tuple[int, int] | None = None,
    shadows: bool = True,
    antialias: int = 1,
) -> Take:
    """Film a scene.

    A joint counts as visible when it lies in the picture, in front of the camera, and the surface at its pixel is its
    own person's, belongs to its own segment or one next to it in the joint tree, and lies at most 0.14 m (limbs),
    0.20 m (head) or 0.22 m (trunk) in front of it, times the body's scale: joints lie inside the body (ours).

    Args:
        scene: people with SMPL-24 joints and a camera. Where their frame rates differ they are resampled to scene.fps;
            the shortest decides the number of frames. A person with a missing joint is left out of that frame.
        cast: one actor per person.
        world: what surrounds them.
        size: (width, height); the camera's own size where None. Another aspect ratio is cropped to fill.
        shadows: whether people and props cast shadows.
        antialias: samples along each axis of a pixel; ground truth is always taken at pixel centres.

    Raises:
        ValueError: no camera, no frames, other joints than SMPL-24, or a cast of another length.
    """
    scene = _in_step(scene, cast)
    frames = len(scene.camera.c2w)
    lens, size = _lens(scene.camera, size)
    stage, vertices, normals, present = _build(scene, cast, world)
    renderer = NumbaRenderer(size, shadows, antialias)
    width, height = size
    rgb = np.empty((frames, height, width, 3), np.uint8)
    depth = np.empty((frames, height, width), np.float32)
    parts, people = (np.empty((frames, height, width), np.uint8) for _ in range(2))
    ids = np.empty((frames, height, width), np.int32)
    for f in range(frames):
        picture = renderer.render(stage, vertices[f], normals[f], scene.camera.c2w[f], lens[f])
        rgb[f], ids[f] = picture.rgb, picture.ids
        R.truth(picture.ids, picture.inverse_depth, stage.parts, stage.people, depth[f], parts[f], people[f])
    keypoints, keypoint_depth = _project(scene, lens)
    visibility = _visible(keypoints, keypoint_depth, depth, parts, people, scene) & present[..., None]
    surfaces = Surfaces(ids, vertices, stage.triangles, np.asarray(scene.camera.c2w, np.float64), lens)
    return Take(rgb, depth, parts, people, keypoints, keypoint_depth, visibility, scene, surfaces)


def _in_step(scene: Scene, cast: Sequence[Actor]) -> Scene:
    """The scene with everybody and the camera at one frame rate and length."""
    if scene.camera is None:
        raise ValueError("the scene has no camera; give it one before it is filmed")
    if len(cast) != len(scene.people):
        raise ValueError(f"{len(scene.people)} people need as many actors, but the cast has {len(cast)}")
    people, camera = list(scene.people), scene.camera
    for p, motion in enumerate(people):
        if motion.joints.ndim != 3 or motion.joints.shape[1:] != (24, 3):
            raise ValueError(
                f"person {p} has joints {motion.joints.shape}; the stage needs SMPL-24, [T, 24, 3]: convert the motion first"
            )
        if motion.fps != scene.fps:
            people[p] = motion.resample(scene.fps)
    if camera.fps != scene.fps:
        camera = camera.resample(scene.fps)
    frames = min([len(camera.c2w)] + [len(m.joints) for m in people])
    if frames < 1:
        raise ValueError("the scene has no frames")

    def cut(motion):
        pick = lambda a: None if a is None else a[:frames]  # noqa: E731
        return replace(
            motion,
            joints=motion.joints[:frames],
            rotations=pick(motion.rotations),
            confidence=pick(motion.confidence),
        )

    camera = replace(camera, c2w=camera.c2w[:frames], intrinsics=camera.intrinsics[:frames])
    return replace(scene, people=tuple(cut(m) for m in people), camera=camera)


def _lens(camera, size: tuple[int, int] | None) -> tuple[np.ndarray, tuple[int, int]]:
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


def _build(scene: Scene, cast: Sequence[Actor], world: World):
    """One mesh of all people and props: the stage, vertices and normals [T, V, 3], presence [P, T]."""
    frames = len(scene.camera.c2w)
    figures = [dress(actor.body, actor.outfit) for actor in cast]
    prop_vertices, prop_normals, prop_triangles, prop_owner = world.mesh()
    moving = sum(len(f.vertices) for f in figures)
    total = moving + len(prop_vertices)
    vertices = np.empty((frames, total, 3), np.float32)
    normals = np.empty((frames, total, 3), np.float32)
    vertices[:, moving:], normals[:, moving:] = prop_vertices, prop_normals
    present = np.ones((len(cast), frames), bool)
    start, reach = 0, 0.5
    for p, (figure, actor, motion) in enumerate(zip(figures, cast, scene.people, strict=True)):
        stop = start + len(figure.vertices)
        joints = np.asarray(motion.joints, np.float64)
        present[p] = np.isfinite(joints).all(axis=(1, 2))
        if not present[p].any():
            vertices[:, start:stop], normals[:, start:stop] = (0.0, -1e4, 0.0), 0.0
            start = stop
            continue
        filled = joints[np.maximum.accumulate(np.where(present[p], np.arange(frames), present[p].argmax()))]
        affine = segment_transforms(filled, actor.body.girth)
        to_world = np.concatenate([affine, np.zeros((frames, 24, 1, 4))], axis=2)
        to_world[:, :, 3, 3] = 1.0
        to_world = (to_world @ actor.body.unpose)[:, :, :3].astype(np.float32)
        for f in range(frames):
            R.skin(figure.vertices, figure.bones, figure.weights, to_world[f], vertices[f, start:stop])
            R.vertex_normals(vertices[f, start:stop], figure.triangles, normals[f, start:stop])
        vertices[~present[p], start:stop] = (0.0, -1e4, 0.0)
        start = stop
    starts = np.cumsum([0] + [len(f.vertices) for f in figures])
    triangles = [f.triangles + s for f, s in zip(figures, starts, strict=False)]
    palette_rows = max(13, len(world.props))
    palettes = np.zeros((1 + len(cast), palette_rows, 3), np.float32)
    cuts = np.zeros((1 + len(cast), 16), np.float32)
    for p, actor in enumerate(cast):
        palettes[p + 1, :13], cuts[p + 1] = actor.outfit.palette(), actor.outfit.cuts()
    from kinema.stage.wardrobe import linear

    for k, prop in enumerate(world.props):
        palettes[0, k] = linear(np.array(prop.colour))
    counts = [len(f.triangles) for f in figures]
    numbers = np.repeat(np.arange(1, len(cast) + 1), counts).astype(np.uint8)
    props = len(prop_triangles)
    visible = vertices[:, :moving][vertices[:, :moving, 1] > -1e3] if moving else np.zeros((0, 3))
    if len(visible):
        spans = [v[v[:, 1] > -1e3] for v in vertices[:, :moving]]
        reach = max(float(np.linalg.norm(s.max(0) - s.min(0))) for s in spans if len(s))
    stage = Stage(
        triangles=np.concatenate([*triangles, prop_triangles + moving]).astype(np.int32),
        chart=np.concatenate([f.chart for f in figures] + [np.zeros_like(prop_vertices)]),
        material=np.concatenate([f.material for f in figures] + [prop_owner]).astype(np.int16),
        owner=np.concatenate([numbers, np.zeros(props, np.uint8)]),
        parts=np.concatenate([f.parts + np.uint8(1) for f in figures] + [np.zeros(props, np.uint8)]).astype(
            np.uint8
        ),
        people=np.concatenate([numbers, np.zeros(props, np.uint8)]),
        two_sided=np.concatenate([f.two_sided for f in figures] + [np.zeros(props, bool)]).astype(bool),
        moving_vertices=moving,
        moving_triangles=sum(counts),
        palettes=palettes,
        cuts=cuts,
        world=world,
        reach=reach,
    )
    return stage, vertices, normals, present


def _project(scene: Scene, lens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joints in pixels [P, T, 24, 2] and their depth [P, T, 24]."""
    frames = len(lens)
    joints = np.array([m.joints for m in scene.people], np.float64).reshape(-1, frames, 24, 3)
    c2w = np.asarray(scene.camera.c2w, np.float64)
    local = np.einsum("tji,ptnj->ptni", c2w[:, :3, :3], joints - c2w[None, :, None, :3, 3])
    depth = local[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = local[..., :2] / depth[..., None] * lens[None, :, None, :2] + lens[None, :, None, 2:]
    return pixels.astype(np.float32), depth.astype(np.float32)


def _visible(keypoints, keypoint_depth, depth, parts, people, scene: Scene) -> np.ndarray:
    """Which joints are seen, bool [P, T, 24]; the rule is stated in `shoot`."""
    count, frames = keypoints.shape[:2]
    height, width = depth.shape[1:]
    near = np.eye(25, dtype=bool)
    for j, parent in enumerate(PARENTS):
        if parent >= 0:
            near[j + 1, parent + 1] = near[parent + 1, j + 1] = True
    near[0, :] = near[:, 0] = False
    at = np.where(np.isfinite(keypoints), keypoints, -1.0)
    column, row = np.floor(np.clip(at[..., 0], -1, width)), np.floor(np.clip(at[..., 1], -1, height))
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (keypoint_depth > 0)
    column, row = np.clip(column, 0, width - 1).astype(int), np.clip(row, 0, height - 1).astype(int)
    frame = np.arange(frames)[None, :, None]
    scale = np.ones((count, 1, 1))
    for p, motion in enumerate(scene.people):
        whole = np.isfinite(motion.joints).all(axis=(1, 2))
        scale[p] = body_scale(np.asarray(motion.joints, np.float64)[whole]) if whole.any() else 1.0
    own = people[frame, row, column] == np.arange(1, count + 1)[:, None, None]
    part = near[np.arange(1, 25)[None, None], parts[frame, row, column]]
    surface = depth[frame, row, column]
    behind = np.where(
        np.isfinite(surface), keypoint_depth - np.where(np.isfinite(surface), surface, 0.0), np.inf
    )
    return inside & own & part & (behind < _TOLERANCE * scale)
