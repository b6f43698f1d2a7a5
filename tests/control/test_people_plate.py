"""The people plate against the stage, which draws the same people in the same motion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kinema.control.backdrop import Backdrop
from kinema.control.body_ellipsoids import OTHER_SIDE, PIECES, ellipses, ellipsoids, standing_joints, stature
from kinema.control.people_plate import PaintedPeople
from kinema.data.filming import standing
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera_language import camera_path
from kinema.scene.skeleton import SMPL24
from kinema.stage import Actor, make_body, photo_studio, shoot
from kinema.stage.wardrobe import Outfit

SIZE = (96, 128)
PARTS = {
    "trunk": (0, 3, 6, 9, 13, 14),
    "arms": (16, 17, 18, 19),
    "legs": (1, 2, 4, 5),
    "feet": (7, 8, 10, 11),
}
WORN = Outfit(shirt=(0.8, 0.2, 0.2), trousers=(0.15, 0.25, 0.6), shoes=(0.1, 0.5, 0.15), sleeve=1.0)


def raised(place: float = 0.0) -> Motion:
    """Somebody who raises their arms from the T-pose, `place` metres to their left."""
    rest = SMPL24.rest.copy()
    frames = []
    for angle in np.linspace(0.0, 1.0, 5):
        joints = rest.copy()
        for shoulder, arm, side in ((16, [18, 20, 22], 1.0), (17, [19, 21, 23], -1.0)):
            cos, sin = np.cos(angle), side * np.sin(angle)
            joints[arm] = rest[shoulder] + (rest[arm] - rest[shoulder]) @ np.array(
                [[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]]
            )
        frames.append(joints + np.array([place, 0.0, 0.0]))
    return Motion(np.stack(frames), 8.0, SMPL24)


def filmed(outfits: list[Outfit], turn: float = 0.0, view: str = "static"):
    """(take, plate [T, H, W, 4], joints [T, P, 24, 3], camera) of people side by side, each in an outfit."""
    motions = [raised(1.8 * number - 0.9 * (len(outfits) - 1)) for number in range(len(outfits))]
    stage = Motion(np.mean([motion.joints for motion in motions], axis=0), 8.0, SMPL24)
    camera = camera_path(
        view, size=SIZE, fps=8.0, frames=5, subject=stage, fill=0.35 if len(outfits) > 1 else 0.6
    )
    world = replace(photo_studio(np.random.default_rng(2)), props=())
    cast = [Actor(make_body(None, "low"), outfit) for outfit in outfits]
    first = CameraPath(camera.c2w[:1], camera.intrinsics[:1], camera.size, camera.fps)
    poses = tuple(standing(motion, camera.c2w[0, :3, 3], turn) for motion in motions)
    picture = shoot(Scene(poses, first, 8.0), cast, world, antialias=2).rgb[0]
    take = shoot(Scene(tuple(motions), camera, 8.0), cast, world, antialias=2)
    joints = np.stack([motion.joints for motion in motions], axis=1)
    background = Backdrop.of(picture, camera, joints[0]).seen_by(first)[0, ..., :3]
    painted = PaintedPeople.of(picture, background, joints, camera)
    return take, painted.seen_by(joints, camera), joints, camera


def means(take, plate, parts) -> tuple[np.ndarray, np.ndarray]:
    """Mean colours of some segments, (in the film, on the plate), grey levels."""
    there = np.isin(take.part_ids, np.array(parts) + 1) & take.person_mask & (plate[..., 3] == 255)
    return take.rgb[there].mean(0), plate[..., :3][there].mean(0)


@pytest.mark.parametrize("turn", [0.0, 25.0, -25.0])
@pytest.mark.parametrize("view", ["static", "arc left 60deg"])
def test_bodies_are_where_the_stage_draws_them_in_the_colours_of_their_clothes(turn, view):
    take, plate, _, _ = filmed([WORN], turn, view)
    covered = plate[..., 3] > 127
    assert (covered & take.person_mask).sum() / (covered | take.person_mask).sum() > 0.75
    found = {name: means(take, plate, parts) for name, parts in PARTS.items()}
    for name, (film, drawn) in found.items():
        others = [colour for other, (colour, _) in found.items() if other not in (name, "arms", "trunk")]
        assert np.abs(film - drawn).max() < 45, name  # light on them differs
        assert all(np.linalg.norm(drawn - film) < np.linalg.norm(drawn - other) for other in others), name


def test_what_is_not_covered_is_black_and_colours_are_weighed_by_coverage():
    _, plate, _, _ = filmed([WORN])
    assert (plate[plate[..., 3] == 0] == 0).all()
    assert (plate[..., :3].max(-1) <= plate[..., 3]).all()
    assert plate[..., 3].max() == 255


def test_hands_are_bare_where_sleeves_are_long():
    take, plate, _, _ = filmed([replace(WORN, skin=(0.95, 0.8, 0.65))])
    hands, drawn = means(take, plate, (22, 23))
    sleeves, _ = means(take, plate, (18, 19))
    assert np.linalg.norm(drawn - hands) < 0.6 * np.linalg.norm(drawn - sleeves)


def head(outfit: Outfit, view: str) -> np.ndarray:
    """The colour that a head has on the plate in the last frame."""
    _, plate, joints, camera = filmed([outfit], view=view)
    column, row = camera.project(joints[:, :, 15] + [0.0, 0.09, 0.0])[0][-1, 0].astype(int)
    return plate[-1, row, column, :3].astype(float)


@pytest.mark.parametrize("style", ["short", "bob"])
def test_hair_is_seen_from_behind(style):
    dark = replace(WORN, hair=(0.05, 0.05, 0.05), hair_style=style, skin=(0.95, 0.8, 0.65))
    assert head(dark, "orbit left 180deg").mean() < 0.6 * head(dark, "static").mean()


def test_short_hair_has_its_colour_though_no_pixel_shows_it_alone():
    red = replace(WORN, hair=(0.65, 0.2, 0.1), hair_style="short", skin=(0.4, 0.27, 0.2))
    behind = head(red, "orbit left 180deg")
    assert behind[0] > 1.8 * behind[1:].max()


def test_a_bald_head_is_skin_all_over():
    bald = replace(WORN, hair_style="bald", skin=(0.95, 0.8, 0.65))
    assert np.abs(head(bald, "orbit left 180deg") - head(bald, "static")).max() < 60  # light falls from above


def test_an_open_coat_shows_the_shirt_in_front_and_not_behind():
    """Though the shirt looks much like the wall behind it."""
    coat = replace(WORN, shirt=(0.9, 0.9, 0.9), coat=0.4, coat_colour=(0.1, 0.15, 0.5))
    seen = []
    for view in ("static", "orbit left 180deg"):
        _, plate, joints, camera = filmed([coat], view=view)
        column, row = camera.project(joints[:, :, 6])[0][-1, 0].astype(int)
        seen.append(plate[-1, row, column, :3].astype(float))
    assert seen[0].min() > 2 * seen[1].min()
    assert int(np.argmax(seen[1])) == 2


def test_two_people_keep_their_own_clothes():
    other = replace(WORN, shirt=(0.2, 0.7, 0.25), trousers=(0.6, 0.55, 0.1))
    take, plate, joints, camera = filmed([WORN, other])
    pixels, _ = camera.project(joints[:, :, 6])
    for person, outfit in enumerate((WORN, other)):
        column, row = pixels[0, person].astype(int)
        assert int(np.argmax(plate[0, row, column, :3])) == int(np.argmax(outfit.shirt))
    assert take.person_mask[0, row, column]


def test_a_skirt_is_drawn_for_who_wears_one():
    trousers, skirt = (
        filmed([outfit])[1] for outfit in (WORN, replace(WORN, skirt=0.55, skirt_colour=WORN.trousers))
    )
    assert (skirt[..., 3] > 127).sum() > 1.05 * (trousers[..., 3] > 127).sum()


def test_missing_joints_take_their_limbs_with_them_and_nothing_else():
    take, whole, joints, camera = filmed([WORN])
    picture_joints = joints.copy()
    picture_joints[2, 0, [20, 22]] = np.nan
    told = Backdrop.of(take.rgb[0], camera, joints[0]).seen_by(camera)[0, ..., :3]
    painted = PaintedPeople.of(take.rgb[0], told, picture_joints, camera)
    complete = painted.seen_by(joints, camera)
    part = painted.seen_by(picture_joints, camera)
    assert np.array_equal(part[[0, 1, 3, 4]], complete[[0, 1, 3, 4]])
    lost = (complete[2, ..., 3] > 0) & (part[2, ..., 3] == 0)
    assert 10 < lost.sum() < 0.3 * (complete[2, ..., 3] > 0).sum()
    assert whole.shape == part.shape


def test_nobody_and_people_who_are_never_there_are_not_drawn():
    picture = np.zeros((128, 96, 3), np.uint8)
    _, _, joints, camera = filmed([WORN])
    for nobody in (np.full_like(joints, np.nan), joints[:, :0]):
        plate = PaintedPeople.of(picture, picture, nobody, camera).seen_by(nobody, camera)
        assert plate.shape == (5, 128, 96, 4)
        assert not plate.any()


def test_people_stand_as_films_have_them_in_their_pictures():
    motion = raised(0.7)
    eye = np.array([0.3, 1.2, 4.0])
    for degrees in (0.0, 18.0):
        made = standing_joints(motion.joints, eye, np.radians([degrees]))
        np.testing.assert_allclose(made[0], standing(motion, eye, degrees).joints[0], atol=0.02)


def test_ellipsoids_are_seen_as_large_as_they_are():
    """Against points on their surfaces, far from the camera, where the first order is exact."""
    joints = raised().joints[:1, None]
    camera = CameraPath.static(
        np.array([[1, 0, 0, 0.2], [0, -1, 0, 1.0], [0, 0, -1, 60.0], [0, 0, 0, 1.0]]),
        (3000.0, 3000.0, 48.0, 64.0),
        SIZE,
        8.0,
        1,
    )
    centres, spread = ellipsoids(joints, np.array([stature(raised().joints)]))
    assert centres.shape == (1, 1, PIECES, 3)
    middle, axes, _ = ellipses(centres, spread, camera)
    directions = np.random.default_rng(0).normal(size=(4000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for piece in range(0, PIECES, 7):
        surface = centres[0, 0, piece] + directions @ np.linalg.cholesky(spread[0, 0, piece]).T
        pixels, _ = camera.project(surface)
        offset = pixels[0] - middle[0, 0, piece]
        for axis in axes[0, 0, piece]:
            length = np.linalg.norm(axis)
            assert np.abs(offset @ axis / length).max() == pytest.approx(length, rel=0.02)


def test_sides_of_the_body_mirror_each_other():
    centres, _ = ellipsoids(SMPL24.rest[None, None].copy(), np.ones(1))
    np.testing.assert_allclose(centres[0, 0, OTHER_SIDE], centres[0, 0] * [-1, 1, 1], atol=0.03)
    assert np.array_equal(OTHER_SIDE[OTHER_SIDE], np.arange(PIECES))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"picture": np.zeros((64, 48, 3), np.uint8)}, r"picture must be .*\[128, 96, 3\]"),
        ({"background": np.zeros((64, 48, 3), np.uint8)}, r"background must be .*\[128, 96, 3\]"),
        ({"joints": np.zeros((5, 24, 3))}, "joints must have the shape"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    _, _, joints, camera = filmed([WORN])
    blank = np.zeros((128, 96, 3), np.uint8)
    with pytest.raises(ValueError, match=message):
        PaintedPeople.of(
            **{"picture": blank, "background": blank, "joints": joints, "camera": camera, **change}
        )
