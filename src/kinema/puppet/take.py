"""The rough take: a picture's person and room, moved as a scene says and seen by its camera."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np

from kinema.puppet.acting import Acting, Actor
from kinema.puppet.backdrop import Room, draw_room, room_of, room_with, shadow_of
from kinema.puppet.beyond import borrowed, continued_below
from kinema.puppet.body import PictureBody, body_of, body_of_face, mirrored_limbs
from kinema.puppet.cutout import cut_out
from kinema.puppet.drawing import drawing_mask, is_drawing, joints_fit, preset_marks
from kinema.puppet.find import Found, find
from kinema.puppet.in_view import kept_in_view
from kinema.puppet.layers import BACK, layers_of
from kinema.puppet.marks import Marks, marked_body
from kinema.puppet.masks import cutout_of, on_white
from kinema.puppet.mesh import Mesh, mesh_of
from kinema.puppet.parts import parts_of
from kinema.puppet.placing import SEEN, Placed, View, complete, placed, view_of
from kinema.puppet.render import Painter, Skin, posed, shown_now
from kinema.puppet.staying import ARMS, Why, arm_shown, held, what_stays, why_staying
from kinema.puppet.support import support_of
from kinema.puppet.walls import walls_of
from kinema.scene.camera import CameraPath
from kinema.scene.motion import Motion

_FEET = [7, 8, 10, 11]  # ankles and toes of SMPL-24
_TRUNK = [1, 2, 16, 17]  # hips and shoulders
_HALF = 0.6  # of the picture's size: smaller frames are drawn from a picture of half the side (ours)

Source = Literal["detected", "marked", "preset"]


@dataclass(frozen=True, eq=False)
class PuppetOptions:
    """What the user says about a picture.

    Args:
        clothes: see `parts_of`.
        person: of several, counted from the left from 0; the largest where None.
        joints: marked ones; they go before what is detected.
        mask: how much of each pixel is the person, 0 to 1, [H, W]; it is used as it is.
        background: another room, uint8 [h, w, 3].
        wall: metres from the person to the wall behind.
        legs: "move" with the motion, "stay" as the picture has them; "auto" looks whether it shows somebody standing.
    """

    clothes: str = "auto"
    person: int | None = None
    joints: Marks | None = None
    mask: np.ndarray | None = None
    background: np.ndarray | None = None
    wall: float | None = None
    legs: str = "auto"


@dataclass(frozen=True, eq=False)
class Outline:
    """A picture's person, cut out.

    Args:
        picture, alpha, body, found, source: see `Puppet`.
        preset: a drawing to which the networks' points do not fit.
        stays: why hips and legs stay, see `Puppet`.
        cut: `alpha` without what the person sits on, where there is any.
    """

    picture: np.ndarray
    alpha: np.ndarray
    body: PictureBody
    found: Found | None = None
    source: Source = "detected"
    preset: bool = False
    stays: Why | None = None
    cut: np.ndarray | None = None


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
        stays: why hips and legs stay where the picture has them; None where they move.
    """

    picture: np.ndarray
    alpha: np.ndarray
    body: PictureBody
    labels: np.ndarray
    mesh: Mesh
    room: Room
    found: Found | None = None
    source: Source = "detected"
    stays: Why | None = None

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.shape[1], self.picture.shape[0]

    @cached_property
    def view(self) -> View:
        """The camera that took the picture."""
        return view_of(self.body, self.mesh, self.size, _feet_seen(self.body))


@dataclass(frozen=True)
class Filming:
    """How a puppet is filmed.

    Args:
        samples: along each side of a pixel, 1 to 3.
        threads: frames that are drawn at a time.
        transparent: no room: colours are the person's alone, and `coverage` is their alpha.
    """

    samples: int = 2
    threads: int = 2
    transparent: bool = False


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
        options: what the user says about it.

    Raises:
        ValueError: joints or mask do not fit the picture, or there is no such person.
        DetectorUnavailable: mediapipe or ai-edge-litert is missing.
    """
    options = options or PuppetOptions()
    outline = outlined(picture, found=found, options=options)
    if outline is None:
        return None
    picture, body = outline.picture, outline.body
    others = None if outline.found is None else outline.found.bystanders
    room = room_of(picture, outline.alpha, body.height, feet_of(body), options.wall, others)
    if options.background is not None:
        room = room_with(options.background, (picture.shape[1], picture.shape[0]), room, options.wall)
    return puppet_of(outline, room, options.clothes)


def outlined(
    picture: np.ndarray, *, found: Found | None = None, options: PuppetOptions | None = None
) -> Outline | None:
    """A picture's person cut out; None where nobody is found.

    Args:
        picture, found, options: as `prepare` has them.

    Raises:
        ValueError, DetectorUnavailable: as `prepare`.
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
    found = found or find(picture, options.person)
    drawn = is_drawing(picture, found)
    preset = drawn and not joints_fit(picture, found)
    body, source = _body(picture, found, options, preset, given)
    if body is None:
        return None
    body = mirrored_limbs(body)
    if given is not None:
        alpha = given.astype(np.float32)
    elif drawn or found is None:
        alpha = drawing_mask(picture)
    else:
        alpha = cut_out(picture, found, body)
    stays = _why(body, alpha, options.legs, source)
    cut = alpha
    if stays not in (None, "cut off") and given is None:
        alpha = np.maximum(cut, support_of(picture, cut, body))
    return Outline(picture, alpha, body, found, source, preset, stays, cut)


def puppet_of(outline: Outline, room: Room, clothes: str = "auto") -> Puppet | None:
    """Somebody who is cut out on bones, before a room; None where nothing of them is seen.

    Args:
        outline: the person.
        room: what is behind.
        clothes: see `parts_of`.
    """
    picture, alpha, body, stays = outline.picture, outline.alpha, outline.body, outline.stays
    rows = picture.shape[0]
    cut = alpha if outline.cut is None else np.minimum(outline.cut, alpha)
    wide, own = continued_below(picture, alpha, body)
    person = own.copy()
    person[:rows] = np.where(alpha > cut, cut, own[:rows])
    seen = None if outline.preset else outline.found
    labels = parts_of(wide, person, body, clothes, seen, outline.preset)
    still = None
    if stays is not None:
        labels, still = what_stays(labels, person, own, body, rows)
    layers = layers_of(wide, own, labels, body)
    layers = borrowed(layers, body) if stays is None else layers
    labels = labels[:rows]
    if not layers:
        return None
    mesh = mesh_of(layers, body, BACK)
    mesh = mesh if still is None else held(mesh, still)
    return Puppet(picture, alpha, body, labels, mesh, room, outline.found, outline.source, stays)


def _body(
    picture: np.ndarray, found: Found | None, options: PuppetOptions, preset: bool, mask: np.ndarray | None
) -> tuple[PictureBody | None, Source]:
    """The person's joints, and who says so."""
    size = picture.shape[1], picture.shape[0]
    detected = None if found is None else _seen(found)
    if options.joints is not None:
        return marked_body(options.joints, size, None if preset else detected), "marked"
    if preset and (detected is None or detected.confidence[_TRUNK].any()):
        return marked_body(preset_marks(drawing_mask(picture) if mask is None else mask), size), "preset"
    return detected, "detected"


def _seen(found: Found) -> PictureBody | None:
    """The person as the networks see them; from the face alone where they see nothing else."""
    body = body_of(found)
    return body if np.isfinite(body.pixels).all() else body_of_face(found)


def _why(body: PictureBody, alpha: np.ndarray, legs: str, source: Source) -> Why | None:
    """Why legs stay; joints that are guessed from an outline say nothing about it."""
    return None if source == "preset" and legs == "auto" else why_staying(body, alpha, legs)


def place_in(puppet: Puppet, motion: Motion, keep_in_view: bool = True) -> Placed:
    """The puppet on a scene's motion, with the first camera.

    Args:
        puppet: the picture, made ready.
        motion: of the scene.
        keep_in_view: heads do not leave the first camera's picture at the top, as `kept_in_view` sees to.
    """
    arms = None
    if puppet.stays is not None:
        left, right = (arm_shown(puppet.alpha, puppet.body, chain) for _, chain in ARMS)
        arms = left, right
    place = placed(puppet.body, puppet.mesh, puppet.view, complete(motion), arms)
    return kept_in_view(place, puppet.body, puppet.mesh) if keep_in_view else place


def film(
    puppet: Puppet,
    place: Placed,
    camera: CameraPath,
    filming: Filming = Filming(),
    acting: Acting | None = None,
) -> Iterator[Frame]:
    """The puppet's frames, at the camera's size.

    Args:
        puppet: the picture, made ready.
        place: on the motion, which has as many frames as the camera.
        camera: in the scene's world.
        filming: how.
        acting: what face and fingers do, in as many frames; they rest where None.
    """
    if camera.frames > place.motion.frames:
        raise ValueError(
            f"the camera has {camera.frames} frames, the motion {place.motion.frames}; give it as many"
        )
    crews = [
        Crew(puppet, place, camera, filming, acting)
        for _ in range(max(1, min(filming.threads, camera.frames)))
    ]
    if len(crews) == 1:
        yield from (crews[0].frame(k) for k in range(camera.frames))
        return
    with ThreadPoolExecutor(len(crews)) as pool:
        waiting: deque[Future[Frame]] = deque()
        try:
            for k in range(camera.frames):
                if len(waiting) == len(crews):
                    yield waiting.popleft().result()
                waiting.append(pool.submit(crews[k % len(crews)].frame, k))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


class Crew:
    """What draws frames in any order, one at a time, with buffers of its own; arguments as of `film`."""

    def __init__(
        self,
        puppet: Puppet,
        place: Placed,
        camera: CameraPath,
        filming: Filming,
        acting: Acting | None = None,
    ) -> None:
        mesh = puppet.mesh
        self.mesh, self.place, self.camera, self.filming = mesh, place, camera, filming
        surface, room = Skin(mesh.triangles, mesh.uv, mesh.atlas, mesh.alpha), puppet.room
        scale = np.median(camera.intrinsics[:, 1]) / place.lens[1]
        while scale < _HALF:
            surface, room, scale = surface.halved(), room.smaller(), 2 * scale
        self.actor = Actor(acting, mesh, puppet.view, place.vertices, surface)
        self.room, self.painter = room, Painter(camera.size, self.actor.surface, filming.samples)
        ahead = place.camera[:3, 2]
        behind = max(float(((each.joints[:, 0] - place.start[0]) @ ahead).max()) for each in place.motions)
        cameras = camera.c2w, camera.intrinsics
        self.walls = walls_of(room.stage, place.camera, place.lens, cameras, place.start[0], behind)
        self.maps = place.maps(camera.c2w)
        rays = place.vertices - puppet.view.c2w[:3, 3]
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        backs = np.unique(mesh.triangles[~mesh.is_front])
        rays[backs] *= -1
        self.rays = rays.astype(np.float32)
        width, height = camera.size
        self.colours = np.zeros((height, width, 3), np.float32)
        self.known = np.zeros((height, width), np.uint8)

    def frame(self, k: int) -> Frame:
        """Frame `k` of the camera's."""
        mesh, camera, painter = self.mesh, self.camera, self.painter
        vertices = posed(self.actor.act(k), mesh.bones, mesh.weights, self.maps[k])
        if self.filming.transparent:
            self.colours[:], self.known[:] = 0, 0
        else:
            first = self.place.camera
            shadow = shadow_of(vertices, self.room, first) if self.room.shadow else None
            looking = camera.c2w[k], camera.intrinsics[k]
            draw_room(self.room, self.walls, first, looking, shadow, self.colours, self.known)
        eye = camera.c2w[k, :3, 3]
        shown = shown_now(self.rays, mesh.bones, mesh.weights, self.maps[k], vertices, eye)
        painter.draw(vertices, shown, camera.w2c[k], camera.intrinsics[k], self.colours, self.known)
        colours = _straight(self.colours, painter.coverage) if self.filming.transparent else self.colours
        return Frame(
            cv2.convertScaleAbs(colours),
            (painter.coverage * 255 + 0.5).astype(np.uint8),
            self.known.copy(),
        )


def _straight(colours: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """Colours that were multiplied with their coverage without it, going on a little where nothing is."""
    weight = coverage[..., None]
    near = cv2.blur(colours, (7, 7)) / np.maximum(cv2.blur(coverage, (7, 7)), 1e-6)[..., None]
    return np.where(weight > 0.1, colours / np.maximum(weight, 1e-6), near)


def feet_of(body: PictureBody) -> np.ndarray:
    """Pixels of ankles and toes that are seen, [N, 2]."""
    seen = (body.confidence[_FEET] > SEEN) & _feet_seen(body)
    return np.asarray(body.pixels[_FEET][seen])


def _feet_seen(body: PictureBody) -> bool:
    return bool(body.confidence[[7, 8]].max() > SEEN)


__all__ = [
    "Crew",
    "Filming",
    "Frame",
    "Outline",
    "Puppet",
    "PuppetOptions",
    "film",
    "outlined",
    "place_in",
    "prepare",
    "puppet_of",
]
