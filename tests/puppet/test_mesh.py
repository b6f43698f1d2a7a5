"""Closed meshes with a human body's depth."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from tests.puppet.actors import actor, truth, walk

from kinema.evaluation.puppet import assembled, holes
from kinema.puppet.beyond import borrowed, continued_below
from kinema.puppet.layers import FILLED, layers_of
from kinema.puppet.take import film, place_in
from kinema.scene.camera_language import camera_path


def test_every_mesh_is_closed() -> None:
    mesh = actor().mesh
    points = np.round(np.column_stack([mesh.pixels, mesh.depth]), 6)
    _, same = np.unique(points, axis=0, return_inverse=True)
    corners = same.reshape(-1)[mesh.triangles]
    edges = np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]), axis=1)
    counts = Counter(map(tuple, edges.tolist()))
    assert np.mean([number % 2 == 0 for number in counts.values()]) > 0.995


def test_a_trunk_is_as_deep_as_a_body() -> None:
    puppet = actor()
    mesh, body = puppet.mesh, puppet.body
    chest = np.abs(mesh.pixels - body.pixels[9]).max(axis=1) < 0.02 * body.height
    deep = mesh.depth[chest].max() - mesh.depth[chest].min()
    assert 0.15 < deep < 0.3


def test_feet_go_forward_and_back() -> None:
    puppet = actor()
    mesh, body = puppet.mesh, puppet.body
    foot = (mesh.pixels[:, 1] > body.pixels[[7, 8], 1].max()) & np.isin(mesh.bones[:, 0], (7, 8, 10, 11))
    assert mesh.depth[foot].min() < body.depth[[7, 8]].min() - 0.08
    assert mesh.depth[foot].max() > body.depth[[7, 8]].max()


def test_a_flat_puppet_is_a_sheet() -> None:
    known = truth()
    flat = assembled(known.picture, known.alpha, known.body, 0.0).mesh
    front = np.unique(flat.triangles[flat.is_front])
    assert np.ptp(flat.depth) < np.ptp(actor().mesh.depth)
    assert len(front) > 100


@pytest.mark.parametrize("camera", ["static", "arc left 90deg"])
def test_nothing_opens(camera: str) -> None:
    puppet = actor()
    place = place_in(puppet, walk())
    path = camera_path(
        camera,
        size=puppet.size,
        fps=12,
        frames=place.motion.frames,
        subject=place.motion,
        fov=40,
        start=place.camera,
    )
    masks = np.stack([frame.coverage for frame in film(puppet, place, path)]) > 127
    assert holes(masks) < 0.01


def test_a_half_body_goes_on_below_the_picture() -> None:
    known = truth()
    rows = round(float(known.body.pixels[0, 1]))
    picture, alpha = continued_below(known.picture[:rows], known.alpha[:rows], known.body)
    assert len(picture) == len(alpha) > rows
    assert np.array_equal(picture[:rows], known.picture[:rows])
    assert (alpha[rows:].max(axis=1) > 0.5).all()


def test_a_whole_body_does_not() -> None:
    known = truth()
    assert continued_below(known.picture, known.alpha, known.body)[0] is known.picture


def test_soles_on_the_lower_edge_are_no_cut() -> None:
    known = truth()
    rows = int(np.flatnonzero((known.alpha > 0.5).any(axis=1)).max()) + 1
    picture = known.picture[:rows]
    assert (known.alpha[rows - 1] > 0.5).sum() > 0.02 * known.body.height
    assert continued_below(picture, known.alpha[:rows], known.body)[0] is picture


def test_an_arm_that_nobody_sees_is_borrowed() -> None:
    puppet = actor()
    layers = layers_of(puppet.picture, puppet.alpha, puppet.labels, puppet.body)
    confidence = puppet.body.confidence.copy()
    confidence[[16, 18, 20, 22]] = 0.1
    body = type(puppet.body)(puppet.body.pixels, puppet.body.depth, confidence, puppet.body.metre)
    lent = {layer.part: layer for layer in borrowed([layer for layer in layers if layer.part != 1], body)}
    assert set(lent) == {0, 1, 2, 3, 4}
    assert lent[1].bones[0] == 16
    assert lent[1].known.max() <= FILLED
    assert lent[1].mask is lent[2].mask
