"""Retrieval and nearest motions on sets whose answers are known."""

import numpy as np
import pytest
from tests.motion.walking import walk

from kinema.evaluation.metrics import retrieval
from kinema.evaluation.metrics.nearest_motion import MotionNeighbours, limb_directions


def directions(motion):
    return limb_directions(motion.joints, motion.fps)


def test_pools_hold_each_meaning_once_and_the_own_text_first():
    meanings = [f"meaning {item % 7}" for item in range(30)]
    pool = retrieval.pools(meanings, size=5, seed=1)
    assert (pool[:, 0] == np.arange(30)).all()
    assert all(len({meanings[item] for item in row}) == 5 for row in pool)
    assert np.array_equal(pool, retrieval.pools(meanings, size=5, seed=1))
    with pytest.raises(ValueError, match="pools of 8 texts need as many meanings, there are 7"):
        retrieval.pools(meanings, size=8)


def test_shuffled_items_mean_something_else():
    meanings = ["walk"] * 5 + ["run"] * 2
    assert all(
        meanings[other] != own for own, other in zip(meanings, retrieval.strangers(meanings), strict=True)
    )
    with pytest.raises(ValueError, match="two meanings"):
        retrieval.strangers(["walk", "walk"])


def test_ranks_count_the_texts_that_are_nearer():
    texts = np.eye(4)
    motions = np.array([[1, 0, 0, 0], [0.8, 0.6, 0, 0], [0.5, 0.5, 0.5, 0.5]])
    pool = np.array([[0, 1, 2, 3], [1, 0, 2, 3], [2, 0, 1, 3]])
    assert retrieval.ranks(motions, texts, pool).tolist() == [0, 1, 1.5]  # ties are neither won nor lost
    assert retrieval.distances(motions[:1], texts[:1]).tolist() == [0]


def test_random_vectors_are_retrieved_by_chance():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(2, 400, 16))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    pool = retrieval.pools([str(item) for item in range(400)])
    found = retrieval.ranks(*vectors, pool) < 3
    assert found.mean() == pytest.approx(3 / 32, abs=0.04)


def test_alike_texts_are_told_apart_or_not():
    texts = np.eye(3)
    motions = np.array([[1, 0, 0], [1, 0, 0], [0, 0, 1.0]])
    right, chance = retrieval.told_apart(
        motions, texts, [np.array([0, 1]), np.array([1, 0, 2]), np.array([2])]
    )
    assert right[:2].tolist() == [1, 0]
    assert np.isnan(right[2])
    assert chance == pytest.approx((1 / 2 + 1 / 3) / 2)


def test_diversity_is_nothing_for_one_motion_repeated():
    assert retrieval.diversity(np.tile([1.0, 0.0], (5, 1))) == 0
    assert retrieval.diversity(np.array([[1.0, 0], [-1.0, 0]])) == 2
    with pytest.raises(ValueError, match="two motions"):
        retrieval.diversity(np.ones((1, 2)))


def test_the_nearest_motion_is_itself_wherever_it_stands():
    motions = [walk(61, speed, turn) for speed, turn in ((0.5, 0.5), (1.0, 0.0), (1.5, -0.5))]
    neighbours = MotionNeighbours(directions(motion) for motion in motions)
    place, degrees = neighbours.nearest(directions(motions[2].rotate_y(70).translate([3, 0, 1])))
    assert place == 2
    assert degrees == pytest.approx(0, abs=0.1)
    _, other = neighbours.nearest(directions(motions[2].mirror()))
    assert other > 1


def test_directions_forget_build_and_frame_rate():
    motion = walk(81)
    taller = limb_directions(1.2 * motion.joints, motion.fps)
    assert np.abs(taller - directions(motion)).max() < 1e-6
    assert np.abs(directions(motion.resample(40.0)) - directions(motion)).max() < 1e-2
    assert directions(motion).shape == (21, 9, 3)


def test_short_motions_are_no_neighbours():
    neighbours = MotionNeighbours([directions(walk(21))])
    with pytest.raises(ValueError, match="no motion lasts"):
        neighbours.nearest(directions(walk(81)))
