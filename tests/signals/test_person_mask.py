"""Person masks: capsules and hull by their definition; the token prior: frame groups, pooling, dilation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kinema.scene.skeleton import SMPL24
from kinema.signals.person_mask import TORSO, person_height_pixels, person_mask, token_prior

SIZE = (384, 256)


def standing(height=170.0, centre=(192.0, 128.0)):
    """SMPL-24's rest pose as seen from the front, pixels, [1, 1, 24, 2]."""
    flat = SMPL24.rest[:, :2] * [1, -1]
    flat = flat - (flat.min(axis=0) + flat.max(axis=0)) / 2
    return (flat * height / np.ptp(flat[:, 1]) + centre)[None, None]


def distance_to_bones(joints, size):
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    points = np.stack([x, y], axis=-1)
    distance = np.full(points.shape[:2], np.inf)
    skull = np.append(joints, [2 * joints[15] - joints[12]], axis=0)
    for parent, child in [*SMPL24.bones, (15, 24)]:
        a, b = skull[parent], skull[child]
        share = np.clip((points - a) @ (b - a) / max((b - a) @ (b - a), 1e-12), 0, 1)
        distance = np.fmin(distance, np.linalg.norm(points - a - share[..., None] * (b - a), axis=-1))
    return distance


def test_capsules_have_the_stated_radius():
    joints = standing()
    height = np.array([[170.0]])
    mask = person_mask(joints, SIZE, person_height=height)[0]
    distance = distance_to_bones(joints[0, 0], SIZE)
    assert mask[distance < 0.08 * 170 - 1e-6].all()
    outside = distance > 0.08 * 170 + 1e-6
    rows, columns = np.nonzero(mask & outside)  # the torso hull only
    corners = joints[0, 0, list(TORSO)]
    assert rows.size == 0 or (rows.min() >= corners[:, 1].min() - 1 and rows.max() <= corners[:, 1].max() + 1)
    assert columns.size == 0 or (columns.min() >= corners[:, 0].min() - 1)


def test_torso_is_filled_however_it_is_twisted():
    joints = np.full((1, 1, 24, 2), np.nan)
    for joint, place in zip(TORSO, [(150, 200), (230, 200), (230, 60), (150, 60)], strict=True):
        joints[0, 0, joint] = place
    mask = person_mask(joints, SIZE, min_radius=0.6, radius=0.0)[0]
    assert mask[70:190, 155:225].all()
    joints[0, 0, [16, 17]] = joints[0, 0, [17, 16]]
    assert person_mask(joints, SIZE, min_radius=0.6, radius=0.0)[0][70:190, 155:225].all()


def test_smallest_radius_follows_small_pictures():
    def thickness(size):
        joints = np.full((1, 1, 24, 2), np.nan)
        joints[0, 0, [4, 7]] = (10.5, 20.5), (30.5, 20.5)
        return person_mask(joints, size, radius=0.0)[0][:, 20].sum()

    assert thickness((64, 256)) == thickness((64, 512)) == 13
    assert thickness((64, 128)) == 7


def test_people_missing_joints_and_confidence():
    two = np.concatenate([standing(120, (95, 128)), standing(120, (285, 128))], axis=1)
    both = person_mask(two, SIZE)[0]
    first = person_mask(two[:, :1], SIZE)[0]
    assert both[:, :190].sum() == first.sum() == both[:, 190:].sum()
    confidence = np.ones((1, 2, 24))
    confidence[:, 1] = 0.2
    assert np.array_equal(person_mask(two, SIZE, confidence)[0], first)
    assert not person_mask(np.full((2, 1, 24, 2), np.nan), SIZE).any()
    with pytest.raises(ValueError, match="joints must have the shape"):
        person_mask(np.zeros((1, 1, 22, 2)), SIZE)


def test_standing_height_does_not_depend_on_the_pose():
    rest = np.repeat(SMPL24.rest[None], 3, axis=0)
    focal, depth = np.full(3, 100.0), np.repeat([[2.0], [4.0], [-1.0]], 24, axis=1)
    tall = person_height_pixels(rest, focal, depth)
    assert tall[0] == pytest.approx(2 * tall[1])
    assert np.isnan(tall[2])
    metres = tall[0] * 2 / 100
    extent = np.ptp(SMPL24.rest[:, 1])
    assert 0.9 * extent < metres < 1.25 * extent
    folded = rest.copy()
    folded[:, [4, 7]] += folded[:, [1]] - folded[:, [4]]  # knees at the hips
    folded[:, 4] = folded[:, 1] + [0, 0, np.linalg.norm(rest[0, 4] - rest[0, 1])]
    folded[:, 7] = folded[:, 4] + [0, 0, -np.linalg.norm(rest[0, 7] - rest[0, 4])]
    assert person_height_pixels(folded, focal, depth)[0] == pytest.approx(tall[0])


@settings(max_examples=30, deadline=None)
@given(
    hnp.arrays(bool, (9, 8, 12), elements=st.booleans()),
    st.sampled_from([(3, 4, 6), (3, 2, 3), (9, 8, 12), (5, 3, 5)]),
    st.integers(0, 2),
)
def test_token_prior_is_a_max_over_cells_groups_and_neighbours(mask, grid, dilate):
    prior = token_prior(torch.from_numpy(mask), grid, dilate)
    f, h, w = grid
    stride = (len(mask) - 1) // (f - 1)
    cell = np.zeros(grid, bool)
    for t, y, x in np.argwhere(mask):
        columns = [k for k in range(w) if k * 12 // w <= x < -(-(k + 1) * 12 // w)]
        rows = [k for k in range(h) if k * 8 // h <= y < -(-(k + 1) * 8 // h)]
        cell[0 if t == 0 else 1 + (t - 1) // stride][np.ix_(rows, columns)] = True
    expected = np.zeros(grid, bool)
    for t, y, x in np.argwhere(cell):
        expected[t, max(y - dilate, 0) : y + dilate + 1, max(x - dilate, 0) : x + dilate + 1] = True
    assert prior.dtype == torch.float32
    assert np.array_equal(prior, expected)
    assert torch.equal(
        token_prior(torch.from_numpy(mask).expand(2, 1, -1, -1, -1), grid, dilate)[1, 0], prior
    )


def test_frame_groups_of_a_causal_autoencoder():
    for frame, group in ((0, 0), (1, 1), (4, 1), (5, 2), (16, 4)):
        mask = torch.zeros(17, 16, 16, dtype=torch.bool)
        mask[frame, 3, 3] = True
        assert token_prior(mask, (5, 2, 2)).nonzero()[:, 0].unique().tolist() == [group]
    assert token_prior(torch.ones(1, 4, 4, dtype=torch.bool), (1, 2, 2)).shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("shape", "grid", "dilate", "message"),
    [
        ((16, 8, 8), (5, 2, 2), 1, "16 frames do not fall into 5 groups"),
        ((5, 8, 8), (1, 2, 2), 1, "groups"),
        ((5, 8, 8), (2, 9, 2), 1, "does not fit"),
        ((5, 8, 8), (2, 2, 0), 1, "does not fit"),
        ((5, 8, 8), (2, 2, 2), -1, "dilate"),
        ((5, 8), (2, 2, 2), 1, "shape"),
    ],
)
def test_bad_grids_are_named(shape, grid, dilate, message):
    with pytest.raises(ValueError, match=message):
        token_prior(torch.ones(shape, dtype=torch.bool), grid, dilate)
