"""Several people in one rough take: all out of one picture, or each with a picture of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinema.puppet.backdrop import room_of
from kinema.puppet.find import find
from kinema.puppet.mesh import Mesh
from kinema.puppet.placing import Placed
from kinema.puppet.take import Puppet, PuppetOptions, distance_of, feet_of, place_in, prepare
from kinema.scene.motion import Motion

_SIZES = (0.5, 1.5)  # of a person beside the first in a picture: children, and people on steps (ours)


@dataclass(frozen=True, eq=False)
class PlacedTogether(Placed):
    """Several people's places as one, whose bones are numbered one person after the other.

    Args:
        everybody: places of each, in one world.
    """

    everybody: tuple[Placed, ...] = ()

    def maps(self, cameras: np.ndarray | None = None) -> np.ndarray:
        """The affine maps of everybody's bones, [T, 24 P, 3, 4]."""
        frames = min(place.motion.frames for place in self.everybody)
        return np.concatenate([place.maps(cameras)[:frames] for place in self.everybody], axis=1)


def prepare_people(picture: np.ndarray, options: PuppetOptions | None = None) -> tuple[Puppet, ...]:
    """Everybody in a picture, from the left, before a room without any of them; empty where nobody is found.

    Args:
        picture: uint8 [H, W, 3].
        options: what the user says about it.
    """
    first = find(picture)
    if first is None:
        return ()
    puppets = []
    for number in range(first.people):
        puppet = prepare(picture, found=find(picture, number), options=options)
        if puppet is not None:
            puppets.append(puppet)
    alpha = np.max([puppet.alpha for puppet in puppets], axis=0)
    tall = max(puppet.body.height for puppet in puppets)
    far = max(distance_of(puppet.body, puppet.size) for puppet in puppets)
    feet = np.concatenate([feet_of(puppet.body) for puppet in puppets])
    room = room_of(picture, alpha, tall, far, feet)
    return tuple(replace(puppet, room=room) for puppet in puppets)


def place_people(puppets: Sequence[Puppet], motions: Sequence[Motion]) -> tuple[Placed, ...]:
    """People of one picture on their motions: each begins where the picture shows them, before one camera.

    Args:
        puppets: of `prepare_people`.
        motions: one for all, or one for each.

    Raises:
        ValueError: neither.
    """
    if len(motions) not in (1, len(puppets)):
        raise ValueError(
            f"{len(motions)} motions for {len(puppets)} people; give one for all or one for each"
        )
    chosen = list(motions) * len(puppets) if len(motions) == 1 else list(motions)
    first = place_in(puppets[0], chosen[0], keep_in_view=False)
    height = puppets[0].view.c2w[1, 3]
    places = [first]
    for puppet, motion in zip(puppets[1:], chosen[1:], strict=True):
        size = float(
            np.clip(height / puppet.view.c2w[1, 3], *_SIZES)
        )  # on the same floor, one camera above it
        body = replace(puppet.body, metre=puppet.body.metre / size, depth=puppet.body.depth * size)
        mesh = replace(puppet.mesh, depth=puppet.mesh.depth * size)
        own = place_in(replace(puppet, body=body, mesh=mesh), motion, keep_in_view=False)
        matrix = first.camera @ np.linalg.inv(own.camera)
        joints = own.motion.joints @ matrix[:3, :3].T + matrix[:3, 3]
        start = own.start @ matrix[:3, :3].T + matrix[:3, 3]
        moved = replace(own.motion, joints=joints, rotations=None)
        places.append(replace(own, motion=moved, camera=first.camera, start=start))
    return tuple(places)


def together(puppets: Sequence[Puppet], places: Sequence[Placed]) -> tuple[Puppet, Placed]:
    """Several people as one puppet on one place, to be filmed like a single one.

    Args:
        puppets: of one picture, or each of their own; the first one's room is filmed.
        places: of each: of `place_people`, or of `take.place_in` on a scene's motions, which stay where the scene has
            them.

    Raises:
        ValueError: not as many places as puppets, or nobody.
    """
    if not puppets or len(puppets) != len(places):
        raise ValueError(f"{len(places)} places for {len(puppets)} people")
    first = places[0]
    vertices = np.concatenate([place.vertices for place in places])
    place = PlacedTogether(
        vertices,
        first.joints,
        first.motion,
        first.camera,
        first.lens,
        first.size,
        first.start,
        None,
        False,
        tuple(places),
    )
    return replace(puppets[0], mesh=_joined([puppet.mesh for puppet in puppets])), place


def _joined(meshes: Sequence[Mesh]) -> Mesh:
    """Meshes in one, their atlases beneath each other, bones numbered on by 24."""
    width = max(mesh.atlas.shape[1] for mesh in meshes)
    rows = np.cumsum([0] + [len(mesh.atlas) for mesh in meshes])
    counts = np.cumsum([0] + [len(mesh.uv) for mesh in meshes])
    atlas = np.zeros((rows[-1], width, 4), np.uint8)
    alpha = np.zeros(atlas.shape[:2], np.uint8)
    uv, triangles, bones = [], [], []
    for number, mesh in enumerate(meshes):
        atlas[rows[number] : rows[number + 1], : mesh.atlas.shape[1]] = mesh.atlas
        alpha[rows[number] : rows[number + 1], : mesh.alpha.shape[1]] = mesh.alpha
        uv.append(mesh.uv + np.array([0, rows[number]], np.float32))
        triangles.append(mesh.triangles + counts[number])
        bones.append(mesh.bones + 24 * number)
    return Mesh(
        np.concatenate([mesh.pixels for mesh in meshes]),
        np.concatenate([mesh.depth for mesh in meshes]),
        np.concatenate(uv),
        np.concatenate(triangles).astype(np.int32),
        np.concatenate(bones).astype(np.int32),
        np.concatenate([mesh.weights for mesh in meshes]),
        np.concatenate([mesh.is_front for mesh in meshes]),
        atlas,
        alpha,
    )
