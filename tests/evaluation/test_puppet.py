"""The measures of the rough take's protocol."""

from __future__ import annotations

import numpy as np
import pytest
from tests.puppet.actors import actor, truth

from kinema.evaluation.puppet import METHODS, PuppetTake, compared, holes, puppet_protocol, soles


def test_a_small_gap_is_a_hole_and_a_large_one_is_none() -> None:
    mask = np.zeros((1, 200, 200), bool)
    mask[:, 20:180, 20:180] = True
    assert holes(mask) == 0
    mask[:, 60:120, 60:120] = False
    assert holes(mask) == 0
    mask[:, 150:153, 150:153] = False
    assert holes(mask) == pytest.approx(9 / mask.sum())


def test_the_truth_is_its_own_equal() -> None:
    known = truth()
    values = compared(known, known.rgb, known.masks)
    assert values["iou"] == 1
    assert values["ssim"] == pytest.approx(1)
    assert values["psnr_person"] == np.inf


def test_picture_and_film_show_the_same_bones() -> None:
    known = truth()
    assert np.allclose(known.body.lengths, known.motion.bone_lengths(), rtol=0.06, atol=0.01)


def test_soles_are_measured_where_the_actor_stands() -> None:
    assert soles(actor(), truth())["standing_sole_m"] < 0.015


@pytest.mark.slow
def test_the_protocol_has_a_row_for_every_method(motion_library: object) -> None:
    pytest.importorskip("ai_edge_litert")
    take = PuppetTake("cmu_exercises/14_14_0000", 1.0, "static")
    rows = puppet_protocol([take], (256, 384), 3)
    assert [row["method"] for row in rows] == list(METHODS)
    puppet = rows[METHODS.index("puppet")]
    assert puppet["iou"] > rows[0]["iou"] + 0.1
    assert puppet["identity_iou"] > 0.95
