"""The picture's person in the scene: floor, sides, first frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.puppet.actors import SIZE, actor, rest_body, walk

from kinema.evaluation.puppet import identity
from kinema.puppet.blend_in import fading, from_the_picture
from kinema.puppet.mesh import Mesh
from kinema.puppet.placing import Placed, follow_camera, head_turns, placed, view_of
from kinema.puppet.render import posed
from kinema.puppet.take import film, place_in
from kinema.scene.camera import CameraPath
from kinema.scene.motion import Motion
from kinema.scene.skeleton import SMPL24


def bones_only(body) -> Mesh:  # type: ignore[no-untyped-def]
    """A mesh of nothing but the joints."""
    bones = np.tile(np.arange(24)[:, None], (1, 4)).astype(np.int32)
    weights = np.tile([1.0, 0, 0, 0], (24, 1)).astype(np.float32)
    return Mesh(
        body.pixels,
        body.depth,
        np.zeros((24, 2), np.float32),
        np.zeros((0, 3), np.int32),
        bones,
        weights,
        np.zeros(0, bool),
        np.zeros((2, 2, 4), np.uint8),
        np.zeros((2, 2), np.uint8),
    )


def placed_body(body, motion: Motion) -> Placed:  # type: ignore[no-untyped-def]
    mesh = bones_only(body)
    return placed(body, mesh, view_of(body, mesh, SIZE, True), motion)


def seen(place: Placed, joints: np.ndarray) -> np.ndarray:
    camera = CameraPath.static(place.camera, place.lens.tolist(), place.size, 12, 1)
    return camera.project(joints[None])[0][0]


def test_in_their_own_pose_people_look_as_in_the_picture() -> None:
    facts = identity(actor())
    assert facts["identity_iou"] > 0.95  # 192x288: an edge of half a pixel is a per cent
    assert facts["sole_m"] < 0.01


def test_soles_stand_on_the_floor() -> None:
    puppet = actor()
    place = place_in(puppet, walk())
    lowest = [
        posed(place.vertices, puppet.mesh.bones, puppet.mesh.weights, maps)[:, 1].min()
        for maps in place.maps()
    ]
    assert np.quantile(np.abs(lowest), 0.9) < 0.01


def test_a_jump_leaves_the_floor() -> None:
    puppet, motion = actor(), walk()
    up = np.zeros((motion.frames, 1, 3))
    up[8:14] = [0.0, 0.4, 0.0]
    place = place_in(puppet, replace(motion, joints=motion.joints + up, rotations=None))
    lowest = [
        posed(place.vertices, puppet.mesh.bones, puppet.mesh.weights, maps)[:, 1].min()
        for maps in place.maps()
    ]
    assert min(lowest[9:13]) > 0.25
    assert max(lowest[:6]) < 0.02


@pytest.mark.parametrize("yaw", [-135.0, -90.0, -45.0, 45.0, 90.0, 170.0])
def test_the_first_camera_sees_the_side_that_the_picture_shows(yaw: float) -> None:
    body = rest_body(np.radians(yaw))
    still = Motion(np.repeat(SMPL24.rest[None], 3, 0), 12, SMPL24).rotate_y(70)
    place = placed_body(body, still)
    shown = seen(place, place.motion.joints[0])
    toes, heels = shown[[10, 11]].mean(axis=0), shown[[7, 8]].mean(axis=0)
    there = body.pixels[[10, 11]].mean(axis=0) - body.pixels[[7, 8]].mean(axis=0)
    assert np.sign((toes - heels)[0]) == np.sign(there[0])
    assert np.abs(shown - body.pixels).max() < 12


def test_the_picture_pose_is_kept_for_the_first_frame() -> None:
    place = placed_body(rest_body(0.2), walk())
    assert np.abs(seen(place, place.start) - rest_body(0.2).pixels).max() < 1e-6


def test_who_crouches_in_the_picture_stays_in_view_when_standing() -> None:
    body = rest_body()
    pixels, depth = body.pixels.copy(), body.depth.copy()
    pixels = 96 + 1.6 * (pixels - 96)  # large in the picture
    hips = pixels[[7, 8], 1].mean() - 60.0
    for joints, lift in (((0, 1, 2, 3, 6, 9, *range(12, 24)), hips - pixels[0, 1]),):
        pixels[list(joints), 1] += lift
    pixels[:, 1] += 270.0 - pixels[:, 1].max()
    depth[[4, 5]] -= 0.4
    low = replace(body, pixels=pixels, depth=depth, metre=1.6 * 90.0)
    place = placed_body(low, Motion(np.repeat(SMPL24.rest[None], 3, 0), 12, SMPL24))
    rows = seen(place, place.motion.joints[0])[:, 1]
    assert rows.min() > 0
    assert rows.max() < SIZE[1]


def test_a_half_body_keeps_its_head() -> None:
    body = rest_body()
    confidence = body.confidence.copy()
    confidence[[1, 2, 4, 5, 7, 8, 10, 11]] = 0.0
    body = replace(body, confidence=confidence)
    mesh = bones_only(body)
    place = placed(body, mesh, view_of(body, mesh, SIZE, False), walk())
    assert np.abs(seen(place, place.motion.joints[0])[15] - body.pixels[15]).max() < 1e-6


def test_a_head_looks_where_it_looked_until_the_trunk_turns_away() -> None:
    trunk = np.arange(0.0, 181.0, 5.0)
    rest = SMPL24.rest[None]
    frames = np.concatenate(
        [Motion(rest, 12, SMPL24).rotate_y(-degrees).joints for degrees in trunk]
    )  # to the picture's left
    camera = np.diag([1.0, -1.0, -1.0, 1.0])
    turns = np.degrees(head_turns(Motion(frames, 12, SMPL24), camera, 0.0, np.radians(40.0)))
    against = turns - 40.0  # of the head against its trunk
    assert np.allclose(against[trunk <= 60], -trunk[trunk <= 60], atol=1e-6)
    assert np.abs(against).max() <= 60 + 1e-6
    assert np.allclose(against[trunk >= 120], 0.0, atol=1e-6)
    assert np.abs(np.diff(against)).max() < 10


def test_a_scenes_own_camera_begins_where_the_picture_was_taken_from() -> None:
    motion = walk()
    place = placed_body(rest_body(), motion)
    poses = np.tile(np.diag([1.0, -1.0, -1.0, 1.0]), (motion.frames, 1, 1))
    poses[:, :3, 3] = [0.0, 1.0, 4.0]
    poses[:, 2, 3] -= np.linspace(0, 1, motion.frames)
    camera = CameraPath(poses, np.tile([300.0, 300, 96, 144], (motion.frames, 1)), SIZE, 12)
    path = follow_camera(place, motion, camera)
    assert np.allclose(path.c2w[0], place.camera)
    moved = np.linalg.norm(path.c2w[-1, :3, 3] - path.c2w[0, :3, 3])
    assert 0.3 < moved < 2.0
    assert path.size == SIZE


def test_the_first_frame_is_the_picture() -> None:
    puppet = actor()
    place = from_the_picture(place_in(puppet, walk()))
    camera = CameraPath.static(place.camera, place.lens.tolist(), place.size, 12, place.motion.frames)
    frames = list(fading(film(puppet, place, camera), puppet.picture, 12))
    assert np.array_equal(frames[0].rgb, puppet.picture)
    mask, own = frames[0].coverage > 127, puppet.alpha > 0.5
    assert (mask & own).sum() / (mask | own).sum() > 0.95
    assert np.array_equal(place.motion.joints[6:], place_in(puppet, walk()).motion.joints[6:])


def test_a_first_frame_of_another_size_is_refused() -> None:
    puppet = actor()
    place = place_in(puppet, walk())
    camera = CameraPath.static(place.camera, place.lens.tolist(), place.size, 12, 2)
    with pytest.raises(ValueError, match="cannot begin with a picture"):
        list(fading(film(puppet, place, camera), puppet.picture[:-8], 12))
