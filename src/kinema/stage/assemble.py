"""Put dressed people and props into one mesh and pose it for every frame of a take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinema.scene.motion import Motion
from kinema.scene.scene import Scene
from kinema.stage import rasterize as R
from kinema.stage.body import Body
from kinema.stage.footing import Footing, footing_of
from kinema.stage.renderer import Stage
from kinema.stage.rig import segment_transforms
from kinema.stage.sticks import Sticks
from kinema.stage.wardrobe import Outfit, dress, linear
from kinema.stage.world import World

_AWAY = (0.0, -1e4, 0.0)
"""Where the vertices of somebody are who is not there."""


@dataclass(frozen=True)
class Actor:
    """Who plays a person.

    Args:
        body: of the actor.
        outfit: what it wears.
        footing: how its feet stand; where None, as they do in what is filmed at once.
    """

    body: Body
    outfit: Outfit
    footing: Footing | None = None

    def playing(self, person: Motion) -> Actor:
        """The same actor with feet that stand as the person's do, however little of the motion is filmed at once.

        Args:
            person: the whole motion.
        """
        return replace(self, footing=footing_of(person.to_smpl24().joints))


def assemble(
    scene: Scene, cast: Sequence[Actor | Sticks], world: World
) -> tuple[Stage, np.ndarray, np.ndarray, np.ndarray]:
    """One mesh of all people and props, posed for every frame.

    Args:
        scene: people and a camera in step, T frames each.
        cast: one actor per person, sticks for who has another skeleton.
        world: whose props are added.

    Returns:
        The stage; vertices and unit normals, float32 [T, V, 3]; whether each person is there, bool [P, T].
    """
    assert scene.camera is not None
    frames = len(scene.camera.c2w)
    figures = [
        actor.figure() if isinstance(actor, Sticks) else dress(actor.body, actor.outfit) for actor in cast
    ]
    prop_vertices, prop_normals, prop_triangles, prop_owner = world.mesh()
    moving = sum(len(f.vertices) for f in figures)
    total = moving + len(prop_vertices)
    vertices = np.empty((frames, total, 3), np.float32)
    normals = np.empty((frames, total, 3), np.float32)
    vertices[:, moving:], normals[:, moving:] = prop_vertices, prop_normals
    present = np.ones((len(cast), frames), bool)
    start = 0
    for p, (figure, actor, motion) in enumerate(zip(figures, cast, scene.people, strict=True)):
        stop = start + len(figure.vertices)
        joints = np.asarray(motion.joints, np.float64)
        if isinstance(actor, Sticks):
            places, directions = actor.pose(joints)
            vertices[:, start:stop] = np.where(np.isfinite(places), places, _AWAY)
            normals[:, start:stop] = np.nan_to_num(directions)
            present[p] = np.isfinite(joints[..., 0]).any(axis=1)
            start = stop
            continue
        present[p] = np.isfinite(joints).all(axis=(1, 2))
        if not present[p].any():
            vertices[:, start:stop], normals[:, start:stop] = _AWAY, 0.0
            start = stop
            continue
        filled = joints[np.maximum.accumulate(np.where(present[p], np.arange(frames), present[p].argmax()))]
        footing = actor.footing or footing_of(filled)
        affine = segment_transforms(filled, actor.body.girth, footing)
        to_world = np.concatenate([affine, np.zeros((frames, 24, 1, 4))], axis=2)
        to_world[:, :, 3, 3] = 1.0
        to_world = (to_world @ actor.body.unpose)[:, :, :3].astype(np.float32)
        for f in range(frames):
            R.skin(figure.vertices, figure.bones, figure.weights, to_world[f], vertices[f, start:stop])
            R.vertex_normals(vertices[f, start:stop], figure.triangles, normals[f, start:stop])
        vertices[~present[p], start:stop] = _AWAY
        start = stop
    starts = np.cumsum([0] + [len(f.vertices) for f in figures])
    triangles = [f.triangles + s for f, s in zip(figures, starts, strict=False)]
    palette_rows = max(13, len(world.props))
    palettes = np.zeros((1 + len(cast), palette_rows, 3), np.float32)
    cuts = np.zeros((1 + len(cast), 16), np.float32)
    for p, actor in enumerate(cast):
        if isinstance(actor, Sticks):
            palettes[p + 1, :3] = actor.palette()
        else:
            palettes[p + 1, :13], cuts[p + 1] = actor.outfit.palette(), actor.outfit.cuts()
    for k, prop in enumerate(world.props):
        palettes[0, k] = linear(np.array(prop.colour))
    counts = [len(f.triangles) for f in figures]
    numbers = np.repeat(np.arange(1, len(cast) + 1), counts).astype(np.uint8)
    props = len(prop_triangles)
    parts = [
        f.parts if isinstance(actor, Sticks) else f.parts + np.uint8(1)
        for f, actor in zip(figures, cast, strict=True)
    ]
    stage = Stage(
        triangles=np.concatenate([*triangles, prop_triangles + moving]).astype(np.int32),
        chart=np.concatenate([f.chart for f in figures] + [np.zeros_like(prop_vertices)]),
        material=np.concatenate([f.material for f in figures] + [prop_owner]).astype(np.int16),
        owner=np.concatenate([numbers, np.zeros(props, np.uint8)]),
        parts=np.concatenate([*parts, np.zeros(props, np.uint8)]).astype(np.uint8),
        people=np.concatenate([numbers, np.zeros(props, np.uint8)]),
        two_sided=np.concatenate([f.two_sided for f in figures] + [np.zeros(props, bool)]).astype(bool),
        moving_vertices=moving,
        moving_triangles=sum(counts),
        shading_props=int(np.isin(prop_owner, [k for k, prop in enumerate(world.props) if prop.casts]).sum()),
        palettes=palettes,
        cuts=cuts,
        world=world,
        reach=_reach(scene, present),
    )
    return stage, vertices, normals, present


def _reach(scene: Scene, present: np.ndarray) -> float:
    """Edge of a square, metres, that holds everybody's shadow in every frame."""
    widest = 0.0
    for f in range(present.shape[1]):
        there = [m.joints[f] for m, here in zip(scene.people, present[:, f], strict=True) if here]
        if there:
            points = np.concatenate(there)
            points = points[np.isfinite(points).all(axis=1)]
            widest = max(widest, float(np.linalg.norm(points.max(0) - points.min(0))))
    return 0.6 + widest
