"""What a moving camera will see of a picture's background, and the picture of it: the backdrop plate (ours).

Published models that condition a video on a reprojected first frame (GEN3C, arXiv 2503.03751; ViewCrafter,
arXiv 2409.02048) lift it with estimated depth. A scene knows its floor and its camera but no depth, so the background
is taken for what is known of any room: a floor at y = 0, and what lies too far away to show parallax. Turning, tilting
and zooming are exact that way, and the floor moves as it must. What the picture does not show is made up as such rooms
go on: the floor repeats (`floor_pattern`), what is far away has the colours of its height. Where that explains most of
the picture, whatever else stands on the floor is a thing: a card that faces the camera (`backdrop_things`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from kinema.scene.camera import NEAR, CameraPath
from kinema.scene.checks import check_shape
from kinema.signals.person_mask import person_height_pixels
from kinema.video.models.mini.backdrop_things import Thing, draw_things, find_things, shadows
from kinema.video.models.mini.floor_pattern import BINS, FloorPattern, find_floor_pattern

REACH = 12.0
"""Metres along the floor up to which it is a floor; beyond, it is far away."""

_COLUMN = 0.19  # half the width of somebody who stands, as a share of their stature,
_LEGS = 0.13  # the same below their hands,
_SKIRT = 0.16  # in wide clothes,
_HANDS = 0.36  # hands hang down to here,
_ARMS = 0.32  # and at most so far from the middle
_STATURE = 1.28  # to the top of the hair, in lengths of the bones from head joint to ankle
_RING = 0.25  # metres between the rings round the subject in which the floor's colours are told apart
_HEIGHT = 0.02  # radians between the heights at which far colours are told apart
_RIM = 3.0  # rings on either side whose colours count
_FEWEST = 4  # pixels of which a median is taken
_FAINT = 0.2  # a pattern that shows less than this anywhere is none
_STRONGEST = 2.0
_FINE = 3  # samples along each side of a pixel of floor that is made up


@dataclass(frozen=True)
class Backdrop:
    """The background of a picture, as far as the picture tells.

    Args:
        picture: colours 0 to 255, float32 [H, W, 3].
        shown: pixels that show background, bool [H, W]; the others show people and things.
        pose: camera-to-world, [4, 4]; lens: fx, fy, cx, cy in pixels, [4].
        centre: of the floor's rings, x and z in metres from the camera, [2].
        far: colours by elevation, from the nadir up in steps of `_HEIGHT`, float32 [E, 3].
        floor: colours by distance from `centre`, in steps of `_RING`, float32 [R, 3].
        contrast: of the pattern, by the same distance, float32 [R].
        pattern: of the floor, if it has one.
        things: what stands on the floor.
    """

    picture: np.ndarray
    shown: np.ndarray
    pose: np.ndarray
    lens: np.ndarray
    centre: np.ndarray
    far: np.ndarray
    floor: np.ndarray
    contrast: np.ndarray
    pattern: FloorPattern | None
    things: tuple[Thing, ...] = ()

    @classmethod
    def of(cls, picture: np.ndarray, camera: CameraPath, standing: np.ndarray | None = None) -> Backdrop:
        """The background of a picture seen by the camera's first frame.

        Args:
            picture: uint8 [H, W, 3], at the camera's size.
            camera: at least one frame.
            standing: SMPL-24 joints of the people in the picture, metres, [P, 24, 3]; where each stands upright no
                background is shown. NaN: not there.

        Raises:
            ValueError: a picture of another size.
        """
        width, height = camera.size
        if picture.shape != (height, width, 3):
            raise ValueError(
                f"picture must be [H, W, 3] = {[height, width, 3]}, as the camera sees it, got {list(picture.shape)}"
            )
        people, reach = np.zeros((height, width), bool), np.zeros((height, width), bool)
        centre = np.zeros(2)
        if standing is not None and len(standing):
            standing = check_shape("standing", standing, (None, 24, 3))
            for middle, top, hands, bottom, stature in _columns(camera, standing):
                _fill(people, middle, top, hands, _COLUMN * stature)
                _fill(people, middle, hands, bottom, _LEGS * stature)
                _fill(reach, middle, top, hands, _ARMS * stature)
                _fill(reach, middle, hands, bottom, _SKIRT * stature)
            there = standing[np.isfinite(standing[:, 0]).all(-1), 0]
            if len(there):
                centre = there[0, [0, 2]] - camera.c2w[0, [0, 2], 3]
        plain = _plain(picture.astype(np.float32), ~people, camera, centre)
        return _with_things(plain, people, people | reach, camera)

    def seen_by(self, camera: CameraPath) -> np.ndarray:
        """The backdrop plate.

        Args:
            camera: T frames, at the picture's size, in the same world.

        Returns:
            colours and, in the last channel, 255 where the picture shows it and 0 where it is made up,
            uint8 [T, H, W, 4].
        """
        width, height = camera.size
        plate = np.empty((len(camera.c2w), height, width, 4), np.uint8)
        wave, tile = np.zeros(2), np.zeros((BINS, BINS, 3), np.float32)
        if self.pattern is not None:
            wave, tile = self.pattern.wave, self.pattern.tile.astype(np.float32)
        first = (self.picture, self.shown, self.pose, self.lens, self.centre)
        colours = (self.far, self.floor, self.contrast, wave, tile)
        _draw(plate, camera.c2w, camera.intrinsics, *first, *colours, REACH)
        draw_things(plate, self.things, self.picture, self.pose, self.lens, camera)
        return plate


def _plain(
    picture: np.ndarray,
    shown: np.ndarray,
    camera: CameraPath,
    centre: np.ndarray,
    wave: np.ndarray | None = None,
) -> Backdrop:
    """Floor and far background, without things."""
    pose, lens = camera.c2w[0], camera.intrinsics[0]
    ground = _Ground.seen_by(pose, lens, camera.size)
    shown = shown & ~shadows(picture, ~shown, ground.floor)
    mean = picture[shown].mean(0) if shown.any() else picture.mean((0, 1))
    away, floor = shown & ~ground.floor, shown & ground.floor
    heights = int(np.pi / _HEIGHT) + 2
    elevation = (ground.elevation[away] + np.pi / 2) / _HEIGHT
    far = _medians(picture[away], elevation, heights, 1.0, mean)
    distance = np.hypot(ground.x - centre[0], ground.z - centre[1]) / _RING
    rings = int(2 * REACH / _RING)
    rims = _medians(picture[floor], distance[floor], rings, _RIM, mean)
    spacing = (ground.across, ground.along)
    even = _on_rims(rims, distance)
    pattern = find_floor_pattern(picture, even, ground.x, ground.z, floor, spacing, wave)
    nothing = np.zeros_like(shown)
    backdrop = Backdrop(picture, nothing, pose, lens, centre, far, rims, np.ones(rings, np.float32), pattern)
    if pattern is not None:
        expected = backdrop.seen_by(_first(camera))[0, ..., :3] - even
        rims = _medians((picture - expected)[floor], distance[floor], rings, _RIM, mean)
        rest = picture - _on_rims(rims, distance)
        contrast = _contrast(rest[floor], expected[floor], distance[floor], rings)
        backdrop = replace(backdrop, floor=rims, contrast=contrast)
    return replace(backdrop, shown=shown)


def _with_things(plain: Backdrop, people: np.ndarray, reach: np.ndarray, camera: CameraPath) -> Backdrop:
    """The backdrop with things, see `find_things`; itself where too much of the picture is not explained by floor and
    distance."""
    made_up = replace(plain, shown=np.zeros_like(plain.shown)).seen_by(_first(camera))[0, ..., :3]
    ground = _Ground.seen_by(plain.pose, plain.lens, camera.size)
    found = find_things(plain.picture, made_up, people, reach, ground.floor)
    if found is None:
        return plain
    things, hidden = found
    wave = None if plain.pattern is None else plain.pattern.wave
    return replace(_plain(plain.picture, ~hidden, camera, plain.centre, wave), things=things)


@dataclass(frozen=True)
class _Ground:
    """What each pixel of a picture shows, [H, W] each: whether it is floor, its place on the floor in metres from the
    camera, the metres of floor that a pixel covers across and along the view, and the elevation of its ray."""

    floor: np.ndarray
    x: np.ndarray
    z: np.ndarray
    across: np.ndarray
    along: np.ndarray
    elevation: np.ndarray

    @classmethod
    def seen_by(cls, pose: np.ndarray, lens: np.ndarray, size: tuple[int, int]) -> _Ground:
        width, height = size
        u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        rays = (
            np.stack([(u - lens[2]) / lens[0], (v - lens[3]) / lens[1], np.ones_like(u)], -1) @ pose[:3, :3].T
        )
        falls = -rays[..., 1]
        depth = np.where((falls > 1e-9) & (pose[1, 3] > 0), pose[1, 3] / np.maximum(falls, 1e-9), np.inf)
        floor = depth * np.hypot(rays[..., 0], rays[..., 2]) < REACH
        depth = np.where(floor, depth, 1.0)
        across = depth / lens[0]
        length = np.linalg.norm(rays, axis=-1)
        along = across * length**2 / np.maximum(falls, 1e-3)
        elevation = np.arctan2(rays[..., 1], np.hypot(rays[..., 0], rays[..., 2]))
        return cls(floor, depth * rays[..., 0], depth * rays[..., 2], across, along, elevation)


def _medians(
    colours: np.ndarray, place: np.ndarray, count: int, reach: float, otherwise: np.ndarray
) -> np.ndarray:
    """The median colour within reach of each whole place, bridged and held where nothing is, float32 [count, 3]."""
    found = np.full((count, 3), np.nan)
    for at in range(count):
        near = np.abs(place - at) < reach
        if near.sum() >= _FEWEST:
            found[at] = np.median(colours[near], axis=0)
    there = np.flatnonzero(np.isfinite(found[:, 0]))
    if not len(there):
        return np.tile(np.float32(otherwise), (count, 1))
    bridged = [np.interp(np.arange(count), there, found[there, k]) for k in range(3)]
    return np.stack(bridged, axis=1).astype(np.float32)


def _on_rims(rims: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """The colours of the floor without pattern by distance in rings, [H, W, 3]."""
    return np.stack([np.interp(distance, np.arange(len(rims)), rims[:, k]) for k in range(3)], axis=-1)


def _contrast(rest: np.ndarray, expected: np.ndarray, distance: np.ndarray, rings: int) -> np.ndarray:
    """How strongly the pattern shows in each ring: the regression of colours on what is drawn of it."""
    both, alone = (expected * rest).sum(1), np.square(expected).sum(1)
    share = np.full(rings, np.nan)
    for at in range(rings):
        near = np.exp(-0.5 * np.square((distance - at) / 1.5))
        if near.sum() > 20:
            share[at] = np.clip((near * both).sum() / ((near * alone).sum() + 1e-6), 0.0, _STRONGEST)
    there = np.flatnonzero(np.isfinite(share))
    if not len(there) or share[there].max() < _FAINT:
        return np.zeros(rings, np.float32)
    return np.interp(np.arange(rings), there, share[there]).astype(np.float32)


def _first(camera: CameraPath) -> CameraPath:
    return CameraPath(camera.c2w[:1], camera.intrinsics[:1], camera.size, camera.fps)


def _columns(camera: CameraPath, standing: np.ndarray) -> np.ndarray:
    """Everybody who is there and before the camera, upright in the first picture, pixels [N, 5]: the middle, the rows
    of the top, of hanging hands and of the ground before the feet, and the stature across the picture."""
    first = _first(camera)
    columns = []
    for joints in standing[np.isfinite(standing[:, 0]).all(-1)]:
        one = np.ones((1, 24))  # metres, at focal length and depth one
        stature = _STATURE * float(person_height_pixels(joints[None], one[0, :1], one)[0])
        pole = np.array([[joints[0, 0], 0.0, joints[0, 2]], [joints[0, 0], stature, joints[0, 2]]])
        (foot, top), depth = (each[0] for each in first.project(pole[None]))
        if (depth > NEAR).all():
            across = stature * first.intrinsics[0, 0] / depth.min()
            hands = foot[1] + _HANDS * (top[1] - foot[1])
            columns.append([(foot[0] + top[0]) / 2, top[1], hands, foot[1] + _COLUMN * across / 2, across])
    return np.array(columns).reshape(-1, 5)


def _fill(mask: np.ndarray, middle: float, top: float, bottom: float, half: float) -> None:
    """Sets the pixels of an upright box of so much width on either side of its middle."""
    rows, columns = np.maximum(np.floor([top, middle - half]), 0).astype(int)
    mask[rows : int(np.ceil(max(bottom, 0))), columns : int(np.ceil(max(middle + half, 0)))] = True


@njit(cache=True)
def _draw(
    plate: np.ndarray,
    c2w: np.ndarray,
    lens: np.ndarray,
    picture: np.ndarray,
    shown: np.ndarray,
    first: np.ndarray,
    focus: np.ndarray,
    centre: np.ndarray,
    far: np.ndarray,
    rims: np.ndarray,
    contrast: np.ndarray,
    wave: np.ndarray,
    tile: np.ndarray,
    reach: float,
) -> None:
    frames, height, width, _ = plate.shape
    colour = np.zeros(3)
    for t in range(frames):
        pose, (fx, fy, cx, cy) = c2w[t], lens[t]
        for i in range(height):
            for j in range(width):
                x, y = (j + 0.5 - cx) / fx, (i + 0.5 - cy) / fy
                a = pose[0, 0] * x + pose[0, 1] * y + pose[0, 2]
                b = pose[1, 0] * x + pose[1, 1] * y + pose[1, 2]
                c = pose[2, 0] * x + pose[2, 1] * y + pose[2, 2]
                elevation = np.arctan2(b, np.sqrt(a * a + c * c))
                on_floor = False
                if b < -1e-9 and pose[1, 3] > 0:
                    s = -pose[1, 3] / b
                    over, along = pose[0, 3] + s * a - first[0, 3], pose[2, 3] + s * c - first[2, 3]
                    if over * over + along * along < reach * reach:
                        on_floor = True
                        a, b, c = over, -first[1, 3], along
                depth = first[0, 2] * a + first[1, 2] * b + first[2, 2] * c
                seen = False
                if depth > 1e-6:
                    u = (first[0, 0] * a + first[1, 0] * b + first[2, 0] * c) / depth * focus[0] + focus[2]
                    v = (first[0, 1] * a + first[1, 1] * b + first[2, 1] * c) / depth * focus[1] + focus[3]
                    if 0.0 <= u < width and 0.0 <= v < height and shown[int(v), int(u)]:
                        seen = True
                        _bilinear(picture, shown, v - 0.5, u - 0.5, colour)
                if not seen and not on_floor:
                    _between(far, (elevation + np.pi / 2) / _HEIGHT, colour)
                elif not seen:
                    _floor(colour, i, j, pose, lens[t], first, centre, rims, contrast, wave, tile)
                for k in range(3):
                    plate[t, i, j, k] = np.uint8(min(255.0, max(0.0, colour[k])) + 0.5)
                plate[t, i, j, 3] = 255 if seen else 0


@njit(cache=True)
def _floor(
    colour: np.ndarray,
    i: int,
    j: int,
    pose: np.ndarray,
    lens: np.ndarray,
    first: np.ndarray,
    centre: np.ndarray,
    rims: np.ndarray,
    contrast: np.ndarray,
    wave: np.ndarray,
    tile: np.ndarray,
) -> None:
    """The colour of a pixel of floor that is made up, as the mean of a few places in it."""
    bins = tile.shape[0]
    total, one = np.zeros(3), np.zeros(3)
    count = 0
    for m in range(_FINE):
        for n in range(_FINE):
            x = (j + (n + 0.5) / _FINE - lens[2]) / lens[0]
            y = (i + (m + 0.5) / _FINE - lens[3]) / lens[1]
            b = pose[1, 0] * x + pose[1, 1] * y + pose[1, 2]
            if b > -1e-9:
                continue
            s = -pose[1, 3] / b
            over = pose[0, 3] - first[0, 3] + s * (pose[0, 0] * x + pose[0, 1] * y + pose[0, 2])
            along = pose[2, 3] - first[2, 3] + s * (pose[2, 0] * x + pose[2, 1] * y + pose[2, 2])
            distance = np.sqrt((over - centre[0]) ** 2 + (along - centre[1]) ** 2) / _RING
            _between(rims, distance, one)
            share = contrast[min(int(distance), len(contrast) - 1)]
            p = (over * wave[0] + along * wave[1]) % 1.0 * bins - 0.5
            q = (along * wave[0] - over * wave[1]) % 1.0 * bins - 0.5
            p0, q0 = int(np.floor(p)), int(np.floor(q))
            for k in range(3):
                low = tile[p0 % bins, q0 % bins, k] * (q0 + 1 - q) + tile[p0 % bins, (q0 + 1) % bins, k] * (
                    q - q0
                )
                high = tile[(p0 + 1) % bins, q0 % bins, k] * (q0 + 1 - q)
                high += tile[(p0 + 1) % bins, (q0 + 1) % bins, k] * (q - q0)
                total[k] += one[k] + share * (low * (p0 + 1 - p) + high * (p - p0))
            count += 1
    for k in range(3):
        colour[k] = total[k] / max(count, 1)


@njit(cache=True)
def _between(rows: np.ndarray, place: float, colour: np.ndarray) -> None:
    """The colour between two rows."""
    place = min(max(place, 0.0), len(rows) - 1.001)
    low = int(place)
    for k in range(3):
        colour[k] = rows[low, k] + (place - low) * (rows[low + 1, k] - rows[low, k])


@njit(cache=True)
def _bilinear(picture: np.ndarray, shown: np.ndarray, v: float, u: float, colour: np.ndarray) -> None:
    """The picture's colour at pixel coordinates (centres whole), of its pixels that show background alone."""
    height, width = shown.shape
    total = 0.0
    colour[:] = 0.0
    i0, j0 = int(np.floor(v)), int(np.floor(u))
    for i in range(i0, i0 + 2):
        for j in range(j0, j0 + 2):
            row, column = min(max(i, 0), height - 1), min(max(j, 0), width - 1)
            if shown[row, column]:
                share = (1 - abs(v - i)) * (1 - abs(u - j))
                total += share
                for k in range(3):
                    colour[k] += share * picture[row, column, k]
    for k in range(3):
        colour[k] /= max(total, 1e-9)
