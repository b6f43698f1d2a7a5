"""Faces: what is read off a driver's 68 points, whatever their size and turn, and what it makes of a picture's face."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kinema.media.pictures import read_picture
from kinema.puppet.acting import Acting
from kinema.puppet.face import CHANGES, PictureFace, face_changes, find_face
from kinema.puppet.face_warp import FacePainter
from kinema.puppet.mesh import Mesh
from kinema.puppet.placing import own_pose
from kinema.puppet.render import Skin
from kinema.puppet.take import Filming, film, prepare
from kinema.scene.camera import CameraPath
from kinema.scene.keypoints import Keypoints
from kinema.scene.skeleton import skeleton

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LAYOUT = "coco_wholebody133"
FIRST = skeleton(LAYOUT).index("right_jaw_0")
SKIN, IRIS, LIPS = (220, 180, 150), (20, 30, 90), (180, 60, 70)

LIDS = (
    ([33, 246, 161, 160, 159, 158, 157, 173, 133], [33, 7, 163, 144, 145, 153, 154, 155, 133]),
    ([362, 398, 384, 385, 386, 387, 388, 466, 263], [362, 382, 381, 380, 374, 373, 390, 249, 263]),
)
BROWS = (
    ([70, 63, 105, 66, 107], [46, 53, 52, 65, 55]),
    ([336, 296, 334, 293, 300], [285, 295, 282, 283, 276]),
)


def a_face(frames: int = 30, size: float = 200.0) -> np.ndarray:
    """The 68 points of a calm adult, `size` pixels from between the eyes to the chin, [T, 68, 2]."""
    points = skeleton(LAYOUT).rest[FIRST : FIRST + 68, :2] * [1, -1]
    points = points * size / np.linalg.norm(points[27] - points[8])
    return np.tile(points - points.mean(axis=0) + 300, (frames, 1, 1))


def seen(face: np.ndarray, fps: float = 25.0) -> Keypoints:
    points = np.full((len(face), 133, 2), np.nan)
    points[:, FIRST : FIRST + 68] = face
    there = np.isfinite(points).all(axis=-1).astype(float)
    return Keypoints(points, there, LAYOUT, fps, (640, 640))


def changes_of(face: np.ndarray) -> dict[str, np.ndarray]:
    changes = face_changes(seen(face))
    assert changes is not None
    return dict(zip(CHANGES, changes.T, strict=True))


def test_a_calm_face_changes_nothing() -> None:
    changes = face_changes(seen(a_face()))
    assert changes is not None
    assert changes.shape == (30, 7)
    assert np.all(changes == 0)


def test_lids_brows_and_jaw_are_told_apart() -> None:
    face = a_face(60)
    face[10:15, [37, 38]] = face[10:15, [41, 40]] - [0, 1.5]  # the right eye shuts
    face[30:36, [56, 57, 58, 65, 66, 67]] += [0, 25]  # the jaw drops
    face[45:50, 17:27] -= [0, 12]  # both brows rise
    changes = changes_of(face)
    assert changes["close_right"][12] > 0.9
    assert changes["close_left"][12] == 0
    assert changes["open"][33] > 0.15
    assert changes["open"][12] == 0
    assert changes["raise_right"][47] > 0.05
    assert changes["raise_left"][47] > 0.05
    assert changes["close_right"][33] == 0


@settings(max_examples=25, deadline=None)
@given(
    size=st.floats(60, 400),
    turn=st.floats(-0.6, 0.6),
    squeeze=st.floats(0.85, 1.0),
)
def test_size_tilt_and_turn_of_the_driver_do_not_matter(size: float, turn: float, squeeze: float) -> None:
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([squeeze, 1.0])
    face = a_face(size=200)
    face[12:18, [56, 57, 58, 65, 66, 67]] += [0, 20]
    moved = (face - 300) * size / 200 @ matrix.T + 300
    np.testing.assert_allclose(changes_of(moved)["open"], changes_of(face)["open"], atol=0.02)


def test_a_face_that_is_lost_becomes_calm() -> None:
    face = a_face(60)
    face[20:, [56, 57, 58, 65, 66, 67]] += [0, 25]
    face[40:] = np.nan
    opened = changes_of(face)["open"]
    assert opened[30] > 0.15
    assert np.all(opened[40:] == 0)
    assert np.abs(np.diff(opened[34:42])).max() < 0.1


def test_no_face_a_small_one_and_one_from_the_side_tell_nothing() -> None:
    assert face_changes(None) is None
    assert face_changes(seen(np.full((5, 68, 2), np.nan))) is None
    assert face_changes(seen(a_face(size=30))) is None
    aside = a_face()
    aside[:, 28:31, 0] += 80
    assert face_changes(seen(aside)) is None
    body = Keypoints(np.zeros((3, 18, 2)), np.ones((3, 18)), "openpose18", 25.0, (64, 64))
    assert face_changes(body) is None


def drawn_face(side: int = 300) -> tuple[np.ndarray, PictureFace]:
    """A painted face with its mesh points: those that the painter reads, the others in the middle."""
    picture = np.full((side, side, 3), SKIN, np.uint8)
    points = np.full((468, 2), side / 2.0)
    share = np.linspace(-1, 1, 9)
    arch = np.stack([0 * share, 10 * (1 - share**2)], axis=1)
    for (upper, lower), (top, bottom), middle in zip(LIDS, BROWS, (100, 200), strict=True):
        eye = np.stack([middle + 25 * share, 120 + 0 * share], axis=1)
        points[upper], points[lower] = eye - arch, eye + arch
        brow = np.stack([middle + np.linspace(-30, 30, 5), np.full(5, 92.0)], axis=1)
        points[top], points[bottom] = brow - [0, 6], brow
    mouth = np.linspace(-1, 1, 11)
    lip = np.stack([150 + 35 * mouth, 220 + 0 * mouth], axis=1)
    points[[78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]] = lip
    points[[78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308]] = lip
    jaw = np.linspace(-1, 1, 13)
    points[[172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397]] = np.stack(
        [150 + 80 * jaw, 270 - 50 * jaw**2], axis=1
    )
    points[168], points[2], points[4] = (150, 120), (150, 190), (150, 175)
    for middle in (100, 200):
        cv2.ellipse(picture, (middle, 120), (25, 10), 0, 0, 360, (250, 250, 250), -1)
        cv2.circle(picture, (middle, 120), 8, IRIS, -1)
    cv2.ellipse(picture, (150, 220), (38, 9), 0, 0, 360, LIPS, -1)
    return picture, PictureFace(points)


def a_sheet(picture: np.ndarray) -> tuple[Mesh, Skin]:
    """The picture as a sheet that the head's bone moves."""
    height, width = picture.shape[:2]
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    atlas = np.dstack([picture, np.full((height, width), 255, np.uint8)])
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    alpha = np.full((height, width), 255, np.uint8)
    bones, weights = np.full((4, 4), 15, np.int32), np.tile(np.float32([1, 0, 0, 0]), (4, 1))
    sides = np.ones(2, bool)
    uv = corners.astype(np.float32)
    mesh = Mesh(corners + 0.5, np.zeros(4), uv, triangles, bones, weights, sides, atlas, alpha)
    return mesh, Skin(triangles, uv, atlas, alpha)


def changed(**given: float) -> np.ndarray:
    return np.array([given.get(name, 0.0) for name in CHANGES])


def test_a_calm_face_is_the_picture_and_becomes_it_again() -> None:
    picture, face = drawn_face()
    mesh, surface = a_sheet(picture)
    painter = FacePainter(face, mesh, surface)
    atlas = painter.surface.atlas
    painter.draw(changed())
    np.testing.assert_array_equal(atlas, surface.atlas)
    painter.draw(changed(close_left=1.0, open=0.3, raise_right=0.1, lift=0.05))
    assert (atlas != surface.atlas).any()
    painter.draw(changed())
    np.testing.assert_array_equal(atlas, surface.atlas)
    np.testing.assert_array_equal(
        surface.atlas[..., :3], picture
    )  # what other threads draw from stays as it is


def test_a_lid_covers_its_eye_alone() -> None:
    picture, face = drawn_face()
    mesh, surface = a_sheet(picture)
    painter = FacePainter(face, mesh, surface)
    painter.draw(changed(close_right=1.0))
    atlas = painter.surface.atlas[..., :3].astype(int)
    assert np.abs(atlas[120, 100] - SKIN).max() < 40
    np.testing.assert_array_equal(atlas[100:140, 170:230], picture[100:140, 170:230])


def test_lips_part_before_a_dark_inside_and_the_chin_goes_down() -> None:
    picture, face = drawn_face()
    mesh, surface = a_sheet(picture)
    painter = FacePainter(face, mesh, surface)
    painter.draw(changed(open=0.4))
    atlas = painter.surface.atlas
    middle = atlas[210:260, 150, :3].astype(int)
    assert middle.sum(axis=1).min() < 0.4 * sum(SKIN)
    assert atlas[210:260, 150, 3].min() < 128  # what is made up is not known
    lowest = [np.flatnonzero(np.abs(each[:, 150].astype(int) - LIPS).max(axis=1) < 30).max() for each in (
        picture, atlas[..., :3])]  # fmt: skip
    assert lowest[1] - lowest[0] == pytest.approx(0.85 * 0.4 * 70, abs=3)
    np.testing.assert_array_equal(atlas[:185, :, :3], picture[:185])


def test_half_the_atlas_is_drawn_alike() -> None:
    picture, face = drawn_face()
    mesh, surface = a_sheet(picture)
    whole, half = FacePainter(face, mesh, surface), FacePainter(face, mesh, surface.halved())
    for painter in (whole, half):
        painter.draw(changed(close_left=0.6, close_right=0.6, open=0.3))
    shrunk = cv2.resize(whole.surface.atlas, (150, 150), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - half.surface.atlas)[..., :3].mean() < 2


@pytest.fixture(scope="module")
def character() -> np.ndarray:
    picture = Image.fromarray(np.asarray(read_picture(EXAMPLES / "character.png")))
    picture.thumbnail((384, 384))
    return np.asarray(picture)


def test_a_film_with_a_calm_face_is_the_film_without(character: np.ndarray) -> None:
    puppet = prepare(character)
    assert puppet is not None
    head = puppet.body.pixels[15]
    _, face = drawn_face()
    face = PictureFace((face.points - 150) * 0.1 + head)
    place = own_pose(puppet.body, puppet.mesh, puppet.size)
    camera = CameraPath.static(place.camera, place.lens.tolist(), puppet.size, 12, 1)
    plain = next(film(puppet, place, camera))
    for threads in (1, 2):
        acted = next(film(puppet, place, camera, Filming(threads=threads), Acting((face, np.zeros((1, 7))))))
        np.testing.assert_array_equal(acted.rgb, plain.rgb)
    moved = next(film(puppet, place, camera, Filming(), Acting((face, changed(open=0.4)[None]))))
    differs = np.abs(moved.rgb.astype(int) - plain.rgb).max(axis=-1) > 2
    assert differs.any()
    rows, columns = np.nonzero(differs)
    assert np.hypot(rows - head[1], columns - head[0]).max() < 25
    assert find_face(character, puppet.found) is None  # too small
    assert find_face(character, None) is None
