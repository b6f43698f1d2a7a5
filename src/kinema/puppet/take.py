"""The rough take: a picture's person and room, moved as a scene says and seen by its camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kinema.puppet.backdrop import Room, draw_room, room_of, shade
from kinema.puppet.beyond import borrowed, continued_below
from kinema.puppet.body import PictureBody, body_of, mirrored_limbs
from kinema.puppet.cutout import cut_out
from kinema.puppet.find import Found, find
from kinema.puppet.layers import BACK, layers_of
from kinema.puppet.mesh import Mesh, mesh_of
from kinema.puppet.parts import parts_of
from kinema.puppet.placing import SEEN, Placed, View, complete, placed, view_of
from kinema.puppet.render import Painter, facing, posed
from kinema.scene.camera import CameraPath, invert_rigid
from kinema.scene.motion import Motion


@dataclass(frozen=True, eq=False)
class Puppet:
    """A picture made ready to move.

    Args:
        picture: uint8 [H, W, 3].
        alpha: how much of each pixel is the person, float32 [H, W].
        body: joints in the picture.
        labels: part of each pixel, int8 [H, W].
        mesh: the person.
        room: what is behind.
    """

    picture: np.ndarray
    alpha: np.ndarray
    body: PictureBody
    labels: np.ndarray
    mesh: Mesh
    room: Room

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.shape[1], self.picture.shape[0]


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a rough take.

    Args:
        rgb: uint8 [H, W, 3].
        coverage: how much of each pixel is a person, uint8 [H, W].
        known: how surely each pixel is the picture's own, uint8 [H, W].
    """

    rgb: np.ndarray
    coverage: np.ndarray
    known: np.ndarray


def prepare(picture: np.ndarray, *, found: Found | None = None, clothes: str = "auto") -> Puppet | None:
    """A picture's person on bones; None where nobody is found.

    Args:
        picture: uint8 [H, W, 3].
        found: the person, where it was looked for already.
        clothes: see `parts_of`.
    """
    found = found or find(picture)
    if found is None:
        return None
    body = mirrored_limbs(body_of(found))
    alpha = cut_out(picture, found, body)
    wide, own = continued_below(picture, alpha, body)
    labels = parts_of(wide, own, body, clothes)
    layers = borrowed(layers_of(wide, own, labels, body), body)
    labels = labels[: picture.shape[0]]
    mesh = mesh_of(layers, body, BACK)
    distance = placing_distance(body, (picture.shape[1], picture.shape[0]))
    return Puppet(picture, alpha, body, labels, mesh, room_of(picture, alpha, body.height, distance))


def placing_distance(body: PictureBody, size: tuple[int, int]) -> float:
    """Metres from the picture's camera to the person."""
    from kinema.puppet.placing import FOV
    from kinema.scene.camera import intrinsics_from_fov

    return intrinsics_from_fov(FOV, size)[1] / body.metre


def view_in(puppet: Puppet) -> View:
    """The camera that took the picture."""
    feet = bool(puppet.body.confidence[[7, 8]].max() > SEEN)
    return view_of(puppet.body, puppet.mesh, puppet.size, feet)


def place_in(puppet: Puppet, motion: Motion) -> Placed:
    """The puppet on a scene's motion, with the first camera."""
    return placed(puppet.body, puppet.mesh, view_in(puppet), complete(motion))


def film(puppet: Puppet, place: Placed, camera: CameraPath, samples: int = 2) -> Iterator[Frame]:
    """The puppet's frames.

    Args:
        puppet: the picture, made ready.
        place: on the motion, which has as many frames as the camera.
        camera: in the scene's world.
        samples: along each side of a pixel.
    """
    mesh, room = puppet.mesh, puppet.room
    width, height = camera.size
    painter = Painter((width, height), mesh.triangles, mesh.uv, mesh.atlas, samples)
    maps = place.maps()
    first = invert_rigid(place.camera)
    own = np.ones(len(mesh.triangles))
    own[~mesh.is_front] = 0.0
    colours = np.empty((height, width, 3), np.float32)
    known = np.empty((height, width), np.uint8)
    for k in range(camera.frames):
        lens, w2c = camera.intrinsics[k], camera.w2c[k]
        draw_room(
            room.plate,
            np.array(room.corner, float),
            room.wall,
            first,
            place.lens,
            camera.c2w[k],
            lens,
            colours,
            known,
        )
        vertices = posed(place.vertices, mesh.bones, mesh.weights, maps[k])
        _shadow(colours, vertices, camera, k)
        painter.draw(vertices, own, w2c, lens, colours, known)
        yield Frame(
            np.clip(colours + 0.5, 0, 255).astype(np.uint8),
            (painter.coverage * 255 + 0.5).astype(np.uint8),
            known.copy(),
        )


def _shadow(colours: np.ndarray, vertices: np.ndarray, camera: CameraPath, frame: int) -> None:
    ground = vertices.astype(np.float64) * [1.0, 0.0, 1.0]
    local = ground @ camera.w2c[frame, :3, :3].T + camera.w2c[frame, :3, 3]
    before = local[:, 2] > 0.1
    if not before.any():
        return
    lens = camera.intrinsics[frame]
    at = lens[2:] + lens[:2] * local[before, :2] / local[before, 2:]
    shade(colours, at, vertices[before, 1], float(lens[1] / np.median(local[before, 2])))


__all__ = ["Frame", "Puppet", "facing", "film", "place_in", "prepare"]
