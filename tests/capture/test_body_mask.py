"""What of a frame is background: all but the people, and not all of their boxes."""

from __future__ import annotations

import numpy as np
import pytest

from kinema.capture.body_mask import SIDE, background_of, background_of_people
from kinema.capture.observation import Observation
from kinema.scene import CameraPath, Motion, Scene
from kinema.scene.camera import look_at
from kinema.scene.skeleton import SMPL24
from kinema.stage import photo_studio, random_actor, shoot

SIZE = (160, 200)


def person(seed: int) -> tuple[Observation, np.ndarray]:
    """Somebody with arms spread, and where the picture shows them."""
    rng = np.random.default_rng(seed)
    joints = np.array(SMPL24.rest, np.float64)[None]
    joints[..., 1] -= joints[..., 1].min()
    lens = np.array([[220.0, 220.0, SIZE[0] / 2, SIZE[1] / 2]])
    camera = CameraPath(look_at(np.array([0.6, 1.2, 3.0]), np.array([0, 0.9, 0]))[None], lens, SIZE, 24.0)
    take = shoot(Scene((Motion(joints, 24.0, SMPL24),), camera, 24.0), [random_actor(rng)], photo_studio(rng))
    pixels, _ = camera.project(joints)
    points = pixels[0]
    box = np.concatenate([points.min(0), points.max(0)])
    return Observation(points, np.ones(24), box, 1.0), np.asarray(take.person_mask[0])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_limbs_are_covered_and_what_lies_between_is_free(seed: int) -> None:
    seen, shown = person(seed)
    free = background_of_people([seen], "smpl24", SIZE)
    assert (free & shown).sum() < 0.05 * shown.sum()
    assert free.mean() > background_of(seen.box[None], SIZE).mean() + 0.1


def test_somebody_hardly_seen_is_a_box() -> None:
    seen, _ = person(1)
    points = np.where(np.arange(24)[:, None] < 12, seen.points, np.nan)
    part = Observation(points, np.isfinite(points[:, 0]).astype(float), seen.box, 1.0)
    assert np.array_equal(background_of_people([part], "smpl24", SIZE), background_of(seen.box[None], SIZE))


def test_masks_of_large_pictures_are_small() -> None:
    seen, _ = person(1)
    large = Observation(10 * seen.points, seen.confidence, 10 * seen.box, 1.0)
    free = background_of_people([large], "smpl24", (1600, 2000))
    assert free.shape == (SIDE, 512)
    assert free.mean() == pytest.approx(background_of_people([seen], "smpl24", SIZE).mean(), abs=0.02)
    assert background_of_people([], "smpl24", SIZE).all()


def test_boxes_with_nan_are_left_out() -> None:
    free = background_of(np.array([[np.nan] * 4, [10.0, 10.0, 20.0, 20.0]]), (40, 30))
    assert not free[15, 15]
    assert free[0, 0]
    assert background_of(np.zeros((0, 4)), (40, 30)).all()
