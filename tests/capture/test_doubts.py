"""What is said about captures that may disappoint."""

from __future__ import annotations

import re

import numpy as np
import pytest

from kinema.capture.doubts import doubts, half_seen, unlike_people
from kinema.capture.filling import left_filled
from kinema.capture.observation import PersonTrack
from kinema.scene.motion import FILLED, Motion
from kinema.scene.skeleton import SMPL24

FRAMES = 20


def track(confidence: float = 0.9, turned: bool = False, seen: int = FRAMES) -> PersonTrack:
    up = 1 if turned else -1
    points = np.repeat((SMPL24.rest[:, :2] * [100, 100 * up] + [200, 300])[None], FRAMES, axis=0)
    points[seen:] = np.nan
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    sure = np.where(np.isfinite(points[..., 0]), confidence, 0.0)
    return PersonTrack(0, "smpl24", 10.0, (400, 600), points, sure, boxes)


def lifted(hidden: tuple[int, ...], away: slice = slice(0, 0)) -> Motion:
    confidence = np.full((FRAMES, 24), 0.9)
    confidence[:, list(hidden)] = FILLED
    confidence[away] = FILLED
    return Motion(np.repeat(SMPL24.rest[None], FRAMES, axis=0), 10.0, SMPL24, confidence=confidence)


LEGS = (4, 5, 7, 8, 10, 11)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (track(), None),
        (track(confidence=0.3), "little confidence"),
        (track(turned=True), "upside down for 100%"),
        (track(seen=5), r"25% of the frames only, between 0\.0 and 0\.4 s"),
    ],
)
def test_doubts(seen, said):
    notes = doubts(seen)
    assert len(notes) == (said is not None)
    if said is not None:
        assert re.search(said, notes[0])


class TestHalfBodies:
    def test_what_is_filled_is_said(self):
        (note,) = half_seen(lifted(LEGS), track(), "body")
        assert "legs are hardly seen; they are filled in" in note
        (note,) = half_seen(lifted(LEGS), track(), "none")
        assert "--fill body" in note
        (note,) = half_seen(lifted((*LEGS, 0, 1, 2)), track(), "body")
        assert "hips and legs" in note
        assert half_seen(lifted((10, 11)), track(), "body") == []

    def test_who_is_hardly_placed_is_said(self):
        (note,) = half_seen(lifted((), slice(0, 15)), track(), "body")
        assert "75% of the frames too little is seen" in note

    def test_bodies_are_whole_where_they_are_seen(self):
        motion = lifted(LEGS, slice(12, 20))
        body = left_filled(motion, "body")
        assert np.isfinite(body.joints[:12]).all()
        assert np.isnan(body.joints[12:]).all()
        assert np.isnan(left_filled(motion, "none").joints[:12, list(LEGS)]).all()
        short = lifted(LEGS, slice(12, 15))
        assert np.isfinite(left_filled(short, "body").joints).all()


class TestWhatItLooksLike:
    def test_a_map_of_parts(self):
        parts = np.full((2, 64, 64, 3), (68, 1, 84), np.uint8)
        parts[:, 10:50, 20:40] = (33, 145, 140)
        assert "body parts" in unlike_people(parts)

    def test_depth(self):
        depth = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None, None], 64, axis=2)
        assert "depth" in unlike_people(np.repeat(depth, 3, axis=-1))

    def test_darkness(self):
        assert "almost black" in unlike_people(np.full((2, 32, 32, 3), 4, np.uint8))

    def test_a_photograph_like_any_other(self):
        rng = np.random.default_rng(0)
        assert unlike_people(rng.integers(0, 255, (2, 32, 32, 3), dtype=np.uint8)) == ""
