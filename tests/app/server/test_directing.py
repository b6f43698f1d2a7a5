"""Requests in people, words and keyframes become what must hold."""

import pytest

from kinema.app.server.directing import constraints
from kinema.app.server.schemas import MotionRequest


def headings(*said):
    path = [{"time": n, "x": x, "z": z, "heading": h} for n, (x, z, h) in enumerate(said)]
    (held,) = constraints(MotionRequest.model_validate({"prompt": "a person walks", "path": path}))
    return held.headings


def test_people_face_the_way_they_go_where_only_some_points_say_whither():
    assert headings((0, 0, None), (0, 1, None)) is None
    assert headings((0, 0, None), (1, 0, -30), (1, 2, None)) == pytest.approx([90, -30, 0])
    assert headings((0, 0, 45)) == [45]
