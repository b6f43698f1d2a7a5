"""The rough take: a picture's person and room, moved as a scene says and seen by its camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kinema.puppet.backdrop import Room, draw_room, room_of, shade
from kinema.puppet.body import PictureBody, body_of, mirrored_limbs
from kinema.puppet.cutout import cut_out
from kinema.puppet.drawing import drawing_mask, is_drawing, preset_marks
from kinema.puppet.find import Found, find
from kinema.puppet.layers import BACK, layers_of
from kinema.puppet.marks import Marks, marked_body
from kinema.puppet.masks import cutout_of, on_white
from kinema.puppet.mesh import Mesh, mesh_of
from kinema.puppet.parts import parts_of
from kinema.puppet.placing import SEEN, Placed, bone_maps, complete, placed, view_of
from kinema.puppet.render import Painter, facing, posed
from kinema.scene.camera import CameraPath, invert_rigid
from kinema.scene.motion import Motion

Source = Literal["detected", "marked", "preset"]


@dataclass(frozen=True, eq=False)
class PuppetOptions:
    """What the user says about the person of a picture.

    Args:
        clothes: see `parts_of`.
        person: of several, counted from the left from 0; the largest where None.
        joints: marked ones; they go before what is detected.
        mask: how much of each pixel is the person, 0 to 1, [H, W]; it is used as it is.
    """

    clothes: str = "auto"
    person: int | None = None
    joints: Marks | None = None
    mask: np.ndarray | None = None


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
        found: the person as the networks see them; None where they see nobody.
        source: who says where the joints are: the networks, the user, or the outline alone.
    """

    picture: np.ndarray
    alpha: np.ndarray
    body: PictureBody
    labels: np.ndarray
    mesh: Mesh
    room: Room
    found: Found | None = None
    source: Source = "detected"

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


def prepare(
    picture: np.ndarray, *, found: Found | None = None, options: PuppetOptions | None = None
) -> Puppet | None:
    """A picture's person on bones; None where nobody is found.

    A figure on paper of which the networks are not sure is cut out as a drawing, its joints placed from its outline.

    Args:
        picture: uint8 [H, W, 3], or [H, W, 4] with a transparency that is the cut-out.
        found: the person, where it was looked for already.
        options: what the user says about the person.

    Raises:
        ValueError: joints or mask do not fit the picture, or there is no such person.
        DetectorUnavailable: mediapipe or ai-edge-litert is missing.
    """
    options = options or PuppetOptions()
    given = options.mask
    if picture.shape[2] == 4:
        given = cutout_of(picture) if given is None else given
        picture = on_white(picture)
    if given is not None and given.shape != picture.shape[:2]:
        raise ValueError(
            f"the mask has {given.shape[1]}x{given.shape[0]} pixels, the picture "
            f"{picture.shape[1]}x{picture.shape[0]}; give a mask of the picture's size"
        )
    size = picture.shape[1], picture.shape[0]
    found = found or find(picture, options.person)
    drawn = is_drawing(picture, found)
    body, source = _body(picture, None if drawn else found, options, drawn, given)
    if body is None:
        return None
    body = mirrored_limbs(body)
    if given is not None:
        alpha = given.astype(np.float32)
    elif drawn or found is None:
        alpha = drawing_mask(picture)
    else:
        alpha = cut_out(picture, found, body)
    labels = parts_of(picture, alpha, body, options.clothes)
    mesh = mesh_of(layers_of(picture, alpha, labels, body), body, BACK)
    distance = placing_distance(body, size)
    room = room_of(picture, alpha, body.height, distance)
    return Puppet(picture, alpha, body, labels, mesh, room, found, source)


def _body(
    picture: np.ndarray, found: Found | None, options: PuppetOptions, drawn: bool, mask: np.ndarray | None
) -> tuple[PictureBody | None, Source]:
    """The person's joints, and who says so."""
    size = picture.shape[1], picture.shape[0]
    detected = body_of(found) if found is not None else None
    if options.joints is not None:
        return marked_body(options.joints, size, detected), "marked"
    if drawn:
        return marked_body(preset_marks(drawing_mask(picture) if mask is None else mask), size), "preset"
    return detected, "detected"


def placing_distance(body: PictureBody, size: tuple[int, int]) -> float:
    """Metres from the picture's camera to the person."""
    from kinema.puppet.placing import FOV
    from kinema.scene.camera import intrinsics_from_fov

    return intrinsics_from_fov(FOV, size)[1] / body.metre


def place_in(puppet: Puppet, motion: Motion) -> Placed:
    """The puppet on a scene's motion, with the first camera."""
    body = puppet.body
    feet = bool(body.confidence[[7, 8]].max() > SEEN)
    return placed(body, puppet.mesh, view_of(body, puppet.mesh, puppet.size, feet), complete(motion))


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
    maps = bone_maps(place.joints, place.motion.joints)
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


__all__ = ["Frame", "Puppet", "PuppetOptions", "facing", "film", "place_in", "prepare"]
