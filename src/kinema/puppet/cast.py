"""Several people in one rough take: cut out of one picture, or each with a picture of their own, and filmed as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from kinema.puppet.backdrop import Room, room_of, room_with
from kinema.puppet.find import Found, find, find_everybody
from kinema.puppet.masks import cutout_of, on_white
from kinema.puppet.mesh import Mesh
from kinema.puppet.placing import Placed
from kinema.puppet.plate import hole_of
from kinema.puppet.take import Outline, Puppet, PuppetOptions, feet_of, outlined, puppet_of
from kinema.scene.motion import Motion

_IN_MASK = 0.6  # of somebody's points, from which on a mask is theirs (ours)
_SURE = 0.5  # confidence of a point from which on it says whose mask that is
_GREY = 127  # of what a mask leaves out, where somebody is looked for in it alone


@dataclass(frozen=True, eq=False)
class PlacedTogether(Placed):
    """Several people's places as one, whose bones are numbered one person after the other.

    Args:
        everybody: places of each, in one world.
    """

    everybody: tuple[Placed, ...] = ()

    @property
    def motions(self) -> tuple[Motion, ...]:
        return tuple(place.motion for place in self.everybody)

    @property
    def subject(self) -> Motion:
        """The first person's motion in the middle of everybody."""
        frames = min(motion.frames for motion in self.motions)
        middle = np.mean([motion.joints[:frames, 0] for motion in self.motions], axis=0)
        offset = middle - self.motion.joints[:frames, 0]
        offset[:, 1] = 0.0
        joints = self.motion.joints[:frames] + offset[:, None]
        return Motion(joints, self.motion.fps, self.motion.skeleton)

    def maps(self, cameras: np.ndarray | None = None) -> np.ndarray:
        """The affine maps of everybody's bones, [T, 24 P, 3, 4]."""
        frames = min(place.motion.frames for place in self.everybody)
        return np.concatenate([place.maps(cameras)[:frames] for place in self.everybody], axis=1)


def people_of(picture: np.ndarray, masks: Sequence[np.ndarray] = ()) -> tuple[Found, ...]:
    """Everybody in a picture from the left, or where masks are given the person of each.

    Args:
        picture: uint8 [H, W, 3].
        masks: how much of each pixel is somebody, 0 to 1, [H, W] each.

    Raises:
        ValueError: nobody is found in a mask.
        DetectorUnavailable: mediapipe or ai-edge-litert is missing.
    """
    everybody = find_everybody(picture)
    masked = []
    for number, mask in enumerate(masks):
        found = found_in(mask, picture, everybody)
        if found is None:
            raise ValueError(f"mask {number}: nobody is found in it; let it show all of one person")
        masked.append(found)
    return tuple(masked) or everybody


def found_in(mask: np.ndarray, picture: np.ndarray, everybody: Sequence[Found]) -> Found | None:
    """The person of a mask; where nobody of the whole picture is in it, who is found in it alone.

    Args:
        mask: how much of each pixel is the person, 0 to 1, [H, W].
        picture: uint8 [H, W, 3].
        everybody: in the picture.
    """
    height, width = mask.shape
    shares = []
    for found in everybody:
        known = np.isfinite(found.points).all(axis=1) & (found.confidence > _SURE)
        at = np.clip(np.round(found.points[known]).astype(int), 0, [width - 1, height - 1])
        shares.append(float((mask[at[:, 1], at[:, 0]] > 0.5).mean()) if len(at) else 0.0)
    if shares and max(shares) > _IN_MASK:
        return everybody[int(np.argmax(shares))]
    return find(np.where(mask[..., None] > 0.5, picture, np.uint8(_GREY)))


def prepare_people(
    picture: np.ndarray, options: Sequence[PuppetOptions], everybody: Sequence[Found] | None = None
) -> tuple[Puppet, ...]:
    """People of one picture, before a room without any of them. Whoever is not named stays part of that room.

    Args:
        picture: uint8 [H, W, 3], or [H, W, 4] with a transparency that is everybody's cut-out.
        options: what the user says about each of them, their number among everybody included; the first one's
            background and wall count.
        everybody: of `people_of`, where they were looked for already.

    Raises:
        ValueError, DetectorUnavailable: as `prepare`.
    """
    clear = cutout_of(picture) if picture.shape[2] == 4 else None
    picture = on_white(picture) if picture.shape[2] == 4 else picture
    everybody = find_everybody(picture) if everybody is None else everybody
    outlines = []
    for each in options:
        outline = outlined(picture, found=_named(everybody, each.person), options=each)
        if outline is not None:
            outlines.append(outline)
    if not outlines:
        return ()
    if clear is None:
        outlines = _each_pixel_once(outlines, [each.mask is not None for each in options])
    else:
        outlines = _shared_out(outlines, everybody, clear)
    room = _room_without(outlines, options[0])
    made = [puppet_of(outline, room, each.clothes) for outline, each in zip(outlines, options, strict=False)]
    return tuple(puppet for puppet in made if puppet is not None)


def _named(everybody: Sequence[Found], number: int | None) -> Found:
    """The person of that number; the largest where none is given."""
    if number is None and everybody:
        return max(everybody, key=lambda found: found.side)
    if number is None or not 0 <= number < len(everybody):
        raise ValueError(
            f"person {number}: {len(everybody)} people are in the picture, counted from the left"
        )
    return everybody[number]


def _room_without(outlines: Sequence[Outline], options: PuppetOptions) -> Room:
    """The room of a picture without those who are cut out."""
    picture = outlines[0].picture
    size = picture.shape[1], picture.shape[0]
    alpha = np.max([outline.alpha for outline in outlines], axis=0)
    tall = max(outline.body.height for outline in outlines)
    feet = [feet_of(outline.body) for outline in outlines]
    holes = [
        hole_of(outline.alpha, outline.body.height, each)
        for outline, each in zip(outlines, feet, strict=True)
    ]
    hole = np.any(holes, axis=0)
    staying = [None if outline.found is None else outline.found.bystanders for outline in outlines]
    beside = [each for each in staying if each is not None]
    others = (
        np.all(beside, axis=0) if len(beside) == len(outlines) else None
    )  # nobody is a bystander of themself
    room = room_of(picture, alpha, tall, np.concatenate(feet), options.wall, others, hole)
    if options.background is None:
        return room
    return room_with(options.background, size, room, options.wall)


def _shared_out(outlines: Sequence[Outline], everybody: Sequence[Found], clear: np.ndarray) -> list[Outline]:
    """Outlines out of one transparency: each pixel is the person's who is nearest."""
    away = [
        cv2.distanceTransform((found.probability <= 0.5).astype(np.uint8), cv2.DIST_L2, 5)
        for found in everybody
    ]
    nearest = np.argmin(away, axis=0)
    numbers = [next(k for k, found in enumerate(everybody) if found is each.found) for each in outlines]
    return [
        replace(outline, alpha=np.asarray(clear * (nearest == number), np.float32))
        for outline, number in zip(outlines, numbers, strict=True)
    ]


def _each_pixel_once(outlines: Sequence[Outline], given: Sequence[bool]) -> list[Outline]:
    """Outlines that do not overlap: what two claim is that one's whom the networks, or a given mask, rather see there."""
    claims = [
        outline.alpha
        if is_given or outline.found is None
        else cv2.GaussianBlur(outline.found.probability, (0, 0), 1.5)
        for outline, is_given in zip(outlines, given, strict=False)
    ]
    owner = np.argmax(claims, axis=0)
    crowded = np.sum([outline.alpha for outline in outlines], axis=0) > 1.0
    settled = []
    for number, outline in enumerate(outlines):
        own = cv2.GaussianBlur((owner == number).astype(np.float32), (0, 0), 0.7)
        alpha = np.where(crowded, np.minimum(outline.alpha, own), outline.alpha)
        settled.append(replace(outline, alpha=np.asarray(alpha, np.float32)))
    return settled


def together(puppets: Sequence[Puppet], places: Sequence[Placed]) -> tuple[Puppet, Placed]:
    """Several people as one puppet on one place, to be filmed like a single one.

    Args:
        puppets: of one picture, or each of their own; the first one's room is filmed.
        places: of each, seen from one first camera, as `cast_placing` has them.

    Raises:
        ValueError: not as many places as puppets, or nobody.
    """
    if not puppets or len(puppets) != len(places):
        raise ValueError(f"{len(places)} places for {len(puppets)} people")
    first = places[0]
    if len(puppets) == 1:
        return puppets[0], first
    place = PlacedTogether(
        vertices=np.concatenate([place.vertices for place in places]),
        joints=first.joints,
        motion=first.motion,
        camera=first.camera,
        lens=first.lens,
        size=first.size,
        start=first.start,
        everybody=tuple(places),
    )
    picture = puppets[0].picture
    alpha = np.max([puppet.alpha for puppet in puppets if puppet.picture is picture], axis=0)
    return replace(puppets[0], alpha=alpha, mesh=_joined([puppet.mesh for puppet in puppets])), place


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
